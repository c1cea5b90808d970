/* SPDX-License-Identifier: MIT */
/* Promise 40, as far as it is about clocks and timers; and what holds for timers as for every
 * future. Tests that need real time use a clock of their own, whose thread goes with it. */
#include "contract.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MANY = 600,
	NEEDS_BLOCKS = CT_NO_BLOCKS ? CT_NOWHERE : 0 /* to count them */
};

static creel_clock *manual(void)
{
	return creel_clock_new(CREEL_CLOCK_MANUAL);
}

static void on_done(creel_future *f, creel_done_fn fn, void *arg)
{
	ct_int(creel_future_on_done(f, NULL, fn, arg, NULL, NULL), 0);
}

/* Waits in a callback, which must be refused. */
static int try_to_wait(void)
{
	creel_future *promise = creel_promise_new();
	int rc = creel_future_result(promise, CREEL_FOREVER, NULL, 0);
	creel_future_unref(promise);
	return rc;
}

/* A timer whose end is logged by number, with what the clock said. */
struct numbered {
	creel_clock *clock;
	struct ct_log *log;
	creel_future *future;
	creel_deadline due;
	int64_t shown;
	long number;
};

static void log_number(creel_future *f, void *arg)
{
	struct numbered *n = arg;
	(void)f;
	n->shown = creel_clock_now(n->clock).ns;
	ct_log_add(n->log, n->number);
}

static void set_numbered(struct numbered *n, creel_clock *clock, struct ct_log *log, long number,
			 creel_deadline due)
{
	*n = (struct numbered){.clock = clock, .log = log, .due = due, .number = number};
	n->future = creel_after(clock, due);
	on_done(n->future, log_number, n);
}

CORE_CASE(c40_a_manual_clock_ends_timers_in_exact_order)
{
	creel_clock *clock = manual();
	struct ct_log *log = ct_log_new(MANY);
	struct numbered *timers = calloc(MANY, sizeof *timers);
	unsigned kept = 0, seed = 7;
	for (long i = 0; i < MANY; i++) {
		seed = seed * 1664525 + 1013904223;
		set_numbered(&timers[i], clock, log, i, creel_clock_in(clock, 1 + seed % 97));
	}
	for (long i = 0; i < MANY; i += 3)
		ct_int(creel_future_cancel(timers[i].future), CREEL_CANCEL_NOW);
	kept = log->n;
	ct_int(kept, MANY / 3);
	log->n = 0;
	ct_int(creel_clock_advance(clock, 97), 0);
	ct_int(log->n, MANY - kept);
	for (uint32_t i = 0; i < log->n; i++) {
		const struct numbered *now = &timers[log->entry[i]];
		ct_int(now->shown, now->due.ns);
		if (i == 0)
			continue;
		const struct numbered *before = &timers[log->entry[i - 1]];
		ct_assert(before->due.ns < now->due.ns ||
			  (before->due.ns == now->due.ns && before->number < now->number));
	}
	for (long i = 0; i < MANY; i++)
		creel_future_unref(timers[i].future);
	creel_clock_unref(clock);
	free(timers);
}

CORE_CASE(c40_a_manual_clock_ends_nothing_before_it_is_due)
{
	creel_clock *clock = manual();
	creel_future *f = creel_after(clock, creel_clock_in(clock, CREEL_S(3600)));
	ct_int(creel_clock_advance(clock, CREEL_S(3600) - 1), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ETIMEDOUT);
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(f);
	creel_clock_unref(clock);
}

/* Sets the next one for 10 ns later, until there were five. */
struct chain {
	creel_clock *clock;
	struct ct_log *log;
};

static void set_next(creel_future *f, void *arg)
{
	struct chain *c = arg;
	(void)f;
	ct_log_add(c->log, (long)creel_clock_now(c->clock).ns);
	if (c->log->n == 5)
		return;
	creel_future *next = creel_after(c->clock, creel_clock_in(c->clock, 10));
	creel_future_on_done(next, NULL, set_next, c, NULL, NULL);
	creel_future_unref(next);
}

CORE_CASE(c40_timers_that_callbacks_set_end_in_the_same_advance)
{
	struct chain c = {.clock = manual(), .log = ct_log_new(5)};
	int64_t start = creel_clock_now(c.clock).ns;
	creel_future *first = creel_after(c.clock, creel_clock_in(c.clock, 10));
	on_done(first, set_next, &c);
	ct_int(creel_clock_advance(c.clock, 35), 0);
	ct_int(c.log->n, 3);
	ct_int(creel_clock_now(c.clock).ns, start + 35);
	ct_int(creel_clock_advance(c.clock, 100), 0);
	ct_int(c.log->n, 5);
	for (long i = 0; i < 5; i++)
		ct_int(c.log->entry[i], start + 10 * (i + 1));
	ct_int(creel_clock_now(c.clock).ns, start + 135);
	creel_future_unref(first);
	creel_clock_unref(c.clock);
}

