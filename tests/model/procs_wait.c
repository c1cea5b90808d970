/* SPDX-License-Identifier: MIT */
/*
 * The process pool: tasks that are waited for. The worker, the manager, and a waiter that fetches
 * its outcome itself find each other, whoever looks first, and whoever comes between.
 */
#include "procs_world.h"

#include <errno.h>

static creel_executor *pool;

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

static int answer(creel_task *self, const void *arg, size_t size)
{
	(void)size;
	int n = *(const int *)arg * 2;
	return creel_return(self, &n, sizeof n);
}

/* Where deadlines pass early, that of a worker which has to leave does as well: it is killed. */
static void setup_with(int64_t idle_ns, bool may_kill)
{
	world_reset(may_kill);
	pool = creel_process_pool_new(&(creel_process_pool_options){
		.max_workers = 1, .idle_ns = idle_ns, .start_ns = CREEL_NEVER, .shared_budget = 1});
	model_check(!creel_executor_error(pool));
	model_name(pool, "pool");
}

static void setup(void)
{
	setup_with(CREEL_NEVER, false);
}

static void teardown(void)
{
	model_check(creel_executor_close(pool) == 0);
	world_end();
}

static creel_future *submit(int n)
{
	return creel_submit(pool, answer, &n, sizeof n);
}

static void await(creel_future *f, int n)
{
	int value = 0;
	model_check(creel_future_result(f, CREEL_FOREVER, &value, sizeof value) == 0);
	model_check(value == 2 * n);
}

static void await_and_drop(creel_future *f, int n)
{
	await(f, n);
	creel_future_unref(f);
}

/* With a worker that has nothing to do: who waits now fetches the outcome himself. */
static void setup_warm(bool may_kill)
{
	setup_with(CREEL_NEVER, may_kill);
	await_and_drop(submit(3), 3);
}

static void one_after_another(void)
{
	setup();
	await_and_drop(submit(1), 1);
	await_and_drop(submit(2), 2);
	teardown();
}

static void two_at_once(void)
{
	setup();
	creel_future *a = submit(1), *b = submit(2);
	await_and_drop(a, 1);
	await_and_drop(b, 2);
	teardown();
}

static void spawn_in_order(int n)
{
	model_check(creel_spawn(pool, answer_in_order, &n, sizeof n, NULL) == 0);
}

/* The worker may be looking for them while they come. */
static void in_order(void)
{
	last = 0;
	setup_warm(false);
	spawn_in_order(1);
	spawn_in_order(2);
	teardown();
	model_check(last == 2);
}

static void nobody_waits(void)
{
	setup();
	creel_future *f = submit(1);
	teardown();
	await_and_drop(f, 1);
}

static void await_first(void *f)
{
	await(f, 1);
}

static void two_waiters(void)
{
	setup_warm(false);
	creel_future *f = submit(1);
	int other = model_spawn(await_first, f);
	await(f, 1);
	model_join(other);
	creel_future_unref(f);
	teardown();
}

static int called;

static void count_call(creel_future *f, void *arg)
{
	(void)arg;
	model_check(creel_future_state(f) == CREEL_FUTURE_FINISHED);
	called++;
}

/* It is the manager that has to call it, and the worker may have woken the waiter instead. */
static void a_callback_comes(void)
{
	called = 0;
	setup_warm(false);
	creel_future *f = submit(1);
	int other = model_spawn(await_first, f);
	model_check(creel_future_on_done(f, NULL, count_call, NULL, NULL, NULL) == 0);
	model_join(other);
	creel_future_unref(f);
	teardown();
	model_check(called == 1);
}

static void a_deadline_passes(void)
{
	setup_warm(true);
	creel_future *f = submit(1);
	int value = 0, rc = creel_future_result(f, creel_in_ns(1000), &value, sizeof value);
	model_check(rc == -ETIMEDOUT || (rc == 0 && value == 2));
	await_and_drop(f, 1);
	teardown();
}

/* The one who waited is gone: the manager must hear of the outcome. */
static void a_waiter_leaves(void)
{
	setup_warm(true);
	creel_future *f = submit(1);
	int rc = creel_future_result(f, creel_in_ns(1000), NULL, 0);
	model_check(rc == -ETIMEDOUT || rc == 0);
	creel_future_unref(f);
	teardown();
}

static void close_the_pool(void *arg)
{
	(void)arg;
	model_check(creel_executor_close(pool) == 0);
}

static void closed_meanwhile(void)
{
	setup_warm(false);
	creel_future *f = submit(1);
	int other = model_spawn(close_the_pool, NULL);
	await_and_drop(f, 1);
	model_join(other);
}

/* It waits in its slot, or behind the other, or runs: what cancel says is so. */
static void cancelled_meanwhile(void)
{
	setup();
	creel_future *a = submit(1), *b = submit(2);
	int other = model_spawn(await_first, a);
	int said = creel_future_cancel(b), value = 0;
	int rc = creel_future_result(b, CREEL_FOREVER, &value, sizeof value);
	model_check(said == CREEL_CANCEL_NOW ? rc == -ECANCELED : rc == 0 && value == 4);
	model_join(other);
	creel_future_unref(a);
	creel_future_unref(b);
	teardown();
}

/* The worker's time is up as soon as it has nothing to do; for the second task there is another. */
static void one_retires(void)
{
	setup_with(1000, true);
	await_and_drop(submit(1), 1);
	await_and_drop(submit(2), 2);
	teardown();
	model_check(world_born() <= 2);
}

const struct model_scenario model_scenarios[] = {
	{"one after another", one_after_another, .preemptions = 1, .spurious = 1},
	{"one after another, old values", one_after_another, .preemptions = 1, .stale = 1},
	{"two at once", two_at_once, .preemptions = 1, .spurious = 1},
	{"in order", in_order, .preemptions = 1, .spurious = 1},
	{"nobody waits", nobody_waits, .preemptions = 2},
	{"two waiters", two_waiters, .preemptions = 1},
	{"a callback comes", a_callback_comes, .preemptions = 1, .spurious = 1},
	/* At the last moment: after the waiter has looked for one. */
	{"a callback comes late", a_callback_comes, .preemptions = 2},
	{"a deadline passes", a_deadline_passes, .preemptions = 1, .early_timeouts = 1},
	{"a waiter leaves", a_waiter_leaves, .preemptions = 1, .early_timeouts = 1},
	{"closed meanwhile", closed_meanwhile, .preemptions = 1},
	{"cancelled meanwhile", cancelled_meanwhile, .preemptions = 1, .spurious = 1},
	{"one retires", one_retires, .preemptions = 1, .early_timeouts = 1},
	{0},
};
