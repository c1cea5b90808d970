/* SPDX-License-Identifier: MIT */
/* Chains of continuations on a thread with a stack of 64 KiB: built, run, cancelled and dropped,
 * unfinished and finished. And executors that refuse. */
#include "ct.h"
#include "tasks.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum {
	SLOW = CT_MEMCHECK || CT_ASAN || CT_TSAN,
	LONG = SLOW ? 5000 : 100000,
	LONGEST = SLOW ? 20000 : 1000000,
};

static void run_small(void *(*fn)(void *arg))
{
	pthread_attr_t attr;
	pthread_t thread;
	size_t size = 64 * 1024 * (CT_ASAN ? 4 : 1);
	ct_int(pthread_attr_init(&attr), 0);
	ct_int(pthread_attr_setstacksize(&attr, size), 0);
	ct_int(pthread_create(&thread, &attr, fn, NULL), 0);
	ct_int(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
}

typedef creel_future *make_fn(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
			      size_t size, const creel_submit_options *options);

static long steps;
static creel_executor *ex;
static creel_future *first, *last;

static int task_step(creel_task *task, const void *arg, size_t size)
{
	const void *data = NULL;
	long value = 0;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, &data, NULL);
	if (rc == 0)
		memcpy(&value, data, sizeof value);
	value++;
	steps++;
	return creel_return(task, &value, sizeof value);
}

static int task_refuse(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	steps++;
	return creel_fail(task, -EIO, "step %ld", steps);
}

static void build(make_fn *make, creel_fn fn, long n, unsigned flags)
{
	steps = 0;
	ex = creel_inline_new();
	first = creel_promise_new();
	last = creel_future_ref(first);
	for (long i = 0; i < n; i++) {
		creel_future *next = make(last, ex, fn, NULL, 0,
					  &(creel_submit_options){.flags = flags});
		creel_future_unref(last);
		last = next;
	}
}

static void drop(void)
{
	creel_future_unref(first);
	creel_future_unref(last);
	ct_int(creel_executor_close(ex), 0);
}

static void settle(void)
{
	const long value = 0;
	ct_int(creel_promise_set_result(first, &value, sizeof value), 0);
}

static void *run_all(void *arg)
{
	(void)arg;
	build(creel_then_with, task_step, LONGEST, 0);
	settle();
	ct_int(steps, LONGEST);
	ct_int(ct_long(last), LONGEST);
	drop();
	return NULL;
}

CT_TEST(then, a_chain_of_a_million_runs_in_constant_stack, 0)
{
	run_small(run_all);
}

static void *finally_all(void *arg)
{
	(void)arg;
	build(creel_finally_with, task_step, LONG, 0);
	settle();
	ct_int(steps, LONG);
	ct_int(ct_long(last), 0);
	drop();
	return NULL;
}

CT_TEST(then, a_chain_of_finallies_runs_in_constant_stack, 0)
{
	run_small(finally_all);
}

/* The result stands in one place, and the links do not keep each other. */
static void *pass_all(void *arg)
{
	(void)arg;
	const void *data, *source;
	build(creel_recover_with, task_step, LONG, 0);
	settle();
	ct_int(steps, 0);
	ct_int(creel_future_view(first, CREEL_NOW, &source, NULL), 0);
	ct_int(creel_future_view(last, CREEL_NOW, &data, NULL), 0);
	ct_assert(data == source);
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	drop();
	return NULL;
}

CT_TEST(then, a_result_is_passed_on_by_any_number_of_links, 0)
{
	run_small(pass_all);
}

static void *fail_all(void *arg)
{
	(void)arg;
	build(creel_then_with, task_step, LONG, 0);
	ct_int(creel_promise_fail(first, CREEL_KIND_FAILED, -EIO, NULL, 0, "no"), 0);
	ct_int(steps, 0);
	ct_assert(creel_future_error(last) == creel_future_error(first));
	drop();
	return NULL;
}

CT_TEST(then, an_error_is_passed_on_by_any_number_of_links, 0)
{
	run_small(fail_all);
}

/* Each error lies beneath the next. */
static void *blame_all(void *arg)
{
	(void)arg;
	build(creel_recover_with, task_refuse, LONG, 0);
	ct_int(creel_promise_fail(first, CREEL_KIND_FAILED, -EIO, NULL, 0, "no"), 0);
	ct_int(steps, LONG);
	long depth = 0;
	for (const creel_error *e = creel_future_error(last); e; e = creel_error_cause(e, 0))
		depth++;
	ct_int(depth, LONG + 1);
	drop();
	return NULL;
}

CT_TEST(then, a_chain_of_errors_is_dropped_in_constant_stack, 0)
{
	run_small(blame_all);
}

static void *break_all(void *arg)
{
	(void)arg;
	build(creel_then_with, task_step, LONG, 0);
	creel_future_unref(first);
	first = NULL;
	ct_int(creel_future_error(last)->kind, CREEL_KIND_BROKEN);
	drop();
	return NULL;
}

CT_TEST(then, a_broken_promise_ends_any_number_of_links, 0)
{
	run_small(break_all);
}

static void *drop_all(void *arg)
{
	(void)arg;
	build(creel_then_with, task_step, LONG, 0);
	creel_future_unref(last);
	settle();
	ct_int(steps, LONG);
	creel_future_unref(first);
	ct_int(creel_executor_close(ex), 0);
	return NULL;
}

CT_TEST(then, a_chain_that_was_dropped_runs, 0)
{
	run_small(drop_all);
}

