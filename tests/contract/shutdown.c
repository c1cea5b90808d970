/* SPDX-License-Identifier: MIT */
/* Promise 17: shutting down, draining, closing, and letting go. */
#include "contract.h"

#include <pthread.h>
#include <stdlib.h>

CASE(c17_shutdown_is_idempotent, 0)
{
	size_t left = 9;
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 3; i++) {
		ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, &left), 0);
		ct_int(left, 0);
		ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
	}
	ct_close(ex);
}

CASE(c17_fifty_queued_tasks_all_finish, 0)
{
	creel_future *futures[50];
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 50; i++)
		futures[i] = ct_submit_count(ex, ran);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(ct_count_get(ran), 50);
	for (int i = 0; i < 50; i++) {
		ct_int(creel_future_result(futures[i], CREEL_NOW, NULL, 0), 0);
		creel_future_unref(futures[i]);
	}
	ct_close(ex);
}

CASE(c17_what_is_pending_still_runs_after_a_shutdown_that_does_not_wait, CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	size_t left = 0;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	for (int i = 0; i < 50; i++)
		creel_future_unref(ct_submit_count(ex, ran));
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, 50 + hold.n);
	ct_release(&hold);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, &left), 0);
	ct_int(left, 0);
	ct_int(ct_count_get(ran), 50);
	ct_close(ex);
}

CASE(c17_with_a_deadline_it_says_how_many_are_left, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	size_t left = 0;
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 1);
	ct_count_await(started, 1);
	creel_deadline at = creel_in_ms(5);
	ct_int(creel_executor_shutdown(ex, 0, at, &left), -ETIMEDOUT);
	ct_assert(ct_now() >= at.ns);
	ct_int(left, 1);
	ct_open(gate);
	ct_int(ct_long_drop(f), 1);
	ct_close(ex);
}

CASE(c17_a_second_shutdown_may_add_cancelling, CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_future *futures[20];
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	for (int i = 0; i < 20; i++)
		futures[i] = ct_submit_count(ex, ran);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_int(creel_future_state(futures[0]), CREEL_FUTURE_PENDING);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_open(hold.gate);
	for (int i = 0; i < 20; i++) {
		ct_int(ct_outcome(futures[i]), -ECANCELED);
		creel_future_unref(futures[i]);
	}
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
	for (unsigned i = 0; i < hold.n; i++)
		creel_future_unref(hold.blockers[i]);
	free(hold.blockers);
}

/* What its caller ran of the callbacks of a shutdown: the first takes until the deadline. */
static struct {
	pthread_t caller;
	creel_deadline deadline;
	int called;
} punctual;

static void take_long(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	if (!pthread_equal(punctual.caller, pthread_self()))
		return;
	punctual.called++;
	/* Some milliseconds also if the caller was late. */
	creel_deadline least = creel_in_ms(3);
	while (creel_now().ns <= punctual.deadline.ns || creel_now().ns <= least.ns)
		ct_breathe();
}

CASE(c17_after_its_deadline_a_shutdown_cancels_nothing_more_itself, CT_COUNTS)
{
	enum { N = 50 };
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_future *futures[N];
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	for (int i = 0; i < N; i++) {
		futures[i] = ct_submit_count(ex, ran);
		ct_int(creel_future_on_done(futures[i], NULL, take_long, NULL, NULL, NULL), 0);
	}
	punctual.caller = pthread_self();
	punctual.called = 0;
	punctual.deadline = creel_in_ms(20);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, punctual.deadline, NULL),
	       -ETIMEDOUT);
	ct_int(punctual.called, 1);
	for (int i = 0; i < N; i++) {
		ct_int(ct_outcome(futures[i]), -ECANCELED);
		creel_future_unref(futures[i]);
	}
	ct_release(&hold);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

struct ender {
	creel_executor *ex;
	struct ct_count *started, *gate;
};

