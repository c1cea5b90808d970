/* SPDX-License-Identifier: MIT */
/* Promises 38, 49 and 54: cancellation tokens, and tasks that stop when they are asked to. */
#include "contract.h"

#include <string.h>

#define GONE "the client has gone"

/* Keeps its worker, which a sleeper would not. */
static int task_busy_until_asked(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *started;
	(void)size;
	memcpy(&started, arg, sizeof started);
	ct_count_add(started, 1);
	while (!creel_task_cancelled(task))
		ct_breathe();
	return -ECANCELED;
}

static creel_future *submit(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
			    creel_token *token)
{
	return creel_submit_with(ex, fn, arg, size, &(creel_submit_options){.token = token});
}

/* Its error is the token's. */
static const creel_error *for_that_reason(creel_future *f, int code, const char *reason)
{
	const creel_error *e = creel_future_error(f);
	ct_int(ct_outcome(f), -ECANCELED);
	ct_int(e->kind, CREEL_KIND_CANCELLED);
	ct_int(e->code, code);
	ct_text(e->message, reason);
	return e;
}

CASE(c49_a_token_cancels_what_runs_and_what_waits, CT_ASYNC)
{
	enum { N = 4 };
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	struct ct_count *started = ct_count_new();
	unsigned width = ct_width();
	creel_future **running = malloc(width * sizeof *running), *waiting[N];
	struct ct_count *freed = ct_count_new();
	ct_assert(running != NULL);
	for (unsigned i = 0; i < width; i++)
		running[i] = submit(ex, task_busy_until_asked, &started, sizeof started, token);
	ct_count_await(started, width);
	for (int i = 0; i < N; i++)
		waiting[i] = creel_submit_with(ex, task_nothing, NULL, 0,
					       &(creel_submit_options){.token = token,
								       .name = i ? NULL : "first",
								       .arg_free = arg_free_count,
								       .arg_ctx = freed});
	ct_assert(creel_token_reason(token) == NULL);
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	for (int i = 0; i < N; i++) {
		ct_int(creel_future_state(waiting[i]), CREEL_FUTURE_CANCELLED);
		ct_text(for_that_reason(waiting[i], -EPIPE, GONE)->task, i ? "" : "first");
		creel_future_unref(waiting[i]);
	}
	ct_int(ct_count_get(freed), N);
	for (unsigned i = 0; i < width; i++) {
		(void)ct_outcome(running[i]);
		const creel_error *e = for_that_reason(running[i], -EPIPE, GONE);
		ct_has(creel_error_cause(e, 0)->message, "stopped when it was asked to");
		creel_future_unref(running[i]);
	}
	free(running);
	ct_int(creel_token_cancel(token, 0, NULL, 0), -EALREADY);
	ct_text(creel_token_reason(token)->message, GONE);
	creel_token_unref(token);
	ct_close(ex);
}

/* Where tasks run within submit, and elsewhere. */
static void *cancel_when_started(void *arg)
{
	creel_token **token = arg;
	struct ct_count *started = (struct ct_count *)token[1];
	ct_count_await(started, 1);
	ct_int(creel_token_cancel(token[0], 0, GONE, 0), 0);
	return NULL;
}

CASE(c49_a_token_wakes_what_sleeps, 0)
{
	creel_executor *ex = ct_executor();
	struct ct_sleeper s = {ct_count_new(), false};
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_token *arg[] = {token, (creel_token *)s.started};
	struct ct_thread *canceller = ct_thread_start(cancel_when_started, arg);
	creel_future *f = submit(ex, task_until_asked, &s, sizeof s, token);
	(void)ct_outcome(f);
	for_that_reason(f, -ECANCELED, GONE);
	ct_thread_join(canceller);
	creel_future_unref(f);
	creel_token_unref(token);
	ct_close(ex);
}

CASE(c49_a_cancelled_token_cancels_at_once, 0)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	const creel_submit_options o = {
		.token = token, .name = "late", .arg_free = arg_free_count, .arg_ctx = freed};
	ct_int(creel_token_cancel(token, -7, GONE, 0), 0);
	creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &o), *g = NULL;
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_text(for_that_reason(f, -7, GONE)->task, "late");
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	ct_int(creel_try_submit(ex, task_count, &ran, sizeof ran, &o, &g), -ECANCELED);
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_spawn(ex, task_count, &ran, sizeof ran, &o), -ECANCELED);
	ct_int(ct_count_get(freed), 2);
	size_t accepted = 77;
	ct_int(creel_submit_many(ex, task_count, &ran, sizeof ran, 1, &o, NULL, &accepted),
	       -ECANCELED);
	ct_int(accepted, 0);
	creel_token_unref(token);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

