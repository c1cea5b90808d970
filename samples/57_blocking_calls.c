/* SPDX-License-Identifier: MIT */
/*
 * 100 blocking calls: one after the other, at once, and at once but never more than ten. Each call
 * waits 10 ms, as for a disk or a server. It prints how long each way took.
 */
#include <creel/creel.h>
#include <poll.h>
#include <stdio.h>

enum { CALLS = 100, MS = 10, LIMIT = 10 };

/* Stands for any call that blocks. */
static int blocking_call(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	poll(NULL, 0, MS);
	return 0;
}

static double ms_since(creel_deadline start)
{
	return (double)(creel_clock_now(NULL).ns - start.ns) / 1e6;
}

/* The usual mistake: a wait right behind each submission. */
static int one_by_one(creel_executor *ex)
{
	int rc = 0;
	for (int i = 0; i < CALLS; i++) {
		creel_future *f = creel_submit(ex, blocking_call, NULL, 0);
		rc |= creel_future_result(f, CREEL_FOREVER, NULL, 0);
		creel_future_unref(f);
	}
	return rc;
}

static int at_once(creel_executor *ex)
{
	creel_future *f[CALLS];
	int rc = 0;
	for (int i = 0; i < CALLS; i++)
		f[i] = creel_submit(ex, blocking_call, NULL, 0);
	for (int i = 0; i < CALLS; i++) {
		rc |= creel_future_result(f[i], CREEL_FOREVER, NULL, 0);
		creel_future_unref(f[i]);
	}
	return rc;
}

int main(void)
{
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = CALLS});
	creel_executor *ten = creel_semaphore_new(pool, LIMIT);

	creel_deadline start = creel_clock_now(NULL);
	int rc = one_by_one(pool);
	double sequential = ms_since(start);
	printf("one after the other: %.0f ms\n", sequential);

	start = creel_clock_now(NULL);
	rc |= at_once(pool);
	double concurrent = ms_since(start);
	printf("at once: %.0f ms, %.0f times as fast\n", concurrent, sequential / concurrent);

	start = creel_clock_now(NULL);
	rc |= at_once(ten);
	double limited = ms_since(start);
	printf("at most %d at once: %.0f ms\n", LIMIT, limited);

	/* Ten at once cannot take less than ten rounds. */
	if (limited < CALLS / LIMIT * MS)
		rc = 1;
	rc |= creel_executor_close(ten) | creel_executor_close(pool);
	return rc ? 1 : 0;
}
