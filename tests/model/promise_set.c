/* SPDX-License-Identifier: MIT */
/* A promise settled by several at once, cancelled, or dropped by all. */
#include "model.h"
#include <errno.h>

static creel_future *promise;
static int codes[3];
static int values[3] = {1, 2, 3};

static void setup(void)
{
	codes[0] = codes[1] = codes[2] = 1;
	promise = creel_promise_new();
}

static void set(void *arg)
{
	int i = *(const int *)arg - 1;
	codes[i] = creel_promise_set_result(promise, &values[i], sizeof values[i]);
}

/* More than fits in the block. */
static void set_large(void *arg)
{
	int i = *(const int *)arg - 1;
	int large[32] = {values[i]};
	codes[i] = creel_promise_set_result(promise, large, sizeof large);
}

static void cancel(void *arg)
{
	int i = *(const int *)arg - 1;
	codes[i] = creel_future_cancel(promise);
}

static int first_value(void)
{
	const void *data = NULL;
	model_check(creel_future_view(promise, CREEL_NOW, &data, NULL) == 0);
	return *(const int *)data;
}

static void two_set(void)
{
	setup();
	int a = model_spawn(set, &values[0]);
	set_large(&values[1]);
	model_join(a);
	model_check((codes[0] == 0) != (codes[1] == 0));
	model_check(codes[0] == 0 ? codes[1] == -EALREADY : codes[0] == -EALREADY);
	/* The loser may come back before the winner is through: then it is not final yet. */
	model_check(first_value() == (codes[0] == 0 ? 1 : 2));
	creel_future_unref(promise);
}

static void two_set_one_cancels(void)
{
	setup();
	int a = model_spawn(set, &values[0]), b = model_spawn(set, &values[1]);
	cancel(&values[2]);
	model_join(a);
	model_join(b);
	if (codes[2] == CREEL_CANCEL_NOW) {
		model_check(codes[0] == -ECANCELED && codes[1] == -ECANCELED);
		model_check(creel_future_state(promise) == CREEL_FUTURE_CANCELLED);
	} else {
		model_check((codes[0] == 0) != (codes[1] == 0));
		model_check(first_value() == (codes[0] == 0 ? 1 : 2));
	}
	creel_future_unref(promise);
}

static void start_against_cancel(void)
{
	setup();
	int a = model_spawn(cancel, &values[0]);
	int started = creel_promise_start(promise);
	bool asked = creel_promise_cancelled(promise);
	model_join(a);
	if (started == 0) {
		model_check(codes[0] == CREEL_CANCEL_REQUESTED);
		model_check(creel_promise_cancelled(promise));
		set(&values[1]);
		model_check(codes[1] == 0 && first_value() == 2);
	} else {
		model_check(started == -ECANCELED && asked && codes[0] == CREEL_CANCEL_NOW);
	}
	creel_future_unref(promise);
}

static void unref(void *arg)
{
	(void)arg;
	creel_future_unref(promise);
}

static void heard(creel_future *f, void *arg)
{
	model_check(creel_future_error(f)->kind == CREEL_KIND_BROKEN);
	++*(int *)arg;
}

/* Both holders go and nobody has settled it: the callback hears of it, once. */
static void both_drop(void)
{
	setup();
	int calls = 0;
	model_check(creel_future_on_done(promise, NULL, heard, &calls, NULL, NULL) == 0);
	creel_future_ref(promise);
	int a = model_spawn(unref, NULL);
	unref(NULL);
	model_join(a);
	model_check(calls == 1);
}

const struct model_scenario model_scenarios[] = {
	{"two set", two_set, .preemptions = 3, .spurious = 1, .stale = 1},
	{"two set, one cancels", two_set_one_cancels, .preemptions = 2, .spurious = 1, .stale = 1},
	{"start against cancel", start_against_cancel, .preemptions = 3, .spurious = 1, .stale = 1},
	{"both drop it", both_drop, .preemptions = 3, .spurious = 1, .stale = 1},
	{0},
};
