/* SPDX-License-Identifier: MIT */
/*
 * The usual mistakes, and what creel says to them: waiting where nothing may block, waiting for
 * oneself, an error that nobody looks at, a result of another type, an executor that is closed.
 */
#include <creel/creel.h>
#include <stdio.h>

static int gives_long(creel_task *task, const void *arg, size_t size)
{
	long n = 1;
	(void)arg;
	(void)size;
	return creel_return(task, &n, sizeof n);
}

static int breaks(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_fail(task, CREEL_EFAILED, "a thread broke");
}

/* A callback runs on the thread of whoever completes the future. A wait there would stop that. */
static void waits_in_callback(creel_future *f, void *arg)
{
	creel_future *later = arg;
	(void)f;
	int rc = creel_future_result(later, CREEL_FOREVER, NULL, 0);
	printf("a wait in a callback: %s\n", creel_code_name(rc));
}

static int waits_for_itself(creel_task *task, const void *arg, size_t size)
{
	creel_future *f = creel_task_future(task);
	(void)arg;
	(void)size;
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	printf("a wait for oneself: %s\n", creel_code_name(rc));
	creel_future_unref(f);
	return 0;
}

static void on_unhandled(void *ctx, const creel_error *error)
{
	(void)ctx;
	printf("an error that nobody read: %s\n", error->message);
}

/* Waits, and drops it. */
static void finish(creel_future *f)
{
	creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_unref(f);
}

/* Forgets the future. Its error goes to the hook of the pool. */
static void forget(creel_executor *pool)
{
	creel_future_unref(creel_submit(pool, breaks, NULL, 0));
	creel_executor_drain(pool, CREEL_FOREVER);
}

static void reads_another_type(creel_executor *pool)
{
	int number;
	creel_future *f = creel_submit(pool, gives_long, NULL, 0);
	int rc = creel_future_result(f, CREEL_FOREVER, &number, sizeof number);
	printf("a result of another type: %s\n", creel_future_message(f, rc));
	creel_future_unref(f);
}

static void submits_too_late(creel_executor *pool)
{
	creel_executor_shutdown(pool, 0, CREEL_NOW, NULL);
	creel_future *f = creel_submit(pool, gives_long, NULL, 0);
	printf("a submission too late: %s\n", creel_future_error(f)->message);
	creel_future_unref(f);
}

int main(void)
{
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .on_unhandled = on_unhandled});
	creel_future *later = creel_promise_new(), *first = creel_promise_new();
	creel_future_on_done(first, NULL, waits_in_callback, later, NULL, NULL);
	creel_promise_set_result(first, NULL, 0);
	creel_future_unref(first);
	creel_future_unref(later);

	finish(creel_submit(pool, waits_for_itself, NULL, 0));
	forget(pool);
	reads_another_type(pool);
	submits_too_late(pool);
	return creel_executor_close(pool) ? 1 : 0;
}
