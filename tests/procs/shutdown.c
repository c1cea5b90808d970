/* SPDX-License-Identifier: MIT */
/* Promises 15 and 17 where a process pool differs: shutdown with workers that run, die and hang. */
#include "procs.h"

#include <pthread.h>
#include <stdio.h>

enum { N = 50 };

CASE(shutdown, c17_fifty_queued_tasks_all_finish)
{
	creel_executor *ex = pt_pool(2);
	struct ct_count *ran = ct_count_new();
	creel_future *f[N];
	for (unsigned i = 0; i < N; i++)
		f[i] = ct_submit_count(ex, ran);
	ct_close(ex);
	ct_int(ct_count_get(ran), N);
	for (unsigned i = 0; i < N; i++) {
		ct_int(creel_future_result(f[i], CREEL_NOW, NULL, 0), 0);
		creel_future_unref(f[i]);
	}
}

CASE(shutdown, c17_dropping_the_last_reference_still_finishes_them)
{
	creel_executor *ex = pt_pool(2);
	struct ct_count *ran = ct_count_new();
	creel_future *f[N];
	for (unsigned i = 0; i < N; i++)
		f[i] = ct_submit_count(ex, ran);
	creel_executor_unref(ex);
	for (unsigned i = 0; i < N; i++) {
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	ct_int(ct_count_get(ran), N);
}

CASE(shutdown, c17_a_pool_that_never_ran_anything)
{
	for (unsigned i = 0; i < 10; i++)
		ct_close(pt_pool(1));
	creel_executor_unref(pt_pool(1));
}

CASE(shutdown, c17_with_a_deadline_it_says_what_is_left)
{
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	struct ct_count *ran = ct_count_new();
	creel_future *held = pt_submit_gated(ex, &g), *f = ct_submit_count(ex, ran);
	ct_count_await(g.started, 1);
	size_t left = 77;
	ct_int(creel_executor_shutdown(ex, 7, CREEL_FOREVER, &left), -EINVAL);
	ct_int(left, 77);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, 2);
	ct_int(creel_executor_shutdown(ex, 0, creel_in_ms(20), &left), -ETIMEDOUT);
	ct_int(left, 2);
	creel_future *late = ct_submit_count(ex, ran);
	ct_int(pt_failure(late, CREEL_KIND_SHUT_DOWN)->code, -ESHUTDOWN);
	creel_future_unref(late);
	ct_int(creel_executor_resize(ex, 2), -ESHUTDOWN);
	ct_open(g.gate);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_FOREVER, &left), 0);
	ct_int(left, 0);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, &left), 0);
	ct_int(ct_long_drop(held), 1);
	ct_int(ct_long_drop(f), 1);
	ct_close(ex);
}

CASE(shutdown, c17_cancelling_cancels_what_has_not_started)
{
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	struct ct_count *ran = ct_count_new(), *told = ct_count_new(), *freed = ct_count_new();
	creel_future *held = pt_submit_gated(ex, &g), *f[N];
	ct_count_await(g.started, 1);
	for (unsigned i = 0; i < N; i++) {
		f[i] = creel_submit_with(
			ex, task_count, &ran, sizeof ran,
			&(creel_submit_options){.arg_free = arg_free_count, .arg_ctx = freed});
		ct_int(creel_future_on_done(f[i], NULL, done_count, told, NULL, NULL), 0);
	}
	size_t left = 77;
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), -ETIMEDOUT);
	/* On a slow machine the manager cancels the last ones. */
	ct_assert(left >= 1 && left <= N + 1);
	for (unsigned i = 0; i < N; i++) {
		ct_int(ct_outcome(f[i]), -ECANCELED);
		creel_future_unref(f[i]);
	}
	ct_count_await(told, N);
	ct_count_await(freed, N);
	ct_open(g.gate);
	ct_int(ct_long_drop(held), 1);
	ct_int(ct_count_get(ran), 0);
	ct_close(ex);
}

CASE(shutdown, c17_cancelling_may_be_asked_for_later)
{
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	struct ct_count *ran = ct_count_new();
	creel_future *held = pt_submit_gated(ex, &g), *f = ct_submit_count(ex, ran);
	ct_count_await(g.started, 1);
	size_t left = 0;
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, 1);
	ct_int(ct_outcome(f), -ECANCELED);
	creel_future_unref(f);
	ct_open(g.gate);
	ct_int(ct_long_drop(held), 1);
	ct_close(ex);
}

struct closing {
	creel_executor *ex;
	_Atomic int rc, drained;
	struct ct_count *over;
};

static void close_in_callback(creel_future *f, void *arg)
{
	struct closing *c = arg;
	(void)f;
	atomic_store(&c->drained, creel_executor_drain(c->ex, CREEL_FOREVER));
	atomic_store(&c->rc, creel_executor_close(c->ex));
	ct_open(c->over);
}

CASE(shutdown, c17_close_in_a_callback_does_not_wait)
{
	creel_executor *ex = pt_pool(1);
	struct ct_count *ran = ct_count_new();
	struct pt_gated g = pt_gated(1);
	struct closing c = {ex, 0, 0, ct_count_new()};
	creel_future *f = pt_submit_gated(ex, &g), *next = ct_submit_count(ex, ran);
	ct_int(creel_future_on_done(f, NULL, close_in_callback, &c, NULL, NULL), 0);
	ct_open(g.gate);
	ct_pass(c.over);
	ct_int(atomic_load(&c.rc), -EDEADLK);
	ct_int(atomic_load(&c.drained), -EDEADLK);
	ct_int(ct_long_drop(f), 1);
	ct_int(ct_long_drop(next), 1);
}

