/* SPDX-License-Identifier: MIT */
/*
 * A program that is one thread's loop, and slow calls that run elsewhere: loop.run_in_executor(),
 * on a thread pool and on a process pool. The loop is a driven executor; what follows each call
 * runs on its thread.
 */
#include <creel/typed.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Slow: counts the primes below n. */
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

static pthread_t loop_thread;

/* Runs on the loop's thread, with the result of the call as its input. */
static int show(creel_task *task, const void *arg, size_t size)
{
	const void *input;
	long count;
	(void)size;
	int rc = creel_task_input(task, &input, NULL);
	if (rc)
		return rc;
	memcpy(&count, input, sizeof count);
	printf("%s: %ld primes, %s\n", (const char *)arg, count,
	       pthread_equal(pthread_self(), loop_thread) ? "told in the loop's thread"
							  : "told elsewhere");
	return 0;
}

static creel_future *run_in_executor(creel_executor *loop, creel_executor *pool, const char *name)
{
	creel_future *slow = primes_submit(pool, 20000);
	creel_future *shown = creel_then(slow, loop, show, name, strlen(name) + 1);
	creel_future_unref(slow);
	return shown;
}

int main(void)
{
	creel_executor *loop = creel_driven_new(NULL);
	creel_executor *threads = creel_thread_pool_new(NULL);
	creel_executor *processes = creel_process_pool_new(NULL);
	loop_thread = pthread_self();

	creel_future *calls[] = {run_in_executor(loop, threads, "threads"),
				 run_in_executor(loop, processes, "processes")};
	creel_future *both = creel_all(calls, 2, 0);
	int rc = creel_driven_run_until(loop, both, CREEL_FOREVER);

	creel_future_unref(both);
	creel_future_unref(calls[0]);
	creel_future_unref(calls[1]);
	rc |= creel_executor_close(processes);
	rc |= creel_executor_close(threads);
	rc |= creel_executor_close(loop);
	return rc ? 1 : 0;
}
