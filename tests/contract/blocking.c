/* SPDX-License-Identifier: MIT */
/*
 * Promises 12 and 46: a task that blocks gives up its worker's place, so tasks may wait for tasks
 * of their own pool, in every way. What a task waits for is always a task that waits behind it.
 */
#include "contract.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	DEEPEST = CT_MEMCHECK || CT_ASAN || CT_TSAN ? 100 : 1000, /* on one worker */
	DEEP = 100,                                               /* the same, by day */
	LESS_DEEP = 20,
	STACK = 256 * 1024, /* where each level has a thread of its own */
};

static creel_stats stats_of(creel_executor *ex)
{
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	return stats;
}

static void run(creel_executor *ex, creel_fn fn)
{
	creel_future *f = creel_submit(ex, fn, &ex, sizeof ex);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
}

static creel_executor *executor_of(const void *arg)
{
	creel_executor *const *ex = arg;
	return *ex;
}

/* Nests: each level submits the next and waits for it, each time in the same way. */

struct level {
	creel_executor *ex;
	int (*wait)(creel_future *f, long depth);
	long depth;
	creel_executor *other; /* of the level above */
	creel_task **kept;     /* its task, for this level to run */
};

static int task_level(creel_task *task, const void *arg, size_t size);

static creel_future *next_level(const struct level *level)
{
	struct level next = {level->ex, level->wait, level->depth - 1, NULL, NULL};
	return creel_submit(level->ex, task_level, &next, sizeof next);
}

static int task_level(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct level *level = arg;
	long sum = 1;
	if (level->depth) {
		creel_future *f = next_level(level);
		ct_int(level->wait(f, level->depth), 0);
		sum += ct_long_drop(f);
	}
	return creel_return(task, &sum, sizeof sum);
}

/* A thread a level costs: the full depth stands in one case by day, and in all at night. */
static long deep(void)
{
	long depth = ct_scaled(DEEP);
	return !ct_is(CT_STRICT) ? LESS_DEEP : depth < DEEPEST ? depth : DEEPEST;
}

static creel_executor *deep_pool(void)
{
	return ct_pool((creel_thread_pool_options){.stack_size = STACK});
}

static void nest(creel_executor *ex, long depth, int (*wait)(creel_future *f, long depth))
{
	struct level first = {ex, wait, depth, NULL, NULL};
	ct_int(ct_long_drop(creel_submit(ex, task_level, &first, sizeof first)), depth + 1);
	ct_int(stats_of(ex).blocked, 0);
	ct_close(ex);
}

static int wait_forever(creel_future *f, long depth)
{
	(void)depth;
	return creel_future_result(f, CREEL_FOREVER, NULL, 0);
}

static int wait_by(creel_future *f, long depth)
{
	const void *data;
	size_t size, done = 0;
	if (depth % 2)
		return creel_wait(&f, 1, CREEL_ALL_COMPLETED, CT_GUARD, &done);
	return creel_future_view(f, CT_GUARD, &data, &size);
}

/* Of two, one of which never ends. */
static int wait_first(creel_future *f, long depth)
{
	creel_future *never = creel_promise_new(), *both[] = {never, f, f};
	size_t done = 0;
	int rc = depth % 2 ? creel_wait(both, 2, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done)
			   : creel_wait(both + 1, 2, CREEL_FIRST_ERROR, CREEL_FOREVER, &done);
	creel_future_unref(never);
	return rc;
}

static int wait_in_queue(creel_future *f, long depth)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *taken = NULL;
	int rc = creel_queue_add(q, f, NULL);
	if (rc == 0)
		rc = creel_queue_take(q, depth % 2 ? CREEL_FOREVER : CT_GUARD, &taken, NULL);
	ct_assert(rc || taken == f);
	creel_future_unref(taken);
	creel_queue_unref(q);
	return rc;
}

static void settle(creel_future *f, void *promise)
{
	(void)f;
	creel_promise_set_result(promise, NULL, 0);
}

