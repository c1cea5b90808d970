/* SPDX-License-Identifier: MIT */
/* Promises 15, 39 and 40: tasks that run within the call that gives them to their executor, and end
 * its thread there. Nothing of theirs keeps the executor, or the clock. */
#include "contract.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

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

static uint64_t live_futures(creel_executor *ex)
{
	creel_stats stats;
	creel_executor_stats(ex, &stats, sizeof stats);
	return stats.live_futures;
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

/* Who counts futures, or leaks, finds that nobody has it any more. */
CORE_CASE(c15_c40_a_task_with_a_token_that_ends_the_thread_within_its_submission)
{
	creel_clock *clock = creel_clock_new(0);
	struct host *h = host_new(task_leaves, clock);
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	uint64_t before = live_futures(h->ex);
	h->options.clock = NULL;
	h->options.token = token;
	run_apart(spawn_and_leave, h);
	ct_int(ct_count_get(h->freed), 1);
	ct_until(live_futures(h->ex) == before);
	(void)creel_token_cancel(token, -ECANCELED, "it is late", 0);
	creel_token_unref(token);
	end_host(h);
}

/* Of its executor: it keeps a task, until somebody runs that; from then on it runs them at once. */
struct turn {
	creel_executor *ex;
	creel_task *task;
	bool at_once;
	struct ct_count *runs;
};

static int turn_submit(void *self, creel_task *task)
{
	struct turn *turn = self;
	if (turn->at_once)
		(void)creel_task_run(task);
	else
		turn->task = task;
	return 0;
}

static int task_leaves_second(creel_task *task, const void *arg, size_t size)
{
	struct turn *turn;
	char large[4096] = "x";
	(void)size;
	memcpy(&turn, arg, sizeof turn);
	ct_int(creel_return(task, large, sizeof large), 0);
	if (ct_count_add(turn->runs, 1) == 2)
		pthread_exit(NULL);
	return 0;
}

static void *take_turns(void *self)
{
	struct turn *turn = self;
	turn->at_once = true;
	(void)creel_task_run(turn->task);
	ct_assert(!"it is still there");
	return NULL;
}

/* Its next run was given out of the end of the one before, and that was never counted. */
CORE_CASE(c15_c40_a_periodic_task_whose_next_run_ends_the_thread_within_the_one_before)
{
	static const creel_executor_ops ops = {.size = sizeof ops, .submit = turn_submit};
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	struct turn *turn = ct_shared(sizeof *turn);
	*turn = (struct turn){.ex = creel_executor_new(&ops, turn), .runs = ct_count_new()};
	creel_submit_options o = {
		.clock = clock, .delay_ns = 1, .period_ns = 1, .flags = CREEL_FIXED_RATE};
	creel_future *f = creel_submit_with(turn->ex, task_leaves_second, &turn, sizeof turn, &o);
	ct_int(creel_clock_advance(clock, HOUR), 0);
	run_apart(take_turns, turn);
	ct_int(ct_count_get(turn->runs), 2);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
	ct_int(creel_executor_drain(turn->ex, CREEL_NOW), 0);
	creel_future_unref(f);
	ct_close(turn->ex);
	creel_clock_unref(clock);
}

/* Ends the thread, as often as it is told to. */
struct leaver {
	struct ct_count *runs;
	uint32_t leaves;
};

static int task_leaves_at_first(creel_task *task, const void *arg, size_t size)
{
	struct leaver leaver;
	(void)task;
	(void)size;
	memcpy(&leaver, arg, sizeof leaver);
	if (ct_count_add(leaver.runs, 1) <= leaver.leaves)
		pthread_exit(NULL);
	return 0;
}

/* A retry over an executor that runs an attempt at once. */
struct tries {
	creel_clock *start, *clock; /* of the submission, and of the delays */
	struct host *beneath;
	creel_executor *ex;
	struct leaver leaver;
	creel_future *f;
};

static struct tries tries_of(int attempts, uint32_t leaves, unsigned clock_flags, int64_t delay)
{
	struct tries t = {.start = creel_clock_new(CREEL_CLOCK_MANUAL),
			  .clock = creel_clock_new(clock_flags),
			  .leaver = {ct_count_new(), leaves}};
	creel_retry_options o = {.attempts = attempts,
				 .flags = CREEL_RETRY_EXACT,
				 .base_ns = delay,
				 .max_ns = delay,
				 .clock = t.clock};
	t.beneath = host_new(NULL, NULL);
	t.ex = creel_retry_new(t.beneath->ex, &o);
	creel_submit_options late = {.clock = t.start, .delay_ns = HOUR};
	t.f = creel_submit_with(t.ex, task_leaves_at_first, &t.leaver, sizeof t.leaver, &late);
	return t;
}

static void end_tries(struct tries *t)
{
	creel_future_unref(t->f);
	ct_close(t->ex);
	ct_close(t->beneath->ex);
	ct_count_await(t->beneath->destroyed, 1);
	creel_clock_unref(t->clock);
	creel_clock_unref(t->start);
}

CORE_CASE(c39_c40_an_attempt_that_ends_the_thread_within_is_followed_by_the_next)
{
	struct tries t = tries_of(3, 2, CREEL_CLOCK_MANUAL, HOUR);
	run_apart(advance_and_leave, t.start);
	ct_int(ct_count_get(t.leaver.runs), 1);
	run_apart(advance_and_leave, t.clock);
	ct_int(ct_count_get(t.leaver.runs), 2);
	ct_int(creel_clock_advance(t.clock, HOUR), 0);
	ct_int(ct_outcome(t.f), 0);
	ct_int(ct_count_get(t.leaver.runs), 3);
	end_tries(&t);
}

CORE_CASE(c39_c40_the_last_attempt_ends_the_thread_within)
{
	struct tries t = tries_of(1, 1, CREEL_CLOCK_MANUAL, HOUR);
	run_apart(advance_and_leave, t.start);
	ct_int(ct_outcome(t.f), CREEL_EFAILED);
	ct_int(creel_future_error(t.f)->kind, CREEL_KIND_EXITED);
	end_tries(&t);
}

/* The thread that ends runs none of them, though they are due. */
CORE_CASE(c39_c40_attempts_that_are_due_at_once_and_end_their_threads)
{
	struct tries t = tries_of(6, 5, 0, 1);
	run_apart(advance_and_leave, t.start);
	ct_int(ct_outcome(t.f), 0);
	ct_int(ct_count_get(t.leaver.runs), 6);
	end_tries(&t);
}

/* Nobody keeps the task, whose thread has ended with its submission. */
CORE_CASE(c39_c40_a_retried_task_that_is_submitted_by_a_thread_that_it_ends)
{
	struct host *h = host_new(task_leaves, creel_clock_new(0));
	creel_executor *beneath = h->ex;
	uint64_t before = live_futures(beneath);
	h->ex = creel_retry_new(beneath, &(creel_retry_options){.attempts = 2, .base_ns = 1});
	h->options.clock = NULL;
	run_apart(spawn_and_leave, h);
	ct_count_await(h->freed, 1);
	ct_close(h->ex);
	ct_until(live_futures(beneath) == before);
	h->ex = beneath;
	end_host(h);
}
