/* SPDX-License-Identifier: MIT */
/* Promise 39: retries, over every executor, and over and under the adaptors that limit. */
#include "contract.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* Fails until it has been called often enough. */
struct flaky {
	struct ct_count *calls;
	uint32_t good; /* the first call that succeeds; 0: none */
	int code;
};

static int task_flaky(creel_task *task, const void *arg, size_t size)
{
	struct flaky flaky;
	(void)size;
	memcpy(&flaky, arg, sizeof flaky);
	uint32_t n = ct_count_add(flaky.calls, 1);
	if (flaky.good && n >= flaky.good)
		return creel_return(task, &n, sizeof n);
	return creel_fail(task, flaky.code, "call %u failed", (unsigned)n);
}

static creel_executor *retry_over(creel_executor *ex, creel_retry_options o)
{
	creel_executor *retry = creel_retry_new(ex, &o);
	ct_assert(creel_executor_error(retry) == NULL);
	return retry;
}

/* Delays of 10, 20, 40, 50, 50 ... */
static creel_retry_options plan(int attempts, creel_clock *clock)
{
	return (creel_retry_options){.attempts = attempts,
				     .flags = CREEL_RETRY_EXACT,
				     .base_ns = 10,
				     .max_ns = 50,
				     .clock = clock};
}

static creel_clock *manual(void)
{
	return creel_clock_new(CREEL_CLOCK_MANUAL);
}

static creel_future *submit_flaky(creel_executor *ex, struct ct_count *calls, uint32_t good,
				  const creel_submit_options *o)
{
	struct flaky flaky = {calls, good, -EIO};
	return creel_submit_with(ex, task_flaky, &flaky, sizeof flaky, o);
}

/* Lets the clock go until call n was made, which is ns nanoseconds after the one before: no sooner.
 * An attempt ends a moment after its call, and then the delay begins. */
static void advance_to(creel_clock *clock, struct ct_count *calls, uint32_t n, int64_t ns,
		       creel_executor *beneath)
{
	ct_int(creel_executor_drain(beneath, CT_GUARD), 0);
	ct_int(creel_clock_advance(clock, ns - 1), 0);
	ct_int(ct_count_get(calls), n - 1);
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_count_await(calls, n);
}

static long value_drop(creel_future *f)
{
	uint32_t value = 0;
	ct_int(creel_future_result(f, CT_GUARD, &value, sizeof value), 0);
	creel_future_unref(f);
	return (long)value;
}

CASE(c39_a_task_that_fails_twice_is_tried_a_third_time, 0)
{
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(ex, (creel_retry_options){.attempts = 3, .base_ns = 1});
	struct ct_count *calls = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *f = submit_flaky(retry, calls, 3, &o);
	ct_int(value_drop(f), 3);
	ct_int(ct_count_get(freed), 1);
	ct_int(ct_count_get(calls), 3);
	ct_close(retry);
	ct_close(ex);
}

CASE(c39_attempts_begin_to_the_nanosecond, CT_INPROC)
{
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor(), *retry = retry_over(ex, plan(6, clock));
	struct ct_count *calls = ct_count_new();
	creel_future *f = submit_flaky(retry, calls, 6, NULL);
	ct_count_await(calls, 1);
	static const int64_t delay[] = {10, 20, 40, 50, 50};
	for (uint32_t i = 0; i < 5; i++)
		advance_to(clock, calls, i + 2, delay[i], ex);
	ct_int(value_drop(f), 6);
	ct_close(retry);
	ct_close(ex);
	creel_clock_unref(clock);
}

