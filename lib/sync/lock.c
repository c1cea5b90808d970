/* SPDX-License-Identifier: MIT */
/* The slow path of the lock, and conditions. */
#include "sync/lock.h"
#include <errno.h>
#include <time.h>

#ifdef CREEL_MODEL
#define LOOKS 0
#else
#define LOOKS 60
#endif
#define TRIES (LOOKS + 30)

void creel__lock_acquire_slow(struct creel__lock *lock)
{
	for (int i = 0; i < LOOKS; i++) {
		creel__cpu_relax();
		uint32_t free = 0;
		/* [LOCK-1] acquire: as in creel__lock_acquire() */
		if (creel__load(&lock->word, relaxed) == 0 &&
		    creel__cas(&lock->word, &free, 1, acquire, relaxed))
			return;
	}
	/* [LOCK-1] acquire: as above. From here on the word says that somebody may sleep, so that
	 * whoever releases it wakes one, who in turn must assume that there are more. */
	while (creel__xchg(&lock->word, 2, acquire) != 0)
		creel__park_briefly(&lock->word, 2, CREEL_FOREVER);
}

#ifndef creel__lock_try
bool creel__lock_try(struct creel__lock *lock)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t free = 0;
		/* [LOCK-1] acquire: as in creel__lock_acquire() */
		if (creel__load(&lock->word, relaxed) == 0 &&
		    creel__cas(&lock->word, &free, 1, acquire, relaxed))
			return true;
		if (i < LOOKS)
			creel__cpu_relax();
		else
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return false;
}
#endif

int creel__cond_wait(struct creel__cond *cond, struct creel__lock *lock, creel_deadline deadline)
{
	/* Relaxed: the lock orders everything that the condition is about, and a broadcast that
	 * comes after the release changes the round, so that the park returns. */
	return creel__cond_wait_since(cond, lock, creel__load(&cond->round, relaxed), deadline);
}

int creel__cond_wait_since(struct creel__cond *cond, struct creel__lock *lock, uint32_t round,
			   creel_deadline deadline)
{
	cond->sleepers++;
	creel__lock_release(lock);
	int rc = creel__park(&cond->round, round, deadline);
	creel__lock_acquire(lock);
	cond->sleepers--;
	return rc;
}

void creel__cond_wait_briefly(struct creel__cond *cond, struct creel__lock *lock)
{
	uint32_t round = creel__load(&cond->round, relaxed);
	cond->sleepers++;
	creel__lock_release(lock);
	(void)creel__park_briefly(&cond->round, round, CREEL_FOREVER);
	creel__lock_acquire(lock);
	cond->sleepers--;
}

uint32_t creel__cond_round(struct creel__cond *cond)
{
	/* [COND-1] acquire: whoever finds the round changed finds what it was changed for; pairs
	 * with the release in creel__cond_wake() */
	return creel__load(&cond->round, acquire);
}

void creel__cond_wake(struct creel__cond *cond)
{
	/* [COND-1] release: pairs with the acquire in creel__cond_round() */
	creel__add(&cond->round, 1, release);
	creel__unpark_one(&cond->round);
}

void creel__cond_broadcast_locked(struct creel__cond *cond)
{
	if (cond->sleepers == 0)
		return;
	creel__add(&cond->round, 1, relaxed);
	creel__unpark_all(&cond->round);
}
