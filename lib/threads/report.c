/* SPDX-License-Identifier: MIT */
/* What a report sees of a thread pool. */
#include "exec/look.h"
#include "threads/pool.h"

/* The first that waits in the shard, if it was submitted before *oldest. */
static void look_at_shard(struct creel__shard *shard, struct creel__seen *oldest)
{
	struct creel__seen seen = {0};
	if (!creel__lock_try(&shard->out_lock))
		return;
	creel_future *f = creel__load(&shard->out_first, relaxed);
	if (f)
		creel__look_at_task(f, &seen);
	if (!f && creel__lock_try(&shard->in_lock)) {
		f = creel__load(&shard->in_first, relaxed);
		if (f)
			creel__look_at_task(f, &seen);
		creel__lock_release(&shard->in_lock);
	}
	creel__lock_release(&shard->out_lock);
	if (seen.since && (!oldest->task || seen.since < oldest->since))
		*oldest = seen;
}

enum creel__looked creel__pool_overview(creel_executor *ex, struct creel__overview *ret_overview)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	struct creel__overview *o = ret_overview;
	if (!creel__lock_try(&pool->lock))
		return CREEL__LOOKED_IN_VAIN;
	creel__pool_stats_locked(pool, &o->stats);
	o->name = pool->name;
	o->max_workers = pool->max_workers;
	o->closed = pool->closed;
	for (unsigned i = 0; i < creel__load(&pool->lists, relaxed); i++)
		look_at_shard(&pool->shard[i], &o->oldest);
	creel__lock_release(&pool->lock);
	return CREEL__LOOKED;
}

/* What it does, as far as the pool knows; under the lock it stays in the roster. */
static void look_at_locked(struct creel__pool_worker *w, struct creel__worker_look *look)
{
	uint64_t ended = creel__load(&w->base.ended, relaxed);
	uint64_t begun = creel__load(&w->base.begun, relaxed);
	look->number = w->base.index;
	look->changing = !creel__sight_look(&w->base.sight, &look->seen);
	if (w->is_idle)
		look->state = "is idle";
	else if (w->resigned)
		look->state = "leaves";
	else if (begun == ended)
		look->state = "runs no task: it starts, looks for one, or runs a stolen job";
	creel__look_at_waits(&w->base, look);
	/* It has ended that since it was looked at. (Nobody watches posted jobs, and what hooks
	 * submit: those it runs without showing them.) */
	if (begun == ended && look->seen.task)
		look->changing = true;
}

enum creel__looked creel__pool_look(creel_executor *ex, unsigned from,
				    struct creel__worker_look *ret_look)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	enum creel__looked looked = CREEL__LOOKED_AT_ALL;
	if (!creel__lock_try(&pool->lock))
		return CREEL__LOOKED_IN_VAIN;
	for (struct creel__list *i = pool->roster.next; i != &pool->roster; i = i->next) {
		struct creel__pool_worker *w = creel__of(i, struct creel__pool_worker, roster);
		if (w->base.index < from)
			continue;
		look_at_locked(w, ret_look);
		looked = CREEL__LOOKED;
		break;
	}
	creel__lock_release(&pool->lock);
	return looked;
}
