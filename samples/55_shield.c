/* SPDX-License-Identifier: MIT */
/*
 * Shielding work from a cancel: the request is cancelled, and what it had begun to save is saved
 * all the same. An aggregate of one, without CREEL_CANCEL_REST, is the shield: cancelling it leaves
 * its input alone.
 *
 * With --processes the tasks run in worker processes.
 */
#include <creel/creel.h>
#include <stdio.h>
#include <string.h>

/* Saves; asked to stop it would stop. */
static int save(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int rc = creel_task_sleep(task, creel_in_ms(20));
	return rc ? rc : creel_return(task, "saved", 6);
}

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool = processes ? creel_process_pool_new(NULL)
					 : creel_thread_pool_new(NULL);
	creel_future *work = creel_submit(pool, save, NULL, 0);
	creel_future *request = creel_all(&work, 1, 0);

	creel_future_cancel(request);
	printf("the request: %s\n", creel_future_state(request) == CREEL_FUTURE_CANCELLED
					    ? "cancelled"
					    : "not cancelled");
	char text[6];
	if (creel_future_result(work, CREEL_FOREVER, text, sizeof text) == 0)
		printf("the work: %s\n", text);
	creel_future_unref(request);
	creel_future_unref(work);
	return creel_executor_close(pool) ? 1 : 0;
}
