/* SPDX-License-Identifier: MIT */
/* A process pool that breaks, beside something else: cancelling callbacks, a shutdown. */
#include "procs.h"

/* A pool of one worker whose task waits at the gate and then dies, which breaks the pool. */
struct breaking {
	creel_executor *ex;
	struct ct_count *gate;
	creel_future *crash;
};

struct crash {
	struct ct_count *started, *gate;
};

static int task_crash_at_the_gate(creel_task *task, const void *arg, size_t size)
{
	const struct crash *c = arg;
	(void)task;
	(void)size;
	ct_open(c->started);
	ct_pass(c->gate);
	raise(SIGKILL);
	return 0;
}

static struct breaking start_breaking(void)
{
	struct crash c = {ct_count_new(), ct_count_new()};
	struct breaking b = {.gate = c.gate};
	b.ex = pt_pool_with((creel_process_pool_options){.max_workers = 1,
							 .flags = CREEL_PROCESS_BREAK_ON_DEATH});
	b.crash = creel_submit(b.ex, task_crash_at_the_gate, &c, sizeof c);
	ct_count_await(c.started, 1);
	return b;
}

static void cancel_other(creel_future *f, void *other)
{
	ct_int(creel_future_error(f)->kind, CREEL_KIND_BROKEN);
	ct_int(creel_future_cancel(other), CREEL_CANCEL_NOW);
}

CASE(broken, c19_what_a_callback_cancels_while_the_pool_breaks_is_counted_as_cancelled)
{
	enum { N = 20 };
	struct breaking b = start_breaking();
	creel_future *f[N];
	for (unsigned i = 0; i < N; i++)
		f[i] = creel_submit(b.ex, task_nothing, NULL, 0);
	/* The pool fails the first one, whose callback cancels the last. */
	ct_int(creel_future_on_done(f[0], NULL, cancel_other, f[N - 1], NULL, NULL), 0);
	ct_open(b.gate);
	pt_failure(b.crash, CREEL_KIND_WORKER_DIED);
	for (unsigned i = 0; i < N; i++)
		ct_int(ct_outcome(f[i]), i == N - 1 ? -ECANCELED : CREEL_EFAILED);
	size_t left = 77;
	ct_int(creel_executor_drain(b.ex, CT_GUARD), 0);
	ct_int(creel_executor_shutdown(b.ex, 0, CT_GUARD, &left), 0);
	ct_int(left, 0);
	creel_stats s = pt_stats(b.ex);
	ct_int(s.cancelled, 1);
	ct_int(s.pending, 0);
	ct_int(s.running, 0);
	ct_int(s.done, N + 1);
	for (unsigned i = 0; i < N; i++)
		creel_future_unref(f[i]);
	creel_future_unref(b.crash);
	ct_close(b.ex);
}

CASE(broken, c19_tasks_that_were_cancelled_before_are_counted_once)
{
	struct breaking b = start_breaking();
	creel_future *f = creel_submit(b.ex, task_nothing, NULL, 0);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_open(b.gate);
	pt_failure(b.crash, CREEL_KIND_WORKER_DIED);
	ct_int(creel_executor_drain(b.ex, CT_GUARD), 0);
	creel_stats s = pt_stats(b.ex);
	ct_int(s.cancelled, 1);
	ct_int(s.done, 2);
	ct_int(s.died, 1);
	creel_future_unref(f);
	creel_future_unref(b.crash);
	ct_close(b.ex);
}

CASE(broken, c15_a_broken_pool_that_is_shut_down_still_says_that_it_is_broken)
{
	struct breaking b = start_breaking();
	creel_future *f = NULL;
	ct_open(b.gate);
	pt_failure(b.crash, CREEL_KIND_WORKER_DIED);
	ct_int(creel_try_submit(b.ex, task_nothing, NULL, 0, NULL, &f), CREEL_EFAILED);
	ct_int(creel_executor_resize(b.ex, 2), CREEL_EFAILED);
	ct_int(creel_executor_shutdown(b.ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_try_submit(b.ex, task_nothing, NULL, 0, NULL, &f), CREEL_EFAILED);
	ct_int(creel_executor_resize(b.ex, 2), CREEL_EFAILED);
	ct_int(creel_executor_shutdown(b.ex, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
	f = creel_submit(b.ex, task_nothing, NULL, 0);
	ct_int(pt_failure(f, CREEL_KIND_BROKEN)->code, CREEL_EFAILED);
	creel_future_unref(f);
	creel_future_unref(b.crash);
	ct_close(b.ex);
}
