/* SPDX-License-Identifier: MIT */
/* A worker waits for a task of its own pool, and runs it if it has not started: against another
 * worker that takes it, a cancel, a shutdown. Also tasks that end their thread. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static creel_future *inner;
static int inner_ran, value;

static int leaf(creel_task *self, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	inner_ran++;
	value = 7;
	return creel_return(self, &value, sizeof value);
}

/* Waits for the task that was submitted before, or submits it itself. */
static int waits(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	creel_future *f = inner ? inner : creel_submit(pool, leaf, NULL, 0);
	int result = 0;
	int code = creel_future_result(f, CREEL_FOREVER, &result, sizeof result);
	if (code == 0)
		model_check(result == 7 && value == 7);
	creel_future_unref(f);
	return code;
}

static void setup(int workers)
{
	inner = NULL;
	inner_ran = value = 0;
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = workers, .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
}

static void helps_itself(int workers)
{
	setup(workers);
	creel_future *f = creel_submit(pool, waits, NULL, 0);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	model_check(inner_ran == 1);
	creel_future_unref(f);
	creel_stats stats;
	model_check(creel_executor_drain(pool, CREEL_FOREVER) == 0);
	model_check(creel_executor_stats(pool, &stats, sizeof stats) == 0);
	model_check(stats.done == 2 && stats.pending == 0 && stats.cancelled == 0);
	model_check(creel_executor_close(pool) == 0);
}

static void one_worker(void)
{
	helps_itself(1);
}

static void two_workers(void)
{
	helps_itself(2);
}

static void cancel(void *arg)
{
	*(int *)arg = creel_future_cancel(inner);
}

/* The task is queued behind its waiter, and cancelled from outside. */
static void against_cancel(void)
{
	setup(1);
	inner = creel_submit(pool, leaf, NULL, 0);
	creel_future_ref(inner);
	creel_future *f = creel_submit(pool, waits, NULL, 0);
	int verdict = 0;
	cancel(&verdict);
	int code = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(inner_ran == (verdict != CREEL_CANCEL_NOW));
	model_check(code == (inner_ran ? 0 : CREEL_EFAILED));
	creel_future_unref(f);
	creel_future_unref(inner);
	model_check(creel_executor_close(pool) == 0);
}

/* Cancelling shutdown takes the inner task out of the queue while its waiter is at it. */
static void against_shutdown(void)
{
	setup(1);
	creel_future *f = creel_submit(pool, waits, NULL, 0);
	model_check(creel_executor_shutdown(pool, CREEL_SHUTDOWN_CANCEL, CREEL_FOREVER, NULL) == 0);
	int code = creel_future_result(f, CREEL_NOW, NULL, 0);
	model_check(code == 0 ? inner_ran == 1 : code == -ECANCELED || code == CREEL_EFAILED);
	model_check(code == 0 || inner_ran == 0);
	creel_future_unref(f);
	creel_stats stats;
	model_check(creel_executor_stats(pool, &stats, sizeof stats) == 0);
	model_check(stats.pending == 0 && stats.running == 0);
	model_check(creel_executor_close(pool) == 0);
}

static int ends_its_thread(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	model_exit_thread();
}

/* A task ends its thread; the next one still runs, on another or, if there is none, on what is left
 * of this. Where the system has no thread at all, a submission is refused. */
static void thread_ends(void)
{
	setup(1);
	creel_future *f = creel_submit(pool, ends_its_thread, NULL, 0);
	creel_future *g = creel_submit(pool, leaf, NULL, 0);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	int code = creel_future_result(g, CREEL_FOREVER, NULL, 0);
	int kind = creel_future_error(f)->kind;
	if (model_refused_threads() == 0)
		model_check(kind == CREEL_KIND_EXITED && code == 0);
	model_check(kind == CREEL_KIND_EXITED || kind == CREEL_KIND_REJECTED);
	model_check(code == 0
			    ? inner_ran == 1
			    : inner_ran == 0 && creel_future_error(g)->kind == CREEL_KIND_REJECTED);
	creel_future_unref(f);
	creel_future_unref(g);
	model_check(creel_executor_close(pool) == 0);
}

/* A thread outside runs what it waits for, or a worker does. */
static void setup_any(int workers)
{
	inner_ran = value = 0;
	pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = workers, .idle_ns = CREEL_NEVER, .help = CREEL_HELP_ANY});
	model_name(pool, "pool");
}

