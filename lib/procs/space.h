/* SPDX-License-Identifier: MIT */
/* The shared mapping and its parts. It stays as long as the pool,
 * or a result in it that is still held. */
#ifndef CREEL__PROCS_SPACE_H
#define CREEL__PROCS_SPACE_H

#include "procs/layout.h"
#include "sync/lock.h"
#include <sys/types.h>

/* The parent's table of results: an extent of a worker, and what the box around it needs to let
 * go. */
struct creel__view {
	struct creel__space *space;
	unsigned worker, extent;
	bool held, orphan; /* orphan: the worker that wrote it is dead, the place is another's */
	uint32_t released; /* how often, since the worker was born */
	size_t offset, size;
};

struct creel__space {
	_Atomic(uint32_t) refs;
	uint16_t generation;     /* of the process that it belongs to */
	struct creel__lock lock; /* rank 71, a leaf: the views */
	unsigned char *base;
	size_t size;
	unsigned workers;
	unsigned char *controls; /* control_size apart */
	size_t control_size;
	unsigned char *arguments; /* see creel__space_new() */
	size_t arguments_size, budget;
	unsigned char *results;    /* budget apart */
	struct creel__hole *holes; /* CREEL__EXTENTS a worker: what the next one must not have */
	size_t holes_size;
	struct creel__parting *parting; /* behind the holes, and dropped with them */
	struct creel__view *views;      /* likewise */
	struct creel__holds {
		_Atomic(uint32_t) all, orphans; /* how many extents of a worker are held */
	} * holds;
};

/* The address space that is needed beside one budget a worker, in budgets. */
#define CREEL__SPACE_BESIDES 9u

/*
 * NULL without memory. Where address space is rationed the budget comes out smaller, and a modest
 * one leaves most of it to the host. The arguments have several times the budget in address space:
 * blocks are powers of two, and small ones must not take the room of large ones.
 */
struct creel__space *creel__space_new(unsigned workers, size_t budget, bool modest);
/* Address space of which pages come when they are written; sharing is MAP_SHARED or MAP_PRIVATE.
 * NULL without memory. */
void *creel__space_map(size_t size, int sharing);
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
/* Whether size bytes at p are there, or in the results of one worker: where a worker can be let
 * read them. */
bool creel__space_covers(const struct creel__space *s, const void *p, size_t size);

static inline struct creel__hole *creel__space_holes(struct creel__space *s, unsigned worker)
{
	return s->holes + (size_t)worker * CREEL__EXTENTS;
}

/* The parent keeps a delivered result where it is: the buffer whose free gives the extent back.
 * False if what the worker says cannot be true. */
bool creel__space_hold(struct creel__space *s, unsigned worker, uint32_t extent, uint64_t offset,
		       uint64_t size, creel_buffer *ret_buffer);
void creel__space_release(void *data, size_t size, void *ctx); /* that free */

/* Whether the fork server has rung for the last time. */
bool creel__space_server_leaves(const struct creel__space *s, pid_t server);
/* Tells it that nobody needs its ring any more, now or when it leaves. */
void creel__space_heard_server(struct creel__space *s, pid_t server);
/* Until that fork server has said that its workers are gone, or the deadline. */
void creel__space_await_server(struct creel__space *s, pid_t server, creel_deadline deadline);

/* Before a worker is born: empties its control. What is held of those before it becomes holes in
 * its result area; whether there are any. */
bool creel__space_reset(struct creel__space *s, unsigned worker);

#endif
