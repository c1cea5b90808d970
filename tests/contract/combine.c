/* SPDX-License-Identifier: MIT */
/* Promises 36 and 55: aggregates. A truth table over what two inputs do, and what the table cannot
 * say. */
#include "contract.h"

#include <string.h>

enum combinator { ALL, SETTLED, ANY, RACE, COMBINATORS };

static creel_future *(*const combine[COMBINATORS])(creel_future *const *inputs, size_t n,
						   unsigned flags) = {creel_all, creel_all_settled,
								      creel_any, creel_race};

/* What an input does. */
enum does { SUCCEEDS, FAILS, IS_CANCELLED, TIMES_OUT, ALREADY, NEVER, SORTS };

/* How an aggregate ends: as the input with that index, or: */
enum {
	PENDS = -1,
	WITH_ARRAY = -2,
	WITH_ALL_ERRORS = -3,
	CANCELLED_LIKE_ALL = -4,
};

/* first and second: indices, in the order in which the inputs end. */
static int expected(enum combinator c, const enum does *inputs, int first, int second)
{
	const int order[2] = {first, second};
	int ended = 0, cancelled = 0;
	for (int k = 0; k < 2; k++) {
		enum does d = inputs[order[k]];
		bool success = d == SUCCEEDS || d == ALREADY;
		if (d == NEVER)
			continue;
		if (c == RACE || (c == ANY && success) || (c == ALL && !success))
			return order[k];
		ended++;
		cancelled += d == IS_CANCELLED;
	}
	if (ended < 2)
		return PENDS;
	if (c == ANY)
		return cancelled == 2 ? CANCELLED_LIKE_ALL : WITH_ALL_ERRORS;
	return WITH_ARRAY;
}

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

/* A final aggregate ended as one of its inputs did. */
static bool as_input(creel_future *f, creel_future *input, int i)
{
	long value = 0;
	const creel_error *e = creel_future_error(f), *its = creel_future_error(input);
	if (creel_race_index(f) != i)
		return false;
	if (its)
		return e && e->kind == its->kind && e->code == its->code &&
		       strcmp(e->message, its->message) == 0;
	return !e && creel_future_result(f, CREEL_NOW, &value, sizeof value) == 0 &&
	       value == value_of(i);
}

static bool with_all_errors(creel_future *f, creel_future *const *inputs)
{
	const creel_error *e = creel_future_error(f);
	return e && e->kind == CREEL_KIND_FAILED && creel_race_index(f) == -ENOENT &&
	       creel_error_cause(e, 0) == creel_future_error(inputs[0]) &&
	       creel_error_cause(e, 1) == creel_future_error(inputs[1]) && !creel_error_cause(e, 2);
}

static bool ended_so(creel_future *f, creel_future *const *inputs, int how)
{
	int state = creel_future_state(f);
	if (how == PENDS)
		return state == CREEL_FUTURE_PENDING && creel_race_index(f) == -EAGAIN;
	if (state != CREEL_FUTURE_FINISHED && state != CREEL_FUTURE_CANCELLED)
		return false;
	if (how == WITH_ARRAY)
		return has_array(f, inputs, 2) && creel_race_index(f) == -ENOENT;
	if (how == WITH_ALL_ERRORS)
		return with_all_errors(f, inputs);
	if (how == CANCELLED_LIKE_ALL)
		return state == CREEL_FUTURE_CANCELLED && creel_race_index(f) == -ENOENT;
	return as_input(f, inputs[how], how);
}

/* An input that has not ended, unless it has already. */
static creel_future *input_new(enum does does, int i)
{
	long value = value_of(i);
	return does == ALREADY ? creel_future_of(&value, sizeof value) : creel_promise_new();
}

static void end_input(creel_future *f, enum does does, int i)
{
	long value = value_of(i);
	if (does == SUCCEEDS)
		ct_int(creel_promise_set_result(f, &value, sizeof value), 0);
	else if (does == IS_CANCELLED)
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	else if (does == FAILS || does == TIMES_OUT)
		ct_int(creel_promise_fail(f,
					  does == FAILS ? CREEL_KIND_FAILED : CREEL_KIND_TIMED_OUT,
					  -10 - i, NULL, 0, "input %d", i),
		       0);
}

