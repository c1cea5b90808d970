/* SPDX-License-Identifier: MIT */
/* Words for every outcome, futures that are ready from the start, and promises that are dropped. */
#include "contract.h"

#include <stdio.h>
#include <string.h>

CASE(c06_there_are_words_for_every_outcome, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	int code = -EIO;
	long r;
	short small;
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 7);
	ct_has(creel_future_message(f, creel_future_result(f, CREEL_NOW, &r, sizeof r)),
	       "deadline");
	ct_open(gate);
	ct_int(ct_long(f), 7);
	ct_text(creel_future_message(f, 0), "no error");
	ct_int(creel_future_result(f, CT_GUARD, &small, sizeof small), -EMSGSIZE);
	char sizes[100];
	snprintf(sizes, sizeof sizes, "the result has %zu bytes, and the caller's variable has %zu",
		 sizeof r, sizeof small);
	ct_text(creel_future_message(f, -EMSGSIZE), sizes);
	creel_future_unref(f);
	f = creel_submit(ex, task_fail, &code, sizeof code);
	ct_text(creel_future_message(f, ct_outcome(f)), "on purpose");
	creel_future_unref(f);
	ct_close(ex);
}

CORE_CASE(c06_a_message_is_never_null)
{
	creel_future *f = creel_promise_new();
	for (int code = -5000; code < 10; code++) {
		ct_assert(creel_future_message(NULL, code) && creel_future_message(NULL, code)[0]);
		ct_assert(creel_future_message(f, code) && creel_future_message(f, code)[0]);
	}
	ct_has(creel_future_message(f, -EDEADLK), "wait for itself");
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_text(creel_future_message(f, -ECANCELED), "cancelled before it started");
	creel_future_unref(f);
}

CORE_CASE(c03_ready_made_futures_are_final)
{
	char large[5000];
	long nine = 9;
	const void *data;
	size_t size;
	memset(large, 'x', sizeof large);
	creel_future *f = creel_future_of(&nine, sizeof nine);
	nine = 0;
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(ct_long_drop(f), 9);
	f = creel_future_of(large, sizeof large);
	ct_int(creel_future_view(f, CREEL_NOW, &data, &size), 0);
	ct_assert(size == sizeof large && memcmp(data, large, size) == 0);
	creel_future_unref(f);
	f = creel_future_of(NULL, 0);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(f);
	f = creel_future_failed(CREEL_KIND_EXPIRED, -ETIME, "too late by %d", 3);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXPIRED);
	ct_int(creel_future_error(f)->code, -ETIME);
	ct_text(creel_future_error(f)->message, "too late by 3");
	creel_future_unref(f);
}

CORE_CASE(bad_ready_made_futures)
{
	creel_future *f = creel_future_of(NULL, 8);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EINVAL);
	ct_text(creel_future_error(f)->message, "creel_future_of: data is NULL but its size is 8");
	creel_future_unref(f);
	f = creel_future_failed(77, 0, "odd");
	ct_int(creel_future_error(f)->kind, CREEL_KIND_FAILED);
	ct_int(creel_future_error(f)->code, CREEL_EFAILED);
	creel_future_unref(f);
}

CORE_CASE(c07_a_promise_that_its_settler_drops_fails_at_once)
{
	struct ct_count *done = ct_count_new();
	for (int running = 0; running < 2; running++) {
		creel_future *p = creel_promise_new(), *mine = creel_future_ref(p);
		ct_int(creel_future_on_done(mine, NULL, done_count, done, NULL, NULL), 0);
		if (running)
			ct_int(creel_promise_start(p), 0);
		ct_int(creel_promise_drop(p), 0);
		ct_int(ct_count_get(done), running + 1);
		ct_int(creel_future_result(mine, CREEL_NOW, NULL, 0), CREEL_EFAILED);
		ct_int(creel_future_error(mine)->kind, CREEL_KIND_BROKEN);
		ct_int(creel_promise_set_result(mine, NULL, 0), -EALREADY);
		creel_future_unref(mine);
	}
}

CORE_CASE(c07_dropping_a_promise_that_has_ended_changes_nothing)
{
	long five = 5;
	creel_future *p = creel_promise_new(), *mine = creel_future_ref(p);
	ct_int(creel_promise_set_result(p, &five, sizeof five), 0);
	ct_int(creel_promise_drop(p), 0);
	ct_int(ct_long_drop(mine), 5);
	mine = creel_future_ref(p = creel_promise_new());
	ct_int(creel_future_cancel(mine), CREEL_CANCEL_NOW);
	ct_int(creel_promise_drop(p), 0);
	ct_int(ct_outcome(mine), -ECANCELED);
	creel_future_unref(mine);
	ct_int(creel_promise_drop(NULL), 0);
}

CASE(c07_what_an_executor_runs_cannot_be_dropped_as_a_promise, 0)
{
	long value = 4;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_double, &value, sizeof value);
	ct_int(creel_promise_drop(f), -EINVAL);
	ct_int(ct_long_drop(f), 8);
	ct_close(ex);
}
