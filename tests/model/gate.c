/* SPDX-License-Identifier: MIT */
/* Semaphores whose permits and tasks are cancelled while others give theirs back; and a task that
 * is cancelled while an adaptor hands it down. */
#include "model.h"
#include <errno.h>

static creel_executor *ex, *sem;
static creel_future *held, *waits;
static int ran;

static int task_run(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	ran++;
	return 0;
}

static void begin(void)
{
	ran = 0;
	ex = creel_inline_new();
	sem = creel_semaphore_new(ex, 1);
	held = creel_semaphore_acquire(sem);
	model_check(creel_future_state(held) == CREEL_FUTURE_FINISHED);
}

/* No slot is lost, and none is there twice. */
static void end(void)
{
	creel_future *one = creel_semaphore_acquire(sem), *two = creel_semaphore_acquire(sem);
	model_check(creel_future_state(one) == CREEL_FUTURE_FINISHED);
	model_check(creel_future_state(two) == CREEL_FUTURE_PENDING);
	creel_future_unref(one);
	model_check(creel_future_state(two) == CREEL_FUTURE_FINISHED);
	creel_future_unref(two);
	model_check(creel_executor_close(sem) == 0);
	model_check(creel_executor_close(ex) == 0);
}

static void give_back(void *arg)
{
	(void)arg;
	creel_future_unref(held);
}

static void cancel(void *arg)
{
	(void)arg;
	(void)creel_future_cancel(waits);
}

static void a_permit(void)
{
	begin();
	waits = creel_semaphore_acquire(sem);
	creel_future *behind = creel_semaphore_acquire(sem);
	int other = model_spawn(give_back, NULL);
	cancel(NULL);
	model_join(other);
	bool had = creel_future_state(waits) == CREEL_FUTURE_FINISHED;
	model_check(had || creel_future_state(waits) == CREEL_FUTURE_CANCELLED);
	model_check(creel_future_state(behind) ==
		    (had ? CREEL_FUTURE_PENDING : CREEL_FUTURE_FINISHED));
	creel_future_unref(waits);
	model_check(creel_future_state(behind) == CREEL_FUTURE_FINISHED);
	creel_future_unref(behind);
	end();
}

static void a_task(void)
{
	begin();
	waits = creel_submit(sem, task_run, NULL, 0);
	int other = model_spawn(give_back, NULL);
	cancel(NULL);
	model_join(other);
	int state = creel_future_state(waits);
	model_check(state == CREEL_FUTURE_FINISHED || state == CREEL_FUTURE_CANCELLED);
	model_check(ran == (state == CREEL_FUTURE_FINISHED));
	creel_future_unref(waits);
	end();
}

/* The last holder of the executor goes while a permit does. */
static void a_permit_that_outlives_it(void)
{
	begin();
	waits = creel_semaphore_acquire(sem);
	int other = model_spawn(give_back, NULL);
	model_check(creel_executor_shutdown(sem, CREEL_SHUTDOWN_CANCEL, CREEL_FOREVER, NULL) == 0);
	creel_executor_unref(sem);
	creel_executor_unref(ex);
	creel_future_unref(waits);
	model_join(other);
}

static creel_executor *lower;
static creel_task *kept, *given;

static int keep(void *self, creel_task *task)
{
	(void)self;
	kept = task;
	return 0;
}

static int note(void *self, creel_task *task)
{
	(void)self;
	given = task;
	return 0;
}

static int withdraw(void *self, creel_task *task)
{
	(void)self;
	model_check(given == task);
	return 0;
}

static creel_executor *beneath(void *self)
{
	(void)self;
	return lower;
}

static creel_executor *lowest(void *self)
{
	(void)self;
	return ex;
}

/* The one beneath is not asked for a task that it was not given. */
static void handed_down(void)
{
	const creel_executor_ops low = {
		.size = sizeof low, .submit = note, .withdraw = withdraw, .beneath = lowest};
	const creel_executor_ops high = {.size = sizeof high, .submit = keep, .beneath = beneath};
	ran = 0;
	given = NULL;
	ex = creel_inline_new();
	lower = creel_executor_new(&low, NULL);
	creel_executor *upper = creel_executor_new(&high, NULL);
	waits = creel_submit(upper, task_run, NULL, 0);
	int other = model_spawn(cancel, NULL);
	int rc = creel_task_forward(kept, lower);
	if (rc == 0)
		(void)creel_task_run(kept);
	model_join(other);
	model_check(ran == (creel_future_state(waits) == CREEL_FUTURE_FINISHED));
	creel_future_unref(waits);
	model_check(creel_executor_close(upper) == 0);
	model_check(creel_executor_close(lower) == 0);
	model_check(creel_executor_close(ex) == 0);
}

static creel_task *arrived[2];
static int arrivals;

static int task_second(creel_task *task, const void *arg, size_t size)
{
	return task_run(task, arg, size);
}

static int arrive(void *self, creel_task *task)
{
	(void)self;
	arrived[arrivals++] = task;
	return 0;
}

/* Two threads let one go each, and the executor beneath gets them in order. */
static void in_order(void)
{
	const creel_executor_ops ops = {
		.size = sizeof ops, .submit = arrive, .flags = CREEL_EXECUTOR_QUEUES};
	ran = arrivals = 0;
	ex = creel_executor_new(&ops, NULL);
	sem = creel_semaphore_new(ex, 2);
	held = creel_semaphore_acquire(sem);
	creel_future *other_held = creel_semaphore_acquire(sem);
	creel_future *first = creel_submit(sem, task_run, NULL, 0),
		     *second = creel_submit(sem, task_second, NULL, 0);
	int other = model_spawn(give_back, NULL);
	creel_future_unref(other_held);
	model_join(other);
	model_check(arrivals == 2);
	model_check(creel_task_function(arrived[0]) == task_run);
	model_check(creel_task_function(arrived[1]) == task_second);
	for (int i = 0; i < 2; i++)
		model_check(creel_task_run(arrived[i]) == 0);
	model_check(ran == 2);
	creel_future_unref(first);
	creel_future_unref(second);
	model_check(creel_executor_close(sem) == 0);
	model_check(creel_executor_close(ex) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"a permit", a_permit, .preemptions = 2},
	{"a task", a_task, .preemptions = 2},
	{"a task that is handed down", handed_down, .preemptions = 2},
	{"two that go at once", in_order, .preemptions = 2},
	{"a permit that outlives it", a_permit_that_outlives_it, .preemptions = 2},
	{0},
};
