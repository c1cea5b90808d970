/* SPDX-License-Identifier: MIT */
/* Promises 26 to 28, invariant 3: taking back, cancelling, time limits, kills. */
#include "procs.h"

#include <stdlib.h>
#include <time.h>

static void rest(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

CASE(kills, c26_what_waits_behind_a_long_task_is_run_by_an_idle_worker)
{
	for (unsigned round = 0; round < 20; round++) {
		creel_future *f[3];
		struct ct_count *ran = ct_count_new();
		creel_executor *ex = pt_pool(2);
		struct pt_gated g = pt_gated(10);
		creel_future *lengthy = pt_submit_gated(ex, &g);
		for (unsigned i = 0; i < 3; i++)
			f[i] = ct_submit_count(ex, ran);
		for (unsigned i = 0; i < 3; i++) {
			ct_assert(ct_long(f[i]) >= 1);
			creel_future_unref(f[i]);
		}
		ct_open(g.gate);
		ct_int(ct_long_drop(lengthy), 10);
		ct_close(ex);
	}
}

CASE(kills, c26_tasks_are_taken_back_from_behind_when_another_worker_idles)
{
	enum { N = 12 };
	creel_executor *ex = pt_pool(2);
	for (unsigned round = 0; round < 20; round++) {
		struct pt_gated a = pt_gated(1), b = pt_gated(2);
		struct ct_count *ran[N];
		creel_future *f[N];
		creel_future *fa = pt_submit_gated(ex, &a), *fb = pt_submit_gated(ex, &b);
		ct_count_await(a.started, 1);
		ct_count_await(b.started, 1);
		for (unsigned i = 0; i < N; i++)
			f[i] = ct_submit_count(ex, ran[i] = ct_count_new());
		ct_open((round & 1 ? &a : &b)->gate);
		for (unsigned i = 0; i < N; i++)
			ct_int(ct_long_drop(f[i]), 1);
		ct_open((round & 1 ? &b : &a)->gate);
		ct_int(ct_long_drop(fa), 1);
		ct_int(ct_long_drop(fb), 2);
	}
	ct_close(ex);
}

CASE(kills, c26_only_what_runs_counts_as_running_and_all_else_can_be_cancelled)
{
	enum { N = 20 };
	creel_future *f[N];
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	creel_future *running = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	for (unsigned i = 0; i < N; i++)
		f[i] = ct_submit_count(ex, ran);
	ct_int(creel_future_state(running), CREEL_FUTURE_RUNNING);
	creel_stats s = pt_stats(ex);
	ct_int(s.running, 1);
	ct_int(s.pending, N);
	for (unsigned i = 0; i < N; i++) {
		ct_int(creel_future_state(f[i]), CREEL_FUTURE_PENDING);
		ct_int(creel_future_cancel(f[i]), CREEL_CANCEL_NOW);
		ct_int(creel_future_state(f[i]), CREEL_FUTURE_CANCELLED);
		ct_int(creel_future_cancel(f[i]), CREEL_CANCEL_NOW);
		ct_int(ct_outcome(f[i]), -ECANCELED);
	}
	ct_open(g.gate);
	ct_int(ct_long_drop(running), 1);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	s = pt_stats(ex);
	ct_int(s.done, N + 1);
	ct_int(s.cancelled, N);
	ct_int(s.pending, 0);
	ct_int(s.running, 0);
	ct_int(ct_count_get(ran), 0);
	for (unsigned i = 0; i < N; i++)
		creel_future_unref(f[i]);
	ct_close(ex);
}

static int task_until_cancelled(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct ct_count *const *started = arg;
	if (creel_task_cancelled(task))
		return creel_fail(task, -EBADE, "cancelled before anybody asked");
	ct_count_add(*started, 1);
	while (!creel_task_cancelled(task))
		rest(1);
	return creel_fail(task, -EINTR, "as asked");
}

CASE(kills, c26_a_running_task_sees_that_it_was_cancelled_and_the_next_does_not)
{
	creel_executor *ex = pt_pool(1);
	for (unsigned i = 0; i < 10; i++) {
		struct ct_count *started = ct_count_new();
		creel_future *f = creel_submit(ex, task_until_cancelled, &started, sizeof started);
		ct_count_await(started, 1);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
		const creel_error *e = pt_failure(f, CREEL_KIND_FAILED);
		ct_int(e->code, -EINTR);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_FINAL);
		creel_future_unref(f);
	}
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

CASE(kills, c27_the_limit_of_a_task_goes_before_that_of_the_pool)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 2, .limit_ns = 100 * PT_MS});
	struct pt_gated g = pt_gated(3);
	creel_future *patient = creel_submit_with(ex, task_gated, &g, sizeof g,
						  &(creel_submit_options){.limit_ns = CREEL_NEVER});
	creel_future *hung = pt_submit_crash(ex, PT_HANG, "hung", NULL, NULL);
	const creel_error *e = pt_failure(hung, CREEL_KIND_TIMED_OUT);
	ct_int(e->code, -ETIMEDOUT);
	ct_has(e->message, "0.100 s");
	creel_future_unref(hung);
	ct_open(g.gate);
	ct_int(ct_long_drop(patient), 3);
	ct_close(ex);
	ex = pt_pool(1);
	struct pt_crash crash = {PT_HANG, NULL, NULL};
	creel_future *f = creel_submit_with(
		ex, task_crash, &crash, sizeof crash,
		&(creel_submit_options){.limit_ns = 50 * PT_MS, .name = "own"});
	ct_text(pt_failure(f, CREEL_KIND_TIMED_OUT)->task, "own");
	creel_future_unref(f);
	ct_close(ex);
}

