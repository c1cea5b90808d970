/* SPDX-License-Identifier: MIT */
/*
 * Blocking: what a worker of a pool tells its pool before and after it sleeps for something that
 * may take as long as it likes, so that another worker can run meanwhile.
 *
 * NOBODY FORGETS  creel__park() and what is built on it (conditions, creel__park_shared()) tell the
 *                 pool themselves, around the sleep. Only whoever waits for a moment, or may not
 *                 do that, calls creel__park_briefly(): a lint has the list of them. A thread
 *                 that is no worker has no creel__local.blocking, and tells nobody.
 * NESTING         The outermost pair counts. A caller that knows better how it waits puts a pair of
 *                 its own around the wait:
 *
 *                     int rc = creel__blocking_begin(CREEL__BLOCKS_THRIFTILY);
 *                     ... creel__park() or creel__cond_wait() ...
 *                     creel__blocking_end();
 *
 * LOCKS           The outermost begin and end take the pool's lock, which has the lowest rank: no
 *                 lock of the library is held there. Conditions give up theirs first.
 */
#ifndef CREEL__SYNC_BLOCK_H
#define CREEL__SYNC_BLOCK_H

#include "sync/local.h"

enum {
	/* The wait goes on although nobody may be left who serves the pool. Without this flag begin
	 * returns -EAGAIN then. For waits with a deadline, and for those that cannot fail. */
	CREEL__BLOCKS_ANYHOW = 1,
	/* The same, and another worker only while the pool has few threads: for those who sleep or
	 * wait for room. */
	CREEL__BLOCKS_THRIFTILY = 2,
};

/* What a pool's workers do at the outermost pair. begin returns 0 or -EAGAIN. */
struct creel__blocking {
	int (*begin)(struct creel__worker *worker, unsigned how);
	void (*end)(struct creel__worker *worker);
};

/* 0, and then creel__blocking_end() must follow. Or -EAGAIN, which cannot be with a flag: no thread
 * can be had that would serve the pool meanwhile. */
int creel__blocking_begin(unsigned how);

/* Nothing if no pair is open. */
void creel__blocking_end(void);

/* Opens or closes pairs until as many are open as were before. */
void creel__blocking_restore(unsigned before);

#endif