static void row(enum combinator c, const enum does *does, int first)
{
	creel_future *inputs[2] = {input_new(does[0], 0), input_new(does[1], 1)};
	creel_future *f = combine[c](inputs, 2, 0);
	end_input(inputs[first], does[first], first);
	end_input(inputs[!first], does[!first], !first);
	/* What has ended already comes first. */
	int lead = does[0] == ALREADY ? 0 : does[1] == ALREADY ? 1 : first;
	int how = expected(c, does, lead, !lead);
	if (!ended_so(f, inputs, how))
		ct_fail(__FILE__, __LINE__, "combinator %d, inputs %d and %d, %d first: not %d", c,
			does[0], does[1], first, how);
	creel_future_unref(f);
	creel_future_unref(inputs[0]);
	creel_future_unref(inputs[1]);
}

CORE_CASE(c36_aggregates_end_by_the_table)
{
	long before = ct_live_blocks();
	for (int c = 0; c < COMBINATORS; c++)
		for (int i = 0; i < SORTS * SORTS * 2; i++) {
			const enum does does[2] = {i / 2 % SORTS, i / 2 / SORTS};
			row(c, does, i % 2);
		}
	ct_int(ct_live_blocks(), before);
}

/* The same of an executor's tasks. What inputs do is as above, their order is the executor's. */
static creel_future *input_of(creel_executor *ex, enum does does, int i)
{
	long value = value_of(i);
	int code = -10 - i;
	creel_future *f;
	switch (does) {
	case SUCCEEDS:
		return creel_submit(ex, task_same, &value, sizeof value);
	case FAILS:
		return creel_submit(ex, task_fail, &code, sizeof code);
	case IS_CANCELLED:
		f = creel_after(NULL, CREEL_FOREVER);
		creel_future_cancel(f);
		return f;
	case TIMES_OUT:
		return creel_future_failed(CREEL_KIND_TIMED_OUT, code, "input %d", i);
	case ALREADY:
		return creel_future_of(&value, sizeof value);
	default:
		return creel_after(NULL, CREEL_FOREVER);
	}
}

static void row_on(creel_executor *ex, enum combinator c, const enum does *does)
{
	creel_future *inputs[2] = {input_of(ex, does[0], 0), input_of(ex, does[1], 1)};
	creel_future *f = combine[c](inputs, 2, 0);
	int how[2] = {expected(c, does, 0, 1), expected(c, does, 1, 0)};
	if (how[0] != PENDS)
		(void)ct_outcome(f);
	for (int i = 0; i < 2; i++)
		if (does[i] != NEVER)
			(void)ct_outcome(inputs[i]);
	if (!ended_so(f, inputs, how[0]) && !ended_so(f, inputs, how[1]))
		ct_fail(__FILE__, __LINE__, "combinator %d, inputs %d and %d: neither %d nor %d", c,
			does[0], does[1], how[0], how[1]);
	creel_future_cancel(f);
	creel_future_unref(f);
	for (int i = 0; i < 2; i++) {
		creel_future_cancel(inputs[i]);
		creel_future_unref(inputs[i]);
	}
}

CASE(c36_aggregates_of_tasks_end_by_the_table, 0)
{
	creel_executor *ex = ct_executor();
	for (int c = 0; c < COMBINATORS; c++)
		for (int i = 0; i < SORTS * SORTS; i++) {
			const enum does does[2] = {i % SORTS, i / SORTS};
			row_on(ex, c, does);
		}
	ct_close(ex);
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
		ct_assert(as_input(f, inputs[1], 1));
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
		end_input(p, SUCCEEDS, 0);
		if (c == ALL || c == SETTLED)
			ct_assert(has_array(f, inputs, 3));
		else
			ct_assert(as_input(f, p, 0));
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
		end_input(p, c == ANY ? FAILS : SUCCEEDS, 0);
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
		end_input(inputs[i], SUCCEEDS, i);
	ct_assert(has_array(f, inputs, N));
	ct_assert(as_input(g, inputs[N - 1], N - 1));
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
