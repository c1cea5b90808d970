/* SPDX-License-Identifier: MIT */
/*
 * What the regression suites share. Each of them keeps bugs from coming back that the contract
 * suite did not catch; the line at a test says what went wrong. Gates and counts are static: a
 * test runs in a process of its own, where all of them begin at zero.
 */
#ifndef CREEL_TESTS_REGRESS_H
#define CREEL_TESTS_REGRESS_H

#include "census.h"
#include "shared.h"

#include <creel/creel.h>
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CT_GUARD creel_in_ms(CT_GUARD_MS)

static inline int task_nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

/* Counts up the struct ct_count that its argument is. */
static inline int task_count(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	ct_count_add((struct ct_count *)(uintptr_t)arg, 1);
	return 0;
}

/* Says that it has started, then waits until it may go on. */
struct gate {
	struct ct_count started, open;
};

static inline int task_gated(creel_task *task, const void *arg, size_t size)
{
	struct gate *gate = (struct gate *)(uintptr_t)arg;
	(void)task;
	(void)size;
	ct_count_add(&gate->started, 1);
	ct_pass(&gate->open);
	return 0;
}

/* The same, and then ends its thread. */
static inline int task_exits(creel_task *task, const void *arg, size_t size)
{
	task_gated(task, arg, size);
	pthread_exit(NULL);
}

static inline creel_future *submit_to(creel_executor *ex, creel_fn fn, void *arg)
{
	return creel_submit(ex, fn, arg, CREEL_BY_REF);
}

/* One more worker of ex is busy until gate->open is. */
static inline creel_future *hold(creel_executor *ex, struct gate *gate)
{
	uint32_t n = ct_count_get(&gate->started);
	creel_future *f = submit_to(ex, task_gated, gate);
	ct_count_await(&gate->started, n + 1);
	return f;
}

static inline creel_executor *pool_of(int workers)
{
	return creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = workers});
}

/* Waits for the end of f, insists on its outcome, drops it. */
static inline void ends_with(creel_future *f, int outcome)
{
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), outcome);
	creel_future_unref(f);
}

static inline creel_stats stats_of(creel_executor *ex)
{
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	return stats;
}

/* Closes. Under the guard: a close has no deadline. */
static inline void close_now(creel_executor *ex)
{
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_executor_close(ex), 0);
}

/* Callbacks and destructors that count how often they came. */
struct told {
	struct ct_count called, freed;
};

static inline void note_call(creel_future *f, void *arg)
{
	(void)f;
	ct_count_add(&((struct told *)arg)->called, 1);
}

static inline void note_free(void *arg)
{
	ct_count_add(&((struct told *)arg)->freed, 1);
}

static inline void told_once(struct told *t)
{
	ct_int(ct_count_get(&t->called), 1);
	ct_int(ct_count_get(&t->freed), 1);
}

static inline void arg_free_count(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	ct_count_add(ctx, 1);
}

/* An argument's destructor that takes as long as its gate stays shut. */
static inline void arg_free_gated(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	task_gated(NULL, ctx, 0);
}

static inline void on_thread(pthread_t *ret_thread, void *(*fn)(void *arg), void *arg)
{
	ct_int(pthread_create(ret_thread, NULL, fn, arg), 0);
}

/* A custom executor that keeps what it gets. */
struct keeper {
	creel_task *task;
	struct ct_count destroyed;
};

static inline int keeper_submit(void *self, creel_task *task)
{
	((struct keeper *)self)->task = task;
	return 0;
}

static inline void keeper_destroy(void *self)
{
	ct_count_add(&((struct keeper *)self)->destroyed, 1);
}

static inline creel_executor *keeper_new(struct keeper *self, int (*submit)(void *, creel_task *))
{
	return creel_executor_new(&(creel_executor_ops){.size = sizeof(creel_executor_ops),
							.submit = submit,
							.destroy = keeper_destroy},
				  self);
}

#endif
