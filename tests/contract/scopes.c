/* SPDX-License-Identifier: MIT */
/* Scopes: promises 38 and 50, over every executor. */
#include "adaptor.h"
#include "contract.h"

#include <pthread.h>

static creel_executor *scope_over(creel_executor *ex, unsigned flags)
{
	creel_executor *scope = creel_scope_new(ex, flags);
	creel_executor_unref(ex);
	ct_assert(creel_executor_error(scope) == NULL);
	return scope;
}

CASE(c50_a_join_waits_for_all_and_closes, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *scope = scope_over(ct_executor(), 0);
	for (int i = 0; i < 20; i++)
		ct_int(creel_spawn(scope, task_count, &ran, sizeof ran, NULL), 0);
	ct_int(creel_scope_join(scope, CT_GUARD), 0);
	ct_int(ct_count_get(ran), 20);
	ct_int(creel_spawn(scope, task_count, &ran, sizeof ran, NULL), -ESHUTDOWN);
	ct_int(creel_scope_join(scope, CREEL_NOW), 0);
	ct_assert(creel_scope_error(scope) == NULL);
	ct_close(scope);
}

CASE(c50_a_join_that_times_out_leaves_the_scope_open, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new(), *ran = ct_count_new();
	creel_executor *scope = scope_over(ct_executor(), 0);
	creel_future *f = ct_submit_gated(scope, started, gate, 3);
	ct_int(creel_scope_join(scope, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_spawn(scope, task_count, &ran, sizeof ran, NULL), 0);
	ct_open(gate);
	ct_int(creel_scope_join(scope, CT_GUARD), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(ct_count_get(ran), 1);
	ct_int(ct_long_drop(f), 3);
	ct_close(scope);
}

/* Whose on_unhandled nobody may call. */
static void told(void *ctx, const creel_error *error)
{
	(void)error;
	ct_count_add(ctx, 1);
}

CASE(c38_the_first_error_cancels_the_siblings_and_is_the_scopes, CT_PARALLEL)
{
	struct ct_count *started = ct_count_new(), *ran = ct_count_new();
	creel_executor *scope = scope_over(ct_executor(), 0);
	int code = -EIO;
	creel_future *sibling = creel_submit(scope, task_until_asked, &started, sizeof started);
	ct_count_await(started, 1);
	ct_int(creel_spawn(scope, task_fail, &code, sizeof code, NULL), 0);
	ct_int(creel_scope_join(scope, CT_GUARD), CREEL_EFAILED);
	ct_int(creel_scope_error(scope)->code, -EIO);
	ct_text(creel_scope_error(scope)->message, "on purpose");
	ct_int(ct_outcome(sibling), -ECANCELED);
	creel_future_unref(sibling);
	ct_int(creel_scope_cancel(scope), -EALREADY);
	ct_int(creel_scope_join(scope, CREEL_NOW), CREEL_EFAILED);
	ct_close(scope);
	ct_int(ct_count_get(ran), 0);
}

CASE(c38_what_comes_after_an_error_is_cancelled, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *scope = scope_over(ct_executor(), 0);
	int code = -EIO;
	creel_future *f = creel_submit(scope, task_fail, &code, sizeof code);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	creel_future_unref(f);
	f = ct_submit_count(scope, ran);
	/* It may have run before it was called off. */
	(void)ct_outcome(f);
	creel_future_unref(f);
	ct_int(creel_scope_join(scope, CT_GUARD), CREEL_EFAILED);
	ct_close(scope);
}

CASE(c38_a_tolerant_scope_goes_on, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *scope = scope_over(ct_executor(), CREEL_SCOPE_TOLERANT);
	int code = -EIO;
	ct_int(creel_spawn(scope, task_fail, &code, sizeof code, NULL), 0);
	for (int i = 0; i < 5; i++)
		ct_int(creel_spawn(scope, task_count, &ran, sizeof ran, NULL), 0);
	ct_int(creel_scope_join(scope, CT_GUARD), CREEL_EFAILED);
	ct_int(creel_scope_error(scope)->code, -EIO);
	ct_int(ct_count_get(ran), 5);
	ct_close(scope);
}

CORE_CASE(c38_a_scopes_errors_count_as_read)
{
	struct ct_count *unread = ct_count_new();
	creel_executor *pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .on_unhandled = told, .ctx = unread});
	creel_executor *scope = creel_scope_new(pool, CREEL_SCOPE_TOLERANT);
	int code = -EIO;
	for (int i = 0; i < 3; i++)
		ct_int(creel_spawn(scope, task_fail, &code, sizeof code, NULL), 0);
	ct_int(creel_scope_join(scope, CT_GUARD), CREEL_EFAILED);
	creel_executor_unref(scope);
	ct_close(pool);
	ct_int(ct_count_get(unread), 0);
}

