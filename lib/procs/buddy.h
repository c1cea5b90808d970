/* SPDX-License-Identifier: MIT */
/* Memory for arguments: a buddy allocator whose book-keeping is not in the memory that
 * it hands out. */
#ifndef CREEL__PROCS_BUDDY_H
#define CREEL__PROCS_BUDDY_H

#include "sync/lock.h"
#include <stddef.h>

enum {
	CREEL__BUDDY_UNIT = 256,
	CREEL__BUDDY_ORDERS = 32,
};

struct creel__buddy_block;

struct creel__buddy {
	struct creel__lock lock; /* rank 70, a leaf: everything below */
	unsigned char *base;
	size_t units;
	size_t budget, used;                /* bytes as they were asked for */
	struct creel__buddy_block *blocks;  /* one a unit */
	uint32_t free[CREEL__BUDDY_ORDERS]; /* first free block of each order, plus one; 0: none */
};

/* Over size bytes at base, which is CREEL__BUDDY_UNIT-aligned, of which at most budget are given
 * out at a time. 0 or -ENOMEM. */
int creel__buddy_init(struct creel__buddy *buddy, void *base, size_t size, size_t budget);
void creel__buddy_fini(struct creel__buddy *buddy);

/* NULL if there is no room. */
void *creel__buddy_alloc(struct creel__buddy *buddy, size_t size);
void creel__buddy_free(struct creel__buddy *buddy, void *p);

#endif
