/* SPDX-License-Identifier: MIT */
/* Promises 37 and 55: continuations. What each does after each end of its input; cancelling,
 * shutting down and being refused; times. */
#include "contract.h"

#include <stdlib.h>
#include <string.h>

/* The input's long, and one more; or 1000 and the input's code. */
static int task_more(creel_task *task, const void *arg, size_t size)
{
	long value = 0;
	const void *data;
	size_t n;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, &data, &n);
	const creel_error *e = creel_task_input_error(task);
	if (rc == 0 && (e || n != sizeof value))
		return -EPROTO;
	if (rc && !e)
		return -EPROTO;
	if (rc)
		value = 1000 - e->code;
	else
		memcpy(&value, data, sizeof value);
	value++;
	return creel_return(task, &value, sizeof value);
}

typedef creel_future *continue_fn(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
				  size_t size, const creel_submit_options *options);

enum { RESULT, ERROR, CANCELLED, ENDS };

static void end(creel_future *f, int how)
{
	long value = 41;
	if (how == RESULT)
		ct_int(creel_promise_set_result(f, &value, sizeof value), 0);
	else if (how == ERROR)
		ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, -EIO, NULL, 0, "on purpose"), 0);
	else
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
}

static int code_of(int how)
{
	return how == RESULT ? 0 : how == ERROR ? CREEL_EFAILED : -ECANCELED;
}

/* What comes of one continuation after one end of its input, which has ended or will. The function
 * gives value, or the end passes it by. */
static void try_one(creel_executor *ex, continue_fn *make, unsigned flags, int how, bool before,
		    long value)
{
	creel_future *f = creel_promise_new();
	struct ct_count *freed = ct_count_new();
	if (before)
		end(f, how);
	creel_future *g = make(f, ex, task_more, NULL, CREEL_BY_REF,
			       &(creel_submit_options){.arg_free = arg_free_count,
						       .arg_ctx = freed,
						       .flags = flags});
	if (!before) {
		ct_int(creel_future_state(g), CREEL_FUTURE_PENDING);
		end(f, how);
	}
	if (value) {
		ct_int(ct_long(g), value);
	} else {
		ct_int(ct_outcome(g), code_of(how));
		if (how == RESULT)
			ct_int(ct_long(g), 41);
		if (how == ERROR)
			ct_assert(creel_future_error(g) == creel_future_error(f));
		ct_int(creel_future_state(g),
		       how == CANCELLED ? CREEL_FUTURE_CANCELLED : CREEL_FUTURE_FINISHED);
	}
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	creel_future_unref(g);
}

CASE(c37_each_continuation_does_what_its_table_says, 0)
{
	static const struct {
		continue_fn *make;
		unsigned flags;
		long value[ENDS];
	} table[] = {
		{creel_then_with, 0, {42, 0, 0}},
		{creel_then_with, CREEL_CANCEL_UPSTREAM, {42, 0, 0}},
		{creel_recover_with, 0, {0, 1001 + EIO, 0}},
		{creel_recover_with,
		 CREEL_RECOVER_CANCELLED | CREEL_CANCEL_UPSTREAM,
		 {0, 1001 + EIO, 1001 + ECANCELED}},
		{creel_finally_with, 0, {0, 0, 0}},
	};
	creel_executor *ex = ct_executor();
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		for (int how = 0; how < ENDS; how++)
			for (int before = 0; before < 2; before++)
				try_one(ex, table[i].make, table[i].flags, how, before,
					table[i].value[how]);
	ct_close(ex);
}

CASE(c37_a_finally_runs_in_any_case_and_its_result_is_discarded, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	for (int how = 0; how < ENDS; how++) {
		creel_future *f = creel_promise_new();
		creel_future *g = creel_finally(f, ex, task_count, &ran, sizeof ran);
		end(f, how);
		ct_int(ct_outcome(g), code_of(how));
		ct_int(ct_count_get(ran), how + 1);
		creel_future_unref(f);
		creel_future_unref(g);
	}
	ct_close(ex);
}

