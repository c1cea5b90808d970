/* SPDX-License-Identifier: MIT */
/* Regressions: threads that end, or are cancelled, inside code of the user's. */
#include "regress.h"

#include <stdlib.h>
#include <string.h>

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
CT_TEST(regress_exits, a_thread_that_is_being_cancelled_still_tells_a_queue_with_a_descriptor,
	!CT_LINUX)
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

static int joiner;
static pthread_key_t at_exit;

/* The end of a worker's thread: not before somebody waits for it. */
static void await_joiner(void *arg)
{
	(void)arg;
	ct_await_asleep(joiner);
}

static int leaves_late(creel_task *task, const void *arg, size_t size)
{
	ct_int(pthread_setspecific(at_exit, &at_exit), 0);
	return task_gated(task, arg, size);
}

static void submit_and_wait(creel_executor *ex)
{
	creel_future *f = submit_to(ex, leaves_late, &gate);
	/* Near deadlines: it sleeps, unless it is so slow that they have passed. */
	ct_int(creel_future_result(f, creel_in_ms(2), NULL, 0), -ETIMEDOUT);
	ct_int(creel_executor_drain(ex, creel_in_ms(2)), -ETIMEDOUT);
	ct_open(&gate.open);
	ends_with(f, 0);
}

static void map_some(creel_executor *ex)
{
	static const int items[3];
	creel_mapping *map = creel_map(ex, task_nothing, items, sizeof items[0], 3, NULL);
	ct_int(creel_map_error(map) == NULL, 1);
	creel_map_end(map);
}

/* Each of these blocks somewhere, or reads a file. */
static void *use_while_being_cancelled(void *finished)
{
	joiner = (int)syscall(SYS_gettid);
	pthread_cancel(pthread_self());
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = NULL;
	ct_assert(creel_queue_fd(q) >= 0);
	ct_int(creel_queue_take(q, creel_in_ms(2), &f, NULL), -ETIMEDOUT);
	creel_queue_unref(q);
	creel_executor *ex = pool_of(0);
	map_some(ex);
	submit_and_wait(ex);
	close_now(ex);
	ct_count_add(finished, 1);
	pthread_testcancel();
	return NULL;
}

static void run_cancelled(void *(*fn)(void *arg), void *arg)
{
	pthread_t thread;
	void *end = NULL;
	ct_int(pthread_create(&thread, NULL, fn, arg), 0);
	ct_int(pthread_join(thread, &end), 0);
	ct_assert(end == PTHREAD_CANCELED);
}

/* Joining, sleeping without futexes and reading of the number of processors ended the thread. */
CT_TEST(regress_exits, a_thread_that_is_to_be_cancelled_is_not_within_the_library, !CT_LINUX)
{
	static struct ct_count finished;
	struct ct_census before;
	ct_census_take(&before);
	ct_int(pthread_key_create(&at_exit, await_joiner), 0);
	run_cancelled(use_while_being_cancelled, &finished);
	ct_int(ct_count_get(&finished), 1);
	ct_census_same(&before);
}

/* What close() and write() are as well. */
static void free_at_a_point(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	pthread_testcancel();
	ct_count_add(ctx, 1);
}

static void call_at_a_point(creel_future *f, void *arg)
{
	pthread_testcancel();
	note_call(f, arg);
}

static void *cancel_while_being_cancelled(void *f)
{
	pthread_cancel(pthread_self());
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	pthread_testcancel();
	return NULL;
}

static struct ct_count freed;
static struct told told;

/* Its destructor and its two callbacks come to such a point. */
static creel_future *submit_pointed(creel_executor *ex, creel_fn fn)
{
	creel_future *f = creel_submit_with(
		ex, fn, NULL, 0,
		&(creel_submit_options){.arg_free = free_at_a_point, .arg_ctx = &freed});
	for (int i = 0; i < 2; i++)
		ct_int(creel_future_on_done(f, NULL, call_at_a_point, &told, NULL, NULL), 0);
	return f;
}

/* The future was never final, and its worker waited for that. */
CT_TEST(regress_exits, a_canceller_that_is_to_be_cancelled_is_not_within_a_destructor, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *first = hold(ex, &gate), *f = submit_pointed(ex, task_nothing);
	run_cancelled(cancel_while_being_cancelled, f);
	ct_int(ct_count_get(&freed), 1);
	ct_int(ct_count_get(&told.called), 2);
	ct_open(&gate.open);
	ends_with(f, -ECANCELED);
	ends_with(first, 0);
	close_now(ex);
}

/* The same at the end of a task that has its own worker cancelled. */
CT_TEST(regress_exits, a_worker_that_is_to_be_cancelled_is_not_within_a_destructor, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *first = hold(ex, &gate), *f = submit_pointed(ex, cancel_self);
	ct_open(&gate.open);
	ends_with(f, 0);
	ends_with(first, 0);
	ct_count_await(&told.called, 2);
	ct_int(ct_count_get(&freed), 1);
	close_now(ex);
}

static void cancel_and_call(creel_future *f, void *arg)
{
	pthread_cancel(pthread_self());
	call_at_a_point(f, arg);
}

static void free_told_at_a_point(void *arg)
{
	pthread_testcancel();
	note_free(arg);
}

