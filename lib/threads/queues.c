/* SPDX-License-Identifier: MIT */
/*
 * Shards and batches; see threads/queues.h.
 *
 * WHY NO FENCE  A worker that is about to sleep says so under the pool's lock and then looks into
 * every queue once more; who adds work looks afterwards whether anybody sleeps. Either the
 * sleeper's look comes later and finds the work, or the other's look comes later and finds the
 * sleeper. For shards the order is that of in_lock; for batches that of out_lock, because batches
 * are filled under it and the sleeper looks into the shards before it looks into the batches.
 */
#include "threads/queues.h"
#include "core/future.h"

enum creel__gate creel__shard_push(struct creel__shard *shard, creel_task *task)
{
	creel_future *f = &task->future;
	f->next = NULL;
	creel__lock_acquire(&shard->in_lock);
	enum creel__gate gate = shard->gate;
	if (gate == CREEL__GATE_OPEN) {
		if (shard->in_last)
			shard->in_last->next = f;
		else
			shard->in_first = f;
		shard->in_last = f;
		shard->in_count++;
		creel__bump(&shard->submitted, 1);
	}
	creel__lock_release(&shard->in_lock);
	return gate;
}

/* The consumers' list is empty: take over the producers'. out_lock is held. */
static void swap_locked(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->in_lock);
	shard->out_first = shard->in_first;
	shard->out_count = shard->in_count;
	shard->in_first = shard->in_last = NULL;
	shard->in_count = 0;
	creel__lock_release(&shard->in_lock);
}

static creel_task *pop_locked(struct creel__shard *shard)
{
	creel_future *f = shard->out_first;
	if (f) {
		shard->out_first = f->next;
		shard->out_count--;
	}
	return (creel_task *)f;
}

/* The batch is empty, and nobody but its owner, the caller, can fill it. */
static void fill_locked(struct creel__shard *shard, struct creel__batch *batch, size_t n)
{
	uint64_t ends = creel__load(&batch->ends, relaxed);
	uint32_t first = (uint32_t)ends, last = first;
	while (n--)
		creel__store(&batch->slots[last++ % CREEL__BATCH], pop_locked(shard), relaxed);
	/* [BATCH-1] release: a thief sees the slots; pairs with the acquire in
	 * creel__batch_take() */
	creel__store(&batch->ends, (uint64_t)last << 32 | first, release);
}

creel_task *creel__shard_claim(struct creel__shard *shard, struct creel__batch *batch,
			       unsigned sharers, bool *ret_batched)
{
	creel__lock_acquire(&shard->out_lock);
	if (!shard->out_first)
		swap_locked(shard);
	size_t share = shard->out_count / (2 * (size_t)sharers);
	creel_task *task = pop_locked(shard);
	size_t n = share > CREEL__BATCH ? CREEL__BATCH : share;
	*ret_batched = task && n > 1;
	if (*ret_batched)
		fill_locked(shard, batch, n - 1);
	creel__lock_release(&shard->out_lock);
	return task;
}

bool creel__shard_is_empty(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->out_lock);
	bool empty = !shard->out_first;
	if (empty) {
		creel__lock_acquire(&shard->in_lock);
		empty = !shard->in_first;
		creel__lock_release(&shard->in_lock);
	}
	creel__lock_release(&shard->out_lock);
	return empty;
}

void creel__shard_set_gate(struct creel__shard *shard, enum creel__gate gate)
{
	creel__lock_acquire(&shard->in_lock);
	shard->gate = gate;
	creel__lock_release(&shard->in_lock);
}

bool creel__shard_try_vacate(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->out_lock);
	creel__lock_acquire(&shard->in_lock);
	bool empty = !shard->out_first && !shard->in_first;
	if (empty && shard->gate == CREEL__GATE_OPEN)
		shard->gate = CREEL__GATE_NO_WORKERS;
	creel__lock_release(&shard->in_lock);
	creel__lock_release(&shard->out_lock);
	return empty;
}

void creel__shard_put_back(struct creel__shard *shard, creel_future *list)
{
	creel_future *last = list;
	size_t n = 1;
	for (; last->next; n++)
		last = last->next;
	creel__lock_acquire(&shard->out_lock);
	last->next = shard->out_first;
	shard->out_first = list;
	shard->out_count += n;
	creel__lock_release(&shard->out_lock);
}

creel_future *creel__shard_take_all(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->out_lock);
	creel_future *first = shard->out_first;
	creel_future **end = &first;
	while (*end)
		end = &(*end)->next;
	swap_locked(shard);
	*end = shard->out_first;
	shard->out_first = NULL;
	shard->out_count = 0;
	creel__lock_release(&shard->out_lock);
	return first;
}

creel_task *creel__batch_take(struct creel__batch *batch)
{
	/* [BATCH-1] acquire: sees the slots that were filled before; pairs with the release in
	 * fill_locked() */
	uint64_t ends = creel__load(&batch->ends, acquire);
	while ((uint32_t)ends != (uint32_t)(ends >> 32)) {
		uint32_t first = (uint32_t)ends;
		creel_task *task = creel__load(&batch->slots[first % CREEL__BATCH], relaxed);
		uint64_t next = (ends & ~(uint64_t)UINT32_MAX) | (uint32_t)(first + 1);
		/* [BATCH-1] acquire: as above, when it fails and is tried again. Success orders
		 * nothing by itself: if the slot had been refilled, ends would have changed. */
		if (creel__cas(&batch->ends, &ends, next, acquire, acquire))
			return task;
	}
	return NULL;
}

bool creel__batch_is_empty(struct creel__batch *batch)
{
	uint64_t ends = creel__load(&batch->ends, relaxed);
	return (uint32_t)ends == (uint32_t)(ends >> 32);
}
