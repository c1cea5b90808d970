/* SPDX-License-Identifier: MIT */
/* Promise 39: serial executors, semaphores and rate limits, over every executor and over one
 * another. */
#include "contract.h"

#include <pthread.h>
#include <string.h>

enum {
	MANY = 40,
	LINE = CT_MEMCHECK || CT_TSAN ? 2000 : 20000,
};

static int state(creel_future *f)
{
	return creel_future_state(f);
}

static void drop(creel_future *f)
{
	creel_future_unref(f);
}

static creel_executor *sem_over(creel_executor *ex, int64_t n)
{
	creel_executor *sem = creel_semaphore_new(ex, n);
	ct_assert(creel_executor_error(sem) == NULL);
	return sem;
}

static creel_executor *rate_over(creel_executor *ex, int64_t n, int64_t per_ns, creel_clock *clock)
{
	creel_executor *rate = creel_rate_limit_new(
		ex, &(creel_rate_options){.n = n, .per_ns = per_ns, .clock = clock});
	ct_assert(creel_executor_error(rate) == NULL);
	return rate;
}

static creel_clock *manual(void)
{
	return creel_clock_new(CREEL_CLOCK_MANUAL);
}

static uint64_t in_flight(creel_executor *ex)
{
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	return stats.pending + stats.running;
}

static void cancelled(creel_future *f)
{
	ct_int(ct_outcome(f), -ECANCELED);
	drop(f);
}

/* Goes on with the beneath executor, which nothing that was done above it has touched. */
static void still_works(creel_executor *ex)
{
	struct ct_count *ran = ct_count_new();
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	ct_close(ex);
}

CASE(c39_a_serial_executor_runs_one_task_after_the_other_in_order, 0)
{
	struct ct_log *log = ct_log_new(MANY);
	creel_executor *ex = ct_executor(), *serial = creel_serial_new(ex);
	creel_future *f[MANY];
	for (long i = 0; i < MANY; i++)
		f[i] = ct_submit_log(serial, log, i);
	for (int i = 0; i < MANY; i++) {
		ct_int(ct_outcome(f[i]), 0);
		drop(f[i]);
	}
	ct_int(log->n, MANY);
	for (int i = 0; i < MANY; i++)
		ct_int(log->entry[i], i);
	ct_close(serial);
	still_works(ex);
}

CASE(c39_a_semaphore_lets_n_tasks_be_with_the_executor_beneath, CT_ASYNC)
{
	creel_executor *ex = ct_executor(), *sem = sem_over(ex, 2);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *f[5];
	for (long i = 0; i < 5; i++)
		f[i] = ct_submit_gated(sem, started, gate, i);
	ct_count_await(started, ct_width() > 1 ? 2 : 1);
	ct_int(in_flight(ex), 2);
	ct_int(in_flight(sem), 5);
	for (int i = 2; i < 5; i++)
		ct_int(state(f[i]), CREEL_FUTURE_PENDING);
	ct_open(gate);
	for (int i = 0; i < 5; i++)
		ct_int(ct_long_drop(f[i]), i);
	ct_int(creel_executor_drain(sem, CT_GUARD), 0);
	ct_int(in_flight(sem), 0);
	ct_close(sem);
	still_works(ex);
}

CASE(c39_a_task_that_is_cancelled_before_it_started_frees_its_slot_at_once, CT_ASYNC)
{
	struct ct_hold hold;
	creel_executor *ex = ct_executor(), *sem = sem_over(ex, 1);
	struct ct_count *ran = ct_count_new();
	ct_hold(&hold, ex);
	creel_future *beneath = ct_submit_count(sem, ran);
	creel_future *waits = ct_submit_count(sem, ran), *last = ct_submit_count(sem, ran);
	creel_future *permit = creel_semaphore_acquire(sem);
	ct_int(creel_future_cancel(waits), CREEL_CANCEL_NOW);
	ct_int(creel_future_cancel(last), CREEL_CANCEL_NOW);
	ct_int(state(permit), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(beneath), CREEL_CANCEL_NOW);
	ct_int(state(permit), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_result(permit, CREEL_NOW, NULL, 0), 0);
	drop(permit);
	cancelled(beneath);
	cancelled(waits);
	cancelled(last);
	ct_release(&hold);
	ct_int(ct_long_drop(ct_submit_count(sem, ran)), 1);
	ct_close(sem);
	still_works(ex);
}

