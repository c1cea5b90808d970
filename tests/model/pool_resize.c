/* SPDX-License-Identifier: MIT */
/* A maximum that shrinks while a thread is being started, is refused, or looks for work: no task is
 * left without a worker, and none starts beside too many others. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static struct model_gate gate, has_started;
static int ran, running;

static void begins(void)
{
	__atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
}

static int ends(void)
{
	__atomic_fetch_sub(&running, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED);
	return 0;
}

static int counts(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	begins();
	return ends();
}

static int waits(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	begins();
	model_gate_open(&has_started);
	model_gate_wait(&gate);
	return ends();
}

/* Was submitted when the maximum was one. */
static int starts_alone(creel_task *self, const void *arg, size_t size)
{
	model_check(__atomic_load_n(&running, __ATOMIC_RELAXED) == 0);
	return counts(self, arg, size);
}

/* A pool of at most two, one of them in a task. NULL, and no pool: not even one could be had. */
static creel_future *setup(void)
{
	ran = running = gate.open = has_started.open = 0;
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 2, .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
	creel_future *busy = NULL;
	int code = creel_try_submit(pool, waits, NULL, 0, NULL, &busy);
	model_check(code == 0 || (code == -EAGAIN && model_refused_threads() > 0));
	if (busy)
		model_gate_wait(&has_started);
	else
		model_check(creel_executor_close(pool) == 0);
	return busy;
}

static void teardown(creel_future *busy, int tasks)
{
	model_check(creel_future_result(busy, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(busy);
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == tasks);
}

static void submit_one(void *arg)
{
	(void)arg;
	model_check(creel_spawn(pool, counts, NULL, 0, NULL) == 0);
}

/* The second worker is started for the task of the other thread, and may come, or not come, at any
 * time; the first one may sleep by then. What relied on it must run all the same, and once the
 * maximum is one, alone. */
static void shrinks_while_one_starts(void)
{
	creel_future *busy = setup(), *last;
	if (!busy)
		return;
	int other = model_spawn(submit_one, NULL);
	bool early = model_choose(2);
	if (early)
		model_gate_open(&gate);
	model_check(creel_executor_resize(pool, 1) == 0);
	last = creel_submit(pool, starts_alone, NULL, 0);
	if (!early)
		model_gate_open(&gate);
	model_check(creel_future_result(last, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(last);
	model_join(other);
	teardown(busy, 3);
}

/* It shrinks and grows again: the busy one waits for a task that only a second worker can run. */
static int opens(creel_task *self, const void *arg, size_t size)
{
	model_gate_open(&gate);
	return counts(self, arg, size);
}

static void grows_again(void)
{
	creel_future *busy = setup();
	model_check(creel_spawn(pool, counts, NULL, 0, NULL) == 0);
	model_check(creel_executor_resize(pool, 1) == 0);
	model_check(creel_spawn(pool, opens, NULL, 0, NULL) == 0);
	model_check(creel_executor_resize(pool, 2) == 0);
	teardown(busy, 3);
}

const struct model_scenario model_scenarios[] = {
	{"shrinks while one starts", shrinks_while_one_starts, .preemptions = 2, .cpus = 1},
	{"shrinks while one is refused", shrinks_while_one_starts, .preemptions = 2,
	 .thread_failures = 1, .cpus = 1},
	{"shrinks and grows", grows_again, .preemptions = 1, .spurious = 1, .cpus = 1},
	{0},
};
