/* SPDX-License-Identifier: MIT */
/*
 * Recycling of blocks.
 *
 * ALGORITHM  Magazines and depot (Bonwick and Adams, "Magazines and Vmem", USENIX 2001): each
 *            thread keeps up to two magazines of blocks of a size, allocates and frees without
 *            atomics, and trades whole magazines with the depot. When that has none, the thread
 *            takes a slab of its own, and cuts blocks from it until it is used up.
 * GIVING BACK  A depot keeps up to KEPT bytes in magazines and free slabs. Beyond that, whoever
 *            gives a magazine takes it, and one more, apart: each block goes back to its slab,
 *            which is found by address. A slab that has all its blocks again is free. Free slabs
 *            beyond KEPT go to the system, at most SLABS_A_CALL in one call. A block in use pins
 *            its slab, as does one in a thread's magazine. Below KEPT nobody looks at slabs.
 * LOCKS      depot.lock (rank 90, a leaf): everything in that depot, and the heads of its slabs.
 * FORK       In a child a depot's lock may be held by a thread that is not there: on the first
 *            use after a fork the child starts with empty depots and leaves the old ones, and the
 *            parent's slabs, alone. The depots and their slabs are the part of the threads' caches
 *            that is shared. The only other process-wide state is the fork generation and the key
 *            for the ends of threads.
 * UNLOADING  dlclose() of a library that contains this one frees what is free. A thread that goes
 *            on keeps up to two magazines and a slab of each size: they are lost, as is what it
 *            still refers to.
 *
 * SIZES      A block alone; one with options; one with options and a stage. Each has its own
 *            magazines, slabs and depot, all alike. What is larger, by a long name, is a piece of
 *            heap.
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

static creel_future *new_piece(uint64_t state, size_t more)
{
	creel_future *f = creel__malloc_aligned(alignof(creel_future), sizeof *f + more);
	if (f) {
		init(f, state | (more ? CREEL__OPTIONS : 0));
		count(1);
	}
	return f;
}

static void free_piece(creel_future *f)
{
	count(-1);
	creel__free(f);
}

#ifdef PLAIN_HEAP

creel_future *creel__block_new(uint64_t state)
{
	return new_piece(state, 0);
}

void creel__block_free(creel_future *f)
{
	free_piece(f);
}

creel_future *creel__block_new_wide(uint64_t state, size_t more)
{
	return new_piece(state, more);
}

void creel__block_free_wide(creel_future *f, size_t more)
{
	(void)more;
	free_piece(f);
}

#else

enum {
	PLAIN,
	OPTIONS,
	STAGE,
	SIZES,            /* in struct creel__local there are as many */
	SLAB = 64 * 1024, /* and its alignment */
	SLAB_HEAD = 64,   /* keeps the blocks' place relative to cache lines */
	KEPT = 64 * 1024 * 1024,
	SLABS_A_CALL = 4,
};

/* Multiples of 16, and how many blocks are a magazine. */
static const unsigned bytes[SIZES] = {sizeof(creel_future), 256, 448};
static const unsigned magazine[SIZES] = {64, 32, 16};

/* The head of a slab. */
struct slab {
	struct creel__list link; /* in depot.partial or depot.free, unless it has no block */
	creel_future *blocks;    /* that came back */
	unsigned count;          /* of them */
	uint16_t generation;
};

static unsigned blocks_of_slab(unsigned size)
{
	return (SLAB - SLAB_HEAD) / bytes[size];
}

_Static_assert(sizeof(struct slab) <= SLAB_HEAD, "the blocks start behind the head");

/* A full magazine is a list of blocks; the first one's payload links it to the next magazine. */
static struct depot {
	struct creel__lock lock;
	creel_future *magazines;
	size_t magazine_count, free_count;
	struct creel__list partial, free; /* slabs: some blocks came back; all did */
} depots[SIZES];
static _Atomic(uint32_t) depots_generation;

