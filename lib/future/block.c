/* SPDX-License-Identifier: MIT */
/*
 * Recycling of blocks.
 *
 * ALGORITHM  Magazines and depot (Bonwick and Adams, "Magazines and Vmem", USENIX 2001): each
 *            thread keeps up to two magazines of MAGAZINE blocks, allocates and frees without
 *            atomics, and trades whole magazines with the depot. When that has none, the thread
 *            takes a slab of its own, and cuts blocks from it until it is used up.
 * GIVING BACK  The depot keeps up to KEPT bytes in magazines and free slabs. Beyond that, whoever
 *            gives a magazine takes it, and one more, apart: each block goes back to its slab,
 *            which is found by address. A slab that has all its blocks again is free. Free slabs
 *            beyond KEPT go to the system, at most SLABS_A_CALL in one call. A block in use pins
 *            its slab, as does one in a thread's magazine. Below KEPT nobody looks at slabs.
 * LOCKS      depot.lock (rank 90, a leaf): everything in depot, and the heads of slabs.
 * FORK       In a child the depot's lock may be held by a thread that is not there: on the first
 *            use after a fork the child starts with an empty depot and leaves the old one, and the
 *            parent's slabs, alone. The depot and its slabs are the part of the threads' caches
 *            that is shared. The only other process-wide state is the fork generation and the key
 *            for the ends of threads.
 * UNLOADING  dlclose() of a library that contains this one frees what is free. A thread that goes
 *            on keeps up to two magazines and a slab: they are lost, as is what it still refers to.
 *
 * WIDE       What has options is a piece of heap, and is not recycled here.
 *
 * Under AddressSanitizer, memcheck, with -Dheap_blocks=true and in the model each block is a piece
 * of heap of its own, so that a use after free is seen.
 */
#include "future/block.h"
#include "base/alloc.h"
#include "base/cold.h"
#include "base/list.h"
#include "sync/fork.h"
#include "sync/live.h"
#include "sync/local.h"
#include "sync/lock.h"
#include <errno.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(CREEL_MODEL) || defined(CREEL_MEMCHECK) ||            \
	defined(CREEL_HEAP_BLOCKS)
#define PLAIN_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PLAIN_HEAP 1
#endif
#endif

static void init(creel_future *f, uint64_t state)
{
	f->next = NULL;
	creel__store(&f->state, state, relaxed);
	creel__store(&f->hooks, 0, relaxed);
	f->arg_len = 0;
	f->result_len = 0;
	f->hook_ids = 0;
}

static void count(int n)
{
#ifdef PLAIN_HEAP
	creel__live_add(CREEL__LIVE_FUTURES, n);
#else
	(void)n;
#endif
}

creel_future *creel__block_new_wide(uint64_t state, size_t more)
{
	creel_future *f = creel__malloc_aligned(alignof(creel_future), sizeof *f + more);
	if (f) {
		init(f, state | (more ? CREEL__OPTIONS : 0));
		count(1);
	}
	return f;
}

void creel__block_free_wide(creel_future *f)
{
	count(-1);
	creel__free(f);
}

#ifdef PLAIN_HEAP

creel_future *creel__block_new(uint64_t state)
{
	return creel__block_new_wide(state, 0);
}

void creel__block_free(creel_future *f)
{
	creel__block_free_wide(f);
}

#else

enum {
	MAGAZINE = 64,
	SLAB = 64 * 1024, /* and its alignment */
	SLAB_HEAD = 64,   /* keeps the blocks' place relative to cache lines */
	BLOCKS = (SLAB - SLAB_HEAD) / sizeof(creel_future),
	KEPT = 64 * 1024 * 1024,
	MAGAZINE_BYTES = MAGAZINE * sizeof(creel_future),
	SLABS_A_CALL = 4,
};

/* The head of a slab. */
struct slab {
	struct creel__list link; /* in depot.partial or depot.free, unless it has no block */
	creel_future *blocks;    /* that came back */
	unsigned count;          /* of them */
	uint16_t generation;
};

_Static_assert(sizeof(struct slab) <= SLAB_HEAD, "the blocks start behind the head");

