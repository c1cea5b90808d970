/* SPDX-License-Identifier: MIT */
/*
 * What workers have claimed and not started: stealing it, and putting it back into its shard.
 *
 * PUTTING BACK  is done for all batches of a shard at once, which keeps the shard's order
 *        (threads/queues.c). It happens when a worker leaves that has a batch, when the pool is
 *        resized, and when a review finds a batch that waits for too long behind a long task.
 *        A review costs a look at each worker's batch every 16 tasks a worker; nothing is written
 *        for it. While tasks move from a batch to a shard, a worker that is about to sleep may see
 *        them in neither. So whoever put them back wakes one afterwards if one is needed.
 */
#include "threads/pool.h"

static struct creel__batch *batch_of(struct creel__list *node)
{
	return &creel__of(node, struct creel__pool_worker, roster)->batch;
}

creel_task *creel__pool_steal(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	creel_task *task = NULL;
	creel__lock_acquire(&pool->lock);
	bool may = creel__load(&pool->attention, relaxed) == w->attended;
	for (struct creel__list *i = w->roster.next; may && !task && i != &w->roster; i = i->next)
		if (i != &pool->roster)
			task = creel__batch_take(batch_of(i));
	creel__lock_release(&pool->lock);
	return task;
}

/* Whether some batch holds tasks of the shard, and the number of the earliest. */
static bool earliest_locked(struct creel__pool *pool, const struct creel__shard *shard,
			    uint64_t *ret_number)
{
	bool found = false;
	uint64_t number;
	for (struct creel__list *i = pool->roster.next; i != &pool->roster; i = i->next) {
		if (!creel__batch_is_of_locked(batch_of(i), shard, &number))
			continue;
		if (!found || number < *ret_number)
			*ret_number = number;
		found = true;
	}
	return found;
}

/* Of two lists of batches that are sorted, the latest first, one. */
static struct creel__batch *merge(struct creel__batch *a, struct creel__batch *b)
{
	struct creel__batch *first, **end = &first;
	while (a && b) {
		struct creel__batch **from = a->place > b->place ? &a : &b;
		*end = *from;
		end = &(*from)->below;
		*from = *end;
	}
	*end = a ? a : b;
	return first;
}

/* The batches that hold tasks of the shard, the latest first. ALGORITHM  A merge sort: runs[i] is
 * empty or has 2^i batches. Pools may have thousands of workers, and all of them want the lock. */
static struct creel__batch *batches_of_locked(struct creel__pool *pool,
					      const struct creel__shard *shard)
{
	struct creel__batch *runs[8 * sizeof(int)] = {NULL}, *all = NULL;
	for (struct creel__list *i = pool->roster.next; i != &pool->roster; i = i->next) {
		struct creel__batch *run = batch_of(i);
		if (!creel__batch_is_of_locked(run, shard, &run->place))
			continue;
		run->below = NULL;
		unsigned k = 0;
		for (; runs[k]; runs[k++] = NULL)
			run = merge(run, runs[k]);
		runs[k] = run;
	}
	for (unsigned k = 0; k < sizeof runs / sizeof runs[0]; k++)
		all = merge(all, runs[k]);
	return all;
}

/* pool->lock and the shard's out_lock are held: the shard's tasks come into no batch. */
static void recall_locked(struct creel__pool *pool, struct creel__shard *shard)
{
	struct creel__batch *batch = batches_of_locked(pool, shard);
	for (; batch; batch = batch->below)
		creel__shard_take_back_locked(shard, batch);
	creel__store(&shard->lent, false, relaxed);
}

void creel__pool_review(struct creel__pool *pool, struct creel__shard *shard)
{
	unsigned sharers = creel__load(&pool->sharers, relaxed);
	bool recalled = false;
	creel__lock_acquire(&pool->lock);
	creel__lock_acquire(&shard->out_lock);
	if (creel__load(&shard->lent, relaxed) && shard->handed >= shard->review_at) {
		uint64_t number = 0;
		bool lent = earliest_locked(pool, shard, &number);
		creel__store(&shard->lent, lent, relaxed);
		shard->review_at = shard->handed + creel__review_period(sharers);
		recalled = lent && shard->handed - number >= creel__review_age(sharers);
		if (recalled)
			recall_locked(pool, shard);
	}
	creel__lock_release(&shard->out_lock);
	creel__lock_release(&pool->lock);
	if (recalled)
		creel__pool_nudge(pool);
}

void creel__pool_call_in_locked(struct creel__pool *pool)
{
	uint32_t epoch = creel__load(&pool->attention, relaxed) + 1;
	creel__store(&pool->attention, epoch, relaxed);
	for (unsigned i = 0; i < creel__load(&pool->lists, relaxed); i++) {
		struct creel__shard *shard = &pool->shard[i];
		creel__lock_acquire(&shard->out_lock);
		recall_locked(pool, shard);
		shard->epoch = epoch;
		creel__lock_release(&shard->out_lock);
	}
}

void creel__pool_give_back_locked(struct creel__pool *pool, struct creel__batch *batch)
{
	if (pool->broken || creel__batch_is_empty(batch))
		return;
	struct creel__shard *shard = creel__load(&batch->from, relaxed);
	creel__lock_acquire(&shard->out_lock);
	recall_locked(pool, shard);
	creel__lock_release(&shard->out_lock);
}

bool creel__pool_has_work_locked(struct creel__pool *pool)
{
	if (creel__pool_may_have_jobs(pool) && creel__pool_has_jobs_locked(pool))
		return true;
	for (unsigned i = 0; i < creel__load(&pool->lists, relaxed); i++)
		if (!creel__shard_is_empty(&pool->shard[i]))
			return true;
	bool found = false;
	for (struct creel__list *i = pool->roster.next; !found && i != &pool->roster; i = i->next)
		found = !creel__batch_is_empty(batch_of(i));
	return found;
}

bool creel__pool_has_work(struct creel__pool *pool)
{
	creel__lock_acquire(&pool->lock);
	bool found = creel__pool_has_work_locked(pool);
	creel__lock_release(&pool->lock);
	return found;
}
