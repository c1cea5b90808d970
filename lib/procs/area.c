/* SPDX-License-Identifier: MIT */
/*
 * A worker's result area.
 *
 * ALGORITHM  First fit among at most CREEL__EXTENTS extents: a page, or a cache line, apart.
 *
 *            An extent is named by its number, never looked for by address. The table of extents
 *            is the worker's own memory. The parent says only how often it has let go of each
 *            (released); the worker counts how often it gave each away.
 *
 *            FREE -> MINE    for a task that runs; back when its result is replaced
 *            MINE -> GIVEN   with the outcome
 *            GIVEN -> FREE   parent: released again            [EXT-1]
 *            HOLE            held by the host since an earlier worker: not mapped here, for good
 */
#include "procs/area.h"
#include "sync/atomic.h"
#include <sys/mman.h>

struct extent {
	size_t offset, size;
	uint32_t given; /* how often */
	enum { FREE, MINE, HOLE } state;
};

/* The process is one worker. */
static struct {
	unsigned char *base;
	size_t size;
	struct creel__control *control;
	struct extent extents[CREEL__EXTENTS];
} area;

void creel__area_enter(struct creel__space *space, unsigned worker)
{
	const struct creel__hole *holes = creel__space_holes(space, worker);
	area.base = creel__space_results(space, worker);
	area.size = space->budget;
	area.control = creel__space_control(space, worker);
	for (unsigned i = 0; i < CREEL__EXTENTS; i++) {
		struct extent *e = &area.extents[i];
		*e = (struct extent){.offset = holes[i].offset, .size = holes[i].size};
		if (!e->size)
			continue;
		e->state = HOLE;
		munmap(area.base + e->offset, e->size);
	}
	munmap(space->holes, space->holes_size);
}

static bool is_taken(unsigned i)
{
	const struct extent *e = &area.extents[i];
	/* [EXT-1] acquire: the parent has read what was there; pairs with the release in
	 * the parent's release() */
	return e->state != FREE || creel__load(&area.control->released[i], acquire) != e->given;
}

static const struct extent *taken_at(size_t offset, size_t size)
{
	for (unsigned i = 0; i < CREEL__EXTENTS; i++) {
		const struct extent *e = &area.extents[i];
		if (offset < e->offset + e->size && e->offset < offset + size && is_taken(i))
			return e;
	}
	return NULL;
}

void *creel__area_alloc(size_t size, uint32_t *ret_extent)
{
	unsigned i = 0;
	while (i < CREEL__EXTENTS && is_taken(i))
		i++;
	if (i == CREEL__EXTENTS || size > area.size)
		return NULL;
	/* The lowest place: what was used last is warm, and the area stays small. */
	size_t step = size >= 4096 ? 4096 : 64, offset = 0;
	size_t whole = size ? (size + step - 1) / step * step : step;
	const struct extent *other;
	while ((other = taken_at(offset, whole)))
		offset = (other->offset + other->size + step - 1) / step * step;
	if (whole > area.size || offset > area.size - whole)
		return NULL;
	struct extent *e = &area.extents[i];
	e->offset = offset;
	e->size = whole;
	e->state = MINE;
	*ret_extent = i;
	return area.base + offset;
}

void creel__area_free(uint32_t extent)
{
	area.extents[extent].state = FREE;
}

uint64_t creel__area_give(uint32_t extent)
{
	struct extent *e = &area.extents[extent];
	e->given++;
	e->state = FREE;
	return e->offset;
}
