/* SPDX-License-Identifier: MIT */
/*
 * The deque of forked jobs that each worker of a thread pool has. ALGORITHM  Chase and Lev,
 * "Dynamic circular work-stealing deque" (SPAA 2005), on a fixed ring, with the memory orders of
 * Le, Pop, Cohen and Zappa Nardelli, "Correct and efficient work-stealing for weak memory models"
 * (PPoPP 2013). Their fences are ordered operations here: the thread sanitizer does not understand
 * fences. The owner's half stands in exec/job.c, the thieves' in exec/deque.c.
 *
 * The owner pushes and takes at the bottom, thieves steal at the top. Both ends are counters that
 * only grow, but for the owner's step back while it takes; so a compare-and-swap of top never
 * mistakes one round of the ring for another. For the last job owner and thief compete by that
 * compare-and-swap. Who gets a job from here is the only one.
 *
 * A deque is never freed before its pool: thieves need no lock to look into one. When its worker
 * has left, the next one gets it.
 */
#ifndef CREEL__EXEC_DEQUE_H
#define CREEL__EXEC_DEQUE_H

#include "sync/atomic.h"
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

enum {
#ifdef CREEL_MODEL
	CREEL__RING = 2, /* a power of two */
#else
	CREEL__RING = 1024,
#endif
};

struct creel__job;

struct creel__deque {
	alignas(64) _Atomic(uint64_t) top;    /* the oldest job: moved by thieves */
	alignas(64) _Atomic(uint64_t) bottom; /* behind the youngest: moved by the owner */
	uint64_t limit; /* the owner's: bottom may grow up to here; 0: not in use yet */
	/* Guarded by the pool's lock. */
	bool owned;
	struct creel__deque *next_owned;          /* of all; set before it is in the list */
	_Atomic(struct creel__deque *) next_used; /* likewise, of those in use */
	_Atomic(struct creel__job *) ring[CREEL__RING];
};

/* Anybody's: whether there is no job. */
bool creel__deque_is_empty(struct creel__deque *d);

/* Anybody's but the owner's: the oldest job. NULL if there is none, or another one was faster. */
struct creel__job *creel__deque_steal(struct creel__deque *d);

#endif
