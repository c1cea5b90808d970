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
 *            HOLE            held by the host since an earlier worker: closed here, for good
 *
 * CLOSED     Mapped without access: holes, and the areas of all other workers. What a task has as
 *            its input is lent to it: those pages can be read until it has ended. The host holds
 *            the result as long. (All that is ever lent cannot be made readable once and for all:
 *            valgrind would need seconds for each GiB.)
 */
#include "procs/area.h"
#include "sync/atomic.h"
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

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
	struct creel__space *space;
	unsigned worker;
	size_t lent_from, lent_to; /* offsets in the results of all; equal: nothing is lent */
	struct extent extents[CREEL__EXTENTS];
} area;

void creel__area_close(unsigned char *at, size_t size)
{
	if (!size)
		return;
	(void)mprotect(at, size, PROT_NONE);
	(void)madvise(at, size, MADV_DONTDUMP);
}

void creel__area_enter(struct creel__space *space, unsigned worker)
{
	const struct creel__hole *holes = creel__space_holes(space, worker);
	area.base = creel__space_results(space, worker);
	area.size = space->budget;
	area.control = creel__space_control(space, worker);
	area.space = space;
	area.worker = worker;
	area.lent_from = area.lent_to = 0;
	for (unsigned i = 0; i < CREEL__EXTENTS; i++) {
		struct extent *e = &area.extents[i];
		*e = (struct extent){.offset = holes[i].offset, .size = holes[i].size};
		if (!e->size)
			continue;
		e->state = HOLE;
		creel__area_close(area.base + e->offset, e->size);
	}
	munmap(space->holes, space->holes_size);
}

/* What is lent of the own area can be read anyway, but for the holes. */
static int set_access_to_holes(size_t from, size_t to, int access)
{
	int rc = 0;
	for (unsigned i = 0; i < CREEL__EXTENTS && rc == 0; i++) {
		const struct extent *e = &area.extents[i];
		size_t at = e->offset > from ? e->offset : from;
		size_t end = e->offset + e->size < to ? e->offset + e->size : to;
		if (e->state == HOLE && at < end)
			rc = mprotect(area.base + at, end - at, access);
	}
	return rc;
}

static int set_access(int access)
{
	size_t own = area.worker * area.size;
	if (area.lent_from == area.lent_to)
		return 0;
	if (area.lent_from / area.size == area.worker)
		return set_access_to_holes(area.lent_from - own, area.lent_to - own, access);
	return mprotect(area.space->results + area.lent_from, area.lent_to - area.lent_from,
			access);
}

int creel__area_lend(const void *data, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t from = (uintptr_t)data - (uintptr_t)area.space->results;
	if (size == 0)
		return 0;
	if (!creel__space_covers(area.space, data, size))
		return -EFAULT;
	if (creel__space_has(area.space, data))
		return 0;
	area.lent_from = from / page * page;
	area.lent_to = (from + size + page - 1) / page * page;
	return set_access(PROT_READ) ? -ENOMEM : 0;
}

void creel__area_unlend(void)
{
	(void)set_access(PROT_NONE);
	area.lent_from = area.lent_to = 0;
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
