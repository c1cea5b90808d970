/* SPDX-License-Identifier: MIT */
/* Tasks that end as the future that they return: its end against cancelling, dropping and closing
 * a circle. */
#include "model.h"
#include <creel/task.h>
#include <errno.h>

static creel_executor *ex;
static creel_future *source, *f, *ring[2];
static int cancel_code[2], codes[2];

static int become(creel_task *self, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_return_future(self, source);
}

static void end(void *arg)
{
	const int value = 7;
	(void)arg;
	int rc = creel_promise_set_result(source, &value, sizeof value);
	model_check(rc == 0 || rc == -ECANCELED);
	creel_future_unref(source);
}

static void cancel(void *arg)
{
	*(int *)arg = creel_future_cancel(f);
}

static void setup(void)
{
	ex = creel_inline_new();
	model_name(ex, "executor");
	source = creel_promise_new();
	model_name(source, "source");
	cancel_code[0] = cancel_code[1] = 0;
}

static void make(void)
{
	f = creel_submit(ex, become, NULL, CREEL_BY_REF);
	model_name(f, "task");
}

/* It ends as the source does, which is cancelled only if somebody asked. */
static void outcome(void)
{
	int value = 0, rc = creel_future_result(f, CREEL_FOREVER, &value, sizeof value);
	model_check((rc == 0 && value == 7) || rc == -ECANCELED);
	model_check(rc == 0 || cancel_code[0] == CREEL_CANCEL_REQUESTED ||
		    cancel_code[1] == CREEL_CANCEL_REQUESTED);
	creel_future_unref(f);
}

static void end_against_cancel(void)
{
	setup();
	make();
	int other = model_spawn(end, NULL);
	cancel(&cancel_code[0]);
	model_join(other);
	outcome();
	creel_executor_unref(ex);
}

static void asked_twice(void)
{
	setup();
	make();
	int other = model_spawn(end, NULL), b = model_spawn(cancel, &cancel_code[1]);
	cancel(&cancel_code[0]);
	model_join(other);
	model_join(b);
	outcome();
	creel_executor_unref(ex);
}

/* Nobody else has the executor, nor the promise. */
static void end_against_the_last_unref(void)
{
	setup();
	make();
	int other = model_spawn(end, NULL);
	creel_executor_unref(ex);
	model_join(other);
	outcome();
}

static void drop_source(void *arg)
{
	(void)arg;
	creel_future_unref(source);
}

static void broken_against_cancel(void)
{
	setup();
	make();
	int other = model_spawn(drop_source, NULL);
	cancel(&cancel_code[0]);
	model_join(other);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(rc == CREEL_EFAILED || rc == -ECANCELED);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

/* The source ends while the task returns it. */
static void returned_meanwhile(void)
{
	setup();
	creel_future_ref(source);
	int other = model_spawn(end, NULL);
	make();
	creel_future_unref(source);
	model_join(other);
	outcome();
	creel_executor_unref(ex);
}

/* Two tasks, each of which returns the other's future. */
static creel_task *kept[2];
static int count;

static int keep(void *self, creel_task *t)
{
	(void)self;
	kept[count++] = t;
	return 0;
}

/* Its function returns when the last reference to the executor has gone. */
static void no_user_is_left(void)
{
	static const creel_executor_ops ops = {.size = sizeof ops, .submit = keep};
	count = 0;
	ex = creel_executor_new(&ops, NULL);
	source = creel_promise_new();
	f = creel_submit(ex, become, NULL, CREEL_BY_REF);
	creel_executor_unref(ex);
	creel_future_ref(source);
	int other = model_spawn(end, NULL);
	model_check(creel_task_run(kept[0]) == 0);
	creel_future_unref(source);
	model_join(other);
	outcome();
}

static int become_other(creel_task *self, const void *arg, size_t size)
{
	(void)size;
	return creel_return_future(self, *(creel_future *const *)arg);
}

static void run_kept(void *arg)
{
	model_check(creel_task_run(*(creel_task **)arg) == 0);
}

static void a_circle(void)
{
	static const creel_executor_ops ops = {.size = sizeof ops, .submit = keep};
	count = 0;
	ex = creel_executor_new(&ops, NULL);
	for (int i = 0; i < 2; i++)
		ring[i] = creel_submit(ex, become_other, &ring[1 - i], CREEL_BY_REF);
	int other = model_spawn(run_kept, &kept[0]);
	run_kept(&kept[1]);
	model_join(other);
	for (int i = 0; i < 2; i++) {
		codes[i] = creel_future_result(ring[i], CREEL_FOREVER, NULL, 0);
		model_check(codes[i] == CREEL_EFAILED);
		model_check(creel_future_error(ring[i])->code == -EDEADLK);
	}
	for (int i = 0; i < 2; i++)
		creel_future_unref(ring[i]);
	creel_executor_unref(ex);
}

const struct model_scenario model_scenarios[] = {
	{"the end against cancel", end_against_cancel, .preemptions = 2, .spurious = 1, .stale = 1},
	{"asked twice", asked_twice, .preemptions = 2},
	{"the end against the last unref", end_against_the_last_unref, .preemptions = 2,
	 .spurious = 1},
	{"a promise that breaks against cancel", broken_against_cancel, .preemptions = 2},
	{"returned meanwhile", returned_meanwhile, .preemptions = 2, .stale = 1},
	{"a circle", a_circle, .preemptions = 2, .stale = 1},
	{"no user is left when it follows", no_user_is_left, .preemptions = 2},
	{0},
};
