/* SPDX-License-Identifier: MIT */
/* Loops by plain submissions: on process pools, where the loop lies in shared memory, and on other
 * executors. The caller waits, unless its own task runs there: then it runs the loop alone.
 *
 * ASKED  The tasks look whether the caller's task was asked to stop. Those in other processes
 *        cannot: for them the caller does, which sleeps on the word of its own task and is roused
 *        by the ends of the loop's (exec/sleep.c).
 * TRUST  The workers of a process pool can write all of the copy that they share. The caller reads
 *        `next` and `stop` of it, which are no more than numbers. All else it has of its own. */
#include "base/alloc.h"
#include "exec/executor.h"
#include "exec/loop.h"
#include "exec/sleep.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/layers.h"
#include "future/waits.h"
#include "sync/block.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <creel/shared.h>
#include <creel/submit.h>
#include <creel/wait.h>
#include <errno.h>

/* The tasks of a loop. */
struct tasks {
	const struct creel__loop *own; /* the caller's own */
	struct creel__loop *loop;      /* theirs: that, or the copy that processes share */
	creel_token *token;            /* or NULL */
	creel_future *asked;           /* whom the caller has to ask for them; or NULL */
	creel_future **futures;
	struct ear *ears; /* as many, if there is an `asked` */
	size_t n;
};

/* Hears that a task has ended. */
struct ear {
	struct creel__hook hook;
	creel_future *asked;
};

/* One thread's share. */
struct part {
	struct creel__loop *loop;
	struct creel__loop_watch *watch; /* of the caller that runs it alone; or NULL */
	struct creel__strand strand;
	bool stayed;
};

static void work(void *arg)
{
	struct part *part = arg;
	part->stayed = creel__loop_work(part->loop, &part->strand, NULL);
}

/* The token was cancelled. */
static void cancel(struct creel__loop *l)
{
	creel__loop_stop(l, -ECANCELED);
}

/* A body has ended the thread. */
static void ended(void *arg)
{
	const struct part *part = arg;
	creel__strand_leave(&part->strand);
	if (part->watch)
		creel__loop_unwatch(part->watch);
}

/* On a thread of ex, for tasks of origin. False: this is a forked child. */
static bool take_part(struct creel__loop *l, struct creel__loop_watch *watch, creel_executor *ex,
		      creel_executor *origin)
{
	struct part part = {.loop = l, .watch = watch};
	creel__loop_strand_init(l, &part.strand, ex);
	part.strand.task.future.executor = origin;
	creel__thread_guard(work, ended, &part);
	return part.stayed;
}

/* The function of the tasks: each takes pieces until none is left. */
static int run_pieces(creel_task *task, const void *arg, size_t size)
{
	struct creel__loop *l = (struct creel__loop *)(uintptr_t)arg;
	(void)size;
	(void)take_part(l, NULL, task->future.executor, creel__task_origin(&task->future));
	return 0;
}

static int run_here(struct creel__loop *l)
{
	int rc = creel__loop_watch(l, l->watch, cancel);
	if (rc)
		return rc;
	if (!take_part(l, l->watch, l->executor, l->executor))
		return -EPERM;
	creel__loop_unwatch(l->watch);
	return creel__load(&l->stop, relaxed);
}

/* As many tasks as can be of use. */
static size_t count_tasks(const struct creel__loop *l)
{
	size_t most = creel__executor_width(l->executor), units = l->n;
	if (most == 0)
		most = (size_t)creel__executor_cpus(l->executor);
	if (l->grain)
		units = l->n / l->grain + (l->n % l->grain != 0);
	return units < most ? units : most;
}

/* What has not started will find nothing: nobody waits for it. */
static void cancel_pending(creel_future **futures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (creel_future_state(futures[i]) == CREEL_FUTURE_PENDING)
			(void)creel_future_cancel(futures[i]);
}

static void notify(struct creel__hook *hook, creel_future *f)
{
	(void)f;
	creel__sleep_rouse(creel__of(hook, struct ear, hook)->asked);
}

/* Sleeps until one of the n tasks from the first on has ended (0), or the caller's was asked to
 * stop (-ECANCELED), or until the deadline (-ETIMEDOUT). */
static int sleep_until_first(const struct tasks *tasks, size_t first, size_t n,
			     creel_deadline deadline)
{
	bool ended = false;
	for (size_t i = first; i < first + n; i++) {
		tasks->ears[i] = (struct ear){.hook.notify = notify, .asked = tasks->asked};
		ended |= !creel__hooks_listen(tasks->futures[i], &tasks->ears[i].hook);
	}
	creel__waits_begin(CREEL__WAITS_FIRST, tasks->futures[first]);
	int rc = creel__sleep_until_roused(tasks->asked, ended ? CREEL_NOW : deadline);
	creel__waits_end();
	for (size_t i = first; i < first + n; i++) {
		(void)creel__hooks_leave(tasks->futures[i], &tasks->ears[i].hook);
		ended |= creel__future_is_final(tasks->futures[i]);
	}
	creel__sleep_over(tasks->asked);
	return rc ? rc : ended ? 0 : -ETIMEDOUT;
}

