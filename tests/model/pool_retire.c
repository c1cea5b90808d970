/* SPDX-License-Identifier: MIT */
/* A worker that was idle too long against the next submission: the gates keep an accepted task from
 * having nobody. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static struct model_gate gate;
static int values[3], finalized[8];

static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)size;
	values[*(const int *)arg] = 2;
	return 0;
}

static void finalize(void *ctx, void *local)
{
	(void)ctx;
	(void)local;
	finalized[model_thread()]++;
}

static void setup(int workers, int min_workers)
{
	gate.open = 0;
	for (int i = 0; i < 8; i++)
		finalized[i] = 0;
	pool = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = workers,
								  .min_workers = min_workers,
								  .idle_ns = 1000,
								  .finalizer = finalize});
	model_name(pool, "pool");
}

static void run_one(int i)
{
	values[i] = 1;
	creel_future *f = creel_submit(pool, task, &i, sizeof i);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	model_check(values[i] == 2);
	creel_future_unref(f);
}

static void last_retires(void)
{
	setup(1, 0);
	run_one(0);
	run_one(1);
	model_check(creel_executor_close(pool) == 0);
	model_check(finalized[1] == 1);
}

static void try_one(int i)
{
	values[i] = 1;
	creel_future *f = NULL;
	int code = creel_try_submit(pool, task, &i, sizeof i, NULL, &f);
	model_check(code == 0 || (code == -EAGAIN && model_refused_threads() > 0));
	if (code == 0)
		model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	model_check(values[i] == (code ? 1 : 2));
	creel_future_unref(f);
}

/* The system has no thread in the place of the one that retired: refused, or done, but not kept. */
static void no_other_thread(void)
{
	setup(1, 0);
	try_one(0);
	try_one(1);
	model_check(creel_executor_close(pool) == 0);
}

static void one_stays(void)
{
	setup(1, 1);
	run_one(0);
	run_one(1);
	creel_stats stats;
	model_check(creel_executor_stats(pool, &stats, sizeof stats) == 0);
	model_check(stats.started == 1 && stats.workers == 1);
	model_check(creel_executor_close(pool) == 0);
}

static void run_other(void *arg)
{
	(void)arg;
	run_one(1);
}

static void two_submit(void)
{
	setup(1, 0);
	run_one(0);
	int other = model_spawn(run_other, NULL);
	run_one(2);
	model_join(other);
	model_check(creel_executor_close(pool) == 0);
}

/* Two queues: the last one shuts both gates or none. */
static void two_shards(void)
{
	setup(2, 0);
	int other = model_spawn(run_other, NULL);
	run_one(2);
	model_join(other);
	run_one(0);
	model_check(creel_executor_close(pool) == 0);
}

static void one_of_two_retires(void)
{
	setup(2, 0);
	int zero = 0, one = 1;
	creel_future *a = creel_submit(pool, task, &zero, sizeof zero);
	creel_future *b = creel_submit(pool, task, &one, sizeof one);
	model_check(creel_future_result(a, CREEL_FOREVER, NULL, 0) == 0);
	model_check(creel_future_result(b, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(a);
	creel_future_unref(b);
	run_one(2);
	model_check(creel_executor_close(pool) == 0);
}

static int waits(creel_task *self, const void *arg, size_t size)
{
	model_gate_wait(&gate);
	return task(self, arg, size);
}

/* And its thread is joined when the next one starts: nobody relies on it any more. */
static void the_last_woken_retires(void)
{
	setup(2, 1);
	int zero = 0;
	creel_future *f = creel_submit(pool, waits, &zero, sizeof zero);
	for (int i = 0; i < 4; i++)
		run_one(1 + i % 2);
	model_gate_open(&gate);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	model_check(creel_executor_close(pool) == 0);
}

/* Close arrives while it goes. */
static void retires_at_the_end(void)
{
	setup(1, 0);
	run_one(0);
	model_check(creel_executor_close(pool) == 0);
	model_check(finalized[1] == 1);
}

static struct model_gate nobody_sleeps;

static void tell_when_nobody_sleeps(void *ctx, void *local)
{
	creel_stats stats;
	(void)ctx;
	(void)local;
	model_check(creel_executor_stats(pool, &stats, sizeof stats) == 0);
	if (stats.idle == 0)
		model_gate_open(&nobody_sleeps);
}

/* The first one's time is up while the second is starting: it is told when that one is there, or is
 * not to be had. Else it sleeps for ever, and nobody opens the gate. */
static void put_off(void)
{
	nobody_sleeps.open = 0;
	pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 2, .idle_ns = 1000, .finalizer = tell_when_nobody_sleeps});
	model_name(pool, "pool");
	creel_future *f[2];
	int n = 0;
	for (int i = 0; i < 2; i++) {
		int code = creel_try_submit(pool, task, &i, sizeof i, NULL, &f[n]);
		model_check(code == 0 || (code == -EAGAIN && model_refused_threads() > 0));
		n += code == 0;
	}
	for (int i = 0; i < n; i++) {
		model_check(creel_future_result(f[i], CREEL_FOREVER, NULL, 0) == 0);
		creel_future_unref(f[i]);
	}
	if (n)
		model_gate_wait(&nobody_sleeps);
	model_check(creel_executor_close(pool) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"the last worker retires", last_retires, .preemptions = 2, .spurious = 1,
	 .early_timeouts = 1},
	{"no other thread", no_other_thread, .preemptions = 1, .spurious = 1, .early_timeouts = 1,
	 .thread_failures = 1},
	{"one stays", one_stays, .preemptions = 2, .spurious = 1, .early_timeouts = 1},
	{"two submit", two_submit, .preemptions = 1, .spurious = 1, .early_timeouts = 1},
	{"one of two retires", one_of_two_retires, .preemptions = 1, .spurious = 0,
	 .early_timeouts = 1, .cpus = 1},
	{"the last one woken retires", the_last_woken_retires, .preemptions = 0,
	 .early_timeouts = 2, .cpus = 1},
	/* These take 20 s or more with the next larger bound. */
	{"two shards", two_shards, .preemptions = 1, .cpus = 2},
	{"two shards, early", two_shards, .early_timeouts = 1, .cpus = 2},
	{"put off", put_off, .preemptions = 1, .early_timeouts = 1, .cpus = 1},
	{"put off for one that cannot be had", put_off, .preemptions = 1, .early_timeouts = 1,
	 .thread_failures = 1, .cpus = 1},
	{"retires at the end", retires_at_the_end, .preemptions = 2, .spurious = 1,
	 .early_timeouts = 1},
	{"the last retires, old values", last_retires, .preemptions = 1, .early_timeouts = 1,
	 .stale = 1},
	{0},
};
