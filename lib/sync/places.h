/* SPDX-License-Identifier: MIT */
/*
 * Places that are taken and given back, a bounded number of them: a fair counting semaphore whose
 * bound can change, and which some may exceed.
 *
 * INVARIANT  While somebody waits, no place is free. So nobody overtakes who waits: whoever gives a
 *            place back, or raises the bound, hands it to the first of them (direct handoff, as in
 *            FIFO semaphores). The place is his from that moment, under the lock. So a waiter whose
 *            deadline passes has no wake-up that it would have to pass on: it has the place, or
 *            leaves the list.
 * LOCKS      lock (rank 70, the innermost): everything. Waiters are woken under it: a waiter takes
 *            it again before it returns, so its node on the stack is there until then.
 */
#ifndef CREEL__SYNC_PLACES_H
#define CREEL__SYNC_PLACES_H

#include "base/list.h"
#include "sync/lock.h"
#include <creel/base.h>

struct creel__places {
	struct creel__lock lock;
	size_t most, taken; /* taken may exceed most */
	size_t waiting;
	struct creel__list waiters; /* the first is the next to get one */
};

/* The bound that none reaches. */
#define CREEL__PLACES_ANY SIZE_MAX

void creel__places_init(struct creel__places *p, size_t most);

/* Takes up to n that are free; returns how many. */
size_t creel__places_try(struct creel__places *p, size_t n);

/* Waits for one until the deadline; whether it got it. */
bool creel__places_wait(struct creel__places *p, creel_deadline deadline);

/* Takes one, free or not. */
void creel__places_exceed(struct creel__places *p);

/* Gives n back: wakes as many who wait. */
void creel__places_give(struct creel__places *p, size_t n);

/* Changes the bound. With CREEL__PLACES_ANY, all who wait get one. */
void creel__places_set(struct creel__places *p, size_t most);

struct creel__places_count {
	size_t most, taken, waiting;
};
struct creel__places_count creel__places_count(struct creel__places *p);
/* The same; false if somebody has the lock for longer than a moment. */
bool creel__places_look(struct creel__places *p, struct creel__places_count *ret_count);

#endif
