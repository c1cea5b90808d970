/* SPDX-License-Identifier: MIT */
/*
 * Promise 41, and 16 within a band. Where the order is looked at there is one worker, which is held
 * while tasks are submitted, and ageing is out of the question, or all that counts: tests of ageing
 * at a time of their choice are in unit/bands.c.
 */
#include "contract.h"

#include <stdlib.h>

enum { STRICT_POOL = CT_COUNTS | CT_STRICT };

static creel_executor *pool_ageing(int64_t ageing_ns)
{
	int workers = (int)ct_width();
	if (ct_is(CT_POOL))
		return ct_pool((creel_thread_pool_options){.ageing_ns = ageing_ns});
	return creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = workers, .ageing_ns = ageing_ns});
}

static void spawn_in(creel_executor *ex, int band, creel_fn fn, const void *arg, size_t size)
{
	ct_int(creel_spawn(ex, fn, arg, size, &(creel_submit_options){.band = band}), 0);
}

static void log_in(creel_executor *ex, int band, struct ct_log *log, long value)
{
	struct ct_logged logged = {log, value};
	spawn_in(ex, band, task_log, &logged, sizeof logged);
}

/* Holds the one worker; what is submitted now stays in the queue, and is not sent ahead. */
static void hold_one(struct ct_hold *hold, creel_executor *ex)
{
	ct_hold(hold, ex);
	for (int i = 0; i < 4; i++)
		spawn_in(ex, 0, task_nothing, NULL, 0);
}

static void check_log(struct ct_log *log, const long *should, uint32_t n)
{
	ct_int(atomic_load(&log->n), n);
	for (uint32_t i = 0; i < n; i++)
		ct_int(atomic_load(&log->entry[i]), should[i]);
}

CASE(c41_a_higher_band_starts_first, STRICT_POOL)
{
	static const int bands[] = {0, -2, 1, 2, -1, -2, 0, 2, 1, -1};
	static const long should[] = {3, 7, 2, 8, 0, 6, 4, 9, 1, 5};
	struct ct_hold hold;
	struct ct_log *log = ct_log_new(16);
	creel_executor *ex = pool_ageing(CREEL_NEVER);
	hold_one(&hold, ex);
	for (int i = 0; i < 10; i++)
		log_in(ex, bands[i], log, i);
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	check_log(log, should, 10);
	ct_close(ex);
}

/* Where a list rises at once, the one whose first task has been the first for longest is served. */
CASE(c41_a_lower_band_that_has_aged_starts_first, STRICT_POOL)
{
	static const int bands[] = {-2, -2, 2, 2, 1};
	static const long should[] = {0, 2, 4, 1, 3};
	struct ct_hold hold;
	struct ct_log *log = ct_log_new(16);
	creel_executor *ex = pool_ageing(1);
	hold_one(&hold, ex);
	for (int i = 0; i < 5; i++)
		log_in(ex, bands[i], log, i);
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	check_log(log, should, 5);
	ct_close(ex);
}

CASE(c16_within_a_band_tasks_start_in_order, STRICT_POOL)
{
	enum { N = 200 };
	long last[5] = {-1, -1, -1, -1, -1};
	struct ct_hold hold;
	struct ct_log *log = ct_log_new(N);
	creel_executor *ex = pool_ageing(0);
	hold_one(&hold, ex);
	for (long i = 0; i < N / 2; i++)
		log_in(ex, (int)(i * 7 % 5) - 2, log, i);
	ct_release(&hold);
	for (long i = N / 2; i < N; i++)
		log_in(ex, (int)(i * 7 % 5) - 2, log, i);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(atomic_load(&log->n), N);
	for (uint32_t i = 0; i < N; i++) {
		long now = atomic_load(&log->entry[i]), *before = &last[now * 7 % 5];
		ct_assert(now > *before);
		*before = now;
	}
	ct_close(ex);
}

/* Batches that workers have claimed by the time of the first use are put back. */
CASE(c41_the_first_use_comes_late, STRICT_POOL)
{
	static const long should[] = {9, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	struct ct_hold hold;
	struct ct_log *log = ct_log_new(16);
	creel_executor *ex = pool_ageing(CREEL_NEVER);
	ct_hold(&hold, ex);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *second = ct_submit_gated(ex, started, gate, 1);
	for (int i = 0; i < 4; i++)
		spawn_in(ex, 0, task_nothing, NULL, 0);
	for (long i = 0; i < 9; i++)
		log_in(ex, 0, log, i);
	/* The worker takes the second one, and others with it. */
	ct_release(&hold);
	ct_count_await(started, 1);
	log_in(ex, 1, log, 9);
	ct_open(gate);
	ct_int(ct_long_drop(second), 1);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	if (ct_is(CT_INPROC))
		check_log(log, should, 10);
	ct_int(atomic_load(&log->n), 10);
	ct_close(ex);
}

/* Everything runs once, whatever is resized, paused, cancelled meanwhile. */
CASE(c41_nothing_is_lost_in_any_band, CT_COUNTS)
{
	enum { N = 300 };
	struct ct_count *ran = ct_count_new();
	creel_stats stats;
	uint32_t cancelled = 0;
	creel_executor *ex = pool_ageing(0);
	for (int i = 0; i < N; i++) {
		creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran,
						    &(creel_submit_options){.band = i % 5 - 2});
		if (i % 7 == 0)
			cancelled += creel_future_cancel(f) == CREEL_CANCEL_NOW;
		creel_future_unref(f);
		if (i == N / 3)
			ct_int(creel_executor_resize(ex, 1), 0);
		if (i == N / 2)
			ct_int(creel_executor_pause(ex), 0);
		if (i == N / 2 + 20)
			ct_int(creel_executor_resume(ex), 0);
		if (i == N * 2 / 3)
			ct_int(creel_executor_resize(ex, 2), 0);
	}
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	ct_int(stats.done, N);
	ct_int(stats.cancelled, cancelled);
	ct_int(stats.pending, 0);
	ct_int(ct_count_get(ran), N - cancelled);
	ct_close(ex);
}

