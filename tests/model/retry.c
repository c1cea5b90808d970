/* SPDX-License-Identifier: MIT */
/* Retried tasks that are cancelled while an attempt ends, is waited for, or begins. */
#include "model.h"
#include <errno.h>

static creel_executor *ex, *retry;
static creel_clock *clock_;
static creel_future *f;
static creel_task *shelf;
static int calls;

static int task_fails_once(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return ++calls == 1 ? -EIO : 0;
}

static void begin(creel_executor *beneath)
{
	calls = 0;
	ex = beneath;
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	retry = creel_retry_new(ex, &(creel_retry_options){.attempts = 2,
							   .flags = CREEL_RETRY_EXACT,
							   .base_ns = 1,
							   .clock = clock_});
	f = creel_submit(retry, task_fails_once, NULL, 0);
}

static void end(void)
{
	int state = creel_future_state(f);
	model_check(state == CREEL_FUTURE_FINISHED || state == CREEL_FUTURE_CANCELLED);
	model_check(state == CREEL_FUTURE_CANCELLED || calls == 2);
	creel_future_unref(f);
	model_check(creel_executor_close(retry) == 0);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(clock_);
}

static void advance(void *arg)
{
	(void)arg;
	model_check(creel_clock_advance(clock_, 1) == 0);
}

/* The next attempt begins. */
static void between_attempts(void)
{
	begin(creel_inline_new());
	model_check(calls == 1);
	int other = model_spawn(advance, NULL);
	(void)creel_future_cancel(f);
	model_join(other);
	end();
}

static int keep(void *self, creel_task *task)
{
	(void)self;
	shelf = task;
	return 0;
}

static void run(void *arg)
{
	(void)arg;
	(void)creel_task_run(shelf);
}

/* The first attempt is pending, and runs. */
static void against_an_attempt(void)
{
	const creel_executor_ops ops = {.size = sizeof ops, .submit = keep};
	begin(creel_executor_new(&ops, NULL));
	int other = model_spawn(run, NULL);
	int rc = creel_future_cancel(f);
	model_join(other);
	model_check(calls == 1 || rc == CREEL_CANCEL_NOW);
	model_check(creel_future_state(f) != CREEL_FUTURE_PENDING);
	creel_future_unref(f);
	model_check(creel_executor_close(retry) == 0);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(clock_);
}

static creel_token *token;

static void cancel_token(void *arg)
{
	(void)arg;
	model_check(creel_token_cancel(token, 0, "gone", 0) == 0);
}

/* The next attempt begins, or the token ends it all. */
static void a_token_between_attempts(void)
{
	calls = 0;
	token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	ex = creel_inline_new();
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	retry = creel_retry_new(ex, &(creel_retry_options){.attempts = 2,
							   .flags = CREEL_RETRY_EXACT,
							   .base_ns = 1,
							   .clock = clock_,
							   .token = token});
	f = creel_submit(retry, task_fails_once, NULL, 0);
	int other = model_spawn(cancel_token, NULL);
	advance(NULL);
	model_join(other);
	end();
	creel_token_unref(token);
}

/* A run of a periodic task ends, and its canceller comes for the attempt. */
static void asked_as_a_run_ends(void)
{
	const creel_executor_ops ops = {.size = sizeof ops, .submit = keep};
	calls = 1;
	ex = creel_executor_new(&ops, NULL);
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	retry = creel_retry_new(ex, &(creel_retry_options){.attempts = 2, .clock = clock_});
	f = creel_submit_with(retry, task_fails_once, NULL, 0,
			      &(creel_submit_options){.clock = clock_, .period_ns = 1});
	int other = model_spawn(run, NULL);
	(void)creel_future_cancel(f);
	model_join(other);
	int state = creel_future_state(f);
	model_check(state == CREEL_FUTURE_FINISHED || state == CREEL_FUTURE_CANCELLED);
	creel_future_unref(f);
	model_check(creel_executor_close(retry) == 0);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(clock_);
}

const struct model_scenario model_scenarios[] = {
	{"between attempts", between_attempts, .preemptions = 2},
	{"against an attempt", against_an_attempt, .preemptions = 2},
	{"a token between attempts", a_token_between_attempts, .preemptions = 2},
	{"asked as a run ends", asked_as_a_run_ends, .preemptions = 2},
	{0},
};
