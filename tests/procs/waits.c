/* SPDX-License-Identifier: MIT */
/*
 * Invariant 1 for a thread that waits alone: it is woken by the worker, and fetches the outcome
 * itself. Whatever happens to the task meanwhile, it hears of it, and nobody else misses anything.
 */
#include "future/future.h"
#include "procs.h"
#include "procs/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>

/* A thread that waits for f, and what it found. */
struct waiter {
	pthread_t thread;
	creel_future *f;
	creel_deadline deadline;
	_Atomic(int) tid;
	int rc;
	long value;
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;
	w->tid = (int)syscall(SYS_gettid);
	w->rc = creel_future_result(w->f, w->deadline, &w->value, sizeof w->value);
	return NULL;
}

static void waiter_start(struct waiter *w, creel_future *f)
{
	*w = (struct waiter){.f = f, .deadline = CREEL_FOREVER};
	ct_int(pthread_create(&w->thread, NULL, wait_for_it, w), 0);
	ct_until(w->tid);
	ct_await_asleep(w->tid);
}

static int waiter_end(struct waiter *w)
{
	ct_int(pthread_join(w->thread, NULL), 0);
	return w->rc;
}

/* A pool of one worker, which is up. */
static creel_executor *pool_of_one(void)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER});
	pt_works(ex);
	return ex;
}

/* A task that runs, and somebody who waits for it. */
struct scene {
	creel_executor *ex;
	struct pt_gated g;
	creel_future *f;
	struct waiter w;
};

static void scene_start(struct scene *s, creel_executor *ex)
{
	s->ex = ex;
	s->g = pt_gated(7);
	s->g.ids = ct_shared(sizeof *s->g.ids);
	s->f = pt_submit_gated(ex, &s->g);
	ct_count_await(s->g.started, 1);
	waiter_start(&s->w, s->f);
}

static void scene_end(struct scene *s)
{
	creel_future_unref(s->f);
	pt_works(s->ex);
	ct_close(s->ex);
}

static int manager_of(void)
{
	int tid;
	ct_int(ct_threads_named("creel-", &tid, 1), 1);
	return tid;
}

/* Until the waiter watches the task, and the manager rests: the worker runs the task, so it has
 * rung for those before, and the outcome is the waiter's. Returns how often the manager has gone to
 * sleep. */
static long await_rest(const struct scene *s)
{
	int tids[] = {s->w.tid, manager_of()};
	long switches[2];
	ct_await_all_asleep(tids, 2, switches);
	return switches[1];
}

CASE(waits, i01_the_manager_sleeps_while_a_waiter_fetches)
{
	creel_executor *ex = pool_of_one();
	int manager = manager_of();
	long before = 0;
	for (unsigned i = 0; i < 20; i++) {
		struct scene s;
		scene_start(&s, ex);
		if (i == 0)
			before = await_rest(&s);
		ct_open(s.g.gate);
		ct_int(waiter_end(&s.w), 0);
		ct_int(s.w.value, 7);
		creel_future_unref(s.f);
	}
	ct_int(ct_thread_status(manager, "voluntary_ctxt_switches"), before);
	ct_int(pt_stats(ex).pending + pt_stats(ex).running, 0);
	pt_works(ex);
	ct_close(ex);
}

CASE(waits, i01_a_waiter_hears_of_the_death_of_the_worker)
{
	struct scene s;
	scene_start(&s, pool_of_one());
	ct_int(kill(s.g.ids->pid, SIGKILL), 0);
	ct_int(waiter_end(&s.w), CREEL_EFAILED);
	ct_int(creel_future_error(s.f)->kind, CREEL_KIND_WORKER_DIED);
	scene_end(&s);
}

CASE(waits, i01_a_waiter_hears_of_a_kill)
{
	struct scene s;
	scene_start(&s, pool_of_one());
	ct_int(creel_future_kill(s.f, 0), CREEL_CANCEL_REQUESTED);
	ct_int(waiter_end(&s.w), CREEL_EFAILED);
	ct_int(creel_future_error(s.f)->kind, CREEL_KIND_KILLED);
	scene_end(&s);
}

CASE(waits, i01_a_waiter_hears_of_the_death_of_the_fork_server)
{
	struct scene s;
	scene_start(&s, pool_of_one());
	ct_int(kill(s.g.ids->server, SIGKILL), 0);
	ct_int(waiter_end(&s.w), CREEL_EFAILED);
	ct_int(creel_future_error(s.f)->kind, CREEL_KIND_WORKER_DIED);
	scene_end(&s);
}

