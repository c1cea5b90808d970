/* SPDX-License-Identifier: MIT */
/* Promise 40: periodic tasks, and tasks that sleep. */
#include "contract.h"

#include <string.h>

#define HOUR CREEL_S(3600)

static creel_clock *manual(void)
{
	return creel_clock_new(CREEL_CLOCK_MANUAL);
}

/* A task that counts its runs, waits for the gate if it has one, and gives the number of the run;
 * at run number `fails` it fails. */
struct series {
	creel_clock *clock;
	struct ct_count *runs, *freed, *gate;
	uint32_t fails;
};

static void tick_freed(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	ct_count_add(ctx, 1);
}

static int task_tick(creel_task *task, const void *arg, size_t size)
{
	struct series s;
	(void)size;
	memcpy(&s, arg, sizeof s);
	uint32_t n = ct_count_add(s.runs, 1);
	if (s.gate)
		ct_count_await(s.gate, n);
	if (n == s.fails)
		return creel_fail(task, -EIO, "the last one");
	return creel_return(task, &n, sizeof n);
}

static creel_future *start(creel_executor *ex, const struct series *s, creel_submit_options o)
{
	o.clock = s->clock;
	o.arg_free = tick_freed;
	o.arg_ctx = s->freed;
	return creel_submit_with(ex, task_tick, s, sizeof *s, &o);
}

static struct series series(creel_clock *clock)
{
	return (struct series){.clock = clock, .runs = ct_count_new(), .freed = ct_count_new()};
}

/* A run has ended when the next one is not due. */
static void await_next(creel_executor *ex)
{
	creel_stats stats = {.delayed = 0};
	ct_until(creel_executor_stats(ex, &stats, sizeof stats) == 0 && stats.delayed == 1);
}

static void finish(creel_executor *ex, struct series *s, creel_future *f)
{
	ct_int(ct_count_get(s->freed), 1);
	creel_future_unref(f);
	ct_close(ex);
	creel_clock_unref(s->clock);
}

CASE(c40_a_periodic_task_runs_at_each_period_until_it_is_cancelled, CT_INPROC)
{
	struct series s = series(manual());
	creel_executor *ex = ct_executor();
	creel_future *f = start(ex, &s, (creel_submit_options){.delay_ns = 5, .period_ns = 10});
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_clock_advance(s.clock, 5), 0);
	for (uint32_t n = 1; n <= 3; n++) {
		ct_count_await(s.runs, n);
		await_next(ex);
		ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
		ct_int(creel_clock_advance(s.clock, 9), 0);
		ct_int(ct_count_get(s.runs), n);
		ct_int(creel_clock_advance(s.clock, 1), 0);
	}
	ct_count_await(s.runs, 4);
	await_next(ex);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ETIMEDOUT);
	ct_int(ct_count_get(s.freed), 0);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(ct_outcome(f), -ECANCELED);
	ct_int(creel_clock_advance(s.clock, 100), 0);
	ct_int(ct_count_get(s.runs), 4);
	finish(ex, &s, f);
}

/* delay_ns and expiry_ns are about the first run. */
CASE(c40_a_series_that_has_begun_does_not_expire, CT_INPROC)
{
	struct series s = series(manual());
	creel_executor *ex = ct_executor();
	creel_future *f = start(ex, &s, (creel_submit_options){.expiry_ns = 15, .period_ns = 10});
	for (uint32_t n = 1; n <= 4; n++) {
		ct_count_await(s.runs, n);
		await_next(ex);
		ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
		ct_int(creel_clock_advance(s.clock, 10), 0);
	}
	ct_count_await(s.runs, 5);
	await_next(ex);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	finish(ex, &s, f);
}

/* Where tasks run within the call, all runs are within that of creel_clock_advance(). */
CASE(c40_a_fixed_rate_misses_no_run, CT_INPROC | CT_SYNC)
{
	struct series s = series(manual());
	creel_executor *ex = ct_executor();
	creel_future *f = start(
		ex, &s,
		(creel_submit_options){.delay_ns = 10, .period_ns = 10, .flags = CREEL_FIXED_RATE});
	ct_int(creel_clock_advance(s.clock, 1000), 0);
	ct_int(ct_count_get(s.runs), 100);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	finish(ex, &s, f);
}

