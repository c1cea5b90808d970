/* SPDX-License-Identifier: MIT */
/* Promise 37: timeouts. */
#include "contract.h"

static void timed_out(creel_future *f)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_TIMED_OUT);
	ct_int(creel_future_error(f)->code, -ETIMEDOUT);
	creel_future_unref(f);
}

CORE_CASE(c37_a_timeout_ends_as_its_input_does_before_the_deadline)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	const long value = 7;
	for (int how = 0; how < 4; how++) {
		creel_future *f = creel_promise_new();
		creel_deadline deadline = how == 3 ? CREEL_FOREVER : creel_clock_in(clock, 10);
		creel_future *t = creel_timeout(f, clock, deadline, CREEL_CANCEL_REST);
		ct_int(creel_clock_advance(clock, 9), 0);
		ct_int(creel_future_state(t), CREEL_FUTURE_PENDING);
		if (how == 1)
			ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, -EIO, NULL, 0, "no"), 0);
		else if (how == 2)
			ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		else
			ct_int(creel_promise_set_result(f, &value, sizeof value), 0);
		ct_int(creel_clock_advance(clock, 100), 0);
		if (how == 1)
			ct_assert(creel_future_error(t) == creel_future_error(f));
		else if (how == 2)
			ct_int(creel_future_state(t), CREEL_FUTURE_CANCELLED);
		else
			ct_int(ct_long(t), 7);
		creel_future_unref(f);
		creel_future_unref(t);
	}
	creel_clock_unref(clock);
}

CORE_CASE(c37_a_timeout_fails_at_the_deadline_and_leaves_or_cancels_its_input)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	static const unsigned flags[] = {0, CREEL_CANCEL_REST, CREEL_KILL_REST};
	for (int i = 0; i < 3; i++)
		for (int passed = 0; passed < 2; passed++) {
			creel_future *f = creel_promise_new();
			creel_future *t = creel_timeout(
				f, clock, passed ? CREEL_NOW : creel_clock_in(clock, 10), flags[i]);
			if (!passed) {
				ct_int(creel_clock_advance(clock, 9), 0);
				ct_int(creel_future_state(t), CREEL_FUTURE_PENDING);
				ct_int(creel_clock_advance(clock, 1), 0);
			}
			timed_out(t);
			ct_int(creel_future_state(f),
			       flags[i] ? CREEL_FUTURE_CANCELLED : CREEL_FUTURE_PENDING);
			creel_future_unref(f);
		}
	creel_clock_unref(clock);
}

CORE_CASE(c37_what_has_ended_is_in_time)
{
	const long value = 7;
	creel_future *f = creel_future_of(&value, sizeof value);
	ct_int(ct_long_drop(creel_timeout(f, NULL, CREEL_NOW, CREEL_KILL_REST)), 7);
	ct_int(ct_long_drop(creel_timeout(f, NULL, creel_in_ms(CT_GUARD_MS), 0)), 7);
	creel_future_unref(f);
}

CORE_CASE(c37_cancelling_a_timeout_leaves_or_cancels_its_input)
{
	for (int rest = 0; rest < 2; rest++) {
		creel_clock *clock = creel_clock_new(0);
		creel_future *f = creel_promise_new();
		creel_future *t = creel_timeout(f, clock, creel_in_ms(CT_GUARD_MS),
						rest ? CREEL_CANCEL_REST : 0);
		ct_int(creel_future_cancel(t), CREEL_CANCEL_NOW);
		ct_int(creel_future_state(t), CREEL_FUTURE_CANCELLED);
		ct_int(creel_future_state(f), rest ? CREEL_FUTURE_CANCELLED : CREEL_FUTURE_PENDING);
		creel_future_unref(f);
		creel_future_unref(t);
		creel_clock_unref(clock);
	}
}

CORE_CASE(c55_a_timeout_hears_of_a_broken_promise_and_of_a_clock_that_goes)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_future *f = creel_promise_new();
	creel_future *t = creel_timeout(f, clock, creel_clock_in(clock, 10), 0);
	creel_future_unref(f);
	ct_int(ct_outcome(t), CREEL_EFAILED);
	ct_int(creel_future_error(t)->kind, CREEL_KIND_BROKEN);
	creel_future_unref(t);
	f = creel_promise_new();
	t = creel_timeout(f, clock, creel_clock_in(clock, 10), CREEL_CANCEL_REST);
	creel_clock_unref(clock);
	ct_int(ct_outcome(t), CREEL_EFAILED);
	ct_has(creel_future_error(t)->message, "the clock was dropped");
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	creel_future_unref(f);
	creel_future_unref(t);
}

/* The work goes on, and its own future tells what became of it. */
CASE(c37_a_timeout_does_not_wait_for_the_work, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 5);
	ct_count_await(started, 1);
	timed_out(creel_timeout(f, NULL, creel_in_ms(1), CREEL_CANCEL_REST));
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	ct_open(gate);
	ct_int(ct_long_drop(f), 5);
	ct_close(ex);
}

CORE_CASE(c37_timeouts_nest_to_any_depth)
{
	enum { DEEP = CT_MEMCHECK || CT_ASAN || CT_TSAN ? 1000 : 100000 };
	const long value = 7;
	for (int how = 0; how < 2; how++) {
		creel_future *f = creel_promise_new(), *t = creel_future_ref(f);
		for (int i = 0; i < DEEP; i++) {
			creel_future *next = creel_timeout(t, NULL, CREEL_FOREVER,
							   CREEL_CANCEL_REST);
			creel_future_unref(t);
			t = next;
		}
		if (how) {
			ct_int(creel_future_cancel(t), CREEL_CANCEL_NOW);
			ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
		} else {
			ct_int(creel_promise_set_result(f, &value, sizeof value), 0);
			ct_int(ct_long(t), 7);
		}
		creel_future_unref(f);
		creel_future_unref(t);
	}
}

static void bad(creel_future *f, int code, const char *says)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, code);
	ct_has(creel_future_error(f)->message, says);
	creel_future_unref(f);
}

CORE_CASE(bad_timeouts_are_refused)
{
	creel_future *f = creel_promise_new();
	creel_clock *clock = creel_clock_new(64);
	bad(creel_timeout(NULL, NULL, CREEL_FOREVER, 0), -EINVAL, "creel_timeout: f is NULL");
	bad(creel_timeout(f, NULL, CREEL_FOREVER, 64), -EINVAL, "flags is 0x40");
	bad(creel_timeout(f, clock, CREEL_FOREVER, 0), -EINVAL, "CREEL_CLOCK_MANUAL or 0");
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	creel_future_unref(f);
	creel_clock_unref(clock);
}
