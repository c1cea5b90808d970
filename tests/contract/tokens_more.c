/* SPDX-License-Identifier: MIT */
/* Promise 49, continued: tokens of channels, loops, scopes and retries. */
#include "contract.h"

#include <string.h>

#define GONE "the client has gone"

/* It ends as the token says. */
static void drop_cancelled(creel_future *f, int code)
{
	ct_int(ct_outcome(f), -ECANCELED);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_error(f)->code, code);
	ct_text(creel_future_error(f)->message, GONE);
	creel_future_unref(f);
}

/* Channels */

static creel_channel *channel(size_t capacity, creel_token *token)
{
	return creel_channel_new(&(creel_channel_options){.capacity = capacity, .token = token});
}

static void free_item(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	ct_count_add(ctx, 1);
}

CORE_CASE(c49_a_token_ends_what_waits_in_a_channel)
{
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_channel *full = channel(1, token), *empty = channel(0, token);
	struct ct_count *freed = ct_count_new();
	creel_buffer item = {.data = freed, .size = 1, .free = free_item, .ctx = freed};
	creel_future *put[2], *get = creel_channel_get(empty);
	for (int i = 0; i < 2; i++)
		put[i] = creel_channel_put_move(full, item);
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	ct_int(ct_count_get(freed), 2);
	ct_int(ct_outcome(put[0]), 0);
	creel_future_unref(put[0]);
	drop_cancelled(put[1], -EPIPE);
	drop_cancelled(get, -EPIPE);
	ct_text(creel_channel_error(full)->message, GONE);
	creel_channel_unref(full);
	creel_channel_unref(empty);
	creel_token_unref(token);
}

static void has_ended(creel_channel *ch)
{
	creel_buffer buffer;
	int n = 1;
	drop_cancelled(creel_channel_get(ch), -EPIPE);
	drop_cancelled(creel_channel_put(ch, &n, sizeof n), -EPIPE);
	ct_int(creel_channel_try_put(ch, &n, sizeof n), -ECANCELED);
	ct_int(creel_channel_get_by(ch, CREEL_FOREVER, &n, sizeof n), -ECANCELED);
	ct_int(creel_channel_take_by(ch, CREEL_FOREVER, &buffer), -ECANCELED);
	ct_int(creel_channel_cancel(ch), -EALREADY);
	ct_int(creel_channel_close(ch, NULL), 0);
	ct_int(creel_channel_get_by(ch, CREEL_FOREVER, &n, sizeof n), -ECANCELED);
	ct_text(creel_channel_error(ch)->message, GONE);
	creel_channel_unref(ch);
}

CORE_CASE(c49_a_channel_of_a_cancelled_token_has_ended)
{
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_channel *before = channel(4, token);
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	creel_channel *after = channel(4, token);
	creel_token_unref(token);
	has_ended(before);
	has_ended(after);
}

/* The readers of both have been told what they were told; and a channel that goes has left. */
CORE_CASE(c49_a_token_leaves_alone_what_has_ended)
{
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_channel *cancelled = channel(1, token), *closed = channel(1, token);
	int n = 1;
	creel_channel_unref(channel(0, token));
	ct_int(creel_channel_cancel(cancelled), 0);
	ct_int(creel_channel_try_put(closed, &n, sizeof n), 0);
	ct_int(creel_channel_close(closed, NULL), 0);
	ct_int(creel_token_cancel(token, 0, GONE, 0), 0);
	ct_int(creel_channel_try_get(cancelled, &n, sizeof n), CREEL_EMPTY);
	ct_int(creel_channel_try_put(cancelled, &n, sizeof n), -EPIPE);
	/* What was put and not got is gone. */
	ct_int(creel_channel_try_get(closed, &n, sizeof n), -ECANCELED);
	creel_channel_unref(cancelled);
	creel_channel_unref(closed);
	creel_token_unref(token);
}

