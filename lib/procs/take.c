/* SPDX-License-Identifier: MIT */
/*
 * Taking tasks back that a worker has, and has not begun.
 *
 * A LIVE worker and the parent decide by the word of the slot: READY -> RUNNING, or READY -> EMPTY.
 *
 * A DEAD one has served in order: what is younger than the oldest that is not DONE had not begun.
 * Of the oldest only its own words tell.
 *
 * LIES  A task can write READY over the word of one that has run: its own, or one before it whose
 *       outcome is not collected. So the worker also writes into each slot which task it begins,
 *       just before it says RUNNING; what says so is not sent again. A task that denies that as
 *       well is sent again CREEL__ATTEMPTS times at most. It can deny for itself, and for those
 *       before it in the same worker; what it denies for others is not seen. While it lives it is
 *       not believed if it says of a younger one that this has begun: that one would become the
 *       oldest, and what stands in its slot its outcome.
 */
#include "procs/pool.h"

bool creel__says_begun(struct creel__procs *p, const struct creel__proc *w, unsigned i)
{
	return creel__load(&creel__slot_of(p, w, i)->began, relaxed) == w->place[i].seq;
}

static bool is_ready(struct creel__procs *p, const struct creel__proc *w, unsigned i)
{
	return creel__load(&creel__slot_of(p, w, i)->state, relaxed) ==
	       CREEL__SLOT(w->place[i].seq, CREEL__SLOT_READY);
}

/* One that was given up may begin what it has, if it ever goes on. */
static bool is_dead(const struct creel__proc *w)
{
	return w->gone && !w->undead;
}

bool creel__unbegun_locked(struct creel__procs *p, const struct creel__proc *w, unsigned i)
{
	const struct creel__place *place = &w->place[i];
	if (place->collecting || place->began)
		return false;
	if (!is_dead(w))
		return is_ready(p, w, i);
	uint64_t first = creel__first_undone_locked(p, w);
	return !creel__says_begun(p, w, i) &&
	       (place->seq > first || (place->seq == first && is_ready(p, w, i)));
}

/* A worker serves in order: before a younger one this one has begun, whatever its word says. */
static bool is_overtaken(struct creel__procs *p, const struct creel__proc *w, unsigned i)
{
	for (unsigned k = 0; k < CREEL__DEPTH; k++) {
		const struct creel__place *place = &w->place[k];
		if (place->task && place->seq > w->place[i].seq &&
		    (place->began || place->collecting || !is_ready(p, w, k)))
			return true;
	}
	return false;
}

bool creel__take_back_locked(struct creel__procs *p, struct creel__proc *w, unsigned i)
{
	uint64_t ready = CREEL__SLOT(w->place[i].seq, CREEL__SLOT_READY);
	if (!creel__unbegun_locked(p, w, i) || (!is_dead(w) && is_overtaken(p, w, i)))
		return false;
	/* Relaxed: only decides who has it; the worker has written nothing yet. */
	return is_dead(w) || creel__cas(&creel__slot_of(p, w, i)->state, &ready, CREEL__SLOT_EMPTY,
					relaxed, relaxed);
}

bool creel__take_to_resend_locked(struct creel__procs *p, struct creel__proc *w, unsigned i)
{
	creel_future *f = &w->place[i].task->future;
	bool oldest = w->place[i].seq <= creel__first_undone_locked(p, w);
	if (creel__says_begun(p, w, i) || (oldest && f->attempts >= CREEL__ATTEMPTS - 1) ||
	    !creel__take_back_locked(p, w, i))
		return false;
	f->attempts += oldest;
	creel__place_clear_locked(p, w, i);
	w->tasks--;
	return true;
}

/* Of those that have not begun, by the parent's table, the one with the highest number below that;
 * CREEL__DEPTH if there is none. */
static unsigned youngest_locked(const struct creel__proc *w, uint64_t below)
{
	unsigned found = CREEL__DEPTH;
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		const struct creel__place *place = &w->place[i];
		if (place->task && !place->collecting && !place->began && place->seq < below &&
		    (found == CREEL__DEPTH || place->seq > w->place[found].seq))
			found = i;
	}
	return found;
}

/* From the highest number down, so that those in front get in front again. */
void creel__requeue_locked(struct creel__procs *p, struct creel__proc *w)
{
	unsigned i;
	for (uint64_t below = UINT64_MAX; (i = youngest_locked(w, below)) != CREEL__DEPTH;) {
		creel_future *f = &w->place[i].task->future;
		below = w->place[i].seq;
		if (creel__take_to_resend_locked(p, w, i))
			creel__queue_prepend_locked(p, f);
	}
}