CASE(waits, i01_a_waiter_may_give_up_and_come_again)
{
	struct scene s;
	scene_start(&s, pool_of_one());
	/* The first to wait has the slot's word; this one has the future's,
	 * and both keep their time. */
	ct_int(creel_future_result(s.f, creel_in_ms(5), NULL, 0), -ETIMEDOUT);
	ct_open(s.g.gate);
	ct_int(waiter_end(&s.w), 0);
	scene_end(&s);
}

CASE(waits, i01_a_deadline_ends_the_wait_and_the_outcome_comes_through_the_manager)
{
	creel_executor *ex = pool_of_one();
	for (unsigned i = 0; i < 20; i++) {
		struct pt_gated g = pt_gated(8);
		struct ct_count *told = ct_count_new();
		creel_future *f = pt_submit_gated(ex, &g);
		ct_count_await(g.started, 1);
		ct_int(creel_future_result(f, creel_in_ns(1000 * i), NULL, 0), -ETIMEDOUT);
		ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ETIMEDOUT);
		ct_open(g.gate);
		/* Nobody waits in the pool now: if the worker did not ring, this would not come. */
		ct_int(creel_future_on_done(f, NULL, done_count, told, NULL, NULL), 0);
		ct_count_await(told, 1);
		ct_int(ct_long_drop(f), 8);
	}
	ct_close(ex);
}

static void note_thread(creel_future *f, void *ret_tid)
{
	(void)f;
	*(_Atomic(int) *)ret_tid = (int)syscall(SYS_gettid);
}

CASE(waits, i01_a_callback_that_comes_while_somebody_waits_runs_on_the_manager)
{
	struct scene s;
	_Atomic(int) tid = 0;
	scene_start(&s, pool_of_one());
	int manager = manager_of();
	ct_int(creel_future_on_done(s.f, NULL, note_thread, &tid, NULL, NULL), 0);
	ct_open(s.g.gate);
	ct_int(waiter_end(&s.w), 0);
	ct_until(tid);
	ct_int(tid, manager);
	scene_end(&s);
}

/* What the library's threads are at with f. */
static uint64_t word_of(creel_future *f)
{
	return creel__load(&f->state, relaxed);
}

/* As somebody who asks the executor about f: it does not end before creel__future_release(). */
static bool take_hold(creel_future *f)
{
	return !(creel__or(&f->state, CREEL__HELD, relaxed) & CREEL__HELD);
}

/* Stops the waiter with the outcome in its hands, and comes then. */
static void add_at_last_moment(struct scene *s, _Atomic(int) *ret_tid)
{
	await_rest(s);
	ct_until(take_hold(s->f));
	ct_open(s->g.gate);
	ct_until(word_of(s->f) & CREEL__WAITED);
	ct_int(creel_future_on_done(s->f, NULL, note_thread, ret_tid, NULL, NULL), 0);
}

CASE(waits, i01_a_callback_that_comes_while_a_waiter_fetches_runs_on_the_manager)
{
	struct scene s;
	_Atomic(int) tid = 0;
	scene_start(&s, pool_of_one());
	int manager = manager_of();
	add_at_last_moment(&s, &tid);
	creel__future_release(s.f);
	ct_int(waiter_end(&s.w), 0);
	ct_int(s.w.value, 7);
	ct_until(tid);
	ct_int(tid, manager);
	ct_int(creel_executor_drain(s.ex, CT_GUARD), 0);
	ct_int(pt_stats(s.ex).running, 0);
	scene_end(&s);
}