static int task_gets(creel_task *task, const void *arg, size_t size)
{
	creel_channel *ch;
	long item;
	(void)task;
	(void)size;
	memcpy(&ch, arg, sizeof ch);
	return creel_channel_get_by(ch, CREEL_FOREVER, &item, sizeof item);
}

CASE(c49_a_token_wakes_a_task_that_waits_in_a_channel, CT_ASYNC | CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_channel *ch = channel(0, token);
	creel_future *f = creel_submit(ex, task_gets, &ch, sizeof ch);
	ct_until(creel_future_state(f) != CREEL_FUTURE_PENDING);
	ct_int(creel_token_cancel(token, 0, GONE, 0), 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -ECANCELED);
	creel_future_unref(f);
	creel_channel_unref(ch);
	creel_token_unref(token);
	ct_close(ex);
}

static void *unref_channel(void *ch)
{
	creel_channel_unref(ch);
	return NULL;
}

CORE_CASE(c49_a_token_beside_the_end_of_its_channel)
{
	for (unsigned i = 0; i < ct_scaled(20); i++) {
		creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
		creel_channel *ch = channel(i % 2, token);
		struct ct_thread *t = ct_thread_start(unref_channel, ch);
		ct_int(creel_token_cancel(token, 0, GONE, 0), 0);
		ct_thread_join(t);
		creel_token_unref(token);
	}
}

/* Loops */

static int body_nothing(creel_task *task, size_t begin, size_t end, void *context)
{
	(void)task;
	(void)begin;
	(void)end;
	(void)context;
	return 0;
}

static int add_indices(creel_task *task, size_t begin, size_t end, void *into, void *context)
{
	(void)task;
	(void)context;
	for (size_t i = begin; i < end; i++)
		*(long *)into += (long)i;
	return 0;
}

static void add_longs(void *into, const void *from, void *context)
{
	(void)context;
	*(long *)into += *(const long *)from;
}

struct looped {
	struct ct_count *begun, *over;
};

/* Runs until it is asked to stop; or, where nobody can ask, once. */
static int body_until_asked(creel_task *task, size_t begin, size_t end, void *context)
{
	const struct looped *l = context;
	(void)begin;
	(void)end;
	ct_count_add(l->begun, 1);
	while (!creel_task_cancelled(task))
		ct_breathe();
	ct_count_add(l->over, 1);
	return 0;
}

static void *cancel_when_begun(void *arg)
{
	void **token_and_count = arg;
	ct_count_await(token_and_count[1], 1);
	ct_int(creel_token_cancel(token_and_count[0], 0, GONE, 0), 0);
	return NULL;
}

CASE(c49_a_token_ends_a_loop, CT_REFS)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	const creel_loop_options o = {.grain = 1, .token = token};
	struct looped *l = creel_shared_alloc(ex, sizeof *l);
	ct_assert(l != NULL);
	*l = (struct looped){ct_count_new(), ct_count_new()};
	void *arg[] = {token, l->begun};
	struct ct_thread *t = ct_thread_start(cancel_when_begun, arg);
	ct_int(creel_parallel_for(ex, 0, 1000, body_until_asked, l, &o), -ECANCELED);
	ct_thread_join(t);
	/* What has begun is waited for. */
	ct_int(ct_count_get(l->begun), ct_count_get(l->over));
	long begun = (long)ct_count_get(l->begun), sum = 0, none = 0;
	ct_int(creel_parallel_for(ex, 0, 1000, body_until_asked, l, &o), -ECANCELED);
	ct_int(creel_parallel_for(ex, 7, 7, body_until_asked, l, &o), 0);
	ct_int(ct_count_get(l->begun), begun);
	ct_int(creel_reduce(ex, 0, 10, &none, sizeof none, add_indices, add_longs, NULL, &sum, &o),
	       -ECANCELED);
	creel_shared_free(ex, l);
	creel_token_unref(token);
	ct_close(ex);
}

