/* SPDX-License-Identifier: MIT */
/* Continuations: the end of their input against cancelling, shutdown and the last reference to
 * their executor. */
#include "model.h"
#include <errno.h>

static creel_executor *ex;
static creel_future *input, *f;
static int ran, freed, cancel_code[2];

static int task(creel_task *self, const void *arg, size_t size)
{
	const int *value;
	(void)arg;
	(void)size;
	ran++;
	int rc = creel_task_input(self, (const void **)&value, NULL);
	model_check(rc == -ECANCELED || (rc == 0 && *value == 7));
	return 0;
}

static void free_arg(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	freed++;
}

typedef creel_future *make_fn(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
			      size_t size, const creel_submit_options *options);

static void prepare(creel_executor *executor)
{
	ran = freed = cancel_code[0] = cancel_code[1] = 0;
	ex = executor;
	model_name(ex, "executor");
	input = creel_promise_new();
	model_name(input, "input");
}

static void make(make_fn *how, unsigned flags)
{
	f = how(input, ex, task, NULL, CREEL_BY_REF,
		&(creel_submit_options){.arg_free = free_arg, .flags = flags});
	model_name(f, "continuation");
}

static void setup(make_fn *how, unsigned flags)
{
	prepare(creel_inline_new());
	make(how, flags);
}

/* As its last holder. */
static void end(void *arg)
{
	const int value = 7;
	(void)arg;
	int rc = creel_promise_set_result(input, &value, sizeof value);
	model_check(rc == 0 || rc == -ECANCELED);
	creel_future_unref(input);
}

static void cancel(void *arg)
{
	*(int *)arg = creel_future_cancel(f);
}

static void drop(void *arg)
{
	(void)arg;
	creel_executor_unref(ex);
}

static void shut(void *arg)
{
	(void)arg;
	model_check(creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL) == 0);
}

/* It has ended once, and all agree on how. */
static int outcome(void)
{
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(freed == 1 && ran <= 1);
	creel_future_unref(f);
	return rc;
}

static void run(make_fn *how, unsigned flags, void (*a)(void *arg), void (*b)(void *arg))
{
	setup(how, flags);
	int first = model_spawn(end, NULL);
	int second = a ? model_spawn(a, &cancel_code[1]) : 0;
	b(&cancel_code[0]);
	model_join(first);
	if (a)
		model_join(second);
}

static void plain_outcome(void)
{
	int rc = outcome();
	model_check((rc == 0) == (ran == 1));
	model_check((rc == -ECANCELED) == (cancel_code[0] == CREEL_CANCEL_NOW));
}

static void end_against_cancel(void)
{
	run(creel_then_with, 0, NULL, cancel);
	plain_outcome();
	creel_executor_unref(ex);
}

static void end_against_cancel_upstream(void)
{
	run(creel_then_with, CREEL_CANCEL_UPSTREAM, NULL, cancel);
	plain_outcome();
	creel_executor_unref(ex);
}

static void end_against_the_last_unref(void)
{
	run(creel_then_with, 0, NULL, drop);
	plain_outcome();
}

static void end_cancel_and_shutdown(void)
{
	run(creel_then_with, 0, shut, cancel);
	plain_outcome();
	creel_executor_unref(ex);
}

/* The input ends while it is being made. */
static void made_meanwhile(void)
{
	prepare(creel_inline_new());
	creel_future_ref(input);
	int other = model_spawn(end, NULL);
	make(creel_then_with, 0);
	creel_future_unref(input);
	model_join(other);
	model_check(outcome() == 0);
	creel_executor_unref(ex);
}

static void made_beside_shutdown(void)
{
	prepare(creel_inline_new());
	creel_future_ref(input);
	int other = model_spawn(end, NULL), b = model_spawn(shut, NULL);
	make(creel_then_with, 0);
	creel_future_unref(input);
	model_join(other);
	model_join(b);
	plain_outcome();
	creel_executor_unref(ex);
}

