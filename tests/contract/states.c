/* SPDX-License-Identifier: MIT */
/* Promises 1 and 8: every future ends exactly once, and letting go of one neither
 * blocks nor cancels. */
#include "contract.h"

#include <pthread.h>
#include <stdlib.h>

CASE(c01_a_task_goes_from_pending_through_running_to_finished, CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = ct_submit_gated(ex, started, gate, 7);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(ct_count_get(started), 0);
	ct_release(&hold);
	ct_count_await(started, 1);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	ct_open(gate);
	ct_int(ct_long(f), 7);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_assert(creel_future_error(f) == NULL);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_FINAL);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c01_a_task_that_runs_within_submit_is_finished_when_submit_returns, CT_SYNC)
{
	long nine = 9;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_double, &nine, sizeof nine);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(ct_long_drop(f), 18);
	ct_close(ex);
}

CASE(c01_a_failed_task_is_finished_with_an_error, 0)
{
	int code = -EIO;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_fail, &code, sizeof code);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_FAILED);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c01_a_rejected_submission_is_finished_and_never_ran, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	creel_future *f = ct_submit_count(ex, ran);
	ct_assert(f != NULL);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_assert(creel_future_error(f) != NULL);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

#define MANY 3000

struct many {
	creel_future *futures[MANY];
	struct ct_count *ran[MANY];
	struct ct_count *done[MANY];
	struct ct_count *freed[MANY];
	unsigned said_now;
	unsigned char cancelled_now[MANY];
};

static int count_and_maybe_fail(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct ct_count *const *ran = arg;
	ct_count_add(*ran, 1);
	return (uintptr_t)*ran / 64 % 3 == 0 ? creel_fail(task, 5, "every third") : 0;
}

static void *cancel_every_second(void *arg)
{
	struct many *m = arg;
	for (unsigned i = MANY; i-- > 0;)
		if (i % 2 == 0)
			m->cancelled_now[i] = creel_future_cancel(m->futures[i]) ==
					      CREEL_CANCEL_NOW;
	return NULL;
}

static void check_many(struct many *m)
{
	for (unsigned i = 0; i < MANY; i++) {
		int rc = ct_outcome(m->futures[i]);
		bool cancelled = ct_never_ran(m->futures[i]);
		ct_int(rc == -ECANCELED, cancelled);
		/* A rank may have taken back what was sent ahead. */
		if (!ct_is(CT_RANKS) || m->cancelled_now[i])
			ct_int(m->cancelled_now[i], cancelled);
		ct_int(ct_count_get(m->ran[i]), cancelled ? 0 : 1);
		ct_int(ct_count_get(m->freed[i]), 1);
		ct_count_await(m->done[i], 1);
		creel_future_unref(m->futures[i]);
	}
}

CASE(c01_each_of_many_futures_ends_exactly_once_whatever_races, 0)
{
	struct many *m = calloc(1, sizeof *m);
	ct_assert(m != NULL);
	creel_executor *ex = ct_executor();
	for (unsigned i = 0; i < MANY; i++) {
		m->ran[i] = ct_count_new();
		m->done[i] = ct_count_new();
		m->freed[i] = ct_count_new();
		creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = m->freed[i]};
		m->futures[i] = creel_submit_with(ex, count_and_maybe_fail, &m->ran[i],
						  sizeof m->ran[i], &o);
		ct_int(creel_future_on_done(m->futures[i], NULL, done_count, m->done[i], NULL,
					    NULL),
		       0);
	}
	struct ct_thread *canceller = ct_thread_start(cancel_every_second, m);
	ct_int(creel_executor_resize(ex, 3) == 0, ct_is(CT_RESIZES));
	ct_thread_join(canceller);
	check_many(m);
	ct_close(ex);
	for (unsigned i = 0; i < MANY; i++)
		ct_int(ct_count_get(m->done[i]), 1);
	free(m);
}

CASE(c01_a_shutdown_that_cancels_ends_every_future, CT_ASYNC)
{
	enum { N = 100 };
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new(), *done = ct_count_new();
	creel_future *futures[N];
	size_t left = 0;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	for (int i = 0; i < N; i++) {
		futures[i] = ct_submit_count(ex, ran);
		ct_int(creel_future_on_done(futures[i], NULL, done_count, done, NULL, NULL), 0);
	}
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), -ETIMEDOUT);
	ct_assert(left >= 1 && left <= N + hold.n);
	/* A pool does it at once; others, when they come to what was cancelled. */
	if (!ct_is(CT_POOL))
		ct_open(hold.gate);
	for (int i = 0; i < N; i++) {
		ct_int(ct_outcome(futures[i]), -ECANCELED);
		ct_int(creel_future_state(futures[i]), CREEL_FUTURE_CANCELLED);
		creel_future_unref(futures[i]);
	}
	ct_open(hold.gate);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
	ct_int(ct_count_get(done), N);
	for (unsigned i = 0; i < hold.n; i++) {
		int rc = creel_future_result(hold.blockers[i], CREEL_NOW, NULL, 0);
		ct_assert(rc == 0 || rc == -ECANCELED);
		creel_future_unref(hold.blockers[i]);
	}
	free(hold.blockers);
}

