/* SPDX-License-Identifier: MIT */
/* Promises 36 and 55: aggregates. What the tables of truth.c cannot say. */
#include "contract.h"

#include <string.h>

enum combinator { ALL, SETTLED, ANY, RACE, COMBINATORS };

static creel_future *(*const combine[COMBINATORS])(creel_future *const *inputs, size_t n,
						   unsigned flags) = {creel_all, creel_all_settled,
								      creel_any, creel_race};

static long value_of(int i)
{
	return 100 + i;
}

static bool has_array(creel_future *f, creel_future *const *inputs, size_t n)
{
	const void *data;
	size_t size;
	if (creel_future_view(f, CREEL_NOW, &data, &size) || size != n * sizeof *inputs)
		return false;
	return n == 0 || memcmp(data, inputs, size) == 0;
}

/* A final aggregate succeeded as one of its inputs did. */
static bool as_input(creel_future *f, int i)
{
	long value = 0;
	return creel_race_index(f) == i &&
	       creel_future_result(f, CREEL_NOW, &value, sizeof value) == 0 && value == value_of(i);
}

static void succeed(creel_future *f, int i)
{
	long value = value_of(i);
	ct_int(creel_promise_set_result(f, &value, sizeof value), 0);
}

CASE(c36_all_has_the_results_in_the_order_of_the_inputs, 0)
{
	enum { N = 50 };
	creel_executor *ex = ct_executor();
	creel_future *inputs[N];
	for (long i = 0; i < N; i++)
		inputs[i] = creel_submit(ex, task_double, &i, sizeof i);
	creel_future *f = creel_all(inputs, N, 0);
	for (int i = 0; i < N; i++)
		creel_future_unref(inputs[i]);
	const void *data;
	size_t size;
	ct_int(creel_future_view(f, CT_GUARD, &data, &size), 0);
	ct_int(size, sizeof inputs);
	ct_assert(memcmp(data, inputs, size) == 0);
	for (int i = 0; i < N; i++)
		ct_int(ct_long(((creel_future *const *)data)[i]), 2L * i);
	/* Whoever takes the array has the inputs. */
	creel_buffer taken;
	ct_int(creel_future_take(f, CREEL_NOW, &taken), 0);
	creel_future_unref(f);
	ct_int(ct_long(((creel_future **)taken.data)[N - 1]), 2L * (N - 1));
	taken.free(taken.data, taken.size, taken.ctx);
	ct_close(ex);
}

CASE(c36_the_rest_is_cancelled_or_killed_if_a_flag_says_so, CT_ASYNC)
{
	static const unsigned flags[] = {0, CREEL_CANCEL_REST, CREEL_KILL_REST};
	for (int i = 0; i < 3; i++) {
		creel_executor *ex = ct_executor();
		bool killed = flags[i] == CREEL_KILL_REST && !ct_is(CT_INPROC);
		struct ct_sleeper s = {ct_count_new(), killed};
		creel_future *running = creel_submit(ex, task_until_asked, &s, sizeof s);
		creel_future *winner = creel_promise_new();
		creel_future *inputs[] = {running, winner, creel_after(NULL, CREEL_FOREVER)};
		creel_future *f = creel_race(inputs, 3, flags[i]);
		ct_count_await(s.started, 1);
		ct_int(creel_promise_set_result(winner, NULL, 0), 0);
		/* By then the others have been asked. */
		ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
		ct_int(creel_race_index(f), 1);
		ct_int(creel_future_state(inputs[2]),
		       flags[i] ? CREEL_FUTURE_CANCELLED : CREEL_FUTURE_PENDING);
		if (!flags[i])
			ct_int(creel_future_cancel(running), CREEL_CANCEL_REQUESTED);
		ct_int(ct_outcome(running), killed ? CREEL_EFAILED : -ECANCELED);
		if (killed)
			ct_int(creel_future_error(running)->kind, CREEL_KIND_KILLED);
		creel_future_cancel(inputs[2]);
		for (int k = 0; k < 3; k++)
			creel_future_unref(inputs[k]);
		creel_future_unref(f);
		ct_close(ex);
	}
}

/* Cancelled while it pends: the inputs go on, unless a flag says otherwise. */
CASE(c36_a_cancelled_aggregate_leaves_its_inputs_or_cancels_them, CT_ASYNC)
{
	for (int c = 0; c < COMBINATORS; c++)
		for (unsigned flags = 0; flags <= CREEL_CANCEL_REST; flags += CREEL_CANCEL_REST) {
			struct ct_hold h;
			creel_executor *ex = ct_executor();
			ct_hold(&h, ex);
			long seven = 7;
			creel_future *input = creel_submit(ex, task_same, &seven, sizeof seven);
			creel_future *f = combine[c](&input, 1, flags);
			ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
			ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
			ct_int(creel_race_index(f), -ENOENT);
			ct_int(creel_future_state(input),
			       flags ? CREEL_FUTURE_CANCELLED : CREEL_FUTURE_PENDING);
			ct_release(&h);
			ct_int(ct_outcome(input), flags ? -ECANCELED : 0);
			creel_future_unref(input);
			creel_future_unref(f);
			ct_close(ex);
		}
}