static creel_future **next_magazine(creel_future *first)
{
	return (creel_future **)(void *)first->payload;
}

static struct slab *slab_of(const creel_future *f)
{
	return (struct slab *)((uintptr_t)f & ~(uintptr_t)(SLAB - 1));
}

static void reset_depots(void)
{
	for (struct depot *d = depots; d < depots + SIZES; d++) {
		creel__store(&d->lock.word, 0, relaxed);
		d->magazines = NULL;
		d->magazine_count = d->free_count = 0;
		creel__list_init(&d->partial);
		creel__list_init(&d->free);
	}
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

/* Takes the lock, after seeing to it that the depots are this process's own. */
static struct depot *enter_depot(unsigned size)
{
	creel__fork_renew(&depots_generation, reset_depots);
	creel__lock_acquire(&depots[size].lock);
	return &depots[size];
}

/* A magazine's blocks go back to their slabs. Those of a parent process stay where they are. */
static void take_apart_locked(struct depot *d, creel_future *first)
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
			creel__list_append(&d->partial, &slab->link);
		if (slab->count == blocks_of_slab((unsigned)(d - depots))) {
			creel__list_remove(&slab->link);
			creel__list_append(&d->free, &slab->link);
			d->free_count++;
		}
	}
}

static creel_future *pop_magazine_locked(struct depot *d)
{
	creel_future *first = d->magazines;
	if (first) {
		d->magazines = *next_magazine(first);
		d->magazine_count--;
	}
	return first;
}

static struct slab *pop_free_locked(struct depot *d)
{
	struct creel__list *node = creel__list_pop(&d->free);
	if (node)
		d->free_count--;
	return node ? creel__of(node, struct slab, link) : NULL;
}

static bool is_too_much_locked(const struct depot *d)
{
	size_t size = (size_t)(d - depots);
	return d->magazine_count * magazine[size] * bytes[size] + d->free_count * SLAB > KEPT;
}

static void give_magazine(unsigned size, creel_future *first)
{
	struct slab *surplus[SLABS_A_CALL];
	int n = 0;
	struct depot *d = enter_depot(size);
	*next_magazine(first) = d->magazines;
	d->magazines = first;
	d->magazine_count++;
	for (int i = 0; i < 2 && is_too_much_locked(d); i++)
		take_apart_locked(d, pop_magazine_locked(d));
	while (n < SLABS_A_CALL && is_too_much_locked(d) && (surplus[n] = pop_free_locked(d)))
		n++;
	creel__lock_release(&d->lock);
	while (n)
		unmap_slab(surplus[--n]);
}

