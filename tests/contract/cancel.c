/* SPDX-License-Identifier: MIT */
/* Promise 2: what cancelling does to a pending, running, finished and cancelled future. */
#include "contract.h"

#include <poll.h>
#include <sched.h>

/* A pending task behind blockers, and who waits for it. */
struct scene {
	struct ct_hold hold;
	creel_executor *ex;
	struct ct_count *ran;
	creel_future *f;
};

static void set_up(struct scene *s)
{
	s->ran = ct_count_new();
	s->ex = ct_executor();
	ct_hold(&s->hold, s->ex);
	s->f = ct_submit_count(s->ex, s->ran);
	ct_int(creel_future_state(s->f), CREEL_FUTURE_PENDING);
}

static void tear_down(struct scene *s)
{
	ct_release(&s->hold);
	creel_future_unref(s->f);
	ct_close(s->ex);
	ct_int(ct_count_get(s->ran), 0);
}

CASE(c02_cancel_of_a_pending_task_completes_it_within_the_call, CT_ASYNC)
{
	struct scene s;
	struct ct_count *done = ct_count_new();
	set_up(&s);
	ct_int(creel_future_on_done(s.f, NULL, done_count, done, NULL, NULL), 0);
	ct_int(creel_future_cancel(s.f), CREEL_CANCEL_NOW);
	ct_int(ct_count_get(done), 1);
	ct_int(creel_future_state(s.f), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_result(s.f, CREEL_NOW, NULL, 0), -ECANCELED);
	ct_int(creel_future_view(s.f, CREEL_NOW, NULL, NULL), -ECANCELED);
	ct_int(creel_future_error(s.f)->kind, CREEL_KIND_CANCELLED);
	tear_down(&s);
}