CASE(shutdown, c17_shutdown_while_workers_die)
{
	creel_executor *ex = pt_pool(2);
	struct ct_count *ran = ct_count_new();
	creel_future *f[N];
	for (unsigned i = 0; i < N; i++)
		f[i] = i % 10 == 5 ? pt_submit_crash(ex, PT_KILL, NULL, NULL, ran)
				   : ct_submit_count(ex, ran);
	ct_close(ex);
	ct_int(ct_count_get(ran), N);
	for (unsigned i = 0; i < N; i++) {
		ct_int(creel_future_result(f[i], CREEL_NOW, NULL, 0),
		       i % 10 == 5 ? CREEL_EFAILED : 0);
		creel_future_unref(f[i]);
	}
}

/* What hangs is ended by its limit, and close waits for that. */
CASE(shutdown, c17_close_waits_for_the_limit_of_what_hangs)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .limit_ns = 100 * PT_MS});
	creel_future *f = pt_submit_crash(ex, PT_HANG, NULL, NULL, NULL);
	ct_close(ex);
	pt_failure(f, CREEL_KIND_TIMED_OUT);
	creel_future_unref(f);
}

CASE(shutdown, c17_drain_waits_for_everything_and_the_pool_goes_on)
{
	creel_executor *ex = pt_pool(2);
	struct ct_count *ran = ct_count_new();
	struct pt_gated g = pt_gated(1);
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	creel_future *held = pt_submit_gated(ex, &g);
	ct_int(creel_executor_drain(ex, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_executor_drain(ex, creel_in_ms(20)), -ETIMEDOUT);
	for (unsigned i = 0; i < N; i++)
		ct_int(creel_spawn(ex, task_count, &ran, sizeof ran, NULL), 0);
	creel_future *crash = pt_submit_crash(ex, PT_ABORT, NULL, NULL, NULL);
	ct_open(g.gate);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(ran), N);
	ct_int(creel_future_state(crash), CREEL_FUTURE_FINISHED);
	creel_stats s = pt_stats(ex);
	ct_int(s.done, N + 2);
	ct_int(s.pending, 0);
	ct_int(s.running, 0);
	ct_int(s.died, 1);
	creel_future_unref(held);
	creel_future_unref(crash);
	pt_works(ex);
	ct_close(ex);
}

/* A broken pool closes like any other, and counts what it failed. */
CASE(shutdown, c17_a_broken_pool_drains_and_closes)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .flags = CREEL_PROCESS_BREAK_ON_DEATH});
	struct ct_count *ran = ct_count_new();
	creel_future *f[N];
	creel_future *crash = pt_submit_crash(ex, PT_ABORT, NULL, NULL, NULL);
	unsigned accepted = 0;
	for (unsigned i = 0; i < N; i++) {
		f[i] = NULL;
		accepted += creel_try_submit(ex, task_count, &ran, sizeof ran, NULL, &f[i]) == 0;
	}
	pt_failure(crash, CREEL_KIND_WORKER_DIED);
	for (unsigned i = 0; i < N; i++) {
		if (f[i])
			(void)ct_outcome(f[i]);
		creel_future_unref(f[i]);
	}
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(pt_stats(ex).done, accepted + 1);
	creel_future_unref(crash);
	ct_close(ex);
}

/* The task was dropped while its worker started, and nobody told who waits for that. */
CASE(shutdown, c17_drain_ends_after_a_cancel_before_there_is_a_worker)
{
	for (unsigned i = 0; i < 20; i++) {
		creel_executor *ex = pt_pool(1);
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		int rc = creel_future_cancel(f);
		ct_assert(rc == CREEL_CANCEL_NOW || rc == CREEL_CANCEL_REQUESTED ||
			  rc == CREEL_CANCEL_FINAL);
		ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		creel_future_unref(f);
		ct_close(ex);
	}
}

struct slow_free {
	struct ct_count *entered, *left;
};

/* Longer than it should, so that a drain that does not wait for it is seen. */
static void free_slowly(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	struct slow_free *s = ctx;
	ct_open(s->entered);
	for (volatile unsigned long i = 0; i < 20000000; i++)
		;
	ct_open(s->left);
}

static void *cancel_it(void *f)
{
	(void)creel_future_cancel(f);
	return NULL;
}

/* A task counts as ended once its canceller is through with it. */
CASE(shutdown, c02_drain_waits_for_the_canceller)
{
	struct slow_free s = {ct_count_new(), ct_count_new()};
	struct pt_gated g = pt_gated(1);
	creel_submit_options o = {.arg_free = free_slowly, .arg_ctx = &s};
	creel_executor *ex = pt_pool(1);
	creel_future *blocker = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0, &o);
	pthread_t canceller;
	ct_int(pthread_create(&canceller, NULL, cancel_it, f), 0);
	ct_pass(s.entered);
	ct_open(g.gate);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(s.left), 1);
	ct_int(pthread_join(canceller, NULL), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	creel_future_unref(f);
	ct_int(ct_long_drop(blocker), 1);
	ct_close(ex);
}
