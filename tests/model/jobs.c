/* SPDX-License-Identifier: MIT */
/*
 * Jobs. First the deque and the join, by threads that are workers of no pool: the owner forks and
 * joins jobs on its stack while thieves steal and run them. Each job runs once, and nobody touches
 * it once its join has returned. Then on a pool: a fork wakes a sleeper, a job waits for another
 * worker, a job ends its thread.
 */
#include "model.h"
#include "base/alloc.h"
#include "exec/job.h"
#include "sync/local.h"
#include <errno.h>
#include <string.h>

enum { WORKERS = 3 };

struct item {
	creel_job job; /* first */
	int ran;       /* plain: the forker reads it after the join */
	int depth;
};

static creel_executor executor;
static struct creel__worker workers[WORKERS];
static struct creel__deque deques[WORKERS];
static _Atomic(uint32_t) need;
static creel_task root;

static void use_deque(struct creel__worker *worker)
{
	(void)worker;
}

static const struct creel__executor_class class = {.name = "model", .use_deque = use_deque};

static void setup(void)
{
	memset(&executor, 0, sizeof executor);
	memset(workers, 0, sizeof workers);
	memset(deques, 0, sizeof deques);
	memset(&root, 0, sizeof root);
	executor.class = &class;
	root.future.executor = &executor;
	creel__store(&root.future.state, CREEL__RUNNING, relaxed);
	creel__store(&need, 0, relaxed);
	for (int i = 0; i < WORKERS; i++) {
		workers[i].executor = &executor;
		workers[i].deque = &deques[i];
		workers[i].need = &need;
	}
	creel__self()->worker = &workers[0];
}

static void leaf(creel_job *job, creel_task *task)
{
	(void)task;
	((struct item *)job)->ran++;
}

static void fork_item(creel_task *task, struct item *item, creel_job_fn fn)
{
	*item = (struct item){.job = CREEL_JOB_INIT};
	model_check(creel_job_fork(task, &item->job, fn) == 0);
}

static void join_item(creel_task *task, struct item *item)
{
	model_check(creel_job_join(task, &item->job) == 0);
	model_check(item->ran == 1);
	model_check(creel_job_join(task, &item->job) == -EINVAL);
}

/* Forks two more, and joins the first one first. */
static void branch(creel_job *job, creel_task *task)
{
	struct item a, b;
	fork_item(task, &a, leaf);
	fork_item(task, &b, leaf);
	join_item(task, &a);
	join_item(task, &b);
	leaf(job, task);
}

static __attribute__((noinline)) void fork_and_join(creel_job_fn fn, int n)
{
	struct item items[3];
	for (int i = 0; i < n; i++)
		fork_item(&root, &items[i], fn);
	for (int i = n - 1; i >= 0; i--)
		join_item(&root, &items[i]);
}

static void steal_from_first(int self)
{
	creel__self()->worker = &workers[self];
	struct creel__job *job = creel__deque_steal(&deques[0]);
	if (job)
		creel__job_run_stolen(&workers[self], job);
}

static void one_theft(void *arg)
{
	steal_from_first(*(int *)arg);
}

static void two_thefts(void *arg)
{
	steal_from_first(*(int *)arg);
	steal_from_first(*(int *)arg);
}

static int one = 1, two = 2;

static void owner_and_thief(void)
{
	setup();
	int thief = model_spawn(two_thefts, &one);
	fork_and_join(leaf, 2);
	model_join(thief);
}

static void two_thieves(void)
{
	setup();
	int a = model_spawn(one_theft, &one), b = model_spawn(one_theft, &two);
	fork_and_join(leaf, 2);
	model_join(a);
	model_join(b);
}

/* The ring is used again while a thief holds what it has read. */
static void around_the_ring(void)
{
	setup();
	int a = model_spawn(one_theft, &one);
	fork_and_join(leaf, 3); /* one more than the ring has */
	fork_and_join(leaf, 2);
	model_join(a);
}

/* The joiner leaps: it takes jobs from the thief. */
static void leaps(void)
{
	setup();
	int thief = model_spawn(one_theft, &one);
	fork_and_join(branch, 1);
	model_join(thief);
}

/* On a pool. */

static creel_executor *pool;
static struct model_gate gate;
static int ran;

static void opens(creel_job *job, creel_task *task)
{
	(void)job;
	(void)task;
	ran++;
	model_gate_open(&gate);
}

/* Waits between fork and join for what its job does: another worker has to come. */
static int waits_for_its_job(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	creel_job job = CREEL_JOB_INIT;
	model_check(creel_job_fork(task, &job, opens) == 0);
	model_gate_wait(&gate);
	return creel_job_join(task, &job);
}

static int nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static void make_pool(int workers_wanted)
{
	ran = 0;
	gate = (struct model_gate){0};
	pool = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = workers_wanted,
								  .idle_ns = CREEL_NEVER});
	model_name(pool, "pool");
}