static int task_rest(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	rest(*(const long *)arg);
	return 0;
}

/* The second waits behind the first for longer than its own limit. On a slow machine it may need
 * more than that for itself: then again, with twice the time. */
CASE(kills, c27_the_limit_runs_from_the_start_of_the_task)
{
	creel_executor *ex = pt_pool(1);
	int outcome = CREEL_EFAILED;
	for (long ms = 100; outcome && ms <= 12800; ms *= 2) {
		long first = ms + ms / 4;
		creel_submit_options o = {.limit_ns = ms * PT_MS};
		creel_future *a = creel_submit(ex, task_rest, &first, sizeof first);
		creel_future *b = creel_submit_with(ex, task_nothing, NULL, 0, &o);
		ct_int(ct_outcome(a), 0);
		outcome = ct_outcome(b);
		creel_future_unref(a);
		creel_future_unref(b);
	}
	ct_int(outcome, 0);
	ct_close(ex);
}

static struct ct_count *terms;
static int leave_with;

static void on_term(int number)
{
	(void)number;
	ct_count_add(terms, 1);
	if (leave_with)
		_exit(leave_with);
}

struct termed {
	struct ct_count *started, *terms;
	int leave_with;
};

static void heed_sigterm(const struct termed *t)
{
	terms = t->terms;
	leave_with = t->leave_with;
	signal(SIGTERM, on_term);
}

static int task_termed(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	const struct termed *t = arg;
	heed_sigterm(t);
	ct_count_add(t->started, 1);
	while (ct_count_get(t->started))
		pause();
	return 0;
}

static struct termed termed(int leave)
{
	return (struct termed){ct_count_new(), ct_count_new(), leave};
}

static int heed_sigterm_early(void *ctx, unsigned worker, void **ret_local)
{
	(void)worker;
	*ret_local = NULL;
	heed_sigterm(ctx);
	return 0;
}

/* A limit of 50 ms, which may be over before the task has done anything: its worker heeds SIGTERM
 * from before it is ready, when no limit counts yet. */
static creel_executor *termed_pool(struct termed *t, int64_t grace_ns)
{
	return pt_pool_with((creel_process_pool_options){.max_workers = 1,
							 .limit_ns = 50 * PT_MS,
							 .grace_ns = grace_ns,
							 .initializer = heed_sigterm_early,
							 .ctx = t});
}

CASE(kills, c27_a_limit_with_grace_sends_sigterm_first)
{
	struct termed polite = termed(9);
	creel_executor *ex = termed_pool(&polite, 60000 * PT_MS);
	creel_future *f = creel_submit(ex, task_termed, &polite, sizeof polite);
	const creel_error *e = pt_failure(f, CREEL_KIND_TIMED_OUT);
	ct_int(e->exit_status, 9);
	ct_int(e->signal, 0);
	ct_int(ct_count_get(polite.terms), 1);
	creel_future_unref(f);
	for (long i = 0; i < 8; i++) {
		f = creel_submit_with(ex, task_double, &i, sizeof i,
				      &(creel_submit_options){.limit_ns = CREEL_NEVER});
		ct_int(ct_long_drop(f), 2 * i);
	}
	ct_close(ex);
}

