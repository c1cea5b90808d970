/* SPDX-License-Identifier: MIT */
/* The slow path of the lock, and conditions. */
#include "sync/lock.h"
#include <errno.h>

#ifdef CREEL_MODEL
#define LOOKS 0
#else
#define LOOKS 60
#endif

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
		creel__park(&lock->word, 2, CREEL_FOREVER);
}

int creel__cond_wait(struct creel__cond *cond, struct creel__lock *lock, creel_deadline deadline)
{
	/* Relaxed throughout: the lock orders everything that the condition is about, and a
	 * broadcast that comes after the release changes the round, so that the park returns. */
	uint32_t round = creel__load(&cond->round, relaxed);
	cond->sleepers++;
	creel__lock_release(lock);
	int rc = creel__park(&cond->round, round, deadline);
	creel__lock_acquire(lock);
	cond->sleepers--;
	return rc;
}

void creel__cond_broadcast_locked(struct creel__cond *cond)
{
	if (cond->sleepers == 0)
		return;
	creel__bump(&cond->round, 1);
	creel__unpark_all(&cond->round);
}
