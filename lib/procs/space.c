/* SPDX-License-Identifier: MIT */
/* The shared mapping; see procs/layout.h for what is where. */
#include "procs/space.h"
#include "base/alloc.h"
#include "sync/fork.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LEAST_BUDGET = 1 << 20 };

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static bool map(struct creel__space *s, unsigned workers, size_t budget)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	s->control_size = round_up(sizeof(struct creel__control), page);
	s->budget = round_up(budget, page);
	if (s->budget > CREEL__SIZE_MAX / (workers + 4u))
		return false;
	s->arguments_size = page;
	while (s->arguments_size < s->budget)
		s->arguments_size *= 2;
	s->size = workers * (s->control_size + s->budget) + s->arguments_size;
	void *base = mmap(NULL, s->size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return false;
	s->base = base;
	s->controls = s->base;
	s->arguments = s->controls + workers * s->control_size;
	s->results = s->arguments + s->arguments_size;
	return true;
}

struct creel__space *creel__space_new(unsigned workers, size_t budget)
{
	struct creel__space *s = creel__zalloc(sizeof *s);
	if (!s)
		return NULL;
	creel__store(&s->refs, 1, relaxed);
	s->workers = workers;
	s->generation = creel__fork_generation();
	s->held = creel__zalloc(workers * (size_t)CREEL__EXTENTS * sizeof *s->held);
	s->views = creel__zalloc(workers * (size_t)CREEL__EXTENTS * sizeof *s->views);
	/* Where address space is rationed, less is better than nothing. */
	while (s->held && s->views && !map(s, workers, budget) && budget > LEAST_BUDGET)
		budget /= 2;
	if (!s->base) {
		creel__space_unref(s);
		return NULL;
	}
	for (unsigned i = 0; i < workers * CREEL__EXTENTS; i++)
		s->views[i] = (struct creel__view){s, i / CREEL__EXTENTS, i % CREEL__EXTENTS};
	return s;
}

void creel__space_unref(struct creel__space *space)
{
	/* [SPACE-1] acq_rel: unmapped after everybody's last use; pairs with itself */
	if (creel__sub(&space->refs, 1, acq_rel) > 1)
		return;
	if (space->base)
		munmap(space->base, space->size);
	creel__free(space->held);
	creel__free(space->views);
	creel__free(space);
}

bool creel__space_has(const struct creel__space *s, const void *p)
{
	const unsigned char *at = p;
	return at >= s->arguments && at < s->arguments + s->arguments_size;
}

static void release(void *data, size_t size, void *ctx)
{
	const struct creel__view *v = ctx;
	struct creel__space *s = v->space;
	(void)data;
	(void)size;
	/* A forked child of the host drops its copy of the future:
	 * the result is still the parent's. */
	if (s->generation != creel__fork_generation())
		return;
	struct creel__control *control = creel__space_control(s, v->worker);
	creel__lock_acquire(&s->lock);
	creel__store(&s->held[v->worker * CREEL__EXTENTS + v->extent], 0, relaxed);
	/* [EXT-1] release: our reads of the result come before the worker's next use of the place;
	 * pairs with the acquire in the worker's allocator */
	creel__store(&control->extents[v->extent].used, 0, release);
	creel__lock_release(&s->lock);
	creel__space_unref(s);
}

creel_buffer creel__space_hold(struct creel__space *s, unsigned worker, unsigned extent,
			       size_t offset, size_t size)
{
	unsigned i = worker * CREEL__EXTENTS + extent;
	creel__store(&s->held[i], 1, relaxed);
	creel__add(&s->refs, 1, relaxed);
	return (creel_buffer){
		.data = creel__space_results(s, worker) + offset,
		.size = size,
		.free = release,
		.ctx = &s->views[i],
	};
}

unsigned creel__space_count_held(const struct creel__space *s, unsigned worker)
{
	unsigned n = 0;
	for (unsigned i = 0; i < CREEL__EXTENTS; i++)
		n += creel__load(&s->held[worker * CREEL__EXTENTS + i], relaxed);
	return n;
}

/* What is held keeps its place: the parent knows where from when it was delivered. A worker
 * could have changed offset and size since then, but only to its own harm: its results are
 * where the held ones are. */
void creel__space_reset(struct creel__space *s, unsigned worker)
{
	struct creel__control *c = creel__space_control(s, worker);
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
	/* Under the lock: whoever lets go of one has not yet emptied it. */
	creel__lock_acquire(&s->lock);
	for (unsigned i = 0; i < CREEL__EXTENTS; i++)
		if (!creel__load(&s->held[worker * CREEL__EXTENTS + i], relaxed))
			creel__store(&c->extents[i].used, 0, relaxed);
	creel__lock_release(&s->lock);
}