/* Within the grace it need not get the CPU even once. */
CASE(kills, c27_who_ignores_sigterm_gets_sigkill_after_the_grace)
{
	struct termed stubborn = termed(0);
	creel_executor *ex = termed_pool(&stubborn, 50 * PT_MS);
	creel_future *f = creel_submit(ex, task_termed, &stubborn, sizeof stubborn);
	ct_int(pt_failure(f, CREEL_KIND_TIMED_OUT)->signal, SIGKILL);
	ct_assert(ct_count_get(stubborn.terms) <= 1);
	creel_future_unref(f);
	ct_close(ex);
}

/* It has caught the one SIGTERM. Then a kill shortens the grace: the limit is still the reason. */
CASE(kills, c27_who_has_caught_sigterm_and_stays_gets_sigkill_after_the_grace)
{
	struct termed stubborn = termed(0);
	creel_executor *ex = termed_pool(&stubborn, 3600000 * PT_MS);
	creel_future *f = creel_submit(ex, task_termed, &stubborn, sizeof stubborn);
	ct_count_await(stubborn.terms, 1);
	ct_int(ct_count_get(stubborn.terms), 1);
	ct_int(creel_future_kill(f, 50 * PT_MS), CREEL_CANCEL_REQUESTED);
	ct_int(pt_failure(f, CREEL_KIND_TIMED_OUT)->signal, SIGKILL);
	creel_future_unref(f);
	ct_close(ex);
}

/* Limits of about the duration: whatever happens to those, their neighbours have no part in it. */
CASE(kills, c27_i03_a_limit_never_hits_another_task)
{
	enum { ROUNDS = 60, N = 6 };
	creel_executor *ex = pt_pool(3);
	unsigned timed_out = 0;
	for (unsigned round = 0; round < ct_scaled(ROUNDS); round++) {
		creel_future *f[N], *g[N];
		struct ct_count *ran[N];
		long ms = 2;
		for (unsigned i = 0; i < N; i++) {
			f[i] = creel_submit_with(
				ex, task_rest, &ms, sizeof ms,
				&(creel_submit_options){.limit_ns = (15 + (int)i * 2) * PT_MS /
								    10});
			g[i] = ct_submit_count(ex, ran[i] = ct_count_new());
		}
		for (unsigned i = 0; i < N; i++) {
			ct_int(ct_long_drop(g[i]), 1);
			if (ct_outcome(f[i])) {
				pt_failure(f[i], CREEL_KIND_TIMED_OUT);
				timed_out++;
			}
			creel_future_unref(f[i]);
		}
		/* The arena is finite. */
		if (round % 100 == 99)
			ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	}
	ct_int(pt_stats(ex).killed, timed_out);
	ct_int(pt_stats(ex).died, timed_out);
	ct_close(ex);
}

CASE(kills, c28_kill_in_every_state)
{
	creel_executor *ex = pt_pool(1);
	struct ct_count *ran = ct_count_new();
	struct pt_gated g = pt_gated(1);
	creel_future *running = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	creel_future *f[6];
	for (unsigned i = 0; i < 6; i++)
		f[i] = ct_submit_count(ex, ran);
	/* The first waits in the worker's slots, the last in the queue. */
	ct_int(creel_future_kill(f[0], 0), CREEL_CANCEL_NOW);
	ct_int(creel_future_kill(f[5], 0), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(f[0]), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_state(f[5]), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_kill(f[5], 0), CREEL_CANCEL_NOW);
	ct_int(creel_future_kill(running, 0), CREEL_CANCEL_REQUESTED);
	const creel_error *e = pt_failure(running, CREEL_KIND_KILLED);
	ct_int(e->pid, g.ids->pid);
	ct_int(e->signal, SIGKILL);
	ct_has(e->message, "on request");
	ct_int(creel_future_kill(running, 0), CREEL_CANCEL_FINAL);
	for (unsigned i = 1; i < 5; i++)
		ct_int(ct_outcome(f[i]), 0);
	ct_int(creel_future_kill(f[1], 0), CREEL_CANCEL_FINAL);
	ct_int(ct_count_get(ran), 4);
	creel_stats s = pt_stats(ex);
	ct_int(s.killed, 1);
	ct_int(s.died, 1);
	for (unsigned i = 0; i < 6; i++)
		creel_future_unref(f[i]);
	creel_future_unref(running);
	ct_close(ex);
}

