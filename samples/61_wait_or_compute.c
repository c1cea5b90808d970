/* SPDX-License-Identifier: MIT */
/*
 * Concurrency against parallelism, measured: eight calls that wait, and eight that compute, each
 * kind one by one and at once. What waits is as fast as there are workers, whatever the machine;
 * what computes is as fast as there are CPUs. Python needs processes for the second; threads do
 * here.
 *
 * With --processes the workers are processes.
 */
#include <creel/typed.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CALLS = 8 };

/* Stands for a disk or a server. */
static long wait_for(long ms)
{
	poll(NULL, 0, (int)ms);
	return ms;
}
CREEL_TYPED(wait_for, long, long);

/* The primes below n. */
static long primes(long n)
{
	long count = 0;
	for (long i = 2; i < n; i++) {
		long d = 2;
		while (d * d <= i && i % d)
			d++;
		count += d * d > i;
	}
	return count;
}
CREEL_TYPED(primes, long, long);

static double ms_since(creel_deadline start)
{
	return (double)(creel_now().ns - start.ns) / 1e6;
}

static void say(const char *what, double one_by_one, double at_once)
{
	printf("%s: %.0f ms one by one, %.0f ms at once: %.1f times as fast\n", what, one_by_one,
	       at_once, one_by_one / at_once);
}

static int waiting(creel_executor *pool)
{
	creel_future *f[CALLS];
	long ms;
	int rc = 0;
	creel_deadline start = creel_now();
	for (int i = 0; i < CALLS; i++)
		wait_for(20);
	double one_by_one = ms_since(start);

	start = creel_now();
	for (int i = 0; i < CALLS; i++)
		f[i] = wait_for_submit(pool, 20);
	for (int i = 0; i < CALLS; i++) {
		rc |= wait_for_result(f[i], CREEL_FOREVER, &ms);
		creel_future_unref(f[i]);
	}
	say("waiting", one_by_one, ms_since(start));
	return rc;
}

static int computing(creel_executor *pool)
{
	creel_future *f[CALLS];
	long expected = 0, count, sum = 0;
	int rc = 0;
	creel_deadline start = creel_now();
	for (int i = 0; i < CALLS; i++)
		expected += primes(100000);
	double one_by_one = ms_since(start);

	start = creel_now();
	for (int i = 0; i < CALLS; i++)
		f[i] = primes_submit(pool, 100000);
	for (int i = 0; i < CALLS; i++) {
		rc |= primes_result(f[i], CREEL_FOREVER, &count);
		sum += count;
		creel_future_unref(f[i]);
	}
	say("computing", one_by_one, ms_since(start));
	return rc || sum != expected;
}

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool =
		processes
			? creel_process_pool_new(
				  &(creel_process_pool_options){.max_workers = CALLS})
			: creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = CALLS});
	printf("%d calls, %d workers, %ld CPUs\n", CALLS, CALLS, sysconf(_SC_NPROCESSORS_ONLN));
	int rc = waiting(pool) | computing(pool);
	return creel_executor_close(pool) || rc ? 1 : 0;
}