CASE(c49_what_runs_in_processes_is_killed_if_a_flag_says_so, CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	struct ct_sleeper s = {ct_count_new(), !ct_is(CT_INPROC)};
	creel_future *f = submit(ex, task_until_asked, &s, sizeof s, token);
	ct_count_await(s.started, 1);
	ct_int(creel_token_cancel(token, 0, GONE, CREEL_KILL_REST), 0);
	ct_int(ct_outcome(f), s.deaf ? CREEL_EFAILED : -ECANCELED);
	if (s.deaf)
		ct_int(creel_future_error(f)->kind, CREEL_KIND_KILLED);
	creel_future_unref(f);
	creel_token_unref(token);
	ct_close(ex);
}

/* Delayed and periodic tasks are not with their executor. */
CASE(c49_tasks_that_are_not_due_are_cancelled, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	struct ct_count *ran = ct_count_new();
	creel_submit_options o = {.token = token, .clock = clock, .delay_ns = 10};
	creel_future *once = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	o.period_ns = 10;
	creel_future *again = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	ct_int(creel_token_cancel(token, 0, GONE, 0), 0);
	ct_int(creel_future_state(once), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_state(again), CREEL_FUTURE_CANCELLED);
	for_that_reason(once, -ECANCELED, GONE);
	for_that_reason(again, -ECANCELED, GONE);
	ct_int(creel_clock_advance(clock, 100), 0);
	ct_int(ct_count_get(ran), 0);
	creel_future_unref(once);
	creel_future_unref(again);
	creel_token_unref(token);
	creel_clock_unref(clock);
	ct_close(ex);
}

/* A continuation that waits for its input; and one whose input ends first. */
CASE(c49_continuations_have_tokens, 0)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	const creel_submit_options o = {.token = token};
	creel_future *input = creel_promise_new();
	creel_future *ended = creel_future_of(NULL, 0);
	creel_future *done = creel_then_with(ended, ex, task_nothing, NULL, 0, &o);
	creel_future *f = creel_then_with(input, ex, task_nothing, NULL, 0, &o);
	ct_int(ct_outcome(done), 0);
	ct_int(creel_token_cancel(token, -9, GONE, 0), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	for_that_reason(f, -9, GONE);
	creel_future *late = creel_then_with(input, ex, task_nothing, NULL, 0, &o);
	ct_int(creel_future_state(late), CREEL_FUTURE_CANCELLED);
	for_that_reason(late, -9, GONE);
	creel_future_unref(late);
	creel_future_unref(f);
	creel_future_unref(done);
	creel_future_unref(ended);
	creel_future_unref(input);
	creel_token_unref(token);
	ct_close(ex);
}

/* Cancels its own token, and sees that it is asked. */
static int task_cancels_its_token(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	if (creel_task_cancelled(task) || creel_token_cancel(creel_task_token(task), 0, GONE, 0))
		return -EIO;
	return creel_task_cancelled(task) ? -ECANCELED : 0;
}

/* Also within the call that makes it. */
CASE(c49_a_continuation_that_runs_at_once_hears_of_its_token, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_future *input = creel_future_of(NULL, 0);
	creel_future *f = creel_then_with(input, ex, task_cancels_its_token, NULL, 0,
					  &(creel_submit_options){.token = token});
	ct_int(ct_outcome(f), -ECANCELED);
	for_that_reason(f, -ECANCELED, GONE);
	creel_future_unref(f);
	creel_future_unref(input);
	creel_token_unref(token);
	ct_close(ex);
}

/* Its function runs, and it ends for the token's reason. */
CASE(c49_a_finally_ends_for_the_reason_of_its_token, 0)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_future *input = creel_promise_new();
	creel_future *f = creel_finally_with(input, ex, task_nothing, NULL, 0,
					     &(creel_submit_options){.token = token});
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	(void)ct_outcome(f);
	ct_has(creel_error_cause(for_that_reason(f, -EPIPE, GONE), 0)->message, "has run");
	creel_future_unref(f);
	creel_future_unref(input);
	creel_token_unref(token);
	ct_close(ex);
}

