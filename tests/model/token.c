/* SPDX-License-Identifier: MIT */
/* Tokens that are cancelled while functions are removed, children go, and tasks come and end. */
#include "model.h"
#include <creel/executor.h>
#include <creel/future.h>
#include <creel/pools.h>
#include <creel/promise.h>
#include <creel/submit.h>
#include <creel/then.h>
#include <creel/token.h>
#include <errno.h>

static creel_token *token;
static creel_executor *ex;
static int called, freed, ran;

static void begin(void)
{
	called = freed = ran = 0;
	token = creel_token_new(NULL, NULL, CREEL_FOREVER);
}

static void cancel(void *arg)
{
	(void)arg;
	model_check(creel_token_cancel(token, -7, "enough", 0) == 0);
	creel_token_unref(token);
}

static void note(creel_token *which, void *arg)
{
	(void)arg;
	model_check(creel_token_reason(which)->code == -7);
	called++;
}

static void note_free(void *arg)
{
	(void)arg;
	freed++;
}

static void removed(void)
{
	uint64_t id;
	begin();
	model_check(creel_token_on_cancel(token, note, NULL, note_free, &id) == 0);
	creel_token_ref(token);
	int other = model_spawn(cancel, NULL);
	int rc = creel_token_remove(token, id);
	model_join(other);
	model_check(freed == 1 && called == (rc != CREEL_CALLBACK_REMOVED));
	creel_token_unref(token);
}

static void registered(void)
{
	begin();
	creel_token_ref(token);
	int other = model_spawn(cancel, NULL);
	model_check(creel_token_on_cancel(token, note, NULL, note_free, NULL) == 0);
	model_join(other);
	model_check(freed == 1 && called == 1);
	creel_token_unref(token);
}

static void a_child_goes(void)
{
	begin();
	creel_token *child = creel_token_new(token, NULL, CREEL_FOREVER);
	model_check(creel_token_on_cancel(child, note, NULL, note_free, NULL) == 0);
	int other = model_spawn(cancel, NULL);
	creel_token_unref(child);
	model_join(other);
	model_check(freed == 1);
}

/* Both have walked when both have returned. */
static void a_child_is_cancelled_as_well(void)
{
	begin();
	creel_token *child = creel_token_new(token, NULL, CREEL_FOREVER);
	model_check(creel_token_on_cancel(child, note, NULL, note_free, NULL) == 0);
	int other = model_spawn(cancel, NULL);
	int rc = creel_token_cancel(child, -7, "enough", 0);
	model_check(rc == 0 || rc == -EALREADY);
	model_join(other);
	model_check(freed == 1 && called == 1);
	creel_token_unref(child);
}

static int task(creel_task *t, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	ran++;
	return creel_task_cancelled(t) ? -ECANCELED : 0;
}

/* It has run, or was cancelled for the reason. */
static void ended(creel_future *f)
{
	int rc = creel_future_result(f, CREEL_NOW, NULL, 0);
	model_check(rc == 0 || rc == -ECANCELED);
	if (rc)
		model_check(creel_future_error(f)->code == -7);
	else
		model_check(ran == 1);
}

static void submitted(void)
{
	begin();
	ex = creel_inline_new();
	creel_token_ref(token);
	int other = model_spawn(cancel, NULL);
	creel_future *f = creel_submit_with(ex, task, NULL, 0,
					    &(creel_submit_options){.token = token});
	creel_token_unref(token);
	ended(f);
	creel_future_unref(f);
	model_join(other);
	creel_executor_unref(ex);
}

static creel_future *continued(creel_future *input)
{
	return creel_then_with(input, ex, task, NULL, 0, &(creel_submit_options){.token = token});
}

/* Not in hand: it waits for its input, which never ends. */
static void waits(void)
{
	begin();
	ex = creel_inline_new();
	creel_future *input = creel_promise_new();
	creel_token_ref(token);
	int other = model_spawn(cancel, NULL);
	creel_future *f = continued(input);
	model_join(other);
	model_check(creel_future_state(f) == CREEL_FUTURE_CANCELLED && ran == 0);
	ended(f);
	creel_token_unref(token);
	creel_future_unref(f);
	creel_future_unref(input);
	creel_executor_unref(ex);
}

/* Its input ends, and with it the task, while it is asked. */
static void ends(void)
{
	begin();
	ex = creel_inline_new();
	creel_future *input = creel_promise_new();
	creel_future *f = continued(input);
	int other = model_spawn(cancel, NULL);
	model_check(creel_promise_set_result(input, NULL, 0) == 0);
	creel_future_unref(input);
	model_join(other);
	ended(f);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

/* The same of one whose future nobody holds: its executor gives it, and it may go meanwhile. */
static void ends_alone(void)
{
	begin();
	ex = creel_inline_new();
	creel_future *input = creel_promise_new();
	creel_future_unref(continued(input));
	int other = model_spawn(cancel, NULL);
	model_check(creel_promise_set_result(input, NULL, 0) == 0);
	creel_future_unref(input);
	model_join(other);
	creel_executor_unref(ex);
}

const struct model_scenario model_scenarios[] = {
	{"removed", removed, .preemptions = 2, .spurious = 1, .stale = 1},
	{"registered", registered, .preemptions = 2, .spurious = 1, .stale = 1},
	{"a child goes", a_child_goes, .preemptions = 2, .spurious = 1, .stale = 1},
	{"a child is cancelled as well", a_child_is_cancelled_as_well, .preemptions = 2,
	 .spurious = 1, .stale = 1},
	{"submitted", submitted, .preemptions = 2, .spurious = 1, .stale = 1},
	{"waits", waits, .preemptions = 2, .spurious = 1, .stale = 1},
	{"ends", ends, .preemptions = 2, .spurious = 1, .stale = 1},
	{"ends alone", ends_alone, .preemptions = 2, .spurious = 1, .stale = 1},
	{0},
};