/* Its error is the continuation's, and the input's lies beneath. */
CASE(c37_a_continuation_that_fails_names_what_it_was_told, 0)
{
	const int code = -ENOSPC;
	creel_executor *ex = ct_executor();
	static continue_fn *const make[] = {creel_recover_with, creel_finally_with};
	for (int i = 0; i < 2; i++) {
		creel_future *f = creel_promise_new();
		creel_future *g = make[i](f, ex, task_fail, &code, sizeof code, NULL);
		end(f, ERROR);
		ct_int(ct_outcome(g), CREEL_EFAILED);
		const creel_error *e = creel_future_error(g);
		ct_int(e->code, code);
		ct_assert(creel_error_cause(e, 0) == creel_future_error(f));
		creel_future_unref(f);
		creel_future_unref(g);
	}
	ct_close(ex);
}

CASE(c37_tasks_are_chained_and_their_futures_may_be_dropped, 0)
{
	const long value = 1;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_same, &value, sizeof value);
	for (int i = 0; i < 10; i++) {
		creel_future *g = creel_then(f, ex, task_more, NULL, 0);
		creel_future_unref(f);
		f = g;
	}
	ct_int(ct_long_drop(f), 11);
	ct_close(ex);
}

CASE(c37_a_continuation_runs_though_nobody_holds_it, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	creel_future_unref(creel_then(f, ex, task_count, &ran, sizeof ran));
	end(f, RESULT);
	creel_future_unref(f);
	ct_count_await(ran, 1);
	ct_close(ex);
}

/* Whether blocks come from slabs, many from one. Somebody has a future, and it would be counted. */
static bool recycles(creel_executor *ex)
{
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	return stats.live_futures == 0;
}

/* Its block and options are one, from a slab unless errors in memory are looked for; an adaptor or
 * a trace needs another one. */
CASE(c37_a_link_takes_at_most_two_blocks_of_memory, CT_INPROC)
{
	enum { LINKS = 100 };
	creel_executor *ex = ct_executor();
	creel_future *links[LINKS + 1] = {creel_promise_new()};
	const unsigned most = ct_is(CT_POOL) && recycles(ex) ? LINKS / 2 : 2 * LINKS;
	ct_fault_arm(CT_FAULT_MEMORY, 1000000, false);
	for (int i = 0; i < LINKS; i++)
		links[i + 1] = creel_then(links[i], ex, task_more, NULL, 0);
	unsigned calls = ct_fault_calls();
	ct_fault_off();
	ct_assert(calls <= most);
	end(links[0], RESULT);
	ct_int(ct_long(links[LINKS]), 41 + LINKS);
	for (int i = 0; i <= LINKS; i++)
		creel_future_unref(links[i]);
	ct_close(ex);
}

CASE(c37_several_continuations_of_one_future_share_its_result, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new(), *g[4];
	for (int i = 0; i < 4; i++)
		g[i] = i % 2 ? creel_then(f, ex, task_more, NULL, 0)
			     : creel_recover(f, ex, task_more, NULL, 0);
	end(f, RESULT);
	const void *data, *other;
	for (int i = 0; i < 4; i++)
		ct_int(ct_long(g[i]), 41 + i % 2);
	ct_int(creel_future_view(f, CREEL_NOW, &data, NULL), 0);
	ct_int(creel_future_view(g[2], CREEL_NOW, &other, NULL), 0);
	/* Passed on, and not copied. */
	ct_assert(data == other);
	for (int i = 0; i < 4; i++)
		creel_future_unref(g[i]);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c37_cancelling_a_continuation_leaves_its_input_alone, 0)
{
	struct ct_count *freed = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	creel_future *g = creel_then_with(f, ex, task_nothing, NULL, CREEL_BY_REF,
					  &(creel_submit_options){.name = "second",
								  .arg_free = arg_free_count,
								  .arg_ctx = freed});
	creel_future *h = creel_then(g, ex, task_nothing, NULL, 0);
	ct_int(creel_future_cancel(g), CREEL_CANCEL_NOW);
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_future_state(g), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_state(h), CREEL_FUTURE_CANCELLED);
	ct_text(creel_future_error(g)->task, "second");
	ct_int(creel_future_cancel(g), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	end(f, RESULT);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_future_unref(h);
	ct_close(ex);
}

