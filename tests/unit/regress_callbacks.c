/* SPDX-License-Identifier: MIT */
/* Regressions: callbacks that were lost, freed too early, or of which remove did not tell the
 * truth. */
#include "faults.h"
#include "regress.h"

static struct told told;
static struct gate gate;

static void settle(creel_future *f, void *promise)
{
	(void)f;
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
}

/* What the callback completed was put off until "the outermost level", which was not there: the
 * callback ran at once, in the call that added it. */
CT_TEST(regress_callbacks, what_a_callback_added_to_a_final_future_settles_is_told, 0)
{
	creel_future *first = creel_promise_new(), *second = creel_promise_new();
	ct_int(creel_future_on_done(second, NULL, note_call, &told, note_free, NULL), 0);
	ct_int(creel_promise_set_result(first, NULL, 0), 0);
	ct_int(creel_future_on_done(first, NULL, settle, second, NULL, NULL), 0);
	told_once(&told);
	creel_future_unref(first);
	creel_future_unref(second);
}

static void settle_freed(void *arg, size_t size, void *promise)
{
	(void)arg;
	(void)size;
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
}

/* The same, from an argument's destructor. */
CT_TEST(regress_callbacks, what_the_destructor_of_an_argument_settles_is_told, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *p = creel_promise_new();
	creel_submit_options o = {.arg_free = settle_freed, .arg_ctx = p};
	ct_int(creel_future_on_done(p, NULL, note_call, &told, note_free, NULL), 0);
	ct_int(creel_spawn(ex, task_nothing, NULL, 0, &o), 0);
	close_now(ex);
	told_once(&told);
	creel_future_unref(p);
}

/* The task that was to call it was cancelled, and with it the callback. */
CT_TEST(regress_callbacks, one_whose_task_a_shutdown_cancels_is_called_after_all, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *busy = hold(ex, &gate), *p = creel_promise_new();
	ct_int(creel_future_on_done(p, ex, note_call, &told, note_free, NULL), 0);
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_open(&gate.open);
	close_now(ex);
	told_once(&told);
	ends_with(busy, 0);
	creel_future_unref(p);
}

static int break_pool(void *ctx, unsigned worker, void **ret_local)
{
	(void)worker;
	(void)ret_local;
	task_gated(NULL, ctx, 0);
	return -EIO;
}

/* The same, by a pool that breaks. */
CT_TEST(regress_callbacks, one_whose_task_fails_with_its_pool_is_called_after_all, 0)
{
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .initializer = break_pool, .ctx = &gate});
	creel_future *p = creel_promise_new();
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	ct_int(creel_future_on_done(p, ex, note_call, &told, note_free, NULL), 0);
	ct_count_await(&gate.started, 1);
	ct_int(ct_count_get(&told.called), 0);
	ct_open(&gate.open);
	close_now(ex);
	told_once(&told);
	creel_future_unref(p);
}

/* The same, by an executor that rejects it when it has it already. */
CT_TEST(regress_callbacks, one_whose_task_is_rejected_is_called_after_all, 0)
{
	struct keeper keeper = {NULL, {0}};
	creel_executor *ex = keeper_new(&keeper, keeper_submit);
	creel_future *p = creel_promise_new();
	uint64_t id = 0;
	ct_int(creel_future_on_done(p, ex, note_call, &told, note_free, &id), 0);
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	ct_assert(keeper.task != NULL);
	ct_int(ct_count_get(&told.called), 0);
	creel_task_reject(keeper.task, CREEL_KIND_REJECTED, 0, NULL);
	told_once(&told);
	ct_int(creel_future_remove(p, id), CREEL_CALLBACK_DONE);
	creel_future_unref(p);
	close_now(ex);
}

static uint32_t destroyed_within_submit;

static int run_within_submit(void *self, creel_task *task)
{
	struct keeper *keeper = self;
	ct_int(creel_task_run(task), 0);
	destroyed_within_submit = ct_count_get(&keeper->destroyed);
	return 0;
}