/* Sets one for the time that it is now: it ends behind what is due now already. */
static void set_for_now(creel_future *f, void *arg)
{
	struct numbered *n = arg;
	(void)f;
	ct_log_add(n->log, n->number);
	set_numbered(&n[2], n->clock, n->log, 2, creel_clock_now(n->clock));
}

CORE_CASE(c40_a_timer_for_now_ends_behind_those_that_are_due)
{
	creel_clock *clock = manual();
	struct ct_log *log = ct_log_new(3);
	struct numbered timers[3];
	creel_deadline due = creel_clock_in(clock, 5);
	timers[0] = (struct numbered){.clock = clock, .log = log};
	timers[0].future = creel_after(clock, due);
	on_done(timers[0].future, set_for_now, &timers[0]);
	set_numbered(&timers[1], clock, log, 1, due);
	ct_int(creel_clock_advance(clock, 5), 0);
	ct_int(log->n, 3);
	for (long i = 0; i < 3; i++) {
		ct_int(log->entry[i], i);
		creel_future_unref(timers[i].future);
	}
	creel_clock_unref(clock);
}

CORE_CASE(c40_a_timer_whose_time_has_passed_has_ended)
{
	creel_clock *clocks[] = {NULL, manual(), creel_clock_new(0)};
	for (int i = 0; i < 3; i++) {
		const creel_deadline passed[] = {
			CREEL_NOW, {0}, {INT64_MIN}, creel_clock_now(clocks[i])};
		for (int j = 0; j < 4; j++) {
			creel_future *f = creel_after(clocks[i], passed[j]);
			ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
			ct_int(creel_future_cancel(f), CREEL_CANCEL_FINAL);
			creel_future_unref(f);
		}
		creel_clock_unref(clocks[i]);
	}
	/* None of them needed a thread. */
	ct_int(ct_threads_named("creel-clock", NULL, 0), 0);
}

/* When it ended, by the real clock. */
struct timed {
	creel_future *future;
	creel_deadline due;
	_Atomic(int64_t) ended;
	struct ct_count *count;
};

static void note_time(creel_future *f, void *arg)
{
	struct timed *t = arg;
	(void)f;
	t->ended = creel_now().ns;
	ct_count_add(t->count, 1);
}

CORE_CASE(c40_a_real_clock_never_ends_a_timer_early)
{
	creel_clock *clock = creel_clock_new(0);
	static struct timed timers[MANY];
	struct ct_count *count = ct_count_new();
	unsigned seed = 3;
	for (int i = 0; i < MANY; i++) {
		seed = seed * 1664525 + 1013904223;
		timers[i].count = count;
		timers[i].due = creel_in_ns(CREEL_US(1) * (seed % 50000));
		timers[i].future = creel_after(clock, timers[i].due);
		on_done(timers[i].future, note_time, &timers[i]);
	}
	for (int i = 0; i < MANY; i++) {
		ct_int(creel_future_result(timers[i].future, CREEL_FOREVER, NULL, 0), 0);
		ct_assert(creel_now().ns >= timers[i].due.ns);
	}
	ct_count_await(count, MANY);
	for (int i = 0; i < MANY; i++) {
		ct_assert(timers[i].ended >= timers[i].due.ns);
		creel_future_unref(timers[i].future);
	}
	creel_clock_unref(clock);
}

/* The thread sleeps for the first one when the second, earlier one is set. */
CORE_CASE_WITH(c40_an_earlier_timer_does_not_wait_for_a_later_one, CT_SYSTEM)
{
	creel_clock *clock = creel_clock_new(0);
	creel_future *late = creel_after(clock, creel_in_ms(3600000));
	int tid;
	ct_until(ct_threads_named("creel-clock", &tid, 1) == 1);
	ct_await_asleep(tid);
	creel_future *early = creel_after(clock, creel_in_ms(1));
	ct_int(creel_future_result(early, CT_GUARD, NULL, 0), 0);
	ct_int(creel_future_state(late), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(late), CREEL_CANCEL_NOW);
	creel_future_unref(early);
	creel_future_unref(late);
	creel_clock_unref(clock);
}

