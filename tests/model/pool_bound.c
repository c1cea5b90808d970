/* SPDX-License-Identifier: MIT */
/* A pool that is full: each place is given back once, by an end, a cancel or a bound that grows,
 * and wakes whoever waits; a shutdown lets all of them go. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static int accepted, ended;
static struct model_gate gate;

static int counts(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
	return 0;
}

static void setup(int capacity)
{
	accepted = ended = 0;
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1,
					     .capacity = capacity,
					     .flags = capacity ? 0 : CREEL_RENDEZVOUS,
					     .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
}

static creel_future *submit(void)
{
	creel_future *f = NULL;
	model_check(creel_try_submit(pool, counts, NULL, 0, NULL, &f) == 0);
	return f;
}

/* Waits for room. */
static int spawn(creel_deadline by)
{
	const creel_submit_options o = {.submit_by = by};
	int rc = creel_spawn(pool, counts, NULL, 0, &o);
	if (rc == 0)
		__atomic_fetch_add(&accepted, 1, __ATOMIC_RELAXED);
	return rc;
}

static void spawn_one(void *arg)
{
	(void)arg;
	model_check(spawn((creel_deadline){0}) == 0);
}

/* All has ended: so many places are free, neither more nor fewer. */
static void finish(int bound)
{
	creel_future *f[4];
	model_check(creel_executor_drain(pool, CREEL_FOREVER) == 0);
	model_check(creel_executor_pause(pool) == 0);
	for (int i = 0; i < bound; i++)
		f[i] = submit();
	model_check(creel_try_submit(pool, counts, NULL, 0, NULL, &f[bound]) == CREEL_BUSY);
	model_check(creel_executor_shutdown(pool, CREEL_SHUTDOWN_CANCEL, CREEL_FOREVER, NULL) == 0);
	for (int i = 0; i < bound; i++)
		creel_future_unref(f[i]);
	model_check(creel_executor_close(pool) == 0);
}

/* Two that submit one after the other, and the worker that ends what they submit. */
static void waits_for_an_end(void)
{
	setup(0);
	int other = model_spawn(spawn_one, NULL);
	spawn_one(NULL);
	model_join(other);
	finish(1);
	model_check(ended == 2);
}

/* Whoever has seen the end finds the place. */
static void sees_the_end(void)
{
	setup(0);
	creel_future *f = submit();
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future *g = submit();
	model_check(creel_future_result(g, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	creel_future_unref(g);
	model_check(creel_executor_close(pool) == 0);
}

/* The task ends, or is cancelled: either gives its place to the one who waits. */
static void waits_for_a_cancel(void)
{
	setup(0);
	creel_future *f = submit();
	int other = model_spawn(spawn_one, NULL);
	int rc = creel_future_cancel(f);
	creel_future_unref(f);
	model_join(other);
	finish(1);
	model_check(ended == (rc == CREEL_CANCEL_NOW ? 1 : 2));
}

/* Nothing ends in a paused pool: only what the others do lets two in who wait. */
static void waits_for_a_resize(void)
{
	setup(0);
	model_check(creel_executor_pause(pool) == 0);
	creel_future_unref(submit());
	int one = model_spawn(spawn_one, NULL), two = model_spawn(spawn_one, NULL);
	model_check(creel_executor_resize(pool, 3) == 0);
	model_join(one);
	model_join(two);
	model_check(creel_executor_close(pool) == 0);
	model_check(ended == 3);
}

static void spawn_or_not(void *arg)
{
	(void)arg;
	int rc = spawn((creel_deadline){0});
	model_check(rc == 0 || rc == -ESHUTDOWN);
}

static int waits(creel_task *self, const void *arg, size_t size)
{
	model_gate_wait(&gate);
	return counts(self, arg, size);
}

/* They go at once, not when what runs has ended. */
static void waits_for_a_shutdown(void)
{
	setup(0);
	gate.open = 0;
	creel_future *f = creel_submit(pool, waits, NULL, 0);
	int one = model_spawn(spawn_or_not, NULL), two = model_spawn(spawn_or_not, NULL);
	model_check(creel_executor_shutdown(pool, 0, CREEL_NOW, NULL) == -ETIMEDOUT);
	model_join(one);
	model_join(two);
	model_check(accepted == 0);
	model_gate_open(&gate);
	model_check(creel_executor_close(pool) == 0);
	creel_future_unref(f);
	model_check(ended == 1);
}

static void spawn_in_time(void *arg)
{
	(void)arg;
	int rc = spawn(creel_in_ms(1));
	model_check(rc == 0 || rc == CREEL_BUSY);
}

/* The deadline of one passes while the place comes. The other has none. */
static void waits_until(void)
{
	setup(0);
	creel_future_unref(submit());
	int one = model_spawn(spawn_in_time, NULL), two = model_spawn(spawn_one, NULL);
	model_join(one);
	model_join(two);
	finish(1);
	model_check(ended == 1 + accepted);
}

/* Two cancel what waits in a paused pool, and sweep: one entry is dropped once, and what is left
 * runs. */
static void cancel_one(void *f)
{
	model_check(creel_future_cancel(f) == CREEL_CANCEL_NOW);
	creel_future_unref(f);
}

static void two_sweep(void)
{
	setup(3);
	model_check(creel_executor_pause(pool) == 0);
	creel_future *a = submit(), *b = submit(), *c = submit();
	int other = model_spawn(cancel_one, a);
	cancel_one(b);
	model_join(other);
	model_check(creel_executor_resume(pool) == 0);
	model_check(creel_future_result(c, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(c);
	model_check(creel_executor_drain(pool, CREEL_FOREVER) == 0);
	model_check(creel_executor_close(pool) == 0);
	model_check(ended == 1);
}

/* The worker comes across what is being swept. */
static void sweeps_beside_a_worker(void)
{
	setup(3);
	creel_future *a = submit(), *b = submit(), *c = submit();
	int dropped = creel_future_cancel(a) == CREEL_CANCEL_NOW;
	dropped += creel_future_cancel(b) == CREEL_CANCEL_NOW;
	model_check(creel_future_result(c, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(a);
	creel_future_unref(b);
	creel_future_unref(c);
	model_check(creel_executor_close(pool) == 0);
	model_check(ended == 3 - dropped);
}

const struct model_scenario model_scenarios[] = {
	{"two sweep", two_sweep, .preemptions = 1, .cpus = 1},
	{"sweeps beside a worker", sweeps_beside_a_worker, .preemptions = 2, .cpus = 1},
	{"waits for an end", waits_for_an_end, .preemptions = 2, .cpus = 1},
	{"sees the end", sees_the_end, .preemptions = 2, .cpus = 1},
	{"waits for a cancel", waits_for_a_cancel, .preemptions = 1, .spurious = 1, .cpus = 1},
	{"waits for a resize", waits_for_a_resize, .preemptions = 1, .cpus = 1},
	{"waits for a shutdown", waits_for_a_shutdown, .preemptions = 1, .cpus = 1},
	{"waits until", waits_until, .preemptions = 1, .early_timeouts = 1, .cpus = 1},
	{0},
};
