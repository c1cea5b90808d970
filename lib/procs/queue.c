/* SPDX-License-Identifier: MIT */
/*
 * The queue of the process pool: what no worker has, a list for each band. The order is that of
 * exec/bands.h. Until a band other than 0 is used, there is one list, and no look at the clock.
 */
#include "base/clock.h"
#include "procs/pool.h"

static struct creel__procs_list *list_of(struct creel__procs *p, creel_future *f)
{
	return &p->list[creel__task_band((creel_task *)f) - CREEL__BAND_LEAST];
}

static void stamp(struct creel__procs *p, struct creel__procs_list *list)
{
	if (p->banded)
		list->stamp = creel__now();
}

static void use_bands(struct creel__procs *p)
{
	p->banded = true;
	for (unsigned i = 0; i < CREEL__BANDS; i++)
		stamp(p, &p->list[i]);
}

void creel__queue_append_to_locked(struct creel__procs *p, struct creel__procs_list *list,
				   creel_future *f)
{
	f->next = NULL;
	if (list->last)
		list->last->next = f;
	else
		list->first = f;
	list->last = f;
	p->queued++;
}

void creel__queue_append_locked(struct creel__procs *p, creel_future *f)
{
	struct creel__procs_list *list = list_of(p, f);
	if (!p->banded && list != &p->list[-CREEL__BAND_LEAST])
		use_bands(p);
	creel__queue_append_to_locked(p, list, f);
	if (list->first == f)
		stamp(p, list);
}

void creel__queue_prepend_locked(struct creel__procs *p, creel_future *f)
{
	struct creel__procs_list *list = list_of(p, f);
	f->next = list->first;
	list->first = f;
	if (!list->last)
		list->last = f;
	p->queued++;
	stamp(p, list);
}

static struct creel__procs_list *choose(struct creel__procs *p)
{
	struct creel__procs_list *best = NULL;
	struct creel__head first = {0, 0};
	if (!p->banded)
		return &p->list[-CREEL__BAND_LEAST];
	for (int i = 0; i < CREEL__BANDS; i++) {
		struct creel__head head = creel__head_of(i + CREEL__BAND_LEAST, p->list[i].stamp,
							 p->options.ageing_ns);
		if (!p->list[i].first || (best && !creel__head_goes_first(head, first)))
			continue;
		best = &p->list[i];
		first = head;
	}
	return best;
}

creel_future *creel__queue_pop_locked(struct creel__procs *p)
{
	struct creel__procs_list *list = choose(p);
	creel_future *f = list ? list->first : NULL;
	if (!f)
		return NULL;
	list->first = f->next;
	if (!list->first)
		list->last = NULL;
	p->queued--;
	stamp(p, list);
	return f;
}

creel_future *creel__queue_take_all_locked(struct creel__procs *p)
{
	creel_future *all = NULL, **end = &all;
	for (unsigned i = CREEL__BANDS; i--;) {
		struct creel__procs_list *list = &p->list[i];
		if (!list->first)
			continue;
		*end = list->first;
		end = &list->last->next;
		list->first = list->last = NULL;
	}
	p->queued = 0;
	return all;
}
