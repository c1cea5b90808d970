/* SPDX-License-Identifier: MIT */
/* Aggregates whose inputs end while they are made, cancelled, or ended by others. */
#include "model.h"
#include <creel/combine.h>
#include <creel/future.h>
#include <creel/promise.h>
#include <errno.h>

static creel_future *input[2], *aggregate;
static int data[2];

static void settle(void *arg)
{
	size_t i = (size_t)arg;
	data[i] = 7;
	int rc = creel_promise_set_result(input[i], &data[i], sizeof data[i]);
	model_check(rc == 0 || rc == -ECANCELED);
	creel_future_unref(input[i]);
}

static void begin(void)
{
	for (int i = 0; i < 2; i++) {
		data[i] = 0;
		input[i] = creel_promise_new();
	}
}

/* It has ended by that input. */
static void won_by(creel_future *f, int64_t i)
{
	int value = 0;
	model_check(creel_race_index(f) == i);
	model_check(creel_future_result(f, CREEL_NOW, &value, sizeof value) == 0 && value == 7);
	model_check(data[i] == 7);
}

static void has_both(creel_future *f)
{
	const void *array;
	size_t size;
	model_check(creel_future_view(f, CREEL_NOW, &array, &size) == 0);
	for (int i = 0; i < 2; i++) {
		int value = 0;
		creel_future *in = ((creel_future *const *)array)[i];
		model_check(creel_future_result(in, CREEL_NOW, &value, sizeof value) == 0);
		model_check(value == 7);
	}
}

/* Both inputs end at the same time: one of them wins. */
static void both_end(void)
{
	begin();
	creel_future *f = creel_race(input, 2, 0);
	int other = model_spawn(settle, (void *)0);
	settle((void *)1);
	int64_t winner = creel_race_index(f);
	model_join(other);
	if (winner >= 0)
		model_check(creel_race_index(f) == winner);
	won_by(f, creel_race_index(f));
	creel_future_unref(f);
}

/* Both inputs end at the same time, and the one that is last has the results of both. */
static void all_end(void)
{
	begin();
	creel_future *f = creel_all(input, 2, 0);
	int other = model_spawn(settle, (void *)0);
	settle((void *)1);
	model_join(other);
	has_both(f);
	creel_future_unref(f);
}

/* One input ends while the aggregate is being made: the other one is cancelled. */
static void made_while_one_ends(void)
{
	begin();
	creel_future_ref(input[0]);
	int other = model_spawn(settle, (void *)0);
	creel_future *f = creel_race(input, 2, CREEL_CANCEL_REST);
	creel_future_unref(input[0]);
	model_join(other);
	won_by(f, 0);
	model_check(creel_future_state(input[1]) == CREEL_FUTURE_CANCELLED);
	creel_future_unref(f);
	creel_future_unref(input[1]);
}

static void cancel(void *arg)
{
	(void)arg;
	int rc = creel_future_cancel(aggregate);
	model_check(rc == CREEL_CANCEL_NOW || rc == CREEL_CANCEL_FINAL ||
		    rc == CREEL_CANCEL_REQUESTED);
}

static void cancelled(creel_future *(*combine)(creel_future *const *, size_t, unsigned))
{
	begin();
	aggregate = combine(input, 2, CREEL_CANCEL_REST);
	int other = model_spawn(cancel, NULL);
	settle((void *)0);
	model_join(other);
	int rc = creel_future_result(aggregate, CREEL_NOW, NULL, 0);
	/* It has won, or it was cancelled and so was the other input. */
	if (rc == -ECANCELED)
		model_check(creel_future_state(input[1]) == CREEL_FUTURE_CANCELLED);
	else
		won_by(aggregate, 0);
	creel_future_unref(aggregate);
	creel_future_unref(input[1]);
}

static void cancelled_while_one_ends(void)
{
	cancelled(creel_any);
}

static void cancelled_while_the_last_ends(void)
{
	begin();
	creel_future_ref(input[0]);
	settle((void *)0);
	aggregate = creel_all(input, 2, CREEL_CANCEL_REST);
	int other = model_spawn(cancel, NULL);
	settle((void *)1);
	model_join(other);
	int rc = creel_future_result(aggregate, CREEL_NOW, NULL, 0);
	if (rc != -ECANCELED)
		has_both(aggregate);
	creel_future_unref(aggregate);
	creel_future_unref(input[0]);
}

static void fail_first(void *arg)
{
	(void)arg;
	(void)creel_promise_fail(input[0], CREEL_KIND_FAILED, -EIO, NULL, 0, "broken");
	creel_future_unref(input[0]);
}

/* A failure that came before the success counts as read. */
static void one_fails_and_one_succeeds(void)
{
	begin();
	creel_future *f = creel_any(input, 2, 0);
	int other = model_spawn(fail_first, NULL);
	settle((void *)1);
	model_join(other);
	won_by(f, 1);
	creel_future_unref(f);
}

const struct model_scenario model_scenarios[] = {
	{"both end", both_end, .preemptions = 3, .spurious = 1, .stale = 1},
	{"all end", all_end, .preemptions = 3, .spurious = 1, .stale = 1},
	{"made while one ends", made_while_one_ends, .preemptions = 3, .spurious = 1, .stale = 1},
	{"cancelled while one ends", cancelled_while_one_ends, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"cancelled while the last ends", cancelled_while_the_last_ends, .preemptions = 3,
	 .spurious = 1, .stale = 1},
	{"one fails and one succeeds", one_fails_and_one_succeeds, .preemptions = 3, .stale = 1},
	{0},
};
