/* SPDX-License-Identifier: MIT */
/*
 * What a worker has claimed and not started, when something happens to the pool or to that worker:
 * every task runs once or is told why not, in order where there is one worker, and none waits for a
 * task that takes long.
 */
#include "faults.h"
#include "regress.h"
#include "threads/pool.h"

enum { TASKS = 100 };

static struct gate at_start, long_task, initializing;
static creel_future *behind[TASKS];
static int order[TASKS];
static _Atomic int started;

static int task_orders(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	order[atomic_fetch_add(&started, 1)] = *(const int *)arg;
	return 0;
}

/* All but the first worker stop here. */
static int initialize_slowly(void *ctx, unsigned worker, void **ret_local)
{
	(void)ret_local;
	if (worker)
		task_gated(NULL, &initializing, 0);
	return worker ? *(int *)ctx : 0;
}

static creel_executor *slow_pool(int workers, int *code)
{
	return creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = workers, .initializer = initialize_slowly, .ctx = code});
}

/* One worker is in fn, which waits for long_task.open, and has claimed some of what is behind. */
static creel_future *claim_behind(creel_executor *ex, creel_fn fn)
{
	creel_future *first = hold(ex, &at_start), *f = submit_to(ex, fn, &long_task);
	for (int i = 0; i < TASKS; i++)
		behind[i] = creel_submit(ex, task_orders, &i, sizeof i);
	ct_open(&at_start.open);
	ct_count_await(&long_task.started, 1);
	ends_with(first, 0);
	return f;
}

static void all_end_with(int outcome, int ran)
{
	for (int i = 0; i < TASKS; i++)
		ends_with(behind[i], outcome);
	ct_int(atomic_load(&started), ran);
}

static void all_ran_in_order(void)
{
	all_end_with(0, TASKS);
	for (int i = 0; i < TASKS; i++)
		ct_int(order[i], i);
}

CT_TEST(batches, c15_c16_a_pool_that_is_shut_down_runs_them_in_order, 0)
{
	size_t left = 0;
	creel_executor *ex = pool_of(1);
	creel_future *f = claim_behind(ex, task_gated);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, TASKS + 1);
	ct_open(&long_task.open);
	close_now(ex);
	all_ran_in_order();
	ends_with(f, 0);
}

CT_TEST(batches, c17_a_shutdown_that_cancels_does_not_leave_them_to_the_long_task, 0)
{
	size_t left = 0;
	creel_executor *ex = pool_of(1);
	creel_future *f = claim_behind(ex, task_gated);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), -ETIMEDOUT);
	all_end_with(-ECANCELED, 0);
	ct_open(&long_task.open);
	close_now(ex);
	ends_with(f, 0);
}

/* The second worker's initializer fails while the first is in the long task. */
CT_TEST(batches, c19_in_a_broken_pool_they_fail_at_once, 0)
{
	int code = 7;
	creel_executor *ex = slow_pool(2, &code);
	creel_future *f = claim_behind(ex, task_gated);
	ct_count_await(&initializing.started, 1);
	ct_open(&initializing.open);
	all_end_with(CREEL_EFAILED, 0);
	ct_open(&long_task.open);
	ends_with(f, 0);
	close_now(ex);
}

static void worker_dies(void)
{
	creel_executor *ex = pool_of(1);
	creel_future *f = claim_behind(ex, task_exits);
	ct_open(&long_task.open);
	all_ran_in_order();
	ends_with(f, CREEL_EFAILED);
	ct_int((int)stats_of(ex).died, 1);
	close_now(ex);
}

CT_TEST(batches, c15_c16_the_worker_that_replaces_a_dead_one_runs_them_in_order, 0)
{
	worker_dies();
}

/* The dying one does it itself. */
CT_TEST(batches, c15_c16_without_another_thread_they_run_in_order, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *f = claim_behind(ex, task_exits);
	ct_fault_arm(CT_FAULT_THREAD, 1, true);
	ct_open(&long_task.open);
	all_ran_in_order();
	ct_fault_off();
	ends_with(f, CREEL_EFAILED);
	close_now(ex);
}

/* The second worker never gets ready: a third one comes for what the first one has claimed. */
CT_TEST(batches, c12_they_do_not_wait_for_a_slow_initializer, 0)
{
	int code = 0;
	creel_executor *ex = slow_pool(2, &code);
	creel_future *f = claim_behind(ex, task_gated);
	ct_count_await(&initializing.started, 1);
	ct_int(creel_executor_resize(ex, 3), 0);
	ct_count_await(&initializing.started, 2);
	ct_open(&initializing.open);
	all_end_with(0, TASKS);
	ct_open(&long_task.open);
	ends_with(f, 0);
	close_now(ex);
}

