/* SPDX-License-Identifier: MIT */
/*
 * What a worker waits for, for reports.
 *
 * A worker says it before it sleeps and takes it back before the wait returns, each under a lock of
 * its own. So whoever holds that lock, and finds a future there, may look at the future: the waiter
 * cannot return, and what it waits for is the caller's meanwhile. Threads that are no workers say
 * nothing, and a wait that need not sleep says nothing.
 */
#ifndef CREEL__FUTURE_WAITS_H
#define CREEL__FUTURE_WAITS_H

#include "sync/lock.h"

enum creel__waits_for {
	CREEL__WAITS_NOT,
	CREEL__WAITS_FUTURE,
	CREEL__WAITS_FIRST, /* one of several; this is the first of them */
	CREEL__WAITS_QUEUE,
	CREEL__WAITS_ITEM,  /* of a channel */
	CREEL__WAITS_PLACE, /* in a channel */
	CREEL__WAITS_DRAIN, /* an executor, as the next */
	CREEL__WAITS_SHUTDOWN,
	CREEL__WAITS_THREADS, /* of an executor that is being closed, to end */
	CREEL__WAITS_ROOM,    /* in a bounded executor */
	CREEL__WAITS_SLEEP,   /* for its own time to come */
};

struct creel__waits {
	struct creel__lock lock; /* rank 65; nothing is taken under it */
	enum creel__waits_for kind;
	const void *what;
};

/* Of the calling thread, around what may sleep. */
void creel__waits_begin(enum creel__waits_for kind, const void *what);
void creel__waits_end(void);

#endif