/* Of a callback that runs as a task the destructor was cut off. */
CT_TEST(regress_exits, a_callback_on_an_executor_is_not_cancelled, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *p = creel_promise_new();
	ct_int(creel_future_on_done(p, ex, cancel_and_call, &told, free_told_at_a_point, NULL), 0);
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	creel_future_unref(p);
	close_now(ex);
	told_once(&told);
}

static int comes_to_a_point(creel_task *task, const void *arg, size_t size)
{
	pthread_testcancel();
	return task_count(task, arg, size);
}

static void run_in_place(creel_future *f, void *ex)
{
	(void)f;
	ends_with(submit_to(ex, comes_to_a_point, &freed), 0);
}

static void *settle_while_being_cancelled(void *p)
{
	pthread_cancel(pthread_self());
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	pthread_testcancel();
	return NULL;
}

/* A task elsewhere would end by it. */
CT_TEST(regress_exits, a_task_that_a_callback_runs_in_place_is_not_cancelled, 0)
{
	creel_executor *ex = creel_inline_new();
	creel_future *p = creel_promise_new();
	ct_int(creel_future_on_done(p, NULL, run_in_place, ex, NULL, NULL), 0);
	run_cancelled(settle_while_being_cancelled, p);
	ct_int(ct_count_get(&freed), 1);
	creel_future_unref(p);
	close_now(ex);
}

static struct ct_count cleaned;

static void clean_at_a_point(void *arg)
{
	free_at_a_point(arg, 0, &cleaned);
}

static void tell_at_a_point(void *ctx, const creel_error *e)
{
	ct_int(e->code, -EIO);
	free_at_a_point(NULL, 0, ctx);
}

/* All that a call may have to get rid of. */
static void *drop_while_being_cancelled(void *failed)
{
	static char data[8];
	const creel_submit_options o = {.arg_free = free_at_a_point, .arg_ctx = &cleaned};
	creel_future *moved = creel_promise_new(), *kept = creel_promise_new();
	uint64_t id;
	ct_int(creel_promise_set_move(moved,
				      (creel_buffer){data, sizeof data, free_at_a_point, &cleaned}),
	       0);
	ct_int(creel_future_on_done(kept, NULL, note_call, NULL, clean_at_a_point, &id), 0);
	pthread_cancel(pthread_self());
	creel_future_unref(moved);
	ct_int(creel_future_remove(kept, id), CREEL_CALLBACK_REMOVED);
	creel_future_unref(kept);
	creel_future_unref(failed);
	ends_with(creel_submit_with(NULL, task_nothing, data, sizeof data, &o), CREEL_EFAILED);
	pthread_testcancel();
	return NULL;
}

static int moves_and_fails(creel_task *task, const void *arg, size_t size)
{
	static char data[8];
	(void)arg;
	(void)size;
	ct_int(creel_return_move(task,
				 (creel_buffer){data, sizeof data, free_at_a_point, &cleaned}),
	       0);
	pthread_cancel(pthread_self());
	return -EIO;
}

static int fails(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return -EIO;
}

CT_TEST(regress_exits, a_thread_that_is_to_be_cancelled_is_not_within_what_gets_rid_of_things, 0)
{
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .on_unhandled = tell_at_a_point, .ctx = &cleaned});
	creel_future *failed = creel_submit(ex, fails, NULL, 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	run_cancelled(drop_while_being_cancelled, failed);
	ct_int(ct_count_get(&cleaned), 4);
	/* This one was running for ever. */
	ends_with(creel_submit(ex, moves_and_fails, NULL, 0), CREEL_EFAILED);
	ct_int(ct_count_get(&cleaned), 5);
	close_now(ex);
}

static pthread_key_t late_key;

/* As long as what a thread keeps for sentences; the allocator gives back what was freed last. */
enum { SENTENCE = 128 };

static void ask_for_a_sentence(void)
{
	long value = 1;
	creel_future *f = creel_future_of(&value, sizeof value);
	int rc = creel_future_result(f, CREEL_NOW, &value, 1);
	ct_int(rc, -EMSGSIZE);
	ct_assert(strstr(creel_future_message(f, rc), "8 bytes, and the caller's variable has 1"));
	creel_future_unref(f);
}

static void ask_late(void *arg)
{
	char mine[SENTENCE];
	char *p = malloc(SENTENCE);
	(void)arg;
	ct_assert(p);
	memset(mine, 'x', sizeof mine);
	memcpy(p, mine, sizeof mine);
	ask_for_a_sentence();
	ct_assert(memcmp(p, mine, sizeof mine) == 0);
	free(p);
	ct_count_add(&cleaned, 1);
}

static void *asks_and_asks_again(void *arg)
{
	ask_for_a_sentence();
	ct_int(pthread_setspecific(late_key, arg), 0);
	return NULL;
}

/* The library has cleaned up after the thread by then, and begins anew. */
CT_TEST(regress_exits, a_thread_uses_the_library_in_a_destructor_that_comes_later,
	sizeof(long) != 8)
{
	pthread_t thread;
	/* Keys are gone through in the order in which they were made. */
	ask_for_a_sentence();
	ct_int(pthread_key_create(&late_key, ask_late), 0);
	ct_int(pthread_create(&thread, NULL, asks_and_asks_again, &cleaned), 0);
	ct_int(pthread_join(thread, NULL), 0);
	ct_int(ct_count_get(&cleaned), 1);
	pthread_key_delete(late_key);
}
