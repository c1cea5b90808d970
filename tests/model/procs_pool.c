/* SPDX-License-Identifier: MIT */
/* A process pool of one worker, as the harnesses that wait for its tasks use it. */
#include "procs_pool.h"

creel_executor *pool;

static int answer(creel_task *self, const void *arg, size_t size)
{
	(void)size;
	int n = *(const int *)arg * 2;
	return creel_return(self, &n, sizeof n);
}

void pool_setup_with(int64_t idle_ns, bool may_kill)
{
	world_reset(may_kill);
	pool = creel_process_pool_new(&(creel_process_pool_options){
		.max_workers = 1, .idle_ns = idle_ns, .start_ns = CREEL_NEVER, .shared_budget = 1});
	model_check(!creel_executor_error(pool));
	model_name(pool, "pool");
}

void pool_setup(void)
{
	pool_setup_with(CREEL_NEVER, false);
}

void pool_setup_warm(bool may_kill)
{
	pool_setup_with(CREEL_NEVER, may_kill);
	pool_await_and_drop(pool_submit(3), 3);
}

void pool_teardown(void)
{
	model_check(creel_executor_close(pool) == 0);
	world_end();
}

creel_future *pool_submit(int n)
{
	return creel_submit(pool, answer, &n, sizeof n);
}

void pool_await(creel_future *f, int n)
{
	int value = 0;
	model_check(creel_future_result(f, CREEL_FOREVER, &value, sizeof value) == 0);
	model_check(value == 2 * n);
}

void pool_await_and_drop(creel_future *f, int n)
{
	pool_await(f, n);
	creel_future_unref(f);
}

void pool_await_first(void *f)
{
	pool_await(f, 1);
}