CASE(c37_cancelling_upstream_cancels_the_whole_chain, 0)
{
	static const creel_submit_options upstream = {.flags = CREEL_CANCEL_UPSTREAM};
	creel_executor *ex = ct_executor();
	for (int kill = 0; kill < 2; kill++) {
		creel_future *f = creel_promise_new();
		creel_future *g = creel_then_with(f, ex, task_nothing, NULL, 0, &upstream);
		creel_future *h = creel_recover_with(g, ex, task_nothing, NULL, 0, &upstream);
		ct_int(kill ? creel_future_kill(h, 0) : creel_future_cancel(h), CREEL_CANCEL_NOW);
		ct_int(creel_future_state(h), CREEL_FUTURE_CANCELLED);
		ct_int(creel_future_state(g), CREEL_FUTURE_CANCELLED);
		ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
		creel_future_unref(f);
		creel_future_unref(g);
		creel_future_unref(h);
	}
	ct_close(ex);
}

CASE(c37_cancelling_a_finally_cancels_its_input_and_it_runs, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	creel_future *g = creel_finally(f, ex, task_count, &ran, sizeof ran);
	ct_int(creel_future_cancel(g), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(ct_outcome(g), -ECANCELED);
	ct_int(creel_future_state(g), CREEL_FUTURE_CANCELLED);
	ct_int(ct_count_get(ran), 1);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
}

/* The input runs, and does not stop. */
CASE(c37_a_finally_that_was_cancelled_ends_as_cancelled_after_a_result, CT_ASYNC)
{
	struct ct_count *ran = ct_count_new(), *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 5);
	creel_future *g = creel_finally(f, ex, task_count, &ran, sizeof ran);
	ct_count_await(started, 1);
	for (int i = 0; i < 3; i++)
		ct_int(creel_future_cancel(g), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_state(g), CREEL_FUTURE_PENDING);
	ct_open(gate);
	ct_int(ct_outcome(g), -ECANCELED);
	ct_int(ct_count_get(ran), 1);
	ct_int(ct_long_drop(f), 5);
	creel_future_unref(g);
	ct_close(ex);
}

CASE(c37_a_finally_that_is_queued_is_not_cancelled_either, CT_ASYNC)
{
	struct ct_count *ran = ct_count_new();
	struct ct_hold hold;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = creel_promise_new();
	creel_future *g = creel_finally(f, ex, task_count, &ran, sizeof ran);
	creel_future *h = creel_then(f, ex, task_nothing, NULL, 0);
	end(f, RESULT);
	ct_int(creel_future_cancel(h), CREEL_CANCEL_NOW);
	ct_int(creel_future_cancel(g), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_kill(g, 0), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_state(g), CREEL_FUTURE_PENDING);
	ct_release(&hold);
	ct_int(ct_outcome(g), -ECANCELED);
	ct_int(ct_count_get(ran), 1);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_future_unref(h);
	ct_close(ex);
}

CASE(c37_a_finally_that_is_not_due_is_not_cancelled_either, CT_INPROC)
{
	struct ct_count *ran = ct_count_new();
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	creel_future *g = creel_finally_with(
		f, ex, task_count, &ran, sizeof ran,
		&(creel_submit_options){.clock = clock, .delay_ns = 10});
	end(f, RESULT);
	ct_int(creel_future_cancel(g), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_state(g), CREEL_FUTURE_PENDING);
	ct_int(ct_count_get(ran), 0);
	ct_int(creel_clock_advance(clock, 10), 0);
	ct_int(ct_outcome(g), -ECANCELED);
	ct_int(ct_count_get(ran), 1);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
	creel_clock_unref(clock);
}

/* Nobody can move the clock any more: a delay will not end, and an expiry never comes. */
CASE(c37_c40_a_finally_whose_delay_is_lost_with_its_clock_fails, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	enum { BEFORE, AFTER, ASKED, MOMENTS };
	for (int when = BEFORE; when < MOMENTS; when++) {
		struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
		creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
		creel_submit_options o = {.clock = clock,
					  .delay_ns = 10,
					  .arg_free = arg_free_count,
					  .arg_ctx = freed};
		creel_future *f = creel_promise_new();
		creel_future *delayed = creel_finally_with(f, ex, task_count, &ran, sizeof ran, &o);
		o.delay_ns = 0;
		o.expiry_ns = 10;
		creel_future *expiring = creel_finally_with(f, ex, task_count, &ran, sizeof ran,
							    &o);
		if (when == BEFORE)
			creel_clock_unref(clock);
		end(f, RESULT);
		if (when == ASKED)
			ct_int(creel_future_cancel(delayed), CREEL_CANCEL_REQUESTED);
		if (when != BEFORE)
			creel_clock_unref(clock);
		ct_int(ct_outcome(delayed), CREEL_EFAILED);
		ct_int(creel_future_error(delayed)->kind, CREEL_KIND_BROKEN);
		ct_has(creel_future_error(delayed)->message, "the clock was dropped");
		ct_int(ct_long_drop(expiring), 41);
		ct_int(ct_count_get(ran), 1);
		ct_int(ct_count_get(freed), 2);
		creel_future_unref(f);
		creel_future_unref(delayed);
	}
	ct_close(ex);
}

