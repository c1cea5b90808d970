/* SPDX-License-Identifier: MIT */
/* Blocks: their promises, and that they are recycled whichever threads allocate and free them. */
#include "future/block.h"
#include "ct.h"
#include "faults.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MANY = 5000,
	A_SLAB = 64 * 1024 / 96, /* blocks */
};

static creel_future *blocks[MANY], *again[MANY];

static creel_future *new_block(void)
{
	creel_future *f = creel__block_new(CREEL__REF);
	ct_assert(f != NULL);
	return f;
}

static void allocate(creel_future **to)
{
	for (int i = 0; i < MANY; i++)
		to[i] = new_block();
}

static void *free_all(void *from)
{
	creel_future **b = from;
	for (int i = 0; i < MANY; i++)
		creel__block_free(b[i]);
	return NULL;
}

static void in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;
	ct_int(pthread_create(&thread, NULL, fn, arg), 0);
	ct_int(pthread_join(thread, NULL), 0);
}

static int by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (creel_future *const *)a;
	uintptr_t y = (uintptr_t) * (creel_future *const *)b;
	return (x > y) - (x < y);
}

CT_TEST(block, is_small_and_aligned, 0)
{
	if (sizeof(void *) == 8)
		ct_int(sizeof(creel_future), 96);
	creel_future *f = new_block();
	ct_int((uintptr_t)f % 16, 0);
	ct_int((uintptr_t)f->payload % 16, 0);
	ct_assert(sizeof f->payload >= CREEL__ARG_INLINE + sizeof(void *));
	creel__block_free(f);
}

CT_TEST(block, a_recycled_one_remembers_nothing, 0)
{
	for (int i = 0; i < 200; i++) {
		creel_future *f = creel__block_new(CREEL__REF | CREEL__PROMISE);
		ct_assert(f->next == NULL && f->arg_len == 0 && f->result_len == 0);
		ct_assert(f->hook_ids == 0 && atomic_load(&f->hooks) == 0);
		ct_assert(atomic_load(&f->state) == (CREEL__REF | CREEL__PROMISE));
		f->arg_len = f->result_len = 0xff;
		f->hook_ids = 9;
		atomic_store(&f->hooks, 8);
		memset(f->payload, 0xff, sizeof f->payload);
		creel__block_free(f);
	}
}

CT_TEST(block, no_two_overlap, 0)
{
	allocate(blocks);
	qsort(blocks, MANY, sizeof blocks[0], by_address);
	for (int i = 1; i < MANY; i++)
		ct_assert((uintptr_t)blocks[i] - (uintptr_t)blocks[i - 1] >= sizeof *blocks[i]);
	free_all(blocks);
}

/* A thread frees what another allocated; when it ends its magazines are there for the first. */
/* Under AddressSanitizer each block is a piece of heap: nothing is recycled. */
CT_TEST(block, what_another_thread_freed_comes_back, CT_ASAN || CT_MEMCHECK)
{
	allocate(blocks);
	in_thread(free_all, blocks);
	qsort(blocks, MANY, sizeof blocks[0], by_address);
	allocate(again);
	int known = 0;
	for (int i = 0; i < MANY; i++)
		known += bsearch(&again[i], blocks, MANY, sizeof blocks[0], by_address) != NULL;
	/* First comes what was left of the slab that was being cut. */
	ct_assert(known >= MANY - A_SLAB);
	free_all(again);
}

/* What stands behind them: less and more than the sizes that are recycled. */
static const size_t behind[] = {1, 160, 161, 352, 353, 4000};
enum { BEHIND = sizeof behind / sizeof behind[0], WIDE = 300 };

static void fill_wide(creel_future *f, size_t more, int value)
{
	ct_assert(f != NULL);
	ct_int((uintptr_t)f % 16, 0);
	ct_assert(atomic_load(&f->state) == (CREEL__REF | CREEL__OPTIONS));
	f->next = f;
	memset(f->payload, value, sizeof f->payload);
	memset(f + 1, value, more);
}

static void check_wide(const creel_future *f, size_t more, int value)
{
	const unsigned char *p = (const void *)(f + 1);
	size_t same = f->next == f;
	for (size_t i = 0; i < sizeof f->payload; i++)
		same += f->payload[i] == value;
	for (size_t i = 0; i < more; i++)
		same += p[i] == value;
	ct_int(same, 1 + sizeof f->payload + more);
}

static void *no_two_wide_overlap(void *arg)
{
	static creel_future *wide[BEHIND][WIDE];
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < WIDE * BEHIND; i++) {
			creel_future **f = &wide[i % BEHIND][i / BEHIND];
			*f = creel__block_new_wide(CREEL__REF, behind[i % BEHIND]);
			fill_wide(*f, behind[i % BEHIND], i & 0xff);
		}
		for (int i = 0; i < WIDE * BEHIND; i++) {
			creel_future *f = wide[i % BEHIND][i / BEHIND];
			check_wide(f, behind[i % BEHIND], i & 0xff);
			creel__block_free_wide(f, behind[i % BEHIND]);
		}
	}
	return arg;
}

