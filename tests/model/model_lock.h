/* SPDX-License-Identifier: MIT */
/*
 * The lock as the model has it: a primitive that blocks. Included before everything else, it stands
 * in the place of sync/lock.h. Taking a lock is a point; releasing one needs none, because whatever
 * another thread could do right before the release it can do right after it. That leaves less than
 * half of the points of the real lock, and so a quarter of the schedules at two preemptions. The
 * harness `lock` is built with the real one and shows that it is what is assumed here; conditions
 * are the real ones everywhere.
 */
#ifndef CREEL__SYNC_LOCK_H
#define CREEL__SYNC_LOCK_H

#include "sync/park.h"

struct creel__lock {
	_Atomic(uint32_t) word; /* who holds it, plus one; 0: nobody */
};

struct creel__cond {
	_Atomic(uint32_t) round;
	uint32_t sleepers;
};

void model_lock_acquire(struct creel__lock *lock);
void model_lock_release(struct creel__lock *lock);
#define creel__lock_acquire(lock) model_lock_acquire(lock)
#define creel__lock_release(lock) model_lock_release(lock)
#define creel__lock_try(lock) (model_lock_acquire(lock), true)

/* Defined by lock.c, and not called. */
void creel__lock_acquire_slow(struct creel__lock *lock);

int creel__cond_wait(struct creel__cond *cond, struct creel__lock *lock, creel_deadline deadline);
int creel__cond_wait_since(struct creel__cond *cond, struct creel__lock *lock, uint32_t round,
			   creel_deadline deadline);
void creel__cond_wait_briefly(struct creel__cond *cond, struct creel__lock *lock);
uint32_t creel__cond_round(struct creel__cond *cond);
void creel__cond_wake(struct creel__cond *cond);
void creel__cond_broadcast_locked(struct creel__cond *cond);

#endif