static void told(void *ctx, const creel_error *e)
{
	(void)e;
	ct_count_add(ctx, 1);
}

/* What fails before a success counts as read; if all fail, the aggregate is heard of instead. */
CASE(c36_failures_before_a_success_are_not_told, CT_COUNTS)
{
	for (int last_fails = 0; last_fails < 2; last_fails++) {
		struct ct_count *heard = ct_count_new();
		creel_executor *ex = ct_initialized_told(NULL, told, heard);
		creel_future *in[] = {creel_submit(ex, task_fail, &(int){-EIO}, sizeof(int)),
				      creel_promise_new()};
		creel_future *f = creel_any(in, 2, 0);
		creel_future_unref(in[0]);
		ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		if (last_fails)
			ct_int(creel_promise_fail(in[1], CREEL_KIND_FAILED, -1, NULL, 0, "it"), 0);
		else
			ct_int(creel_promise_set_result(in[1], NULL, 0), 0);
		creel_future_unref(in[1]);
		ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
		creel_future_unref(f);
		ct_close(ex);
		ct_int(ct_count_get(heard), last_fails);
	}
}

CORE_CASE(c36_losers_are_left_and_leave_nothing_behind)
{
	creel_future *inputs[] = {creel_promise_new(), NULL};
	long before = ct_live_blocks();
	for (unsigned i = 0, n = ct_scaled(20000); i < n; i++) {
		long value = value_of(1);
		inputs[1] = creel_promise_new();
		creel_future *f = creel_race(inputs, 2, 0);
		ct_int(creel_promise_set_result(inputs[1], &value, sizeof value), 0);
		ct_assert(as_input(f, 1));
		creel_future_unref(inputs[1]);
		creel_future_unref(f);
	}
	ct_int(ct_live_blocks(), before);
	creel_future_unref(inputs[0]);
}

CORE_CASE(c36_the_same_future_may_be_several_inputs)
{
	for (int c = 0; c < COMBINATORS; c++) {
		creel_future *p = creel_promise_new(), *inputs[] = {p, p, p};
		creel_future *f = combine[c](inputs, 3, CREEL_CANCEL_REST);
		succeed(p, 0);
		if (c == ALL || c == SETTLED)
			ct_assert(has_array(f, inputs, 3));
		else
			ct_assert(as_input(f, 0));
		creel_future_unref(p);
		creel_future_unref(f);
	}
}

CORE_CASE(c36_no_inputs)
{
	for (int c = 0; c < COMBINATORS; c++) {
		creel_future *f = combine[c](NULL, 0, 0);
		if (c == ALL || c == SETTLED) {
			ct_assert(has_array(f, NULL, 0));
		} else {
			ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
			ct_int(creel_future_error(f)->code, -EINVAL);
			ct_has(creel_future_error(f)->message, "n is 0");
		}
		creel_future_unref(f);
	}
}

/* Nobody else holds it: dropping it breaks it, and the aggregate ends. */
CORE_CASE(c55_a_broken_promise_ends_the_aggregate)
{
	for (int c = 0; c < COMBINATORS; c++) {
		creel_future *p = creel_promise_new();
		creel_future *f = combine[c](&p, 1, 0);
		creel_future_unref(p);
		if (c == SETTLED) {
			ct_assert(has_array(f, &p, 1));
			ct_int(creel_future_error(p)->kind, CREEL_KIND_BROKEN);
		} else {
			ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
			const creel_error *e = creel_future_error(f);
			ct_int((c == ANY ? creel_error_cause(e, 0) : e)->kind, CREEL_KIND_BROKEN);
		}
		creel_future_unref(f);
	}
}

CORE_CASE(c55_a_result_is_shared_with_the_winner)
{
	char data[1000] = "in a box";
	creel_future *p = creel_promise_new();
	creel_future *f = creel_any(&p, 1, 0), *g = creel_race(&f, 1, 0);
	const void *there, *here;
	size_t size;
	ct_int(creel_promise_set_result(p, data, sizeof data), 0);
	ct_int(creel_future_view(p, CREEL_NOW, &there, NULL), 0);
	creel_future_unref(p);
	creel_future_unref(f);
	ct_int(creel_future_view(g, CREEL_NOW, &here, &size), 0);
	ct_assert(here == there && size == sizeof data);
	creel_future_unref(g);
}

enum { DEEP = 20000 };

/* One around the other. What is inside is returned; the outermost in *ret_f. */
static creel_future *nest(enum combinator c, unsigned flags, creel_future **ret_f)
{
	creel_future *p = creel_promise_new(), *f = creel_future_ref(p);
	for (int i = 0; i < DEEP; i++) {
		creel_future *outer = combine[c](&f, 1, flags);
		creel_future_unref(f);
		f = outer;
	}
	*ret_f = f;
	return p;
}