/* Each run refers to its attempt for the result. What it leaves behind leak checkers find. */
CASE(c39_a_periodic_task_lets_go_of_each_attempt, CT_INPROC)
{
	enum { RUNS = 20 };
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor(), *retry = retry_over(ex, plan(2, NULL));
	struct ct_count *calls = ct_count_new();
	creel_submit_options o = {.period_ns = 5, .clock = clock};
	creel_future *f = submit_flaky(retry, calls, 1, &o);
	for (uint32_t n = 1; n <= RUNS; n++) {
		ct_count_await(calls, n);
		ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		ct_until(creel_clock_advance(clock, 5) == 0 && ct_count_get(calls) > n);
	}
	creel_future_cancel(f);
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c39_the_error_says_what_each_attempt_said, 0)
{
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(
		ex, (creel_retry_options){.attempts = 11, .base_ns = 1, .max_ns = 1});
	struct ct_count *calls = ct_count_new();
	creel_future *f = submit_flaky(retry, calls, 0, &(creel_submit_options){.name = "fetch"});
	ct_int(ct_outcome(f), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	ct_int(e->kind, CREEL_KIND_FAILED);
	ct_int(e->code, -EIO);
	ct_text(e->task, "fetch");
	ct_has(e->message, "all 11 attempts failed, the last one: call 11 failed");
	ct_has(creel_error_cause(e, 0)->message, "call 1 failed");
	for (size_t i = 1; i <= 8; i++) {
		char text[32];
		snprintf(text, sizeof text, "call %zu failed", i + 3);
		ct_has(creel_error_cause(e, i)->message, text);
	}
	ct_assert(creel_error_cause(e, 9) == NULL);
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
}

CASE(c39_what_is_not_to_be_tried_again_is_not, 0)
{
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(
		ex, (creel_retry_options){.attempts = 5,
					  .base_ns = 1,
					  .retry_on = CREEL_RETRY_ON(CREEL_KIND_EXITED)});
	struct ct_count *calls = ct_count_new();
	creel_future *f = submit_flaky(retry, calls, 2, NULL);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_text(creel_future_error(f)->message, "call 1 failed");
	ct_int(ct_count_get(calls), 1);
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
}

CASE(c39_no_attempt_begins_when_the_time_is_over, CT_INPROC)
{
	creel_clock *clock = manual();
	creel_retry_options o = plan(0, clock);
	o.total_ns = 30;
	creel_executor *ex = ct_executor(), *retry = retry_over(ex, o);
	struct ct_count *calls = ct_count_new();
	creel_future *f = submit_flaky(retry, calls, 0, NULL);
	ct_count_await(calls, 1);
	advance_to(clock, calls, 2, 10, ex);
	advance_to(clock, calls, 3, 20, ex);
	/* 30 have passed, and the next one would be due after 70: it does not wait for that. */
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_has(creel_future_error(f)->message, "all 3 attempts failed");
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c39_between_two_attempts_a_cancel_ends_it_at_once, CT_INPROC)
{
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor(), *retry = retry_over(ex, plan(3, clock));
	struct ct_count *calls = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *f = submit_flaky(retry, calls, 0, &o);
	ct_count_await(calls, 1);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_clock_advance(clock, 1000), 0);
	ct_int(ct_count_get(calls), 1);
	creel_future_unref(f);
	ct_int(creel_executor_drain(retry, CT_GUARD), 0);
	ct_close(retry);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c39_a_pending_attempt_is_cancelled_at_once, CT_ASYNC)
{
	struct ct_hold hold;
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(ex, (creel_retry_options){.attempts = 3, .base_ns = 1});
	struct ct_count *calls = ct_count_new();
	ct_hold(&hold, ex);
	creel_future *f = submit_flaky(retry, calls, 1, NULL);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_release(&hold);
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
	ct_int(ct_count_get(calls), 0);
}

CASE(c39_a_running_attempt_is_asked_to_stop_and_not_tried_again, CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(ex, (creel_retry_options){.attempts = 3, .base_ns = 1});
	struct ct_count *started = ct_count_new();
	creel_future *f = creel_submit(retry, task_until_asked, &started, sizeof started);
	ct_count_await(started, 1);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), -ECANCELED);
	ct_int(ct_count_get(started), 1);
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
}