CASE(c02_cancel_of_a_cancelled_task_is_idempotent, CT_ASYNC)
{
	struct scene s;
	struct ct_count *done = ct_count_new();
	set_up(&s);
	ct_int(creel_future_on_done(s.f, NULL, done_count, done, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		ct_int(creel_future_cancel(s.f), CREEL_CANCEL_NOW);
	ct_int(ct_count_get(done), 1);
	tear_down(&s);
}

static void *wait_for_result(void *f)
{
	return (void *)(intptr_t)creel_future_result(f, CREEL_FOREVER, NULL, 0);
}

static void *wait_for_all(void *f)
{
	creel_future *both[2] = {f, f};
	size_t done = 0;
	int rc = creel_wait(both, 2, CREEL_ALL_COMPLETED, CREEL_FOREVER, &done);
	return (void *)(intptr_t)(rc ? rc : (int)done);
}

static void *wait_for_error(void *f)
{
	creel_future *one = f;
	return (void *)(intptr_t)creel_wait(&one, 1, CREEL_FIRST_ERROR, CREEL_FOREVER, NULL);
}

CASE(c02_cancel_of_a_pending_task_wakes_waiters, CT_ASYNC)
{
	struct scene s;
	set_up(&s);
	struct ct_thread *result = ct_thread_start(wait_for_result, s.f);
	struct ct_thread *all = ct_thread_start(wait_for_all, s.f);
	struct ct_thread *error = ct_thread_start(wait_for_error, s.f);
	ct_await_asleep(ct_thread_id(result));
	ct_await_asleep(ct_thread_id(all));
	ct_await_asleep(ct_thread_id(error));
	ct_int(creel_future_cancel(s.f), CREEL_CANCEL_NOW);
	/* The blockers still hold every worker: only the cancel can have woken them. */
	ct_int((intptr_t)ct_thread_join(result), -ECANCELED);
	ct_int((intptr_t)ct_thread_join(all), 2);
	ct_int((intptr_t)ct_thread_join(error), 0);
	tear_down(&s);
}

static void *take_one(void *q)
{
	creel_future *f = NULL;
	int rc = creel_queue_take(q, CREEL_FOREVER, &f, NULL);
	if (rc == 0)
		rc = creel_future_state(f);
	creel_future_unref(f);
	return (void *)(intptr_t)rc;
}

CASE(c02_cancel_of_a_pending_task_reaches_its_completion_queue, CT_ASYNC | CT_SYSTEM)
{
	struct scene s;
	set_up(&s);
	creel_queue *q = creel_queue_new(NULL);
	ct_int(creel_queue_add(q, s.f, NULL), 0);
	ct_int(creel_queue_add(q, s.f, NULL), 0);
	struct pollfd readable = {.fd = creel_queue_fd(q), .events = POLLIN};
	ct_assert(readable.fd >= 0);
	ct_int(poll(&readable, 1, 0), 0);
	struct ct_thread *taker = ct_thread_start(take_one, q);
	ct_await_asleep(ct_thread_id(taker));
	ct_int(creel_future_cancel(s.f), CREEL_CANCEL_NOW);
	ct_int((intptr_t)ct_thread_join(taker), CREEL_FUTURE_CANCELLED);
	ct_int(poll(&readable, 1, 0), 1);
	ct_int((intptr_t)take_one(q), CREEL_FUTURE_CANCELLED);
	ct_int(poll(&readable, 1, 0), 0);
	creel_queue_unref(q);
	tear_down(&s);
}

CASE(c02_a_cancelled_argument_is_freed_once_and_before_it_shows, CT_ASYNC)
{
	struct scene s;
	struct ct_count *freed = ct_count_new();
	set_up(&s);
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *f = creel_submit_with(s.ex, task_count, &s.ran, sizeof s.ran, &o);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	ct_int(creel_future_cancel(s.f), CREEL_CANCEL_NOW);
	tear_down(&s);
	ct_int(ct_count_get(freed), 1);
}

CASE(c02_a_cancelled_task_may_be_dropped_at_once, CT_ASYNC)
{
	struct scene s;
	set_up(&s);
	for (int i = 0; i < 200; i++) {
		creel_future *f = ct_submit_count(s.ex, s.ran);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		creel_future_unref(f);
	}
	ct_int(creel_future_cancel(s.f), CREEL_CANCEL_NOW);
	tear_down(&s);
}

CASE(c02_cancelling_one_leaves_its_neighbours_alone, CT_ASYNC)
{
	enum { N = 9 };
	struct scene s;
	creel_future *futures[N];
	struct ct_count *ran = ct_count_new();
	set_up(&s);
	for (int i = 0; i < N; i++)
		futures[i] = ct_submit_count(s.ex, ran);
	/* First, last and a middle one of what is queued. */
	ct_int(creel_future_cancel(s.f), CREEL_CANCEL_NOW);
	ct_int(creel_future_cancel(futures[4]), CREEL_CANCEL_NOW);
	ct_int(creel_future_cancel(futures[N - 1]), CREEL_CANCEL_NOW);
	tear_down(&s);
	for (int i = 0; i < N; i++) {
		bool cancelled = i == 4 || i == N - 1;
		ct_int(creel_future_state(futures[i]),
		       cancelled ? CREEL_FUTURE_CANCELLED : CREEL_FUTURE_FINISHED);
		creel_future_unref(futures[i]);
	}
	ct_int(ct_count_get(ran), N - 2);
}

struct watched {
	struct ct_count *started, *asked;
	bool late; /* the request may come later */
};

/* Returns whether it saw the request, before and after. */
static int watch_for_cancel(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct watched *w = arg;
	int before = creel_task_cancelled(task);
	ct_count_add(w->started, 1);
	ct_pass(w->asked);
	if (w->late)
		ct_until(creel_task_cancelled(task));
	int seen = 10 * before + creel_task_cancelled(task);
	return creel_return(task, &seen, sizeof seen);
}

CASE(c02_cancel_of_a_running_task_is_a_request_that_it_can_read, CT_ASYNC)
{
	struct watched w = {ct_count_new(), ct_count_new(), ct_is(CT_APART)};
	int seen = -1;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, watch_for_cancel, &w, sizeof w);
	ct_count_await(w.started, 1);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	ct_open(w.asked);
	/* It had started: what it returns is its result. */
	ct_int(creel_future_result(f, CT_GUARD, &seen, sizeof seen), 0);
	ct_int(seen, 1);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c02_a_running_task_that_nobody_cancelled_sees_no_request, CT_ASYNC)
{
	struct watched w = {ct_count_new(), ct_count_new(), false};
	int seen = -1;
	creel_executor *ex = ct_executor();
	ct_open(w.asked);
	creel_future *f = creel_submit(ex, watch_for_cancel, &w, sizeof w);
	ct_int(creel_future_result(f, CT_GUARD, &seen, sizeof seen), 0);
	ct_int(seen, 0);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c02_cancel_of_a_finished_task_does_nothing, 0)
{
	long five = 5;
	int code = 3;
	creel_executor *ex = ct_executor();
	creel_future *good = creel_submit(ex, task_double, &five, sizeof five);
	creel_future *bad = creel_submit(ex, task_fail, &code, sizeof code);
	ct_int(ct_long(good), 10);
	ct_int(ct_outcome(bad), CREEL_EFAILED);
	ct_int(creel_future_cancel(good), CREEL_CANCEL_FINAL);
	ct_int(creel_future_cancel(bad), CREEL_CANCEL_FINAL);
	ct_int(ct_long(good), 10);
	ct_int(creel_future_error(bad)->kind, CREEL_KIND_FAILED);
	ct_int(creel_future_state(bad), CREEL_FUTURE_FINISHED);
	creel_future_unref(good);
	creel_future_unref(bad);
	ct_close(ex);
}

static int cancel_other(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	creel_future *const *other = arg;
	int did = creel_future_cancel(*other);
	return creel_return(task, &did, sizeof did);
}

CASE(c02_a_task_may_cancel_another_one, CT_INPROC | CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	int did = 0;
	creel_executor *ex = ct_executor(), *other = creel_thread_pool_new(NULL);
	ct_hold(&hold, ex);
	creel_future *victim = ct_submit_count(ex, ran);
	creel_future *f = creel_submit(other, cancel_other, &victim, sizeof victim);
	ct_int(creel_future_result(f, CT_GUARD, &did, sizeof did), 0);
	ct_int(did, CREEL_CANCEL_NOW);
	ct_int(ct_outcome(victim), -ECANCELED);
	ct_release(&hold);
	creel_future_unref(f);
	creel_future_unref(victim);
	ct_close(other);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

/* A thread that waits for a moment, again and again, while others look at the executor. */
struct crowd {
	creel_executor *ex;
	creel_future *_Atomic f; /* NULL: nothing to wait for, and nobody has it any more */
	_Atomic bool over;
};

static void *wait_for_moments(void *arg)
{
	struct crowd *c = arg;
	while (!c->over) {
		creel_future *f = c->f;
		if (!f)
			sched_yield();
		else if (creel_future_result(f, creel_in_ns(1500), NULL, 0) != -ETIMEDOUT)
			c->f = NULL;
	}
	return NULL;
}

static void *look_at_stats(void *arg)
{
	struct crowd *c = arg;
	creel_stats stats;
	while (!c->over)
		if (creel_executor_stats(c->ex, &stats, sizeof stats))
			return c;
	return NULL;
}

/* In a process pool, who begins to wait has the task in hold for a moment, and a cancel that
 * came then reached nobody. There is no event in the middle: it is repeated. */
CASE(c02_a_request_reaches_the_task_whoever_waits_for_it_meanwhile, CT_ASYNC)
{
	struct crowd c = {.ex = ct_executor()};
	struct watched w = {ct_count_new(), ct_count_new(), ct_is(CT_APART)};
	struct ct_thread *waiter = ct_thread_start(wait_for_moments, &c);
	struct ct_thread *looks[2];
	for (int i = 0; i < 2; i++)
		looks[i] = ct_thread_start(look_at_stats, &c);
	int64_t begin = ct_now();
	for (unsigned i = 0; ct_again(i, CT_MEMCHECK ? 20 : ct_many(400), begin); i++) {
		int seen = -1;
		creel_future *f = creel_submit(c.ex, watch_for_cancel, &w, sizeof w);
		ct_count_await(w.started, i + 1);
		ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
		c.f = f;
		for (volatile unsigned k = i % 50 * 100; k > 0; k--)
			;
		ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
		ct_open(w.asked);
		ct_int(creel_future_result(f, CT_GUARD, &seen, sizeof seen), 0);
		ct_int(seen, 1);
		for (int64_t start = ct_now(); c.f; sched_yield())
			ct_assert(!ct_guard_over(start));
		creel_future_unref(f);
		atomic_store(&w.asked->n, 0);
	}
	c.over = true;
	ct_assert(ct_thread_join(waiter) == NULL);
	for (int i = 0; i < 2; i++)
		ct_assert(ct_thread_join(looks[i]) == NULL);
	ct_close(c.ex);
}
