/* SPDX-License-Identifier: MIT */
/*
 * An index of ascending names, laid through the nodes themselves: a treap.
 *
 * SHAPE  A search tree by name and, at the same time, a heap by the hashes of the names. So the
 *        names alone decide its shape, which is that of a random tree: appending and removing take
 *        a constant number of steps on average, finding takes O(log n).
 * ROOT   Nobody keeps it. The tree is named by its last node, the one with the highest name: from
 *        there a search goes up only as far as it must.
 *
 * Nothing is allocated. The caller's lock guards it all.
 */
#ifndef CREEL__FUTURE_INDEX_H
#define CREEL__FUTURE_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct creel__index {
	struct creel__index *up, *left, *right;
	uint64_t name;
};

/* Appends a node whose name is above last's, the highest so far; last is NULL if there is none. */
void creel__index_append(struct creel__index *last, struct creel__index *node);

void creel__index_remove(struct creel__index *node);

/* The node of that name, or NULL. */
struct creel__index *creel__index_find(struct creel__index *last, uint64_t name);

#endif
