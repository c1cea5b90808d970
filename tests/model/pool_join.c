/* SPDX-License-Identifier: MIT */
/* Workers that left: each thread is joined or detached exactly once, by closers, by workers that
 * follow, or by the last reference. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;

static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	return 0;
}

static int exits(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	model_exit_thread();
	return 0;
}

static void setup(creel_fn fn)
{
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
	creel_future_unref(creel_submit(pool, fn, NULL, 0));
}

static void close_it(void *arg)
{
	(void)arg;
	model_check(creel_executor_close(pool) == 0);
}

static void two_closers(void)
{
	setup(task);
	creel_executor_ref(pool);
	int other = model_spawn(close_it, NULL);
	close_it(NULL);
	model_join(other);
}

/* The worker that follows joins the one that ended, or the closer does. */
static void close_against_reaping(void)
{
	setup(exits);
	creel_future_unref(creel_submit(pool, task, NULL, 0));
	close_it(NULL);
}

/* All have ended: nobody is left but the last reference. */
static void dropped(void)
{
	setup(task);
	model_check(creel_executor_shutdown(pool, 0, CREEL_FOREVER, NULL) == 0);
	creel_executor_unref(pool);
}

const struct model_scenario model_scenarios[] = {
	{"two closers", two_closers, .preemptions = 2},
	{"close against reaping", close_against_reaping, .preemptions = 1},
	{"dropped", dropped, .preemptions = 2},
	{0},
};
