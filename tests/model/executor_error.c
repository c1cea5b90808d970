/* SPDX-License-Identifier: MIT */
/* Reading why an executor is broken while another thread breaks it: nothing, or all of it. */
#include "model.h"

enum { CODE = -7 };

static creel_executor *pool;
static creel_future *future;

static int initializer(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return CODE;
}

static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	return 0;
}

static void setup(void)
{
	pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .idle_ns = CREEL_NEVER, .initializer = initializer});
	model_name(pool, "pool");
	future = creel_submit(pool, task, NULL, 0);
}

static void teardown(void)
{
	creel_future_unref(future);
	model_check(creel_executor_close(pool) == 0);
}

static void check_error(const creel_error *e)
{
	model_check(e->kind == CREEL_KIND_BROKEN && e->code == CODE && e->message[0]);
}

static void poll_the_error(void)
{
	setup();
	for (int i = 0; i < 2; i++) {
		const creel_error *e = creel_executor_error(pool);
		if (e)
			check_error(e);
	}
	model_check(creel_future_result(future, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	check_error(creel_executor_error(pool));
	teardown();
}

/* A rejected submission takes its error from the executor's. */
static void submit_meanwhile(void)
{
	setup();
	creel_future *late = creel_submit(pool, task, NULL, 0);
	model_check(creel_future_result(late, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	check_error(creel_future_error(late));
	creel_future_unref(late);
	teardown();
}

const struct model_scenario model_scenarios[] = {
	{"the error is polled", poll_the_error, .preemptions = 2, .spurious = 1, .stale = 1},
	{"a task is submitted meanwhile", submit_meanwhile, .preemptions = 2, .stale = 1},
	{0},
};
