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
	{"a deadline passes", a_deadline_passes, .preemptions = 1, .early_timeouts = 1},
	{"a waiter leaves", a_waiter_leaves, .preemptions = 1, .early_timeouts = 1},
	{"closed meanwhile", closed_meanwhile, .preemptions = 1},
	{"cancelled meanwhile", cancelled_meanwhile, .preemptions = 1, .spurious = 1},
	{0},
};