/* A token that lives long keeps nothing of what has ended. */
CASE(c38_what_has_ended_leaves_its_token, 0)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	long before = 0;
	for (int i = 0; i < 300; i++) {
		long seven = 7;
		ct_int(ct_long_drop(submit(ex, task_same, &seven, sizeof seven, token)), 7);
		if (i == 100) {
			ct_int(creel_executor_drain(ex, CT_GUARD), 0);
			before = ct_live_blocks();
		}
	}
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	/* Threads keep a few blocks, but not one a task. */
	ct_assert(ct_live_blocks() < before + 100);
	/* The task is the last that has it. */
	creel_future *f = submit(ex, task_nothing, NULL, 0, token);
	creel_token_unref(token);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
}

static int task_hands_on(creel_task *task, const void *arg, size_t size)
{
	creel_executor *ex;
	creel_future *f;
	(void)size;
	memcpy(&ex, arg, sizeof ex);
	if (!creel_task_token(task))
		return -ENOENT;
	f = creel_submit_with(ex, task_nothing, NULL, 0,
			      &(creel_submit_options){.token = creel_task_token(task),
						      .delay_ns = CREEL_S(3600)});
	return creel_return(task, &f, sizeof f);
}

static int task_has_token(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_task_token(task) ? -EEXIST : 0;
}

CASE(c49_a_task_hands_its_token_on, 0)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	if (ct_is(CT_INPROC)) {
		creel_future *inner, *f = submit(ex, task_hands_on, &ex, sizeof ex, token);
		ct_int(creel_future_result(f, CT_GUARD, &inner, sizeof inner), 0);
		ct_int(creel_token_cancel(token, 0, GONE, 0), 0);
		for_that_reason(inner, -ECANCELED, GONE);
		creel_future_unref(inner);
		creel_future_unref(f);
	} else {
		creel_future *f = submit(ex, task_has_token, NULL, 0, token);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
	}
	creel_future *f = creel_submit(ex, task_has_token, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	creel_token_unref(token);
	ct_close(ex);
}

/* Stopping is no failure: nobody is told of it, and aggregates are cancelled by it. */
static void told(void *ctx, const creel_error *e)
{
	(void)e;
	ct_count_add(ctx, 1);
}

CASE(c54_what_stops_when_asked_counts_as_cancelled, CT_ASYNC | CT_COUNTS)
{
	struct ct_count *heard = ct_count_new();
	creel_executor *ex = ct_initialized_told(NULL, told, heard);
	struct ct_sleeper s = {ct_count_new(), false};
	creel_future *f = creel_submit(ex, task_until_asked, &s, sizeof s);
	creel_future *all = creel_all(&f, 1, 0), *any = creel_any(&f, 1, 0);
	ct_count_await(s.started, 1);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	creel_future_unref(f);
	ct_int(ct_outcome(all), -ECANCELED);
	ct_int(ct_outcome(any), -ECANCELED);
	ct_int(creel_future_state(all), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_state(any), CREEL_FUTURE_CANCELLED);
	creel_future_unref(all);
	creel_future_unref(any);
	ct_close(ex);
	ct_int(ct_count_get(heard), 0);
}

static void note(creel_token *token, void *arg)
{
	ct_assert(creel_token_reason(token) != NULL);
	ct_count_add(arg, 1);
}

CORE_CASE(c38_functions_are_called_once_or_removed)
{
	struct ct_count *called = ct_count_new(), *freed = ct_count_new();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	uint64_t id[20];
	for (int i = 0; i < 20; i++)
		ct_int(creel_token_on_cancel(token, note, called, free_count, &id[i]), 0);
	for (int i = 0; i < 20; i += 2)
		ct_int(creel_token_remove(token, id[i]), CREEL_CALLBACK_REMOVED);
	/* Its place is used again, its id is not. */
	ct_int(creel_token_on_cancel(token, note, freed, NULL, NULL), 0);
	for (int i = 0; i < 20; i += 2)
		ct_int(creel_token_remove(token, id[i]), CREEL_CALLBACK_DONE);
	ct_int(ct_count_get(called), 10);
	ct_int(creel_token_cancel(token, 0, NULL, 0), 0);
	/* Ten by free_count(), ten by note(), ten by free_count(). */
	ct_int(ct_count_get(called), 30);
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_token_remove(token, id[1]), CREEL_CALLBACK_DONE);
	ct_int(creel_token_remove(token, 0), CREEL_CALLBACK_DONE);
	id[0] = 77;
	ct_int(creel_token_on_cancel(token, note, called, free_count, &id[0]), 0);
	ct_int(id[0], 0);
	ct_int(ct_count_get(called), 32);
	creel_token_unref(token);
}

