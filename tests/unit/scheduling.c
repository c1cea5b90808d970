/* SPDX-License-Identifier: MIT */
/*
 * Scheduling in the thread pool: who overtakes whom, no more workers than asked for, one thread for
 * one task at a time, threads that the system refuses. pthread_attr_init(), with which the
 * creation of a thread begins, is wrapped: a test counts the calls and has some fail.
 */
#include "regress.h"
#include <sched.h>

enum { WORKERS = 4, BOUND = 64 * WORKERS };

static _Atomic int creations, to_refuse;

int __real_pthread_attr_init(pthread_attr_t *attributes);
int __wrap_pthread_attr_init(pthread_attr_t *attributes);

int __wrap_pthread_attr_init(pthread_attr_t *attributes)
{
	atomic_fetch_add(&creations, 1);
	if (atomic_load(&to_refuse) > 0 && atomic_fetch_sub(&to_refuse, 1) > 0)
		return EAGAIN;
	return __real_pthread_attr_init(attributes);
}

static struct gate gate, open_at_start, long_task;

/* Holds all workers, so that the queue fills up. */
static void hold_all(creel_executor *ex, int workers)
{
	for (int i = 0; i < workers; i++)
		creel_future_unref(hold(ex, &open_at_start));
}

static void let_all_go(void)
{
	ct_count_add(&open_at_start.open, 1);
}

/* Each task notes when it started, in numbers of tasks. */
static _Atomic int started, noted;
static int start_of[20000];

static int task_notes(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	start_of[*(const int *)arg] = atomic_fetch_add(&started, 1) + 1;
	atomic_fetch_add(&noted, 1);
	return 0;
}

static void submit_noted(creel_executor *ex, int from, int to)
{
	for (int i = from; i < to; i++)
		ct_int(creel_spawn(ex, task_notes, &i, sizeof i, NULL), 0);
}

/* How many that were submitted more than BOUND later have started before i. */
static int overtaken(int i, int n)
{
	int before = 0;
	for (int later = i + BOUND + 1; later < n; later++)
		before += start_of[later] && (!start_of[i] || start_of[later] < start_of[i]);
	return before;
}

/* What a worker had claimed waited for the end of its task, whatever others ran. */
CT_TEST(scheduling, c12_a_batch_does_not_wait_for_a_long_task, 0)
{
	enum { TASKS = 8000, LONG_ONES = WORKERS - 1 };
	creel_executor *ex = pool_of(WORKERS);
	hold_all(ex, WORKERS);
	creel_future *f[LONG_ONES];
	for (int i = 0; i < LONG_ONES; i++) {
		f[i] = submit_to(ex, task_gated, &long_task);
		submit_noted(ex, i * 2, i * 2 + 2);
	}
	submit_noted(ex, LONG_ONES * 2, TASKS);
	let_all_go();
	/* All but the long ones: the last one is stolen or put back. */
	ct_until(atomic_load(&noted) == TASKS);
	for (int i = 0; i < TASKS; i++)
		ct_int(overtaken(i, TASKS), 0);
	ct_count_add(&long_task.open, 1);
	for (int i = 0; i < LONG_ONES; i++)
		ends_with(f[i], 0);
	close_now(ex);
}

static struct ct_count successor_ran;

/* Waits for the task that was submitted behind it. */
static int task_waits_for_next(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	ct_count_await(&successor_ran, 1);
	return 0;
}

static _Atomic bool stop;
static creel_executor *flooded;

/* Each task submits the next: the queues never run empty. */
static int task_again(creel_task *task, const void *arg, size_t size)
{
	if (!atomic_load(&stop))
		creel_spawn(flooded, task_again, arg, size, NULL);
	(void)task;
	return 0;
}

/* A flood that never ends, from other threads: what is claimed comes to its turn all the same. */
CT_TEST(scheduling, c12_a_flood_does_not_starve_what_a_long_task_waits_for, 0)
{
	flooded = pool_of(2);
	hold_all(flooded, 2);
	creel_future *f = creel_submit(flooded, task_waits_for_next, NULL, 0);
	creel_future *g = submit_to(flooded, task_count, &successor_ran);
	for (int i = 0; i < 500; i++)
		ct_int(creel_spawn(flooded, task_again, NULL, 0, NULL), 0);
	let_all_go();
	ends_with(f, 0);
	ends_with(g, 0);
	atomic_store(&stop, true);
	close_now(flooded);
}

static _Atomic int running, most;

