/* SPDX-License-Identifier: MIT */
/*
 * Who runs a task instead of waiting for it (creel_thread_pool_options.help), and workers that look
 * before they sleep (spin_ns). A wait for ever on a pool whose workers are all held ends only if
 * the waiter helps.
 */
#include "contract.h"

#include <limits.h>
#include <pthread.h>
#include <sys/wait.h>

static creel_executor *pool_with(int help)
{
	return ct_pool((creel_thread_pool_options){.help = help});
}

static creel_stats stats_of(creel_executor *ex)
{
	creel_stats s;
	ct_int(creel_executor_stats(ex, &s, sizeof s), 0);
	return s;
}

struct place {
	pthread_t thread;
	void *local;
	unsigned worker;
};

static int task_place(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	struct place here = {pthread_self(), creel_task_local(task), creel_task_worker(task)};
	return creel_return(task, &here, sizeof here);
}

static struct place place_of(creel_future *f)
{
	struct place p;
	ct_int(creel_future_result(f, CREEL_FOREVER, &p, sizeof p), 0);
	creel_future_unref(f);
	return p;
}

CASE(c12_a_thread_outside_helps_where_any_may, CT_POOL)
{
	struct ct_hold hold;
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	ct_hold(&hold, ex);
	for (int i = 0; i < 3; i++) {
		struct place p = place_of(creel_submit(ex, task_place, NULL, 0));
		ct_assert(pthread_equal(p.thread, pthread_self()));
		ct_assert(p.local == NULL);
		ct_int(p.worker, UINT_MAX);
	}
	ct_int(stats_of(ex).pending, 0);
	ct_int(stats_of(ex).done, 3);
	ct_int(stats_of(ex).running, ct_width());
	ct_release(&hold);
	ct_close(ex);
}

static int task_become(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return creel_return_future(task, *(creel_future *const *)arg);
}

/* What a waiter has run lies dead in the queue, and whoever finds it there counts it no more:
 * however it has ended. */
CASE(c12_what_a_waiter_ran_is_counted_once_if_it_ends_as_cancelled, CT_POOL)
{
	struct ct_hold hold;
	creel_future *gone = creel_promise_new();
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	creel_future_cancel(gone);
	ct_hold(&hold, ex);
	creel_future *first = creel_submit(ex, task_nothing, NULL, 0);
	creel_future *f = creel_submit(ex, task_become, &gone, sizeof gone);
	creel_future *g = creel_finally(gone, ex, task_nothing, NULL, 0);
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), -ECANCELED);
	ct_int(creel_future_result(g, CREEL_FOREVER, NULL, 0), -ECANCELED);
	ct_int(stats_of(ex).pending, 1);
	ct_release(&hold);
	/* Behind the two. */
	creel_future *last = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(ct_outcome(first), 0);
	ct_int(ct_outcome(last), 0);
	creel_future_unref(first);
	creel_future_unref(last);
	ct_int(creel_executor_drain(ex, creel_in_ms(CT_GUARD_MS / 4)), 0);
	ct_int(stats_of(ex).pending, 0);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_future_unref(gone);
	ct_close(ex);
}

/* Several wait: those behind the first are found claimed in the queue. */
CASE(c12_a_thread_outside_helps_in_any_order, CT_POOL)
{
	enum { N = 200 };
	struct ct_hold hold;
	creel_future *f[N];
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	ct_hold(&hold, ex);
	for (int i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_place, NULL, 0);
	for (int i = N; i--;)
		ct_assert(pthread_equal(place_of(f[i]).thread, pthread_self()));
	ct_int(stats_of(ex).pending, 0);
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(stats_of(ex).done, N + ct_width());
	ct_close(ex);
}

static int task_submits_and_waits(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	creel_executor *ex = *(creel_executor *const *)arg;
	struct place p = place_of(creel_submit(ex, task_place, NULL, 0));
	return creel_return(task, &p, sizeof p);
}