CASE(c39_shutting_a_retry_down_ends_its_own, CT_INPROC)
{
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor(), *retry = retry_over(ex, plan(3, clock));
	struct ct_count *calls = ct_count_new();
	creel_future *f = submit_flaky(retry, calls, 0, NULL);
	ct_count_await(calls, 1);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(creel_executor_shutdown(retry, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_int(creel_executor_shutdown(retry, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	creel_future_unref(f);
	creel_future *late = submit_flaky(retry, calls, 0, NULL);
	ct_int(ct_outcome(late), CREEL_EFAILED);
	ct_int(creel_future_error(late)->kind, CREEL_KIND_SHUT_DOWN);
	creel_future_unref(late);
	ct_close(retry);
	ct_int(ct_outcome(f = submit_flaky(ex, calls, 2, NULL)), 0);
	creel_future_unref(f);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c39_a_clock_that_is_dropped_ends_a_retry, CT_INPROC)
{
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor(), *retry = retry_over(ex, plan(3, clock));
	struct ct_count *calls = ct_count_new();
	creel_future *f = submit_flaky(retry, calls, 0, NULL);
	ct_count_await(calls, 1);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	creel_clock_unref(clock);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_has(creel_future_error(f)->message, "the clock was dropped");
	ct_has(creel_error_cause(creel_future_error(f), 0)->message, "call 1 failed");
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
}

/* Gives its input on, at the second call. */
static int task_pass_on(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *calls;
	const void *input;
	size_t n;
	(void)size;
	memcpy(&calls, arg, sizeof calls);
	int rc = creel_task_input(task, &input, &n);
	if (rc)
		return creel_fail(task, rc, "no input");
	return ct_count_add(calls, 1) == 1 ? -EIO : creel_return(task, input, n);
}

CASE(c39_each_attempt_of_a_continuation_has_the_input, 0)
{
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(ex, (creel_retry_options){.attempts = 3, .base_ns = 1});
	struct ct_count *calls = ct_count_new(), *once = ct_count_new();
	creel_future *input = submit_flaky(ex, once, 1, NULL);
	creel_future *f = creel_then(input, retry, task_pass_on, &calls, sizeof calls);
	ct_int(value_drop(f), 1);
	ct_int(ct_count_get(calls), 2);
	creel_future_unref(input);
	ct_close(retry);
	ct_close(ex);
}

static int task_counts(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *calls;
	(void)task;
	(void)size;
	memcpy(&calls, arg, sizeof calls);
	(void)ct_count_add(calls, 1);
	return 0;
}

CASE(c39_a_finally_whose_input_failed_is_not_tried_again, 0)
{
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(ex, (creel_retry_options){.attempts = 3, .base_ns = 1});
	struct ct_count *calls = ct_count_new(), *never = ct_count_new();
	creel_future *input = submit_flaky(ex, never, 0, NULL);
	creel_future *f = creel_finally(input, retry, task_counts, &calls, sizeof calls);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_text(creel_future_error(f)->message, "call 1 failed");
	ct_int(ct_count_get(calls), 1);
	creel_future_unref(input);
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
}

CASE(c39_a_finally_runs_though_it_was_cancelled_while_its_attempt_was_pending, CT_ASYNC)
{
	struct ct_hold hold;
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(ex, (creel_retry_options){.attempts = 3, .base_ns = 1});
	struct ct_count *calls = ct_count_new(), *once = ct_count_new();
	creel_future *input = submit_flaky(ex, once, 1, NULL);
	ct_int(ct_outcome(input), 0);
	ct_hold(&hold, ex);
	creel_future *f = creel_finally(input, retry, task_counts, &calls, sizeof calls);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_release(&hold);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), -ECANCELED);
	ct_int(ct_count_get(calls), 1);
	creel_future_unref(input);
	creel_future_unref(f);
	ct_close(retry);
	ct_close(ex);
}

struct inside {
	creel_executor *retry, *scope;
	creel_executor *seen;
	creel_token *token;
	creel_future *future; /* a reference */
	int drain, close, join, wait;
};

static int task_inside(creel_task *task, const void *arg, size_t size)
{
	struct inside *in = *(struct inside *const *)arg;
	(void)size;
	in->seen = creel_task_executor(task);
	in->token = creel_task_token(task);
	in->future = creel_task_future(task);
	in->drain = creel_executor_drain(in->retry, CREEL_FOREVER);
	in->close = creel_executor_close(creel_executor_ref(in->retry));
	in->join = creel_scope_join(in->scope, CREEL_FOREVER);
	in->wait = creel_future_result(in->future, CREEL_FOREVER, NULL, 0);
	return 0;
}

CASE(c39_an_attempt_is_in_its_task_and_does_not_wait_for_it, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_executor *retry = retry_over(ex, (creel_retry_options){.attempts = 2});
	creel_executor *scope = creel_scope_new(retry, 0);
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	struct inside in = {.retry = retry, .scope = scope}, *at = &in;
	creel_future *f = creel_submit_with(scope, task_inside, &at, sizeof at,
					    &(creel_submit_options){.token = token});
	ct_int(ct_outcome(f), 0);
	ct_assert(in.seen == scope);
	ct_assert(in.token == token);
	ct_assert(in.future == f);
	ct_int(in.drain, -EDEADLK);
	ct_int(in.close, -EDEADLK);
	ct_int(in.join, -EDEADLK);
	ct_int(in.wait, -EDEADLK);
	creel_future_unref(in.future);
	creel_future_unref(f);
	creel_token_unref(token);
	ct_close(scope);
	ct_close(retry);
	ct_close(ex);
}

/* A retry at each place among the adaptors. */
CASE(c39_a_retry_lies_over_and_under_adaptors, 0)
{
	for (int place = 0; place < 3; place++) {
		creel_executor *ex = ct_executor(), *layer[4] = {ex};
		struct ct_count *calls = ct_count_new();
		for (int i = 0; i < 3; i++)
			layer[i + 1] = i == place ? retry_over(layer[i],
							       (creel_retry_options){.attempts = 4,
										     .base_ns = 1})
				       : i == (place + 1) % 3
					       ? creel_serial_new(layer[i])
					       : creel_rate_limit_new(
							 layer[i], &(creel_rate_options){
									   .n = 1000, .per_ns = 1});
		creel_future *f = submit_flaky(layer[3], calls, 3, NULL);
		creel_future *g = submit_flaky(layer[3], calls, 4, NULL);
		ct_int(ct_outcome(f), 0);
		ct_int(ct_outcome(g), 0);
		creel_future_unref(f);
		creel_future_unref(g);
		for (int i = 3; i >= 0; i--)
			ct_close(layer[i]);
	}
}

static void broken(creel_executor *ex, int code, const char *text)
{
	ct_assert(creel_executor_error(ex) != NULL);
	ct_int(creel_executor_error(ex)->code, code);
	ct_has(creel_executor_error(ex)->message, text);
	ct_close(ex);
}

CORE_CASE(bad_retries_are_refused_by_name_and_value)
{
	creel_executor *ex = creel_inline_new();
	creel_retry_options good = {.attempts = 1}, o = good;
	broken(creel_retry_new(NULL, &o), -EINVAL, "creel_retry_new: the executor is NULL");
	broken(creel_retry_new(ex, NULL), -EINVAL, "the options are NULL");
	o.attempts = 0;
	broken(creel_retry_new(ex, &o), -EINVAL, "attempts is 0 and total_ns is 0");
	o.attempts = -1;
	broken(creel_retry_new(ex, &o), -EINVAL, "attempts is -1");
	o = good;
	o.total_ns = -2;
	broken(creel_retry_new(ex, &o), -EINVAL, "total_ns is -2");
	o = good;
	o.base_ns = -3;
	broken(creel_retry_new(ex, &o), -EINVAL, "base_ns is -3");
	o.base_ns = 5;
	o.max_ns = -4;
	broken(creel_retry_new(ex, &o), -EINVAL, "max_ns is -4");
	o.max_ns = 4;
	broken(creel_retry_new(ex, &o), -EINVAL, "base_ns is 5 and max_ns is 4");
	o = good;
	o.factor = -1;
	broken(creel_retry_new(ex, &o), -EINVAL, "factor is -1");
	o.factor = 0.5;
	broken(creel_retry_new(ex, &o), -EINVAL, "factor is 0.5");
	o = good;
	o.jitter = -0.25;
	broken(creel_retry_new(ex, &o), -EINVAL, "jitter is -0.25");
	o.jitter = 1.5;
	broken(creel_retry_new(ex, &o), -EINVAL, "jitter is 1.5");
	o.jitter = 0.5;
	o.flags = CREEL_RETRY_EXACT;
	broken(creel_retry_new(ex, &o), -EINVAL, "jitter is 0.5 and flags has CREEL_RETRY_EXACT");
	o = good;
	o.flags = 8;
	broken(creel_retry_new(ex, &o), -EINVAL, "flags is 0x8");
	o = good;
	o.retry_on = CREEL_RETRY_ON(CREEL_KIND_CANCELLED);
	broken(creel_retry_new(ex, &o), -EINVAL, "retry_on is 0x4");
	o = good;
	o.reserved[2] = 9;
	broken(creel_retry_new(ex, &o), -EINVAL, "reserved[2] of the options is 9");
	ct_close(ex);
}
