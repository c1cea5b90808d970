/* SPDX-License-Identifier: MIT */
/* Promises 15 and 40: tasks with times that run within the call that gives them to their executor,
 * and end its thread there. Nothing of theirs keeps the executor, or the clock. */
#include "contract.h"

#include <pthread.h>

#define HOUR CREEL_S(3600)

/* An executor that runs a task at once, and may end the thread after it. */
struct host {
	struct ct_count *destroyed, *freed;
	creel_executor *ex;
	creel_clock *clock;
	creel_submit_options options;
	creel_fn fn;
	bool leaves;
};

static int host_submit(void *self, creel_task *task)
{
	const struct host *h = self;
	bool leaves = h->leaves;
	(void)creel_task_run(task);
	if (leaves)
		pthread_exit(NULL);
	return 0;
}

static void host_destroy(void *self)
{
	ct_count_add(((struct host *)self)->destroyed, 1);
}

static void free_counted(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	ct_count_add(ctx, 1);
}

static struct host *host_new(creel_fn fn, creel_clock *clock)
{
	static const creel_executor_ops ops = {
		.size = sizeof ops, .submit = host_submit, .destroy = host_destroy};
	struct host *h = ct_shared(sizeof *h);
	*h = (struct host){.destroyed = ct_count_new(),
			   .freed = ct_count_new(),
			   .clock = clock,
			   .options = {.clock = clock, .arg_free = free_counted},
			   .fn = fn};
	h->options.arg_ctx = h->freed;
	h->ex = creel_executor_new(&ops, h);
	return h;
}

static int task_leaves(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

static void spawn(struct host *h)
{
	ct_int(creel_spawn(h->ex, h->fn, NULL, 0, &h->options), 0);
}

static void *spawn_and_leave(void *host)
{
	spawn(host);
	return NULL;
}

static void *advance_and_leave(void *clock)
{
	(void)creel_clock_advance(clock, HOUR);
	ct_assert(!"it is still there");
	return NULL;
}

static void run_apart(void *(*fn)(void *arg), void *arg)
{
	(void)ct_thread_join(ct_thread_start(fn, arg));
}

/* Its task has ended; and nothing keeps it or the clock. */
static void end_host(struct host *h)
{
	ct_count_await(h->freed, 1);
	ct_close(h->ex);
	ct_count_await(h->destroyed, 1);
	creel_clock_unref(h->clock);
}

CORE_CASE(c15_c40_a_delayed_task_that_ends_the_thread_leaves_clock_and_executor)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	struct host *h = host_new(task_leaves, clock);
	h->options.delay_ns = HOUR;
	spawn(h);
	run_apart(advance_and_leave, clock);
	ct_int(ct_count_get(h->freed), 1);
	/* Others may go on with the clock. */
	creel_future *later = creel_after(clock, creel_clock_in(clock, HOUR));
	ct_int(creel_clock_advance(clock, HOUR), 0);
	ct_int(ct_outcome(later), 0);
	creel_future_unref(later);
	end_host(h);
}

/* It is due within its submission, or at once on the clock's own thread. */
CORE_CASE(c15_c40_one_that_is_due_at_once_and_ends_the_thread)
{
	struct host *h = host_new(task_leaves, creel_clock_new(0));
	h->options.delay_ns = 1;
	run_apart(spawn_and_leave, h);
	end_host(h);
}

CORE_CASE(c15_c40_one_that_could_expire_and_ends_the_thread)
{
	struct host *h = host_new(task_leaves, creel_clock_new(CREEL_CLOCK_MANUAL));
	h->options.expiry_ns = HOUR;
	run_apart(spawn_and_leave, h);
	ct_int(creel_clock_advance(h->clock, HOUR), 0);
	end_host(h);
}

CORE_CASE(c15_c40_a_delayed_continuation_that_ends_the_thread)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	struct host *h = host_new(task_leaves, clock);
	creel_future *input = creel_future_of(NULL, 0);
	h->options.delay_ns = HOUR;
	creel_future *f = creel_then_with(input, h->ex, task_leaves, NULL, 0, &h->options);
	run_apart(advance_and_leave, clock);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
	creel_future_unref(f);
	creel_future_unref(input);
	end_host(h);
}

static int task_well(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

/* Its next run was left to those who gave it the one before, and who are no more. */
CORE_CASE(c15_c40_a_periodic_task_whose_executor_ends_the_thread_between_two_runs_fails)
{
	struct host *h = host_new(task_well, creel_clock_new(0));
	h->leaves = true;
	h->options.delay_ns = h->options.period_ns = 1;
	run_apart(spawn_and_leave, h);
	end_host(h);
}
