/* SPDX-License-Identifier: MIT */
/* A library that comes late, in two versions that differ in what late_task() returns. */
#include <creel/task.h>

int late_task(creel_task *task, const void *arg, size_t size);
long late_number(void);
int late_initializer(void *ctx, unsigned worker, void **ret_local);

int late_initializer(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return 0;
}

long late_number(void)
{
	return LATE * 1111;
}

/* Not by creel_return(): the module is linked to nothing. What it returns is its number. */
int late_task(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return LATE * 1111;
}