/* Blocks of slabs that have some, up to a magazine. */
static creel_future *gather_locked(struct depot *d, unsigned most, unsigned *ret_count)
{
	creel_future *list = NULL;
	unsigned n = 0;
	while (n < most && !creel__list_is_empty(&d->partial)) {
		struct slab *slab = creel__of(d->partial.next, struct slab, link);
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

static creel_future *take_magazine(unsigned size, unsigned *ret_count)
{
	struct depot *d = enter_depot(size);
	creel_future *first = pop_magazine_locked(d);
	*ret_count = magazine[size];
	if (!first)
		first = gather_locked(d, magazine[size], ret_count);
	creel__lock_release(&d->lock);
	return first;
}

static bool new_slab(struct creel__blocks *own, unsigned size)
{
	struct depot *d = enter_depot(size);
	struct slab *slab = pop_free_locked(d);
	creel__lock_release(&d->lock);
	if (!slab)
		slab = map_slab();
	if (!slab)
		return false;
	slab->blocks = NULL;
	slab->count = 0;
	slab->generation = creel__fork_generation();
	own->slab = (unsigned char *)slab + SLAB_HEAD;
	own->slab_end = own->slab + blocks_of_slab(size) * bytes[size];
	return true;
}

static creel_future *cut(struct creel__blocks *own, unsigned size)
{
	creel_future *f = (creel_future *)(void *)own->slab;
	own->slab += bytes[size];
	return f;
}

/* The thread has no block, and no slab to cut one from. */
static CREEL__COLD creel_future *refill(struct creel__blocks *own, unsigned size)
{
	unsigned n;
	creel__thread_hook();
	creel_future *f = take_magazine(size, &n);
	if (!f)
		return new_slab(own, size) ? cut(own, size) : NULL;
	own->hot = f->next;
	own->hot_count = n - 1;
	return f;
}

/* Inline, as the next, so that the size is a constant. */
static inline creel_future *take(uint64_t state, unsigned size)
{
	struct creel__blocks *own = &creel__self()->blocks[size];
	if (!own->hot && own->spare) {
		own->hot = own->spare;
		own->spare = NULL;
		own->hot_count = magazine[size];
	}
	creel_future *f = own->hot;
	if (f) {
		own->hot = f->next;
		own->hot_count--;
	} else {
		f = own->slab < own->slab_end ? cut(own, size) : refill(own, size);
	}
	if (f)
		init(f, state);
	return f;
}

/* The thread has one magazine too many. */
static CREEL__COLD void part_with_hot(struct creel__blocks *own, unsigned size)
{
	if (own->spare)
		give_magazine(size, own->spare);
	own->spare = own->hot;
	own->hot = NULL;
	own->hot_count = 0;
}

static inline void give(creel_future *f, unsigned size)
{
	struct creel__local *local = creel__self();
	struct creel__blocks *own = &local->blocks[size];
	if (own->hot_count == magazine[size])
		part_with_hot(own, size);
	if (!local->at_exit)
		creel__thread_hook();
	f->next = own->hot;
	own->hot = f;
	own->hot_count++;
}

creel_future *creel__block_new(uint64_t state)
{
	return take(state, PLAIN);
}

void creel__block_free(creel_future *f)
{
	give(f, PLAIN);
}

creel_future *creel__block_new_wide(uint64_t state, size_t more)
{
	size_t n = sizeof(creel_future) + more;
	if (n <= bytes[OPTIONS])
		return take(state | CREEL__OPTIONS, OPTIONS);
	return n <= bytes[STAGE] ? take(state | CREEL__OPTIONS, STAGE) : new_piece(state, more);
}

void creel__block_free_wide(creel_future *f, size_t more)
{
	size_t n = sizeof(creel_future) + more;
	if (n <= bytes[OPTIONS])
		give(f, OPTIONS);
	else if (n <= bytes[STAGE])
		give(f, STAGE);
	else
		free_piece(f);
}

/* The rest of its slab and its magazines go to the depot. A magazine that is not full is as good as
 * one: the list says how long it is. */
static void give_all(struct creel__local *local, unsigned size)
{
	struct creel__blocks *own = &local->blocks[size];
	while (own->slab_end - own->slab >= (ptrdiff_t)bytes[size])
		give(cut(own, size), size);
	if (own->hot)
		give_magazine(size, own->hot);
	if (own->spare)
		give_magazine(size, own->spare);
	own->hot = own->spare = NULL;
	own->hot_count = 0;
}

#endif

/* A thread that ends leaves nothing behind. */
static void thread_ends(struct creel__local *local)
{
#ifndef PLAIN_HEAP
	for (unsigned size = 0; size < SIZES; size++)
		give_all(local, size);
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

#ifndef PLAIN_HEAP
static void empty_depot(unsigned size)
{
	struct depot *d = enter_depot(size);
	creel_future *first;
	while ((first = pop_magazine_locked(d)))
		take_apart_locked(d, first);
	struct slab *slab;
	while ((slab = pop_free_locked(d)))
		unmap_slab(slab);
	creel__lock_release(&d->lock);
}
#endif

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
	for (unsigned size = 0; size < SIZES; size++)
		empty_depot(size);
#endif
}
