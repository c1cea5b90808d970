/* SPDX-License-Identifier: MIT */
/* References to futures, and the destructors of what they carry. */
#ifndef CREEL__FUTURE_RELEASE_H
#define CREEL__FUTURE_RELEASE_H

#include "future/block.h"

/* The task is about to end. Stops its timers, leaves its token, tells who watches it, runs the
 * argument's destructor, if it has one, and frees a copied argument. False if the calling thread is
 * in another destructor: then the last two happen after that, and if LATE_END is set by then
 * class->ended() is called. */
bool creel__argument_drop(creel_future *f);

/* Drops a reference of the library's and in the same step clears flags, all of
 * which are set. */
void creel__future_drop(creel_future *f, uint64_t flags);

/* The listeners were told, and there is no callback. Drops the teller's reference
 * and clears TELLING: in one step where a user has the future, so that it can take the result. */
void creel__future_told(creel_future *f);

/* The end of a final future, by its sole holder but for the library. */
void creel__future_finish(creel_future *f);

/* How many of the references in a state word the library alone holds. */
static inline unsigned creel__future_of_library(uint64_t s)
{
	return !!(s & CREEL__QUEUED) + ((s & (CREEL__TELLING | CREEL__CALLING)) == CREEL__TELLING);
}

/* Whether a future with this state word, to which the caller holds a reference, has no other one
 * besides the library's. */
static inline bool creel__future_is_sole(uint64_t s)
{
	return s / CREEL__REF == 1 + creel__future_of_library(s);
}

/* Drops the executor's reference to a task that did not end by it. */
void creel__future_drop_queued(creel_future *f);

#endif
