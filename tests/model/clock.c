/* SPDX-License-Identifier: MIT */
/* Timers: their time against cancelling, the clock's last reference, and the end of the clock's
 * thread. */
#include "model.h"
#include <errno.h>

static creel_clock *clock_;
static creel_future *timers[2];
static int called[2], cancel_code;

static void heard(creel_future *f, void *arg)
{
	model_check(creel_future_state(f) >= CREEL_FUTURE_FINISHED);
	++*(int *)arg;
}

/* It must not end before, and its callback sets `called`. */
static void set(int i, int64_t ns)
{
	called[i] = 0;
	timers[i] = creel_after(clock_, creel_clock_in(clock_, ns));
	model_check(creel_future_on_done(timers[i], NULL, heard, &called[i], NULL, NULL) == 0);
}

static void setup(unsigned flags)
{
	cancel_code = 0;
	timers[0] = timers[1] = NULL;
	clock_ = creel_clock_new(flags);
	model_name(clock_, "clock");
}

static void cancel(void *arg)
{
	(void)arg;
	cancel_code = creel_future_cancel(timers[0]);
}

static void advance(void *arg)
{
	(void)arg;
	model_check(creel_clock_advance(clock_, 10) == 0);
	creel_clock_unref(clock_);
}

static void unref_clock(void *arg)
{
	(void)arg;
	creel_clock_unref(clock_);
}

/* It ended in one way, and all agree on that. Drops it. */
static int outcome(int i)
{
	int rc = creel_future_result(timers[i], CREEL_FOREVER, NULL, 0);
	creel_future_unref(timers[i]);
	return rc;
}

static void advance_against_cancel(void)
{
	setup(CREEL_CLOCK_MANUAL);
	set(0, 5);
	set(1, 5);
	int other = model_spawn(advance, NULL);
	cancel(NULL);
	model_check(cancel_code == CREEL_CANCEL_NOW || cancel_code == CREEL_CANCEL_FINAL ||
		    cancel_code == CREEL_CANCEL_REQUESTED);
	model_join(other);
	model_check(outcome(0) == (cancel_code == CREEL_CANCEL_NOW ? -ECANCELED : 0));
	model_check(outcome(1) == 0);
	model_check(called[0] == 1 && called[1] == 1);
}

/* The clock may go while it is cancelled. */
static void drop_against_cancel(void)
{
	setup(CREEL_CLOCK_MANUAL);
	set(0, 5);
	int other = model_spawn(unref_clock, NULL);
	cancel(NULL);
	model_join(other);
	model_check(outcome(0) == (cancel_code == CREEL_CANCEL_NOW ? -ECANCELED : CREEL_EFAILED));
	model_check(called[0] == 1);
}

/* Nobody can advance it any more, so nobody may wait for it. */
static void drop_against_wait(void)
{
	setup(CREEL_CLOCK_MANUAL);
	set(0, 5);
	int other = model_spawn(unref_clock, NULL);
	model_check(outcome(0) == CREEL_EFAILED);
	model_join(other);
	model_check(called[0] == 1);
}

static void advance_cancel_and_drop(void)
{
	setup(CREEL_CLOCK_MANUAL);
	set(0, 5);
	creel_clock_ref(clock_);
	int a = model_spawn(advance, NULL), b = model_spawn(cancel, NULL);
	creel_clock_unref(clock_);
	model_join(a);
	model_join(b);
	model_check(outcome(0) == (cancel_code == CREEL_CANCEL_NOW ? -ECANCELED : 0));
	model_check(called[0] == 1);
}

/* The thread finds the time come while it is cancelled, and the clock dropped. */
static void thread_against_cancel(void)
{
	setup(0);
	set(0, 5);
	creel_clock_unref(clock_);
	cancel(NULL);
	model_check(outcome(0) == (cancel_code == CREEL_CANCEL_NOW ? -ECANCELED : 0));
}

static void thread_and_two_cancel(void)
{
	setup(0);
	set(0, 5);
	int other = model_spawn(cancel, NULL);
	creel_clock_unref(clock_);
	int code = creel_future_cancel(timers[0]);
	model_join(other);
	if (outcome(0) == 0)
		model_check(code != CREEL_CANCEL_NOW && cancel_code != CREEL_CANCEL_NOW);
	else
		model_check(code == CREEL_CANCEL_NOW && cancel_code == CREEL_CANCEL_NOW);
}

/* The second is set while the thread, which has been idle too long, ends. */
static void thread_ends_and_starts(void)
{
	setup(0);
	set(0, 5);
	model_check(outcome(0) == 0);
	set(1, 5);
	model_check(outcome(1) == 0);
	creel_clock_unref(clock_);
}

/* An earlier one is set while the thread sleeps for a later one. */
static void earlier_one(void)
{
	setup(0);
	set(0, 2000);
	set(1, 100);
	creel_deadline late = creel_clock_in(clock_, 1000);
	model_check(outcome(1) == 0);
	model_check(creel_clock_now(clock_).ns < late.ns);
	cancel(NULL);
	creel_clock_unref(clock_);
	model_check(outcome(0) == -ECANCELED);
}

static void set_and_wait(void *arg)
{
	(void)arg;
	creel_future *f = creel_after(clock_, creel_clock_in(clock_, 5));
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(rc == 0 || (rc == CREEL_EFAILED && creel_future_error(f)->code == -EAGAIN &&
				model_refused_threads() > 0));
	creel_future_unref(f);
}

static void two_set(void)
{
	setup(0);
	int other = model_spawn(set_and_wait, NULL);
	set_and_wait(NULL);
	model_join(other);
	creel_clock_unref(clock_);
}

const struct model_scenario model_scenarios[] = {
	{"advance against cancel", advance_against_cancel, .preemptions = 2, .spurious = 1,
	 .stale = 1},
	{"drop against cancel", drop_against_cancel, .preemptions = 3, .spurious = 1, .stale = 1},
	{"drop against a wait", drop_against_wait, .preemptions = 3, .spurious = 1, .stale = 1},
	{"advance, cancel and drop", advance_cancel_and_drop, .preemptions = 2, .stale = 1},
	{"the thread against cancel", thread_against_cancel, .preemptions = 2, .spurious = 1,
	 .early_timeouts = 1, .stale = 1},
	{"the thread and two cancel", thread_and_two_cancel, .preemptions = 2, .early_timeouts = 1},
	{"the thread ends and starts", thread_ends_and_starts, .preemptions = 2, .spurious = 1,
	 .early_timeouts = 2},
	{"an earlier one", earlier_one, .preemptions = 2, .spurious = 1},
	{"two set at once", two_set, .preemptions = 2, .early_timeouts = 1, .thread_failures = 1},
	{0},
};