CASE(c12_a_task_that_was_helped_helps, CT_POOL)
{
	struct ct_hold hold;
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	ct_hold(&hold, ex);
	struct place p = place_of(creel_submit(ex, task_submits_and_waits, &ex, sizeof ex));
	ct_assert(pthread_equal(p.thread, pthread_self()));
	ct_release(&hold);
	ct_close(ex);
}

/* The wait must end in time. */
CASE(c12_nobody_helps_who_waits_with_a_deadline, CT_POOL)
{
	struct ct_hold hold;
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	ct_hold(&hold, ex);
	creel_future *f = creel_submit(ex, task_place, NULL, 0);
	ct_int(creel_future_result(f, creel_in_ms(1), NULL, 0), -ETIMEDOUT);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_release(&hold);
	struct place p;
	ct_int(creel_future_result(f, CT_GUARD, &p, sizeof p), 0);
	creel_future_unref(f);
	ct_assert(!pthread_equal(p.thread, pthread_self()));
	ct_close(ex);
}

static void *submit_and_wait(void *ex)
{
	place_of(creel_submit(ex, task_place, NULL, 0));
	return NULL;
}

/* Then the task runs when the pool is resumed. */
CASE(c47_a_paused_pool_refuses_help_from_outside, CT_POOL | CT_SYSTEM)
{
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	ct_int(creel_executor_pause(ex), 0);
	struct ct_thread *t = ct_thread_start(submit_and_wait, ex);
	ct_until(stats_of(ex).pending == 1);
	ct_await_asleep(ct_thread_id(t));
	ct_int(stats_of(ex).pending, 1);
	ct_int(creel_executor_resume(ex), 0);
	ct_thread_join(t);
	ct_close(ex);
}

/* The worker of another pool waits: what is local to it is not this pool's. */
CASE(c12_workers_of_other_pools_do_not_help, CT_POOL)
{
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	creel_executor *other = ct_pool((creel_thread_pool_options){.max_workers = 1});
	for (int i = 0; i < 20; i++) {
		struct place p = place_of(
			creel_submit(other, task_submits_and_waits, &ex, sizeof ex));
		ct_assert(p.worker != UINT_MAX);
		ct_assert(!pthread_equal(p.thread, pthread_self()));
	}
	ct_close(other);
	ct_close(ex);
}

static int task_same_thread(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	creel_executor *ex = *(creel_executor *const *)arg;
	struct place p = place_of(creel_submit(ex, task_place, NULL, 0));
	long same = pthread_equal(p.thread, pthread_self()) != 0;
	return creel_return(task, &same, sizeof same);
}

CASE(c16_nobody_helps_where_none_may, CT_POOL)
{
	creel_executor *ex = ct_pool(
		(creel_thread_pool_options){.max_workers = 2, .help = CREEL_HELP_NONE});
	for (int i = 0; i < 50; i++)
		ct_int(ct_long_drop(creel_submit(ex, task_same_thread, &ex, sizeof ex)), 0);
	ct_close(ex);
}

static void *wait_for_ever(void *f)
{
	return (void *)(intptr_t)creel_future_result(f, CREEL_FOREVER, NULL, 0);
}

/* The gated task runs on a thread that helps, and nothing else is left. */
static struct ct_thread *help_gated(creel_executor *ex, struct ct_count *started,
				    struct ct_count *gate, creel_future **ret_f)
{
	struct ct_hold hold;
	ct_hold(&hold, ex);
	*ret_f = ct_submit_gated(ex, started, gate, 1);
	struct ct_thread *helper = ct_thread_start(wait_for_ever, *ret_f);
	ct_count_await(started, 1);
	ct_release(&hold);
	return helper;
}

CASE(c17_drain_and_shutdown_wait_for_who_helps, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *f;
	size_t left = 0;
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	struct ct_thread *helper = help_gated(ex, started, gate, &f);
	ct_int(creel_executor_drain(ex, creel_in_ms(1)), -ETIMEDOUT);
	/* The task that was held is counted a moment after its future is final. */
	ct_until(stats_of(ex).running == 1);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, creel_in_ms(1), &left),
	       -ETIMEDOUT);
	ct_int(left, 1);
	ct_open(gate);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(stats_of(ex).running, 0);
	ct_int((intptr_t)ct_thread_join(helper), 0);
	creel_future_unref(f);
	ct_close(ex);
}