/* The first that has ended found nothing left, or a process died. */
static void await_first(const struct tasks *tasks)
{
	creel_deadline deadline = tasks->own->deadline;
	creel_deadline until = deadline.ns ? deadline : CREEL_FOREVER;
	int rc = tasks->asked
			 ? sleep_until_first(tasks, 0, tasks->n, until)
			 : creel_wait(tasks->futures, tasks->n, CREEL_FIRST_COMPLETED, until, NULL);
	if (rc == -ETIMEDOUT || rc == -ECANCELED || rc == -EDEADLK)
		creel__loop_stop(tasks->loop, rc);
}

/* It uses the loop: returns only when it is final. A wait is refused for what has not started and
 * cannot before the caller returns: that is cancelled, at once or when whoever has it in hand has
 * given it on. */
static int await_task(const struct tasks *tasks, creel_future *f)
{
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	while (!creel__future_is_final(f) && !creel__executor_foreign(tasks->own->executor)) {
		creel__loop_stop(tasks->loop, rc);
		(void)creel_future_cancel(f);
		rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	}
	return rc;
}

static bool is_taken(const struct tasks *tasks)
{
	return creel__load(&tasks->loop->next, relaxed) >= tasks->own->n;
}

static bool is_exhausted(const struct tasks *tasks)
{
	return is_taken(tasks) || creel__load(&tasks->loop->stop, relaxed);
}

/* Waits for all. */
static void await_tasks(const struct tasks *tasks)
{
	creel_future **futures = tasks->futures;
	/* The tasks use the loop: a pool may not refuse to serve this wait. */
	(void)creel__blocking_begin(CREEL__BLOCKS_ANYHOW);
	await_first(tasks);
	for (size_t i = 0; i < tasks->n; i++) {
		if (tasks->asked && !is_exhausted(tasks) &&
		    sleep_until_first(tasks, i, 1, CREEL_FOREVER))
			creel__loop_stop(tasks->loop, -ECANCELED);
		if (is_exhausted(tasks))
			cancel_pending(futures + i, tasks->n - i);
		int rc = await_task(tasks, futures[i]);
		/* It may have killed the task. */
		if (rc && tasks->token && creel__token_reason(tasks->token))
			rc = -ECANCELED;
		if (rc && rc != -ECANCELED)
			creel__loop_stop(tasks->loop, rc);
	}
	creel__blocking_end();
	/* Somebody else cancelled the tasks that were to run the rest. */
	if (!is_taken(tasks))
		creel__loop_stop(tasks->loop, -ECANCELED);
}

static int submit_all(struct tasks *tasks)
{
	const struct creel__loop *own = tasks->own;
	const creel_submit_options o = {.token = tasks->token};
	size_t wanted = tasks->n;
	int rc = creel__loop_watch(tasks->loop, own->watch, cancel);
	if (rc)
		return rc;
	tasks->n = 0;
	while (tasks->n < wanted &&
	       (rc = creel_try_submit(own->executor, run_pieces, tasks->loop, CREEL_BY_REF, &o,
				      &tasks->futures[tasks->n])) == 0)
		tasks->n++;
	if (creel__executor_foreign(own->executor))
		return -EPERM;
	if (tasks->n)
		await_tasks(tasks);
	creel__loop_unwatch(own->watch);
	if (tasks->n == 0)
		return rc;
	for (size_t i = 0; i < tasks->n; i++)
		creel_future_unref(tasks->futures[i]);
	return creel__load(&tasks->loop->stop, relaxed);
}

static int spread(const struct creel__loop *own, struct creel__loop *l, creel_future *asked)
{
	struct tasks tasks = {.own = own,
			      .loop = l,
			      .token = own->watch->reg.token,
			      .asked = asked,
			      .n = count_tasks(own)};
	l->width = (unsigned)tasks.n;
	tasks.futures = creel__malloc(tasks.n * sizeof(creel_future *));
	tasks.ears = asked ? creel__malloc(tasks.n * sizeof *tasks.ears) : NULL;
	int rc = -ENOMEM;
	if (tasks.futures && (tasks.ears || !asked))
		rc = submit_all(&tasks);
	creel__free(tasks.ears);
	creel__free(tasks.futures);
	return rc;
}

/* Workers in other processes see a copy in shared memory. */
static int spread_to_processes(const struct creel__loop *l)
{
	creel_executor *ex = l->executor;
	int rc = ex->class->vet(ex, (creel_fn)(uintptr_t)l->body, l->context, CREEL_BY_REF);
	if (rc)
		return rc;
	struct creel__loop *shared = creel_shared_alloc(ex, sizeof *shared);
	if (!shared)
		return -ENOSPC;
	*shared = *l;
	shared->root = NULL;
	shared->outer = NULL;
	shared->watch = NULL;
	shared->generation = 0;
	rc = spread(l, shared, creel__sleep_can_be_roused(l->root) ? l->root : NULL);
	creel_shared_free(ex, shared);
	return rc;
}

static bool is_remote(const creel_executor *ex)
{
	return ex->class->vet;
}

int creel__loop_run_tasks(struct creel__loop *l)
{
	if (is_remote(l->executor))
		return creel__self()->callbacks ? -EDEADLK : spread_to_processes(l);
	if (creel__executor_is_own(l->executor))
		return run_here(l);
	if (creel__executor_needs_caller(l->executor) || creel__executor_is_later(l->executor))
		return -EDEADLK;
	return spread(l, l, NULL);
}
