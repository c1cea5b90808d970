/* SPDX-License-Identifier: MIT */
/* Channels: puts, gets, cancels, closes and deadlines meet. Each item is in one place: in a get
 * that ended with it, or still to be got; or nowhere, if its put did not end. */
#include "model.h"
#include <errno.h>

static creel_channel *channel;
static creel_future *future;
static int put_code, get_code, got, cancel_code, value;

static void setup(size_t capacity)
{
	put_code = get_code = cancel_code = 1;
	got = 0;
	value = 7;
	channel = creel_channel_new(&(creel_channel_options){.capacity = capacity});
}

/* What is still there; 0: nothing. */
static int rest(void)
{
	int item = 0;
	int rc = creel_channel_try_get(channel, &item, sizeof item);
	model_check(rc == 0 ? item == 7 : rc == -ETIMEDOUT || rc == CREEL_EMPTY);
	return rc == 0;
}

static void cancel(void *arg)
{
	(void)arg;
	cancel_code = creel_future_cancel(future);
}

static void put_by(void *arg)
{
	creel_deadline deadline = arg ? CREEL_NOW : CREEL_FOREVER;
	put_code = creel_channel_put_by(channel, &value, sizeof value, deadline);
}

static void put_soon(void *arg)
{
	(void)arg;
	put_code = creel_channel_put_by(channel, &value, sizeof value, creel_in_ms(1));
}

static void get_soon(void *arg)
{
	(void)arg;
	get_code = creel_channel_get_by(channel, creel_in_ms(1), &got, sizeof got);
}

static void get_by(void *arg)
{
	(void)arg;
	get_code = creel_channel_get_by(channel, CREEL_FOREVER, &got, sizeof got);
}

/* How the future has ended. Drops it. */
static int outcome(int *ret, size_t size)
{
	int rc = creel_future_result(future, CREEL_FOREVER, ret, size);
	creel_future_unref(future);
	return rc;
}

static void put_against_a_cancelled_get(void)
{
	setup(1);
	future = creel_channel_get(channel);
	int canceller = model_spawn(cancel, NULL);
	put_by(&value);
	model_join(canceller);
	model_check(put_code == 0);
	int rc = outcome(&got, sizeof got);
	model_check(rc == 0 ? got == 7 && cancel_code != CREEL_CANCEL_NOW
			    : rc == -ECANCELED && cancel_code == CREEL_CANCEL_NOW);
	model_check(rest() == (rc != 0));
	creel_channel_unref(channel);
}

static void get_against_a_cancelled_put(void)
{
	setup(0);
	future = creel_channel_put(channel, &value, sizeof value);
	int canceller = model_spawn(cancel, NULL);
	int there = rest();
	model_join(canceller);
	int rc = outcome(NULL, 0);
	model_check(there ? rc == 0 && cancel_code != CREEL_CANCEL_NOW
			  : rc == -ECANCELED && cancel_code == CREEL_CANCEL_NOW);
	model_check(rest() == 0);
	creel_channel_unref(channel);
}

/* The first item's place goes to the put that waits, unless that is cancelled before. */
static void a_full_ring_against_a_cancelled_put(void)
{
	setup(1);
	put_by(NULL);
	model_check(put_code == 0);
	future = creel_channel_put(channel, &value, sizeof value);
	int canceller = model_spawn(cancel, NULL);
	model_check(rest() == 1);
	model_join(canceller);
	int rc = outcome(NULL, 0);
	model_check(rc == (cancel_code == CREEL_CANCEL_NOW ? -ECANCELED : 0));
	model_check(rest() == (rc == 0));
	model_check(rest() == 0);
	creel_channel_unref(channel);
}

/* The getter waits for the put, or has gone when it comes. */
static void a_get_with_a_deadline(void)
{
	setup(1);
	int getter = model_spawn(get_soon, NULL);
	put_by(&value);
	model_join(getter);
	model_check(put_code == 0);
	model_check(get_code == 0 ? got == 7 : get_code == -ETIMEDOUT);
	model_check(rest() == (get_code != 0));
	creel_channel_unref(channel);
}

static void a_put_with_a_deadline(void)
{
	setup(0);
	int putter = model_spawn(put_soon, NULL);
	int there = rest();
	model_join(putter);
	model_check(there ? put_code == 0 : put_code == CREEL_FULL);
	model_check(rest() == 0);
	creel_channel_unref(channel);
}

static void two_threads_meet(void)
{
	setup(0);
	int putter = model_spawn(put_by, NULL);
	get_by(NULL);
	model_join(putter);
	model_check(put_code == 0 && get_code == 0 && got == 7);
	creel_channel_unref(channel);
}

