/* SPDX-License-Identifier: MIT */
/* Promise 39: what lies beneath an adaptor gets the tasks in the order of the line, whichever
 * threads let them go. */
#include "contract.h"

#include <errno.h>
#include <pthread.h>

enum {
	MANY = 100,
};

/* An executor that only queues. */
struct shelf {
	creel_task *task[4];
	unsigned n;
	int refuse;                   /* what submit says; 0: takes it */
	struct ct_count *first, *may; /* or NULL: the first one comes, and waits until it may */
	bool came;
	creel_executor *ex;
};

static int put(void *self, creel_task *task)
{
	struct shelf *s = self;
	if (s->refuse)
		return s->refuse;
	bool waits = s->may && !s->came;
	s->came = true;
	if (waits) {
		ct_count_add(s->first, 1);
		ct_count_await(s->may, 1);
	}
	s->task[s->n++ % 4] = task;
	return 0;
}

static creel_executor *shelf_new(struct shelf *s)
{
	static const creel_executor_ops ops = {
		.size = sizeof ops, .submit = put, .flags = CREEL_EXECUTOR_QUEUES};
	creel_executor *ex = creel_executor_new(&ops, s);
	ct_assert(!creel_executor_error(ex));
	return ex;
}

static void run_all(struct shelf *s)
{
	for (unsigned i = 0; i < s->n; i++)
		ct_int(creel_task_run(s->task[i]), 0);
}

struct first {
	creel_executor *ex;
	struct ct_log *log;
	creel_future *f;
};

static void *submit_first(void *arg)
{
	struct first *first = arg;
	first->f = ct_submit_log(first->ex, first->log, 0);
	return NULL;
}

CORE_CASE(c39_nobody_overtakes_the_one_that_is_just_being_handed_over)
{
	struct shelf s = {.first = ct_count_new(), .may = ct_count_new()};
	struct ct_log *log = ct_log_new(4);
	creel_executor *ex = shelf_new(&s), *scope = creel_scope_new(ex, 0);
	creel_executor *sem = creel_semaphore_new(scope, 4);
	struct first first = {.ex = sem, .log = log};
	struct ct_thread *thread = ct_thread_start(submit_first, &first);
	ct_count_await(s.first, 1);
	/* None of these waits for the other thread. */
	creel_future *f = ct_submit_log(sem, log, 1), *permit = creel_semaphore_acquire(sem),
		     *g = ct_submit_log(sem, log, 2);
	ct_int(s.n, 0);
	ct_int(creel_future_state(permit), CREEL_FUTURE_PENDING);
	ct_count_add(s.may, 1);
	ct_thread_join(thread);
	ct_int(s.n, 3);
	ct_int(creel_future_state(permit), CREEL_FUTURE_FINISHED);
	run_all(&s);
	for (int i = 0; i < 3; i++)
		ct_int(log->entry[i], i);
	creel_future_unref(first.f);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_future_unref(permit);
	ct_close(sem);
	ct_close(scope);
	ct_close(ex);
}

static void submit_again(creel_future *f, void *arg)
{
	struct shelf *s = arg;
	const creel_error *e = creel_future_error(f);
	if (!e)
		return;
	ct_int(e->kind, CREEL_KIND_REJECTED);
	s->refuse = 0;
	if (s->n == 1)
		ct_int(creel_spawn(s->ex, task_nothing, NULL, 0, NULL), 0);
}

CORE_CASE(c39_callbacks_of_refused_tasks_may_submit_again)
{
	struct shelf s = {.n = 0};
	creel_executor *ex = shelf_new(&s);
	s.ex = creel_semaphore_new(ex, 1);
	creel_future *first = creel_submit(s.ex, task_nothing, NULL, 0), *f[MANY];
	for (int i = 0; i < MANY; i++) {
		f[i] = creel_submit(s.ex, task_nothing, NULL, 0);
		ct_int(creel_future_on_done(f[i], NULL, submit_again, &s, NULL, NULL), 0);
	}
	int refused = 0;
	s.refuse = -EAGAIN;
	/* No callback is called before all have been refused; from the first on the shelf takes
	 * what comes. */
	for (unsigned i = 0; i < s.n; i++)
		ct_int(creel_task_run(s.task[i % 4]), 0);
	for (int i = 0; i < MANY; i++) {
		refused += creel_future_result(f[i], CT_GUARD, NULL, 0) == CREEL_EFAILED;
		creel_future_unref(f[i]);
	}
	creel_future_unref(first);
	ct_int(refused, MANY);
	ct_int(s.n, 2);
	ct_close(s.ex);
	ct_close(ex);
}

