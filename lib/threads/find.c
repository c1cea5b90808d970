/* SPDX-License-Identifier: MIT */
/* Where a worker looks for its next task or job, and in which order: JOBS in threads/pool.h. */
#include "sync/block.h"
#include "threads/pool.h"

enum {
	TASKS_FIRST = 61, /* of so many looks, one finds tasks before jobs */
};

/* What a look for a task returns where it has found a job: that is w->job. */
static creel_task job_found;

/* A task from the shards, each first in turn, or from another worker's batch. */
static creel_task *find_task(struct creel__pool_worker *w, enum creel__look look)
{
	struct creel__pool *pool = w->pool;
	if (creel__load(&pool->lists, relaxed) != pool->shards)
		return creel__pool_find_by_band(w, look == CREEL__SURE);
	unsigned start = w->next_shard++;
	unsigned sharers = creel__load(&pool->sharers, relaxed);
	bool steal = look == CREEL__SURE;
	for (unsigned i = 0; i < pool->shards; i++) {
		struct creel__shard *shard = &pool->shard[(start + i) & (pool->shards - 1)];
		creel_task *task;
		enum creel__claimed claimed;
		if (look == CREEL__GLANCE && creel__shard_looks_empty(shard))
			continue;
		steal = true;
		while ((claimed = creel__shard_claim(shard, &w->batch, sharers, w->attended,
						     &task)) == CREEL__CLAIMED_REVIEW)
			creel__pool_review(pool, shard);
		/* What is now in the batch was in sight of no sleeper while it moved. */
		if (claimed == CREEL__CLAIMED_BATCH)
			creel__pool_nudge(pool);
		if (task)
			return task;
	}
	return steal ? creel__pool_steal(w) : NULL;
}

/* A job or a task: see JOBS in threads/pool.h. */
creel_task *creel__pool_find(struct creel__pool_worker *w, enum creel__look look)
{
	if (!creel__pool_may_have_jobs(w->pool))
		return find_task(w, look);
	bool tasks_first = w->turns++ % TASKS_FIRST == 0;
	if (!tasks_first && creel__pool_find_job(w))
		return &job_found;
	creel_task *task = find_task(w, look);
	if (!task && tasks_first && creel__pool_find_job(w))
		return &job_found;
	return task;
}

void creel__pool_run_found(struct creel__pool_worker *w, creel_task *task)
{
	if (task != &job_found) {
		creel__task_dispatch(&w->base, task);
		return;
	}
	if (w->posted)
		creel__job_run_posted(&w->base, w->job);
	else
		creel__job_run_stolen(&w->base, w->job);
	creel__blocking_restore(0);
}
