/* SPDX-License-Identifier: MIT */
/* The tasks of rank 0: lists of them, those that are found by their address, and the functions. */
#include "world.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void creel__mpi_item_free(struct creel__mpi_item *item)
{
	free(item->stage);
	free(item);
}

void creel__mpi_wake_locked(struct creel__mpi_world *w)
{
	w->news = true;
	if (!w->asleep)
		return;
	w->asleep = false;
	pthread_cond_signal(&w->wake);
}

void creel__mpi_append(struct creel__mpi_list *list, struct creel__mpi_item *item)
{
	item->next = NULL;
	item->before = list->last;
	if (list->last)
		list->last->next = item;
	else
		list->first = item;
	list->last = item;
}

void creel__mpi_remove(struct creel__mpi_list *list, struct creel__mpi_item *item)
{
	if (item->before)
		item->before->next = item->next;
	else
		list->first = item->next;
	if (item->next)
		item->next->before = item->before;
	else
		list->last = item->before;
}

static struct creel__mpi_item **place_of(struct creel__mpi_world *w, const creel_task *task)
{
	return &w->known[((uintptr_t)task >> 6) % CREEL__MPI_KNOWN];
}

void creel__mpi_know_locked(struct creel__mpi_world *w, struct creel__mpi_item *item)
{
	if (item->known || item->place != CREEL__MPI_SENT)
		return;
	struct creel__mpi_item **place = place_of(w, item->task);
	item->known = true;
	item->known_next = *place;
	*place = item;
}

void creel__mpi_forget_locked(struct creel__mpi_world *w, struct creel__mpi_item *item)
{
	struct creel__mpi_item **place = place_of(w, item->task);
	if (!item->known)
		return;
	while (*place != item)
		place = &(*place)->known_next;
	*place = item->known_next;
	item->known = false;
}

struct creel__mpi_item *creel__mpi_known_locked(struct creel__mpi_world *w, creel_task *task)
{
	struct creel__mpi_item *item = *place_of(w, task);
	while (item && item->task != task)
		item = item->known_next;
	return item;
}

void creel__mpi_ask_locked(struct creel__mpi_world *w, struct creel__mpi_item *item)
{
	if (item->asked)
		return;
	item->asked = true;
	item->asked_next = w->asked;
	w->asked = item;
}

void creel__mpi_unask_locked(struct creel__mpi_world *w, struct creel__mpi_item *item)
{
	struct creel__mpi_item **place = &w->asked;
	if (!item->asked)
		return;
	while (*place != item)
		place = &(*place)->asked_next;
	*place = item->asked_next;
	item->asked = false;
}

/* The entry of a function; or a new one, with fn 0, if there is memory. With fns_lock. The latest
 * first: an address may be another function after an unload. */
static struct creel__mpi_fn *entry_locked(struct creel__mpi_world *w, creel_fn fn)
{
	for (uint32_t i = w->fns_count; i-- > 0;)
		if (w->fns[i].fn == fn)
			return &w->fns[i];
	return NULL;
}

static struct creel__mpi_fn *add_locked(struct creel__mpi_world *w,
					const struct creel__mpi_fn *entry)
{
	if (w->fns_count == w->fns_room) {
		uint32_t room = w->fns_room ? 2 * w->fns_room : 16;
		struct creel__mpi_fn *fns = realloc(w->fns, room * sizeof *fns);
		if (!fns)
			return NULL;
		w->fns = fns;
		w->fns_room = room;
	}
	w->fns[w->fns_count] = *entry;
	return &w->fns[w->fns_count++];
}

/* Looks at what is at the address now. */
static int renew_locked(struct creel__mpi_world *w, creel_fn fn, struct creel__mpi_fn **entry)
{
	struct creel__mpi_fn now = {.fn = fn, .unloads = creel__mpi_unloads()};
	if (!creel__mpi_identify(fn, &now.identity))
		return -ENOEXEC;
	if (w->options.flags & CREEL_MPI_NAMED && !now.identity.named)
		return -ENOEXEC;
	if (*entry && memcmp(&(*entry)->identity, &now.identity, sizeof now.identity) == 0) {
		(*entry)->unloads = now.unloads;
		return 0;
	}
	*entry = add_locked(w, &now);
	return *entry ? 0 : -ENOMEM;
}

int creel__mpi_number(struct creel__mpi_world *w, creel_fn fn, bool check, uint32_t *ret)
{
	int rc = 0;
	pthread_mutex_lock(&w->fns_lock);
	struct creel__mpi_fn *entry = entry_locked(w, fn);
	if (!entry || (check && entry->unloads != creel__mpi_unloads()))
		rc = renew_locked(w, fn, &entry);
	if (rc == 0)
		*ret = (uint32_t)(entry - w->fns);
	pthread_mutex_unlock(&w->fns_lock);
	return rc;
}
