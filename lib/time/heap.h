/* SPDX-License-Identifier: MIT */
/*
 * The timers of a clock, the earliest first.
 *
 * ALGORITHM  A heap in which each node has four children (LaMarca and Ladner, "The Influence of
 *            Caches on the Performance of Heaps", 1996), as in libev. Each entry has a copy of the
 *            timer's time, and four siblings share a cache line, so that a comparison reads no
 *            timer. A timer knows its place: that makes it removable. Equal times are ordered by
 *            the number that each timer gets when it is set.
 * PLACES     The root is at 3, and the children of p are 4(p-2) and the three behind it: so they
 *            start at a multiple of 4. Place 0 means: in no heap.
 * MEMORY     Segments, of which each is as large as all before it. Entries never move when the heap
 *            grows, so no insertion has to copy a million of them under the clock's lock. The last
 *            segment goes back when it is empty and the one before it is half empty.
 *
 * The caller allocates and frees, since it does so without its lock. All calls need that lock.
 */
#ifndef CREEL__TIME_HEAP_H
#define CREEL__TIME_HEAP_H

#include "time/timer.h"

enum {
	CREEL__HEAP_FIRST = 64,    /* entries in the first segment */
	CREEL__HEAP_SEGMENTS = 24, /* 2^29 entries */
};

struct creel__heap_entry {
	int64_t due;
	struct creel__timer *timer;
};

/* Empty when zeroed. */
struct creel__heap {
	struct creel__heap_entry *segments[CREEL__HEAP_SEGMENTS];
	uint32_t count;
};

/* The memory, aligned to 64, that the next insertion needs: 0 if there is room. SIZE_MAX: the heap
 * cannot grow any more. */
size_t creel__heap_wants(const struct creel__heap *heap);
/* Takes over memory of that size. */
void creel__heap_extend(struct creel__heap *heap, void *segment);

/* There is room. */
void creel__heap_insert(struct creel__heap *heap, int64_t due, struct creel__timer *timer);
/* The earliest, or NULL. */
const struct creel__heap_entry *creel__heap_first(const struct creel__heap *heap);
void creel__heap_remove(struct creel__heap *heap, struct creel__timer *timer);

/* Memory that is no longer needed, for the caller to free; NULL if there is none. */
void *creel__heap_surplus(struct creel__heap *heap);

/* Frees the segments of a heap that is empty. */
void creel__heap_fini(struct creel__heap *heap);

#endif
