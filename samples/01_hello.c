/* SPDX-License-Identifier: MIT */
/*
 * The first program: a thread pool, one task, its result. One CREEL_TYPED line turns a plain C
 * function into calls that the compiler checks: square_submit() and square_result(). With
 * --processes the worker is a process, and nothing else changes.
 */
#include <creel/creel.h>
#include <creel/typed.h>
#include <stdio.h>
#include <string.h>

static long square(long n)
{
	return n * n;
}
CREEL_TYPED(square, long, long);

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	/* One worker a CPU. */
	creel_executor *pool = processes ? creel_process_pool_new(NULL)
					 : creel_thread_pool_new(NULL);
	creel_future *future = square_submit(pool, 12); /* starts on a worker */

	long result;
	int rc = square_result(future, CREEL_FOREVER, &result); /* waits for it */
	if (rc == 0)
		printf("Hello from a worker: the square of 12 is %ld\n", result);
	else
		fprintf(stderr, "no result: %s\n", creel_code_name(rc));

	creel_future_unref(future);
	creel_executor_close(pool); /* waits for the workers, too */
	return rc == 0 ? 0 : 1;
}