/* Its maker's reference is the last. */
static void made_on_what_was_shut_down(void)
{
	prepare(creel_inline_new());
	shut(NULL);
	creel_future_ref(input);
	int other = model_spawn(end, NULL);
	make(creel_then_with, 0);
	drop(NULL);
	creel_future_unref(input);
	model_join(other);
	model_check(outcome() == CREEL_EFAILED && ran == 0);
}

static void finally_outcome(void)
{
	bool asked = false;
	int rc = outcome();
	for (int i = 0; i < 2; i++)
		asked |= cancel_code[i] == CREEL_CANCEL_REQUESTED;
	model_check(ran == 1);
	model_check(rc == 0 || (rc == -ECANCELED && asked));
	creel_executor_unref(ex);
}

static void finally_asked(void)
{
	run(creel_finally_with, 0, NULL, cancel);
	finally_outcome();
}

static void finally_asked_twice(void)
{
	run(creel_finally_with, 0, cancel, cancel);
	finally_outcome();
}

static void finally_asked_and_shut_down(void)
{
	run(creel_finally_with, 0, shut, cancel);
	int rc = outcome();
	model_check((rc == CREEL_EFAILED) == (ran == 0));
	creel_executor_unref(ex);
}

/* Its input goes on. */
static void finally_waits_and_is_shut_down(void)
{
	setup(creel_finally_with, 0);
	model_check(creel_promise_start(input) == 0);
	int other = model_spawn(cancel, &cancel_code[0]);
	shut(NULL);
	model_join(other);
	model_check(ran == 0 && outcome() == CREEL_EFAILED);
	end(NULL);
	creel_executor_unref(ex);
}

/* An executor that keeps one task. It must have all of it before it is asked for it. */
static creel_task *kept;
static bool has_it;

static int keep(void *self, creel_task *t)
{
	(void)self;
	kept = t;
	struct model_gate gate = {0};
	model_gate_open(&gate); /* others may go on */
	has_it = true;
	return 0;
}

static int withdraw(void *self, creel_task *t)
{
	(void)self;
	model_check(has_it && t == kept);
	kept = NULL;
	return 1;
}

static void given_and_withdrawn(void)
{
	static const creel_executor_ops ops = {
		.size = sizeof ops, .submit = keep, .withdraw = withdraw};
	has_it = false;
	kept = NULL;
	prepare(creel_executor_new(&ops, NULL));
	make(creel_then_with, 0);
	int other = model_spawn(end, NULL);
	cancel(&cancel_code[0]);
	model_join(other);
	if (kept)
		(void)creel_task_run(kept);
	plain_outcome();
	creel_executor_unref(ex);
}

/* On a pool: a worker runs what its last task has ended. */
static void on_a_pool(void)
{
	prepare(creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER}));
	make(creel_then_with, 0);
	int other = model_spawn(end, NULL);
	cancel(&cancel_code[0]);
	model_join(other);
	plain_outcome();
	model_check(creel_executor_close(ex) == 0);
}

const struct model_scenario model_scenarios[] = {
	{"the end against cancel", end_against_cancel, .preemptions = 2, .spurious = 1, .stale = 1},
	{"the end against cancelling upstream", end_against_cancel_upstream, .preemptions = 2,
	 .stale = 1},
	{"the end against the last unref", end_against_the_last_unref, .preemptions = 3,
	 .spurious = 1},
	{"the end, cancel and shutdown", end_cancel_and_shutdown, .preemptions = 2},
	{"made meanwhile", made_meanwhile, .preemptions = 2, .spurious = 1, .stale = 1},
	{"made beside a shutdown", made_beside_shutdown, .preemptions = 2},
	{"made on what was shut down", made_on_what_was_shut_down, .preemptions = 2},
	{"a finally, asked and ended", finally_asked, .preemptions = 2, .spurious = 1},
	{"a finally, asked twice", finally_asked_twice, .preemptions = 2},
	{"a finally, asked and shut down", finally_asked_and_shut_down, .preemptions = 2},
	{"a finally that waits, asked and shut down", finally_waits_and_is_shut_down,
	 .preemptions = 2},
	{"given and withdrawn", given_and_withdrawn, .preemptions = 3},
	{"on a pool", on_a_pool, .preemptions = 1},
	{0},
};
