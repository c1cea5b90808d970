/* SPDX-License-Identifier: MIT */
/* Pausing and resuming: PAUSE in threads/pool.h. */
#include "threads/pool.h"
#include <errno.h>

static void set_paused_locked(struct creel__pool *pool, bool paused)
{
	creel__store(&pool->base.paused, paused, relaxed);
	if (paused)
		creel__pool_call_in_locked(pool);
	creel__pool_update_need_locked(pool);
	/* The last worker could not retire while tasks waited. If they were all cancelled, nobody
	 * wakes it: its idle time begins anew. */
	if (!paused && !creel__list_is_empty(&pool->idle) && !creel__pool_has_work_locked(pool))
		creel__pool_kick_locked(
			pool, creel__of(pool->idle.next, struct creel__pool_worker, idle));
}

int creel__pool_pause(creel_executor *ex, bool paused)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	int rc = 0;
	creel__lock_acquire(&pool->lock);
	if (pool->broken)
		rc = CREEL_EFAILED;
	else if (pool->closed)
		rc = -ESHUTDOWN;
	else if (creel__load(&ex->paused, relaxed) != paused)
		set_paused_locked(pool, paused);
	creel__lock_release(&pool->lock);
	if (rc == 0 && !paused)
		creel__pool_pass_on(pool);
	return rc;
}
