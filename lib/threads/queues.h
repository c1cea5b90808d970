/* SPDX-License-Identifier: MIT */
/*
 * The two sorts of queues of a thread pool: shards of the injector, and each worker's own batch.
 */
#ifndef CREEL__THREADS_QUEUES_H
#define CREEL__THREADS_QUEUES_H

#include "future/block.h"
#include "sync/lock.h"
#include <creel/executor.h>
#include <limits.h>

enum {
#ifdef CREEL_MODEL
	CREEL__BATCH = 4, /* a power of two */
	CREEL__OVERTAKING = 8,
#else
	CREEL__BATCH = 16,
	CREEL__OVERTAKING = 64, /* by so many times the number of workers */
#endif
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
	_Atomic(creel_future *) in_first; /* read by glances as well */
	creel_future *in_last;
	size_t in_count;
	uint64_t lent_out;                       /* tasks that waiters outside have begun */
	bool stamps;                             /* bands are used */
	_Atomic(uint64_t) submitted;             /* written under in_lock */
	alignas(64) struct creel__lock out_lock; /* rank 50: these, and the filling of a batch */
	uint32_t epoch;                          /* of the last call-in: threads/pool.h */
	_Atomic(bool) lent; /* some batch may still hold tasks of this shard; read by glances */
	_Atomic(creel_future *) out_first; /* likewise */
	size_t out_count;
	size_t returned; /* of these, the first came back from batches */
	uint64_t handed; /* tasks that were handed out for the first time: the next one's number */
	uint64_t review_at; /* when so many were handed out, somebody looks after the batches */
	/* When the first task became the first; 0: bands are not used. Written under out_lock, or,
	 * where the producers' list was empty and the other one looks so, under in_lock. */
	_Atomic(int64_t) stamp;
};

/*
 * What a worker claimed and has not started. The owner takes from it one at a time, others steal
 * one, or take all back into the shard: every removal is one compare-and-swap of `ends`. Only the
 * owner fills it, under its shard's out_lock, and only when it is empty. Both ends only grow, so
 * that a stale compare-and-swap fails; what was read of the other members before one that succeeds
 * belonged to the tasks that it removed.
 */
struct creel__batch {
	alignas(64) _Atomic(uint64_t) ends; /* low half: first; high half: behind the last */
	_Atomic(struct creel__shard *) from;
	_Atomic(uint64_t) number; /* of its first task, as counted by shard->handed */
	_Atomic(creel_task *) slots[CREEL__BATCH];
	/* While batches are put back: threads/share.c, under the pool's lock. */
	struct creel__batch *below;
	uint64_t place;
};

/* For sharers: no batch is claimed. */
#define CREEL__SHARES_NONE (UINT_MAX / 4)

enum creel__claimed {
	CREEL__CLAIMED_NONE,
	CREEL__CLAIMED_TASK,
	CREEL__CLAIMED_BATCH,  /* the task, and more in the batch */
	CREEL__CLAIMED_REVIEW, /* nothing yet: review the shard's batches, then try again */
};

/* Appends a list of n tasks through next if the gate is open. Returns the gate. */
enum creel__gate creel__shard_push_list(struct creel__shard *shard, creel_future *first,
					creel_future *last, size_t n);

/* Appends one whatever the gate. */
void creel__shard_push_past(struct creel__shard *shard, creel_task *task);

static inline enum creel__gate creel__shard_push(struct creel__shard *shard, creel_task *task)
{
	return creel__shard_push_list(shard, &task->future, &task->future, 1);
}

/* A waiter outside begins the task, which it holds: counts that. True if the task stood in front of
 * the producers' list: it is out of the queue, and the executor's reference is the caller's. */
bool creel__shard_lend(struct creel__shard *shard, creel_task *task);

/* Unless the gate is closed, counts a task that never stands in the list as accepted and lent.
 * Returns the gate. */
enum creel__gate creel__shard_adopt(struct creel__shard *shard);

/* Takes the first task for the caller and, in its empty batch, a share of 1/(2 * sharers) of what
 * is there. epoch is the last call-in that the caller has followed: after a later one it gets
 * nothing. */
enum creel__claimed creel__shard_claim(struct creel__shard *shard, struct creel__batch *batch,
				       unsigned sharers, uint32_t epoch, creel_task **ret_task);

bool creel__shard_is_empty(struct creel__shard *shard);

/* How many entries its list has. */
size_t creel__shard_length(struct creel__shard *shard);

/* Takes those out of the list that have been cancelled, or run, elsewhere. Returns them, a list
 * through next, with the executor's references. Producers are not held up. */
creel_future *creel__shard_sweep(struct creel__shard *shard);

/* A glance, without the locks: true if nothing was to be claimed, in no batch either. What comes
 * meanwhile it may miss. */
static inline bool creel__shard_looks_empty(struct creel__shard *shard)
{
	return !creel__load(&shard->in_first, relaxed) &&
	       !creel__load(&shard->out_first, relaxed) && !creel__load(&shard->lent, relaxed);
}

void creel__shard_set_gate(struct creel__shard *shard, enum creel__gate gate);

/* Gives the shard the gate that another one has. */
void creel__shard_copy_gate(struct creel__shard *shard, struct creel__shard *from);

/* From now on the shard notes when it gets another first task. */
void creel__shard_use_stamps(struct creel__shard *shard, int64_t now);

/* Turns OPEN into NO_WORKERS; false, and nothing, if there is a task in it. */
bool creel__shard_try_vacate(struct creel__shard *shard);

/* Puts what is in the batch back in front, if it is of this shard, whatever the gate: these tasks
 * had been accepted before. out_lock is held. */
void creel__shard_take_back_locked(struct creel__shard *shard, struct creel__batch *batch);

/* Whether the batch holds tasks of this shard, and the number of the first that was put into it.
 * out_lock is held: no more of this shard's come into it. */
bool creel__batch_is_of_locked(struct creel__batch *batch, const struct creel__shard *shard,
			       uint64_t *ret_number);

/* How many tasks are handed out from one review to the next, and how old a batch may be then. */
uint64_t creel__review_period(unsigned sharers);
uint64_t creel__review_age(unsigned sharers);

/* Everything that is queued, as two lists through next, one behind the other. Takes the same time
 * whatever their length. */
void creel__shard_take_all(struct creel__shard *shard, creel_future **ret_first,
			   creel_future **ret_second);

/* The first task of a batch, for its owner or a thief. */
creel_task *creel__batch_take(struct creel__batch *batch);
bool creel__batch_is_empty(struct creel__batch *batch);

#endif