CT_TEST(block, no_two_of_any_size_overlap, 0)
{
	no_two_wide_overlap(NULL);
	in_thread(no_two_wide_overlap, NULL);
}

static void *free_all_wide(void *from)
{
	creel_future **b = from;
	for (int i = 0; i < MANY; i++)
		creel__block_free_wide(b[i], 300);
	return NULL;
}

/* Those with something behind them are recycled as well. */
CT_TEST(block, a_wide_one_that_another_thread_freed_comes_back, CT_ASAN || CT_MEMCHECK)
{
	for (int i = 0; i < MANY; i++)
		blocks[i] = creel__block_new_wide(CREEL__REF, 300);
	in_thread(free_all_wide, blocks);
	qsort(blocks, MANY, sizeof blocks[0], by_address);
	int known = 0;
	for (int i = 0; i < MANY; i++) {
		again[i] = creel__block_new_wide(CREEL__REF, 300);
		known += bsearch(&again[i], blocks, MANY, sizeof blocks[0], by_address) != NULL;
	}
	ct_assert(known >= MANY - A_SLAB);
	free_all_wide(again);
}

static void *allocate_and_free_few(void *arg)
{
	creel_future *few[10];
	for (int i = 0; i < 10; i++)
		few[i] = new_block();
	for (int i = 0; i < 10; i++)
		creel__block_free(few[i]);
	return arg;
}

CT_TEST(block, threads_that_come_and_go_take_no_memory, 0)
{
	in_thread(allocate_and_free_few, NULL);
	long before = ct_live_blocks();
	for (int i = 0; i < 200; i++)
		in_thread(allocate_and_free_few, NULL);
	ct_assert(ct_live_blocks() - before <= 1);
}

/* A million blocks go from one thread to another, a hundred at a time. */
enum { BATCH = 500, ROUNDS = 2000 };

static creel_future *batch[BATCH];
static pthread_barrier_t filled, emptied;

static void *consume(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&filled);
		for (int j = 0; j < BATCH; j++)
			creel__block_free(batch[j]);
		pthread_barrier_wait(&emptied);
	}
	return arg;
}

CT_TEST(block, a_million_from_thread_to_thread_take_no_memory, 0)
{
	pthread_t thread;
	long before = 0;
	pthread_barrier_init(&filled, NULL, 2);
	pthread_barrier_init(&emptied, NULL, 2);
	ct_int(pthread_create(&thread, NULL, consume, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		for (int j = 0; j < BATCH; j++)
			batch[j] = new_block();
		pthread_barrier_wait(&filled);
		pthread_barrier_wait(&emptied);
		if (i == 2)
			before = ct_live_blocks();
	}
	ct_int(pthread_join(thread, NULL), 0);
	ct_assert(ct_live_blocks() - before <= 1);
}

CT_TEST(block, without_memory_there_is_none_and_later_there_is, 0)
{
	allocate(blocks);
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	int n = 0;
	while (n < MANY && (again[n] = creel__block_new(0)))
		n++;
	ct_fault_off();
	ct_assert(n <= A_SLAB);
	creel_future *f = new_block();
	creel__block_free(f);
	while (n--)
		creel__block_free(again[n]);
	free_all(blocks);
}

/* Sanitizers keep memory of their own. */
#if !CT_ASAN && !CT_TSAN && !CT_MEMCHECK && defined(__linux__)
/* Resident pages. */
static long resident(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
}

enum { BURST = 2000000, BURST_MIB = BURST / 1024 * 96 / 1024, KEPT_MIB = 64 };

/* Linked through their payloads, so that the test needs no memory of its own. */
static creel_future *burst(creel_future *list, int n)
{
	while (n--) {
		creel_future *f = new_block();
		f->next = list;
		list = f;
	}
	return list;
}

static void free_list(creel_future *list)
{
	while (list) {
		creel_future *f = list;
		list = f->next;
		creel__block_free(f);
	}
}

CT_TEST(block, a_burst_gives_its_memory_back, 0)
{
	long before = resident();
	creel_future *list = burst(NULL, BURST);
	ct_assert(resident() - before >= BURST_MIB * 9 / 10);
	free_list(list);
	ct_assert(resident() - before <= KEPT_MIB + 8);
	/* And what is kept is used again. */
	list = burst(NULL, BURST / 4);
	ct_assert(resident() - before <= KEPT_MIB + 8);
	free_list(list);
}

/* A few that stay pin their own slabs, and keep what they hold. */
CT_TEST(block, blocks_in_use_pin_their_slabs_only, 0)
{
	long before = resident();
	creel_future *pinned = burst(NULL, 1000);
	creel_future *list = burst(NULL, BURST);
	pinned = burst(pinned, 1000);
	free_list(list);
	ct_assert(resident() - before <= KEPT_MIB + 8);
	for (creel_future *f = pinned; f; f = f->next)
		ct_assert(atomic_load(&f->state) == CREEL__REF);
	free_list(pinned);
}
#endif
