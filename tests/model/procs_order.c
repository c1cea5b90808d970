/* SPDX-License-Identifier: MIT */
/*
 * The process pool: tasks on their way to a worker and back. The worker and the manager find each
 * other, whoever looks first, also when the worker retires.
 */
#include "procs_pool.h"

static int last;

/* One worker, one submitter: they come in their order. */
static int answer_in_order(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)size;
	model_check(*(const int *)arg == last + 1);
	last++;
	return 0;
}

static void one_after_another(void)
{
	pool_setup();
	pool_await_and_drop(pool_submit(1), 1);
	pool_await_and_drop(pool_submit(2), 2);
	pool_teardown();
}

static void two_at_once(void)
{
	pool_setup();
	creel_future *a = pool_submit(1), *b = pool_submit(2);
	pool_await_and_drop(a, 1);
	pool_await_and_drop(b, 2);
	pool_teardown();
}

static void spawn_in_order(int n)
{
	model_check(creel_spawn(pool, answer_in_order, &n, sizeof n, NULL) == 0);
}

/* The worker may be looking for them while they come. */
static void in_order(void)
{
	last = 0;
	pool_setup_warm(false);
	spawn_in_order(1);
	spawn_in_order(2);
	pool_teardown();
	model_check(last == 2);
}

static void nobody_waits(void)
{
	pool_setup();
	creel_future *f = pool_submit(1);
	pool_teardown();
	pool_await_and_drop(f, 1);
}

/* The worker's time is up as soon as it has nothing to do; for the second task there is another. */
static void one_retires(void)
{
	pool_setup_with(1000, true);
	pool_await_and_drop(pool_submit(1), 1);
	pool_await_and_drop(pool_submit(2), 2);
	pool_teardown();
	model_check(world_born() <= 2);
}

const struct model_scenario model_scenarios[] = {
	{"one after another", one_after_another, .preemptions = 1, .spurious = 1},
	{"one after another, old values", one_after_another, .preemptions = 1, .stale = 1},
	{"two at once", two_at_once, .preemptions = 1, .spurious = 1},
	{"one retires", one_retires, .preemptions = 1, .early_timeouts = 1},
	{"nobody waits", nobody_waits, .preemptions = 2},
	{"in order", in_order, .preemptions = 1, .spurious = 1},
	{0},
};
