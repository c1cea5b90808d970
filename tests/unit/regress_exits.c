/* SPDX-License-Identifier: MIT */
/* Regressions: threads that end, or are cancelled, inside code of the user's. */
#include "regress.h"

static struct gate gate;

static int exits(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

/* A task on a worker, and the inline task within it. */
static struct {
	creel_future *outer;
	creel_executor *inline_ex;
	struct ct_count inner_freed, outer_freed, cleaned;
} nest;

static void look_around(void *arg)
{
	ct_int(ct_count_get(&nest.inner_freed), 1);
	ct_int(ct_count_get(&nest.outer_freed), 0);
	ct_int(creel_future_state(nest.outer), CREEL_FUTURE_RUNNING);
	ct_int(*(const char *)arg, 'x');
	ct_assert(creel_task_current() != NULL);
	ct_open(&nest.cleaned);
}

static int run_inline(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = &nest.inner_freed};
	ct_pass(&gate.open);
	pthread_cleanup_push(look_around, (void *)(uintptr_t)arg);
	creel_spawn(nest.inline_ex, exits, NULL, 0, &o);
	pthread_cleanup_pop(0);
	return 0;
}

/* The end of the inner task ended the outer one too, and freed what its handlers still used. */
CT_TEST(regress_exits, a_task_ends_before_the_handlers_of_the_one_around_it_and_alone, 0)
{
	char large[100] = "x";
	creel_executor *ex = pool_of(1);
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = &nest.outer_freed};
	nest.inline_ex = creel_inline_new();
	nest.outer = creel_submit_with(ex, run_inline, large, sizeof large, &o);
	ct_open(&gate.open);
	ct_int(creel_future_result(nest.outer, CT_GUARD, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(nest.outer)->kind, CREEL_KIND_EXITED);
	ct_int(ct_count_get(&nest.cleaned), 1);
	ct_int(ct_count_get(&nest.outer_freed), 1);
	creel_future_unref(nest.outer);
	close_now(ex);
	close_now(nest.inline_ex);
}

static void finalize_and_exit(void *ctx, void *local)
{
	(void)local;
	ct_count_add(ctx, 1);
	pthread_exit(NULL);
}

/* The worker that was ended there began to leave anew, for ever. */
CT_TEST(regress_exits, a_finalizer_that_ends_its_thread_runs_once, 0)
{
	static struct ct_count finalized;
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .finalizer = finalize_and_exit, .ctx = &finalized});
	ct_int(creel_spawn(ex, task_nothing, NULL, 0, NULL), 0);
	close_now(ex);
	ct_int(ct_count_get(&finalized), 1);
}

static int cancel_self(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_cancel(pthread_self());
	return 0;
}

/* Writing to the queue's descriptor was a cancellation point: the thread died with the locks. */
CT_TEST(regress_exits, a_thread_that_is_being_cancelled_still_tells_a_queue_with_a_descriptor, 0)
{
	creel_executor *ex = pool_of(1);
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = NULL;
	ct_assert(creel_queue_fd(q) >= 0);
	ct_int(creel_queue_submit(q, ex, cancel_self, NULL, 0, NULL, NULL), 0);
	ct_int(creel_queue_take(q, CT_GUARD, &f, NULL), 0);
	ends_with(f, 0);
	close_now(ex);
	creel_queue_unref(q);
}

static void submit_and_wait(creel_executor *ex)
{
	creel_future *f = submit_to(ex, task_gated, &gate);
	/* The deadlines are near, so that it is certain to sleep. */
	ct_int(creel_future_result(f, creel_in_ms(2), NULL, 0), -ETIMEDOUT);
	ct_int(creel_executor_drain(ex, creel_in_ms(2)), -ETIMEDOUT);
	ct_open(&gate.open);
	ends_with(f, 0);
}

/* Each of these blocks somewhere. */
static void *use_while_being_cancelled(void *finished)
{
	pthread_cancel(pthread_self());
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = NULL;
	ct_assert(creel_queue_fd(q) >= 0);
	ct_int(creel_queue_take(q, creel_in_ms(2), &f, NULL), -ETIMEDOUT);
	creel_queue_unref(q);
	creel_executor *ex = pool_of(0);
	submit_and_wait(ex);
	close_now(ex);
	ct_count_add(finished, 1);
	pthread_testcancel();
	return NULL;
}

/* Joining, sleeping without futexes and reading of the number of processors ended the thread. */
CT_TEST(regress_exits, a_thread_that_is_to_be_cancelled_is_not_within_the_library, 0)
{
	static struct ct_count finished;
	struct ct_census before;
	pthread_t thread;
	void *end = NULL;
	ct_census_take(&before);
	ct_int(pthread_create(&thread, NULL, use_while_being_cancelled, &finished), 0);
	ct_int(pthread_join(thread, &end), 0);
	ct_assert(end == PTHREAD_CANCELED);
	ct_int(ct_count_get(&finished), 1);
	ct_census_same(&before);
}