/* Its adaptor is shut down, and the one beneath has it. */
CASE(c37_a_finally_is_cancelled_with_its_adaptor, CT_ASYNC)
{
	struct ct_count *ran = ct_count_new();
	struct ct_hold hold;
	creel_executor *ex = ct_executor(), *adaptor = creel_serial_new(ex);
	ct_hold(&hold, ex);
	creel_future *f = creel_promise_new();
	creel_future *g = creel_finally(f, adaptor, task_count, &ran, sizeof ran);
	end(f, RESULT);
	ct_int(creel_executor_shutdown(adaptor, CREEL_SHUTDOWN_CANCEL, CREEL_FOREVER, NULL), 0);
	ct_int(creel_future_state(g), CREEL_FUTURE_CANCELLED);
	ct_release(&hold);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(adaptor);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

static void shut_down(creel_future *f)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
	ct_int(creel_future_error(f)->code, -ESHUTDOWN);
	creel_future_unref(f);
}

CASE(c37_shutting_down_fails_what_waits_for_its_input, 0)
{
	struct ct_count *freed = ct_count_new(), *ran = ct_count_new();
	const creel_submit_options options = {.arg_free = arg_free_count, .arg_ctx = freed};
	for (int how = 0; how < 2; how++) {
		creel_executor *ex = ct_executor();
		creel_future *f = creel_promise_new();
		creel_future *g = creel_then_with(f, ex, task_nothing, NULL, 0, &options);
		creel_future *h = creel_finally_with(f, ex, task_count, &ran, sizeof ran, &options);
		if (how)
			ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), 0);
		creel_executor_unref(ex);
		shut_down(g);
		shut_down(h);
		ct_int(ct_count_get(freed), 2 * how + 2);
		end(f, RESULT);
		creel_future_unref(f);
	}
	ct_int(ct_count_get(ran), 0);
}

/* The input has failed: its error lies beneath. */
CASE(c37_a_refused_continuation_fails_and_does_not_run, 0)
{
	struct ct_count *freed = ct_count_new(), *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), 0);
	creel_future *f = creel_promise_new();
	end(f, ERROR);
	creel_future *g = creel_finally_with(
		f, ex, task_count, &ran, sizeof ran,
		&(creel_submit_options){.arg_free = arg_free_count, .arg_ctx = freed});
	ct_int(creel_future_error(g)->kind, CREEL_KIND_SHUT_DOWN);
	ct_assert(creel_error_cause(creel_future_error(g), 0) == creel_future_error(f));
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

