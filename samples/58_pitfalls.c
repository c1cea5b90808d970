/* SPDX-License-Identifier: MIT */
/*
 * The usual mistakes, and what creel says to them: blocking the loop, waiting where nothing may
 * block, waiting for oneself, forgetting to wait, an error that nobody looks at, a result of
 * another type, an executor that is closed.
 */
#include <creel/creel.h>
#include <poll.h>
#include <stdio.h>

static int gives_long(creel_task *task, const void *arg, size_t size)
{
	long long n = 1;
	(void)arg;
	(void)size;
	return creel_return(task, &n, sizeof n);
}

/* Blocks the thread that runs it. */
static int blocks(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	poll(NULL, 0, 30);
	return 0;
}

/* Waits for a future of somebody else's. */
static int waits(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return creel_future_result(*(creel_future *const *)arg, CREEL_FOREVER, NULL, 0);
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

/* On the loop: the task that it waits for can only run on the same thread, after it. */
static int waits_in_loop(creel_task *task, const void *arg, size_t size)
{
	creel_future *later = creel_submit(creel_task_executor(task), gives_long, NULL, 0);
	(void)arg;
	(void)size;
	int rc = creel_future_result(later, CREEL_FOREVER, NULL, 0);
	printf("a wait in the loop: %s\n", creel_code_name(rc));
	creel_future_unref(later);
	return 0;
}

/* Hooks of the loop: what runs for more than 20 ms is said. */
static creel_deadline began;

static void on_started(void *ctx, const creel_event *event)
{
	(void)ctx;
	began = event->at;
}

static void on_ended(void *ctx, const creel_event *event)
{
	double ms = (double)(event->at.ns - began.ns) / 1e6;
	(void)ctx;
	if (ms > 20)
		printf("a task that blocks the loop: %s ran for %.0f ms\n", event->name, ms);
}

static void block_the_loop(void)
{
	creel_executor *loop = creel_driven_new(NULL);
	creel_future_unref(creel_submit(loop, waits_in_loop, NULL, 0));
	creel_driven_run(loop, CREEL_NOW);
	creel_executor_close(loop);

	loop = creel_driven_new(NULL);
	creel_executor_watch(loop, &(creel_hooks){.size = sizeof(creel_hooks),
						  .started = on_started,
						  .ended = on_ended});
	creel_future_unref(creel_submit_with(loop, blocks, NULL, 0,
					     &(creel_submit_options){.name = "blocks()"}));
	creel_driven_run(loop, CREEL_NOW);
	creel_executor_close(loop);
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

/* Does not wait for what runs. What is left is counted, and close() waits for it all the same. */
static void leaves_without_waiting(creel_executor *pool)
{
	size_t left = 0;
	creel_future *soon = creel_promise_new();
	creel_executor_drain(pool, CREEL_FOREVER);
	creel_spawn(pool, waits, &soon, sizeof soon, NULL);
	creel_spawn(pool, waits, &soon, sizeof soon, NULL);
	int rc = creel_executor_shutdown(pool, 0, CREEL_NOW, &left);
	printf("leaving without a wait: %s, %zu tasks are left\n", creel_code_name(rc), left);
	creel_promise_set_result(soon, NULL, 0);
	creel_executor_shutdown(pool, 0, CREEL_FOREVER, NULL); /* this one waits */
	creel_future_unref(soon);
}

static void submits_too_late(creel_executor *pool)
{
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

	block_the_loop();
	finish(creel_submit(pool, waits_for_itself, NULL, 0));
	forget(pool);
	reads_another_type(pool);
	leaves_without_waiting(pool);
	submits_too_late(pool);
	return creel_executor_close(pool) ? 1 : 0;
}