CORE_CASE(c40_a_cancelled_timer_ends_at_once_and_its_callbacks_run)
{
	creel_clock *clocks[] = {manual(), creel_clock_new(0)};
	for (int i = 0; i < 2; i++) {
		struct ct_count *count = ct_count_new();
		creel_future *f = creel_after(clocks[i], creel_clock_in(clocks[i], CREEL_S(3600)));
		on_done(f, done_count, count);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		ct_int(ct_count_get(count), 1);
		ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
		ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), -ECANCELED);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_CANCELLED);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		ct_int(creel_future_kill(f, 0), CREEL_CANCEL_NOW);
		creel_future_unref(f);
		creel_clock_unref(clocks[i]);
	}
}

CORE_CASE_WITH(c40_cancelling_gives_memory_back_at_once, NEEDS_BLOCKS)
{
	enum { N = 20000 };
	creel_clock *clock = manual();
	static creel_future *timers[N];
	creel_future *one = creel_after(clock, creel_clock_in(clock, 1000));
	long before = ct_live_blocks();
	for (int i = 0; i < N; i++)
		timers[i] = creel_after(clock, creel_clock_in(clock, 1 + i % 5000));
	for (int i = 0; i < N; i++) {
		ct_int(creel_future_cancel(timers[i]), CREEL_CANCEL_NOW);
		creel_future_unref(timers[i]);
	}
	ct_int(ct_live_blocks(), before);
	creel_future_cancel(one);
	creel_future_unref(one);
	creel_clock_unref(clock);
}

CORE_CASE(c40_forever_is_ended_by_cancelling_alone)
{
	creel_clock *clock = manual();
	creel_future *real = creel_after(NULL, CREEL_FOREVER);
	creel_future *f = creel_after(clock, CREEL_FOREVER);
	ct_int(ct_threads_named("creel-clock", NULL, 0), 0);
	ct_int(creel_clock_advance(clock, INT64_MAX - 1 - creel_clock_now(clock).ns), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	creel_clock_unref(clock);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ECANCELED);
	ct_int(creel_future_cancel(real), CREEL_CANCEL_NOW);
	creel_future_unref(f);
	creel_future_unref(real);
}

static void expect_broken(creel_future *f, void *arg)
{
	const creel_error *e = creel_future_error(f);
	if (e && e->kind == CREEL_KIND_BROKEN)
		ct_count_add(arg, 1);
}

CORE_CASE(c40_dropping_what_ends_never_tells_its_callbacks)
{
	struct ct_count *count = ct_count_new();
	creel_future *f = creel_after(NULL, CREEL_FOREVER);
	on_done(f, expect_broken, count);
	creel_future_unref(f);
	ct_int(ct_count_get(count), 1);
}

/* Promise 8: dropping. */

CORE_CASE(c08_a_dropped_future_still_runs_its_callbacks_at_its_time)
{
	creel_clock *clock = manual();
	struct ct_count *count = ct_count_new();
	creel_future *f = creel_after(clock, creel_clock_in(clock, 5));
	on_done(f, done_count, count);
	creel_future_unref(f);
	ct_int(ct_count_get(count), 0);
	ct_int(creel_clock_advance(clock, 5), 0);
	ct_int(ct_count_get(count), 1);
	creel_clock_unref(clock);
}

static void log_broken(creel_future *f, void *arg)
{
	const creel_error *e = creel_future_error(f);
	struct numbered *n = arg;
	ct_log_add(n->log, e && e->kind == CREEL_KIND_BROKEN ? n->number : -1);
}

CORE_CASE(c08_a_manual_clock_that_is_dropped_fails_its_timers_in_order)
{
	creel_clock *clock = manual();
	struct ct_log *log = ct_log_new(8);
	struct numbered timers[8];
	for (long i = 0; i < 8; i++) {
		timers[i] = (struct numbered){.log = log, .number = i};
		timers[i].future = creel_after(clock, creel_clock_in(clock, 100 - i));
		on_done(timers[i].future, log_broken, &timers[i]);
	}
	ct_assert(creel_clock_ref(clock) == clock);
	creel_clock_unref(clock);
	ct_int(log->n, 0);
	creel_clock_unref(clock);
	ct_int(log->n, 8);
	for (long i = 0; i < 8; i++) {
		ct_int(log->entry[i], 7 - i);
		ct_int(creel_future_result(timers[i].future, CREEL_NOW, NULL, 0), CREEL_EFAILED);
		ct_has(creel_future_error(timers[i].future)->message, "clock was dropped");
		creel_future_unref(timers[i].future);
	}
}

