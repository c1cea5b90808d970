/* SPDX-License-Identifier: MIT */
/*
 * creel. An echo's result is written where the parent reads it (creel_return_reserve(),
 * creel_future_view()); its argument is passed by value (one copy, by creel_submit()), or in place:
 * the program made it in shared memory, and only its ends are written for each task.
 */
#include "measure.h"
#include "procs.h"

#include <creel/creel.h>
#include <errno.h>
#include <string.h>

static creel_executor *pool;

static int empty(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static int echo(creel_task *task, const void *arg, size_t size)
{
	void *out = creel_return_reserve(task, size);
	if (!out)
		return -ENOMEM;
	memcpy(out, arg, size);
	return 0;
}

static int hang(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	procs_hang(arg);
}

static void open_pool(unsigned workers)
{
	pool = creel_process_pool_new(&(creel_process_pool_options){.max_workers = (int)workers});
	if (creel_executor_error(pool))
		give_up(creel_executor_error(pool)->message);
}

static void *submit(enum job job, const void *arg, size_t size)
{
	static const creel_fn functions[] = {
		[JOB_EMPTY] = empty, [JOB_ECHO] = echo, [JOB_HANG] = hang};
	return creel_submit(pool, functions[job], arg, size);
}

static bool wait_for(void *future, struct seen *ret_seen)
{
	const void *data;
	size_t size;
	int rc = creel_future_view(future, CREEL_FOREVER, &data, &size);
	if (rc == 0) {
		const unsigned char *bytes = data;
		*ret_seen = (struct seen){.size = size};
		if (size) {
			ret_seen->first = bytes[0];
			ret_seen->last = bytes[size - 1];
		}
	}
	creel_future_unref(future);
	return rc == 0;
}

static void close_pool(void)
{
	if (creel_executor_close(pool))
		give_up("the pool does not close");
}

const struct peer procs_creel = {"creel", open_pool, submit, wait_for, close_pool};

/* Arguments in shared memory, one for each task in flight. */
struct argument {
	size_t size;
	unsigned char data[];
};

static struct argument *arguments[PROCS_WINDOW];
static unsigned next_argument;

static int echo_in_place(creel_task *task, const void *arg, size_t size)
{
	const struct argument *a = arg;
	(void)size;
	return echo(task, a->data, a->size);
}

static struct argument *fill_argument(const unsigned char *data, size_t size)
{
	struct argument **a = &arguments[next_argument++ % PROCS_WINDOW];
	if (!*a) {
		*a = creel_shared_alloc(pool, sizeof **a + size);
		if (!*a)
			give_up("no shared memory");
		(*a)->size = size;
		memcpy((*a)->data, data, size);
	}
	(*a)->data[0] = data[0];
	(*a)->data[size - 1] = data[size - 1];
	return *a;
}

static void *submit_in_place(enum job job, const void *arg, size_t size)
{
	if (job != JOB_ECHO)
		return submit(job, arg, size);
	return creel_submit(pool, echo_in_place, fill_argument(arg, size), CREEL_BY_REF);
}

static void close_in_place(void)
{
	for (unsigned i = 0; i < PROCS_WINDOW; i++)
		creel_shared_free(pool, arguments[i]);
	close_pool();
}

const struct peer procs_creel_in_place = {"creel-in-place", open_pool, submit_in_place, wait_for,
					  close_in_place};
