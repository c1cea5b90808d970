/* SPDX-License-Identifier: MIT */
/* Promise 39: what lies beneath an adaptor gets the tasks in the order of the line, whichever
 * threads let them go. */
#include "contract.h"

#include <errno.h>

enum {
	MANY = 100, /* more than one pass hands over before it calls what waits for its end */
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
	/* From the first callback on the shelf takes what comes, one at a time. */
	for (unsigned i = 0; i < s.n; i++)
		ct_int(creel_task_run(s.task[i % 4]), 0);
	for (int i = 0; i < MANY; i++) {
		refused += creel_future_result(f[i], CT_GUARD, NULL, 0) == CREEL_EFAILED;
		creel_future_unref(f[i]);
	}
	creel_future_unref(first);
	ct_assert(refused > 0 && refused < MANY);
	ct_close(s.ex);
	ct_close(ex);
}
