/* SPDX-License-Identifier: MIT */
/* Promise 52: what a task of a driven executor hears when it waits for adaptors over that. */
#include "contract.h"
#include "driven.h"

static struct {
	creel_executor *serial, *retry, *scope;
	creel_future *tasks[3];
	struct ct_count *ran;
} over;

static bool waits_in_vain(creel_future *f)
{
	return creel_future_result(f, CT_GUARD, NULL, 0) == -EDEADLK &&
	       creel_wait(&f, 1, CREEL_ALL_COMPLETED, CT_GUARD, NULL) == -EDEADLK &&
	       creel_wait(&f, 1, CREEL_FIRST_COMPLETED, CT_GUARD, NULL) == -EDEADLK;
}

/* Before and after there is something to wait for. */
static int task_waits_over(creel_task *task, const void *arg, size_t size)
{
	creel_executor *all[] = {over.serial, over.retry, over.scope};
	size_t left = 0;
	(void)task;
	(void)arg;
	(void)size;
	if (creel_scope_join(over.scope, CT_GUARD) || creel_executor_drain(over.serial, CT_GUARD))
		return -EIO;
	over.scope = creel_scope_new(creel_task_executor(task), 0);
	creel_executor_unref(all[2]);
	all[2] = over.scope;
	for (int i = 0; i < 3; i++) {
		over.tasks[i] = ct_submit_count(all[i], over.ran);
		if (!waits_in_vain(over.tasks[i]) ||
		    creel_executor_drain(all[i], CT_GUARD) != -EDEADLK ||
		    creel_executor_drain(all[i], CREEL_NOW) != -ETIMEDOUT)
			return -EIO;
	}
	if (creel_scope_join(over.scope, CT_GUARD) != -EDEADLK ||
	    creel_scope_join(over.scope, CREEL_NOW) != -ETIMEDOUT)
		return -EIO;
	int rc = creel_executor_shutdown(over.serial, 0, CT_GUARD, &left);
	return rc == -EDEADLK && left == 1 ? 0 : -EIO;
}

CORE_CASE_WITH(c52_a_task_that_waits_for_an_adaptor_over_its_executor_is_told, CT_SYSTEM)
{
	creel_executor *ex = driven();
	over.serial = creel_serial_new(ex);
	over.retry = creel_retry_new(ex, &(creel_retry_options){.attempts = 2});
	over.scope = creel_scope_new(ex, 0);
	over.ran = ct_count_new();
	creel_future *f = creel_submit(ex, task_waits_over, NULL, 0);
	ct_int(creel_driven_run_until(ex, f, CT_GUARD), 0);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(f);
	/* Nothing is lost: they run. */
	for (int i = 0; i < 3; i++) {
		ct_int(creel_driven_run_until(ex, over.tasks[i], CT_GUARD), 0);
		ct_int(creel_future_result(over.tasks[i], CREEL_NOW, NULL, 0), 0);
		creel_future_unref(over.tasks[i]);
	}
	ct_int(ct_count_get(over.ran), 3);
	ct_int(creel_scope_join(over.scope, CT_GUARD), 0);
	creel_executor_unref(over.scope);
	ct_close(over.serial);
	ct_close(over.retry);
	ct_close(ex);
}

/* Tasks of others over a pool are waited for. */
static int task_waits_elsewhere(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	creel_future *f = ct_submit_count(over.serial, over.ran);
	int rc = creel_future_result(f, CT_GUARD, NULL, 0);
	creel_future_unref(f);
	return rc ? rc : creel_executor_drain(over.serial, CT_GUARD);
}

CORE_CASE_WITH(c52_a_task_may_wait_for_an_adaptor_over_another_executor, CT_SYSTEM)
{
	creel_executor *ex = driven(), *pool = creel_thread_pool_new(NULL);
	over.serial = creel_serial_new(pool);
	over.ran = ct_count_new();
	creel_future *f = creel_submit(ex, task_waits_elsewhere, NULL, 0);
	ct_int(creel_driven_run_until(ex, f, CT_GUARD), 0);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	ct_int(ct_count_get(over.ran), 1);
	creel_future_unref(f);
	ct_close(over.serial);
	ct_close(pool);
	ct_close(ex);
}

static int body_over(creel_task *task, size_t begin, size_t end, void *context)
{
	(void)task;
	(void)begin;
	(void)end;
	ct_count_add(context, 1);
	return 0;
}

static int task_loops_over(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	int rc = creel_parallel_for(over.serial, 0, 8, body_over, over.ran, NULL);
	return rc == -EDEADLK ? 0 : -EIO;
}

CORE_CASE_WITH(c52_a_task_that_loops_on_an_adaptor_over_its_executor_is_told, CT_SYSTEM)
{
	creel_executor *ex = driven();
	over.serial = creel_serial_new(ex);
	over.ran = ct_count_new();
	creel_future *f = creel_submit(ex, task_loops_over, NULL, 0);
	ct_int(creel_driven_run_until(ex, f, CT_GUARD), 0);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(f);
	ct_close(over.serial);
	ct_close(ex);
	ct_int(ct_count_get(over.ran), 0);
}