static void *run_first(void *arg)
{
	struct shelf *s = arg;
	ct_int(creel_task_run(s->task[0]), 0);
	return NULL;
}

static int task_exits(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

CORE_CASE(c39_what_follows_a_refused_task_may_end_its_thread)
{
	struct shelf s = {.n = 0};
	creel_executor *ex = shelf_new(&s), *sem = creel_semaphore_new(ex, 1);
	creel_executor *here = creel_inline_new();
	creel_future *first = creel_submit(sem, task_nothing, NULL, 0), *f[MANY];
	for (int i = 0; i < MANY; i++)
		f[i] = creel_submit(sem, task_nothing, NULL, 0);
	creel_future *leaves = creel_recover(f[0], here, task_exits, NULL, 0);
	s.refuse = -EAGAIN;
	ct_thread_join(ct_thread_start(run_first, &s));
	for (int i = 0; i < MANY; i++) {
		ct_int(creel_future_state(f[i]), CREEL_FUTURE_FINISHED);
		ct_int(creel_future_error(f[i])->kind, CREEL_KIND_REJECTED);
		creel_future_unref(f[i]);
	}
	ct_int(creel_future_error(leaves)->kind, CREEL_KIND_EXITED);
	creel_future_unref(leaves);
	creel_future_unref(first);
	/* The gate is as it was. */
	s.refuse = 0;
	ct_int(creel_spawn(sem, task_nothing, NULL, 0, NULL), 0);
	ct_int(s.n, 2);
	ct_int(creel_task_run(s.task[1]), 0);
	ct_close(sem);
	ct_close(ex);
	ct_close(here);
}

static void *advance(void *arg)
{
	creel_clock_advance(arg, 1000);
	return NULL;
}

CORE_CASE(c39_what_follows_a_permit_may_end_its_thread)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_executor *here = creel_inline_new();
	creel_executor *rate = creel_rate_limit_new(
		here, &(creel_rate_options){.n = 2, .per_ns = 1000, .clock = clock});
	for (int i = 0; i < 2; i++)
		ct_int(creel_spawn(rate, task_nothing, NULL, 0, NULL), 0);
	creel_future *permit = creel_rate_acquire(rate), *behind = creel_rate_acquire(rate);
	creel_future *leaves = creel_then(permit, here, task_exits, NULL, 0);
	ct_int(creel_future_state(behind), CREEL_FUTURE_PENDING);
	ct_thread_join(ct_thread_start(advance, clock));
	ct_int(creel_future_state(permit), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_state(behind), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_error(leaves)->kind, CREEL_KIND_EXITED);
	creel_future_unref(permit);
	creel_future_unref(behind);
	creel_future_unref(leaves);
	ct_close(rate);
	ct_close(here);
	creel_clock_unref(clock);
}

static void *shut_down(void *ex)
{
	(void)creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	return NULL;
}

/* The permits behind it end all the same. Of this one references are lost that the thread had when
 * it was ended within the cancel: who looks for leaks would find its block. */
CORE_CASE_WITH(c39_what_follows_a_cancelled_permit_may_end_its_thread,
	       CT_ASAN || CT_MEMCHECK ? CT_NOWHERE : 0)
{
	creel_executor *here = creel_inline_new(), *sem = creel_semaphore_new(here, 1);
	creel_future *held = creel_semaphore_acquire(sem), *permit = creel_semaphore_acquire(sem),
		     *behind = creel_semaphore_acquire(sem);
	creel_future *leaves = creel_finally(permit, here, task_exits, NULL, 0);
	ct_thread_join(ct_thread_start(shut_down, sem));
	ct_int(creel_future_state(permit), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_state(behind), CREEL_FUTURE_CANCELLED);
	creel_future_unref(leaves);
	creel_future_unref(permit);
	creel_future_unref(behind);
	creel_future_unref(held);
	ct_close(sem);
	ct_close(here);
}

