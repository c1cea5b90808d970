/* SPDX-License-Identifier: MIT */
/* Loops by plain submissions: on process pools, where the loop lies in shared memory, and on other
 * executors. The caller waits, unless its own task runs there: then it runs the loop alone. */
#include "base/alloc.h"
#include "exec/executor.h"
#include "exec/loop.h"
#include "future/layers.h"
#include "sync/block.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <creel/shared.h>
#include <creel/submit.h>
#include <creel/wait.h>
#include <errno.h>

/* One thread's share. */
struct part {
	struct creel__loop *loop;
	struct creel__strand strand;
	bool stayed;
};

static void work(void *arg)
{
	struct part *part = arg;
	part->stayed = creel__loop_work(part->loop, &part->strand, NULL);
}

/* A body has ended the thread. */
static void ended(void *arg)
{
	const struct part *part = arg;
	creel__strand_leave(&part->strand);
}

/* On a thread of ex, for tasks of origin. False: this is a forked child. */
static bool take_part(struct creel__loop *l, creel_executor *ex, creel_executor *origin)
{
	struct part part = {.loop = l};
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
	(void)take_part(l, task->future.executor, creel__task_origin(&task->future));
	return 0;
}

static int run_here(struct creel__loop *l)
{
	return take_part(l, l->executor, l->executor) ? creel__load(&l->stop, relaxed) : -EPERM;
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

/* Waits for all. The first that has ended found nothing left, or a process died. */
static void await_tasks(struct creel__loop *l, creel_future **futures, size_t n)
{
	/* The tasks use the loop: this wait cannot be refused. */
	(void)creel__blocking_begin(CREEL__BLOCKS_ANYHOW);
	creel_deadline until = l->deadline.ns ? l->deadline : CREEL_FOREVER;
	if (creel_wait(futures, n, CREEL_FIRST_COMPLETED, until, NULL) == -ETIMEDOUT)
		creel__loop_stop(l, -ETIMEDOUT);
	for (size_t i = 0; i < n; i++) {
		if (creel__load(&l->next, relaxed) >= l->n || creel__load(&l->stop, relaxed))
			cancel_pending(futures + i, n - i);
		int rc = creel_future_result(futures[i], CREEL_FOREVER, NULL, 0);
		if (rc && rc != -ECANCELED)
			creel__loop_stop(l, rc);
	}
	creel__blocking_end();
	/* Somebody else cancelled the tasks that were to run the rest. */
	if (creel__load(&l->next, relaxed) < l->n)
		creel__loop_stop(l, -ECANCELED);
}

static int submit_all(struct creel__loop *l, creel_future **futures, size_t n)
{
	size_t accepted = 0;
	int rc = 0;
	while (accepted < n && (rc = creel_try_submit(l->executor, run_pieces, l, CREEL_BY_REF,
						      NULL, &futures[accepted])) == 0)
		accepted++;
	if (creel__executor_foreign(l->executor))
		return -EPERM;
	if (accepted == 0)
		return rc;
	await_tasks(l, futures, accepted);
	for (size_t i = 0; i < accepted; i++)
		creel_future_unref(futures[i]);
	return creel__load(&l->stop, relaxed);
}

static int spread(struct creel__loop *l)
{
	size_t n = count_tasks(l);
	l->width = (unsigned)n;
	creel_future **futures = creel__malloc(n * sizeof *futures);
	if (!futures)
		return -ENOMEM;
	int rc = submit_all(l, futures, n);
	creel__free(futures);
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
	shared->generation = 0;
	rc = spread(shared);
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
	return creel__executor_is_own(l->executor) ? run_here(l) : spread(l);
}