static void *cancel_down(void *arg)
{
	(void)arg;
	build(creel_then_with, task_step, LONG, 0);
	ct_int(creel_future_cancel(first), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(last), CREEL_FUTURE_CANCELLED);
	ct_int(steps, 0);
	drop();
	return NULL;
}

CT_TEST(then, cancelling_the_first_cancels_any_number_of_links, 0)
{
	run_small(cancel_down);
}

static void *cancel_up(void *arg)
{
	(void)arg;
	build(creel_then_with, task_step, LONG, CREEL_CANCEL_UPSTREAM);
	ct_int(creel_future_cancel(last), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(first), CREEL_FUTURE_CANCELLED);
	drop();
	return NULL;
}

CT_TEST(then, cancelling_upstream_takes_constant_stack, 0)
{
	run_small(cancel_up);
}

static void *cancel_finallies(void *arg)
{
	(void)arg;
	build(creel_finally_with, task_step, LONG, 0);
	ct_int(creel_future_cancel(last), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_state(first), CREEL_FUTURE_CANCELLED);
	ct_int(steps, LONG);
	ct_int(ct_outcome(last), -ECANCELED);
	drop();
	return NULL;
}

CT_TEST(then, cancelling_a_chain_of_finallies_runs_them_all, 0)
{
	run_small(cancel_finallies);
}

static void *shut_all(void *arg)
{
	(void)arg;
	build(creel_then_with, task_step, LONG, 0);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL), 0);
	ct_int(creel_future_error(last)->kind, CREEL_KIND_SHUT_DOWN);
	settle();
	ct_int(steps, 0);
	drop();
	return NULL;
}

CT_TEST(then, a_shutdown_ends_any_number_of_links, 0)
{
	run_small(shut_all);
}

/* It takes what is submitted, and refuses what comes later. */
static int refuse(void *self, creel_task *task)
{
	(void)self;
	(void)task;
	return -EBUSY;
}

static int free_count_of;

static void count_free(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	free_count_of++;
}

CT_TEST(then, an_executor_refuses_a_continuation_when_its_input_has_ended, 0)
{
	static make_fn *const make[] = {creel_recover_with, creel_finally_with};
	const creel_submit_options options = {.name = "third", .arg_free = count_free};
	ex = creel_executor_new(
		&(creel_executor_ops){.size = sizeof(creel_executor_ops), .submit = refuse}, NULL);
	for (int before = 0; before < 2; before++)
		for (int i = 0; i < 2; i++) {
			first = creel_promise_new();
			if (before)
				creel_promise_fail(first, CREEL_KIND_FAILED, -EIO, NULL, 0, "no");
			last = make[i](first, ex, task_step, NULL, CREEL_BY_REF, &options);
			if (!before)
				creel_promise_fail(first, CREEL_KIND_FAILED, -EIO, NULL, 0, "no");
			const creel_error *e = creel_future_error(last);
			ct_assert(e);
			ct_int(e->kind, CREEL_KIND_REJECTED);
			ct_int(e->code, -EBUSY);
			ct_text(e->task, "third");
			ct_assert(creel_error_cause(e, 0) == creel_future_error(first));
			ct_int(free_count_of, 2 * before + i + 1);
			creel_future_unref(first);
			creel_future_unref(last);
		}
	ct_int(steps, 0);
	ct_int(creel_executor_close(ex), 0);
}

static int run_now(void *self, creel_task *task)
{
	(void)self;
	(void)creel_task_run(task);
	return 0;
}

static void count_destroy(void *self)
{
	++*(int *)self;
}

static int task_exit(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

static void *fail_first(void *arg)
{
	(void)arg;
	creel_promise_fail(first, CREEL_KIND_FAILED, -EIO, NULL, 0, "no");
	return NULL;
}

/* It runs on the thread that ends its input, and its executor goes with it. */
CT_TEST(then, a_continuation_ends_its_thread, 0)
{
	const creel_submit_options options = {.arg_free = count_free};
	int destroyed = 0;
	pthread_t thread;
	ex = creel_executor_new(&(creel_executor_ops){.size = sizeof(creel_executor_ops),
						      .submit = run_now,
						      .destroy = count_destroy},
				&destroyed);
	free_count_of = 0;
	first = creel_promise_new();
	last = creel_finally_with(first, ex, task_exit, NULL, CREEL_BY_REF, &options);
	ct_int(pthread_create(&thread, NULL, fail_first, NULL), 0);
	ct_int(pthread_join(thread, NULL), 0);
	ct_int(creel_future_error(last)->kind, CREEL_KIND_EXITED);
	ct_int(free_count_of, 1);
	creel_future_unref(first);
	creel_future_unref(last);
	ct_int(creel_executor_close(ex), 0);
	ct_int(destroyed, 1);
}

static void told(void *ctx, const creel_error *error)
{
	(void)error;
	++*(int *)ctx;
}

/* An error that a continuation has is not told as unread; its own is. */
CT_TEST(then, an_input_counts_as_read, 0)
{
	int unread = 0;
	const int code = -EIO;
	creel_executor *pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .on_unhandled = told, .ctx = &unread});
	creel_future *f = creel_submit(pool, task_refuse, &code, sizeof code);
	creel_future *g = creel_recover(f, pool, task_step, NULL, 0);
	ct_int(ct_long_drop(g), 1);
	creel_future_unref(f);
	f = creel_submit(pool, task_refuse, &code, sizeof code);
	g = creel_then(f, pool, task_step, NULL, 0);
	creel_future_unref(f);
	ct_int(creel_wait(&g, 1, CREEL_ALL_COMPLETED, CT_GUARD, NULL), 0);
	creel_future_unref(g);
	ct_close(pool);
	ct_int(unread, 1);
}