CASE(kills, c28_kill_with_grace_and_once_more_without)
{
	creel_executor *ex = pt_pool(2);
	struct termed polite = termed(5), stubborn = termed(0);
	creel_future *a = creel_submit(ex, task_termed, &polite, sizeof polite);
	creel_future *b = creel_submit(ex, task_termed, &stubborn, sizeof stubborn);
	ct_count_await(polite.started, 1);
	ct_count_await(stubborn.started, 1);
	ct_int(creel_future_kill(a, 60000 * PT_MS), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_kill(b, 3600000 * PT_MS), CREEL_CANCEL_REQUESTED);
	ct_int(pt_failure(a, CREEL_KIND_KILLED)->exit_status, 5);
	ct_count_await(stubborn.terms, 1);
	/* Patience has an end: the second request is SIGKILL at once. */
	ct_int(creel_future_kill(b, 0), CREEL_CANCEL_REQUESTED);
	ct_int(pt_failure(b, CREEL_KIND_KILLED)->signal, SIGKILL);
	creel_future_unref(a);
	creel_future_unref(b);
	ct_close(ex);
}

static int task_until_termed(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	const struct termed *t = arg;
	heed_sigterm(t);
	ct_count_add(t->started, 1);
	while (!ct_count_get(t->terms))
		ct_breathe();
	return 0;
}

/* It has heeded the request: nobody waits for the end of the grace. */
CASE(kills, c28_who_ends_within_the_grace_is_gone_at_once)
{
	creel_executor *ex = pt_pool(1);
	struct termed polite = termed(0);
	creel_future *f = creel_submit(ex, task_until_termed, &polite, sizeof polite);
	ct_count_await(polite.started, 1);
	ct_int(creel_future_kill(f, 3600000 * PT_MS), CREEL_CANCEL_REQUESTED);
	ct_int(pt_failure(f, CREEL_KIND_KILLED)->signal, SIGKILL);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(kills, c28_elsewhere_there_is_nothing_to_kill)
{
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 1});
	struct pt_gated g = pt_gated(1);
	creel_future *f = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	struct ct_count *ran = ct_count_new();
	creel_future *pending = ct_submit_count(ex, ran);
	ct_int(creel_future_kill(pending, 0), CREEL_CANCEL_NOW);
	ct_int(creel_future_kill(f, 0), -ENOTSUP);
	ct_open(g.gate);
	ct_int(ct_long_drop(f), 1);
	creel_future_unref(pending);
	creel_future *limited = creel_submit_with(ex, task_nothing, NULL, 0,
						  &(creel_submit_options){.limit_ns = 1});
	ct_int(pt_failure(limited, CREEL_KIND_REJECTED)->code, -ENOTSUP);
	creel_future_unref(limited);
	ct_close(ex);
}

/* Kills that race with the end of their tasks: a result or a kill, and nobody else is hurt. */
CASE(kills, c28_i03_a_kill_that_comes_too_late_kills_nobody)
{
	enum { ROUNDS = 300 };
	creel_executor *ex = pt_pool(2);
	struct ct_count *ran = ct_count_new();
	unsigned killed = 0;
	for (unsigned round = 0; round < ct_scaled(ROUNDS); round++) {
		creel_future *f = ct_submit_count(ex, ran), *other = ct_submit_count(ex, ran);
		for (volatile unsigned spin = 0; spin < round % 50 * 200; spin++)
			;
		int rc = creel_future_kill(f, 0);
		int outcome = ct_outcome(f);
		if (rc == CREEL_CANCEL_NOW)
			ct_int(outcome, -ECANCELED);
		else if (rc == CREEL_CANCEL_FINAL)
			ct_int(outcome, 0);
		else if (outcome)
			pt_failure(f, CREEL_KIND_KILLED), killed++;
		ct_int(ct_outcome(other), 0);
		creel_future_unref(f);
		creel_future_unref(other);
	}
	ct_int(pt_stats(ex).killed, killed);
	ct_close(ex);
}

CASE(kills, bad_a_negative_limit_is_refused)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0,
					    &(creel_submit_options){.limit_ns = -5});
	const creel_error *e = pt_failure(f, CREEL_KIND_REJECTED);
	ct_int(e->code, -EINVAL);
	ct_has(e->message, "-5");
	creel_future_unref(f);
	ct_close(ex);
}