static void await(void *f)
{
	int result = 0;
	model_check(creel_future_result(f, CREEL_FOREVER, &result, sizeof result) == 0);
	model_check(result == 7 && value == 7);
	creel_future_unref(f);
}

/* Then drain sees no end too early, and counts are right. */
static void outside(void)
{
	setup_any(1);
	await(creel_submit(pool, leaf, NULL, 0));
	creel_stats stats;
	model_check(creel_executor_drain(pool, CREEL_FOREVER) == 0);
	model_check(creel_executor_stats(pool, &stats, sizeof stats) == 0);
	model_check(inner_ran == 1 && stats.done == 1 && stats.pending == 0 && stats.running == 0);
	model_check(creel_executor_close(pool) == 0);
}

static void outside_against_close(void)
{
	setup_any(1);
	int waiter = model_spawn(await, creel_submit(pool, leaf, NULL, 0));
	model_check(creel_executor_close(pool) == 0);
	model_check(inner_ran == 1);
	model_join(waiter);
}

static void outside_against_drain(void)
{
	setup_any(1);
	int waiter = model_spawn(await, creel_submit(pool, leaf, NULL, 0));
	model_check(creel_executor_drain(pool, CREEL_FOREVER) == 0);
	model_check(inner_ran == 1);
	model_join(waiter);
	model_check(creel_executor_close(pool) == 0);
}

static void outside_against_unref(void)
{
	setup_any(1);
	int waiter = model_spawn(await, creel_submit(pool, leaf, NULL, 0));
	creel_executor_unref(pool);
	model_join(waiter);
	model_check(inner_ran == 1);
}

/* Of two that wait one may run it. */
static void two_outside(void)
{
	setup_any(1);
	creel_future *f = creel_submit(pool, leaf, NULL, 0);
	int waiter = model_spawn(await, creel_future_ref(f));
	await(f);
	model_join(waiter);
	model_check(inner_ran == 1);
	model_check(creel_executor_close(pool) == 0);
}

static void wait_cancelled(void *f)
{
	int code = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(code == (inner_ran ? 0 : -ECANCELED));
	creel_future_unref(f);
}

static void outside_against_cancel(void)
{
	setup_any(1);
	creel_future *f = creel_submit(pool, leaf, NULL, 0);
	int waiter = model_spawn(wait_cancelled, creel_future_ref(f));
	int verdict = creel_future_cancel(f);
	creel_future_unref(f);
	model_check(creel_executor_close(pool) == 0);
	model_check(inner_ran == (verdict != CREEL_CANCEL_NOW));
	model_join(waiter);
}

/* The shutdown cancels what is queued, and ends what nobody helped with. */
static void outside_against_shutdown(void)
{
	setup_any(1);
	creel_future *f = creel_submit(pool, leaf, NULL, 0);
	int waiter = model_spawn(wait_cancelled, f);
	model_check(creel_executor_shutdown(pool, CREEL_SHUTDOWN_CANCEL, CREEL_FOREVER, NULL) == 0);
	model_join(waiter);
	model_check(creel_executor_close(pool) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"one worker", one_worker, .preemptions = 2, .spurious = 1},
	{"two workers", two_workers, .preemptions = 1, .spurious = 1, .cpus = 1},
	{"against cancel", against_cancel, .preemptions = 2, .spurious = 1},
	{"against shutdown", against_shutdown, .preemptions = 2, .spurious = 1},
	{"a thread ends", thread_ends, .preemptions = 2, .spurious = 1},
	{"no thread in its place", thread_ends, .preemptions = 2, .spurious = 1,
	 .thread_failures = 1},
	{"outside", outside, .preemptions = 2, .spurious = 1},
	{"outside against close", outside_against_close, .preemptions = 2},
	{"outside against drain", outside_against_drain, .preemptions = 2},
	{"outside against unref", outside_against_unref, .preemptions = 2},
	{"two outside", two_outside, .preemptions = 2},
	{"outside against cancel", outside_against_cancel, .preemptions = 2},
	{"outside against shutdown", outside_against_shutdown, .preemptions = 2},
	{"outside, old values", outside_against_close, .preemptions = 1, .stale = 1},
	{"one worker, old values", one_worker, .preemptions = 1, .spurious = 1, .stale = 1},
	{0},
};
