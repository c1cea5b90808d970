/* SPDX-License-Identifier: MIT */
/* Circular doubly linked lists: the nodes stand in what they link,
 * the list is a node of its own. */
#ifndef CREEL__BASE_LIST_H
#define CREEL__BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct creel__list {
	struct creel__list *next, *prev;
};

/* The struct of that type whose member the node is. */
#define creel__of(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void creel__list_init(struct creel__list *list)
{
	list->next = list->prev = list;
}

static inline bool creel__list_is_empty(const struct creel__list *list)
{
	return list->next == list;
}

static inline void creel__list_append(struct creel__list *list, struct creel__list *node)
{
	node->next = list;
	node->prev = list->prev;
	list->prev->next = node;
	list->prev = node;
}

/* Leaves the node a list of its own, so that removing it again does nothing. */
static inline void creel__list_remove(struct creel__list *node)
{
	node->next->prev = node->prev;
	node->prev->next = node->next;
	creel__list_init(node);
}

/* The first node, removed; NULL if there is none. */
static inline struct creel__list *creel__list_pop(struct creel__list *list)
{
	struct creel__list *node = list->next;
	if (node == list)
		return NULL;
	creel__list_remove(node);
	return node;
}

/* Moves all of from to the end of list. */
static inline void creel__list_splice(struct creel__list *list, struct creel__list *from)
{
	struct creel__list *node;
	while ((node = creel__list_pop(from)))
		creel__list_append(list, node);
}

#endif