CORE_CASE(c08_a_real_clock_that_is_dropped_ends_its_timers)
{
	creel_clock *clock = creel_clock_new(0);
	creel_deadline due = creel_in_ms(20);
	creel_future *f = creel_after(clock, due);
	creel_clock_unref(clock);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	ct_assert(creel_now().ns >= due.ns);
	creel_future_unref(f);
}

static void drop_clock(creel_future *f, void *clock)
{
	(void)f;
	creel_clock_unref(clock);
}

CORE_CASE(c08_a_callback_may_drop_the_clock_that_called_it)
{
	creel_clock *clock = manual();
	creel_future *first = creel_after(clock, creel_clock_in(clock, 1));
	creel_future *due = creel_after(clock, creel_clock_in(clock, 2));
	creel_future *later = creel_after(clock, creel_clock_in(clock, 3));
	on_done(first, drop_clock, clock);
	ct_int(creel_clock_advance(clock, 2), 0);
	ct_int(creel_future_result(due, CREEL_NOW, NULL, 0), 0);
	ct_int(creel_future_result(later, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	creel_future_unref(first);
	creel_future_unref(due);
	creel_future_unref(later);
}

/* Promises 5, 9, 10: timers are futures like others. */

struct in_callback {
	creel_clock *clock;
	int wait, advance;
	struct ct_count *done;
};

static void try_what_blocks(creel_future *f, void *arg)
{
	struct in_callback *c = arg;
	(void)f;
	c->wait = try_to_wait();
	c->advance = creel_clock_advance(c->clock, 1);
	ct_open(c->done);
}

CORE_CASE(c05_a_callback_of_a_clock_must_not_block)
{
	struct in_callback c = {.clock = manual(), .done = ct_count_new()};
	creel_future *f = creel_after(c.clock, creel_clock_in(c.clock, 1));
	on_done(f, try_what_blocks, &c);
	ct_int(creel_clock_advance(c.clock, 5), 0);
	ct_int(ct_count_get(c.done), 1);
	ct_int(c.wait, -EDEADLK);
	ct_int(c.advance, -EDEADLK);
	creel_future_unref(f);
	creel_clock_unref(c.clock);
}

CORE_CASE(c05_a_callback_on_the_clocks_thread_must_not_block)
{
	creel_clock *clock = creel_clock_new(0);
	struct in_callback c = {.clock = manual(), .done = ct_count_new()};
	creel_future *f = creel_after(clock, creel_in_ms(1));
	on_done(f, try_what_blocks, &c);
	ct_pass(c.done);
	ct_int(c.wait, -EDEADLK);
	ct_int(c.advance, -EDEADLK);
	creel_future_unref(f);
	creel_clock_unref(clock);
	creel_clock_unref(c.clock);
}

/* What a callback is to do on the clock's thread. If it comes so late that it is called by the
 * thread that registers it, it does nothing. */
struct there {
	pthread_t tester;
	void (*act)(struct there *t);
	struct ct_count *called;
	bool was_there;
	_Atomic(pid_t) child;
};

static void act_there(creel_future *f, void *arg)
{
	struct there *t = arg;
	(void)f;
	t->was_there = !pthread_equal(pthread_self(), t->tester);
	ct_count_add(t->called, 1);
	if (t->was_there)
		t->act(t);
}

/* Has act() called on the clock's thread. Returns the timer whose callback it was. */
static creel_future *act_on_the_clocks_thread(creel_clock *clock, struct there *t)
{
	t->tester = pthread_self();
	t->called = ct_count_new();
	for (int ms = 1;; ms *= 2) {
		creel_future *f = creel_after(clock, creel_in_ms(ms));
		on_done(f, act_there, t);
		ct_count_await(t->called, 1);
		if (t->was_there)
			return f;
		t->called->n = 0;
		creel_future_unref(f);
	}
}

static void end_this_thread(struct there *t)
{
	(void)t;
	pthread_exit(NULL);
}

/* It must not do so; but the other timers are not its own. */
CORE_CASE_WITH(c05_a_callback_that_ends_the_clocks_thread_ends_no_other_timer, CT_MAY_LEAK)
{
	struct there t = {.act = end_this_thread};
	creel_clock *clock = creel_clock_new(0);
	creel_future *before = creel_after(clock, creel_in_ms(100));
	(void)act_on_the_clocks_thread(clock, &t);
	creel_future *after = creel_after(clock, creel_in_ms(1));
	ct_int(creel_future_result(before, CT_GUARD, NULL, 0), 0);
	ct_int(creel_future_result(after, CT_GUARD, NULL, 0), 0);
	creel_future_unref(before);
	creel_future_unref(after);
	creel_clock_unref(clock);
}

CORE_CASE(c09_a_timer_ends_a_wait_for_the_first)
{
	creel_clock *clock = creel_clock_new(0);
	creel_future *both[] = {creel_promise_new(), creel_after(clock, creel_in_ms(1))};
	size_t done = 0;
	ct_int(creel_wait(both, 2, CREEL_FIRST_COMPLETED, CT_GUARD, &done), 0);
	ct_int(done, 1);
	ct_int(creel_promise_set_result(both[0], NULL, 0), 0);
	ct_int(creel_wait(both, 2, CREEL_ALL_COMPLETED, CT_GUARD, &done), 0);
	creel_future_unref(both[0]);
	creel_future_unref(both[1]);
	creel_clock_unref(clock);
}

CORE_CASE(c10_timers_come_out_of_a_queue_in_the_order_of_their_times)
{
	creel_clock *clock = manual();
	creel_queue *q = creel_queue_new(NULL);
	for (uintptr_t i = 0; i < 5; i++) {
		creel_future *f = creel_after(clock, creel_clock_in(clock, (int64_t)(10 - i)));
		ct_int(creel_queue_add(q, f, (void *)(i + 1)), 0);
		creel_future_unref(f);
	}
	ct_int(creel_clock_advance(clock, 10), 0);
	for (uintptr_t i = 5; i > 0; i--) {
		creel_future *f = NULL;
		void *tag = NULL;
		ct_int(creel_queue_take(q, CREEL_NOW, &f, &tag), 0);
		ct_assert(tag == (void *)i);
		creel_future_unref(f);
	}
	creel_queue_unref(q);
	creel_clock_unref(clock);
}

CASE(c09_a_task_waits_for_a_timer_of_a_clock_of_its_process, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_clock *clock = creel_clock_new(0);
	creel_future *f = creel_after(clock, creel_in_ms(5));
	struct ct_count *count = ct_count_new();
	ct_int(creel_future_on_done(f, ex, done_count, count, NULL, NULL), 0);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	ct_pass(count);
	creel_future_unref(f);
	creel_clock_unref(clock);
	ct_close(ex);
}

static int sleep_a_little(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	creel_deadline due = creel_in_ms(2);
	creel_future *f = creel_after(NULL, due);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_unref(f);
	return rc ? rc : creel_now().ns < due.ns;
}

/* In worker processes too: each has a real clock of its own. */
CASE(c40_a_task_may_wait_for_the_real_clock, 0)
{
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 3; i++) {
		creel_future *f = creel_submit(ex, sleep_a_little, NULL, 0);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
	}
	ct_close(ex);
}

/* The thread. */

CORE_CASE_WITH(c40_the_real_clock_has_a_thread_only_while_it_has_timers, CT_SYSTEM)
{
	int tid;
	for (int i = 0; i < 2; i++) {
		ct_int(ct_threads_named("creel-clock", &tid, 1), 0);
		creel_future *f = creel_after(NULL, creel_in_ms(3600000));
		ct_until(ct_threads_named("creel-clock", &tid, 1) == 1);
		ct_await_asleep(tid);
		creel_deadline end = creel_in_ms(1000);
		if (i)
			ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		creel_future *g = creel_after(NULL, creel_in_ms(1));
		ct_int(creel_future_result(g, CT_GUARD, NULL, 0), 0);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		creel_future_unref(f);
		creel_future_unref(g);
		ct_until(ct_threads_named("creel-clock", &tid, 1) == 0);
		ct_assert(creel_now().ns >= end.ns);
	}
}

CORE_CASE_WITH(c20_the_clocks_thread_blocks_signals, CT_SYSTEM)
{
	creel_clock *clock = creel_clock_new(0);
	creel_future *f = creel_after(clock, creel_in_ms(3600000));
	int tid;
	ct_until(ct_threads_named("creel-clock", &tid, 1) == 1);
	char path[64], line[128];
	unsigned long long blocked = 0;
	snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
	FILE *status = fopen(path, "re");
	ct_assert(status != NULL);
	while (fgets(line, sizeof line, status))
		sscanf(line, "SigBlk: %llx", &blocked);
	fclose(status);
	ct_assert(blocked & 1ull << (SIGINT - 1) && blocked & 1ull << (SIGALRM - 1));
	ct_assert(!(blocked & 1ull << (SIGSEGV - 1)));
	creel_future_cancel(f);
	creel_future_unref(f);
	creel_clock_unref(clock);
}

CORE_CASE(c18_a_clock_without_a_thread_refuses_and_tries_again)
{
	creel_clock *clock = creel_clock_new(0);
	ct_fault_arm(CT_FAULT_THREAD, 1, false);
	creel_future *f = creel_after(clock, creel_in_ms(3600000));
	ct_fault_off();
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_REJECTED);
	ct_int(creel_future_error(f)->code, -EAGAIN);
	creel_future_unref(f);
	f = creel_after(clock, creel_in_ms(1));
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	creel_future_unref(f);
	creel_clock_unref(clock);
}

