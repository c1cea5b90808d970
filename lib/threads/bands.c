/* SPDX-License-Identifier: MIT */
/*
 * Bands in the thread pool: which list a task goes to, and which list is served. The order is that
 * of exec/bands.h, the first use of bands is explained in threads/pool.h.
 *
 * A worker looks at all stamps without a lock and then claims from the list that it chose: what
 * comes, or is claimed by others, in between may make that the second best. One worker alone
 * serves them exactly.
 */
#include "base/clock.h"
#include "sync/local.h"
#include "threads/pool.h"

_Static_assert(CREEL__SHARDS_ALL <= 32, "a bit for each list");

/* Each outside thread has its shard, so that its tasks stay in order. */
static unsigned own_shard(const struct creel__pool *pool)
{
	if (pool->shards == 1)
		return 0;
	uint64_t thread = (uint64_t)(uintptr_t)creel__self() >> 6;
	return (thread * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (pool->shards - 1);
}

struct creel__shard *creel__pool_list_of(struct creel__pool *pool, int band)
{
	if (!band)
		return &pool->shard[own_shard(pool)];
	int i = band - CREEL__BAND_LEAST - (band > 0);
	return &pool->shard[pool->shards + (unsigned)i];
}

static int band_of(const struct creel__pool *pool, unsigned list)
{
	if (list < pool->shards)
		return 0;
	int i = (int)(list - pool->shards), band = i + CREEL__BAND_LEAST;
	return band + (band >= 0);
}

void creel__pool_use_bands_locked(struct creel__pool *pool)
{
	unsigned all = pool->shards + CREEL__BAND_LISTS;
	if (creel__load(&pool->lists, relaxed) == all)
		return;
	int64_t now = creel__now();
	creel__store(&pool->lists, all, relaxed);
	creel__pool_call_in_locked(pool);
	for (unsigned i = 0; i < all; i++)
		creel__shard_use_stamps(&pool->shard[i], now);
	for (unsigned i = pool->shards; i < all; i++)
		creel__shard_copy_gate(&pool->shard[i], &pool->shard[0]);
}

/* The best of the lists in the set, of those first that do not look empty; CREEL__SHARDS_ALL if all
 * do, and sure is false. */
static unsigned best_of(struct creel__pool *pool, uint32_t set, bool sure)
{
	unsigned best = CREEL__SHARDS_ALL, empty = CREEL__SHARDS_ALL;
	struct creel__head first = {0, 0};
	for (unsigned i = 0; i < CREEL__SHARDS_ALL; i++) {
		struct creel__shard *shard = &pool->shard[i];
		if (!(set >> i & 1))
			continue;
		if (creel__shard_looks_empty(shard)) {
			empty = i;
			continue;
		}
		struct creel__head head = creel__head_of(
			band_of(pool, i), creel__load(&shard->stamp, relaxed), pool->ageing_ns);
		if (best != CREEL__SHARDS_ALL && !creel__head_goes_first(head, first))
			continue;
		best = i;
		first = head;
	}
	return best == CREEL__SHARDS_ALL && sure ? empty : best;
}

static creel_task *claim_one(struct creel__pool_worker *w, struct creel__shard *shard)
{
	creel_task *task;
	while (creel__shard_claim(shard, &w->batch, CREEL__SHARES_NONE, w->attended, &task) ==
	       CREEL__CLAIMED_REVIEW)
		creel__pool_review(w->pool, shard);
	return task;
}

creel_task *creel__pool_find_by_band(struct creel__pool_worker *w, bool sure)
{
	struct creel__pool *pool = w->pool;
	uint32_t set = (UINT32_C(1) << creel__load(&pool->lists, relaxed)) - 1;
	while (set) {
		unsigned i = best_of(pool, set, sure);
		if (i == CREEL__SHARDS_ALL)
			break;
		creel_task *task = claim_one(w, &pool->shard[i]);
		if (task)
			return task;
		set &= ~(UINT32_C(1) << i);
	}
	return sure ? creel__pool_steal(w) : NULL;
}
