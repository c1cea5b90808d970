/* SPDX-License-Identifier: MIT */
/*
 * A mutex of one 32-bit word, and a condition to wait for under one.
 *
 * ALGORITHM  Ulrich Drepper, "Futexes Are Tricky" (2011), third mutex: 0 free, 1 held, 2 held and
 *            somebody may sleep. The holder of a lock never blocks on anything but a lock of a
 *            higher rank, so a contender looks a few times before it sleeps.
 * FORK       A child of a fork must not touch a lock of its parent's.
 */
#ifndef CREEL__SYNC_LOCK_H
#define CREEL__SYNC_LOCK_H

#include "sync/park.h"

struct creel__lock {
	_Atomic(uint32_t) word;
};

/* The condition's state is guarded by the lock that goes with it. */
struct creel__cond {
	_Atomic(uint32_t) round; /* counts the broadcasts; parked on */
	uint32_t sleepers;       /* guarded by the lock */
};

void creel__lock_acquire_slow(struct creel__lock *lock);

static inline void creel__lock_acquire(struct creel__lock *lock)
{
	uint32_t free = 0;
	/* [LOCK-1] acquire: sees the last holder's writes; pairs with the release in
	 * creel__lock_release() */
	if (!creel__cas(&lock->word, &free, 1, acquire, relaxed))
		creel__lock_acquire_slow(lock);
}

static inline void creel__lock_release(struct creel__lock *lock)
{
	/* [LOCK-1] release: publishes to the next holder; pairs with the acquires in
	 * creel__lock_acquire() and its slow path */
	if (creel__xchg(&lock->word, 0, release) == 2)
		creel__unpark_one(&lock->word);
}

/* Takes the lock unless somebody holds it for some milliseconds: then false. */
bool creel__lock_try(struct creel__lock *lock);

/* Gives up the lock, sleeps as by creel__park() until a broadcast or the deadline, takes the lock
 * again. Returns 0 (look at the condition again), -ETIMEDOUT, or -EAGAIN. No other lock is held. */
int creel__cond_wait(struct creel__cond *cond, struct creel__lock *lock, creel_deadline deadline);

/* The same, for a condition that others change without the lock and then call creel__cond_wake():
 * round was read before the condition was looked at. */
int creel__cond_wait_since(struct creel__cond *cond, struct creel__lock *lock, uint32_t round,
			   creel_deadline deadline);

/* Without a deadline, for a moment only: as by creel__park_briefly(). */
void creel__cond_wait_briefly(struct creel__cond *cond, struct creel__lock *lock);

/* The round: what happened before it changed is visible to whoever sees it changed. */
uint32_t creel__cond_round(struct creel__cond *cond);

/* Wakes one who waits. The lock need not be held, and on futexes a signal handler may do it. */
void creel__cond_wake(struct creel__cond *cond);

/* Wakes everybody who waits. The lock is held. */
void creel__cond_broadcast_locked(struct creel__cond *cond);

#endif
