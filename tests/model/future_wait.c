/* SPDX-License-Identifier: MIT */
/* Completion against those who wait: nobody sleeps on, all see the result, the last one frees. */
#include "by_hand.h"
#include <errno.h>

static creel_future *promise;
static int data; /* plain: written before the completion, read after it */

static void setup(void)
{
	data = 0;
	promise = creel_promise_new();
}

/* Settles it, with a reference of its own. */
static void settle(void *arg)
{
	(void)arg;
	data = 7;
	model_check(creel_promise_set_result(promise, &data, sizeof data) == 0);
	creel_future_unref(promise);
}

static void wait_and_drop(void *arg)
{
	(void)arg;
	int result = 0;
	model_check(creel_future_result(promise, CREEL_FOREVER, &result, sizeof result) == 0);
	model_check(result == 7 && data == 7);
	creel_future_unref(promise);
}

static void one_waits(void)
{
	setup();
	creel_future_ref(promise);
	int other = model_spawn(settle, NULL);
	wait_and_drop(NULL);
	model_join(other);
}

static void two_wait(void)
{
	setup();
	creel_future_ref(creel_future_ref(promise));
	int first = model_spawn(settle, NULL), second = model_spawn(wait_and_drop, NULL);
	wait_and_drop(NULL);
	model_join(first);
	model_join(second);
}

/* Whoever gives up leaves nothing behind that the completion could touch. */
static void one_gives_up(void)
{
	setup();
	creel_future_ref(promise);
	int other = model_spawn(settle, NULL);
	int result = 0;
	int rc = creel_future_result(promise, creel_in_ms(1), &result, sizeof result);
	model_check(rc == 0 ? result == 7 && data == 7 : rc == -ETIMEDOUT && result == 0);
	creel_future_unref(promise);
	model_join(other);
}

static int answer(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	data = 7;
	return creel_return(task, &data, sizeof data);
}

static void run_task(void *arg)
{
	model_check(creel_task_run(arg) == 0);
}

static void a_task_ends(void)
{
	struct by_hand hand;
	creel_executor *ex = by_hand_new(&hand);
	data = 0;
	promise = creel_submit(ex, answer, NULL, 0);
	int other = model_spawn(run_task, hand.task);
	wait_and_drop(NULL);
	creel_executor_unref(ex);
	model_join(other);
	model_check(hand.destroyed == 1);
}

/* Nobody waits: the future is dropped while the task runs. */
static void a_task_is_dropped(void)
{
	struct by_hand hand;
	creel_executor *ex = by_hand_new(&hand);
	promise = creel_submit(ex, answer, NULL, 0);
	int other = model_spawn(run_task, hand.task);
	creel_future_unref(promise);
	model_check(creel_executor_close(ex) == 0);
	model_join(other);
	model_check(hand.destroyed == 1);
}

static void settle_both(void *arg)
{
	creel_future **both = arg;
	data = 7;
	for (int i = 0; i < 2; i++)
		model_check(creel_promise_set_result(both[i], &data, sizeof data) == 0);
}

static void all_of_two(void)
{
	creel_future *both[2] = {creel_promise_new(), creel_promise_new()};
	int other = model_spawn(settle_both, both);
	size_t done = 0;
	model_check(creel_wait(both, 2, CREEL_ALL_COMPLETED, CREEL_FOREVER, &done) == 0);
	model_check(done == 2 && data == 7);
	model_join(other);
	creel_future_unref(both[0]);
	creel_future_unref(both[1]);
}

const struct model_scenario model_scenarios[] = {
	{"one waits", one_waits, .preemptions = 3, .spurious = 1, .stale = 1},
	{"two wait", two_wait, .preemptions = 2, .spurious = 1, .stale = 1},
	{"one gives up", one_gives_up, .preemptions = 3, .spurious = 1, .stale = 1,
	 .early_timeouts = 1},
	{"a task ends", a_task_ends, .preemptions = 3, .spurious = 1, .stale = 1},
	{"a task is dropped", a_task_is_dropped, .preemptions = 3, .spurious = 1, .stale = 1},
	{"one looks", one_waits, .preemptions = 3, .spurious = 1, .stale = 1, .looks = 2},
	{"two look", two_wait, .preemptions = 2, .spurious = 1, .stale = 1, .looks = 1},
	{"one looks and gives up", one_gives_up, .preemptions = 3, .spurious = 1, .stale = 1,
	 .early_timeouts = 1, .looks = 2},
	{"a task that is looked at ends", a_task_ends, .preemptions = 2, .spurious = 1, .stale = 1,
	 .looks = 2},
	{"all of two", all_of_two, .preemptions = 3, .spurious = 1, .stale = 1},
	{0},
};
