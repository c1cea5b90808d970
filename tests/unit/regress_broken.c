/* SPDX-License-Identifier: MIT */
/* Regressions: pools that break while tasks are queued. */
#include "regress.h"

static struct gate initializing;
static struct ct_count unhandled;

static int fail_gated(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	task_gated(NULL, &initializing, 0);
	return 7;
}

static void tell(void *ctx, const creel_error *error)
{
	ct_int(error->kind, CREEL_KIND_BROKEN);
	ct_int(error->code, 7);
	ct_count_add(ctx, 1);
}

static creel_executor *pool_that_will_break(void)
{
	return creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 1,
								  .initializer = fail_gated,
								  .on_unhandled = tell,
								  .ctx = &unhandled});
}

/* What had been cancelled was counted as neither failed nor cancelled: drain waited for ever. */
CT_TEST(regress_broken, drain_does_not_wait_for_what_was_cancelled, 0)
{
	size_t left = 99;
	creel_executor *ex = pool_that_will_break();
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	creel_future *g = creel_submit(ex, task_nothing, NULL, 0);
	ct_count_await(&initializing.started, 1);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_open(&initializing.open);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	creel_stats stats = stats_of(ex);
	ct_int(stats.pending, 0);
	ct_int(stats.done, 2);
	ct_int(stats.cancelled, 1);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, &left), 0);
	ct_int(left, 0);
	ends_with(f, -ECANCELED);
	ends_with(g, CREEL_EFAILED);
	close_now(ex);
}

/* The error of the pool did not know whom to tell. */
CT_TEST(regress_broken, on_unhandled_is_told_of_spawned_tasks_that_failed_with_it, 0)
{
	creel_executor *ex = pool_that_will_break();
	ct_int(creel_spawn(ex, task_nothing, NULL, 0, NULL), 0);
	ct_count_await(&initializing.started, 1);
	ct_int(creel_spawn(ex, task_nothing, NULL, 0, NULL), 0);
	ct_open(&initializing.open);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	close_now(ex);
	ct_int(ct_count_get(&unhandled), 2);
}

static struct ct_count helped, finish;
static creel_executor *helping;

static int fail_the_second(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)ret_local;
	return worker ? 7 : 0;
}

static int task_fails(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return -1;
}

/* Runs a task of its own that fails, and stays until the pool has broken. */
static int task_helps(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	creel_future *f = creel_submit(helping, task_fails, NULL, 0);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_unref(f);
	ct_open(&helped);
	ct_pass(&finish);
	return rc == CREEL_EFAILED ? 0 : 1;
}

/* A task that its waiter had run, and that failed, was counted twice: shutdown waited for ever. */
CT_TEST(regress_broken, what_a_waiter_has_run_is_counted_once, 0)
{
	size_t left = 99;
	helping = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .initializer = fail_the_second});
	creel_future *f = creel_submit(helping, task_helps, NULL, 0);
	ct_pass(&helped);
	ct_int(creel_executor_resize(helping, 2), 0);
	creel_future *g = creel_submit(helping, task_nothing, NULL, 0);
	ends_with(g, CREEL_EFAILED);
	ct_open(&finish);
	ends_with(f, 0);
	ct_int(creel_executor_drain(helping, CT_GUARD), 0);
	ct_int(stats_of(helping).pending, 0);
	ct_int(creel_executor_shutdown(helping, 0, CT_GUARD, &left), 0);
	ct_int(left, 0);
	close_now(helping);
}
