/* SPDX-License-Identifier: MIT */
/* The shared mapping; see procs/layout.h for what is where. */
#include "procs/space.h"
#include "base/alloc.h"
#include "sync/fork.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	LEAST_BUDGET = 1 << 20,
	ARGUMENTS = 4, /* times the budget, rounded up to a power of two: see creel__space_new() */
	MODEST = 4, /* of what there is room for, a pool that was not told a size takes this part */
};

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Whether mlockall(MCL_FUTURE) is in force, which makes new pages resident at once. */
static bool maps_resident(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char resident = 1;
	void *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe == MAP_FAILED)
		return false;
	if (mincore(probe, page, &resident) < 0)
		resident = 1;
	munmap(probe, page);
	return resident & 1;
}

/* mlockall(MCL_FUTURE) spares a mapping that is unlocked before it can be written. Others are made
 * writable by mmap(): mprotect() would take valgrind five seconds a GiB. */
void *creel__space_map(size_t size, int sharing)
{
	bool locked = maps_resident();
	void *base = mmap(NULL, size, locked ? PROT_NONE : PROT_READ | PROT_WRITE,
			  sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	if (!locked)
		return base;
	(void)munlock(base, size);
	if (mprotect(base, size, PROT_READ | PROT_WRITE) == 0)
		return base;
	munmap(base, size);
	return NULL;
}

/* Whatever it is that limits the host (RLIMIT_AS, overcommit, 32 bits): most stays its own. */
static bool leaves_room(size_t size)
{
	if (size > CREEL__SIZE_MAX / MODEST)
		return false;
	void *all = mmap(NULL, MODEST * size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
			 -1, 0);
	if (all == MAP_FAILED)
		return false;
	munmap(all, MODEST * size);
	return true;
}

static bool map(struct creel__space *s, unsigned workers, size_t budget, bool modest)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	s->control_size = round_up(sizeof(struct creel__control), page);
	s->budget = round_up(budget, page);
	if (s->budget > CREEL__SIZE_MAX / (workers + CREEL__SPACE_BESIDES))
		return false;
	s->arguments_size = page;
	while (s->arguments_size < s->budget)
		s->arguments_size *= 2;
	s->arguments_size *= ARGUMENTS;
	size_t holes = workers * CREEL__EXTENTS * sizeof *s->holes;
	s->holes_size = round_up(holes + sizeof *s->parting, page);
	s->size = workers * (s->control_size + s->budget) + s->arguments_size + s->holes_size;
	void *base = !modest || leaves_room(s->size) ? creel__space_map(s->size, MAP_SHARED) : NULL;
	if (!base)
		return false;
	s->base = base;
	s->controls = s->base;
	s->arguments = s->controls + workers * s->control_size;
	s->results = s->arguments + s->arguments_size;
	s->holes = (void *)(s->results + workers * s->budget);
	s->parting = (void *)((unsigned char *)s->holes + holes);
	return true;
}

struct creel__space *creel__space_new(unsigned workers, size_t budget, bool modest)
{
	struct creel__space *s = creel__zalloc(sizeof *s);
	if (!s)
		return NULL;
	creel__store(&s->refs, 1, relaxed);
	s->workers = workers;
	s->generation = creel__fork_generation();
	s->views = creel__zalloc(workers * (size_t)CREEL__EXTENTS * sizeof *s->views);
	s->holds = creel__zalloc(workers * sizeof *s->holds);
	/* Where address space is rationed, less is better than nothing. */
	while (s->holds && s->views && !map(s, workers, budget, modest) && budget > LEAST_BUDGET)
		budget /= 2;
	if (!s->base) {
		creel__space_unref(s);
		return NULL;
	}
	for (unsigned i = 0; i < workers * CREEL__EXTENTS; i++)
		s->views[i] = (struct creel__view){
			.space = s, .worker = i / CREEL__EXTENTS, .extent = i % CREEL__EXTENTS};
	return s;
}

void creel__space_unref(struct creel__space *space)
{
	/* [SPACE-1] acq_rel: unmapped after everybody's last use; pairs with itself */
	if (creel__sub(&space->refs, 1, acq_rel) > 1)
		return;
	if (space->base)
		munmap(space->base, space->size);
	creel__free(space->views);
	creel__free(space->holds);
	creel__free(space);
}

bool creel__space_has(const struct creel__space *s, const void *p)
{
	const unsigned char *at = p;
	return at >= s->arguments && at < s->arguments + s->arguments_size;
}

static bool is_within(uintptr_t offset, size_t size, size_t whole)
{
	return offset < whole && size <= whole - offset;
}