CASE(c37_delay_and_expiry_count_from_the_end_of_the_input, CT_INPROC)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new(), *g[3];
	for (int i = 0; i < 3; i++)
		g[i] = creel_then_with(f, ex, task_count, &ran, sizeof ran,
				       &(creel_submit_options){.clock = clock,
							       .delay_ns = 10,
							       .expiry_ns = i == 1 ? 100 : 0});
	ct_int(creel_clock_advance(clock, 1000), 0);
	ct_int(ct_count_get(ran), 0);
	end(f, RESULT);
	ct_int(creel_clock_advance(clock, 9), 0);
	for (int i = 0; i < 3; i++)
		ct_int(creel_future_state(g[i]), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(g[2]), CREEL_CANCEL_NOW);
	ct_int(ct_count_get(ran), 0);
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_int(ct_outcome(g[0]), 0);
	ct_int(ct_outcome(g[1]), 0);
	ct_int(ct_count_get(ran), 2);
	for (int i = 0; i < 3; i++)
		creel_future_unref(g[i]);
	creel_future_unref(f);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c37_a_continuation_expires_in_the_queue, CT_ASYNC | CT_INPROC)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	struct ct_hold hold;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = creel_promise_new();
	creel_future *g = creel_then_with(
		f, ex, task_nothing, NULL, 0,
		&(creel_submit_options){.clock = clock, .expiry_ns = 100});
	ct_int(creel_clock_advance(clock, 1000), 0);
	ct_int(creel_future_state(g), CREEL_FUTURE_PENDING);
	end(f, RESULT);
	ct_int(creel_clock_advance(clock, 100), 0);
	ct_int(ct_outcome(g), CREEL_EFAILED);
	ct_int(creel_future_error(g)->kind, CREEL_KIND_EXPIRED);
	ct_release(&hold);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c37_what_waits_for_its_input_counts_as_delayed, 0)
{
	creel_stats stats;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	creel_future *g = creel_then(f, ex, task_nothing, NULL, 0);
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	ct_int(stats.delayed, 1);
	ct_int(stats.pending, 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	end(f, RESULT);
	ct_int(ct_outcome(g), 0);
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	ct_int(stats.delayed, 0);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
}

/* Bytes -> their number, if they are as they should be. */
static int task_measure(creel_task *task, const void *arg, size_t size)
{
	const unsigned char *data;
	size_t n;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, (const void **)&data, &n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (data[i] != i % 251)
			rc = -EILSEQ;
	long result = (long)n;
	return rc ? rc : creel_return(task, &result, sizeof result);
}

CASE(c37_an_input_may_have_any_size, 0)
{
	static const size_t sizes[] = {0, 1, 32, 33, 4096, 100000};
	creel_executor *ex = ct_executor();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		unsigned char *data = malloc(sizes[i] + 1);
		for (size_t k = 0; k < sizes[i]; k++)
			data[k] = (unsigned char)(k % 251);
		creel_future *f = creel_future_of(data, sizes[i]);
		ct_int(ct_long_drop(creel_then(f, ex, task_measure, NULL, 0)), sizes[i]);
		creel_future_unref(f);
		free(data);
	}
	ct_close(ex);
}

/* Checks what it is told of. */
static int task_blamed(creel_task *task, const void *arg, size_t size)
{
	static const char text[] = "the data of an error";
	(void)arg;
	(void)size;
	const creel_error *e = creel_task_input_error(task);
	int rc = creel_task_input(task, NULL, NULL);
	if (rc != CREEL_EFAILED || !e)
		return creel_fail(task, -EPROTO, "no error");
	for (int i = 0; i < 3; i++) {
		const creel_error *cause = creel_error_cause(e, 0);
		if (!cause || e->code != -ENOSPC || strcmp(e->message, "on purpose") != 0)
			return creel_fail(task, -EPROTO, "at %d: %d %s", i, e->code, e->message);
		e = cause;
	}
	if (e->code != -EIO || e->err != EIO || e->kind != CREEL_KIND_FAILED ||
	    strcmp(e->message, "beneath") != 0 || e->size != sizeof text ||
	    memcmp(e->data, text, sizeof text) != 0 || creel_error_cause(e, 0))
		return creel_fail(task, -EPROTO, "the last: %d %s", e->code, e->message);
	return 0;
}

CASE(c37_a_continuation_is_told_all_of_its_inputs_error, 0)
{
	static const char text[] = "the data of an error";
	const int code = -ENOSPC;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new(), *g;
	ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, -EIO, text, sizeof text, "beneath"), 0);
	for (int i = 0; i < 3; i++) {
		g = creel_recover(f, ex, task_fail, &code, sizeof code);
		creel_future_unref(f);
		f = g;
	}
	g = creel_recover(f, ex, task_blamed, NULL, 0);
	int rc = ct_outcome(g);
	ct_text(creel_future_message(g, rc), "no error");
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
}

CASE(c55_a_promise_that_breaks_ends_the_chain, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new(), *g = creel_future_ref(f);
	for (int i = 0; i < 10; i++) {
		creel_future *h = creel_then(g, ex, task_nothing, NULL, 0);
		creel_future_unref(g);
		g = h;
	}
	creel_future_unref(f);
	ct_int(ct_outcome(g), CREEL_EFAILED);
	ct_int(creel_future_error(g)->kind, CREEL_KIND_BROKEN);
	creel_future_unref(g);
	ct_close(ex);
}

