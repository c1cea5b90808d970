/* SPDX-License-Identifier: MIT */
/* Promise 40: a delayed task with CREEL_STAY outlives the shutdown of its executor. */
#include "contract.h"

#define HOUR CREEL_S(3600)

static creel_future *submit(creel_executor *ex, struct ct_count *ran, creel_submit_options o)
{
	o.flags |= CREEL_STAY;
	return creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
}

static creel_future *submit_for(creel_executor *ex, creel_clock *clock, struct ct_count *ran,
				int64_t delay_ns)
{
	return submit(ex, ran, (creel_submit_options){.delay_ns = delay_ns, .clock = clock});
}

static void shut_down(creel_future *f)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
	creel_future_unref(f);
}

CASE(c40_a_task_that_stays_runs_after_the_shutdown, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = submit_for(ex, clock, ran, CREEL_MS(20));
	creel_future *banded = submit(
		ex, ran,
		(creel_submit_options){.delay_ns = CREEL_MS(20), .clock = clock, .band = 1});
	ct_int(creel_executor_close(ex), 0);
	/* It has waited. */
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(ct_outcome(f), 0);
	ct_int(ct_outcome(banded), 0);
	ct_int(ct_count_get(ran), 2);
	creel_future_unref(f);
	creel_future_unref(banded);
	creel_clock_unref(clock);
}

CASE(c40_a_task_that_stays_keeps_its_executor, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = submit_for(ex, clock, ran, CREEL_MS(20));
	creel_executor_unref(ex);
	ct_int(ct_outcome(f), 0);
	ct_int(ct_count_get(ran), 1);
	creel_future_unref(f);
	creel_clock_unref(clock);
}

CASE(c40_what_stays_counts_as_left_and_only_a_cancelling_shutdown_ends_it, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = submit_for(ex, clock, ran, HOUR);
	creel_future *other = creel_submit_with(
		ex, task_count, &ran, sizeof ran,
		&(creel_submit_options){.delay_ns = HOUR, .clock = clock});
	creel_stats stats;
	size_t left = 7;
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, 1);
	shut_down(other);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	ct_int(stats.delayed, 1);
	/* Nothing else is accepted. */
	creel_future *late = submit_for(ex, clock, ran, HOUR);
	shut_down(late);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CT_GUARD, &left), 0);
	ct_int(left, 0);
	shut_down(f);
	ct_int(ct_count_get(ran), 0);
	ct_close(ex);
	creel_clock_unref(clock);
}

static void *close_it(void *ex)
{
	ct_int(creel_executor_close(ex), 0);
	return NULL;
}

CASE(c40_who_cancels_what_stays_lets_the_shutdown_go_on, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f[2] = {submit_for(ex, clock, ran, HOUR), submit_for(ex, clock, ran, HOUR)};
	struct ct_thread *closer = ct_thread_start(close_it, ex);
	ct_await_asleep(ct_thread_id(closer));
	for (int i = 0; i < 2; i++) {
		ct_int(creel_future_cancel(f[i]), CREEL_CANCEL_NOW);
		ct_int(ct_outcome(f[i]), -ECANCELED);
		creel_future_unref(f[i]);
	}
	ct_thread_join(closer);
	ct_int(ct_count_get(ran), 0);
	creel_clock_unref(clock);
}

static int fails(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return -5;
}

CASE(c40_a_broken_pool_does_not_wait_for_what_stays, CT_COUNTS | CT_INPROC)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_initialized(fails, NULL);
	creel_future *f = submit_for(ex, clock, ran, HOUR);
	creel_future *breaks = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(ct_outcome(breaks), CREEL_EFAILED);
	creel_future_unref(breaks);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	shut_down(f);
	ct_close(ex);
	creel_clock_unref(clock);
}

/* Nobody serves it any more when it is due, and no thread can be had. */
CASE(c40_what_stays_is_refused_if_no_worker_can_be_started, CT_POOL)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 1});
	/* The clock's thread is there from now on. */
	creel_future *first = creel_after(clock, creel_in_ns(1));
	ct_int(ct_outcome(first), 0);
	creel_future_unref(first);
	/* Before, since it may be due at any moment. */
	ct_fault_arm(CT_FAULT_THREAD, 1, true);
	creel_future *f = submit_for(ex, clock, ran, CREEL_MS(5));
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_fault_off();
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EAGAIN);
	creel_future_unref(f);
	ct_int(creel_executor_close(ex), 0);
	ct_int(ct_count_get(ran), 0);
	creel_clock_unref(clock);
}

static void refused(creel_executor *ex, creel_submit_options o, int code, const char *says)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f = submit(ex, ran, o);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, code);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_REJECTED);
	ct_has(creel_future_error(f)->message, says);
	creel_future_unref(f);
	ct_int(ct_count_get(ran), 0);
}

CASE(bad_only_a_delayed_task_stays, 0)
{
	creel_executor *ex = ct_executor();
	creel_clock *manual = creel_clock_new(CREEL_CLOCK_MANUAL);
	refused(ex, (creel_submit_options){.flags = 0}, -EINVAL,
		"flags has CREEL_STAY, delay_ns is 0 and period_ns is 0;");
	refused(ex, (creel_submit_options){.delay_ns = 5, .period_ns = 6}, -EINVAL,
		"flags has CREEL_STAY, delay_ns is 5 and period_ns is 6;");
	refused(ex, (creel_submit_options){.flags = CREEL_FIXED_RATE, .delay_ns = 5}, -EINVAL,
		"flags has CREEL_FIXED_RATE and period_ns is 0;");
	if (ct_is(CT_COUNTS))
		refused(ex, (creel_submit_options){.delay_ns = 5, .clock = manual}, -EINVAL,
			"flags has CREEL_STAY and the clock is manual:");
	else
		refused(ex, (creel_submit_options){.delay_ns = 5}, -ENOTSUP,
			"flags has CREEL_STAY, which needs a pool:");
	ct_close(ex);
	creel_clock_unref(manual);
}
