/* SPDX-License-Identifier: MIT */
/* The rest of the wake-up protocol (threads/pool.h): workers that look and are relied on, waiters
 * that wake a second one, threads that are refused, batches behind a long task. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static struct model_gate gate, has_started;
static int ran;

static int counts(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED);
	return 0;
}

static int opens(creel_task *self, const void *arg, size_t size)
{
	model_gate_open(&gate);
	return counts(self, arg, size);
}

static int waits(creel_task *self, const void *arg, size_t size)
{
	model_gate_open(&has_started);
	model_gate_wait(&gate);
	return counts(self, arg, size);
}

static void setup(int workers)
{
	ran = gate.open = has_started.open = 0;
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = workers, .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
}

static void await(creel_future *f)
{
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
}

static uint64_t threads_started(void)
{
	creel_stats stats;
	model_check(creel_executor_stats(pool, &stats, sizeof stats) == 0);
	return stats.started;
}

/* Whoever submits the next task when the last has ended uses one thread. */
static void in_turn(void)
{
	setup(2);
	for (int i = 0; i < 3; i++)
		await(creel_submit(pool, counts, NULL, 0));
	model_check(threads_started() == 1);
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == 3);
}

/* The worker looks, and takes the task before its submitter has come to wake somebody: no second
 * thread is started for it. */
static void taken_meanwhile(void)
{
	setup(2);
	creel_future *f = creel_submit(pool, waits, NULL, 0);
	model_gate_wait(&has_started);
	model_gate_open(&gate);
	await(f);
	model_check(creel_executor_shutdown(pool, 0, CREEL_FOREVER, NULL) == 0);
	model_check(threads_started() == 1);
	model_check(creel_executor_close(pool) == 0);
}

/* The worker that looks is relied on for the first of two tasks, and the second one opens the gate
 * for the first: it must pass on. */
static void relied_on_for_two(void)
{
	setup(2);
	await(creel_submit(pool, counts, NULL, 0));
	creel_future *a = creel_submit(pool, waits, NULL, 0);
	creel_future *b = creel_submit(pool, opens, NULL, 0);
	await(a);
	await(b);
	model_check(creel_executor_close(pool) == 0);
}

static void submit_opener(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	creel_future_unref(creel_submit(pool, opens, NULL, 0));
	model_gate_wait(&gate);
}

/* A worker in a callback is not one that looks. */
static void callback_waits(void)
{
	setup(2);
	creel_future *f = creel_submit(pool, counts, NULL, 0);
	model_check(creel_future_on_done(f, NULL, submit_opener, NULL, NULL, NULL) == 0);
	await(f);
	model_gate_wait(&gate);
	model_check(creel_executor_close(pool) == 0);
}

/* The waiter wakes a second worker for a task that a third party runs, ends and closes away. */
static void wait_for(void *f)
{
	await(f);
}

static void waiter_against_close(void)
{
	setup(2);
	creel_future *f = creel_submit(pool, counts, NULL, 0);
	int waiter = model_spawn(wait_for, creel_future_ref(f));
	creel_executor_unref(pool);
	creel_future_unref(f);
	model_join(waiter);
}

static void waiter_against_the_end(void)
{
	setup(2);
	await(creel_submit(pool, counts, NULL, 0));
	creel_future *f = creel_submit(pool, counts, NULL, 0);
	int waiter = model_spawn(wait_for, f);
	model_check(creel_executor_close(pool) == 0);
	model_join(waiter);
}

static void wait_cancelled(void *f)
{
	int code = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(code == 0 || code == -ECANCELED);
	creel_future_unref(f);
}

static void waiter_against_cancel(void)
{
	setup(1);
	creel_future *f = creel_submit(pool, counts, NULL, 0);
	int waiter = model_spawn(wait_cancelled, creel_future_ref(f));
	(void)creel_future_cancel(f);
	creel_future_unref(f);
	model_check(creel_executor_close(pool) == 0);
	model_join(waiter);
}

/* The first task ends only if a second worker comes. Its thread is refused at first, and tried
 * again after so many more submissions: two in the model. */
static void refused_at_first(void)
{
	setup(2);
	creel_future *f = NULL;
	int code = creel_try_submit(pool, waits, NULL, 0, NULL, &f);
	model_check(code == 0 || (code == -EAGAIN && model_refused_threads() > 0));
	if (code) {
		creel_future_unref(f);
		model_check(creel_executor_close(pool) == 0);
		return;
	}
	model_gate_wait(&has_started);
	model_check(creel_spawn(pool, opens, NULL, 0, NULL) == 0);
	for (int i = 0; i < 3; i++)
		model_check(creel_spawn(pool, counts, NULL, 0, NULL) == 0);
	await(f);
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == 5);
}

enum { FLOOD = 30, BOUND = 8 * 2 }; /* 64 * workers; in the model, 8 * workers */

static int starts[FLOOD], next_start;

static int notes(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)size;
	starts[*(const int *)arg] = __atomic_add_fetch(&next_start, 1, __ATOMIC_RELAXED);
	return 0;
}

static int holds_back(creel_task *self, const void *arg, size_t size)
{
	starts[*(const int *)arg] = __atomic_add_fetch(&next_start, 1, __ATOMIC_RELAXED);
	return waits(self, arg, size);
}

/* One worker is in a long task and has the next ones in its batch. */
static void bounded_overtaking(void)
{
	setup(2);
	next_start = 0;
	creel_future *f[2];
	for (int i = 0; i < FLOOD; i++)
		starts[i] = 0;
	f[0] = creel_submit(pool, holds_back, &(int){0}, sizeof(int));
	for (int i = 1; i < FLOOD; i++)
		model_check(creel_spawn(pool, notes, &i, sizeof i, NULL) == 0);
	/* All but the long one have run. */
	f[1] = creel_submit(pool, opens, NULL, 0);
	await(f[0]);
	await(f[1]);
	model_check(creel_executor_close(pool) == 0);
	for (int i = 0; i < FLOOD; i++)
		for (int later = i + BOUND + 1; later < FLOOD; later++)
			model_check(starts[i] < starts[later]);
}

const struct model_scenario model_scenarios[] = {
	{"in turn", in_turn, .preemptions = 1, .spurious = 0, .cpus = 1},
	{"in turn, with a look", in_turn, .preemptions = 1, .cpus = 1, .looks = 1},
	{"taken meanwhile", taken_meanwhile, .preemptions = 2, .cpus = 1},
	{"relied on for two", relied_on_for_two, .preemptions = 1, .cpus = 1},
	{"a callback waits", callback_waits, .preemptions = 1, .cpus = 1},
	{"refused at first", refused_at_first, .preemptions = 1, .thread_failures = 1, .cpus = 1},
	{"bounded overtaking", bounded_overtaking, .preemptions = 0, .cpus = 1},
	{"a waiter that looks against unref", waiter_against_close, .preemptions = 2, .cpus = 2,
	 .looks = 1},
	{"a waiter that looks against cancel", waiter_against_cancel, .preemptions = 2, .cpus = 2,
	 .looks = 1},
	{"a waiter against unref", waiter_against_close, .preemptions = 2, .cpus = 2},
	{"a waiter against close", waiter_against_the_end, .preemptions = 2, .cpus = 2},
	{"a waiter against cancel", waiter_against_cancel, .preemptions = 2, .cpus = 2},
	{0},
};
