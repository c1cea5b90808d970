/* SPDX-License-Identifier: MIT */
/* A report beside a worker that waits: what it says the worker waits for is there. */
#include "exec/look.h"
#include "model.h"
#include "threads/pool.h"

static creel_executor *pool;

/* The last reference is its own. */
static int await(creel_task *task, const void *arg, size_t size)
{
	creel_future *promise = *(creel_future *const *)arg;
	(void)task;
	(void)size;
	int rc = creel_future_result(promise, CREEL_FOREVER, NULL, 0);
	creel_future_unref(promise);
	return rc;
}

static void look(void *arg)
{
	struct creel__worker_look seen = {0};
	(void)arg;
	if (creel__pool_look(pool, 0, &seen) != CREEL__LOOKED)
		return;
	model_check(seen.number == 0);
	model_check(seen.waits == CREEL__WAITS_NOT || seen.waits == CREEL__WAITS_FUTURE);
	model_check(seen.waits == CREEL__WAITS_NOT || seen.state_word & CREEL__PROMISE);
}

static void beside_a_wait(void)
{
	pool = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 1});
	creel_future *promise = creel_promise_new();
	creel_future *f = creel_submit(pool, await, &(creel_future *){creel_future_ref(promise)},
				       sizeof promise);
	int reporter = model_spawn(look, NULL);
	model_check(creel_promise_set_result(promise, NULL, 0) == 0);
	model_check(creel_promise_drop(promise) == 0);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	model_join(reporter);
	model_check(creel_executor_close(pool) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"beside a wait", beside_a_wait, .preemptions = 2},
	{0},
};
