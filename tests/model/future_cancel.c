/* SPDX-License-Identifier: MIT */
/* Cancelling against running, settling and waiting: one of them wins, and only one. */
#include "by_hand.h"
#include <errno.h>

static struct by_hand hand;
static creel_executor *ex;
static creel_future *future;
static int ran, freed, run_code, cancel_code, other_code;

static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	model_check(freed == 0);
	ran++;
	return 0;
}

static void free_argument(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	freed++;
}

static void setup(void)
{
	ran = freed = run_code = cancel_code = other_code = 0;
	ex = by_hand_new(&hand);
	static const creel_submit_options options = {.arg_free = free_argument};
	future = creel_submit_with(ex, task, NULL, 0, &options);
}

static void run_task(void *arg)
{
	(void)arg;
	run_code = creel_task_run(hand.task);
}

static void cancel(void *arg)
{
	*(int *)arg = creel_future_cancel(future);
}

/* How it ended is the same for all who ask, and the argument was freed once, before that. */
static void check_end(int code)
{
	model_check(freed == 1);
	model_check(ran == (run_code == 0));
	model_check(code == (ran ? 0 : -ECANCELED));
	model_check(ran ? cancel_code != CREEL_CANCEL_NOW : cancel_code == CREEL_CANCEL_NOW);
}

static void teardown(void)
{
	creel_future_unref(future);
	creel_executor_unref(ex);
	model_check(hand.destroyed == 1);
}

static void against_run(void)
{
	setup();
	int runner = model_spawn(run_task, NULL);
	cancel(&cancel_code);
	model_join(runner);
	check_end(creel_future_result(future, CREEL_NOW, NULL, 0));
	teardown();
}

/* Only the task keeps the executor alive, until its canceller is through with both. */
static void executor_goes(void)
{
	setup();
	creel_executor_unref(ex);
	int runner = model_spawn(run_task, NULL);
	cancel(&cancel_code);
	model_join(runner);
	model_check(hand.destroyed == 1);
	check_end(creel_future_result(future, CREEL_NOW, NULL, 0));
	creel_future_unref(future);
}

static void against_run_and_wait(void)
{
	setup();
	int runner = model_spawn(run_task, NULL), canceller = model_spawn(cancel, &cancel_code);
	int code = creel_future_result(future, CREEL_FOREVER, NULL, 0);
	model_check(freed == 1);
	model_join(runner);
	model_join(canceller);
	check_end(code);
	teardown();
}

static void twice_against_run(void)
{
	setup();
	int runner = model_spawn(run_task, NULL), canceller = model_spawn(cancel, &other_code);
	cancel(&cancel_code);
	model_join(runner);
	model_join(canceller);
	check_end(creel_future_result(future, CREEL_NOW, NULL, 0));
	model_check(ran ? other_code != CREEL_CANCEL_NOW : other_code == CREEL_CANCEL_NOW);
	teardown();
}

static int written; /* plain: by the task */

static int task_writes(creel_task *self, const void *arg, size_t size)
{
	written = 1;
	return task(self, arg, size);
}

static void await_end(void *arg)
{
	(void)arg;
	(void)creel_future_result(future, CREEL_FOREVER, NULL, 0);
}

/* A canceller that finds a waiter at the task looks again when the waiter lets go of it. If it is
 * told then that the task has ended, it sees what the task did. */
static void against_a_waiter_that_holds_it(void)
{
	written = ran = freed = run_code = 0;
	ex = by_hand_new(&hand);
	future = creel_submit(ex, task_writes, NULL, 0);
	int waiter = model_spawn(await_end, NULL), runner = model_spawn(run_task, NULL);
	int code = creel_future_cancel(future);
	model_check(code != CREEL_CANCEL_FINAL || written == 1);
	model_join(waiter);
	model_join(runner);
	model_check(ran == (code != CREEL_CANCEL_NOW));
	teardown();
}

static void settle(void *arg)
{
	int value = 7;
	*(int *)arg = creel_promise_set_result(future, &value, sizeof value);
}

static void against_promise(void)
{
	future = creel_promise_new();
	int set_code = 1, result = 0;
	int setter = model_spawn(settle, &set_code);
	int code = creel_future_cancel(future);
	model_join(setter);
	int outcome = creel_future_result(future, CREEL_NOW, &result, sizeof result);
	if (set_code == 0)
		model_check(outcome == 0 && result == 7 && code != CREEL_CANCEL_NOW);
	else
		model_check(outcome == -ECANCELED && set_code == -ECANCELED &&
			    code == CREEL_CANCEL_NOW);
	creel_future_unref(future);
}

static void drop(creel_future *f, void *arg)
{
	(void)f;
	++*(int *)arg;
	creel_future_unref(future);
}

/* Cancelling calls a callback that drops the last reference but those of who cancels
 * and who runs. */
static void callback_drops(void)
{
	setup();
	int called = 0;
	model_check(creel_future_on_done(creel_future_ref(future), NULL, drop, &called, NULL,
					 NULL) == 0);
	int runner = model_spawn(run_task, NULL);
	cancel(&cancel_code);
	creel_future_unref(future);
	model_join(runner);
	model_check(called == 1 && freed == 1 && ran + (cancel_code == CREEL_CANCEL_NOW) == 1);
	creel_executor_unref(ex);
	model_check(hand.destroyed == 1);
}

static void run_within(void *arg, size_t size, void *ctx)
{
	free_argument(arg, size, ctx);
	run_task(NULL);
}

static void shut_down_within(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	model_check(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL) != -EINVAL);
}

/* The executor reaches the task on the very thread that is in its destructor, as when the
 * destructor shuts a pool down; another thread cancels the same task. */
static void destructor_runs_it(void)
{
	ran = freed = run_code = cancel_code = other_code = 0;
	ex = by_hand_new(&hand);
	static const creel_submit_options options = {.arg_free = run_within};
	future = creel_submit_with(ex, task, NULL, 0, &options);
	model_check(creel_future_on_done(future, NULL, shut_down_within, NULL, NULL, NULL) == 0);
	int canceller = model_spawn(cancel, &other_code);
	cancel(&cancel_code);
	model_join(canceller);
	model_check(ran == 0 && freed == 1 && run_code == -ECANCELED);
	model_check(cancel_code == CREEL_CANCEL_NOW && other_code == CREEL_CANCEL_NOW);
	teardown();
}

const struct model_scenario model_scenarios[] = {
	{"against a run", against_run, .preemptions = 3, .spurious = 1, .stale = 1},
	{"the executor goes", executor_goes, .preemptions = 3, .spurious = 1, .stale = 1},
	{"against a run and a wait", against_run_and_wait, .preemptions = 2, .spurious = 1,
	 .stale = 1},
	{"twice against a run", twice_against_run, .preemptions = 2, .spurious = 1, .stale = 1},
	{"against a waiter that holds it", against_a_waiter_that_holds_it, .preemptions = 2,
	 .spurious = 1, .stale = 1},
	{"against a promise", against_promise, .preemptions = 3, .spurious = 1, .stale = 1},
	{"a destructor runs the task", destructor_runs_it, .preemptions = 2, .spurious = 1,
	 .stale = 1},
	{"a callback drops it", callback_drops, .preemptions = 3, .spurious = 1, .stale = 1},
	{0},
};
