/* SPDX-License-Identifier: MIT */
/* The shared mapping and its parts. It stays as long as the pool,
 * or a result in it that is still held. */
#ifndef CREEL__PROCS_SPACE_H
#define CREEL__PROCS_SPACE_H

#include "procs/layout.h"
#include "sync/lock.h"

/* A held result: what the box around it needs to let go. */
struct creel__view {
	struct creel__space *space;
	unsigned worker, extent;
};

struct creel__space {
	_Atomic(uint32_t) refs;
	uint16_t generation;     /* of the process that it belongs to */
	struct creel__lock lock; /* rank 71, a leaf: held and used of all extents, together */
	unsigned char *base;
	size_t size;
	unsigned workers;
	unsigned char *controls; /* control_size apart */
	size_t control_size;
	unsigned char *arguments; /* twice the budget at most: room for powers of two */
	size_t arguments_size, budget;
	unsigned char *results; /* budget apart */
	/* Which extents of each worker are held by the parent: CREEL__EXTENTS a worker. */
	_Atomic(uint8_t) *held;
	struct creel__view *views; /* likewise */
};

/* NULL without memory. The budget may come out smaller. */
struct creel__space *creel__space_new(unsigned workers, size_t budget);
void creel__space_unref(struct creel__space *space);

static inline struct creel__control *creel__space_control(struct creel__space *s, unsigned worker)
{
	return (struct creel__control *)(void *)(s->controls + worker * s->control_size);
}

static inline unsigned char *creel__space_results(struct creel__space *s, unsigned worker)
{
	return s->results + worker * s->budget;
}

/* Whether size bytes at p are in the part that workers and parent use by reference. */
bool creel__space_has(const struct creel__space *s, const void *p);

/* The parent keeps a delivered result where it is: the buffer whose free gives the extent back. */
creel_buffer creel__space_hold(struct creel__space *s, unsigned worker, unsigned extent,
			       size_t offset, size_t size);

/* How many extents of a worker are held. */
unsigned creel__space_count_held(const struct creel__space *s, unsigned worker);

/* After a worker's death: empties its control but for the results that are held. */
void creel__space_reset(struct creel__space *s, unsigned worker);

#endif