static void *cancel_soon(void *token)
{
	for (int i = 0; i < 3; i++)
		ct_breathe();
	ct_int(creel_token_cancel(token, 0, GONE, 0), 0);
	return NULL;
}

static int initialize(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return 0;
}

/* All are busy elsewhere, and the caller takes no part: nobody comes for what waits. */
CASE(c49_a_token_ends_a_loop_that_nobody_has_begun, CT_ASYNC | CT_COUNTS)
{
	creel_executor *ex = ct_initialized(initialize, NULL);
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	const creel_loop_options o = {.token = token};
	struct ct_hold h;
	ct_hold_n(&h, ex, 1);
	struct ct_thread *t = ct_thread_start(cancel_soon, token);
	ct_int(creel_parallel_for(ex, 0, 1000, body_nothing, NULL, &o), -ECANCELED);
	ct_thread_join(t);
	ct_release(&h);
	creel_token_unref(token);
	ct_close(ex);
}

/* Its last use is before the call returns, whenever the token is cancelled. */
CASE(c49_a_token_beside_the_end_of_its_loop, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	for (unsigned i = 0; i < ct_scaled(20); i++) {
		creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
		const creel_loop_options o = {.token = token};
		struct ct_thread *t = ct_thread_start(cancel_soon, token);
		int rc = creel_parallel_for(ex, 0, 10, body_nothing, NULL, &o);
		ct_assert(rc == 0 || rc == -ECANCELED);
		ct_thread_join(t);
		creel_token_unref(token);
	}
	ct_close(ex);
}

/* Scopes */

