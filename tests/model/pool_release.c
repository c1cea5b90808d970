/* SPDX-License-Identifier: MIT */
/* The last reference to a pool goes while it works: what is pending runs,
 * the last worker frees it. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static int ran; /* tasks that were ended; only one worker at a time counts */

static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	ran++;
	return 0;
}

/* The pool's own worker drops a reference. It has one of its own: who submits needs his
 * until the call returns. */
static int drops(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	ran++;
	creel_executor_unref(pool);
	return 0;
}

static int closes(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	ran++;
	model_check(creel_executor_close(pool) == -EDEADLK);
	return 0;
}

static void setup(int workers, int64_t idle_ns)
{
	ran = 0;
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = workers, .idle_ns = idle_ns});
	model_name(pool, "pool");
}

static void outside(void)
{
	setup(1, CREEL_NEVER);
	creel_future *f = creel_submit(pool, task, NULL, 0);
	creel_executor_unref(pool);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0 && ran == 1);
	creel_future_unref(f);
}

/* Nobody waits for anything: the schedule ends when the worker has. */
static void forgotten(void)
{
	setup(1, CREEL_NEVER);
	creel_future_unref(creel_submit(pool, task, NULL, 0));
	model_check(creel_spawn(pool, task, NULL, 0, NULL) == 0);
	creel_executor_unref(pool);
}

static void by_its_worker(void)
{
	setup(1, CREEL_NEVER);
	creel_future *f = creel_submit(creel_executor_ref(pool), drops, NULL, 0);
	creel_executor_unref(pool);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0 && ran == 1);
	creel_future_unref(f);
}

static void closed_by_its_worker(void)
{
	setup(1, CREEL_NEVER);
	creel_future *f = creel_submit(creel_executor_ref(pool), closes, NULL, 0);
	creel_executor_unref(pool);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0 && ran == 1);
	creel_future_unref(f);
}

static void drop(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	/* Even if the workers are gone already. */
	model_check(creel_executor_close(pool) == -EDEADLK);
}

/* The callback runs on the worker, or here when it is late. */
static void by_a_callback(void)
{
	setup(1, CREEL_NEVER);
	creel_future *f = creel_submit(pool, task, NULL, 0);
	model_check(creel_future_on_done(f, NULL, drop, NULL, NULL, NULL) == 0);
	creel_future_unref(f);
}

/* The worker is about to retire. */
static void while_retiring(void)
{
	setup(1, 1000);
	creel_future *f = creel_submit(pool, task, NULL, 0);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	creel_executor_unref(pool);
}

static void unref(void *arg)
{
	(void)arg;
	creel_executor_unref(pool);
}

static void close_against_unref(void)
{
	setup(1, CREEL_NEVER);
	creel_future_unref(creel_submit(pool, task, NULL, 0));
	creel_executor_ref(pool);
	int other = model_spawn(unref, NULL);
	model_check(creel_executor_close(pool) == 0);
	model_join(other);
	model_check(ran == 1);
}

static int nothing(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	return 0;
}

static void two_workers(void)
{
	setup(2, CREEL_NEVER);
	creel_future_unref(creel_submit(pool, nothing, NULL, 0));
	model_check(creel_spawn(creel_executor_ref(pool), drops, NULL, 0, NULL) == 0);
	creel_executor_unref(pool);
}

const struct model_scenario model_scenarios[] = {
	{"from outside", outside, .preemptions = 2, .spurious = 1, .stale = 1},
	{"forgotten", forgotten, .preemptions = 2, .spurious = 1, .stale = 1},
	{"by its worker", by_its_worker, .preemptions = 2, .spurious = 1, .stale = 1},
	{"closed by its worker", closed_by_its_worker, .preemptions = 2, .spurious = 1, .stale = 1},
	{"by a callback", by_a_callback, .preemptions = 2, .spurious = 1, .stale = 1},
	{"while it retires", while_retiring, .preemptions = 2, .spurious = 1, .stale = 1,
	 .early_timeouts = 1},
	{"close against unref", close_against_unref, .preemptions = 2, .spurious = 1, .stale = 1},
	{"two workers", two_workers, .preemptions = 2, .spurious = 1, .stale = 1, .cpus = 1},
	{0},
};
