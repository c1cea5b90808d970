/* SPDX-License-Identifier: MIT */
/*
 * Recycling of blocks.
 *
 * ALGORITHM  Magazines and depot (Bonwick and Adams, "Magazines and Vmem", USENIX 2001): each
 *            thread keeps up to two magazines of MAGAZINE blocks, allocates and frees without
 *            atomics, and trades whole magazines with the depot. What the depot has not is
 *            cut from slabs. Slabs are never given back: the memory of the busiest moment
 *            stays, to be used again.
 * LOCKS      depot.lock (rank 90, a leaf): everything in depot.
 * FORK       In a child the depot's lock may be held by a thread that is not there: on the first
 *            use after a fork the child starts with an empty depot and leaves the old one alone.
 *            The depot and its slabs are the part of the threads' caches that is shared. The only
 *            other process-wide state is the fork generation and the key for the ends of threads.
 *
 * Under AddressSanitizer, memcheck and in the model each block is a piece of heap of its own, so
 * that a use after free is seen.
 */
#include "core/block.h"
#include "base/alloc.h"
#include "core/error.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/lock.h"

#if defined(__SANITIZE_ADDRESS__) || defined(CREEL_MODEL) || defined(CREEL_MEMCHECK)
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

#ifdef PLAIN_HEAP

creel_future *creel__block_new(uint64_t state)
{
	creel_future *f = creel__malloc_aligned(alignof(creel_future), sizeof *f);
	if (f)
		init(f, state);
	return f;
}

void creel__block_free(creel_future *f)
{
	creel__free(f);
}

#else

enum {
	MAGAZINE = 64,
	DEPOT_BUSY = 1 << 16, /* with a generation: somebody resets the depot for it */
	SLAB = 64 * 1024,
	SLAB_HEAD = 64, /* keeps the blocks' place relative to cache lines */
};

/* A full magazine is a list of blocks; the first one's payload links it to the next magazine. */
static struct {
	struct creel__lock lock;
	creel_future *magazines;
	void *slabs; /* linked through their first word: reachable, for leak checkers */
	_Atomic(uint32_t) generation;
} depot;

static creel_future **next_magazine(creel_future *first)
{
	return (creel_future **)(void *)first->payload;
}

/* Takes the lock, after seeing to it that the depot is this process's own. The thread that finds a
 * parent's depot resets it; others that come meanwhile look again: it is two stores away. */
static void enter_depot(void)
{
	uint32_t own = creel__fork_generation();
	/* [DEPOT-1] acquire: the reset is over; pairs with the release below */
	uint32_t seen = creel__load(&depot.generation, acquire);
	while (seen != own) {
		if (seen == (own | DEPOT_BUSY)) {
			creel__cpu_relax();
			/* [DEPOT-1] acquire: as above */
			seen = creel__load(&depot.generation, acquire);
			/* [DEPOT-1] acquire: as above, when it fails */
		} else if (creel__cas(&depot.generation, &seen, own | DEPOT_BUSY, acquire,
				      acquire)) {
			creel__store(&depot.lock.word, 0, relaxed);
			depot.magazines = NULL;
			/* [DEPOT-1] release: publishes the reset; pairs with the acquires above */
			creel__store(&depot.generation, own, release);
			seen = own;
		}
	}
	creel__lock_acquire(&depot.lock);
}

static void give_magazine(creel_future *first)
{
	enter_depot();
	*next_magazine(first) = depot.magazines;
	depot.magazines = first;
	creel__lock_release(&depot.lock);
}

static creel_future *take_magazine(void)
{
	enter_depot();
	creel_future *first = depot.magazines;
	if (first)
		depot.magazines = *next_magazine(first);
	creel__lock_release(&depot.lock);
	return first;
}

static bool new_slab(struct creel__local *local)
{
	unsigned char *slab = creel__malloc_aligned(64, SLAB);
	if (!slab)
		return false;
	enter_depot();
	*(void **)(void *)slab = depot.slabs;
	depot.slabs = slab;
	creel__lock_release(&depot.lock);
	local->slab = slab + SLAB_HEAD;
	local->slab_end = slab + SLAB;
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

static creel_future *refill(struct creel__local *local)
{
	creel__thread_hook();
	creel_future *f = local->spare;
	local->spare = NULL;
	if (!f)
		f = take_magazine();
	if (f) {
		local->hot = f->next;
		local->hot_count = MAGAZINE - 1;
		return f;
	}
	if (local->slab_end - local->slab < (ptrdiff_t)sizeof *f && !new_slab(local))
		return NULL;
	local->hot_count = 0;
	f = (creel_future *)(void *)local->slab;
	local->slab += sizeof *f;
	return f;
}

creel_future *creel__block_new(uint64_t state)
{
	struct creel__local *local = creel__self();
	creel_future *f = local->hot;
	if (f) {
		local->hot = f->next;
		local->hot_count--;
	} else {
		f = refill(local);
	}
	if (f)
		init(f, state);
	return f;
}

void creel__block_free(creel_future *f)
{
	struct creel__local *local = creel__self();
	if (local->hot_count == MAGAZINE) {
		if (local->spare)
			give_magazine(local->spare);
		local->spare = local->hot;
		local->hot = NULL;
		local->hot_count = 0;
	}
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
	creel__error_drop_reserve();
	creel__free(local->text);
	local->text = NULL;
	local->at_exit = NULL;
}

/* If it cannot be registered, what the thread keeps is lost when it ends: better than no task. */
void creel__thread_hook(void)
{
	(void)creel__local_at_exit(thread_ends);
}
