/* SPDX-License-Identifier: MIT */
/* Scopes: a join against late submissions; and a token that cancels a scope which goes. */
#include "model.h"
#include <errno.h>

static creel_executor *ex, *scope;
static creel_token *token;
static int joined, ran, submit_code;

/* What was accepted has ended before the join returns: so this is never seen set, nor raced for. */
static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	model_check(!joined);
	ran++;
	return 0;
}

static void begin(const creel_scope_options *options)
{
	joined = ran = 0;
	submit_code = 1;
	ex = creel_inline_new();
	scope = creel_scope_new_with(ex, options);
}

static void submit(void *arg)
{
	submit_code = creel_spawn(scope, task, NULL, 0, arg);
}

static void join_against_a_late_submit(void)
{
	begin(NULL);
	int other = model_spawn(submit, NULL);
	model_check(creel_scope_join(scope, CREEL_FOREVER) == 0);
	joined = 1;
	model_join(other);
	model_check(submit_code == 0 ? ran == 1 : submit_code == -ESHUTDOWN && ran == 0);
	model_check(creel_executor_close(scope) == 0);
	model_check(creel_executor_close(ex) == 0);
}

/* The same of one that is not due: it counts, too, until it is cancelled. */
static void join_against_a_delayed_submit(void)
{
	creel_submit_options late = {.clock = creel_clock_new(CREEL_CLOCK_MANUAL), .delay_ns = 9};
	begin(NULL);
	int other = model_spawn(submit, &late);
	int rc = creel_scope_join(scope, CREEL_NOW);
	joined = rc == 0;
	model_join(other);
	model_check(rc == 0 ? submit_code == -ESHUTDOWN : rc == -ETIMEDOUT && submit_code == 0);
	model_check(creel_clock_advance(late.clock, 9) == 0);
	model_check(ran == (submit_code == 0));
	model_check(creel_executor_close(scope) == 0);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(late.clock);
}

static void cancel_token(void *arg)
{
	(void)arg;
	model_check(creel_token_cancel(token, 0, "gone", 0) == 0);
}

/* Its last user goes meanwhile. */
static void a_token_against_unref(void)
{
	token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	begin(&(creel_scope_options){.token = token});
	int other = model_spawn(cancel_token, NULL);
	creel_executor_unref(scope);
	model_join(other);
	creel_token_unref(token);
	model_check(creel_executor_close(ex) == 0);
}

/* What is submitted meanwhile has run, or was cancelled. */
static void a_token_against_a_submit(void)
{
	token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	begin(&(creel_scope_options){.token = token});
	int other = model_spawn(cancel_token, NULL);
	submit(NULL);
	model_check(submit_code == 0);
	model_join(other);
	model_check(creel_scope_join(scope, CREEL_FOREVER) == -ECANCELED);
	creel_executor_unref(scope);
	creel_token_unref(token);
	model_check(creel_executor_close(ex) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"a join against a late submit", join_against_a_late_submit, .preemptions = 2, .stale = 1},
	{"a join against a delayed submit", join_against_a_delayed_submit, .preemptions = 2,
	 .stale = 1},
	{"a token against unref", a_token_against_unref, .preemptions = 2, .stale = 1},
	{"a token against a submit", a_token_against_a_submit, .preemptions = 2, .stale = 1},
	{0},
};
