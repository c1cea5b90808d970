/* SPDX-License-Identifier: MIT */
/* A pool that is paused, and resumed or shut down, while its worker runs, looks for work or sleeps:
 * nothing that is submitted later starts in between, and nothing is forgotten. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static int ran, resumed;

static int counts(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Was submitted while the pool was paused. */
static int starts_late(creel_task *self, const void *arg, size_t size)
{
	model_check(__atomic_load_n(&resumed, __ATOMIC_RELAXED));
	return counts(self, arg, size);
}

static void setup(int workers)
{
	ran = resumed = 0;
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = workers, .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
}

static void spawn(creel_fn fn)
{
	model_check(creel_spawn(pool, fn, NULL, 0, NULL) == 0);
}

static void resume(void)
{
	__atomic_store_n(&resumed, 1, __ATOMIC_RELAXED);
	model_check(creel_executor_resume(pool) == 0);
}

/* The worker may be in its first task, look for the next, or sleep. */
static void pauses_and_resumes(void)
{
	setup(1);
	spawn(counts);
	model_check(creel_executor_pause(pool) == 0);
	creel_future *f = creel_submit(pool, starts_late, NULL, 0);
	resume();
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == 2);
}

/* A submitter knows nothing of the pause, and finds a sleeping worker, or none. */
static void submit_one(void *arg)
{
	(void)arg;
	creel_future *f = creel_submit(pool, counts, NULL, 0);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
}

static void pauses_beside_a_submitter(void)
{
	setup(1);
	spawn(counts);
	int other = model_spawn(submit_one, NULL);
	model_check(creel_executor_pause(pool) == 0);
	resume();
	model_join(other);
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == 2);
}

static void pause_it(void *arg)
{
	(void)arg;
	int rc = creel_executor_pause(pool);
	model_check(rc == 0 || rc == -ESHUTDOWN);
}

/* Whichever comes first: the close runs what is pending. */
static void pauses_beside_a_shutdown(void)
{
	setup(1);
	spawn(counts);
	creel_executor_ref(pool);
	int other = model_spawn(pause_it, NULL);
	spawn(counts);
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == 2);
	model_join(other);
	creel_executor_unref(pool);
}

const struct model_scenario model_scenarios[] = {
	{"pauses and resumes", pauses_and_resumes, .preemptions = 2, .spurious = 1, .cpus = 1},
	{"beside a submitter", pauses_beside_a_submitter, .preemptions = 2, .cpus = 1},
	{"beside a shutdown", pauses_beside_a_shutdown, .preemptions = 2, .cpus = 1},
	{0},
};
