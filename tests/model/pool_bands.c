/* SPDX-License-Identifier: MIT */
/* Bands in the thread pool: the first use of one against workers that claim, fall asleep, retire or
 * are shut down. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static struct model_gate gate;
static int ran, place[6];

static int notes(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)size;
	place[*(const int *)arg] = __atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
	return 0;
}

static int waits(creel_task *self, const void *arg, size_t size)
{
	model_gate_wait(&gate);
	return notes(self, arg, size);
}

static void setup(int workers, int64_t idle_ns)
{
	ran = gate.open = 0;
	for (int i = 0; i < 6; i++)
		place[i] = 0;
	pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = workers, .idle_ns = idle_ns, .ageing_ns = CREEL_NEVER});
	model_name(pool, "pool");
}

static creel_future *submit(creel_fn fn, int i, int band)
{
	return creel_submit_with(pool, fn, &i, sizeof i, &(creel_submit_options){.band = band});
}

static void await(creel_future *f)
{
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
}

static void run_in(void *band)
{
	int i = *(const int *)band;
	await(submit(notes, i, i));
}

/* The worker falls asleep while a band is used for the first time. */
static void first_use(void)
{
	setup(1, CREEL_NEVER);
	await(submit(notes, 0, 0));
	await(submit(notes, 1, 1));
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == 2);
}

/* Two use bands for the first time at once. */
static void two_first_uses(void)
{
	static const int one = 1, two = 2;
	setup(1, CREEL_NEVER);
	await(submit(notes, 0, 0));
	int other = model_spawn(run_in, (void *)(uintptr_t)&one);
	run_in((void *)(uintptr_t)&two);
	model_join(other);
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == 3);
}

/* The worker has a task, and a batch behind it, that comes back: none is lost, and the order is
 * that of the bands from then on. */
static void first_use_beside_a_batch(void)
{
	creel_future *f[5];
	setup(1, CREEL_NEVER);
	f[0] = submit(waits, 0, 0);
	for (int i = 1; i < 4; i++)
		f[i] = submit(notes, i, 0);
	f[4] = submit(notes, 4, 1);
	model_gate_open(&gate);
	for (int i = 0; i < 5; i++)
		await(f[i]);
	model_check(creel_executor_close(pool) == 0);
	model_check(place[4] <= 2);
	model_check(place[1] < place[2] && place[2] < place[3]);
}

static void shut(void *arg)
{
	(void)arg;
	model_check(creel_executor_shutdown(pool, 0, CREEL_FOREVER, NULL) == 0);
}

/* What was accepted runs. */
static void shutdown_against_first_use(void)
{
	setup(1, CREEL_NEVER);
	creel_future *f = NULL;
	await(submit(notes, 0, 0));
	int other = model_spawn(shut, NULL);
	int rc = creel_try_submit(pool, notes, &(int){1}, sizeof(int),
				  &(creel_submit_options){.band = -1}, &f);
	model_check(rc == 0 || rc == -ESHUTDOWN);
	if (rc == 0)
		await(f);
	model_join(other);
	model_check(ran == 1 + (rc == 0));
	model_check(creel_executor_close(pool) == 0);
}

/* The last worker goes, or finds the task. */
static void first_use_against_retiring(void)
{
	setup(1, 1000);
	await(submit(notes, 0, 0));
	await(submit(notes, 1, 2));
	await(submit(notes, 2, -2));
	model_check(creel_executor_close(pool) == 0);
	model_check(ran == 3);
}

/* The first task ends only if a second worker comes for the other band's. */
static int opens(creel_task *self, const void *arg, size_t size)
{
	model_gate_open(&gate);
	return notes(self, arg, size);
}

static void second_must_start(void)
{
	setup(2, CREEL_NEVER);
	creel_future *a = submit(waits, 0, 1), *b = submit(opens, 1, -1);
	await(a);
	await(b);
	model_check(creel_executor_close(pool) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"first use", first_use, .preemptions = 2},
	{"two first uses", two_first_uses, .preemptions = 1, .spurious = 1},
	{"first use beside a batch", first_use_beside_a_batch, .preemptions = 2, .cpus = 1},
	/* Two preemptions take a minute. */
	{"shutdown against first use", shutdown_against_first_use, .preemptions = 1},
	{"first use against retiring", first_use_against_retiring, .preemptions = 1,
	 .early_timeouts = 1},
	{"the second must start", second_must_start, .preemptions = 1, .cpus = 1},
	{"first use, old values", first_use, .preemptions = 1, .stale = 1},
	{0},
};