/* A full magazine is a list of blocks; the first one's payload links it to the next magazine. */
static struct {
	struct creel__lock lock;
	creel_future *magazines;
	size_t magazine_count, free_count;
	struct creel__list partial, free; /* slabs: some blocks came back; all did */
	_Atomic(uint32_t) generation;
} depot;

static creel_future **next_magazine(creel_future *first)
{
	return (creel_future **)(void *)first->payload;
}

static struct slab *slab_of(const creel_future *f)
{
	return (struct slab *)((uintptr_t)f & ~(uintptr_t)(SLAB - 1));
}

static void reset_depot(void)
{
	creel__store(&depot.lock.word, 0, relaxed);
	depot.magazines = NULL;
	depot.magazine_count = depot.free_count = 0;
	creel__list_init(&depot.partial);
	creel__list_init(&depot.free);
}

/* Memory from the system, aligned to its size. */
static struct slab *map_slab(void)
{
	int saved = errno;
	int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned char *p = mmap(NULL, SLAB, prot, flags, -1, 0);
	if (p != MAP_FAILED && (uintptr_t)p % SLAB) {
		munmap(p, SLAB);
		p = mmap(NULL, 2 * SLAB, prot, flags, -1, 0);
		if (p != MAP_FAILED) {
			size_t before = SLAB - (uintptr_t)p % SLAB;
			munmap(p, before);
			p += before;
			if (before < SLAB)
				munmap(p + SLAB, SLAB - before);
		}
	}
	errno = saved;
	return p == MAP_FAILED ? NULL : (struct slab *)(void *)p;
}

static void unmap_slab(struct slab *slab)
{
	int saved = errno;
	munmap(slab, SLAB);
	errno = saved;
}

/* Takes the lock, after seeing to it that the depot is this process's own. */
static void enter_depot(void)
{
	creel__fork_renew(&depot.generation, reset_depot);
	creel__lock_acquire(&depot.lock);
}

/* A magazine's blocks go back to their slabs. Those of a parent process stay where they are. */
static void take_apart_locked(creel_future *first)
{
	uint16_t own = creel__fork_generation();
	while (first) {
		creel_future *f = first;
		struct slab *slab = slab_of(f);
		first = f->next;
		if (slab->generation != own)
			continue;
		f->next = slab->blocks;
		slab->blocks = f;
		if (slab->count++ == 0)
			creel__list_append(&depot.partial, &slab->link);
		if (slab->count == BLOCKS) {
			creel__list_remove(&slab->link);
			creel__list_append(&depot.free, &slab->link);
			depot.free_count++;
		}
	}
}

static creel_future *pop_magazine_locked(void)
{
	creel_future *first = depot.magazines;
	if (first) {
		depot.magazines = *next_magazine(first);
		depot.magazine_count--;
	}
	return first;
}

static struct slab *pop_free_locked(void)
{
	struct creel__list *node = creel__list_pop(&depot.free);
	if (node)
		depot.free_count--;
	return node ? creel__of(node, struct slab, link) : NULL;
}

static bool is_too_much_locked(void)
{
	return depot.magazine_count * MAGAZINE_BYTES + depot.free_count * SLAB > KEPT;
}

static void give_magazine(creel_future *first)
{
	struct slab *surplus[SLABS_A_CALL];
	int n = 0;
	enter_depot();
	*next_magazine(first) = depot.magazines;
	depot.magazines = first;
	depot.magazine_count++;
	for (int i = 0; i < 2 && is_too_much_locked(); i++)
		take_apart_locked(pop_magazine_locked());
	while (n < SLABS_A_CALL && is_too_much_locked() && (surplus[n] = pop_free_locked()))
		n++;
	creel__lock_release(&depot.lock);
	while (n)
		unmap_slab(surplus[--n]);
}

/* Blocks of slabs that have some, up to a magazine. */
static creel_future *gather_locked(unsigned *ret_count)
{
	creel_future *list = NULL;
	unsigned n = 0;
	while (n < MAGAZINE && !creel__list_is_empty(&depot.partial)) {
		struct slab *slab = creel__of(depot.partial.next, struct slab, link);
		creel_future *f = slab->blocks;
		slab->blocks = f->next;
		f->next = list;
		list = f;
		n++;
		if (--slab->count == 0)
			creel__list_remove(&slab->link);
	}
	*ret_count = n;
	return list;
}

