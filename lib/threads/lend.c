/* SPDX-License-Identifier: MIT */
/*
 * Helping: who runs a pending task of the pool instead of waiting for it.
 *
 * WORKERS  A worker claims the task as it would one from a queue, and counts it as its own.
 * CALLER   A thread that submits to a full pool with CREEL_OVERFLOW_CALLER runs the task as one
 *          that was lent to it, and never stood in a queue.
 * OUTSIDE  A thread that is no worker has the future HELD, so that the pool is there. Then the task
 *          is RUNNING, and an unfinished task keeps the pool. lent_ended is the last that the
 *          thread touches of the pool: usually one compare-and-swap. If CREEL__LENT_TELL is set,
 *          somebody waits under the lock for the end of tasks, or the pool is shut down: then the
 *          thread takes the lock first, counts, tells them, and frees the pool if it was the last.
 *          Both are steps on one word: whoever sets the bit and then counts sees the end of the
 *          task, or the thread sees the bit while its task still counts as running.
 */
#include "exec/task.h"
#include "threads/pool.h"
#include <errno.h>

bool creel__pool_help(struct creel__worker *worker, creel_task *task)
{
	struct creel__pool *pool = (struct creel__pool *)worker->executor;
	struct creel__pool_worker *w = creel__of(worker, struct creel__pool_worker, base);
	if (pool->help == CREEL_HELP_NONE || creel__load(&pool->base.cancels, relaxed) ||
	    !creel__task_help(worker, task))
		return false;
	/* Its own count first: the pool's is shared. */
	if (++w->helped % CREEL__SWEEP == 0 && !creel__executor_foreign(&pool->base))
		creel__pool_note_dead(pool, CREEL__SWEEP);
	return true;
}

uint64_t creel__pool_lent_ended(struct creel__pool *pool)
{
	/* [LENT-1] acquire: who sees the count sees what the task did; pairs with the releases in
	 * creel__pool_count_lent() */
	return creel__load(&pool->lent_ended, acquire) / 2;
}

void creel__pool_await_lent_locked(struct creel__pool *pool)
{
	/* Relaxed: the counts are read afterwards, with their own acquire. */
	creel__or(&pool->lent_ended, CREEL__LENT_TELL, relaxed);
}

void creel__pool_count_lent(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	uint64_t old = creel__load(&pool->lent_ended, relaxed);
	while (!(old & CREEL__LENT_TELL))
		/* [LENT-1] release: pairs with the acquire in creel__pool_lent_ended() */
		if (creel__cas(&pool->lent_ended, &old, old + 2, release, relaxed))
			return;
	creel__lock_acquire(&pool->lock);
	/* [LENT-1] release: as above */
	creel__add(&pool->lent_ended, 2, release);
	if (!pool->closed && !pool->changed.sleepers)
		creel__and(&pool->lent_ended, ~(uint64_t)CREEL__LENT_TELL, relaxed);
	creel__pool_tell_release(pool);
}

/* Not while the pool is paused: it would start a task. */
int creel__pool_adopt(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	if (creel__load(&ex->paused, relaxed))
		return CREEL_BUSY;
	enum creel__gate gate = creel__shard_adopt(creel__pool_list_of(pool, 0));
	return gate == CREEL__GATE_CLOSED   ? -ESHUTDOWN
	       : gate == CREEL__GATE_BROKEN ? CREEL_EFAILED
					    : 0;
}

bool creel__pool_lend(creel_executor *ex, creel_task *task)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	if (pool->help != CREEL_HELP_ANY || creel__load(&ex->paused, relaxed) ||
	    creel__load(&ex->cancels, relaxed))
		return false;
	bool out = creel__shard_lend(creel__pool_list_of(pool, creel__task_band(task)), task);
	if (!out)
		creel__pool_note_dead(pool, 1);
	creel__task_run_held(task, !out);
	return true;
}