static int wait_for_promise(creel_future *f, long depth)
{
	(void)depth;
	creel_future *promise = creel_promise_new();
	int rc = creel_future_on_done(f, NULL, settle, promise, NULL, NULL);
	if (rc == 0)
		rc = creel_future_result(promise, CREEL_FOREVER, NULL, 0);
	creel_future_unref(promise);
	return rc;
}

CASE(c12_waits_for_results_nest, CT_POOL)
{
	nest(ct_pool((creel_thread_pool_options){.stack_size = 32 * STACK}), DEEPEST, wait_forever);
}

CASE(c12_waits_with_a_deadline_nest, CT_POOL)
{
	nest(deep_pool(), deep(), wait_by);
}

CASE(c12_waits_for_the_first_nest, CT_POOL)
{
	nest(deep_pool(), ct_is(CT_STRICT) ? DEEPEST : LESS_DEEP, wait_first);
}

CASE(c12_takes_from_queues_nest, CT_POOL)
{
	nest(deep_pool(), deep(), wait_in_queue);
}

CASE(c12_waits_for_promises_nest, CT_POOL)
{
	nest(deep_pool(), deep(), wait_for_promise);
}

static int task_map(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct level *level = arg;
	long sum = 1;
	struct level next = {level->ex, NULL, level->depth - 1, NULL, NULL};
	creel_mapping *map = creel_map(level->ex, task_map, &next, sizeof next,
				       level->depth ? 1 : 0, NULL);
	creel_future *f;
	while (creel_map_next(map, CREEL_FOREVER, &f, NULL) == 0)
		sum += ct_long_drop(f);
	creel_map_end(map);
	return creel_return(task, &sum, sizeof sum);
}

CASE(c12_maps_within_tasks_of_their_own_pool_nest, CT_POOL)
{
	long depth = deep();
	creel_executor *ex = deep_pool();
	struct level first = {ex, NULL, depth, NULL, NULL};
	ct_int(ct_long_drop(creel_submit(ex, task_map, &first, sizeof first)), depth + 1);
	ct_close(ex);
}

/* Each level waits until another executor is empty, whose one task the next level runs. */

static int keep(void *self, creel_task *task)
{
	creel_task **kept = self;
	*kept = task;
	return 0;
}

static int task_drain(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	const struct level *level = arg;
	static const creel_executor_ops ops = {.size = sizeof ops, .submit = keep};
	creel_task *kept = NULL;
	if (level->depth) {
		creel_executor *other = creel_executor_new(&ops, &kept);
		struct level next = {level->ex, NULL, level->depth - 1, other, &kept};
		ct_int(creel_spawn(other, task_nothing, NULL, 0, NULL), 0);
		ct_int(creel_spawn(level->ex, task_drain, &next, sizeof next, NULL), 0);
		if (level->depth % 3)
			ct_int(creel_executor_drain(other, CREEL_FOREVER), 0);
		if (level->depth % 2)
			ct_int(creel_executor_shutdown(other, 0, CT_GUARD, NULL), 0);
		ct_close(other);
	}
	return level->kept ? creel_task_run(*level->kept) : 0;
}

CASE(c12_drains_and_closes_of_other_executors_nest, CT_POOL)
{
	long depth = deep();
	creel_executor *ex = deep_pool();
	struct level first = {ex, NULL, depth, NULL, NULL};
	creel_future *f = creel_submit(ex, task_drain, &first, sizeof first);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
}

/* A task of the first pool waits for the second pool, whose task waits for one of the first. */

static int task_there(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_future *f = creel_submit(executor_of(arg), task_nothing, NULL, 0);
	int rc = ct_outcome(f);
	creel_future_unref(f);
	return rc;
}