/* One of two gets it. */
static void two_get_one(void)
{
	setup(0);
	int getter = model_spawn(get_by, NULL);
	future = creel_channel_get(channel);
	put_by(NULL);
	model_check(put_code == 0);
	model_check(creel_channel_close(channel, NULL) == 0);
	model_join(getter);
	int item = 0;
	int rc = outcome(&item, sizeof item);
	model_check((rc == 0) != (get_code == 0));
	model_check(rc == 0 ? item == 7 && get_code == CREEL_EMPTY
			    : got == 7 && rc == CREEL_EFAILED);
	creel_channel_unref(channel);
}

static void close_against_put_and_get(void)
{
	setup(1);
	int putter = model_spawn(put_by, NULL), getter = model_spawn(get_by, NULL);
	model_check(creel_channel_close(channel, NULL) == 0);
	model_join(putter);
	model_join(getter);
	model_check(put_code == 0 || put_code == -ESHUTDOWN);
	/* Whoever saw the end had seen everything. */
	model_check(get_code == (put_code == 0 ? 0 : CREEL_EMPTY));
	model_check(rest() == 0);
	creel_channel_unref(channel);
}

static void cancel_against_put_and_get(void)
{
	setup(0);
	int putter = model_spawn(put_by, NULL), getter = model_spawn(get_by, NULL);
	model_check(creel_channel_cancel(channel) == 0);
	model_join(putter);
	model_join(getter);
	model_check(put_code == 0 || put_code == -EPIPE);
	model_check(get_code == (put_code == 0 ? 0 : CREEL_EMPTY));
	creel_channel_unref(channel);
}

/* The channel's last user goes while a get is being cancelled. */
static void dropped_against_a_cancelled_get(void)
{
	setup(0);
	future = creel_channel_get(channel);
	int canceller = model_spawn(cancel, NULL);
	creel_channel_unref(channel);
	model_join(canceller);
	model_check(outcome(NULL, 0) ==
		    (cancel_code == CREEL_CANCEL_NOW ? -ECANCELED : CREEL_EFAILED));
}

static creel_token *token;

static void setup_with_token(size_t capacity)
{
	put_code = get_code = 1;
	value = 7;
	token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	channel = creel_channel_new(&(creel_channel_options){.capacity = capacity, .token = token});
}

static void cancel_token(void *arg)
{
	(void)arg;
	model_check(creel_token_cancel(token, 0, "gone", 0) == 0);
}

static void a_token_against_put_and_get(void)
{
	setup_with_token(0);
	int putter = model_spawn(put_by, NULL), canceller = model_spawn(cancel_token, NULL);
	get_by(NULL);
	model_join(putter);
	model_join(canceller);
	model_check(put_code == 0 || put_code == -ECANCELED);
	model_check(get_code == put_code);
	creel_channel_unref(channel);
	creel_token_unref(token);
}

/* The last user goes meanwhile. */
static void a_token_against_unref(void)
{
	setup_with_token(1);
	future = creel_channel_get(channel);
	int canceller = model_spawn(cancel_token, NULL);
	creel_channel_unref(channel);
	model_join(canceller);
	int rc = outcome(NULL, 0);
	model_check(rc == -ECANCELED || rc == CREEL_EFAILED);
	creel_token_unref(token);
}

const struct model_scenario model_scenarios[] = {
	{"put against a cancelled get", put_against_a_cancelled_get, .preemptions = 5, .stale = 1},
	{"get against a cancelled put", get_against_a_cancelled_put, .preemptions = 5, .stale = 1},
	{"a full ring against a cancelled put", a_full_ring_against_a_cancelled_put,
	 .preemptions = 5, .stale = 1},
	{"a get with a deadline", a_get_with_a_deadline, .preemptions = 5, .spurious = 1,
	 .early_timeouts = 1, .stale = 1},
	{"a put with a deadline", a_put_with_a_deadline, .preemptions = 5, .spurious = 1,
	 .early_timeouts = 1, .stale = 1},
	{"two threads meet", two_threads_meet, .preemptions = 5, .spurious = 1, .stale = 1},
	{"two get one", two_get_one, .preemptions = 5, .spurious = 1, .stale = 1},
	{"close against put and get", close_against_put_and_get, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"cancel against put and get", cancel_against_put_and_get, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"dropped against a cancelled get", dropped_against_a_cancelled_get, .preemptions = 5,
	 .stale = 1},
	{"a token against put and get", a_token_against_put_and_get, .preemptions = 2, .stale = 1},
	{"a token against unref", a_token_against_unref, .preemptions = 3, .stale = 1},
	{0},
};
