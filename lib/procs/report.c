/* SPDX-License-Identifier: MIT */
/* What a report sees of a process pool. */
#include "exec/look.h"
#include "procs/pool.h"

enum creel__looked creel__procs_overview(creel_executor *ex, struct creel__overview *ret_overview)
{
	struct creel__procs *p = (struct creel__procs *)ex;
	struct creel__overview *o = ret_overview;
	if (!creel__lock_try(&p->lock))
		return CREEL__LOOKED_IN_VAIN;
	creel__procs_stats_locked(p, &o->stats);
	o->name = p->name;
	o->max_workers = p->max_workers;
	o->closed = p->closed;
	for (unsigned i = 0; i < CREEL__BANDS; i++)
		if (p->list[i].first)
			creel__look_at_task(p->list[i].first, &o->oldest);
	creel__procs_unlock(p);
	return CREEL__LOOKED;
}

static const char *state_of(const struct creel__proc *w)
{
	if (w->life == CREEL__GHOST)
		return "was killed and does not die";
	if (w->dying)
		return "is being killed";
	if (w->halted)
		return "is stopped";
	if (w->life == CREEL__STARTING)
		return "starts";
	if (w->retiring)
		return "leaves";
	return w->used ? NULL : "is idle";
}

/* The oldest task that was sent to it, and how many wait behind that. */
static void look_at_tasks_locked(struct creel__procs *p, struct creel__proc *w,
				 struct creel__worker_look *look)
{
	const struct creel__place *oldest = NULL;
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		const struct creel__place *place = &w->place[i];
		if (!place->task)
			continue;
		look->behind += oldest != NULL;
		if (!oldest || place->seq < oldest->seq)
			oldest = place;
	}
	if (!oldest)
		return;
	/* In other hands, and perhaps over. */
	if (oldest->collecting) {
		look->changing = true;
		return;
	}
	creel_future *f = &oldest->task->future;
	const struct creel__slot *slot = creel__slot_of(p, w, (unsigned)(oldest - w->place));
	uint64_t state = creel__load(&slot->state, relaxed);
	int64_t started = creel__load(&slot->started, relaxed);
	creel__look_at_task(f, &look->seen);
	if (state == CREEL__SLOT(oldest->seq, CREEL__SLOT_READY))
		look->state = look->state ? look->state : "is about to start a task";
	else if (state == CREEL__SLOT(oldest->seq, CREEL__SLOT_DONE))
		look->changing = true;
	else if (started > look->seen.since)
		look->seen.since = started;
}

enum creel__looked creel__procs_look(creel_executor *ex, unsigned from,
				     struct creel__worker_look *ret_look)
{
	struct creel__procs *p = (struct creel__procs *)ex;
	enum creel__looked looked = CREEL__LOOKED_AT_ALL;
	if (!creel__lock_try(&p->lock))
		return CREEL__LOOKED_IN_VAIN;
	for (unsigned i = from; i < p->reach; i++) {
		struct creel__proc *w = &p->procs[i];
		if (w->life == CREEL__NOBODY)
			continue;
		ret_look->number = i;
		ret_look->pid = w->pid;
		ret_look->state = state_of(w);
		look_at_tasks_locked(p, w, ret_look);
		looked = CREEL__LOOKED;
		break;
	}
	creel__procs_unlock(p);
	return looked;
}
