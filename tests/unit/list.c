/* SPDX-License-Identifier: MIT */
/* The intrusive list. */
#include "base/list.h"
#include "ct.h"

struct item {
	int before;
	struct creel__list link;
	int number;
};

enum { ITEMS = 5 };

static struct item items[ITEMS];

static void fill(struct creel__list *list, int from, int to)
{
	creel__list_init(list);
	for (int i = from; i < to; i++) {
		items[i].number = i;
		creel__list_append(list, &items[i].link);
	}
}

/* That the list holds these numbers, both ways; ends with -1. */
static void holds(struct creel__list *list, const int *numbers)
{
	struct creel__list *i = list->next;
	for (; *numbers >= 0; numbers++, i = i->next) {
		ct_assert(i != list);
		ct_int(creel__of(i, struct item, link)->number, *numbers);
		ct_assert(i->next->prev == i && i->prev->next == i);
	}
	ct_assert(i == list);
}

CT_TEST(list, is_empty_at_first, 0)
{
	struct creel__list list;
	creel__list_init(&list);
	ct_assert(creel__list_is_empty(&list));
	ct_assert(creel__list_pop(&list) == NULL);
	holds(&list, (int[]){-1});
}

CT_TEST(list, keeps_the_order_of_appending, 0)
{
	struct creel__list list;
	fill(&list, 0, ITEMS);
	ct_assert(!creel__list_is_empty(&list));
	holds(&list, (int[]){0, 1, 2, 3, 4, -1});
	for (int i = 0; i < ITEMS; i++)
		ct_int(creel__of(creel__list_pop(&list), struct item, link)->number, i);
	ct_assert(creel__list_is_empty(&list));
}

CT_TEST(list, loses_the_one_that_is_removed, 0)
{
	struct creel__list list;
	fill(&list, 0, ITEMS);
	creel__list_remove(&items[2].link);
	holds(&list, (int[]){0, 1, 3, 4, -1});
	creel__list_remove(&items[0].link);
	creel__list_remove(&items[4].link);
	holds(&list, (int[]){1, 3, -1});
}

CT_TEST(list, removing_twice_does_nothing, 0)
{
	struct creel__list list;
	fill(&list, 0, 3);
	creel__list_remove(&items[1].link);
	ct_assert(creel__list_is_empty(&items[1].link));
	creel__list_remove(&items[1].link);
	holds(&list, (int[]){0, 2, -1});
	creel__list_append(&list, &items[1].link);
	holds(&list, (int[]){0, 2, 1, -1});
}

CT_TEST(list, splicing_moves_all_behind, 0)
{
	struct creel__list list, from;
	fill(&list, 0, 2);
	fill(&from, 2, ITEMS);
	creel__list_splice(&list, &from);
	holds(&list, (int[]){0, 1, 2, 3, 4, -1});
	ct_assert(creel__list_is_empty(&from));
	creel__list_splice(&list, &from);
	holds(&list, (int[]){0, 1, 2, 3, 4, -1});
	creel__list_splice(&from, &list);
	holds(&from, (int[]){0, 1, 2, 3, 4, -1});
	ct_assert(creel__list_is_empty(&list));
}
