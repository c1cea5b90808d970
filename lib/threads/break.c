/* SPDX-License-Identifier: MIT */
/* A pool that breaks: all that is pending fails, in the queues and in what workers had claimed. */
#include "exec/bound.h"
#include "threads/pool.h"
#include <creel/executor.h>

/* Ends the tasks of a broken pool. The error is borrowed. */
static void fail_list(struct creel__pool *pool, creel_future *list, const creel_error *error)
{
	uint64_t failed = 0, cancelled = 0;
	while (list) {
		creel_future *f = list;
		list = f->next;
		unsigned state = creel__task_fail((creel_task *)f, creel__error_ref(error));
		failed += state == CREEL__FAILED;
		cancelled += state == CREEL__CANCELLED;
	}
	creel__lock_acquire(&pool->lock);
	pool->failed += failed;
	pool->cancelled += cancelled;
	creel__cond_broadcast_locked(&pool->changed);
	creel__lock_release(&pool->lock);
}

void creel__pool_break(struct creel__pool *pool, const creel_error *error)
{
	creel__executor_set_error(&pool->base, creel__error_ref(error));
	struct creel__taken taken;
	creel__lock_acquire(&pool->lock);
	creel__pool_set_gates_locked(pool, CREEL__GATE_BROKEN);
	pool->closed = pool->broken = true;
	creel__store(&pool->base.paused, false, relaxed);
	creel__bound_open_locked(&pool->base);
	creel__pool_call_in_locked(pool);
	creel__pool_take_all_locked(pool, &taken);
	creel__pool_kick_all_locked(pool);
	creel__pool_update_need_locked(pool);
	creel__lock_release(&pool->lock);
	for (unsigned i = 0; i < CREEL__LISTS; i++)
		fail_list(pool, taken.list[i], error);
	creel__pool_run_posted_here(pool);
	creel__error_unref(error);
}

static creel_future *empty_batch(struct creel__batch *batch)
{
	creel_future *list = NULL, **end = &list;
	for (creel_task *task; (task = creel__batch_take(batch)); end = &task->future.next)
		*end = &task->future;
	*end = NULL;
	return list;
}

void creel__pool_fail_batch(struct creel__pool *pool, struct creel__batch *batch)
{
	creel_future *list = empty_batch(batch);
	if (list)
		fail_list(pool, list, creel_executor_error(&pool->base));
}
