/* SPDX-License-Identifier: MIT */
/* A treap that is named by its last node; see future/index.h. */
#include "future/index.h"
#include <stdbool.h>

/* Differs for different names. Whoever chooses what is removed cannot choose the names, and so
 * cannot make the tree deep. */
static uint64_t weight(const struct creel__index *node)
{
	uint64_t x = node->name;
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

/* The right edge of the tree has the highest names, and is where new ones come: its light end
 * becomes the left branch of the new node. */
void creel__index_append(struct creel__index *last, struct creel__index *node)
{
	struct creel__index *below = NULL;
	uint64_t own = weight(node);
	while (last && weight(last) < own) {
		below = last;
		last = last->up;
	}
	node->up = last;
	node->left = below;
	node->right = NULL;
	if (below)
		below->up = node;
	if (last)
		last->right = node;
}

/* What hangs on parent in the place of node: child, which may be NULL. */
static void replace(struct creel__index *parent, const struct creel__index *node,
		    struct creel__index *child)
{
	if (child)
		child->up = parent;
	if (!parent)
		return;
	if (parent->left == node)
		parent->left = child;
	else
		parent->right = child;
}

/* Sinks the node until it has one branch at most, each time below the heavier of the two. */
void creel__index_remove(struct creel__index *node)
{
	while (node->left && node->right) {
		bool left = weight(node->left) > weight(node->right);
		struct creel__index *top = left ? node->left : node->right;
		struct creel__index *inner = left ? top->right : top->left;
		replace(node->up, node, top);
		node->up = top;
		*(left ? &top->right : &top->left) = node;
		*(left ? &node->left : &node->right) = inner;
		if (inner)
			inner->up = node;
	}
	replace(node->up, node, node->left ? node->left : node->right);
}

struct creel__index *creel__index_find(struct creel__index *last, uint64_t name)
{
	struct creel__index *at = last;
	/* Along the right edge every step up leads to a lower name. */
	while (at && at->name > name && at->up && at->up->name >= name)
		at = at->up;
	while (at && at->name != name)
		at = at->name > name ? at->left : at->right;
	return at;
}