static creel_future *take_magazine(unsigned *ret_count)
{
	enter_depot();
	creel_future *first = pop_magazine_locked();
	*ret_count = MAGAZINE;
	if (!first)
		first = gather_locked(ret_count);
	creel__lock_release(&depot.lock);
	return first;
}

static bool new_slab(struct creel__local *local)
{
	enter_depot();
	struct slab *slab = pop_free_locked();
	creel__lock_release(&depot.lock);
	if (!slab)
		slab = map_slab();
	if (!slab)
		return false;
	slab->blocks = NULL;
	slab->count = 0;
	slab->generation = creel__fork_generation();
	local->slab = (unsigned char *)slab + SLAB_HEAD;
	local->slab_end = local->slab + BLOCKS * sizeof(creel_future);
	return true;
}

/* The rest of its slab and its magazines go to the depot. A magazine that is not full is as good as
 * one: the list says how long it is. */
static void give_all(struct creel__local *local)
{
	while (local->slab_end - local->slab >= (ptrdiff_t)sizeof(creel_future)) {
		creel_future *f = (creel_future *)(void *)local->slab;
		local->slab += sizeof *f;
		creel__block_free(f);
	}
	if (local->hot)
		give_magazine(local->hot);
	if (local->spare)
		give_magazine(local->spare);
	local->hot = local->spare = NULL;
	local->hot_count = 0;
}

static creel_future *cut(struct creel__local *local)
{
	creel_future *f = (creel_future *)(void *)local->slab;
	local->slab += sizeof *f;
	return f;
}

/* The thread has no block, and no slab to cut one from. */
static CREEL__COLD creel_future *refill(struct creel__local *local)
{
	unsigned count;
	creel__thread_hook();
	creel_future *f = take_magazine(&count);
	if (!f)
		return new_slab(local) ? cut(local) : NULL;
	local->hot = f->next;
	local->hot_count = count - 1;
	return f;
}

creel_future *creel__block_new(uint64_t state)
{
	struct creel__local *local = creel__self();
	if (!local->hot && local->spare) {
		local->hot = local->spare;
		local->spare = NULL;
		local->hot_count = MAGAZINE;
	}
	creel_future *f = local->hot;
	if (f) {
		local->hot = f->next;
		local->hot_count--;
	} else {
		f = local->slab < local->slab_end ? cut(local) : refill(local);
	}
	if (f)
		init(f, state);
	return f;
}

/* The thread has one magazine too many. */
static CREEL__COLD void part_with_hot(struct creel__local *local)
{
	if (local->spare)
		give_magazine(local->spare);
	local->spare = local->hot;
	local->hot = NULL;
	local->hot_count = 0;
}

void creel__block_free(creel_future *f)
{
	struct creel__local *local = creel__self();
	if (local->hot_count == MAGAZINE)
		part_with_hot(local);
	if (!local->at_exit)
		creel__thread_hook();
	f->next = local->hot;
	local->hot = f;
	local->hot_count++;
}

#endif

/* A thread that ends leaves nothing behind. */
static void thread_ends(struct creel__local *local)
{
#ifndef PLAIN_HEAP
	give_all(local);
#endif
	creel__free(local->reserve);
	local->reserve = NULL;
	creel__free(local->text);
	local->text = NULL;
	local->at_exit = NULL;
}

/* If it cannot be registered, what the thread keeps is lost when it ends: better than no task. */
void creel__thread_hook(void)
{
	(void)creel__local_at_exit(thread_ends);
}

/* The library is unloaded, as part of one that dlclose() was called for. */
static void unload(void) __attribute__((destructor));
static void unload(void)
{
	if (!creel__local_forget())
		return;
	struct creel__local *local = creel__self();
	if (local->at_exit)
		thread_ends(local);
#ifndef PLAIN_HEAP
	enter_depot();
	creel_future *magazine;
	while ((magazine = pop_magazine_locked()))
		take_apart_locked(magazine);
	struct slab *slab;
	while ((slab = pop_free_locked()))
		unmap_slab(slab);
	creel__lock_release(&depot.lock);
#endif
}