CASE(c38_a_cancelled_scope_ends_what_waits_and_what_runs, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *ran = ct_count_new();
	creel_submit_options late = {.delay_ns = CREEL_S(3600)};
	creel_executor *pool = ct_executor(), *scope = creel_scope_new(pool, 0);
	creel_executor *inner = creel_scope_new(scope, 0);
	creel_future *runs = creel_submit(inner, task_until_asked, &started, sizeof started);
	ct_count_await(started, 1);
	creel_future *waits = creel_submit_with(scope, task_count, &ran, sizeof ran, &late);
	ct_int(creel_scope_join(scope, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_scope_cancel(scope), 0);
	ct_int(creel_scope_cancel(scope), -EALREADY);
	ct_int(creel_scope_join(scope, CT_GUARD), -ECANCELED);
	ct_int(ct_outcome(runs), -ECANCELED);
	ct_assert(ct_outcome(waits) != 0);
	ct_int(creel_scope_join(inner, CT_GUARD), -ECANCELED);
	creel_future_unref(runs);
	creel_future_unref(waits);
	creel_executor_unref(inner);
	creel_executor_unref(scope);
	ct_close(pool);
	ct_int(ct_count_get(ran), 0);
}

CASE(c50_an_outer_scope_waits_for_the_inner_ones, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *outer = scope_over(ct_executor(), 0);
	creel_executor *inner = creel_scope_new(outer, 0);
	int code = -EIO;
	creel_future *f = ct_submit_gated(inner, started, gate, 4);
	ct_int(creel_scope_join(outer, CREEL_NOW), -ETIMEDOUT);
	ct_open(gate);
	ct_int(ct_long_drop(f), 4);
	/* An error is that one's alone. */
	ct_int(creel_spawn(inner, task_fail, &code, sizeof code, NULL), 0);
	ct_int(creel_scope_join(inner, CT_GUARD), CREEL_EFAILED);
	ct_int(creel_scope_join(outer, CT_GUARD), 0);
	ct_int(creel_spawn(inner, task_fail, &code, sizeof code, NULL), -ESHUTDOWN);
	creel_executor_unref(inner);
	ct_close(outer);
}

struct home {
	creel_executor *scope;
	int said;
};

static int task_joins_itself(creel_task *task, const void *arg, size_t size)
{
	struct home *home = *(struct home *const *)arg;
	(void)task;
	(void)size;
	home->said = creel_scope_join(home->scope, CREEL_FOREVER);
	return 0;
}

CASE(c50_a_task_does_not_join_its_own_scope, CT_INPROC)
{
	struct home home = {.scope = scope_over(ct_executor(), 0)}, *at = &home;
	ct_int(creel_spawn(home.scope, task_joins_itself, &at, sizeof at, NULL), 0);
	ct_int(creel_scope_join(home.scope, CT_GUARD), 0);
	ct_int(home.said, -EDEADLK);
	ct_close(home.scope);
}

/* A task of the pool, not of the scope, may wait: with one worker, too. */
static int task_with_a_scope(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *ran = *(struct ct_count *const *)arg;
	(void)size;
	creel_executor *scope = creel_scope_new(creel_task_executor(task), 0);
	for (int i = 0; i < 5; i++)
		if (creel_spawn(scope, task_count, &ran, sizeof ran, NULL))
			return -EIO;
	int rc = creel_scope_join(scope, CREEL_FOREVER);
	creel_executor_unref(scope);
	return rc;
}

CASE(c46_a_task_may_open_a_scope_on_its_own_pool, CT_POOL)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_with_a_scope, &ran, sizeof ran);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_int(ct_count_get(ran), 5);
	ct_close(ex);
}

/* Submits one after the other until the scope is closed. Returns how many were accepted and have
 * not run. */
static void *submit_late(void *arg)
{
	struct home *home = arg;
	struct ct_count *ran = ct_count_new();
	long accepted = 0;
	for (;;) {
		creel_future *f = ct_submit_count(home->scope, ran);
		int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
		creel_future_unref(f);
		if (rc && rc != -EMSGSIZE)
			break;
		accepted++;
	}
	return (void *)(intptr_t)(accepted - (long)ct_count_get(ran));
}

CASE(c50_a_late_submission_is_counted_or_refused, CT_INPROC)
{
	for (unsigned i = 0; i < ct_scaled(10); i++) {
		struct home home = {.scope = scope_over(ct_executor(), 0)};
		struct ct_thread *t = ct_thread_start(submit_late, &home);
		ct_int(creel_scope_join(home.scope, CT_GUARD), 0);
		/* Everything has run by then. */
		ct_int((long)(intptr_t)ct_thread_join(t), 0);
		ct_close(home.scope);
	}
}

