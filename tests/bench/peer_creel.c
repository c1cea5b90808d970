/* SPDX-License-Identifier: MIT */
/* creel: the waiter is no worker, so it runs a task itself only with help = any. Without BENCH_HELP
 * the library is an older one, which has no such option. */
#include "measure.h"
#include "peers.h"

#include <creel/creel.h>

static creel_executor *pool;

static int nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static int busy(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	work_busy();
	return 0;
}

static int sleeps(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	work_sleep();
	return 0;
}

static int gate(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	gate_enter();
	return 0;
}

static const creel_fn works[] = {
	[WORK_EMPTY] = nothing, [WORK_BUSY] = busy, [WORK_SLEEP] = sleeps, [WORK_GATE] = gate};

static void open_pool(unsigned workers, bool help)
{
	creel_thread_pool_options options = {.max_workers = (int)workers, .idle_ns = CREEL_NEVER};
#ifdef BENCH_HELP
	options.help = help ? CREEL_HELP_ANY : CREEL_HELP_WORKERS;
#else
	(void)help;
#endif
	pool = creel_thread_pool_new(&options);
	if (creel_executor_error(pool))
		give_up(creel_executor_error(pool)->message);
}

static void *submit(enum work work)
{
	return creel_submit(pool, works[work], NULL, 0);
}

static void wait_for(void *future)
{
	if (creel_future_result(future, CREEL_FOREVER, NULL, 0))
		give_up(creel_future_error(future)->message);
	creel_future_unref(future);
}

static void close_pool(void)
{
	if (creel_executor_close(pool))
		give_up("the pool does not close");
}

const struct peer peer_creel = {"creel", open_pool, submit, wait_for, close_pool};