CASE(c39_a_task_that_is_cancelled_while_it_runs_keeps_its_slot_until_it_ends, CT_ASYNC)
{
	creel_executor *ex = ct_executor(), *sem = sem_over(ex, 1);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *f = ct_submit_gated(sem, started, gate, 1);
	creel_future *permit = creel_semaphore_acquire(sem);
	ct_count_await(started, 1);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(state(permit), CREEL_FUTURE_PENDING);
	ct_open(gate);
	ct_int(ct_outcome(permit), 0);
	ct_int(state(f), CREEL_FUTURE_FINISHED);
	drop(permit);
	drop(f);
	ct_close(sem);
	ct_close(ex);
}

CASE(c39_a_permit_goes_back_with_its_last_reference, 0)
{
	creel_executor *ex = ct_executor(), *sem = sem_over(ex, 2);
	struct ct_count *ran = ct_count_new();
	creel_future *a = creel_semaphore_acquire(sem), *b = creel_semaphore_acquire(sem);
	creel_future *c = creel_semaphore_acquire(sem), *d = creel_semaphore_acquire(sem);
	ct_int(state(a), CREEL_FUTURE_FINISHED);
	ct_int(state(b), CREEL_FUTURE_FINISHED);
	ct_int(state(c), CREEL_FUTURE_PENDING);
	creel_future *f = ct_submit_count(sem, ran);
	creel_future *too = creel_future_ref(a);
	drop(a);
	ct_int(state(c), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(c), CREEL_CANCEL_NOW);
	ct_int(creel_promise_set_result(d, NULL, 0), -EINVAL);
	drop(too);
	ct_int(state(d), CREEL_FUTURE_FINISHED);
	ct_int(state(f), CREEL_FUTURE_PENDING);
	drop(d);
	ct_int(ct_long_drop(f), 1);
	cancelled(c);
	/* It does not wait for b, which goes back to nobody. */
	ct_close(sem);
	drop(b);
	ct_close(ex);
}

static int task_gone(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_return(task, NULL, 0);
}

CASE(c39_a_line_of_any_length_needs_the_stack_of_one, CT_INPROC)
{
	creel_executor *ex = ct_executor(), *inner = sem_over(ex, 1),
		       *sem = creel_serial_new(inner);
	creel_future *permit = creel_semaphore_acquire(sem);
	for (int i = 0; i < LINE; i++)
		ct_int(creel_spawn(sem, task_gone, NULL, 0, NULL), 0);
	ct_int(in_flight(sem), LINE);
	drop(permit);
	ct_int(creel_executor_drain(sem, CT_GUARD), 0);
	ct_close(sem);
	ct_close(inner);
	ct_close(ex);
}

