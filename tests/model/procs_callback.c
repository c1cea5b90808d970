/* SPDX-License-Identifier: MIT */
/*
 * The process pool: a future that is waited for gets a callback. The manager has to call it, and
 * the worker may have woken the waiter instead, or the waiter may have the outcome in hand.
 */
#include "procs_pool.h"

static int called;

static void count_call(creel_future *f, void *arg)
{
	(void)arg;
	model_check(creel_future_state(f) == CREEL_FUTURE_FINISHED);
	called++;
}

static void a_callback_comes(void)
{
	called = 0;
	pool_setup_warm(false);
	creel_future *f = pool_submit(1);
	int other = model_spawn(pool_await_first, f);
	model_check(creel_future_on_done(f, NULL, count_call, NULL, NULL, NULL) == 0);
	model_join(other);
	creel_future_unref(f);
	pool_teardown();
	model_check(called == 1);
}

const struct model_scenario model_scenarios[] = {
	{"a callback comes", a_callback_comes, .preemptions = 1, .spurious = 1},
	/* After the waiter has looked for one: that takes two, and most of a minute. */
	{"a callback comes late", a_callback_comes, .preemptions = 2},
	{0},
};
