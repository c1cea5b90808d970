/* SPDX-License-Identifier: MIT */
/* A program of somebody who uses creel; C11 and C++17. */
#include <creel/typed.h>
#include <stdio.h>

static long square(long n)
{
	return n * n;
}
CREEL_TYPED(square, long, long);

int main(void)
{
	creel_executor *ex = creel_thread_pool_new(NULL);
	creel_future *f = square_submit(ex, 12);
	long r = 0;
	int rc = square_result(f, CREEL_FOREVER, &r);
	if (rc == 0)
		printf("12 squared is %ld\n", r);
	creel_future_unref(f);
	creel_executor_close(ex);
	return rc != 0;
}