static int task_not_continued(creel_task *task, const void *arg, size_t size)
{
	const void *data;
	(void)arg;
	(void)size;
	if (creel_task_input(task, &data, NULL) != -EINVAL || creel_task_input_error(task))
		return -EPROTO;
	return 0;
}

CASE(bad_input_of_a_task_that_continues_nothing, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_not_continued, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(creel_task_input(NULL, NULL, NULL), -EINVAL);
	ct_assert(!creel_task_input_error(NULL));
}

static void bad(creel_future *f, int code, const char *says)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, code);
	ct_has(creel_future_error(f)->message, says);
	creel_future_unref(f);
}

CASE(bad_continuations_are_refused_and_free_their_argument, 0)
{
	creel_executor *ex = ct_executor();
	struct ct_count *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *f = creel_promise_new();
	bad(creel_then_with(NULL, ex, task_nothing, NULL, 0, &o), -EINVAL, "creel_then: f is NULL");
	bad(creel_recover_with(f, NULL, task_nothing, NULL, 0, &o), -EINVAL, "executor is NULL");
	bad(creel_finally_with(f, ex, NULL, NULL, 0, &o), -EINVAL, "function is NULL");
	bad(creel_then_with(f, ex, task_nothing, NULL, 8, &o), -EINVAL, "size is 8");
	o.flags = CREEL_RECOVER_CANCELLED;
	bad(creel_then_with(f, ex, task_nothing, NULL, 0, &o), -EINVAL, "0x8");
	o.flags = 64;
	bad(creel_recover_with(f, ex, task_nothing, NULL, 0, &o), -EINVAL, "0x40");
	o.flags = CREEL_FIXED_RATE;
	bad(creel_then_with(f, ex, task_nothing, NULL, 0, &o), -EINVAL, "0x1");
	o = (creel_submit_options){.arg_free = arg_free_count, .arg_ctx = freed, .period_ns = 9};
	bad(creel_then_with(f, ex, task_nothing, NULL, 0, &o), -EINVAL, "period_ns is 9");
	o.period_ns = 0;
	ct_int(ct_count_get(freed), 8);
	o.flags = CREEL_CANCEL_UPSTREAM;
	bad(creel_submit_with(ex, task_nothing, NULL, 0, &o), -EINVAL, "0x4");
	end(f, RESULT);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c21_continuations_exceed_the_bound_and_hold_no_place_while_they_wait, CT_POOL)
{
	creel_executor *ex = ct_pool((creel_thread_pool_options){
		.max_workers = 1, .capacity = 1, .overflow = CREEL_OVERFLOW_FAIL});
	struct ct_count *ran = ct_count_new();
	creel_future *f = creel_promise_new(), *g[8], *h[2];
	for (int i = 0; i < 8; i++)
		g[i] = creel_then(f, ex, task_count, &ran, sizeof ran);
	ct_int(creel_future_cancel(g[7]), CREEL_CANCEL_NOW);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	h[0] = ct_submit_gated(ex, started, gate, 1);
	h[1] = ct_submit_count(ex, ran);
	ct_int(creel_future_state(h[1]), CREEL_FUTURE_PENDING);
	end(f, RESULT);
	ct_open(gate);
	for (int i = 0; i < 7; i++)
		ct_int(ct_outcome(g[i]), 0);
	ct_int(ct_outcome(h[1]), 0);
	ct_int(ct_count_get(ran), 8);
	ct_int(ct_long_drop(h[0]), 1);
	for (int i = 0; i < 8; i++)
		creel_future_unref(g[i]);
	creel_future_unref(h[1]);
	creel_future_unref(f);
	/* All places have been given back: two fit, and not three. */
	struct ct_count *again = ct_count_new(), *shut = ct_count_new();
	h[0] = ct_submit_gated(ex, again, shut, 1);
	h[1] = ct_submit_count(ex, ran);
	bad(creel_submit(ex, task_nothing, NULL, 0), CREEL_BUSY, "2 tasks");
	ct_open(shut);
	ct_int(ct_long_drop(h[0]), 1);
	ct_int(ct_outcome(h[1]), 0);
	creel_future_unref(h[1]);
	ct_close(ex);
}
