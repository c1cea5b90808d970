/* SPDX-License-Identifier: MIT */
/* Promise 47: a paused pool starts no task; resume, shutdown and close start them again. */
#include "contract.h"

static creel_stats stats_of(creel_executor *ex)
{
	creel_stats s;
	ct_int(creel_executor_stats(ex, &s, sizeof s), 0);
	return s;
}

/* A pool that is paused and quiet, with n tasks pending that count up. */
static creel_executor *paused_with(struct ct_count *ran, creel_future **futures, unsigned n)
{
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_pause(ex), 0);
	for (unsigned i = 0; i < n; i++)
		futures[i] = ct_submit_count(ex, ran);
	return ex;
}

/* Nothing runs, and no worker is awake. */
static bool is_asleep_with(creel_executor *ex, unsigned pending)
{
	creel_stats s = stats_of(ex);
	return s.idle == s.workers && s.running == 0 && s.pending == pending;
}

CASE(c47_a_paused_pool_starts_no_task_before_it_is_resumed, CT_COUNTS)
{
	enum { N = 40 };
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_future *futures[2 * N];
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	for (int i = 0; i < N; i++)
		futures[i] = ct_submit_count(ex, ran);
	ct_int(creel_executor_pause(ex), 0);
	for (int i = N; i < 2 * N; i++)
		futures[i] = ct_submit_count(ex, ran);
	/* Those that run end; their workers have gone to sleep, or have left, without a task. */
	ct_release(&hold);
	ct_until(is_asleep_with(ex, 2 * N));
	ct_int(ct_count_get(ran), 0);
	for (int i = 0; i < 2 * N; i++)
		ct_int(creel_future_state(futures[i]), CREEL_FUTURE_PENDING);
	ct_int(creel_executor_resume(ex), 0);
	for (int i = 0; i < 2 * N; i++)
		ct_assert(ct_long_drop(futures[i]) > 0);
	ct_int(ct_count_get(ran), 2 * N);
	ct_close(ex);
}

CASE(c47_pausing_and_resuming_are_idempotent, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f;
	creel_executor *ex = paused_with(ran, &f, 1);
	ct_int(creel_executor_pause(ex), 0);
	ct_int(creel_executor_resume(ex), 0);
	ct_int(ct_long_drop(f), 1);
	ct_int(creel_executor_resume(ex), 0);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 2);
	ct_close(ex);
}

CASE(c47_closing_resumes, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f[3];
	creel_executor *ex = paused_with(ran, f, 3);
	ct_close(ex);
	ct_int(ct_count_get(ran), 3);
	for (int i = 0; i < 3; i++)
		ct_assert(ct_long_drop(f[i]) > 0);
}

CASE(c47_shutting_down_resumes, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f[3];
	creel_executor *ex = paused_with(ran, f, 3);
	int rc = creel_executor_shutdown(ex, 0, CREEL_NOW, NULL);
	ct_assert(rc == 0 || rc == -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		ct_assert(ct_long_drop(f[i]) > 0);
	ct_int(creel_executor_pause(ex), -ESHUTDOWN);
	ct_int(creel_executor_resume(ex), -ESHUTDOWN);
	ct_close(ex);
}

CASE(c47_dropping_the_last_reference_resumes, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f[3];
	creel_executor *ex = paused_with(ran, f, 3);
	creel_executor_unref(ex);
	for (int i = 0; i < 3; i++)
		ct_assert(ct_long_drop(f[i]) > 0);
	ct_int(ct_count_get(ran), 3);
}

CASE(c47_a_shutdown_of_a_paused_pool_may_cancel, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f[3];
	creel_executor *ex = paused_with(ran, f, 3);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
	for (int i = 0; i < 3; i++) {
		ct_int(creel_future_state(f[i]), CREEL_FUTURE_CANCELLED);
		creel_future_unref(f[i]);
	}
	ct_int(ct_count_get(ran), 0);
	ct_close(ex);
}

CASE(c47_what_a_paused_pool_has_pending_can_be_cancelled, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f[3];
	creel_executor *ex = paused_with(ran, f, 3);
	ct_int(creel_future_cancel(f[1]), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(f[1]), CREEL_FUTURE_CANCELLED);
	ct_int(creel_executor_resume(ex), 0);
	ct_assert(ct_long_drop(f[0]) > 0);
	ct_assert(ct_long_drop(f[2]) > 0);
	creel_future_unref(f[1]);
	ct_int(ct_count_get(ran), 2);
	ct_close(ex);
}

CASE(c47_draining_a_paused_pool_waits_for_what_is_pending, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f;
	creel_executor *ex = paused_with(ran, &f, 1);
	ct_int(creel_executor_drain(ex, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_executor_resume(ex), 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_long_drop(f), 1);
	ct_close(ex);
}

CASE(c47_a_paused_pool_can_be_resized, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_future *f[3];
	creel_executor *ex = paused_with(ran, f, 3);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_int(creel_executor_resize(ex, 3), 0);
	ct_int(stats_of(ex).pending, 3);
	ct_int(ct_count_get(ran), 0);
	ct_int(creel_executor_resume(ex), 0);
	for (int i = 0; i < 3; i++)
		ct_assert(ct_long_drop(f[i]) > 0);
	ct_close(ex);
}

/* Waits for a task of its own pool, which is paused: it must not run that itself. */
struct waits {
	struct ct_count *submitted, *go, *ran;
	creel_executor *ex;
};

static int waits_for_another(creel_task *task, const void *arg, size_t size)
{
	const struct waits *w = arg;
	(void)size;
	creel_future *f = ct_submit_count(w->ex, w->ran);
	ct_count_add(w->submitted, 1);
	ct_count_await(w->go, 1);
	long n = ct_long_drop(f);
	return creel_return(task, &n, sizeof n);
}

CASE(c47_a_waiter_in_a_paused_pool_does_not_help, CT_POOL | CT_SYSTEM)
{
	int tid;
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 1, .name = "only"});
	struct waits w = {ct_count_new(), ct_count_new(), ct_count_new(), ex};
	creel_future *f = creel_submit(ex, waits_for_another, &w, sizeof w);
	ct_count_await(w.submitted, 1);
	ct_int(creel_executor_pause(ex), 0);
	ct_int(ct_threads_named("only-", &tid, 1), 1);
	ct_open(w.go);
	ct_await_asleep(tid);
	ct_int(ct_count_get(w.ran), 0);
	ct_int(creel_executor_resume(ex), 0);
	ct_int(creel_executor_resize(ex, 2), 0);
	ct_int(ct_long_drop(f), 1);
	ct_close(ex);
}

CASE(bad_executors_that_cannot_be_paused_say_so, 0)
{
	creel_executor *ex = ct_executor();
	int want = ct_is(CT_COUNTS) ? 0 : -ENOTSUP;
	ct_int(creel_executor_pause(ex), want);
	ct_int(creel_executor_resume(ex), want);
	ct_close(ex);
}

CORE_CASE(bad_pausing_needs_an_executor_that_is_whole)
{
	ct_int(creel_executor_pause(NULL), -EINVAL);
	ct_int(creel_executor_resume(NULL), -EINVAL);
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = -1});
	ct_int(creel_executor_pause(ex), CREEL_EFAILED);
	ct_int(creel_executor_resume(ex), CREEL_EFAILED);
	ct_close(ex);
}