static int task_two_pools(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_executor *ex = executor_of(arg), *other = ct_pool((creel_thread_pool_options){0});
	ct_int(creel_spawn(other, task_there, &ex, sizeof ex, NULL), 0);
	ct_int(creel_executor_drain(other, CREEL_FOREVER), 0);
	ct_int(creel_spawn(other, task_there, &ex, sizeof ex, NULL), 0);
	ct_int(creel_executor_shutdown(other, 0, CT_GUARD, NULL), 0);
	ct_close(other);
	other = ct_pool((creel_thread_pool_options){0});
	ct_int(creel_spawn(other, task_there, &ex, sizeof ex, NULL), 0);
	ct_close(other);
	return 0;
}

CASE(c12_a_task_waits_for_another_pool_that_needs_its_own, CT_POOL)
{
	creel_executor *ex = ct_executor();
	run(ex, task_two_pools);
	ct_close(ex);
}

static int task_take(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_queue *const *q = arg;
	creel_future *taken = NULL;
	int rc = creel_queue_take(*q, CT_GUARD, &taken, NULL);
	creel_future_unref(taken);
	return rc;
}

static int task_waits_for_room(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_queue *q = creel_queue_new(&(creel_queue_options){.capacity = 1});
	creel_future *done = creel_future_of(NULL, 0);
	ct_int(creel_queue_add(q, done, NULL), 0);
	creel_future *taker = creel_submit(executor_of(arg), task_take, &q, sizeof q);
	ct_int(creel_queue_add_by(q, done, NULL, CREEL_FOREVER), 0);
	ct_int(ct_outcome(taker), 0);
	creel_future_unref(taker);
	creel_future_unref(done);
	creel_queue_unref(q);
	return 0;
}

CASE(c12_a_task_waits_for_room_that_its_own_pool_makes, CT_POOL)
{
	creel_executor *ex = ct_executor();
	run(ex, task_waits_for_room);
	ct_close(ex);
}

/* How many at once. */

static int task_waits_for(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_future *const *f = arg;
	return creel_future_result(*f, CREEL_FOREVER, NULL, 0);
}

CASE(c46_as_many_tasks_run_as_there_are_workers_however_many_wait, CT_POOL)
{
	enum { WAITERS = 20 };
	creel_executor *ex = ct_executor();
	creel_future *promise = creel_promise_new();
	struct ct_hold hold;
	for (int i = 0; i < WAITERS; i++)
		ct_int(creel_spawn(ex, task_waits_for, &promise, sizeof promise, NULL), 0);
	ct_until(stats_of(ex).blocked == WAITERS);
	ct_hold(&hold, ex);
	ct_int(stats_of(ex).running, WAITERS + ct_width());
	/* All are back, and all others go on. */
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
	ct_until(stats_of(ex).running == ct_width());
	ct_int(stats_of(ex).blocked, 0);
	ct_release(&hold);
	creel_future_unref(promise);
	ct_close(ex);
}

CASE(c46_surplus_threads_take_no_tasks_and_retire, CT_POOL)
{
	enum { WAITERS = 10, TASKS = 50 };
	creel_executor *ex = ct_pool((creel_thread_pool_options){.idle_ns = 1000000});
	creel_future *promise = creel_promise_new();
	struct ct_hold hold;
	for (int i = 0; i < WAITERS; i++)
		ct_int(creel_spawn(ex, task_waits_for, &promise, sizeof promise, NULL), 0);
	ct_until(stats_of(ex).blocked == WAITERS);
	ct_hold(&hold, ex);
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
	ct_until(stats_of(ex).running == ct_width());
	/* Every worker that may take tasks has one. */
	for (int i = 0; i < TASKS; i++)
		ct_int(creel_spawn(ex, task_nothing, NULL, 0, NULL), 0);
	ct_until(stats_of(ex).workers == ct_width());
	ct_int(stats_of(ex).pending, TASKS);
	ct_release(&hold);
	creel_future_unref(promise);
	ct_close(ex);
}