#ifdef CREEL_SCOPE
static void in_a_block(creel_executor *ex, struct ct_count *started)
{
	CREEL_SCOPE(scope, ex, CREEL_SCOPE_KILL);
	ct_int(creel_spawn(scope, task_until_asked, &started, sizeof started, NULL), 0);
	ct_count_await(started, 1);
}

CASE(c38_the_end_of_a_block_cancels_and_joins, CT_ASYNC)
{
	struct ct_count *started = ct_count_new();
	creel_executor *ex = ct_executor();
	in_a_block(ex, started);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_close(ex);
}
#endif

CORE_CASE(bad_scopes)
{
	creel_executor *inline_one = creel_inline_new(), *ex = creel_scope_new(NULL, 0);
	ct_text(creel_executor_error(ex)->message, "creel_scope_new: the executor is NULL");
	ct_int(creel_scope_join(ex, CREEL_NOW), CREEL_EFAILED);
	ct_int(creel_scope_cancel(ex), CREEL_EFAILED);
	ct_close(ex);
	ex = creel_scope_new(inline_one, 0x14);
	ct_text(creel_executor_error(ex)->message,
		"creel_scope_new: flags is 0x14; use CREEL_SCOPE_TOLERANT, CREEL_SCOPE_KILL or 0");
	ct_close(ex);
	ct_int(creel_scope_join(inline_one, CREEL_NOW), -EINVAL);
	ct_int(creel_scope_cancel(inline_one), -EINVAL);
	ct_assert(creel_scope_error(inline_one) == NULL);
	ct_int(creel_scope_join(NULL, CREEL_NOW), -EINVAL);
	ct_int(creel_scope_cancel(NULL), -EINVAL);
	ct_assert(creel_scope_error(NULL) == NULL);
	creel_scope_leave(NULL);
	ex = NULL;
	creel_scope_leave(&ex);
	ct_close(inline_one);
}

CORE_CASE(c38_dropping_a_scope_cancels_nothing_that_is_due)
{
	struct ct_count *ran = ct_count_new();
	creel_submit_options later = {.clock = creel_clock_new(CREEL_CLOCK_MANUAL), .delay_ns = 1};
	creel_executor *beneath = creel_semaphore_new(creel_inline_new(), 1);
	creel_future *permit = creel_semaphore_acquire(beneath);
	creel_executor *scope = creel_scope_new(beneath, 0);
	creel_future *f = ct_submit_count(scope, ran);
	creel_future *g = creel_submit_with(scope, task_count, &ran, sizeof ran, &later);
	creel_executor_unref(scope);
	ct_int(creel_future_error(g)->kind, CREEL_KIND_SHUT_DOWN);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	creel_future_unref(permit);
	ct_int(ct_long_drop(f), 1);
	creel_future_unref(g);
	creel_clock_unref(later.clock);
	ct_close(beneath);
}

CORE_CASE(c50_a_scope_forgets_a_periodic_task_that_was_cancelled_above_it)
{
	struct ct_count *ran = ct_count_new();
	creel_submit_options o = {.clock = creel_clock_new(CREEL_CLOCK_MANUAL), .period_ns = 1};
	creel_executor *in = scope_over(creel_inline_new(), 0), *out = creel_scope_new(in, 0);
	creel_future *f = creel_submit_with(out, task_count, &ran, sizeof ran, &o);
	ct_int(ct_count_get(ran), 1);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	creel_future_unref(f);
	ct_int(creel_scope_cancel(in), 0);
	ct_int(creel_scope_join(out, CT_GUARD), -ECANCELED);
	ct_close(out);
	ct_close(in);
	creel_clock_unref(o.clock);
}

static void *join(void *scope)
{
	return (void *)(intptr_t)creel_scope_join(scope, CREEL_FOREVER);
}

CORE_CASE(c50_a_join_sees_that_what_was_not_due_is_cancelled)
{
	struct ct_count *ran = ct_count_new();
	creel_submit_options later = {.clock = creel_clock_new(CREEL_CLOCK_MANUAL), .delay_ns = 1};
	for (int i = 0; i < 5; i++) {
		creel_executor *scope = scope_over(creel_inline_new(), 0);
		ct_int(creel_spawn(scope, task_count, &ran, sizeof ran, &later), 0);
		struct ct_thread *t = ct_thread_start(join, scope);
		/* It is to sleep by then, most times. */
		for (int j = 0; j < i; j++)
			ct_breathe();
		ct_int(creel_scope_cancel(scope), 0);
		ct_int((intptr_t)ct_thread_join(t), -ECANCELED);
		ct_close(scope);
	}
	ct_int(ct_count_get(ran), 0);
	creel_clock_unref(later.clock);
}