static void run_one(creel_fn fn, int code)
{
	creel_future *f = creel_submit(pool, fn, NULL, 0);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == code);
	creel_future_unref(f);
}

static void fork_starts_one(void)
{
	make_pool(2);
	run_one(waits_for_its_job, 0);
	model_check(ran == 1);
	model_check(creel_executor_close(pool) == 0);
}

/* The second worker has run something, and falls asleep while the first one forks. */
static void fork_wakes_one(void)
{
	make_pool(2);
	creel_future *f = creel_submit(pool, nothing, NULL, 0);
	creel_future *g = creel_submit(pool, waits_for_its_job, NULL, 0);
	model_check(creel_future_result(g, CREEL_FOREVER, NULL, 0) == 0);
	model_check(ran == 1);
	creel_future_unref(f);
	creel_future_unref(g);
	model_check(creel_executor_close(pool) == 0);
}

static void counts(creel_job *job, creel_task *task)
{
	(void)job;
	(void)task;
	ran++;
}

/* Leaves its job behind. */
static creel_job left;
static int forks_only(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	left = (creel_job)CREEL_JOB_INIT;
	return creel_job_fork(task, &left, counts);
}

static void joined_at_the_end(void)
{
	make_pool(2);
	run_one(forks_only, 0);
	model_check(ran == 1);
	model_check(creel_executor_close(pool) == 0);
}

static void ends_its_thread(creel_job *job, creel_task *task)
{
	opens(job, task);
	model_exit_thread();
}

static int forks_an_exit(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	left = (creel_job)CREEL_JOB_INIT;
	model_check(creel_job_fork(task, &left, ends_its_thread) == 0);
	model_gate_wait(&gate);
	model_check(creel_job_join(task, &left) == CREEL_EFAILED);
	return 0;
}

static void a_job_ends_its_thread(void)
{
	make_pool(2);
	creel_future *f = creel_submit(pool, forks_an_exit, NULL, 0);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	model_check(creel_future_error(f)->kind == CREEL_KIND_EXITED);
	creel_future_unref(f);
	model_check(creel_executor_close(pool) == 0);
}

static creel_future *promise;

static void settles(creel_job *job, creel_task *task)
{
	(void)job;
	(void)task;
	model_check(creel_promise_set_result(promise, NULL, 0) == 0);
}

/* Waits for what its job does, as often as there are bytes: only another worker can do it. */
static int waits_for_jobs(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	for (; size; size--) {
		promise = creel_promise_new();
		left = (creel_job)CREEL_JOB_INIT;
		model_check(creel_job_fork(task, &left, settles) == 0);
		model_check(creel_future_result(promise, CREEL_FOREVER, NULL, 0) == 0);
		model_check(creel_job_join(task, &left) == 0);
		creel_future_unref(promise);
	}
	return 0;
}

/* The worker that ran the first job is the last one that serves, and its idle time is up. */
static void the_last_one_retires(void)
{
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .idle_ns = 1000});
	model_name(pool, "pool");
	creel_future *f = creel_submit(pool, waits_for_jobs, "2", 2);
	model_check(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	model_check(creel_executor_close(pool) == 0);
}

static void cancels(void *arg)
{
	*(int *)arg = creel_job_cancel(&left);
	creel_executor_unref(pool);
}

/* Posted, against a cancel and a shutdown. */
static void posted(void)
{
	make_pool(1);
	left = (creel_job)CREEL_JOB_INIT;
	int rc = 1;
	model_check(creel_job_post(pool, &left, counts) == 0);
	creel_executor_ref(pool);
	int canceller = model_spawn(cancels, &rc);
	model_check(creel_executor_close(pool) == 0);
	model_check(ran <= 1);
	model_join(canceller);
	model_check(ran == (rc != 0));
}

const struct model_scenario model_scenarios[] = {
	{"owner and thief", owner_and_thief, .preemptions = 3, .stale = 2},
	{"two thieves", two_thieves, .preemptions = 2, .stale = 1},
	{"around the ring", around_the_ring, .preemptions = 2, .stale = 1},
	{"leaps", leaps, .preemptions = 3, .spurious = 1, .stale = 1},
	{"a fork starts one", fork_starts_one, .preemptions = 1, .stale = 1},
	{"a fork wakes one", fork_wakes_one, .preemptions = 1, .stale = 1},
	{"joined at the end", joined_at_the_end, .preemptions = 1, .stale = 1},
	{"a job ends its thread", a_job_ends_its_thread, .preemptions = 1},
	{"the last one retires", the_last_one_retires, .preemptions = 1, .early_timeouts = 1,
	 .cpus = 1},
	{"posted", posted, .preemptions = 2},
	{0},
};
