/* SPDX-License-Identifier: MIT */
/* The driven executor: a runner that falls asleep, leaves or is joined by others, against
 * submissions, stops, ends and cancels. Whatever is missed shows as a deadlock. */
#include "model.h"
#include "poller.h"
#include <errno.h>

static creel_executor *ex;
static creel_future *future;
static int ran;

static void setup(void)
{
	ran = 0;
	ex = creel_driven_new(NULL);
	model_check(creel_executor_error(ex) == NULL);
}

static int task_stop(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	ran++;
	return creel_driven_stop(creel_task_executor(task));
}

static int task_run(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	ran++;
	return 0;
}

static void submit(void *arg)
{
	(void)arg;
	model_check(creel_spawn(ex, task_stop, NULL, 0, NULL) == 0);
}

static void submit_against_run(void)
{
	setup();
	int other = model_spawn(submit, NULL);
	model_check(creel_driven_run(ex, CREEL_FOREVER) == 0);
	model_check(ran == 1);
	model_join(other);
	creel_executor_close(ex);
}

static void stop(void *arg)
{
	(void)arg;
	model_check(creel_driven_stop(ex) == 0);
}

static void stop_against_run(void)
{
	setup();
	int other = model_spawn(stop, NULL);
	model_check(creel_driven_run(ex, CREEL_FOREVER) == 0);
	model_join(other);
	creel_executor_close(ex);
}

/* It ends one run: the first, or the next. */
static void stop_against_the_end_of_a_run(void)
{
	setup();
	int other = model_spawn(stop, NULL);
	if (creel_driven_run(ex, CREEL_NOW) == -ETIMEDOUT)
		model_check(creel_driven_run(ex, CREEL_FOREVER) == 0);
	model_join(other);
	creel_executor_close(ex);
}

static void settle(void *arg)
{
	(void)arg;
	model_check(creel_promise_set_result(future, NULL, 0) == 0);
}

static void a_future_ends(void)
{
	setup();
	future = creel_promise_new();
	int other = model_spawn(settle, NULL);
	model_check(creel_driven_run_until(ex, future, CREEL_FOREVER) == 0);
	model_join(other);
	creel_future_unref(future);
	creel_executor_close(ex);
}

static void run_until_stopped(void *arg)
{
	(void)arg;
	int rc = creel_driven_run(ex, CREEL_FOREVER);
	model_check(rc == 0 || rc == -EBUSY);
}

/* The runner leaves the second task to whoever drains. */
static void drain_against_run(void)
{
	setup();
	model_check(creel_spawn(ex, task_stop, NULL, 0, NULL) == 0);
	model_check(creel_spawn(ex, task_run, NULL, 0, NULL) == 0);
	int other = model_spawn(run_until_stopped, NULL);
	model_check(creel_executor_drain(ex, CREEL_FOREVER) == 0);
	model_check(ran == 2);
	model_join(other);
	creel_executor_close(ex);
}

static void cancel(void *arg)
{
	(void)arg;
	(void)creel_future_cancel(future);
}

static void submit_another(void *arg)
{
	(void)arg;
	model_check(creel_spawn(ex, task_run, NULL, 0, NULL) == 0);
}

/* The canceller may have withdrawn the first, and not said that it has ended. */
static void drain_against_cancel_and_submit(void)
{
	setup();
	future = creel_submit(ex, task_run, NULL, 0);
	int first = model_spawn(cancel, NULL), second = model_spawn(submit_another, NULL);
	model_check(creel_executor_drain(ex, CREEL_FOREVER) == 0);
	model_join(first);
	model_join(second);
	creel_executor_close(ex);
	creel_future_unref(future);
}

static void cancel_against_run(void)
{
	setup();
	future = creel_submit(ex, task_run, NULL, 0);
	int other = model_spawn(cancel, NULL);
	model_check(creel_driven_run(ex, CREEL_NOW) == -ETIMEDOUT);
	model_join(other);
	creel_executor_close(ex);
	model_check(creel_future_state(future) ==
		    (ran ? CREEL_FUTURE_FINISHED : CREEL_FUTURE_CANCELLED));
	creel_future_unref(future);
}

static void cancel_against_ready(void)
{
	setup();
	future = creel_ready(ex, 5, CREEL_READABLE);
	model_poller_ready();
	int other = model_spawn(cancel, NULL);
	model_check(creel_driven_run_until(ex, future, CREEL_FOREVER) == 0);
	model_join(other);
	creel_executor_close(ex);
	creel_future_unref(future);
}

static void drop(void *arg)
{
	(void)arg;
	creel_executor_unref(ex);
}

static void dropped_against_a_cancelled_descriptor(void)
{
	setup();
	future = creel_ready(ex, 5, CREEL_READABLE);
	int other = model_spawn(drop, NULL);
	(void)creel_future_cancel(future);
	model_join(other);
	model_check(creel_future_state(future) != CREEL_FUTURE_PENDING);
	creel_future_unref(future);
}

const struct model_scenario model_scenarios[] = {
	{"submit against run", submit_against_run, .preemptions = 5, .spurious = 1, .stale = 1},
	{"stop against run", stop_against_run, .preemptions = 5, .spurious = 1, .stale = 1},
	{"stop against the end of a run", stop_against_the_end_of_a_run, .preemptions = 5,
	 .spurious = 1},
	{"a future ends", a_future_ends, .preemptions = 3, .stale = 1},
	{"drain against run", drain_against_run, .preemptions = 3},
	{"drain against cancel and submit", drain_against_cancel_and_submit, .preemptions = 2},
	{"cancel against run", cancel_against_run, .preemptions = 3, .stale = 1},
	{"cancel against ready", cancel_against_ready, .preemptions = 3},
	{"dropped against a cancelled descriptor", dropped_against_a_cancelled_descriptor,
	 .preemptions = 3},
	{0},
};
