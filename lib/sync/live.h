/* SPDX-License-Identifier: MIT */
/* How many objects the process has, for creel_stats. A forked child starts with its parent's. */
#ifndef CREEL__SYNC_LIVE_H
#define CREEL__SYNC_LIVE_H

#include "sync/atomic.h"

enum creel__live {
	CREEL__LIVE_FUTURES, /* only where each is a piece of heap of its own */
	CREEL__LIVE_QUEUES,
	CREEL__LIVE_EXECUTORS,
	CREEL__LIVES
};

#ifdef CREEL_MODEL /* not a place more to be interrupted at */
#define creel__live_add(what, n) ((void)(what), (void)(n))
#define creel__live_get(what) ((void)(what), UINT64_C(0))
#else
extern _Atomic(uint64_t) creel__live_count[CREEL__LIVES];

/* Relaxed: a count orders nothing. */
static inline void creel__live_add(enum creel__live what, int n)
{
	creel__add(&creel__live_count[what], (uint64_t)(int64_t)n, relaxed);
}

static inline uint64_t creel__live_get(enum creel__live what)
{
	return creel__load(&creel__live_count[what], relaxed);
}
#endif

#endif
