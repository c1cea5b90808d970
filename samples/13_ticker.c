/* SPDX-License-Identifier: MIT */
/*
 * Time: a task that starts later, one that runs again and again, one that expires because nobody
 * had time for it, and one that sleeps until somebody cancels it.
 *
 * With --processes the tasks run in a worker process.
 */
#include <creel/creel.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Says its argument. */
static int say(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	puts(arg);
	return 0;
}

/* Runs three times: the task has a period, and the third run ends the series. In a worker the
 * count lives as long as the worker does. */
static int tick(creel_task *task, const void *arg, size_t size)
{
	static int runs;
	(void)arg;
	(void)size;
	printf("tick %d\n", ++runs);
	return runs < 3 ? 0 : creel_fail(task, -ECANCELED, "that was the last tick");
}

/* Sleeps until it is cancelled. */
static int doze(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_task_sleep(task, CREEL_FOREVER);
}

static creel_future *submit_text(creel_executor *pool, const char *text, creel_submit_options o)
{
	return creel_submit_with(pool, say, text, strlen(text) + 1, &o);
}

/* Waits for the end, says why there is no result if there is none, drops the reference. */
static void finish(creel_future *f)
{
	if (creel_future_result(f, CREEL_FOREVER, NULL, 0))
		puts(creel_future_error(f)->message);
	creel_future_unref(f);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool =
		processes ? creel_process_pool_new(&(creel_process_pool_options){.max_workers = 1})
			  : creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 1});

	/* Later. */
	creel_future *tea = submit_text(pool, "the tea is ready",
					(creel_submit_options){.delay_ns = CREEL_MS(20)});
	finish(tea);

	/* Again and again: 5 ms after the last run was due, however long that took. */
	finish(creel_submit_with(
		pool, tick, NULL, 0,
		&(creel_submit_options){.period_ns = CREEL_MS(5), .flags = CREEL_FIXED_RATE}));

	/* Not at all, if it would be too late: nothing starts in a paused pool. */
	creel_executor_pause(pool);
	finish(submit_text(pool, "this is never said",
			   (creel_submit_options){.expiry_ns = CREEL_MS(10)}));
	creel_executor_resume(pool);

	/* Whoever sleeps wakes when the task is cancelled. */
	creel_future *asleep = creel_submit(pool, doze, NULL, 0);
	while (creel_future_state(asleep) == CREEL_FUTURE_PENDING)
		creel_future_result(asleep, creel_in_ms(1), NULL, 0);
	creel_future_cancel(asleep);
	finish(asleep);
	return creel_executor_close(pool) ? 1 : 0;
}
