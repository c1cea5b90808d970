/* SPDX-License-Identifier: MIT */
/* Bug: two threads write one variable. (In a child that a process with threads forked, TSan looks
 * at nothing: no such bug is seeded, and no test may count on it.) */
#include <criterion/criterion.h>
#include <pthread.h>

static int counter;

static void *count(void *arg)
{
	(void)arg;
	counter++;
	return NULL;
}

static void race(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, count, NULL);
	counter++;
	pthread_join(thread, NULL);
}

Test(race, in_the_test)
{
	race();
}