/* Any allocation fails: a future that says so, or one that works. */
CORE_CASE(c01_a_timer_without_memory_has_failed_and_says_so)
{
	for (unsigned n = 1; n < 6; n++) {
		ct_fault_arm(CT_FAULT_MEMORY, n, false);
		creel_clock *clock = manual();
		creel_future *f = creel_after(clock, creel_clock_in(clock, 1));
		ct_fault_off();
		creel_future *g = creel_after(clock, creel_clock_in(clock, 1));
		int rc = creel_clock_advance(clock, 1);
		ct_assert(rc == 0 || rc == -ENOMEM);
		if (rc == 0)
			ct_int(creel_future_result(g, CREEL_NOW, NULL, 0), 0);
		else
			ct_int(creel_future_error(g)->code, -ENOMEM);
		if (creel_future_result(f, CREEL_NOW, NULL, 0) == CREEL_EFAILED) {
			ct_int(creel_future_error(f)->kind, CREEL_KIND_NO_MEMORY);
			ct_int(creel_future_error(f)->code, -ENOMEM);
		}
		creel_future_unref(f);
		creel_future_unref(g);
		creel_clock_unref(clock);
	}
}

/* Promise 23: forks. */

static void end_child(int status)
{
	_exit(status);
}

static void await_child(pid_t child)
{
	int status = -1;
	ct_assert(child > 0);
	ct_int(waitpid(child, &status, 0), child);
	ct_int(status, 0);
}