CASE(waits, i01_a_pool_ends_after_the_callback_that_came_while_a_waiter_fetched)
{
	struct scene s;
	_Atomic(int) tid = 0;
	scene_start(&s, pool_of_one());
	int manager = manager_of();
	add_at_last_moment(&s, &tid);
	ct_int(creel_executor_shutdown(s.ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	creel__future_release(s.f);
	ct_close(s.ex);
	ct_int(tid, manager);
	ct_int(waiter_end(&s.w), 0);
	creel_future_unref(s.f);
}

/* The waiter stops once more, behind the pool's lock: at that of the arguments, of which it frees a
 * large one. By then no worker has anything to do with it. */
CASE(waits, i01_a_pool_does_not_end_before_a_waiter_has_left_it)
{
	struct {
		struct pt_gated g;
		char more[4096];
	} large = {.g = pt_gated(7)};
	struct scene s = {.ex = pool_of_one(), .g = large.g};
	struct creel__procs *p = (struct creel__procs *)s.ex;
	_Atomic(int) tid = 0;
	int manager = manager_of();
	s.f = creel_submit(s.ex, task_gated, &large, sizeof large);
	ct_count_await(s.g.started, 1);
	waiter_start(&s.w, s.f);
	add_at_last_moment(&s, &tid);
	ct_int(creel_executor_shutdown(s.ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	creel__lock_acquire(&p->arguments.lock);
	creel__future_release(s.f);
	/* The worker is free to go, and a moment later the manager would be. */
	ct_until(pt_stats(s.ex).workers == 0);
	for (int ms = 0; ms < 20; ms++)
		ct_breathe();
	ct_int(tid, 0);
	creel__lock_release(&p->arguments.lock);
	ct_close(s.ex);
	ct_int(tid, manager);
	ct_int(waiter_end(&s.w), 0);
	creel_future_unref(s.f);
}

static void note_freeing_thread(void *arg, size_t size, void *ret_tid)
{
	(void)arg;
	(void)size;
	*(_Atomic(int) *)ret_tid = (int)syscall(SYS_gettid);
}

CASE(waits, i01_the_destructor_of_an_argument_runs_on_the_manager_and_not_on_a_waiter)
{
	creel_executor *ex = pool_of_one();
	int manager = manager_of();
	for (unsigned i = 0; i < 10; i++) {
		_Atomic(int) tid = 0;
		struct pt_gated g = pt_gated(6);
		struct waiter w;
		creel_submit_options o = {.arg_free = note_freeing_thread, .arg_ctx = &tid};
		creel_future *f = creel_submit_with(ex, task_gated, &g, sizeof g, &o);
		ct_count_await(g.started, 1);
		waiter_start(&w, f);
		ct_open(g.gate);
		ct_int(waiter_end(&w), 0);
		ct_int(tid, manager);
		creel_future_unref(f);
	}
	ct_close(ex);
}

struct asked {
	struct ct_count *started, *asked;
};

static int task_asked(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct asked *a = arg;
	ct_count_add(a->started, 1);
	ct_pass(a->asked);
	long seen = creel_task_cancelled(task);
	return creel_return(task, &seen, sizeof seen);
}

static void *cancel_it(void *f)
{
	return (void *)(intptr_t)creel_future_cancel(f);
}

/* A waiter stops at the pool's lock with its hold of the future, and a canceller comes. */
CASE(waits, c02_a_cancel_that_meets_a_waiter_reaches_the_worker)
{
	creel_executor *ex = pool_of_one();
	struct creel__procs *p = (struct creel__procs *)ex;
	struct asked a = {ct_count_new(), ct_count_new()};
	struct waiter w = {.f = creel_submit(ex, task_asked, &a, sizeof a),
			   .deadline = CREEL_FOREVER};
	pthread_t canceller;
	void *said;
	ct_count_await(a.started, 1);
	ct_await_running(w.f);
	creel__lock_acquire(&p->lock);
	ct_int(pthread_create(&w.thread, NULL, wait_for_it, &w), 0);
	ct_until(word_of(w.f) & CREEL__HELD);
	ct_int(pthread_create(&canceller, NULL, cancel_it, w.f), 0);
	ct_until(word_of(w.f) & (CREEL__WAITED | CREEL__ASKED));
	creel__procs_unlock(p);
	ct_int(pthread_join(canceller, &said), 0);
	ct_int((intptr_t)said, CREEL_CANCEL_REQUESTED);
	ct_open(a.asked);
	ct_int(waiter_end(&w), 0);
	ct_int(w.value, 1);
	creel_future_unref(w.f);
	ct_close(ex);
}

CASE(waits, i01_all_who_wait_for_one_task_hear_of_its_end)
{
	enum { MORE = 3 };
	struct waiter more[MORE];
	struct scene s;
	scene_start(&s, pool_of_one());
	for (unsigned i = 0; i < MORE; i++)
		waiter_start(&more[i], s.f);
	ct_open(s.g.gate);
	ct_int(waiter_end(&s.w), 0);
	for (unsigned i = 0; i < MORE; i++) {
		ct_int(waiter_end(&more[i]), 0);
		ct_int(more[i].value, 7);
	}
	scene_end(&s);
}

CASE(waits, i01_a_waiter_starts_what_was_queued_meanwhile)
{
	enum { N = 40 };
	struct scene s;
	creel_future *f[N];
	scene_start(&s, pool_of_one());
	struct ct_count *ran = ct_count_new();
	for (unsigned i = 0; i < N; i++)
		f[i] = ct_submit_count(s.ex, ran);
	ct_open(s.g.gate);
	ct_int(waiter_end(&s.w), 0);
	for (unsigned i = 0; i < N; i++) {
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	ct_int(ct_count_get(ran), N);
	scene_end(&s);
}

CASE(waits, i01_a_pool_ends_when_the_last_task_was_fetched_by_its_waiter)
{
	for (unsigned i = 0; i < 10; i++) {
		struct scene s;
		scene_start(&s, pool_of_one());
		ct_int(creel_executor_shutdown(s.ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
		ct_open(s.g.gate);
		ct_close(s.ex);
		ct_int(waiter_end(&s.w), 0);
		creel_future_unref(s.f);
	}
}

CASE(waits, c31_a_worker_whose_task_its_waiter_fetched_idles_and_goes)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .idle_ns = 20 * PT_MS});
	for (unsigned i = 0; i < 5; i++) {
		struct pt_gated g = pt_gated(9);
		struct waiter w;
		creel_future *f = pt_submit_gated(ex, &g);
		ct_count_await(g.started, 1);
		waiter_start(&w, f);
		ct_open(g.gate);
		ct_int(waiter_end(&w), 0);
		creel_future_unref(f);
		ct_until(pt_stats(ex).workers == 0);
	}
	ct_close(ex);
}

static void finalize_behind_gate(void *ctx, void *local)
{
	(void)local;
	ct_pass(ctx);
}

/* The manager gives one that retires a while to leave, from its last outcome on. It has not brought
 * that itself, and hears nothing else: the worker is held up in its finalizer. */
CASE(waits, c31_a_worker_that_retires_goes_when_its_waiter_fetched_its_last_outcome)
{
	struct ct_count *gate = ct_count_new();
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 2,
					     .idle_ns = CREEL_NEVER,
					     .finalizer = finalize_behind_gate,
					     .ctx = gate});
	struct pt_gated g[2] = {pt_gated(1), pt_gated(2)};
	creel_future *f[2];
	struct waiter w[2];
	for (unsigned i = 0; i < 2; i++) {
		f[i] = pt_submit_gated(ex, &g[i]);
		ct_count_await(g[i].started, 1);
	}
	for (unsigned i = 0; i < 2; i++)
		waiter_start(&w[i], f[i]);
	int manager = manager_of();
	ct_await_asleep(manager);
	long before = ct_thread_status(manager, "voluntary_ctxt_switches");
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_until(ct_thread_status(manager, "voluntary_ctxt_switches") > before);
	ct_await_asleep(manager);
	before = ct_thread_status(manager, "voluntary_ctxt_switches");
	for (unsigned i = 0; i < 2; i++)
		ct_open(g[i].gate);
	for (unsigned i = 0; i < 2; i++)
		ct_int(waiter_end(&w[i]), 0);
	ct_until(ct_thread_status(manager, "voluntary_ctxt_switches") > before);
	ct_int(pt_stats(ex).workers, 2);
	ct_open(gate);
	ct_until(pt_stats(ex).workers == 1);
	for (unsigned i = 0; i < 2; i++)
		creel_future_unref(f[i]);
	pt_works(ex);
	ct_close(ex);
}

/* Under the pool's lock there is no point where a thread can be cancelled. */
CASE(waits, rule_a_thread_that_is_to_be_cancelled_still_brings_its_wait_to_an_end)
{
	struct ct_count *told = ct_count_new();
	struct scene s;
	scene_start(&s, pool_of_one());
	ct_int(creel_future_on_done(s.f, NULL, done_count, told, NULL, NULL), 0);
	ct_int(pthread_cancel(s.w.thread), 0);
	ct_open(s.g.gate);
	ct_int(waiter_end(&s.w), 0);
	ct_int(s.w.value, 7);
	ct_count_await(told, 1);
	scene_end(&s);
}

/* Light loads use one worker: the other one idles until its time is up. */
CASE(waits, c31_a_worker_that_is_not_needed_idles_and_goes)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 2, .min_workers = 1, .idle_ns = 50 * PT_MS});
	struct pt_gated a = pt_gated(1), b = pt_gated(2);
	creel_future *fa = pt_submit_gated(ex, &a), *fb = pt_submit_gated(ex, &b);
	ct_count_await(a.started, 1);
	ct_count_await(b.started, 1);
	ct_open(a.gate);
	ct_open(b.gate);
	ct_int(ct_long_drop(fa), 1);
	ct_int(ct_long_drop(fb), 2);
	int64_t start = ct_now();
	while (pt_stats(ex).workers == 2) {
		long n = 21;
		ct_assert(!ct_guard_over(start));
		ct_int(ct_long_drop(creel_submit(ex, task_double, &n, sizeof n)), 42);
	}
	ct_close(ex);
}