static int end_from_inside(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct ender *e = arg;
	ct_count_add(e->started, 1);
	ct_pass(e->gate);
	int said[4] = {
		creel_executor_drain(e->ex, CREEL_FOREVER),
		creel_executor_shutdown(e->ex, 0, creel_in_ms(CT_GUARD_MS), NULL),
		creel_executor_shutdown(e->ex, 0, CREEL_FOREVER, NULL),
		creel_executor_close(e->ex),
	};
	return creel_return(task, said, sizeof said);
}

CASE(c17_a_task_may_shut_its_executor_down_but_not_wait_for_it, CT_INPROC)
{
	struct ender e = {ct_executor(), ct_count_new(), ct_count_new()};
	int said[4] = {0};
	creel_executor *ex = creel_executor_ref(e.ex);
	ct_open(e.gate);
	creel_future *f = creel_submit(ex, end_from_inside, &e, sizeof e);
	ct_int(creel_future_result(f, CT_GUARD, said, sizeof said), 0);
	for (int i = 0; i < 4; i++)
		ct_int(said[i], -EDEADLK);
	creel_future *late = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_error(late)->kind, CREEL_KIND_SHUT_DOWN);
	creel_future_unref(late);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c17_a_task_may_close_the_last_reference_of_its_executor, CT_ASYNC | CT_INPROC)
{
	struct ender e = {ct_executor(), ct_count_new(), ct_count_new()};
	struct ct_count *ran = ct_count_new();
	int said[4] = {0};
	creel_future *f = creel_submit(e.ex, end_from_inside, &e, sizeof e);
	creel_future *behind = ct_submit_count(e.ex, ran);
	ct_open(e.gate);
	/* From here on the executor is not ours: the task drops the only reference. */
	ct_int(creel_future_result(f, CT_GUARD, said, sizeof said), 0);
	ct_int(said[3], -EDEADLK);
	ct_assert(ct_long_drop(behind) == 1);
	creel_future_unref(f);
}

CASE(c17_the_last_reference_that_goes_is_a_shutdown_that_does_not_wait, 0)
{
	creel_future *futures[50];
	struct ct_count *ran = ct_count_new();
	unsigned rounds = ct_many(ct_scaled(20));
	for (unsigned round = 0; round < rounds; round++) {
		creel_executor *ex = ct_executor();
		for (int i = 0; i < 50; i++)
			futures[i] = ct_submit_count(ex, ran);
		creel_executor_unref(ex);
		for (int i = 0; i < 50; i++)
			ct_assert(ct_long_drop(futures[i]) > 0);
	}
	ct_int(ct_count_get(ran), 50 * rounds);
}

CASE(c17_letting_go_returns_while_tasks_run_and_wait, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *futures[20];
	creel_executor *ex = ct_executor();
	for (long i = 0; i < 20; i++)
		futures[i] = ct_submit_gated(ex, started, gate, i);
	ct_count_await(started, 1);
	creel_executor_unref(ex);
	ct_open(gate);
	for (long i = 0; i < 20; i++)
		ct_int(ct_long_drop(futures[i]), i);
}

CASE(c17_an_executor_that_was_never_used_goes_quietly, 0)
{
	for (unsigned i = ct_scaled(50); i > 0; i--) {
		creel_executor_unref(ct_executor());
		ct_close(ct_executor());
	}
	creel_executor_unref(NULL);
}

CASE(c17_several_holders_each_close_their_own_reference, CT_ASYNC)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	ct_assert(creel_executor_ref(ex) == ex);
	creel_executor_ref(ex);
	creel_future *f = ct_submit_count(ex, ran);
	for (int i = 0; i < 3; i++)
		ct_int(creel_executor_close(ex), 0);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(f);
}

static void *close_in_thread(void *ex)
{
	return (void *)(intptr_t)creel_executor_close(ex);
}

