/* SPDX-License-Identifier: MIT */
/* Timeouts: the end of the input, the deadline and a canceller, all at once. */
#include "model.h"
#include <errno.h>

static creel_clock *clock_;
static creel_future *input, *t;
static int cancel_code;

static void setup(unsigned flags)
{
	cancel_code = 0;
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	input = creel_promise_new();
	model_name(input, "input");
	t = creel_timeout(input, clock_, creel_clock_in(clock_, 10), flags);
	model_name(t, "timeout");
}

static void end(void *arg)
{
	(void)arg;
	int rc = creel_promise_set_result(input, NULL, 0);
	model_check(rc == 0 || rc == -ECANCELED);
}

static void advance(void *arg)
{
	(void)arg;
	model_check(creel_clock_advance(clock_, 10) == 0);
}

static void cancel(void *arg)
{
	(void)arg;
	cancel_code = creel_future_cancel(t);
}

static int outcome(unsigned flags)
{
	int rc = creel_future_result(t, CREEL_FOREVER, NULL, 0);
	model_check((rc == -ECANCELED) == (cancel_code == CREEL_CANCEL_NOW));
	if (rc == CREEL_EFAILED)
		model_check(creel_future_error(t)->kind == CREEL_KIND_TIMED_OUT);
	if (rc)
		model_check(creel_future_state(input) != CREEL_FUTURE_PENDING || !flags);
	creel_future_unref(t);
	creel_future_unref(input);
	creel_clock_unref(clock_);
	return rc;
}

static void run(unsigned flags, void (*a)(void *arg), void (*b)(void *arg), void (*c)(void *arg))
{
	setup(flags);
	int first = model_spawn(a, NULL), second = c ? model_spawn(c, NULL) : 0;
	b(NULL);
	model_join(first);
	if (c)
		model_join(second);
	(void)outcome(flags);
}

static void end_against_deadline(void)
{
	run(0, end, advance, NULL);
}

static void end_against_cancel(void)
{
	run(CREEL_CANCEL_REST, end, cancel, NULL);
}

static void deadline_against_cancel(void)
{
	run(CREEL_CANCEL_REST, advance, cancel, NULL);
}

static void all_three(void)
{
	run(CREEL_CANCEL_REST, advance, cancel, end);
}

static void made_meanwhile(void)
{
	cancel_code = 0;
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	input = creel_promise_new();
	int a = model_spawn(end, NULL), b = model_spawn(advance, NULL);
	t = creel_timeout(input, clock_, (creel_deadline){10}, 0);
	model_join(a);
	model_join(b);
	(void)outcome(0);
}

const struct model_scenario model_scenarios[] = {
	{"the end against the deadline", end_against_deadline, .preemptions = 2, .stale = 1},
	{"the end against cancel", end_against_cancel, .preemptions = 3},
	{"the deadline against cancel", deadline_against_cancel, .preemptions = 3},
	{"all three", all_three, .preemptions = 2},
	{"made meanwhile", made_meanwhile, .preemptions = 2},
	{0},
};
