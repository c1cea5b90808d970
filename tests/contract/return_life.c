/* SPDX-License-Identifier: MIT */
/*
 * Promises 37 and 16: what becomes of an executor whose tasks have returned a future that has not
 * ended, when nobody refers to it any more.
 */
#include "contract.h"

#include <stdlib.h>
#include <sys/wait.h>

/* Says that it started, waits for the gate, and ends as f, which is the test's. */
struct becoming {
	struct ct_count *started, *gate;
	creel_future *f;
};

static int task_become(creel_task *task, const void *arg, size_t size)
{
	const struct becoming *b = arg;
	(void)size;
	ct_count_add(b->started, 1);
	ct_pass(b->gate);
	return creel_return_future(task, b->f);
}

static void end(creel_future *f)
{
	long value = 41;
	ct_int(creel_promise_set_result(f, &value, sizeof value), 0);
}

static void fini_count(void *ctx, void *local)
{
	(void)local;
	ct_count_add(ctx, 1);
}

/* The whole process's: there is always one to ask. */
static uint64_t executors(void)
{
	creel_executor *ex = creel_inline_new();
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	creel_executor_unref(ex);
	return stats.live_executors - 1;
}

/* Wherever the task is when the last reference goes. */
CASE(c37_tasks_that_follow_keep_no_pool_at_work, CT_POOL)
{
	for (int follows = 0; follows < 2; follows++) {
		struct ct_count *left = ct_count_new();
		struct becoming b = {ct_count_new(), ct_count_new(), creel_promise_new()};
		uint64_t before = executors();
		creel_executor *ex = ct_pool((creel_thread_pool_options){
			.max_workers = 1, .finalizer = fini_count, .ctx = left});
		creel_future *g = creel_submit(ex, task_become, &b, sizeof b);
		ct_count_await(b.started, 1);
		if (follows) {
			ct_open(b.gate);
			ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		}
		creel_executor_unref(ex);
		if (!follows)
			ct_open(b.gate);
		ct_count_await(left, 1);
		/* The task has it until the end. */
		ct_int(executors() - before, 1);
		ct_int(creel_future_state(g), CREEL_FUTURE_RUNNING);
		end(b.f);
		ct_int(ct_long_drop(g), 41);
		ct_until(executors() == before);
		creel_future_unref(b.f);
	}
}

CASE(c37_a_paused_pool_that_is_dropped_goes_on_though_tasks_follow, CT_POOL)
{
	struct becoming b = {ct_count_new(), ct_count_new(), creel_promise_new()};
	creel_executor *ex = ct_executor();
	ct_open(b.gate);
	creel_future *g = creel_submit(ex, task_become, &b, sizeof b);
	ct_count_await(b.started, 1);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(creel_executor_pause(ex), 0);
	creel_future *next = creel_submit(ex, task_nothing, NULL, 0);
	creel_executor_unref(ex);
	ct_int(ct_outcome(next), 0);
	creel_future_unref(next);
	ct_int(creel_future_state(g), CREEL_FUTURE_RUNNING);
	end(b.f);
	ct_int(ct_long_drop(g), 41);
	creel_future_unref(b.f);
}

/* Nobody drives it any more. */
CORE_CASE_WITH(c37_a_driven_executor_that_is_dropped_fails_what_is_left_though_tasks_follow,
	       CT_SYSTEM)
{
	struct becoming b = {ct_count_new(), ct_count_new(), creel_promise_new()};
	creel_executor *ex = creel_driven_new(NULL);
	ct_open(b.gate);
	creel_future *g = creel_submit(ex, task_become, &b, sizeof b);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	creel_future *next = creel_submit(ex, task_nothing, NULL, 0);
	creel_executor_unref(ex);
	ct_int(creel_future_result(next, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(next)->kind, CREEL_KIND_SHUT_DOWN);
	ct_int(creel_future_state(g), CREEL_FUTURE_RUNNING);
	end(b.f);
	ct_int(ct_long_drop(g), 41);
	creel_future_unref(next);
	creel_future_unref(b.f);
}

/* Two tasks that return each other, and an executor that the second one's end lets go. */
static struct {
	creel_task *task[2];
	creel_future *f[2];
	int n;
	pid_t child; /* 0 in the child */
	bool destroyed;
} ring;

static int keep(void *self, creel_task *task)
{
	(void)self;
	ring.task[ring.n++] = task;
	return 0;
}

static void destroy(void *self)
{
	(void)self;
	ring.destroyed = true;
}

static int task_become_other(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return creel_return_future(task, ring.f[1 - *(const int *)arg]);
}

static void fork_here(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	ring.child = fork();
	if (ring.child == 0)
		alarm(CT_GUARD_MS / 1000);
}

CORE_CASE_WITH(c23_a_child_of_the_break_of_a_circle_leaves_the_executor_alone, CT_FORK)
{
	static const creel_executor_ops ops = {
		.size = sizeof ops, .submit = keep, .destroy = destroy};
	creel_executor *ex = creel_executor_new(&ops, NULL);
	const creel_submit_options forks = {.arg_free = fork_here};
	ring.n = 0;
	ring.child = -1;
	ring.destroyed = false;
	for (int i = 0; i < 2; i++)
		ring.f[i] = creel_submit_with(ex, task_become_other, &i, sizeof i,
					      i ? &forks : NULL);
	creel_executor_unref(ex);
	ct_int(creel_task_run(ring.task[0]), 0);
	(void)creel_task_run(ring.task[1]);
	if (ring.child == 0) {
		CHILD(!ring.destroyed);
		_exit(5);
	}
	int status = 0;
	ct_assert(ring.child > 0);
	ct_int(waitpid(ring.child, &status, 0), ring.child);
	ct_assert(WIFEXITED(status));
	ct_int(WEXITSTATUS(status), 5);
	ct_assert(ring.destroyed);
	for (int i = 0; i < 2; i++) {
		ct_int(ct_outcome(ring.f[i]), CREEL_EFAILED);
		ct_int(creel_future_error(ring.f[i])->code, -EDEADLK);
		creel_future_unref(ring.f[i]);
	}
}