CASE(c17_a_shutdown_that_cancels_reaches_all_bands, CT_COUNTS)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_stats stats;
	creel_future *f[10];
	creel_executor *ex = pool_ageing(0);
	ct_hold(&hold, ex);
	for (int i = 0; i < 10; i++)
		f[i] = creel_submit_with(ex, task_count, &ran, sizeof ran,
					 &(creel_submit_options){.band = i % 5 - 2});
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	for (int i = 0; i < 10; i++) {
		ct_int(creel_future_result(f[i], CT_GUARD, NULL, 0), -ECANCELED);
		creel_future_unref(f[i]);
	}
	creel_future *none = NULL;
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, &(creel_submit_options){.band = 1},
				&none),
	       -ESHUTDOWN);
	ct_release(&hold);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	ct_int(stats.cancelled, 10);
	ct_int(ct_count_get(ran), 0);
	ct_close(ex);
}

/* A first submission of all, and a first one after the end. */
CASE(c41_a_band_on_a_fresh_executor_and_after_its_end, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_submit_options low = {.band = -1};
	creel_executor *ex = pool_ageing(0), *other = pool_ageing(0);
	ct_int(ct_long_drop(creel_submit_with(ex, task_count, &ran, sizeof ran, &low)), 1);
	ct_close(ex);
	ct_int(creel_executor_shutdown(other, 0, CT_GUARD, NULL), 0);
	ct_int(creel_spawn(other, task_count, &ran, sizeof ran, &low), -ESHUTDOWN);
	ct_close(other);
}

static int never_ready(void *ctx, unsigned worker, void **ret_local)
{
	(void)worker;
	(void)ret_local;
	ct_pass(ctx);
	return -EIO;
}

CASE(c19_a_pool_that_breaks_fails_all_bands, CT_COUNTS)
{
	struct ct_count *gate = ct_count_new();
	creel_future *f[5];
	creel_executor *ex = ct_initialized(never_ready, gate);
	for (int i = 0; i < 5; i++)
		f[i] = creel_submit_with(ex, task_nothing, NULL, 0,
					 &(creel_submit_options){.band = i - 2});
	ct_open(gate);
	for (int i = 0; i < 5; i++) {
		ct_int(creel_future_result(f[i], CT_GUARD, NULL, 0), CREEL_EFAILED);
		ct_int(creel_future_error(f[i])->kind, CREEL_KIND_BROKEN);
		creel_future_unref(f[i]);
	}
	ct_int(creel_executor_close(ex), 0);
}

/* A task of any band may be run by who waits for it. */
CASE(c12_a_thread_outside_helps_in_any_band, CT_POOL)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_pool((creel_thread_pool_options){.help = CREEL_HELP_ANY});
	ct_hold(&hold, ex);
	for (uint32_t i = 0; i < 5; i++) {
		long n;
		creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran,
						    &(creel_submit_options){.band = (int)i - 2});
		ct_int(creel_future_result(f, CREEL_FOREVER, &n, sizeof n), 0);
		ct_int(n, i + 1);
		creel_future_unref(f);
	}
	ct_release(&hold);
	ct_close(ex);
}

CASE(bad_bands_are_refused, 0)
{
	static const int bad[] = {-3, 3, INT32_MIN, INT32_MAX};
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 4; i++) {
		char says[100];
		creel_submit_options o = {.band = bad[i]};
		snprintf(says, sizeof says,
			 "submit: band is %d; use -2 (can wait) to 2 (urgent), or 0", bad[i]);
		creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0, &o);
		ct_int(creel_future_error(f)->code, -EINVAL);
		ct_text(creel_future_error(f)->message, says);
		creel_future_unref(f);
		ct_int(creel_spawn(ex, task_nothing, NULL, 0, &o), -EINVAL);
	}
	ct_close(ex);
}

/* Custom executors have none, but for adaptors; the inline one runs each task at once. */
CASE(c41_executors_without_lists, CT_INPROC)
{
	creel_submit_options high = {.band = 2};
	bool refuses = ct_is(CT_ASYNC) && !ct_is(CT_POOL) && !ct_is(CT_OVER);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0, &high);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), refuses ? CREEL_EFAILED : 0);
	if (refuses) {
		ct_int(creel_future_error(f)->code, -ENOTSUP);
		ct_text(creel_future_error(f)->message,
			"submit: band is 2, and a custom executor has no bands; use 0");
	}
	creel_future_unref(f);
	ct_close(ex);
}
