/* SPDX-License-Identifier: MIT */
/* Tasks and callbacks that tests submit, and what they do with futures. */
#include "tasks.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void ct_close(creel_executor *ex)
{
	ct_int(creel_executor_close(ex), 0);
}

int ct_outcome(creel_future *f)
{
	int rc = creel_future_result(f, CT_GUARD, NULL, 0);
	if (rc == -ETIMEDOUT)
		ct_fail(__FILE__, __LINE__, "a future never became final");
	return rc;
}

long ct_long(creel_future *f)
{
	long value = -1;
	int rc = creel_future_result(f, CT_GUARD, &value, sizeof value);
	if (rc == CREEL_EFAILED)
		ct_fail(__FILE__, __LINE__, "failed: %s", creel_future_error(f)->message);
	ct_int(rc, 0);
	return value;
}

long ct_long_drop(creel_future *f)
{
	long value = ct_long(f);
	creel_future_unref(f);
	return value;
}

void ct_await_running(creel_future *f)
{
	ct_until(creel_future_state(f) != CREEL_FUTURE_PENDING);
}

int task_nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

int task_double(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long value = 2 * *(const long *)arg;
	return creel_return(task, &value, sizeof value);
}

int task_echo(creel_task *task, const void *arg, size_t size)
{
	return creel_return(task, arg, size);
}

int task_count(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct ct_count *const *counter = arg;
	long value = (long)ct_count_add(*counter, 1);
	return creel_return(task, &value, sizeof value);
}

int task_until_asked(creel_task *task, const void *arg, size_t size)
{
	struct ct_sleeper s = {NULL, false};
	memcpy(&s, arg, size);
	ct_count_add(s.started, 1);
	while (s.deaf)
		pause();
	return creel_task_sleep(task, CREEL_FOREVER);
}

creel_future *ct_submit_count(creel_executor *ex, struct ct_count *counter)
{
	return creel_submit(ex, task_count, &counter, sizeof counter);
}

void done_count(creel_future *f, void *counter)
{
	(void)f;
	ct_count_add(counter, 1);
}

void free_count(void *counter)
{
	ct_count_add(counter, 1);
}

void arg_free_count(void *arg, size_t size, void *counter)
{
	(void)arg;
	(void)size;
	ct_count_add(counter, 1);
}

void buffer_free_count(void *data, size_t size, void *counter)
{
	(void)data;
	(void)size;
	ct_count_add(counter, 1);
}