/* It looks for itself, removes its neighbour, cancels again and registers once more. */
struct meddler {
	uint64_t own, other;
	struct ct_count *called;
};

static void meddle(creel_token *token, void *arg)
{
	const struct meddler *m = arg;
	ct_int(creel_token_remove(token, m->own), CREEL_CALLBACK_RUNNING);
	ct_int(creel_token_remove(token, m->other), CREEL_CALLBACK_REMOVED);
	ct_int(creel_token_cancel(token, 0, NULL, 0), -EALREADY);
	ct_int(creel_token_on_cancel(token, note, m->called, NULL, NULL), 0);
	ct_int(ct_count_get(m->called), 1);
	/* It must not block. */
	creel_future *f = creel_promise_new();
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), -EDEADLK);
	creel_future_unref(f);
}

CORE_CASE(c38_functions_may_use_the_token)
{
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	struct ct_count *other = ct_count_new();
	struct meddler m = {.called = ct_count_new()};
	/* The newest is called first. */
	ct_int(creel_token_on_cancel(token, note, other, NULL, &m.other), 0);
	ct_int(creel_token_on_cancel(token, meddle, &m, NULL, &m.own), 0);
	ct_int(creel_token_cancel(token, 0, NULL, 0), 0);
	ct_int(ct_count_get(other), 0);
	creel_token_unref(token);
}

CORE_CASE(c49_descendants_are_cancelled_for_the_same_reason)
{
	creel_token *root = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_token *left = creel_token_new(root, NULL, CREEL_FOREVER);
	creel_token *right = creel_token_new(root, NULL, CREEL_FOREVER);
	creel_token *leaf = creel_token_new(right, NULL, CREEL_FOREVER);
	struct ct_count *called = ct_count_new();
	ct_int(creel_token_on_cancel(left, note, called, NULL, NULL), 0);
	ct_int(creel_token_on_cancel(leaf, note, called, NULL, NULL), 0);
	/* Nobody else holds it: the leaf does. */
	creel_token_unref(right);
	ct_int(creel_token_cancel(left, -1, "left", 0), 0);
	ct_int(ct_count_get(called), 1);
	ct_assert(creel_token_reason(root) == NULL && creel_token_reason(leaf) == NULL);
	ct_int(creel_token_cancel(root, -2, "root", 0), 0);
	ct_int(ct_count_get(called), 2);
	ct_text(creel_token_reason(left)->message, "left");
	ct_text(creel_token_reason(leaf)->message, "root");
	ct_int(creel_token_reason(leaf)->code, -2);
	creel_token *late = creel_token_new(leaf, NULL, CREEL_FOREVER);
	ct_text(creel_token_reason(late)->message, "root");
	creel_token_unref(late);
	creel_token_unref(leaf);
	creel_token_unref(left);
	creel_token_unref(root);
}

static void never(creel_token *token, void *arg)
{
	(void)token;
	(void)arg;
	ct_assert(false);
}

static void drop_token(void *token)
{
	creel_token_unref(token);
}

CORE_CASE(c38_functions_that_keep_tokens_go_in_constant_stack)
{
	enum { N = 200000 };
	creel_token *last = creel_token_new(NULL, NULL, CREEL_FOREVER);
	for (int i = 0; i < N; i++) {
		creel_token *next = creel_token_new(NULL, NULL, CREEL_FOREVER);
		ct_int(creel_token_on_cancel(next, never, last, drop_token, NULL), 0);
		last = next;
	}
	creel_token_unref(last);
}

CORE_CASE(c49_a_tree_of_any_size_needs_constant_stack)
{
	enum { N = 100000 };
	long before = ct_live_blocks();
	for (int chain = 0; chain < 2; chain++) {
		struct ct_count *called = ct_count_new();
		creel_token *root = creel_token_new(NULL, NULL, CREEL_FOREVER);
		creel_token *last = creel_token_ref(root);
		for (int i = 0; i < N; i++) {
			creel_token *next = creel_token_new(last, NULL, CREEL_FOREVER);
			if (i % 1000 == 0)
				ct_int(creel_token_on_cancel(next, note, called, NULL, NULL), 0);
			creel_token_unref(last);
			last = next;
		}
		if (chain == 0)
			ct_int(creel_token_cancel(root, 0, NULL, 0), 0);
		ct_int(ct_count_get(called), chain == 0 ? N / 1000 : 0);
		creel_token_unref(root);
		creel_token_unref(last);
	}
	ct_int(ct_live_blocks(), before);
}

