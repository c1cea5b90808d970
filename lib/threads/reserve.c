/* SPDX-License-Identifier: MIT */
/* Tasks that the pool stays for until they are due: RESERVED in threads/pool.h. */
#include "threads/pool.h"
#include <errno.h>

int creel__pool_reserve(creel_executor *ex, int n)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__lock_acquire(&pool->lock);
	int rc = n > 0 && pool->closed ? (pool->broken ? CREEL_EFAILED : -ESHUTDOWN) : 0;
	if (rc == 0)
		pool->reserved += n;
	/* Whoever shuts it down may wait for that alone. */
	creel__cond_broadcast_locked(&pool->changed);
	creel__lock_release(&pool->lock);
	return rc;
}

/* Sees to it that somebody serves, unless what is pending is not to run. 0 or a code. */
static int serve_locked(struct creel__pool *pool)
{
	if (pool->broken)
		return CREEL_EFAILED;
	if (creel__load(&pool->base.cancels, relaxed))
		return -ESHUTDOWN;
	/* The system may refuse one that is being made: whoever makes it says so at once. */
	while (pool->unsure && creel__pool_serving_locked(pool) == 0)
		creel__cond_wait_briefly(&pool->changed, &pool->lock);
	if (creel__pool_serving_locked(pool) + pool->starting > 0)
		return 0;
	int rc = creel__pool_start_first_locked(pool);
	if (rc == 0 && !pool->closed)
		creel__pool_set_gates_locked(pool, CREEL__GATE_OPEN);
	creel__pool_update_need_locked(pool);
	return rc == 0 || rc == -ENOMEM ? rc : -EAGAIN;
}

int creel__pool_submit_reserved(creel_executor *ex, creel_task *task)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	int band = creel__task_band(task);
	creel__lock_acquire(&pool->lock);
	if (band)
		creel__pool_use_bands_locked(pool);
	int rc = serve_locked(pool);
	if (rc == 0) {
		creel__shard_push_past(creel__pool_list_of(pool, band), task);
		pool->reserved--;
	}
	creel__lock_release(&pool->lock);
	if (rc == 0)
		creel__pool_nudge(pool);
	return rc;
}