/* The helper frees the pool. */
CASE(c08_a_pool_that_is_dropped_stays_until_a_helper_is_through, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *f;
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	struct ct_thread *helper = help_gated(ex, started, gate, &f);
	creel_executor_unref(ex);
	ct_open(gate);
	ct_int((intptr_t)ct_thread_join(helper), 0);
	creel_future_unref(f);
}

static int task_exits(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

CASE(c01_a_task_that_ends_a_thread_which_helps_has_failed, CT_POOL)
{
	struct ct_hold hold;
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	ct_hold(&hold, ex);
	creel_future *f = creel_submit(ex, task_exits, NULL, 0);
	ct_assert(ct_thread_join(ct_thread_start(wait_for_ever, f)) == NULL);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
	creel_future_unref(f);
	ct_int(stats_of(ex).running, ct_width());
	ct_release(&hold);
	ct_close(ex);
}

static int task_forks(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	fflush(NULL);
	long child = fork();
	return creel_return(task, &child, sizeof child);
}

/* In the child the call says that the future is the parent's. */
CASE(c23_a_task_that_forks_on_a_thread_which_helps, CT_POOL)
{
	struct ct_hold hold;
	long child = -1;
	int status;
	pid_t self = getpid();
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	ct_hold(&hold, ex);
	creel_future *f = creel_submit(ex, task_forks, NULL, 0);
	int rc = creel_future_result(f, CREEL_FOREVER, &child, sizeof child);
	if (getpid() != self)
		_exit(rc == -EPERM && creel_executor_drain(ex, CREEL_NOW) == -EPERM ? 0 : 1);
	ct_int(rc, 0);
	ct_int(waitpid((pid_t)child, &status, 0), child);
	ct_int(status, 0);
	creel_future_unref(f);
	ct_release(&hold);
	ct_close(ex);
}

/* Either it ran, or it was cancelled. */
CASE(c02_cancel_against_a_thread_that_helps, CT_POOL)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = pool_with(CREEL_HELP_ANY);
	ct_hold(&hold, ex);
	uint32_t finished = 0;
	for (int i = 0; i < 50; i++) {
		creel_future *f = ct_submit_count(ex, ran);
		struct ct_thread *helper = ct_thread_start(wait_for_ever, f);
		bool cancelled = creel_future_cancel(f) == CREEL_CANCEL_NOW;
		int rc = (int)(intptr_t)ct_thread_join(helper);
		ct_int(rc, cancelled ? -ECANCELED : 0);
		finished += !cancelled;
		ct_int(ct_count_get(ran), finished);
		creel_future_unref(f);
	}
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(stats_of(ex).cancelled, 50 - finished);
	ct_close(ex);
}

static int initialize(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return 0;
}

CASE(bad_help_of_any_and_an_initializer_are_refused, CT_POOL)
{
	creel_executor *ex = ct_pool(
		(creel_thread_pool_options){.help = CREEL_HELP_ANY, .initializer = initialize});
	ct_assert(creel_executor_error(ex) != NULL);
	ct_int(creel_executor_error(ex)->code, -EINVAL);
	ct_text(creel_executor_error(ex)->message,
		"creel_thread_pool_new: help is 2; CREEL_HELP_ANY runs tasks on threads that the "
		"initializer has not prepared; use CREEL_HELP_WORKERS, or no initializer");
	creel_executor_unref(ex);
}

/* A worker that watches for ever is woken like one that sleeps: for work, and to leave. */
CASE(c22_workers_that_watch_are_woken, CT_POOL)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_pool((creel_thread_pool_options){.spin_ns = INT64_MAX});
	for (uint32_t i = 0; i < 100; i++)
		ct_int(ct_long_drop(ct_submit_count(ex, ran)), i + 1);
	ct_until(stats_of(ex).idle == stats_of(ex).workers);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 101);
	ct_close(ex);
}