static int task_counts_running(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	int now = atomic_fetch_add(&running, 1) + 1, max = atomic_load(&most);
	while (now > max && !atomic_compare_exchange_weak(&most, &max, now))
		;
	/* Long enough for others to start beside it. */
	for (int i = 0; i < 50; i++)
		sched_yield();
	atomic_fetch_sub(&running, 1);
	return 0;
}

static void run_counted(creel_executor *ex, int n)
{
	for (int i = 0; i < n; i++)
		ct_int(creel_spawn(ex, task_counts_running, NULL, 0, NULL), 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
}

/* Idle workers that were told to go took one more task each. */
CT_TEST(scheduling, c18_no_more_than_asked_for_after_resize, 0)
{
	for (int i = 0; i < 40; i++) {
		creel_executor *ex = creel_thread_pool_new(
			&(creel_thread_pool_options){.max_workers = 4, .min_workers = 4});
		struct gate together = {0};
		for (int k = 0; k < 4; k++)
			creel_future_unref(hold(ex, &together));
		ct_count_add(&together.open, 1);
		ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		ct_int(creel_executor_resize(ex, 2), 0);
		atomic_store(&most, 0);
		run_counted(ex, 16);
		ct_assert(atomic_load(&most) <= 2);
		close_now(ex);
	}
}

/* A worker between two tasks did not count as idle: the next submission started a thread. */
CT_TEST(scheduling, c13_one_thread_for_one_task_at_a_time, 0)
{
	for (int i = 0; i < 50; i++) {
		creel_executor *ex = pool_of(8);
		for (int k = 0; k < 20; k++)
			ends_with(creel_submit(ex, task_nothing, NULL, 0), 0);
		ct_int((int)stats_of(ex).started, 1);
		close_now(ex);
	}
}

/* The same, with a completion queue or a wait for the first. */
CT_TEST(scheduling, c13_one_thread_however_the_end_is_heard_of, 0)
{
	for (int i = 0; i < 50; i++) {
		creel_executor *ex = pool_of(8);
		for (int k = 0; k < 20; k++) {
			creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
			ct_int(creel_wait(&f, 1, CREEL_FIRST_COMPLETED, CT_GUARD, NULL), 0);
			creel_future_unref(f);
		}
		ct_int((int)stats_of(ex).started, 1);
		close_now(ex);
	}
}

static creel_future *next;

static void submit_next(creel_future *f, void *arg)
{
	(void)f;
	next = submit_to(arg, task_count, &successor_ran);
	/* A worker that only said that it looks is in here: another one must run it. */
	ct_count_await(&successor_ran, 1);
}

/* A worker is no longer about to look when it calls a callback. */
CT_TEST(scheduling, c13_looking_ends_where_callbacks_begin, 0)
{
	creel_executor *ex = pool_of(2);
	creel_future *f = hold(ex, &gate);
	ct_int(creel_future_on_done(f, NULL, submit_next, ex, NULL, NULL), 0);
	ct_count_add(&gate.open, 1);
	ct_count_await(&successor_ran, 1);
	ends_with(f, 0);
	close_now(ex);
	ends_with(next, 0);
}

/* One refusal was for ever, while workers were busy. */
CT_TEST(scheduling, c18_a_refused_thread_is_tried_again, 0)
{
	creel_executor *ex = pool_of(8);
	creel_future *busy = hold(ex, &gate);
	int before = atomic_load(&creations);
	atomic_store(&to_refuse, 1);
	struct ct_count ran = {0};
	for (int i = 0; i < 2001; i++)
		ct_int(creel_spawn(ex, task_count, &ran, CREEL_BY_REF, NULL), 0);
	ct_count_await(&ran, 2001);
	ct_assert(atomic_load(&creations) >= before + 2);
	ct_count_add(&gate.open, 1);
	ends_with(busy, 0);
	close_now(ex);
}

/* And a refusal is not met at every submission. */
CT_TEST(scheduling, c18_refused_threads_are_not_tried_all_the_time, 0)
{
	creel_executor *ex = pool_of(8);
	creel_future *busy = hold(ex, &gate);
	int before = atomic_load(&creations);
	atomic_store(&to_refuse, 1000000);
	for (int i = 0; i < 10000; i++)
		ct_int(creel_spawn(ex, task_nothing, NULL, 0, NULL), 0);
	int tries = atomic_load(&creations) - before;
	ct_assert(tries >= 10 && tries <= 12);
	atomic_store(&to_refuse, 0);
	ct_count_add(&gate.open, 1);
	ends_with(busy, 0);
	close_now(ex);
}
