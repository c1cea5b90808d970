/* SPDX-License-Identifier: MIT */
/* Submitting against shutdown, close, drain and breaking: accepted means ended,
 * rejected means never ran. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static int ran, freed, submit_code;
static creel_future *future;

static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	ran++;
	return 0;
}

static void free_argument(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	freed++;
}

static void setup(void)
{
	ran = freed = submit_code = 0;
	future = NULL;
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
}

static void submit(void *arg)
{
	(void)arg;
	static const creel_submit_options options = {.arg_free = free_argument};
	submit_code = creel_try_submit(pool, task, NULL, 0, &options, &future);
}

/* The submitter has a reference to the pool of its own. */
static void submit_and_unref(void *arg)
{
	submit(arg);
	creel_executor_unref(pool);
}

/* It ran, or it was cancelled, or it was refused. */
static void check_end(bool may_cancel)
{
	if (submit_code) {
		model_check(submit_code == -ESHUTDOWN && ran == 0 && freed == 0 && !future);
		return;
	}
	int code = creel_future_result(future, CREEL_FOREVER, NULL, 0);
	model_check(code == 0 || (may_cancel && code == -ECANCELED));
	model_check(ran == (code == 0) && freed == 1);
	creel_future_unref(future);
}

static void close_against_submit(void)
{
	setup();
	creel_executor_ref(pool);
	int other = model_spawn(submit_and_unref, NULL);
	model_check(creel_executor_close(pool) == 0);
	model_join(other);
	check_end(false);
}

/* There is a worker, which sleeps or is about to. */
static void close_against_second(void)
{
	setup();
	creel_future_unref(creel_submit(pool, task, NULL, 0));
	creel_executor_ref(pool);
	int other = model_spawn(submit_and_unref, NULL);
	model_check(creel_executor_close(pool) == 0);
	model_join(other);
	model_check(ran == 1 + (submit_code == 0) && freed == (submit_code == 0));
	creel_future_unref(future);
}

static void cancelling_shutdown(void)
{
	setup();
	submit(NULL);
	model_check(submit_code == 0);
	size_t left = 9;
	model_check(creel_executor_shutdown(pool, CREEL_SHUTDOWN_CANCEL, CREEL_FOREVER, &left) ==
		    0);
	model_check(left == 0 && freed == 1);
	check_end(true);
	model_check(creel_executor_close(pool) == 0);
}

static void cancel(void *arg)
{
	(void)arg;
	(void)creel_future_cancel(future);
}

/* Somebody cancels the same task at the same time. */
static void cancelled_twice(void)
{
	setup();
	submit(NULL);
	int other = model_spawn(cancel, NULL);
	model_check(creel_executor_shutdown(pool, CREEL_SHUTDOWN_CANCEL, CREEL_FOREVER, NULL) == 0);
	model_join(other);
	check_end(true);
	creel_stats stats;
	model_check(creel_executor_stats(pool, &stats, sizeof stats) == 0);
	model_check(stats.done == 1 && stats.pending == 0 && stats.running == 0);
	model_check(stats.cancelled == (uint64_t)!ran && stats.workers == 0);
	model_check(creel_executor_close(pool) == 0);
}

static void limited_shutdown(void)
{
	setup();
	submit(NULL);
	size_t left = 9;
	int code = creel_executor_shutdown(pool, 0, creel_in_ms(1), &left);
	model_check(code == 0 ? left == 0 : code == -ETIMEDOUT && left == 1);
	model_check(code || creel_future_state(future) == CREEL_FUTURE_FINISHED);
	model_check(creel_executor_close(pool) == 0);
	check_end(false);
}

static void close_it(void *arg)
{
	(void)arg;
	model_check(creel_executor_close(pool) == 0);
}

static void two_close(void)
{
	setup();
	submit(NULL);
	creel_executor_ref(pool);
	int other = model_spawn(close_it, NULL);
	close_it(NULL);
	model_join(other);
	check_end(false);
}

static void drained(void)
{
	setup();
	submit(NULL);
	model_check(creel_executor_drain(pool, CREEL_FOREVER) == 0);
	model_check(creel_future_state(future) == CREEL_FUTURE_FINISHED);
	check_end(false);
	model_check(creel_executor_close(pool) == 0);
}

static int refuse(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return -5;
}

/* The initializer fails: what was accepted fails, what comes later is refused, nothing hangs. */
static void broken(void)
{
	setup();
	model_check(creel_executor_close(pool) == 0);
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .initializer = refuse});
	submit(NULL);
	if (submit_code == 0) {
		model_check(creel_future_result(future, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
		model_check(creel_future_error(future)->kind == CREEL_KIND_BROKEN);
		creel_future_unref(future);
	}
	model_check(submit_code == 0 || submit_code == CREEL_EFAILED);
	model_check(ran == 0 && freed == (submit_code == 0));
	model_check(creel_executor_close(pool) == 0);
}

/* The system may refuse a thread: then the task is refused, or the next one gets it. */
static void no_thread(void)
{
	setup();
	submit(NULL);
	if (submit_code) {
		model_check(submit_code == -EAGAIN && ran == 0 && freed == 0);
		submit(NULL);
		model_check(submit_code == 0);
	}
	check_end(false);
	model_check(creel_executor_close(pool) == 0);
}

/* Any one allocation fails: then the task was refused, or it ran all the same. */
static void no_memory(void)
{
	setup();
	submit(NULL);
	if (submit_code == 0)
		check_end(false);
	model_check(submit_code == 0 || submit_code == -ENOMEM || submit_code == CREEL_EFAILED);
	model_check(submit_code == 0 || (ran == 0 && freed == 0));
	creel_future *f = creel_submit(pool, task, NULL, 0);
	int code = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(code == 0 || code == CREEL_EFAILED);
	model_check(ran == (submit_code == 0) + (code == 0));
	creel_future_unref(f);
	model_check(creel_executor_close(pool) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"close against submit", close_against_submit, .preemptions = 2, .spurious = 1},
	{"close against second submit", close_against_second, .preemptions = 2, .spurious = 1},
	{"cancelling shutdown", cancelling_shutdown, .preemptions = 2, .spurious = 1},
	{"cancelled twice", cancelled_twice, .preemptions = 2, .spurious = 1},
	{"limited shutdown", limited_shutdown, .preemptions = 2, .spurious = 1,
	 .early_timeouts = 1},
	{"two close", two_close, .preemptions = 2, .spurious = 1},
	{"drained", drained, .preemptions = 2, .spurious = 1},
	{"broken by its initializer", broken, .preemptions = 2, .spurious = 1},
	{"no memory", no_memory, .preemptions = 2, .spurious = 1, .malloc_failures = 1},
	{"no thread", no_thread, .preemptions = 2, .spurious = 1, .thread_failures = 1},
	{"close against submit, old values", close_against_submit, .preemptions = 2, .spurious = 1,
	 .stale = 1},
	{"drained, old values", drained, .preemptions = 2, .spurious = 1, .stale = 1},
	{0},
};
