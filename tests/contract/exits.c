/* SPDX-License-Identifier: MIT */
/*
 * Ends its process in the way that is asked for, with pools in various states. Ends with 0 as long
 * as nothing hangs or crashes: no call of creel stands in the way of exit().
 */
#include <creel/creel.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int started;

/* Where a leak checker finds it: not closing it is what some of the ways are about. */
static creel_executor *ex;

/* Runs for ever, unless the process ends. */
static int stay(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	atomic_fetch_add(&started, 1);
	while (pause() < 0)
		continue;
	return 0;
}

static int leave(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	exit(0);
}

static int nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static void leave_from_callback(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	exit(0);
}

/* Ends the process once everything else is done. */
static void leave_last(void *ctx, void *local)
{
	(void)ctx;
	(void)local;
	exit(0);
}

static void busy(int tasks)
{
	for (int i = 0; i < tasks; i++)
		creel_future_unref(creel_submit(ex, stay, NULL, 0));
	while (atomic_load(&started) == 0)
		usleep(1000);
}

static void await(creel_future *f)
{
	if (creel_future_result(f, CREEL_FOREVER, NULL, 0))
		exit(3);
	creel_future_unref(f);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	creel_thread_pool_options o = {.max_workers = 2};
	if (strcmp(how, "main-thread") == 0)
		o.finalizer = leave_last;
	ex = creel_thread_pool_new(&o);
	if (strcmp(how, "busy") == 0) {
		busy(1);
	} else if (strcmp(how, "queued") == 0) {
		busy(50);
	} else if (strcmp(how, "idle") == 0) {
		await(creel_submit(ex, nothing, NULL, 0));
	} else if (strcmp(how, "dropped") == 0) {
		await(creel_submit(ex, nothing, NULL, 0));
		creel_executor_unref(ex);
	} else if (strcmp(how, "task") == 0) {
		await(creel_submit(ex, leave, NULL, 0));
	} else if (strcmp(how, "callback") == 0) {
		creel_future *f = creel_submit(ex, nothing, NULL, 0);
		if (creel_future_on_done(f, NULL, leave_from_callback, NULL, NULL, NULL))
			return 4;
		for (;;)
			pause();
	} else if (strcmp(how, "main-thread") == 0) {
		creel_future_unref(creel_submit(ex, nothing, NULL, 0));
		creel_executor_unref(ex);
		pthread_exit(NULL);
	} else if (strcmp(how, "unused") != 0) {
		fprintf(stderr,
			"usage: %s busy|queued|idle|dropped|task|callback|main-thread|unused\n",
			argv[0]);
		return 2;
	}
	return 0;
}