/* One worker retires while the other has a long task; then that one retires, too. */
CT_TEST(batches, c15_workers_that_retire_leave_none_behind, 0)
{
	enum { ROUNDS = 20 };
	static struct gate start_of[ROUNDS], end_of[ROUNDS];
	creel_executor *ex = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 2, .idle_ns = 1});
	for (int i = 0; i < ROUNDS; i++) {
		struct ct_count ran = {0};
		creel_future *first = hold(ex, &start_of[i]);
		creel_future *last = submit_to(ex, task_gated, &end_of[i]);
		for (int k = 0; k < TASKS; k++)
			ct_int(creel_spawn(ex, task_count, &ran, CREEL_BY_REF, NULL), 0);
		ct_open(&start_of[i].open);
		ct_count_await(&ran, TASKS);
		ends_with(first, 0);
		ct_until(stats_of(ex).workers == 1);
		ct_open(&end_of[i].open);
		ends_with(last, 0);
		ct_until(stats_of(ex).workers == 0);
	}
	close_now(ex);
}

enum { WORKERS = 8, SUBMITTERS = 4, EACH = 500 };

struct place {
	int submitter, number;
};

static creel_executor *shrinking;
static struct place places[SUBMITTERS * EACH];
static struct gate stops[WORKERS];
static _Atomic int stopped;
static struct ct_count submitted;
static _Thread_local bool has_stopped;

/* The first one on each worker waits, with a batch behind it. */
static int task_takes_place(creel_task *task, const void *arg, size_t size)
{
	places[atomic_fetch_add(&started, 1)] = *(const struct place *)arg;
	if (!has_stopped) {
		has_stopped = true;
		task_gated(task, &stops[atomic_fetch_add(&stopped, 1)], size);
	}
	return 0;
}

/* Threads that live at the same time have different queues, where there are some. */
static void *submit_places(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		struct place place = {.submitter = *(int *)arg, .number = i};
		ct_int(creel_spawn(shrinking, task_takes_place, &place, sizeof place, NULL), 0);
	}
	ct_count_add(&submitted, 1);
	ct_count_await(&submitted, SUBMITTERS);
	return NULL;
}

static void submit_by_all(void)
{
	pthread_t threads[SUBMITTERS];
	int numbers[SUBMITTERS];
	for (int i = 0; i < SUBMITTERS; i++) {
		numbers[i] = i;
		on_thread(&threads[i], submit_places, &numbers[i]);
	}
	for (int i = 0; i < SUBMITTERS; i++)
		pthread_join(threads[i], NULL);
}

/* A leaving worker put what it had claimed into another queue, and in front of older tasks. */
CT_TEST(batches, c16_they_go_back_to_their_place_when_the_pool_shrinks, 0)
{
	int last[SUBMITTERS] = {-1, -1, -1, -1};
	shrinking = pool_of(WORKERS);
	for (int i = 0; i < WORKERS; i++)
		creel_future_unref(hold(shrinking, &at_start));
	submit_by_all();
	ct_open(&at_start.open);
	for (int i = 0; i < WORKERS; i++)
		ct_count_await(&stops[i].started, 1);
	ct_int(creel_executor_resize(shrinking, 1), 0);
	/* They leave in the order in which they came, but for the last, which does the rest. */
	for (int i = 0; i < WORKERS; i++) {
		ct_open(&stops[i].open);
		ct_until(stats_of(shrinking).workers <= (uint64_t)(WORKERS - 1 - i) ||
			 i == WORKERS - 1);
	}
	close_now(shrinking);
	ct_int(atomic_load(&started), SUBMITTERS * EACH);
	for (int i = WORKERS; i < SUBMITTERS * EACH; i++) {
		ct_assert(places[i].number > last[places[i].submitter]);
		last[places[i].submitter] = places[i].number;
	}
}

static void review_now(struct creel__pool *pool, uint64_t handed)
{
	struct creel__shard *shard = &pool->shard[0];
	creel__lock_acquire(&shard->out_lock);
	shard->handed += handed;
	shard->review_at = shard->handed;
	creel__lock_release(&shard->out_lock);
	creel__pool_review(pool, shard);
}

/* A batch goes back once so many later tasks were handed out, and not before. */
CT_TEST(batches, c12_they_go_back_when_they_are_old, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *f = claim_behind(ex, task_gated);
	struct creel__pool *pool = (struct creel__pool *)ex;
	struct creel__pool_worker *w = creel__of(pool->roster.next, struct creel__pool_worker,
						 roster);
	ct_assert(!creel__batch_is_empty(&w->batch));
	review_now(pool, 0);
	ct_assert(!creel__batch_is_empty(&w->batch));
	review_now(pool, creel__review_age(1));
	ct_assert(creel__batch_is_empty(&w->batch));
	ct_open(&long_task.open);
	all_ran_in_order();
	ends_with(f, 0);
	close_now(ex);
}