static void never(creel_future *f, void *arg)
{
	(void)f;
	if (getpid() != *(pid_t *)arg)
		_exit(3);
}

static void in_child(creel_clock *clock, creel_future *theirs)
{
	creel_future *f = creel_after(clock, CREEL_NOW);
	CHILD(creel_future_result(f, CREEL_NOW, NULL, 0) == CREEL_EFAILED);
	CHILD(creel_future_error(f)->code == -EPERM);
	creel_future_unref(f);
	f = creel_after(clock, CREEL_FOREVER);
	CHILD(creel_future_error(f) && creel_future_error(f)->code == -EPERM);
	creel_future_unref(f);
	CHILD(creel_clock_advance(clock, 1) == -EPERM);
	CHILD(creel_clock_now(clock).ns == creel_clock_now(clock).ns);
	CHILD(creel_future_cancel(theirs) == -EPERM);
	CHILD(creel_future_result(theirs, CREEL_FOREVER, NULL, 0) == -EPERM);
	CHILD(creel_clock_ref(clock) == clock);
	creel_clock_unref(clock);
	creel_clock_unref(clock);
	creel_future_unref(theirs);
	for (int i = 0; i < 3; i++) {
		f = creel_after(NULL, creel_in_ms(1));
		CHILD(creel_future_result(f, CT_GUARD, NULL, 0) == 0);
		creel_future_unref(f);
	}
	creel_clock *own = creel_clock_new(CREEL_CLOCK_MANUAL);
	f = creel_after(own, creel_clock_in(own, 1));
	CHILD(creel_clock_advance(own, 1) == 0);
	CHILD(creel_future_result(f, CREEL_NOW, NULL, 0) == 0);
	creel_future_unref(f);
	creel_clock_unref(own);
}

