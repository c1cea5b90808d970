/* SPDX-License-Identifier: MIT */
/* How long to wait before the next attempt: exponential backoff with jitter. No clock and no
 * lock. */
#ifndef CREEL__COMPOSE_BACKOFF_H
#define CREEL__COMPOSE_BACKOFF_H

#include "sync/atomic.h"
#include <stdint.h>

struct creel__backoff {
	int64_t base_ns, max_ns;
	double factor, jitter;
	_Atomic(uint64_t) chance; /* the state of a generator */
};

/* The longest delay after that one; after 0, the first. */
int64_t creel__backoff_longest(const struct creel__backoff *backoff, int64_t last);

/* A delay, of which this is the longest: at least 1 ns. Any thread. */
int64_t creel__backoff_delay(struct creel__backoff *backoff, int64_t longest);

#endif