/* The task let go of the executor while the call that submitted it was still inside. */
CT_TEST(regress_callbacks, the_last_reference_to_an_executor_outlives_the_submission, 0)
{
	struct keeper keeper = {NULL, {0}};
	creel_executor *ex = keeper_new(&keeper, run_within_submit);
	creel_future *p = creel_promise_new();
	ct_int(creel_future_on_done(p, ex, note_call, &told, note_free, NULL), 0);
	creel_executor_unref(ex);
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	told_once(&told);
	ct_int(destroyed_within_submit, 0);
	ct_int(ct_count_get(&keeper.destroyed), 1);
	creel_future_unref(p);
}

/* The same with a pool, which another thread frees: a race, seen by sanitizers. */
CT_TEST(regress_callbacks, the_last_reference_to_a_pool_outlives_the_submission, 0)
{
	unsigned rounds = ct_scaled(200);
	for (unsigned i = 0; i < rounds; i++) {
		creel_executor *ex = pool_of(1);
		creel_future *p = creel_promise_new();
		ends_with(creel_submit(ex, task_nothing, NULL, 0), 0);
		ct_int(creel_future_on_done(p, ex, note_call, &told, note_free, NULL), 0);
		creel_executor_unref(ex);
		ct_int(creel_promise_set_result(p, NULL, 0), 0);
		creel_future_unref(p);
	}
	ct_count_await(&told.freed, rounds);
	ct_int(ct_count_get(&told.called), rounds);
}

/* It was taken for done as soon as it was queued. */
CT_TEST(regress_callbacks, one_that_waits_on_its_executor_is_running_and_not_done, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *busy = hold(ex, &gate), *p = creel_promise_new();
	uint64_t id = 0;
	ct_int(creel_future_on_done(p, ex, note_call, &told, note_free, &id), 0);
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	ct_int(creel_future_remove(p, id), CREEL_CALLBACK_RUNNING);
	ct_int(ct_count_get(&told.called), 0);
	ct_open(&gate.open);
	close_now(ex);
	told_once(&told);
	ct_int(creel_future_remove(p, id), CREEL_CALLBACK_DONE);
	ends_with(busy, 0);
	creel_future_unref(p);
}

static void call_and_exit(creel_future *f, void *arg)
{
	note_call(f, arg);
	pthread_exit(NULL);
}

static void free_count(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	ct_count_add(ctx, 1);
}

/* What it held was let go of by its function's last lines, which were not reached. */
CT_TEST(regress_callbacks, one_that_ends_the_thread_of_its_executor_holds_nothing_back, 0)
{
	static char data[1];
	static struct ct_count freed;
	creel_executor *ex = pool_of(1);
	creel_future *p = creel_promise_new();
	uint64_t id = 0;
	ct_int(creel_future_on_done(p, ex, call_and_exit, &told, note_free, &id), 0);
	ct_int(creel_future_on_done(p, ex, note_call, &told, NULL, NULL), 0);
	ct_int(creel_promise_set_move(p, (creel_buffer){data, 1, free_count, &freed}), 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(&told.called), 2);
	ct_int(ct_count_get(&told.freed), 1);
	ct_int(creel_future_remove(p, id), CREEL_CALLBACK_DONE);
	creel_future_unref(p);
	ct_int(ct_count_get(&freed), 1);
	close_now(ex);
}

/* Its memory and its task's went only with one that was called. */
CT_TEST(regress_callbacks, one_that_is_removed_leaves_no_memory_behind, CT_NO_BLOCKS)
{
	enum { N = 100 };
	creel_executor *ex = creel_inline_new();
	creel_future *p = creel_promise_new();
	long before = 0;
	for (int i = 0; i <= N; i++) {
		for (int with = 0; with < 2; with++) {
			uint64_t id = 0;
			ct_int(creel_future_on_done(p, with ? ex : NULL, note_call, &told,
						    note_free, &id),
			       0);
			ct_int(creel_future_remove(p, id), CREEL_CALLBACK_REMOVED);
		}
		/* What the first one leaves is the thread's own. */
		before = i ? before : ct_live_blocks();
	}
	ct_int(ct_live_blocks(), before);
	ct_int(ct_count_get(&told.freed), 2 * N + 2);
	ct_int(ct_count_get(&told.called), 0);
	creel_future_unref(p);
	creel_executor_unref(ex);
}