CASE(c46_a_pool_shrinks_beside_blocked_workers, CT_POOL)
{
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 4});
	creel_future *promise = creel_promise_new();
	struct ct_hold hold;
	for (int i = 0; i < 3; i++)
		ct_int(creel_spawn(ex, task_waits_for, &promise, sizeof promise, NULL), 0);
	ct_until(stats_of(ex).blocked == 3);
	ct_hold_n(&hold, ex, 4);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_release(&hold);
	/* One is left for what comes, and the blocked ones leave when they are back. */
	run(ex, task_two_pools);
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
	ct_until(stats_of(ex).workers <= 2);
	ct_close(ex);
	/* Not before: one of the waiters may still look at it. */
	creel_future_unref(promise);
}

CASE(c46_what_waits_runs_although_the_pool_shuts_down, CT_POOL)
{
	creel_executor *ex = ct_executor();
	creel_future *promise = creel_promise_new();
	struct ct_hold hold;
	ct_hold(&hold, ex);
	for (unsigned i = 0; i < ct_width() + 2; i++)
		ct_int(creel_spawn(ex, task_waits_for, &promise, sizeof promise, NULL), 0);
	creel_future *last = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_on_done(last, NULL, settle, promise, NULL, NULL), 0);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_release(&hold);
	ct_int(ct_outcome(last), 0);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	creel_future_unref(last);
	creel_future_unref(promise);
	ct_close(ex);
}

/* The user's own pairs. */

static int task_pair(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	struct ct_count *gate = ct_count_new();
	ct_int(creel_blocking_end(), -EINVAL);
	ct_int(creel_blocking_begin(), 0);
	ct_int(creel_blocking_begin(), 0);
	/* Waits for those behind it, in no call of creel's. */
	for (unsigned i = 0; i < ct_width(); i++)
		creel_future_unref(ct_submit_count(executor_of(arg), gate));
	ct_count_await(gate, ct_width());
	ct_int(creel_blocking_end(), 0);
	ct_int(stats_of(executor_of(arg)).blocked, 1);
	ct_int(creel_blocking_end(), 0);
	ct_int(stats_of(executor_of(arg)).blocked, 0);
	ct_int(creel_blocking_end(), -EINVAL);
	return 0;
}

CASE(c46_a_task_says_that_it_blocks, CT_POOL)
{
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 1});
	ct_int(creel_blocking_begin(), 0);
	run(ex, task_pair);
	ct_int(creel_blocking_end(), 0);
	ct_close(ex);
}

static int task_leaves_it_open(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	ct_int(creel_blocking_begin(), 0);
	ct_int(creel_blocking_begin(), 0);
	ct_int(stats_of(executor_of(arg)).blocked, 1);
	return 0;
}

static int task_ends_its_thread_within(creel_task *task, const void *arg, size_t size)
{
	task_leaves_it_open(task, arg, size);
	pthread_exit(NULL);
}

/* Run within the pair of another task. */
static int task_closes_too_much(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	while (creel_blocking_end() == 0)
		;
	return 0;
}

static int task_runs_others_within(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_executor *here = creel_inline_new(), *ex = executor_of(arg);
	run(here, task_closes_too_much);
	ct_int(creel_blocking_begin(), 0);
	creel_future *f = creel_submit(here, task_leaves_it_open, &ex, sizeof ex);
	creel_future *g = creel_submit(here, task_closes_too_much, NULL, 0);
	ct_int(stats_of(ex).blocked, 1);
	ct_int(creel_blocking_end(), 0);
	ct_int(creel_blocking_end(), -EINVAL);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(here);
	return 0;
}

CASE(c46_the_end_of_a_task_closes_what_it_left_open, CT_POOL)
{
	creel_executor *ex = ct_executor();
	run(ex, task_leaves_it_open);
	ct_until(stats_of(ex).blocked == 0);
	creel_future *f = creel_submit(ex, task_ends_its_thread_within, &ex, sizeof ex);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	creel_future_unref(f);
	ct_until(stats_of(ex).blocked == 0);
	run(ex, task_pair);
	run(ex, task_runs_others_within);
	ct_close(ex);
}

