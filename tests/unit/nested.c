/* SPDX-License-Identifier: MIT */
/*
 * Tasks that wait for tasks of their own pool, tens of thousands deep on one worker. What a wait
 * costs must not depend on the depth. That is shown without a clock: during the wait, what lies
 * further out on the stack of tasks cannot be read.
 */
#include "future/block.h"
#include "regress.h"

#include <sys/mman.h>

enum {
	DEPTH = CT_MEMCHECK || CT_ASAN || CT_TSAN ? 2000
		: sizeof(void *) == 8             ? 50000
						  : 10000,
	FRAME = 16 * 1024, /* of stack a level, at most */
};

static creel_executor *executor;
static creel_task *trap; /* no memory behind it */

static long below(creel_future *f, long depth)
{
	long sum = -1;
	size_t done = 0;
	/* Either way of waiting. */
	if (depth % 2)
		ct_int(creel_wait(&f, 1, CREEL_ALL_COMPLETED, CREEL_FOREVER, &done), 0);
	ct_int(creel_future_result(f, CREEL_FOREVER, &sum, sizeof sum), 0);
	creel_future_unref(f);
	return sum;
}

static int task_deeper(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long depth = *(const long *)arg, sum = 1;
	if (depth) {
		long next = depth - 1;
		creel_future *f = creel_submit(executor, task_deeper, &next, sizeof next);
		creel_task *outer = task->future.outer;
		task->future.outer = trap;
		sum += below(f, depth);
		task->future.outer = outer;
	}
	return creel_return(task, &sum, sizeof sum);
}

CT_TEST(nested, waits_do_not_look_at_the_tasks_further_out, 0)
{
	long depth = DEPTH, sum = 0;
	void *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ct_assert(nothing != MAP_FAILED);
	trap = nothing;
	executor = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .stack_size = (size_t)DEPTH * FRAME});
	creel_future *f = creel_submit(executor, task_deeper, &depth, sizeof depth);
	ct_int(creel_future_result(f, CT_GUARD, &sum, sizeof sum), 0);
	ct_int(sum, DEPTH + 1);
	creel_future_unref(f);
	close_now(executor);
}