CASE(c49_a_token_cancels_a_scope, CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_executor *scope = creel_scope_new_with(ex, &(creel_scope_options){.token = token});
	struct ct_count *started = ct_count_new(), *ran = ct_count_new();
	creel_submit_options late = {.delay_ns = CREEL_S(3600)};
	creel_future *f = creel_submit(scope, task_until_asked, &started, sizeof started);
	ct_count_await(started, 1);
	creel_future *g = creel_submit_with(scope, task_count, &ran, sizeof ran, &late);
	ct_assert(creel_token_reason(creel_scope_token(scope)) == NULL);
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	ct_int(creel_scope_join(scope, CT_GUARD), -ECANCELED);
	ct_text(creel_token_reason(creel_scope_token(scope))->message, GONE);
	ct_int(ct_outcome(f), -ECANCELED);
	ct_assert(ct_outcome(g) != 0);
	ct_int(creel_scope_cancel(scope), -EALREADY);
	ct_assert(creel_scope_error(scope) == NULL);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_executor_unref(scope);
	creel_token_unref(token);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

/* Those that wait for their turn end for its reason. And the scope is there, or has gone. */
CORE_CASE(c49_a_token_says_why_the_tasks_of_a_scope_end)
{
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	const creel_scope_options o = {.token = token};
	creel_executor *one = creel_semaphore_new(creel_inline_new(), 1);
	creel_executor *scope = creel_scope_new_with(one, &o);
	creel_future *permit = creel_semaphore_acquire(one);
	struct ct_count *ran = ct_count_new();
	creel_future *before = ct_submit_count(scope, ran);
	creel_executor_unref(creel_scope_new_with(one, &o));
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	creel_future *after = ct_submit_count(scope, ran);
	creel_executor *late = creel_scope_new_with(one, &o);
	drop_cancelled(ct_submit_count(late, ran), -EPIPE);
	drop_cancelled(before, -EPIPE);
	drop_cancelled(after, -EPIPE);
	ct_int(creel_scope_join(late, CT_GUARD), -ECANCELED);
	creel_executor_unref(late);
	creel_executor_unref(scope);
	creel_token_unref(token);
	creel_future_unref(permit);
	creel_executor_unref(one);
	ct_int(ct_count_get(ran), 0);
}

/* By a call, by an error, by the scope around it; and cancelling it is the same. */
CORE_CASE(c49_the_token_of_a_scope_is_cancelled_with_it)
{
	creel_executor *ex = creel_inline_new();
	creel_executor *outer = creel_scope_new(ex, 0), *over = creel_serial_new(outer);
	creel_executor *inner = creel_scope_new(over, CREEL_SCOPE_TOLERANT);
	int code = -EIO;
	ct_int(creel_spawn(inner, task_fail, &code, sizeof code, NULL), 0);
	ct_assert(creel_token_reason(creel_scope_token(inner)) == NULL);
	ct_int(creel_spawn(outer, task_fail, &code, sizeof code, NULL), 0);
	ct_text(creel_token_reason(creel_scope_token(outer))->message,
		"a task of its scope has failed: on purpose");
	ct_int(creel_error_cause(creel_token_reason(creel_scope_token(inner)), 0)->code, -EIO);
	creel_executor_unref(inner);
	creel_executor_unref(over);
	inner = creel_scope_new(outer, 0);
	ct_assert(creel_token_reason(creel_scope_token(inner)) != NULL);
	creel_executor_unref(inner);
	creel_executor_unref(outer);
	outer = creel_scope_new(ex, 0);
	ct_int(creel_token_cancel(creel_scope_token(outer), 0, GONE, 0), 0);
	ct_int(creel_scope_cancel(outer), -EALREADY);
	ct_int(creel_scope_join(outer, CT_GUARD), -ECANCELED);
	ct_assert(creel_scope_token(ex) == NULL && creel_scope_token(NULL) == NULL);
	creel_executor_unref(outer);
	creel_executor_unref(ex);
}

static void *unref_executor(void *ex)
{
	creel_executor_unref(ex);
	return NULL;
}

CORE_CASE(c49_a_token_beside_the_end_of_its_scope)
{
	for (unsigned i = 0; i < ct_scaled(20); i++) {
		creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
		creel_executor *ex = creel_inline_new();
		creel_executor *scope = creel_scope_new_with(
			ex, &(creel_scope_options){.token = token});
		creel_executor *inner = creel_scope_new(scope, 0);
		creel_executor_unref(ex);
		creel_executor_unref(scope);
		struct ct_thread *t = ct_thread_start(unref_executor, inner);
		ct_int(creel_token_cancel(token, 0, GONE, 0), 0);
		ct_thread_join(t);
		creel_token_unref(token);
	}
}

CORE_CASE(bad_options_of_scopes)
{
	creel_executor *one = creel_inline_new();
	creel_executor *ex = creel_scope_new_with(one, &(creel_scope_options){.reserved = {0, 7}});
	ct_has(creel_executor_error(ex)->message, "creel_scope_new: reserved[1]");
	ct_assert(creel_scope_token(ex) == NULL);
	creel_executor_unref(ex);
	ex = creel_scope_new_with(one, &(creel_scope_options){.reserved32 = 3});
	ct_has(creel_executor_error(ex)->message, "creel_scope_new: reserved32");
	creel_executor_unref(ex);
	ex = creel_scope_new_with(one, NULL);
	ct_assert(creel_executor_error(ex) == NULL);
	creel_executor_unref(ex);
	creel_executor_unref(one);
}

/* Retries */

static int task_counts_and_fails(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *ran;
	(void)size;
	memcpy(&ran, arg, sizeof ran);
	ct_count_add(ran, 1);
	return creel_fail(task, -EIO, "on purpose");
}

CASE(c49_a_token_ends_a_retry_between_two_attempts, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_executor *retry = creel_retry_new(
		ex, &(creel_retry_options){.attempts = 9, .clock = clock, .token = token});
	struct ct_count *ran = ct_count_new();
	creel_future *f = creel_submit(retry, task_counts_and_fails, &ran, sizeof ran);
	ct_count_await(ran, 1);
	/* An executor hears last that a task has ended: by then the next one is timed. */
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_text(creel_error_cause(creel_future_error(f), 0)->message, "on purpose");
	ct_assert(creel_error_cause(creel_future_error(f), 1) == NULL);
	drop_cancelled(f, -EPIPE);
	drop_cancelled(creel_submit(retry, task_counts_and_fails, &ran, sizeof ran), -EPIPE);
	ct_int(creel_clock_advance(clock, CREEL_S(3600)), 0);
	ct_int(ct_count_get(ran), 1);
	creel_executor_unref(retry);
	creel_token_unref(token);
	creel_clock_unref(clock);
	ct_close(ex);
}

/* The first attempt fails, and the second runs until it is asked. */
static int task_second_sleeps(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *ran;
	(void)size;
	memcpy(&ran, arg, sizeof ran);
	if (ct_count_add(ran, 1) == 1)
		return creel_fail(task, -EIO, "on purpose");
	return creel_task_sleep(task, CREEL_FOREVER);
}

CASE(c49_a_token_stops_the_attempt_that_is_under_way, CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_executor *retry = creel_retry_new(
		ex, &(creel_retry_options){.attempts = 9, .base_ns = 1, .token = token});
	struct ct_count *ran = ct_count_new();
	creel_future *f = creel_submit(retry, task_second_sleeps, &ran, sizeof ran);
	ct_count_await(ran, 2);
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	ct_int(ct_outcome(f), -ECANCELED);
	const creel_error *e = creel_future_error(f);
	ct_int(e->code, -EPIPE);
	ct_text(e->message, GONE);
	ct_text(creel_error_cause(e, 0)->message, "on purpose");
	ct_has(creel_error_cause(e, 1)->message, "stopped when it was asked to");
	creel_future_unref(f);
	ct_int(ct_count_get(ran), 2);
	creel_executor_unref(retry);
	creel_token_unref(token);
	ct_close(ex);
}

/* Whatever the retry of a task is at, it ends; and nothing is looked for that has gone. */
CASE(c49_a_token_beside_the_end_of_a_retry, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	for (unsigned i = 0; i < ct_scaled(10); i++) {
		creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
		creel_executor *retry = creel_retry_new(
			ex, &(creel_retry_options){.attempts = 3, .base_ns = 1, .token = token});
		struct ct_count *ran = ct_count_new();
		struct ct_thread *t = ct_thread_start(cancel_soon, token);
		creel_future *f = creel_submit(retry, task_counts_and_fails, &ran, sizeof ran);
		int rc = ct_outcome(f);
		ct_assert(rc == CREEL_EFAILED || rc == -ECANCELED);
		creel_future_unref(f);
		ct_thread_join(t);
		creel_executor_unref(retry);
		creel_token_unref(token);
	}
	ct_close(ex);
}

/* Finally */

/* Whether its input waits, or has ended. */
CASE(c37_a_finally_runs_though_its_token_is_cancelled, 0)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	const creel_submit_options o = {.token = token};
	struct ct_count *ran = ct_count_new();
	creel_future *waits = creel_promise_new(), *ended = creel_future_of(NULL, 0);
	ct_int(creel_token_cancel(token, -EPIPE, GONE, 0), 0);
	drop_cancelled(creel_finally_with(waits, ex, task_count, &ran, sizeof ran, &o), -EPIPE);
	drop_cancelled(creel_finally_with(ended, ex, task_count, &ran, sizeof ran, &o), -EPIPE);
	ct_int(ct_count_get(ran), 2);
	ct_int(creel_future_state(waits), CREEL_FUTURE_CANCELLED);
	drop_cancelled(creel_then_with(ended, ex, task_count, &ran, sizeof ran, &o), -EPIPE);
	ct_int(ct_count_get(ran), 2);
	creel_future_unref(waits);
	creel_future_unref(ended);
	creel_token_unref(token);
	ct_close(ex);
}