CORE_CASE(c36_any_nesting_needs_constant_stack)
{
	long before = ct_live_blocks();
	for (int c = 0; c < COMBINATORS; c++) {
		creel_future *f, *p = nest(c, 0, &f);
		if (c == ANY)
			ct_int(creel_promise_fail(p, CREEL_KIND_FAILED, -1, NULL, 0, "it"), 0);
		else
			succeed(p, 0);
		ct_assert(creel_future_state(f) == CREEL_FUTURE_FINISHED);
		creel_future_unref(f);
		creel_future_unref(p);
		/* Dropped while it pends, and then cancelled, with all that is inside. */
		p = nest(c, CREEL_CANCEL_REST, &f);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		ct_int(creel_future_state(p), CREEL_FUTURE_CANCELLED);
		creel_future_unref(f);
		creel_future_unref(p);
		p = nest(c, 0, &f);
		creel_future_unref(f);
		creel_future_unref(p);
	}
	ct_int(ct_live_blocks(), before);
}

CORE_CASE(c36_many_inputs)
{
	enum { N = 100000 };
	creel_future **inputs = malloc(N * sizeof *inputs);
	ct_assert(inputs != NULL);
	for (int i = 0; i < N; i++)
		inputs[i] = creel_promise_new();
	creel_future *f = creel_all(inputs, N, 0), *g = creel_race(inputs, N, 0);
	for (int i = N; i-- > 0;)
		succeed(inputs[i], i);
	ct_assert(has_array(f, inputs, N));
	ct_assert(as_input(g, N - 1));
	creel_future_unref(g);
	for (int i = 0; i < N; i++)
		creel_future_unref(inputs[i]);
	creel_future_unref(f);
	free(inputs);
}

/* A callback that cancels the other input, and one that drops the aggregate. */
static void cancel_it(creel_future *f, void *arg)
{
	(void)f;
	creel_future_cancel(arg);
}

static void drop_it(creel_future *f, void *arg)
{
	(void)f;
	creel_future_unref(arg);
}

CORE_CASE(c36_callbacks_may_cancel_and_drop_what_is_going_on)
{
	for (int c = 0; c < COMBINATORS; c++) {
		creel_future *inputs[] = {creel_promise_new(), creel_promise_new()};
		ct_int(creel_future_on_done(inputs[0], NULL, cancel_it, inputs[1], NULL, NULL), 0);
		creel_future *f = combine[c](inputs, 2, CREEL_CANCEL_REST);
		ct_int(creel_future_on_done(inputs[1], NULL, drop_it, f, NULL, NULL), 0);
		ct_int(creel_future_cancel(inputs[0]), CREEL_CANCEL_NOW);
		ct_int(creel_future_state(inputs[1]), CREEL_FUTURE_CANCELLED);
		creel_future_unref(inputs[0]);
		creel_future_unref(inputs[1]);
	}
}

static void refused(creel_future *f, int kind, int code, const char *says)
{
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, kind);
	ct_int(creel_future_error(f)->code, code);
	ct_has(creel_future_error(f)->message, says);
	creel_future_unref(f);
}

CORE_CASE(bad_input_of_aggregates)
{
	creel_future *p = creel_promise_new(), *inputs[] = {p, NULL};
	for (int c = 0; c < COMBINATORS; c++) {
		refused(combine[c](NULL, 3, 0), CREEL_KIND_REJECTED, -EINVAL, "n is 3");
		refused(combine[c](inputs, 2, 0), CREEL_KIND_REJECTED, -EINVAL, "index 1");
		refused(combine[c](inputs, 1, 6), CREEL_KIND_REJECTED, -EINVAL, "0x6");
		refused(combine[c](inputs, SIZE_MAX / 8, 0), CREEL_KIND_REJECTED, -EINVAL,
			"so large");
	}
	ct_int(creel_future_state(p), CREEL_FUTURE_PENDING);
	ct_int(creel_race_index(NULL), -EINVAL);
	ct_int(creel_race_index(p), -EINVAL);
	/* It is no promise. */
	creel_future *f = creel_race(&p, 1, 0);
	ct_int(creel_promise_set_result(f, NULL, 0), -EINVAL);
	creel_future_unref(p);
	creel_future_unref(f);
}

CORE_CASE(rule_aggregates_without_memory_fail)
{
	creel_future *inputs[] = {creel_promise_new(), creel_promise_new()};
	long before = ct_live_blocks();
	for (int c = 0; c < COMBINATORS; c++) {
		unsigned failed = 1;
		for (unsigned i = 1; failed; i++) {
			ct_fault_arm(CT_FAULT_MEMORY, i, false);
			creel_future *f = combine[c](inputs, 2, 0);
			failed = ct_fault_failed();
			ct_fault_off();
			if (failed)
				refused(f, CREEL_KIND_NO_MEMORY, -ENOMEM, "memory");
			creel_future_cancel(failed ? NULL : f);
			creel_future_unref(failed ? NULL : f);
		}
	}
	ct_int(ct_live_blocks(), before);
	creel_future_unref(inputs[0]);
	creel_future_unref(inputs[1]);
}
