/* SPDX-License-Identifier: MIT */
/*
 * ALGORITHM  Binary buddies (Knowlton, CACM 1965). Blocks are powers of two of 256 bytes. What is
 * free or how large a block is stands in an array of the parent's own: workers can write the
 * memory, and must not be able to mislead the allocator. The array is zero pages until it is used,
 * and is not inherited by forked children.
 */
#include "procs/buddy.h"
#include "procs/space.h"
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

struct creel__buddy_block {
	size_t bytes;        /* that were asked for */
	uint32_t next, prev; /* in the list of free blocks of its order, plus one; 0: none */
	uint8_t order;
	uint8_t state; /* FREE or USED for the first unit of a block */
};

enum { INSIDE, FREE, USED };

static void push(struct creel__buddy *b, uint32_t i, unsigned order)
{
	struct creel__buddy_block *block = &b->blocks[i];
	*block = (struct creel__buddy_block){
		.next = b->free[order], .order = (uint8_t)order, .state = FREE};
	if (block->next)
		b->blocks[block->next - 1].prev = i + 1;
	b->free[order] = i + 1;
}

static void unlink_block(struct creel__buddy *b, uint32_t i)
{
	struct creel__buddy_block *block = &b->blocks[i];
	if (block->prev)
		b->blocks[block->prev - 1].next = block->next;
	else
		b->free[block->order] = block->next;
	if (block->next)
		b->blocks[block->next - 1].prev = block->prev;
	block->state = INSIDE;
}

int creel__buddy_init(struct creel__buddy *buddy, void *base, size_t size, size_t budget)
{
	*buddy = (struct creel__buddy){
		.base = base, .units = size / CREEL__BUDDY_UNIT, .budget = budget};
	if (buddy->units > UINT32_MAX / 2)
		buddy->units = UINT32_MAX / 2;
	size_t bytes = buddy->units * sizeof *buddy->blocks;
	void *blocks = creel__space_map(bytes, MAP_PRIVATE);
	if (!blocks)
		return -ENOMEM;
	madvise(blocks, bytes, MADV_DONTFORK);
	buddy->blocks = blocks;
	/* The largest aligned blocks that fit, from the start. */
	for (size_t i = 0; i < buddy->units;) {
		unsigned order = 0;
		while (order + 1 < CREEL__BUDDY_ORDERS && i % ((size_t)2 << order) == 0 &&
		       i + ((size_t)2 << order) <= buddy->units)
			order++;
		push(buddy, (uint32_t)i, order);
		i += (size_t)1 << order;
	}
	return 0;
}

void creel__buddy_fini(struct creel__buddy *buddy)
{
	if (buddy->blocks)
		munmap(buddy->blocks, buddy->units * sizeof *buddy->blocks);
	buddy->blocks = NULL;
}

static unsigned order_for(size_t size)
{
	unsigned order = 0;
	while (order < CREEL__BUDDY_ORDERS && ((size_t)CREEL__BUDDY_UNIT << order) < size)
		order++;
	return order;
}

void *creel__buddy_alloc(struct creel__buddy *buddy, size_t size)
{
	unsigned want = order_for(size), order = want;
	void *p = NULL;
	creel__lock_acquire(&buddy->lock);
	if (size > buddy->budget - buddy->used)
		order = CREEL__BUDDY_ORDERS;
	while (order < CREEL__BUDDY_ORDERS && !buddy->free[order])
		order++;
	if (order < CREEL__BUDDY_ORDERS) {
		uint32_t i = buddy->free[order] - 1;
		unlink_block(buddy, i);
		while (order > want) {
			order--;
			push(buddy, i + (UINT32_C(1) << order), order);
		}
		buddy->blocks[i].order = (uint8_t)want;
		buddy->blocks[i].state = USED;
		buddy->blocks[i].bytes = size;
		buddy->used += size;
		p = buddy->base + (size_t)i * CREEL__BUDDY_UNIT;
	}
	creel__lock_release(&buddy->lock);
	return p;
}

void creel__buddy_free(struct creel__buddy *buddy, void *p)
{
	uint32_t i = (uint32_t)((size_t)((unsigned char *)p - buddy->base) / CREEL__BUDDY_UNIT);
	creel__lock_acquire(&buddy->lock);
	unsigned order = buddy->blocks[i].order;
	buddy->used -= buddy->blocks[i].bytes;
	buddy->blocks[i].state = INSIDE;
	for (; order + 1 < CREEL__BUDDY_ORDERS; order++) {
		uint32_t other = i ^ (UINT32_C(1) << order);
		if ((size_t)other + ((size_t)1 << order) > buddy->units)
			break;
		if (buddy->blocks[other].state != FREE || buddy->blocks[other].order != order)
			break;
		unlink_block(buddy, other);
		i = i < other ? i : other;
	}
	push(buddy, i, order);
	creel__lock_release(&buddy->lock);
}