CORE_CASE(c49_a_deadline_cancels_in_time)
{
	long before = ct_live_blocks();
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_token *token = creel_token_new(NULL, clock, creel_clock_in(clock, 10));
	creel_token *child = creel_token_new(token, clock, creel_clock_in(clock, 5));
	creel_token *inherits = creel_token_new(token, clock, CREEL_FOREVER);
	ct_int(creel_clock_advance(clock, 4), 0);
	ct_assert(!creel_token_reason(child));
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_int(creel_token_reason(child)->code, -ETIMEDOUT);
	ct_has(creel_token_reason(child)->message, "deadline");
	ct_int(creel_clock_advance(clock, 4), 0);
	ct_assert(!creel_token_reason(token) && !creel_token_reason(inherits));
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_int(creel_token_reason(token)->code, -ETIMEDOUT);
	ct_int(creel_token_reason(inherits)->code, -ETIMEDOUT);
	creel_token_unref(inherits);
	creel_token_unref(child);
	creel_token_unref(token);
	/* In the past; and later than its clock. */
	token = creel_token_new(NULL, clock, CREEL_NOW);
	ct_int(creel_token_reason(token)->code, -ETIMEDOUT);
	creel_token_unref(token);
	/* Cancelled, or dropped, before. */
	token = creel_token_new(NULL, clock, creel_clock_in(clock, 5));
	ct_int(creel_token_cancel(token, 0, NULL, 0), 0);
	creel_token_unref(creel_token_new(NULL, clock, creel_clock_in(clock, 5)));
	ct_int(creel_clock_advance(clock, 10), 0);
	ct_int(creel_token_reason(token)->code, -ECANCELED);
	creel_token_unref(token);
	token = creel_token_new(NULL, clock, creel_clock_in(clock, 5));
	creel_clock_unref(clock);
	ct_assert(!creel_token_reason(token));
	creel_token_unref(token);
	ct_int(ct_live_blocks(), before);
}

CORE_CASE(c49_the_future_of_a_token)
{
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_future *f = creel_token_future(token), *never = creel_promise_new();
	creel_future *inputs[] = {never, f};
	/* As an input that lost: the token does not hear of it. */
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_assert(!creel_token_reason(token));
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ETIMEDOUT);
	creel_future *race = creel_race(inputs, 2, CREEL_CANCEL_REST);
	ct_int(creel_token_cancel(token, -5, GONE, 0), 0);
	for_that_reason(race, -5, GONE);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_state(never), CREEL_FUTURE_CANCELLED);
	creel_future *same = creel_token_future(token);
	ct_assert(same == f);
	creel_future_unref(same);
	creel_future_unref(f);
	creel_future_unref(race);
	creel_future_unref(never);
	creel_token_unref(token);
	/* The first look at it is late. */
	token = creel_token_new(NULL, NULL, CREEL_NOW);
	f = creel_token_future(token);
	ct_int(creel_future_error(f)->code, -ETIMEDOUT);
	creel_future_unref(f);
	creel_token_unref(token);
	/* Nobody can cancel it any more. */
	token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	f = creel_token_future(token);
	creel_token_unref(token);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_BROKEN);
	creel_future_unref(f);
}

CORE_CASE(c38_a_dropped_token_frees_its_functions)
{
	struct ct_count *called = ct_count_new(), *freed = ct_count_new();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	ct_int(creel_token_on_cancel(token, note, called, NULL, NULL), 0);
	ct_int(creel_token_on_cancel(token, note, freed, free_count, NULL), 0);
	creel_token_unref(token);
	ct_int(ct_count_get(called), 0);
	ct_int(ct_count_get(freed), 1);
}

