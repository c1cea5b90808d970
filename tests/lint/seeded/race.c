/* SPDX-License-Identifier: MIT */
/* Bug: two threads write one variable. (In a child that a process with threads forked, TSan looks
 * at nothing: no such bug is seeded, and no test may count on it.)
 *
 * One after the other, as two that are at it at the very same moment may both go unseen; the flag
 * between them is relaxed, and so no excuse. */
#include "ct.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

static int counter;
static _Atomic bool counted;

static void *count(void *arg)
{
	(void)arg;
	counter++;
	atomic_store_explicit(&counted, true, memory_order_relaxed);
	return NULL;
}

static void race(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, count, NULL);
	while (!atomic_load_explicit(&counted, memory_order_relaxed))
		sched_yield();
	counter++;
	pthread_join(thread, NULL);
}

CT_TEST(race, in_the_test, 0)
{
	race();
}