/* The clock goes on while the first run is under way: at a fixed rate that is made up for. */
static void late(unsigned flags, uint32_t runs, int64_t to_next)
{
	struct series s = series(manual());
	s.gate = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = start(
		ex, &s, (creel_submit_options){.delay_ns = 10, .period_ns = 10, .flags = flags});
	ct_int(creel_clock_advance(s.clock, 10), 0);
	ct_count_await(s.runs, 1);
	ct_int(creel_clock_advance(s.clock, 25), 0);
	ct_count_add(s.gate, 1000);
	ct_count_await(s.runs, runs);
	await_next(ex);
	ct_int(ct_count_get(s.runs), runs);
	ct_int(creel_clock_advance(s.clock, to_next - 1), 0);
	ct_int(ct_count_get(s.runs), runs);
	ct_int(creel_clock_advance(s.clock, 1), 0);
	ct_count_await(s.runs, runs + 1);
	await_next(ex);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	finish(ex, &s, f);
}

CASE(c40_a_fixed_rate_makes_up_for_late_runs, CT_INPROC | CT_ASYNC)
{
	late(CREEL_FIXED_RATE, 3, 5);
}

CASE(c40_a_period_counts_from_the_end_of_the_run, CT_INPROC | CT_ASYNC)
{
	late(0, 1, 10);
}

CASE(c40_by_the_real_clock_too_tasks_run_again_and_again, 0)
{
	struct series s = series(creel_clock_new(0));
	creel_executor *ex = ct_executor();
	creel_future *f = start(ex, &s, (creel_submit_options){.period_ns = CREEL_US(100)});
	ct_count_await(s.runs, 5);
	while (creel_future_cancel(f) == CREEL_CANCEL_REQUESTED)
		if (ct_outcome(f) == 0)
			break;
	ct_assert(ct_outcome(f) == 0 || ct_outcome(f) == -ECANCELED);
	uint32_t runs = ct_count_get(s.runs);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(s.runs), runs);
	finish(ex, &s, f);
}

CASE(c40_a_run_that_fails_ends_the_series, 0)
{
	struct series s = series(creel_clock_new(0));
	s.fails = 3;
	creel_executor *ex = ct_executor();
	creel_future *f = start(ex, &s, (creel_submit_options){.period_ns = 1});
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EIO);
	ct_int(ct_count_get(s.runs), 3);
	finish(ex, &s, f);
}

CASE(c40_a_series_that_is_cancelled_during_a_run_ends_with_its_outcome, CT_ASYNC)
{
	struct series s = series(creel_clock_new(0));
	s.gate = ct_count_new();
	ct_count_add(s.gate, 1);
	creel_executor *ex = ct_executor();
	creel_future *f = start(ex, &s, (creel_submit_options){.period_ns = 1});
	ct_count_await(s.runs, 2);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	ct_until(creel_future_cancel(f) == CREEL_CANCEL_REQUESTED);
	ct_count_add(s.gate, 1);
	uint32_t value = 0;
	ct_int(creel_future_result(f, CT_GUARD, &value, sizeof value), 0);
	ct_int(value, 2);
	finish(ex, &s, f);
}

static void is_shut_down(creel_future *f)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
}

CASE(c40_shutdown_ends_a_series_between_two_runs, 0)
{
	struct series s = series(creel_clock_new(0));
	creel_executor *ex = ct_executor();
	creel_future *f = start(ex, &s, (creel_submit_options){.period_ns = HOUR});
	ct_count_await(s.runs, 1);
	await_next(ex);
	(void)creel_executor_shutdown(ex, 0, CREEL_NOW, NULL);
	is_shut_down(f);
	finish(ex, &s, f);
}

CASE(c40_shutdown_during_a_run_ends_the_series_behind_it, CT_ASYNC)
{
	struct series s = series(creel_clock_new(0));
	s.gate = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = start(ex, &s, (creel_submit_options){.period_ns = 1});
	ct_count_await(s.runs, 1);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_count_add(s.gate, 1);
	is_shut_down(f);
	ct_int(ct_count_get(s.runs), 1);
	finish(ex, &s, f);
}