static int begin_rc, end_rc;

static void pair_in_callback(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	begin_rc = creel_blocking_begin();
	end_rc = creel_blocking_end();
}

static int task_with_callback(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_future *done = creel_future_of(NULL, 0);
	ct_int(creel_blocking_begin(), 0);
	ct_int(creel_future_on_done(done, NULL, pair_in_callback, NULL, NULL, NULL), 0);
	ct_int(stats_of(executor_of(arg)).blocked, 1);
	ct_int(creel_blocking_end(), 0);
	creel_future_unref(done);
	return 0;
}

CASE(c46_a_callback_must_not_block, CT_POOL)
{
	creel_executor *ex = ct_executor();
	run(ex, task_with_callback);
	ct_int(begin_rc, -EDEADLK);
	ct_int(end_rc, -EDEADLK);
	ct_close(ex);
}

/* No more threads. */

static int task_has_no_other(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_executor *ex = executor_of(arg);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0), *taken = NULL;
	creel_queue *q = creel_queue_new(NULL);
	size_t done = 77;
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_blocking_begin(), -EAGAIN);
	ct_int(creel_blocking_end(), -EINVAL);
	ct_int(creel_wait(&f, 1, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done), -EAGAIN);
	ct_int(creel_queue_take(q, CREEL_FOREVER, &taken, NULL), -EAGAIN);
	ct_int(creel_future_result(f, creel_in_ms(1), NULL, 0), -ETIMEDOUT);
	ct_assert(done == 77 && !taken);
	ct_int(stats_of(ex).blocked, 0);
	/* It is run here. */
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), 0);
	creel_future_unref(f);
	creel_queue_unref(q);
	return 0;
}

CASE(c46_at_max_threads_who_would_leave_nobody_does_not_wait_for_ever, CT_POOL)
{
	creel_executor *ex = ct_pool(
		(creel_thread_pool_options){.max_workers = 1, .max_threads = 1});
	ct_int(creel_executor_slots(ex), 16);
	run(ex, task_has_no_other);
	ct_close(ex);
}

CASE(c46_without_threads_who_would_leave_nobody_does_not_wait_for_ever, CT_POOL)
{
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 1});
	run(ex, task_nothing);
	ct_fault_arm(CT_FAULT_THREAD, 1, true);
	run(ex, task_has_no_other);
	ct_assert(ct_fault_failed() > 0);
	ct_fault_off();
	ct_close(ex);
}

CASE(c18_where_all_are_blocked_and_no_thread_can_be_had_a_submission_is_rejected, CT_POOL)
{
	creel_executor *ex = ct_pool(
		(creel_thread_pool_options){.max_workers = 1, .max_threads = 2});
	creel_future *promise = creel_promise_new(), *waiting[2], *f = NULL;
	for (int i = 0; i < 2; i++)
		waiting[i] = creel_submit(ex, task_waits_for, &promise, sizeof promise);
	ct_until(stats_of(ex).blocked == 2);
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, &f), -EAGAIN);
	ct_assert(!f);
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
	for (int i = 0; i < 2; i++) {
		ct_int(ct_outcome(waiting[i]), 0);
		creel_future_unref(waiting[i]);
	}
	run(ex, task_nothing);
	creel_future_unref(promise);
	ct_close(ex);
}

CASE(bad_sizes_beyond_max_threads_are_refused, CT_POOL)
{
	creel_executor *ex = ct_pool(
		(creel_thread_pool_options){.max_workers = 2, .max_threads = 4});
	ct_int(creel_executor_resize(ex, 5), -ENOSPC);
	ct_int(creel_executor_resize(ex, 4), 0);
	run(ex, task_two_pools);
	ct_close(ex);
}