CORE_CASE_WITH(c23_a_child_has_a_real_clock_of_its_own_and_no_timer_of_its_parents,
	       CT_CHILD_THREADS)
{
	pid_t parent = getpid();
	creel_clock *clock = manual();
	creel_future *timers[MANY];
	creel_future *theirs = creel_after(clock, creel_clock_in(clock, 1));
	for (int i = 0; i < MANY; i++) {
		timers[i] = creel_after(NULL, creel_in_ms(20));
		on_done(timers[i], never, &parent);
	}
	pid_t child = fork();
	if (child == 0) {
		alarm(CT_GUARD_MS / 1000);
		in_child(clock, theirs);
		for (int i = 0; i < MANY; i++)
			creel_future_unref(timers[i]);
		creel_future *f = creel_after(NULL, creel_in_ms(40));
		CHILD(creel_future_result(f, CT_GUARD, NULL, 0) == 0);
		end_child(0);
	}
	for (int i = 0; i < MANY; i++) {
		ct_int(creel_future_result(timers[i], CT_GUARD, NULL, 0), 0);
		creel_future_unref(timers[i]);
	}
	await_child(child);
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_int(creel_future_result(theirs, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(theirs);
	creel_clock_unref(clock);
}

/* Forks while another thread sets timers: the lock may be held. */
static void *set_and_cancel(void *stop)
{
	while (ct_count_get(stop) == 0) {
		creel_future *f = creel_after(NULL, creel_in_ms(500));
		creel_future_cancel(f);
		creel_future_unref(f);
	}
	return NULL;
}

CORE_CASE_WITH(c23_a_child_forked_beside_busy_clocks_can_use_its_own, CT_BUSY_FORK)
{
	struct ct_count *stop = ct_count_new();
	struct ct_thread *thread = ct_thread_start(set_and_cancel, stop);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();
		if (child == 0) {
			alarm(CT_GUARD_MS / 1000);
			creel_future *f = creel_after(NULL, creel_in_ms(1));
			CHILD(creel_future_result(f, CT_GUARD, NULL, 0) == 0);
			creel_future_unref(f);
			end_child(0);
		}
		await_child(child);
	}
	ct_open(stop);
	ct_thread_join(thread);
}

static void fork_here(creel_future *f, void *arg)
{
	(void)f;
	*(pid_t *)arg = fork();
	if (*(pid_t *)arg == 0)
		alarm(CT_GUARD_MS / 1000);
}

CORE_CASE(c23_a_child_forked_in_a_callback_leaves_the_clock_to_its_parent)
{
	creel_clock *clock = manual();
	pid_t child = -1;
	creel_future *f = creel_after(clock, creel_clock_in(clock, 1));
	creel_future *g = creel_after(clock, creel_clock_in(clock, 1));
	on_done(f, fork_here, &child);
	int rc = creel_clock_advance(clock, 1);
	if (child == 0)
		end_child(rc != -EPERM);
	ct_int(rc, 0);
	ct_int(creel_future_result(g, CREEL_NOW, NULL, 0), 0);
	await_child(child);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_clock_unref(clock);
}

static void fork_there(struct there *t)
{
	pid_t child = fork();
	if (child == 0)
		alarm(CT_GUARD_MS / 1000);
	else
		t->child = child;
}

CORE_CASE(c23_a_child_forked_on_the_clocks_thread_ends_there)
{
	struct there t = {.act = fork_there};
	creel_clock *clock = creel_clock_new(0);
	creel_future *f = act_on_the_clocks_thread(clock, &t);
	ct_until(t.child != 0);
	await_child(t.child);
	/* The thread goes on. */
	creel_future *g = creel_after(clock, creel_in_ms(1));
	ct_int(creel_future_result(g, CT_GUARD, NULL, 0), 0);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_clock_unref(clock);
}

/* Bad input. */

CORE_CASE(bad_advances_are_refused_and_move_nothing)
{
	creel_clock *clock = manual(), *real = creel_clock_new(0);
	int64_t start = creel_clock_now(clock).ns;
	ct_assert(start > 0);
	ct_int(creel_clock_advance(NULL, 1), -EINVAL);
	ct_int(creel_clock_advance(real, 1), -EINVAL);
	ct_int(creel_clock_advance(clock, -1), -EINVAL);
	ct_int(creel_clock_advance(clock, INT64_MIN), -EINVAL);
	ct_int(creel_clock_advance(clock, INT64_MAX), -EOVERFLOW);
	ct_int(creel_clock_advance(clock, INT64_MAX - start), -EOVERFLOW);
	ct_int(creel_clock_now(clock).ns, start);
	ct_int(creel_clock_advance(clock, 0), 0);
	ct_int(creel_clock_advance(clock, INT64_MAX - 1 - start), 0);
	ct_int(creel_clock_now(clock).ns, INT64_MAX - 1);
	ct_int(creel_clock_in(clock, 1).ns, INT64_MAX);
	creel_clock_unref(clock);
	creel_clock_unref(real);
	creel_clock_unref(NULL);
	ct_assert(creel_clock_ref(NULL) == NULL);
}

struct meeting {
	creel_clock *clock;
	struct ct_count *inside, *gate;
};

static void meet(creel_future *f, void *arg)
{
	struct meeting *m = arg;
	(void)f;
	ct_open(m->inside);
	ct_pass(m->gate);
}

static void *advance_one(void *arg)
{
	struct meeting *m = arg;
	return (void *)(intptr_t)creel_clock_advance(m->clock, 1);
}

CORE_CASE(bad_a_second_advance_at_the_same_time_is_refused)
{
	struct meeting m = {.clock = manual(), .inside = ct_count_new(), .gate = ct_count_new()};
	creel_future *f = creel_after(m.clock, creel_clock_in(m.clock, 1));
	on_done(f, meet, &m);
	struct ct_thread *thread = ct_thread_start(advance_one, &m);
	ct_pass(m.inside);
	ct_int(creel_clock_advance(m.clock, 1), -EBUSY);
	ct_open(m.gate);
	ct_int((intptr_t)ct_thread_join(thread), 0);
	ct_int(creel_clock_advance(m.clock, 1), 0);
	creel_future_unref(f);
	creel_clock_unref(m.clock);
}

CORE_CASE(bad_unknown_flags_make_a_broken_clock)
{
	creel_clock *clock = creel_clock_new(0x40);
	creel_future *f = creel_after(clock, CREEL_NOW);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_REJECTED);
	ct_int(creel_future_error(f)->code, -EINVAL);
	ct_has(creel_future_error(f)->message, "0x40");
	ct_int(creel_clock_advance(clock, 1), -EINVAL);
	creel_future_unref(f);
	creel_clock_unref(clock);
}

