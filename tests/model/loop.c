/* SPDX-License-Identifier: MIT */
/* Loops on a thread pool: the caller, its invitation and its helpers part, and nobody touches the
 * loop, which is on the caller's stack, once the call has returned. */
#include "model.h"
#include <errno.h>

enum { N = 2 };

static creel_executor *pool;
static int marks[N]; /* plain: written by whoever runs the index, read by the caller */

static int mark(creel_task *task, size_t begin, size_t end, void *context)
{
	(void)task;
	(void)context;
	for (size_t i = begin; i < end; i++)
		marks[i]++;
	return 0;
}

static const creel_loop_options one_by_one = {.grain = 1};

static void loop(void)
{
	marks[0] = marks[1] = 0;
	model_check(creel_parallel_for(pool, 0, N, mark, NULL, &one_by_one) == 0);
	model_check(marks[0] == 1 && marks[1] == 1);
}

static int start(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return 0;
}

static void make_pool(int workers, bool initialized)
{
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = workers,
					     .idle_ns = CREEL_NEVER,
					     .initializer = initialized ? start : NULL});
	model_name(pool, "pool");
}

static void caller_and_helper(void)
{
	make_pool(2, false);
	loop();
	model_check(creel_executor_close(pool) == 0);
}

/* The caller waits for workers alone. */
static void only_workers(void)
{
	make_pool(1, true);
	loop();
	model_check(creel_executor_close(pool) == 0);
}

static int task_loop(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	loop();
	return 0;
}

/* The caller is a worker, and the pool is being closed. */
static void in_a_task(void)
{
	make_pool(2, false);
	creel_future *f = creel_submit(pool, task_loop, NULL, 0);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	model_check(creel_executor_close(pool) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"a caller and a helper", caller_and_helper, .preemptions = 2, .spurious = 1},
	{"old values", caller_and_helper, .preemptions = 1, .stale = 1},
	{"only workers", only_workers, .preemptions = 1, .spurious = 1, .stale = 1},
	{"in a task", in_a_task, .preemptions = 1, .stale = 1},
	{0},
};