bool creel__space_covers(const struct creel__space *s, const void *p, size_t size)
{
	uintptr_t at = (uintptr_t)p, results = at - (uintptr_t)s->results;
	return is_within(at - (uintptr_t)s->arguments, size, s->arguments_size) ||
	       (results < s->workers * s->budget &&
		is_within(results % s->budget, size, s->budget));
}

void creel__space_release(void *data, size_t size, void *ctx)
{
	struct creel__view *v = ctx;
	struct creel__space *s = v->space;
	struct creel__holds *holds = &s->holds[v->worker];
	(void)data;
	(void)size;
	/* A forked child of the host drops its copy of the future:
	 * the result is still the parent's. */
	if (s->generation != creel__fork_generation())
		return;
	creel__lock_acquire(&s->lock);
	v->held = false;
	creel__sub(&holds->all, 1, relaxed);
	if (v->orphan)
		creel__sub(&holds->orphans, 1, relaxed);
	else
		/* [EXT-1] release: our reads of the result come before the worker's next use of the
		 * place; pairs with the acquire in the worker's allocator */
		creel__store(&creel__space_control(s, v->worker)->released[v->extent],
			     ++v->released, release);
	creel__lock_release(&s->lock);
	creel__space_unref(s);
}

bool creel__space_hold(struct creel__space *s, unsigned worker, uint32_t extent, uint64_t offset,
		       uint64_t size, creel_buffer *ret_buffer)
{
	if (extent >= CREEL__EXTENTS || offset > s->budget || size > s->budget - offset)
		return false;
	struct creel__view *v = &s->views[worker * CREEL__EXTENTS + extent];
	creel__lock_acquire(&s->lock);
	bool held = v->held;
	if (!held) {
		v->held = true;
		v->orphan = false;
		v->offset = offset;
		v->size = size;
		creel__add(&s->holds[worker].all, 1, relaxed);
		creel__add(&s->refs, 1, relaxed);
	}
	creel__lock_release(&s->lock);
	*ret_buffer = (creel_buffer){.data = creel__space_results(s, worker) + offset,
				     .size = size,
				     .free = creel__space_release,
				     .ctx = v};
	return !held;
}

bool creel__space_server_leaves(const struct creel__space *s, pid_t server)
{
	/* [PART-2] acquire: what made it leave; pairs with the release in the server's leave() */
	return creel__load(&s->parting->leaving, acquire) == (uint32_t)server;
}

void creel__space_heard_server(struct creel__space *s, pid_t server)
{
	creel__store(&s->parting->heard, (uint32_t)server, relaxed);
	creel__unpark_shared(&s->parting->heard);
}

void creel__space_await_server(struct creel__space *s, pid_t server, creel_deadline deadline)
{
	_Atomic(uint32_t) *left = &s->parting->left;
	uint32_t now;
	/* [PART-1] acquire: what the workers wrote; pairs with the release in the server's leave()
	 */
	while ((now = creel__load(left, acquire)) != (uint32_t)server)
		if (creel__park_shared(left, now, deadline))
			break;
}

/* What is held since earlier workers: whole pages, as far as the area goes. */
static bool make_holes_locked(struct creel__space *s, unsigned worker)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned n = 0;
	for (unsigned i = 0; i < CREEL__EXTENTS; i++) {
		struct creel__view *v = &s->views[worker * CREEL__EXTENTS + i];
		struct creel__hole *hole = &creel__space_holes(s, worker)[i];
		*hole = (struct creel__hole){0};
		v->released = 0;
		v->orphan = v->held;
		if (!v->held)
			continue;
		n++;
		hole->offset = v->offset / page * page;
		hole->size = round_up(v->offset + v->size, page) - hole->offset;
	}
	creel__store(&s->holds[worker].orphans, n, relaxed);
	return n > 0;
}

bool creel__space_reset(struct creel__space *s, unsigned worker)
{
	struct creel__control *c = creel__space_control(s, worker);
	/* Under the lock: nobody lets go of an extent halfway. */
	creel__lock_acquire(&s->lock);
	bool any = make_holes_locked(s, worker);
	for (unsigned i = 0; i < CREEL__EXTENTS; i++)
		creel__store(&c->released[i], 0, relaxed);
	creel__lock_release(&s->lock);
	creel__store(&c->sleeping, 0, relaxed);
	/* Until the manager has seen it once: it may be asleep. */
	creel__store(&c->parent_sleeps, 1, relaxed);
	creel__store(&c->ready, 0, relaxed);
	creel__store(&c->init_code, 0, relaxed);
	creel__store(&c->outgrown, 0, relaxed);
	creel__store(&c->retire, 0, relaxed);
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		creel__store(&c->slots[i].state, CREEL__SLOT_EMPTY, relaxed);
		creel__store(&c->slots[i].asked, 0, relaxed);
	}
	return any;
}
