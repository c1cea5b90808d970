/* SPDX-License-Identifier: MIT */
/* Tasks with CREEL_STAY: their time against shutdown, the last reference, cancelling, and the last
 * worker that leaves. */
#include "model.h"
#include <errno.h>

static creel_clock *clock_;
static creel_executor *pool;
static creel_future *f;
static int ran, cancel_code;

static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	ran++;
	return 0;
}

static void setup(void)
{
	ran = cancel_code = 0;
	clock_ = creel_clock_new(0);
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
	f = creel_submit_with(
		pool, task, NULL, 0,
		&(creel_submit_options){.flags = CREEL_STAY, .delay_ns = 10, .clock = clock_});
}

static void end(int code)
{
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == code);
	model_check(ran == (code == 0));
	creel_future_unref(f);
	creel_clock_unref(clock_);
}

/* All that was waited for has ended when it returns. */
static void shut(unsigned flags)
{
	model_check(creel_executor_shutdown(pool, flags, CREEL_FOREVER, NULL) == 0);
	int state = creel_future_state(f);
	model_check(state == CREEL_FUTURE_FINISHED || state == CREEL_FUTURE_CANCELLED);
}

static void shut_down(void)
{
	setup();
	shut(0);
	end(0);
	model_check(creel_executor_close(pool) == 0);
}

/* The worker that has run another task leaves at the same time. */
static void last_worker(void)
{
	setup();
	model_check(creel_spawn(pool, task, NULL, 0, NULL) == 0);
	shut(0);
	model_check(ran == 2);
	ran--;
	end(0);
	model_check(creel_executor_close(pool) == 0);
}

static void last_reference(void)
{
	setup();
	creel_executor_unref(pool);
	end(0);
}

static void cancel(void *arg)
{
	(void)arg;
	cancel_code = creel_future_cancel(f);
}

static void cancelled(void)
{
	setup();
	int other = model_spawn(cancel, NULL);
	shut(0);
	model_join(other);
	end(cancel_code == CREEL_CANCEL_NOW ? -ECANCELED : 0);
	model_check(creel_executor_close(pool) == 0);
}

static void cancelling_shutdown(void)
{
	setup();
	shut(CREEL_SHUTDOWN_CANCEL);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(rc == 0 || rc == CREEL_EFAILED || rc == -ECANCELED);
	end(rc);
	model_check(creel_executor_close(pool) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"shut down", shut_down, .preemptions = 2, .early_timeouts = 1},
	{"the last worker", last_worker, .preemptions = 1, .early_timeouts = 1, .cpus = 1},
	{"the last reference", last_reference, .preemptions = 2, .early_timeouts = 1},
	{"cancelled", cancelled, .preemptions = 1, .early_timeouts = 1},
	{"a shutdown that cancels", cancelling_shutdown, .preemptions = 2, .early_timeouts = 1},
	{0},
};