CASE(c17_several_threads_may_close_at_once, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_thread *threads[4];
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 3);
	ct_count_await(started, 1);
	for (int i = 0; i < 4; i++)
		threads[i] = ct_thread_start(close_in_thread, creel_executor_ref(ex));
	for (int i = 0; i < 4; i++)
		ct_await_asleep(ct_thread_id(threads[i]));
	ct_open(gate);
	for (int i = 0; i < 4; i++)
		ct_int((intptr_t)ct_thread_join(threads[i]), 0);
	ct_close(ex);
	ct_int(ct_long_drop(f), 3);
}

CASE(c17_close_waits_for_everything_and_for_the_workers, CT_ASYNC)
{
	struct ct_count *ran = ct_count_new();
	for (unsigned round = 0; round < ct_many(ct_scaled(20)); round++) {
		creel_executor *ex = ct_executor();
		for (int i = 0; i < 100; i++)
			creel_future_unref(ct_submit_count(ex, ran));
		ct_close(ex);
		ct_int(ct_count_get(ran), 100 * (round + 1));
	}
}

CASE(c17_drain_waits_for_what_is_there_and_accepts_meanwhile, CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	ct_hold(&hold, ex);
	ct_int(creel_executor_drain(ex, creel_in_ms(2)), -ETIMEDOUT);
	for (int i = 0; i < 30; i++)
		creel_future_unref(ct_submit_count(ex, ran));
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(ran), 30);
	creel_future_unref(ct_submit_count(ex, ran));
	ct_int(creel_executor_drain(ex, CREEL_FOREVER), 0);
	ct_int(ct_count_get(ran), 31);
	ct_close(ex);
	ct_int(ct_count_get(ran), 31);
}

static void *drain_in_thread(void *ex)
{
	return (void *)(intptr_t)creel_executor_drain(ex, CREEL_FOREVER);
}

CASE(c17_a_drain_that_waits_is_woken_when_the_last_one_ends, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 3);
	struct ct_thread *a = ct_thread_start(drain_in_thread, ex);
	struct ct_thread *b = ct_thread_start(drain_in_thread, ex);
	ct_await_asleep(ct_thread_id(a));
	ct_await_asleep(ct_thread_id(b));
	ct_open(gate);
	ct_int((intptr_t)ct_thread_join(a), 0);
	ct_int((intptr_t)ct_thread_join(b), 0);
	ct_int(ct_long_drop(f), 3);
	ct_close(ex);
}

CASE(c17_drain_counts_a_cancelled_one_as_ended, CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	creel_future_unref(f);
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_close(ex);
}

struct chain {
	creel_executor *ex;
	struct ct_count *left;
};

static int submit_the_next(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	const struct chain *c = arg;
	if (ct_count_add(c->left, 1) < 20)
		return creel_spawn(c->ex, submit_the_next, c, size, NULL);
	return 0;
}

CASE(c17_drain_covers_what_tasks_submit, CT_INPROC)
{
	struct chain c = {ct_executor(), ct_count_new()};
	creel_future_unref(creel_submit(c.ex, submit_the_next, &c, sizeof c));
	ct_int(creel_executor_drain(c.ex, CT_GUARD), 0);
	ct_int(ct_count_get(c.left), 20);
	ct_close(c.ex);
}

CASE(c17_futures_outlive_their_executor, 0)
{
	long five = 5;
	int code = 6;
	creel_executor *ex = ct_executor();
	creel_future *good = creel_submit(ex, task_double, &five, sizeof five);
	creel_future *bad = creel_submit(ex, task_fail, &code, sizeof code);
	ct_close(ex);
	ct_int(ct_long_drop(good), 10);
	ct_int(ct_outcome(bad), CREEL_EFAILED);
	ct_has(creel_future_error(bad)->message, "on purpose");
	creel_future_unref(bad);
}

CASE(bad_shutdown_flags_are_refused_and_nothing_happens, 0)
{
	struct ct_count *ran = ct_count_new();
	size_t left = 77;
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_shutdown(ex, 4, CREEL_NOW, &left), -EINVAL);
	ct_int(creel_executor_shutdown(ex, 1u << 31 | CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left),
	       -EINVAL);
	ct_int(left, 77);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	ct_close(ex);
}
