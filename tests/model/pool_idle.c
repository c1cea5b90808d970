/* SPDX-License-Identifier: MIT */
/* Submitting against workers that fall asleep: no wake-up is lost, whoever looks first. */
#include "model.h"

static int values[4];

/* What the submitter wrote is seen here, and what is written here by whoever sees the result. */
static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)size;
	int i = *(const int *)arg;
	model_check(values[i] == 1);
	values[i] = 2;
	return 0;
}

static creel_executor *pool;

static int64_t spin_ns;

static void setup(int workers)
{
	pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = workers, .idle_ns = CREEL_NEVER, .spin_ns = spin_ns});
	model_name(pool, "pool");
}

static creel_future *submit(int i)
{
	values[i] = 1;
	return creel_submit(pool, task, &i, sizeof i);
}

static void await(creel_future *f, int i)
{
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	model_check(values[i] == 2);
	creel_future_unref(f);
}

/* After close nothing of the pool is left: see the end of each schedule. */
static void teardown(void)
{
	model_check(creel_executor_close(pool) == 0);
}

static void one_sleeps_between(void)
{
	setup(1);
	await(submit(0), 0);
	await(submit(1), 1);
	teardown();
}

static void two_at_once(int workers)
{
	setup(workers);
	creel_future *a = submit(0), *b = submit(1);
	await(a, 0);
	await(b, 1);
	teardown();
}

/* The worker watches before it sleeps: in the model for one look. */
static void one_watches(void)
{
	spin_ns = 1;
	one_sleeps_between();
	spin_ns = 0;
}

static void one_worker(void)
{
	two_at_once(1);
}

static void two_workers(void)
{
	two_at_once(2);
}

static void submit_and_await(void *arg)
{
	int i = *(const int *)arg;
	await(submit(i), i);
}

/* Two submitters, one worker; with two CPUs of two shards, of which each may have the other one. */
static void two_submitters(int workers)
{
	static const int one = 1, two = 2;
	setup(workers);
	await(submit(0), 0);
	int other = model_spawn(submit_and_await, (void *)(uintptr_t)&one);
	submit_and_await((void *)(uintptr_t)&two);
	model_join(other);
	teardown();
}

static void two_submit_to_one(void)
{
	two_submitters(1);
}

static struct model_gate gate;

static int opens(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	model_gate_open(&gate);
	return 0;
}

static int waits(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	model_gate_wait(&gate);
	return 0;
}

/* The first task ends only when the second has run: a worker too few would be a deadlock. */
static void second_must_start(void)
{
	gate.open = 0;
	setup(2);
	creel_future *a = creel_submit(pool, waits, NULL, 0);
	creel_future *b = creel_submit(pool, opens, NULL, 0);
	model_check(creel_future_result(a, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(a);
	creel_future_unref(b);
	teardown();
}

/* One worker claims several for its batch, and the first of them waits for the second: the other
 * worker must come and steal. */
static void batch_is_stolen(void)
{
	gate.open = 0;
	setup(1);
	creel_future *f[4];
	f[0] = creel_submit(pool, waits, NULL, 0);
	f[1] = creel_submit(pool, opens, NULL, 0);
	f[2] = submit(2);
	f[3] = submit(3);
	model_check(creel_executor_resize(pool, 2) == 0);
	for (int i = 0; i < 4; i++) {
		model_check(creel_future_result(f[i], CREEL_FOREVER, NULL, 0) == 0);
		creel_future_unref(f[i]);
	}
	teardown();
}

/* Two workers and two that shall be no more: one of them must stay,
 * and none is more than enough. */
static void resized_down(void)
{
	setup(2);
	creel_future *a = submit(0), *b = submit(1);
	model_check(creel_executor_resize(pool, 1) == 0);
	await(a, 0);
	await(b, 1);
	await(submit(2), 2);
	teardown();
}

const struct model_scenario model_scenarios[] = {
	{"one sleeps between two tasks", one_sleeps_between, .preemptions = 2, .spurious = 1},
	{"one watches between two tasks", one_watches, .preemptions = 2, .spurious = 1, .cpus = 2},
	{"one looks between two tasks", one_sleeps_between, .preemptions = 2, .spurious = 1,
	 .looks = 1},
	{"one worker, two tasks", one_worker, .preemptions = 2, .spurious = 1},
	{"resized down", resized_down, .preemptions = 2, .spurious = 1, .cpus = 1},
	/* Two preemptions take half a minute each. */
	{"the second must start", second_must_start, .preemptions = 1, .spurious = 1, .cpus = 1},
	{"two workers", two_workers, .preemptions = 1, .spurious = 1, .cpus = 1},
	{"resized down during a look", resized_down, .preemptions = 1, .cpus = 1, .looks = 1},
	{"two workers look", two_workers, .preemptions = 1, .cpus = 2, .looks = 1},
	{"two workers, two shards", two_workers, .preemptions = 1, .spurious = 1, .cpus = 2},
	{"two submit to one worker", two_submit_to_one, .preemptions = 1, .spurious = 1},
	{"a batch is stolen", batch_is_stolen, .preemptions = 1, .spurious = 1, .cpus = 1},
	/* Why no fence is needed: threads/queues.c. */
	{"one sleeps, old values", one_sleeps_between, .preemptions = 1, .spurious = 1, .stale = 1},
	{"one looks, old values", one_sleeps_between, .preemptions = 1, .stale = 1, .looks = 1},
	{"two workers, old values", two_workers, .preemptions = 1, .stale = 1, .cpus = 2},
	{"the second must start, old values", second_must_start, .preemptions = 1, .stale = 1,
	 .cpus = 1},
	{0},
};