/* A callback that waits for what others have left to the pass. */

enum { LONG = 32 };

struct left {
	struct shelf shelf;
	struct ct_count *last, *may, *went;
	int refused;
};

static int refuse_until_last(void *self, creel_task *task)
{
	struct left *l = self;
	if (!l->shelf.refuse)
		return put(&l->shelf, task);
	if (++l->refused == LONG) {
		ct_count_add(l->last, 1);
		ct_count_await(l->may, 1);
	}
	return l->shelf.refuse;
}

static void await_the_other(creel_future *f, void *arg)
{
	struct left *l = arg;
	(void)f;
	ct_count_await(l->went, 1);
}

CORE_CASE(c39_no_callback_holds_up_what_may_go)
{
	struct left l = {.last = ct_count_new(), .may = ct_count_new(), .went = ct_count_new()};
	const creel_executor_ops ops = {
		.size = sizeof ops, .submit = refuse_until_last, .flags = CREEL_EXECUTOR_QUEUES};
	creel_executor *ex = creel_executor_new(&ops, &l), *sem = creel_semaphore_new(ex, 1);
	creel_future *first = creel_submit(sem, task_nothing, NULL, 0), *f[LONG];
	for (int i = 0; i < LONG; i++)
		f[i] = creel_submit(sem, task_nothing, NULL, 0);
	ct_int(creel_future_on_done(f[0], NULL, await_the_other, &l, NULL, NULL), 0);
	l.shelf.refuse = -EAGAIN;
	struct ct_thread *thread = ct_thread_start(run_first, &l.shelf);
	ct_count_await(l.last, 1);
	/* It is left to the other thread, which still has to call the callback. */
	creel_future *permit = creel_semaphore_acquire(sem);
	ct_int(creel_future_state(permit), CREEL_FUTURE_PENDING);
	ct_count_add(l.may, 1);
	ct_int(creel_future_result(permit, CT_GUARD, NULL, 0), 0);
	ct_count_add(l.went, 1);
	ct_thread_join(thread);
	for (int i = 0; i < LONG; i++)
		creel_future_unref(f[i]);
	creel_future_unref(first);
	creel_future_unref(permit);
	ct_close(sem);
	ct_close(ex);
}

/* What submit may call. */

struct nested {
	struct shelf shelf;
	creel_executor *pool;
	creel_future *open; /* pending */
	int tried, failed, waited;
};

static int submit_elsewhere(void *self, creel_task *task)
{
	struct nested *n = self;
	creel_future *f = NULL;
	n->tried = creel_try_submit(n->pool, task_nothing, NULL, 0, NULL, &f);
	creel_future_unref(f);
	n->failed = creel_spawn(n->pool, task_nothing, NULL, 0,
				&(creel_submit_options){.overflow = CREEL_OVERFLOW_FAIL});
	n->waited = creel_future_result(n->open, CT_GUARD, NULL, 0);
	return put(&n->shelf, task);
}

CORE_CASE(c39_submissions_beneath_an_adaptor_keep_to_bounds)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct nested n = {
		.pool = ct_pool((creel_thread_pool_options){.max_workers = 1, .capacity = 1}),
		.open = creel_promise_new()};
	const creel_executor_ops ops = {
		.size = sizeof ops, .submit = submit_elsewhere, .flags = CREEL_EXECUTOR_QUEUES};
	creel_executor *ex = creel_executor_new(&ops, &n), *serial = creel_serial_new(ex);
	creel_future *f[] = {ct_submit_gated(n.pool, started, gate, 0),
			     ct_submit_gated(n.pool, started, gate, 1)};
	ct_int(creel_spawn(serial, task_nothing, NULL, 0, NULL), 0);
	ct_int(n.tried, CREEL_BUSY);
	ct_int(n.failed, CREEL_BUSY);
	ct_int(n.waited, -EDEADLK);
	ct_open(gate);
	run_all(&n.shelf);
	for (int i = 0; i < 2; i++) {
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	ct_int(creel_promise_set_result(n.open, NULL, 0), 0);
	creel_future_unref(n.open);
	ct_close(serial);
	ct_close(ex);
	ct_close(n.pool);
}