CORE_CASE(bad_a_timer_is_no_promise)
{
	creel_clock *clock = manual();
	creel_future *f = creel_after(clock, creel_clock_in(clock, 1));
	for (int i = 0; i < 2; i++) {
		ct_int(creel_promise_start(f), -EINVAL);
		ct_int(creel_promise_set_result(f, NULL, 0), -EINVAL);
		ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, -1, NULL, 0, "x"), -EINVAL);
		ct_int(creel_promise_drop(f), -EINVAL);
		creel_clock_unref(i ? NULL : clock); /* then it has failed */
	}
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	creel_future_unref(f);
}

CORE_CASE(c04_times_of_clocks_saturate)
{
	creel_clock *clock = manual();
	ct_int(creel_clock_in(clock, 0).ns, CREEL_NOW.ns);
	ct_int(creel_clock_in(clock, INT64_MIN).ns, CREEL_NOW.ns);
	ct_int(creel_clock_in(clock, INT64_MAX).ns, CREEL_FOREVER.ns);
	ct_int(creel_clock_in(NULL, INT64_MAX).ns, CREEL_FOREVER.ns);
	ct_int(creel_clock_in(clock, 7).ns, creel_clock_now(clock).ns + 7);
	int64_t before = creel_now().ns, now = creel_clock_now(NULL).ns;
	ct_assert(before <= now && now <= creel_now().ns);
	creel_clock_unref(clock);
}

/* Threads set, cancel and drop timers of one clock: each callback runs once. */
enum { STRESS_THREADS = 4, STRESS_EACH = 2000 };

struct stress {
	creel_clock *clock;
	struct ct_count *called;
	uint32_t seed;
};

static void *set_many(void *arg)
{
	struct stress *s = arg;
	for (int i = 0; i < STRESS_EACH; i++) {
		s->seed = s->seed * 1664525 + 1013904223;
		creel_future *f = creel_after(s->clock, creel_in_ns(CREEL_US(s->seed >> 20)));
		creel_future_on_done(f, NULL, done_count, s->called, NULL, NULL);
		if (s->seed >> 8 & 1)
			creel_future_cancel(f);
		creel_future_unref(f);
	}
	return NULL;
}

CORE_CASE(c01_each_of_many_timers_ends_exactly_once)
{
	struct stress all[STRESS_THREADS];
	struct ct_thread *threads[STRESS_THREADS];
	struct ct_count *called = ct_count_new();
	creel_clock *clock = creel_clock_new(0);
	for (uint32_t i = 0; i < STRESS_THREADS; i++) {
		all[i] = (struct stress){clock, called, i + 1};
		threads[i] = ct_thread_start(set_many, &all[i]);
	}
	for (int i = 0; i < STRESS_THREADS; i++)
		ct_thread_join(threads[i]);
	creel_clock_unref(clock);
	ct_count_await(called, STRESS_THREADS * STRESS_EACH);
	ct_int(ct_count_get(called), STRESS_THREADS * STRESS_EACH);
}