static int task_sleep_ns(creel_task *task, const void *arg, size_t size)
{
	int64_t ns;
	(void)size;
	memcpy(&ns, arg, sizeof ns);
	creel_deadline until = creel_in_ns(ns);
	int rc = creel_task_sleep(task, until);
	return rc ? rc : creel_now().ns < until.ns;
}

CASE(c40_a_task_sleeps_until_its_deadline, 0)
{
	int64_t ns = CREEL_MS(2);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_sleep_ns, &ns, sizeof ns);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
}

/* Says that it runs, and sleeps. */
static int task_sleep_endless(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *started;
	(void)size;
	memcpy(&started, arg, sizeof started);
	ct_open(started);
	return creel_task_sleep(task, creel_in_ns(HOUR));
}

static creel_future *submit_sleeper(creel_executor *ex, creel_clock *clock)
{
	struct ct_count *started = ct_count_new();
	creel_future *f = creel_submit_with(ex, task_sleep_endless, &started, sizeof started,
					    &(creel_submit_options){.clock = clock});
	ct_pass(started);
	return f;
}

CASE(c40_cancelling_a_task_that_sleeps_wakes_it, CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 20; i++) {
		creel_future *f = submit_sleeper(ex, NULL);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
		ct_int(ct_outcome(f), -ECANCELED);
		creel_future_unref(f);
	}
	ct_close(ex);
}

CASE(c40_a_shutdown_that_kills_wakes_tasks_that_sleep, CT_ASYNC | CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_future *f = submit_sleeper(ex, NULL);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL, CT_GUARD, NULL), 0);
	ct_int(ct_outcome(f), -ECANCELED);
	creel_future_unref(f);
	ct_close(ex);
}

/* Sleeps for ten nanoseconds of a manual clock; gives the code, and what the clock showed then. */
struct nap {
	creel_clock *clock;
	struct ct_count *started;
	int64_t ns;
};

static int task_nap(creel_task *task, const void *arg, size_t size)
{
	struct nap *nap;
	(void)size;
	memcpy(&nap, arg, sizeof nap);
	creel_deadline until = creel_clock_in(nap->clock, nap->ns);
	ct_open(nap->started);
	int rc = creel_task_sleep(task, until);
	return rc ? rc : creel_clock_now(nap->clock).ns < until.ns;
}

static creel_future *submit_nap(creel_executor *ex, struct nap *nap)
{
	nap->started = ct_count_new();
	creel_future *f = creel_submit_with(ex, task_nap, &nap, sizeof nap,
					    &(creel_submit_options){.clock = nap->clock});
	ct_pass(nap->started);
	return f;
}

CASE(c40_a_task_sleeps_by_the_clock_of_its_submission, CT_ASYNC | CT_INPROC)
{
	struct nap nap = {.clock = manual(), .ns = 10};
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 20; i++) {
		creel_future *f = submit_nap(ex, &nap);
		ct_int(creel_clock_advance(nap.clock, 10), 0);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
		f = submit_nap(ex, &nap);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
		ct_int(ct_outcome(f), -ECANCELED);
		creel_future_unref(f);
	}
	creel_future *f = submit_nap(ex, &nap);
	creel_clock_unref(nap.clock);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, CREEL_EFAILED);
	creel_future_unref(f);
	ct_close(ex);
}

static int task_sleep_badly(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	if (creel_task_sleep(NULL, CREEL_NOW) != -EINVAL)
		return 1;
	return creel_task_sleep(task, CREEL_NOW);
}

CASE(bad_sleeps_are_refused_and_one_until_now_is_none, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_sleep_badly, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
}

static void refused(creel_executor *ex, creel_submit_options o, const char *says)
{
	creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0, &o);
	ct_int(creel_future_error(f)->code, -EINVAL);
	ct_has(creel_future_error(f)->message, says);
	creel_future_unref(f);
}

CASE(bad_periods_are_refused_and_named, 0)
{
	creel_executor *ex = ct_executor();
	refused(ex, (creel_submit_options){.period_ns = -7}, "period_ns is -7");
	refused(ex, (creel_submit_options){.flags = CREEL_FIXED_RATE}, "CREEL_FIXED_RATE");
	refused(ex, (creel_submit_options){.period_ns = 1, .flags = 1u << 30}, "0x40000000");
	ct_close(ex);
}