CASE(c39_a_window_never_has_more_than_n_to_the_nanosecond, 0)
{
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor(), *rate = rate_over(ex, 2, 100, clock);
	struct ct_count *ran = ct_count_new();
	creel_future *f[5];
	for (int i = 0; i < 2; i++)
		f[i] = ct_submit_count(rate, ran);
	ct_int(ct_outcome(f[0]), 0);
	ct_int(ct_outcome(f[1]), 0);
	ct_int(creel_clock_advance(clock, 30), 0);
	for (int i = 2; i < 5; i++)
		f[i] = ct_submit_count(rate, ran);
	ct_int(creel_clock_advance(clock, 69), 0);
	/* The two are counted a moment after they ended. */
	ct_until(in_flight(rate) == 3);
	ct_until(in_flight(ex) == 0);
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_int(ct_outcome(f[2]), 0);
	ct_int(ct_outcome(f[3]), 0);
	ct_int(creel_clock_advance(clock, 99), 0);
	ct_int(state(f[4]), CREEL_FUTURE_PENDING);
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_int(ct_outcome(f[4]), 0);
	ct_int(ct_count_get(ran), 5);
	for (int i = 0; i < 5; i++)
		drop(f[i]);
	ct_close(rate);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c39_a_bucket_gives_a_burst_and_then_the_rate, 0)
{
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor();
	creel_executor *rate = creel_rate_limit_new(
		ex, &(creel_rate_options){.n = 1, .per_ns = 10, .burst = 3, .clock = clock});
	creel_future *f[6];
	for (int i = 0; i < 6; i++) {
		f[i] = creel_rate_acquire(rate);
		ct_int(state(f[i]), i < 3 ? CREEL_FUTURE_FINISHED : CREEL_FUTURE_PENDING);
	}
	for (int i = 3; i < 6; i++) {
		ct_int(creel_clock_advance(clock, 9), 0);
		ct_int(state(f[i]), CREEL_FUTURE_PENDING);
		ct_int(creel_clock_advance(clock, 1), 0);
		ct_int(state(f[i]), CREEL_FUTURE_FINISHED);
	}
	for (int i = 0; i < 6; i++)
		drop(f[i]);
	ct_close(rate);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c39_who_is_cancelled_while_it_waits_does_not_count, 0)
{
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor(), *rate = rate_over(ex, 1, 10, clock);
	struct ct_count *ran = ct_count_new();
	creel_future *first = creel_rate_acquire(rate), *second = creel_rate_acquire(rate);
	creel_future *f = ct_submit_count(rate, ran), *third = creel_rate_acquire(rate);
	ct_int(state(first), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_cancel(second), CREEL_CANCEL_NOW);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(creel_clock_advance(clock, 9), 0);
	ct_int(state(third), CREEL_FUTURE_PENDING);
	ct_int(creel_clock_advance(clock, 1), 0);
	ct_int(state(third), CREEL_FUTURE_FINISHED);
	ct_int(ct_count_get(ran), 0);
	drop(first);
	cancelled(second);
	cancelled(f);
	drop(third);
	ct_close(rate);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c39_what_waits_for_a_clock_that_is_dropped_fails, 0)
{
	creel_clock *clock = manual();
	creel_executor *ex = ct_executor(), *rate = rate_over(ex, 1, 10, clock);
	struct ct_count *ran = ct_count_new();
	drop(creel_rate_acquire(rate));
	creel_future *f = ct_submit_count(rate, ran), *permit = creel_rate_acquire(rate);
	creel_clock_unref(clock);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_BROKEN);
	ct_has(creel_future_error(f)->message, "the clock was dropped");
	ct_int(ct_outcome(permit), CREEL_EFAILED);
	ct_int(creel_future_error(permit)->kind, CREEL_KIND_BROKEN);
	drop(f);
	drop(permit);
	ct_close(rate);
	ct_int(ct_count_get(ran), 0);
	ct_close(ex);
}

