/* SPDX-License-Identifier: MIT */
/* A worker that blocks gives up its slot, and comes back: BLOCKED in threads/pool.h. In a bounded
 * pool its task's place is free meanwhile. */
#include "exec/bound.h"
#include "sync/block.h"
#include "threads/pool.h"
#include <errno.h>

/* Whether tasks and jobs have, or will have, somebody who serves them. */
static bool is_served_locked(struct creel__pool *pool)
{
	/* The system may refuse one that is being made: whoever makes it says so at once. */
	while (pool->unsure && creel__pool_serving_locked(pool) == 0)
		creel__cond_wait_briefly(&pool->changed, &pool->lock);
	return creel__pool_serving_locked(pool) + pool->starting > 0 ||
	       creel__pool_try_vacate_locked(pool) || creel__pool_start_first_locked(pool) == 0;
}

static bool is_thrifty_locked(const struct creel__pool *pool, unsigned how)
{
	return how & CREEL__BLOCKS_THRIFTILY &&
	       pool->alive + pool->starting - pool->max_workers >= pool->max_workers;
}

/* Jobs have no place in a bounded pool, and a task has given its own back when its result is
 * destroyed: only who is within a task of the pool's has one. */
static bool has_place(const struct creel__pool *pool)
{
	const creel_task *i = creel__self()->task;
	while (i && i->future.executor != &pool->base)
		i = i->future.outer;
	return i != NULL;
}

static int begin(struct creel__worker *worker, unsigned how)
{
	struct creel__pool_worker *w = creel__of(worker, struct creel__pool_worker, base);
	struct creel__pool *pool = w->pool;
	/* A task has forked, and this is the child. */
	if (creel__executor_foreign(&pool->base))
		return 0;
	creel__lock_acquire(&pool->lock);
	creel__pool_give_back_locked(pool, &w->batch);
	w->blocked = !is_thrifty_locked(pool, how);
	pool->blocked += w->blocked;
	if (w->blocked && !is_served_locked(pool)) {
		w->blocked = false;
		pool->blocked--;
	}
	bool stays = !w->blocked;
	creel__pool_update_need_locked(pool);
	creel__lock_release(&pool->lock);
	w->gave_place = !stays && has_place(pool);
	if (w->gave_place)
		creel__not_admitted(&pool->base);
	creel__pool_pass_on(pool);
	return stays && !how ? -EAGAIN : 0;
}

/* The first that serves opens the gates. One that is too many has all others ask whether they may
 * take another task; what they gave back may be for one who sleeps. */
static void end(struct creel__worker *worker)
{
	struct creel__pool_worker *w = creel__of(worker, struct creel__pool_worker, base);
	struct creel__pool *pool = w->pool;
	if (creel__executor_foreign(&pool->base) || !w->blocked)
		return;
	if (w->gave_place)
		creel__admit_any(&pool->base);
	creel__lock_acquire(&pool->lock);
	if (creel__pool_serving_locked(pool) + pool->starting == 0 && !pool->closed)
		creel__pool_set_gates_locked(pool, CREEL__GATE_OPEN);
	w->blocked = false;
	pool->blocked--;
	bool many = creel__pool_serving_locked(pool) > pool->max_workers;
	if (many)
		creel__pool_call_in_locked(pool);
	creel__pool_update_need_locked(pool);
	creel__lock_release(&pool->lock);
	if (many)
		creel__pool_pass_on(pool);
}

const struct creel__blocking creel__pool_blocking = {.begin = begin, .end = end};