CASE(c01_a_shutdown_that_cancels_ends_what_a_worker_has_taken_with_it, CT_POOL)
{
	enum { N = 40 };
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new(), *started = ct_count_new(), *gate = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 1};
	creel_future *futures[N];
	creel_executor *ex = ct_pool(o);
	ct_hold_n(&hold, ex, 1);
	creel_future *blocker = ct_submit_gated(ex, started, gate, 1);
	for (int i = 0; i < N; i++)
		futures[i] = ct_submit_count(ex, ran);
	ct_release(&hold);
	/* The worker, coming from the first blocker, may have claimed more than the second one. */
	ct_count_await(started, 1);
	ct_int(creel_future_cancel(futures[3]), CREEL_CANCEL_NOW);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	for (int i = 0; i < N; i++) {
		ct_int(ct_outcome(futures[i]), -ECANCELED);
		creel_future_unref(futures[i]);
	}
	ct_open(gate);
	ct_int(ct_long_drop(blocker), 1);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

static int end_the_thread(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

CASE(c01_a_task_that_ends_its_thread_fails_as_exited_and_the_worker_is_replaced, CT_POOL)
{
	struct ct_count *done = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed, .name = "leaver"};
	long three = 3;
	creel_stats stats;
	creel_executor *ex = ct_executor();
	for (unsigned i = 1; i <= 5; i++) {
		creel_future *f = creel_submit_with(ex, end_the_thread, &i, sizeof i, &o);
		ct_int(creel_future_on_done(f, NULL, done_count, done, NULL, NULL), 0);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
		ct_text(creel_future_error(f)->task, "leaver");
		ct_int(ct_count_get(freed), i);
		creel_future_unref(f);
		ct_int(ct_long_drop(creel_submit(ex, task_double, &three, sizeof three)), 6);
	}
	/* The last one's thread may still be on its way out. */
	ct_until(creel_executor_stats(ex, &stats, sizeof stats) == 0 && stats.died == 5);
	ct_close(ex);
	ct_int(ct_count_get(done), 5);
}

CASE(c01_resizing_while_tasks_run_loses_none, CT_COUNTS)
{
	enum { N = 2000 };
	struct ct_count *ran = ct_count_new();
	static creel_future *futures[N];
	creel_executor *ex = ct_executor();
	for (int i = 0; i < N; i++) {
		futures[i] = ct_submit_count(ex, ran);
		if (i % 100 == 0)
			ct_int(creel_executor_resize(ex, 1 + i / 100 % 5), 0);
	}
	for (int i = 0; i < N; i++)
		ct_assert(ct_long_drop(futures[i]) > 0);
	ct_int(ct_count_get(ran), N);
	ct_close(ex);
}

/* Promise 8. */

CASE(c08_dropping_the_future_of_a_pending_task_does_not_cancel_it, CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	for (int i = 0; i < 50; i++)
		creel_future_unref(creel_submit_with(ex, task_count, &ran, sizeof ran, &o));
	ct_int(ct_count_get(ran), 0);
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(ran), 50);
	ct_int(ct_count_get(freed), 50);
	ct_close(ex);
}

CASE(c08_dropping_the_future_of_a_running_task_returns_while_it_runs, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 0);
	ct_count_await(started, 1);
	/* The task ends only when the gate is open: an unref that waited would never come back. */
	creel_future_unref(f);
	ct_open(gate);
	ct_close(ex);
}

static int leave_buffer(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct ct_count *const *freed = arg;
	creel_buffer buffer = {*freed, 64, buffer_free_count, *freed};
	return creel_return_move(task, buffer);
}

CASE(c08_a_result_that_nobody_wants_is_freed_with_its_future, CT_INPROC)
{
	struct ct_count *freed = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future_unref(creel_submit(ex, leave_buffer, &freed, sizeof freed));
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_count_await(freed, 1);
	creel_future *f = creel_submit(ex, leave_buffer, &freed, sizeof freed);
	ct_int(ct_outcome(f), 0);
	ct_assert(creel_future_ref(f) == f);
	ct_close(ex);
	creel_future_unref(f);
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	ct_int(ct_count_get(freed), 2);
}

CORE_CASE(c08_no_future_is_no_trouble)
{
	creel_future_unref(NULL);
	ct_assert(creel_future_ref(NULL) == NULL);
	creel_future_unref(creel_promise_new());
}