CASE(c39_shutting_an_adaptor_down_refuses_and_finishes_its_own, CT_ASYNC)
{
	creel_executor *ex = ct_executor(), *sem = sem_over(ex, 1);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new(), *ran = ct_count_new();
	creel_future *f = ct_submit_gated(sem, started, gate, 1), *g = ct_submit_count(sem, ran);
	creel_future *permit = creel_semaphore_acquire(sem);
	size_t left = 0;
	ct_int(creel_executor_shutdown(sem, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, 2);
	creel_future *late = ct_submit_count(sem, ran), *none = creel_semaphore_acquire(sem);
	ct_int(ct_outcome(late), CREEL_EFAILED);
	ct_int(creel_future_error(late)->kind, CREEL_KIND_SHUT_DOWN);
	ct_int(ct_outcome(none), CREEL_EFAILED);
	ct_int(creel_future_error(none)->kind, CREEL_KIND_SHUT_DOWN);
	ct_has(creel_future_error(none)->message, "semaphore has been shut down");
	ct_open(gate);
	ct_int(ct_long_drop(f), 1);
	ct_int(ct_long_drop(g), 1);
	ct_int(ct_outcome(permit), 0);
	drop(permit);
	drop(late);
	drop(none);
	ct_close(sem);
	still_works(ex);
}

CASE(c39_shutting_an_adaptor_down_cancels_its_own_and_nothing_beneath, CT_ASYNC)
{
	struct ct_hold hold;
	creel_executor *ex = ct_executor(), *sem = sem_over(ex, 2);
	struct ct_count *ran = ct_count_new();
	ct_hold(&hold, ex);
	creel_future *f[4], *other = ct_submit_count(ex, ran);
	for (int i = 0; i < 4; i++)
		f[i] = ct_submit_count(sem, ran);
	creel_future *permit = creel_semaphore_acquire(sem);
	ct_int(creel_executor_shutdown(sem, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
	for (int i = 0; i < 4; i++)
		cancelled(f[i]);
	cancelled(permit);
	ct_release(&hold);
	ct_int(ct_long_drop(other), 1);
	ct_close(sem);
	still_works(ex);
}

/* The three adaptors over one another, in one of the six orders. */
struct stack {
	creel_executor *layer[4]; /* the lowest first */
	creel_clock *clock;
};

static creel_executor *stack_new(struct stack *s, unsigned order)
{
	static const char orders[6][3] = {"srw", "swr", "rsw", "rws", "wsr", "wrs"};
	s->layer[0] = ct_executor();
	s->clock = manual();
	for (int i = 0; i < 3; i++) {
		char c = orders[order][i];
		creel_executor *ex = s->layer[i];
		s->layer[i + 1] = c == 's'   ? creel_serial_new(ex)
				  : c == 'r' ? rate_over(ex, 2, 10, s->clock)
					     : sem_over(ex, 3);
	}
	return s->layer[3];
}

static void stack_close(struct stack *s)
{
	for (int i = 3; i > 0; i--)
		ct_close(s->layer[i]);
	still_works(s->layer[0]);
	creel_clock_unref(s->clock);
}

CASE(c39_adaptors_lie_over_one_another_in_any_order, 0)
{
	for (unsigned order = 0; order < 6; order++) {
		struct stack s;
		struct ct_log *log = ct_log_new(8);
		creel_executor *ex = stack_new(&s, order);
		creel_future *f[8];
		for (long i = 0; i < 8; i++)
			f[i] = ct_submit_log(ex, log, i);
		ct_int(creel_future_cancel(f[5]), CREEL_CANCEL_NOW);
		for (int i = 0; i < 8; i++) {
			ct_int(ct_outcome(f[i]), i == 5 ? -ECANCELED : 0);
			drop(f[i]);
			/* Two in ten nanoseconds. */
			if (i % 2)
				ct_int(creel_clock_advance(s.clock, 10), 0);
		}
		ct_int(log->n, 7);
		for (int i = 0; i < 7; i++)
			ct_int(log->entry[i], i + (i > 4));
		stack_close(&s);
	}
}

CASE(c39_a_shutdown_reaches_through_adaptors_in_any_order, CT_ASYNC)
{
	for (unsigned order = 0; order < 6; order++) {
		struct stack s;
		struct ct_count *started = ct_count_new(), *gate = ct_count_new();
		creel_executor *ex = stack_new(&s, order);
		creel_future *f[5];
		for (long i = 0; i < 5; i++)
			f[i] = ct_submit_gated(ex, started, gate, i);
		ct_count_await(started, 1);
		ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL),
		       -ETIMEDOUT);
		for (int i = 2; i < 5; i++)
			cancelled(f[i]);
		ct_open(gate);
		ct_int(ct_long_drop(f[0]), 0);
		/* It had started, or not. */
		(void)ct_outcome(f[1]);
		drop(f[1]);
		ct_int(creel_executor_drain(s.layer[1], CT_GUARD), 0);
		stack_close(&s);
	}
}

static int task_exits(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

static void *submit_exit(void *serial)
{
	drop(creel_submit(serial, task_exits, NULL, 0));
	return NULL;
}

CASE(c39_a_task_that_ends_its_thread_frees_its_slot, CT_SYNC)
{
	creel_executor *ex = ct_executor(), *rate = rate_over(ex, 100, CREEL_S(3600), NULL);
	creel_executor *serial = creel_serial_new(rate);
	struct ct_count *ran = ct_count_new();
	ct_thread_join(ct_thread_start(submit_exit, serial));
	ct_int(ct_long_drop(ct_submit_count(serial, ran)), 1);
	ct_int(creel_executor_drain(serial, CT_GUARD), 0);
	ct_close(serial);
	ct_close(rate);
	ct_close(ex);
}

/* Submits to its own executor, and waits for that where it is no later one. */
struct again {
	creel_executor *ex;
	struct ct_count *ran;
};

static int task_again(creel_task *task, const void *arg, size_t size)
{
	struct again again;
	(void)size;
	memcpy(&again, arg, sizeof again);
	creel_future *f = ct_submit_count(again.ex, again.ran);
	int rc = creel_future_result(f, CT_GUARD, NULL, 0);
	creel_future_unref(f);
	return rc ? rc : creel_return(task, NULL, 0);
}

static void wait_for_another(void)
{
	creel_executor *ex = ct_executor(), *rate = rate_over(ex, 2, 1000, NULL);
	creel_executor *sem = sem_over(rate, 2);
	struct again again = {sem, ct_count_new()};
	creel_future *f = creel_submit(sem, task_again, &again, sizeof again);
	ct_int(ct_outcome(f), 0);
	ct_int(ct_count_get(again.ran), 1);
	drop(f);
	ct_close(sem);
	ct_close(rate);
	ct_close(ex);
}

CASE(c39_a_task_waits_for_another_one_that_may_go, CT_POOL)
{
	wait_for_another();
}

CASE(c39_a_task_waits_for_another_one_that_goes_at_once, CT_SYNC)
{
	wait_for_another();
}

static void *cancel_both(void *arg)
{
	creel_future **f = arg;
	(void)creel_future_cancel(f[0]);
	(void)creel_future_cancel(f[1]);
	return NULL;
}

/* Whatever is cancelled at whatever moment, no slot is lost and none is given twice. */
CASE(c39_no_slot_is_lost_or_doubled_by_cancelling, CT_INPROC)
{
	creel_executor *ex = ct_executor(), *sem = sem_over(ex, 2);
	struct ct_count *ran = ct_count_new();
	for (unsigned i = 0; i < ct_scaled(30); i++) {
		creel_future *f[2] = {creel_semaphore_acquire(sem), ct_submit_count(sem, ran)};
		creel_future *more[2] = {ct_submit_count(sem, ran), creel_semaphore_acquire(sem)};
		struct ct_thread *t = ct_thread_start(cancel_both, f);
		struct ct_thread *u = ct_thread_start(cancel_both, more);
		ct_thread_join(t);
		ct_thread_join(u);
		for (int k = 0; k < 2; k++) {
			drop(f[k]);
			drop(more[k]);
		}
		ct_int(creel_executor_drain(sem, CT_GUARD), 0);
	}
	creel_future *a = creel_semaphore_acquire(sem), *b = creel_semaphore_acquire(sem);
	creel_future *c = creel_semaphore_acquire(sem);
	ct_int(state(a), CREEL_FUTURE_FINISHED);
	ct_int(state(b), CREEL_FUTURE_FINISHED);
	ct_int(state(c), CREEL_FUTURE_PENDING);
	drop(a);
	ct_int(state(c), CREEL_FUTURE_FINISHED);
	drop(b);
	drop(c);
	ct_close(sem);
	ct_close(ex);
}

static void broken(creel_executor *ex, int code, const char *text)
{
	ct_assert(creel_executor_error(ex) != NULL);
	ct_int(creel_executor_error(ex)->code, code);
	ct_has(creel_executor_error(ex)->message, text);
	ct_close(ex);
}

CORE_CASE(bad_limits_are_refused_by_name_and_value)
{
	creel_executor *ex = creel_inline_new();
	creel_rate_options o = {.n = 1, .per_ns = 1};
	broken(creel_serial_new(NULL), -EINVAL, "creel_serial_new: the executor is NULL");
	broken(creel_semaphore_new(NULL, 1), -EINVAL, "creel_semaphore_new: the executor is NULL");
	broken(creel_semaphore_new(ex, 0), -EINVAL, "creel_semaphore_new: n is 0");
	broken(creel_semaphore_new(ex, -5), -EINVAL, "n is -5");
	broken(creel_rate_limit_new(NULL, &o), -EINVAL, "creel_rate_limit_new: the executor is");
	broken(creel_rate_limit_new(ex, NULL), -EINVAL, "the options are NULL");
	o.n = 0;
	broken(creel_rate_limit_new(ex, &o), -EINVAL, "n is 0; use 1 to 1048576");
	o.n = CREEL_LIMIT_MAX + 1;
	broken(creel_rate_limit_new(ex, &o), -EINVAL, "n is 1048577");
	o.n = 1;
	o.per_ns = 0;
	broken(creel_rate_limit_new(ex, &o), -EINVAL, "per_ns is 0");
	o.per_ns = -1;
	broken(creel_rate_limit_new(ex, &o), -EINVAL, "per_ns is -1");
	o.per_ns = INT64_MAX;
	broken(creel_rate_limit_new(ex, &o), -EINVAL, "per_ns is 9223372036854775807");
	o.per_ns = 1;
	o.burst = -1;
	broken(creel_rate_limit_new(ex, &o), -EINVAL, "burst is -1");
	o.burst = 0;
	o.reserved[1] = 7;
	broken(creel_rate_limit_new(ex, &o), -EINVAL, "reserved[1] of the options is 7");
	o.reserved[1] = 0;
	o.clock = creel_clock_new(64);
	broken(creel_rate_limit_new(ex, &o), -EINVAL, "the clock cannot be used");
	creel_clock_unref(o.clock);
	ct_close(ex);
}

static void failed(creel_future *f, int code, const char *text)
{
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, code);
	ct_has(creel_future_error(f)->message, text);
	drop(f);
}

CORE_CASE(bad_acquiring_is_refused_with_a_reason)
{
	creel_executor *ex = creel_inline_new(), *serial = creel_serial_new(ex);
	creel_executor *rate = rate_over(ex, 1, 1, NULL), *bad = creel_semaphore_new(ex, 0);
	failed(creel_semaphore_acquire(NULL), -EINVAL, "creel_semaphore_acquire: the semaphore is");
	failed(creel_semaphore_acquire(ex), -EINVAL, "the executor is no semaphore");
	failed(creel_semaphore_acquire(rate), -EINVAL, "the executor is no semaphore");
	failed(creel_semaphore_acquire(bad), -EINVAL, "creel_semaphore_new: n is 0");
	failed(creel_rate_acquire(NULL), -EINVAL, "creel_rate_acquire: the rate limit is NULL");
	failed(creel_rate_acquire(serial), -EINVAL, "the executor is no rate limit");
	ct_close(bad);
	ct_close(rate);
	ct_close(serial);
	ct_close(ex);
}