CORE_CASE(bad_input_of_tokens)
{
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	ct_int(creel_token_cancel(NULL, 0, NULL, 0), -EINVAL);
	ct_int(creel_token_cancel(token, 0, NULL, CREEL_CANCEL_REST), -EINVAL);
	ct_int(creel_token_on_cancel(NULL, note, NULL, NULL, NULL), -EINVAL);
	ct_int(creel_token_on_cancel(token, NULL, NULL, NULL, NULL), -EINVAL);
	ct_int(creel_token_remove(NULL, 1), -EINVAL);
	ct_assert(!creel_token_reason(NULL) && !creel_token_reason(token));
	ct_assert(creel_token_ref(NULL) == NULL && creel_task_token(NULL) == NULL);
	creel_token_unref(NULL);
	creel_future *f = creel_token_future(NULL);
	ct_int(creel_future_error(f)->code, -EINVAL);
	ct_has(creel_future_error(f)->message, "NULL");
	creel_future_unref(f);
	creel_token_unref(token);
	creel_clock *clock = creel_clock_new(0x40);
	token = creel_token_new(NULL, clock, CREEL_FOREVER);
	ct_int(creel_token_reason(token)->code, -EINVAL);
	ct_int(creel_token_cancel(token, 0, NULL, 0), -EALREADY);
	creel_token_unref(token);
	creel_clock_unref(clock);
}

/* What cannot be made is cancelled, and what is started with it says why. */
CASE(rule_tokens_without_memory, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	struct ct_count *called = ct_count_new();
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	ct_fault_off();
	ct_int(creel_token_reason(token)->kind, CREEL_KIND_NO_MEMORY);
	creel_future *f = submit(ex, task_nothing, NULL, 0, token), *g = creel_token_future(token);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_NO_MEMORY);
	ct_int(creel_future_error(g)->kind, CREEL_KIND_NO_MEMORY);
	creel_token *child = creel_token_new(token, NULL, CREEL_FOREVER);
	ct_int(creel_token_reason(child)->kind, CREEL_KIND_NO_MEMORY);
	creel_token_unref(child);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_token_unref(creel_token_ref(token));
	token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	for (unsigned i = 1, failed = 1; failed; i++) {
		ct_fault_arm(CT_FAULT_MEMORY, i, false);
		int rc = creel_token_on_cancel(token, note, called, NULL, NULL);
		failed = ct_fault_failed();
		ct_fault_off();
		ct_int(rc, failed ? -ENOMEM : 0);
	}
	long seven = 7;
	for (unsigned i = 1; i < 4; i++) {
		ct_fault_arm(CT_FAULT_MEMORY, i, false);
		f = submit(ex, task_same, &seven, sizeof seven, token);
		ct_fault_off();
		int rc = ct_outcome(f);
		/* Or it was the thread that there was no memory for. */
		ct_assert(rc == 0 || creel_future_error(f)->kind == CREEL_KIND_NO_MEMORY ||
			  creel_future_error(f)->code == -EAGAIN);
		creel_future_unref(f);
	}
	ct_int(creel_token_cancel(token, 0, NULL, 0), 0);
	ct_int(ct_count_get(called), 1);
	creel_token_unref(token);
	ct_close(ex);
}

/* Threads that cancel, register, leave, and end their tasks at the same moment. */
struct storm {
	creel_token *token;
	creel_executor *ex;
	struct ct_count *ready, *called;
};

static void *storm(void *arg)
{
	struct storm *s = arg;
	uint64_t id;
	ct_count_add(s->ready, 1);
	ct_count_await(s->ready, 2);
	for (int i = 0; i < 20; i++) {
		creel_future *f = submit(s->ex, task_nothing, NULL, 0, s->token);
		creel_token *child = creel_token_new(s->token, NULL, CREEL_FOREVER);
		(void)creel_token_on_cancel(child, note, s->called, NULL, &id);
		(void)creel_token_remove(child, id);
		creel_token_unref(child);
		creel_future_unref(f);
	}
	return NULL;
}

CASE(c49_everything_at_the_same_moment, CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	for (unsigned i = 0, n = ct_scaled(10); i < n; i++) {
		struct storm s = {creel_token_new(NULL, NULL, CREEL_FOREVER), ex, ct_count_new(),
				  ct_count_new()};
		struct ct_thread *other = ct_thread_start(storm, &s);
		ct_count_add(s.ready, 1);
		ct_count_await(s.ready, 2);
		for (unsigned k = 0; k < i % 10; k++)
			creel_token_unref(creel_token_new(s.token, NULL, CREEL_FOREVER));
		ct_int(creel_token_cancel(s.token, 0, GONE, 0), 0);
		ct_thread_join(other);
		creel_token_unref(s.token);
	}
	ct_close(ex);
}
