/* SPDX-License-Identifier: MIT */
/*
 * The process pool: a waiter that fetches the outcome of its task itself (procs/fetch.c), and what
 * comes between it and the worker. Callbacks: procs_callback.c.
 */
#include "procs_pool.h"

#include <errno.h>

static void two_waiters(void)
{
	pool_setup_warm(false);
	creel_future *f = pool_submit(1);
	int other = model_spawn(pool_await_first, f);
	pool_await(f, 1);
	model_join(other);
	creel_future_unref(f);
	pool_teardown();
}

/* Its result, or the death of its worker. */
static void await_either(void *f)
{
	int value = 0, rc = creel_future_result(f, CREEL_FOREVER, &value, sizeof value);
	model_check(rc == 0 ? value == 2
			    : rc == CREEL_EFAILED && world_killed() == 1 &&
				      creel_future_error(f)->kind == CREEL_KIND_WORKER_DIED);
}

/* Its worker dies before it begins: the task comes back to the same place of the next worker, where
 * one still watches that has not heard of it, and the other comes to watch. */
static void two_wait_while_it_is_taken_back(void)
{
	pool_setup_warm(true);
	creel_future *f = pool_submit(1);
	int first = model_spawn(await_either, f), second = model_spawn(await_either, f);
	world_kill_worker();
	model_join(first);
	model_join(second);
	creel_future_unref(f);
	pool_teardown();
}

static void a_deadline_passes(void)
{
	pool_setup_warm(true);
	creel_future *f = pool_submit(1);
	int value = 0, rc = creel_future_result(f, creel_in_ns(1000), &value, sizeof value);
	model_check(rc == -ETIMEDOUT || (rc == 0 && value == 2));
	pool_await_and_drop(f, 1);
	pool_teardown();
}

/* The one who waited is gone: the manager must hear of the outcome. */
static void a_waiter_leaves(void)
{
	pool_setup_warm(true);
	creel_future *f = pool_submit(1);
	int rc = creel_future_result(f, creel_in_ns(1000), NULL, 0);
	model_check(rc == -ETIMEDOUT || rc == 0);
	creel_future_unref(f);
	pool_teardown();
}

static void close_the_pool(void *arg)
{
	(void)arg;
	model_check(creel_executor_close(pool) == 0);
}

static void closed_meanwhile(void)
{
	pool_setup_warm(false);
	creel_future *f = pool_submit(1);
	int other = model_spawn(close_the_pool, NULL);
	pool_await_and_drop(f, 1);
	model_join(other);
}

/* It waits in its slot, or behind the other, or runs: what cancel says is so. */
static void cancelled_meanwhile(void)
{
	pool_setup();
	creel_future *a = pool_submit(1), *b = pool_submit(2);
	int other = model_spawn(pool_await_first, a);
	int said = creel_future_cancel(b), value = 0;
	int rc = creel_future_result(b, CREEL_FOREVER, &value, sizeof value);
	model_check(said == CREEL_CANCEL_NOW ? rc == -ECANCELED : rc == 0 && value == 4);
	model_join(other);
	creel_future_unref(a);
	creel_future_unref(b);
	pool_teardown();
}

const struct model_scenario model_scenarios[] = {
	{"two waiters", two_waiters, .preemptions = 1},
	{"taken back while two wait", two_wait_while_it_is_taken_back, .preemptions = 0},
	{"a deadline passes", a_deadline_passes, .preemptions = 1, .early_timeouts = 1},
	{"a waiter leaves", a_waiter_leaves, .preemptions = 1, .early_timeouts = 1},
	{"closed meanwhile", closed_meanwhile, .preemptions = 1},
	{"cancelled meanwhile", cancelled_meanwhile, .preemptions = 1, .spurious = 1},
	{0},
};
