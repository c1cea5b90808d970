/* SPDX-License-Identifier: MIT */
/*
 * The two sorts of queues of a thread pool: shards of the injector, and each worker's own batch.
 */
#ifndef CREEL__THREADS_QUEUES_H
#define CREEL__THREADS_QUEUES_H

#include "core/block.h"
#include "sync/lock.h"
#include <creel/executor.h>

enum {
	CREEL__BATCH = 32, /* a power of two */
};

/* Whether a shard takes tasks. */
enum creel__gate {
	CREEL__GATE_NO_WORKERS, /* somebody must start one first */
	CREEL__GATE_OPEN, /* at least one worker is alive, and stays until the queues are empty */
	CREEL__GATE_CLOSED,
	CREEL__GATE_BROKEN,
};

/*
 * A first-in-first-out list of tasks. ALGORITHM  Two lists with a lock each, as in Michael and
 * Scott's two-lock queue (PODC 1996), but the consumers take over the producers' list whole: a
 * producer never waits for a consumer that walks the list and misses its cache on every task.
 */
struct creel__shard {
	alignas(64) struct creel__lock in_lock; /* rank 60: these */
	enum creel__gate gate;
	creel_future *in_first, *in_last;
	size_t in_count;
	_Atomic(uint64_t) submitted;             /* written under in_lock */
	alignas(64) struct creel__lock out_lock; /* rank 50: these, and the filling of a batch */
	creel_future *out_first;
	size_t out_count;
};

/*
 * What a worker claimed and has not started. The owner takes from it, others may steal one at a
 * time: every removal is one compare-and-swap of `ends`; only the owner fills it, and only when it
 * is empty. Both ends only grow, so that a stale compare-and-swap fails.
 */
struct creel__batch {
	alignas(64) _Atomic(uint64_t) ends; /* low half: first; high half: behind the last */
	_Atomic(creel_task *) slots[CREEL__BATCH];
};

/* 0 if the gate is open and the task was appended; else the gate. */
enum creel__gate creel__shard_push(struct creel__shard *shard, creel_task *task);

/* Takes the first task for the caller and, in its batch, a share of 1/(2 * sharers) of what is
 * there. NULL if there is none. *ret_batched: whether the batch was filled. */
creel_task *creel__shard_claim(struct creel__shard *shard, struct creel__batch *batch,
			       unsigned sharers, bool *ret_batched);

bool creel__shard_is_empty(struct creel__shard *shard);
void creel__shard_set_gate(struct creel__shard *shard, enum creel__gate gate);

/* Turns OPEN into NO_WORKERS; false, and nothing, if there is a task in it. */
bool creel__shard_try_vacate(struct creel__shard *shard);

/* Puts a list of tasks in front, whatever the gate: they had been accepted before. */
void creel__shard_put_back(struct creel__shard *shard, creel_future *list);

/* Everything that is queued, as a list through next. */
creel_future *creel__shard_take_all(struct creel__shard *shard);

/* The first task of a batch, for its owner or a thief. */
creel_task *creel__batch_take(struct creel__batch *batch);
bool creel__batch_is_empty(struct creel__batch *batch);

#endif
