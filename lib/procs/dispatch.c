/* SPDX-License-Identifier: MIT */
/*
 * Which task goes to which worker.
 *
 * A worker that runs nothing comes first; then one with fewer tasks than its depth. Depth is 2, so
 * that a worker need not wait for the parent between two tasks, and grows while a worker brings
 * several results at a time, which only short tasks do. What waits behind another task is not
 * running: it is taken back as soon as another worker has nothing to do.
 */
#include "base/clock.h"
#include "future/hook.h"
#include "future/stage.h"
#include "future/watch.h"
#include "procs/pool.h"
#include "sync/park.h"
#include <creel/future.h>
#include <string.h>

enum {
	SWEEP = 64, /* so many dead entries may stay in the queue, or half of it */
};

struct creel__slot *creel__slot_of(struct creel__procs *p, const struct creel__proc *w, unsigned i)
{
	return &creel__space_control(p->space, creel__proc_index(p, w))->slots[i];
}

void creel__wake_worker_locked(struct creel__procs *p, const struct creel__proc *w)
{
	unsigned i = creel__proc_index(p, w);
	struct creel__control *c = creel__space_control(p->space, i);
	/* [BELL-1] seq_cst: the look for a sleeper, after the change of state; pairs with the
	 * worker's store before its last look */
	if (!creel__load(&c->sleeping, seq_cst) || !creel__xchg(&c->sleeping, 0, seq_cst))
		return;
	p->procs[i].stirs++;
	/* Full: some worker has slept twice under one hold of the lock. */
	if (p->wakes == CREEL__PROCS_MAX)
		creel__unpark_shared(&c->sleeping);
	else
		p->wake[p->wakes++] = (uint8_t)i;
}

static void unlock_and_wake(struct creel__procs *p)
{
	struct creel__space *space = p->space;
	uint8_t wake[CREEL__PROCS_MAX];
	unsigned n = p->wakes;
	memcpy(wake, p->wake, n);
	p->wakes = 0;
	creel__lock_release(&p->lock);
	while (n)
		creel__unpark_shared(&creel__space_control(space, wake[--n])->sleeping);
}

void creel__procs_unlock(struct creel__procs *p)
{
	if (p->wakes)
		unlock_and_wake(p);
	else
		creel__lock_release(&p->lock);
}

void creel__place_clear_locked(struct creel__procs *p, struct creel__proc *w, unsigned i)
{
	if (w->place[i].check_at)
		p->limited--;
	if (w->place[i].watched) {
		struct creel__slot *slot = creel__slot_of(p, w, i);
		creel__store(&slot->watch, 0, relaxed);
		creel__unpark_shared(&slot->watch);
	}
	w->place[i] = (struct creel__place){0};
	if (--w->used)
		p->behind--;
}

struct creel__proc *creel__find_locked(struct creel__procs *p, const creel_task *task,
				       unsigned *ret_i)
{
	/* In the queue the note is a pointer, and may look like a place: not its own, then. */
	size_t where = task->future.where, n = where / CREEL__DEPTH;
	*ret_i = where % CREEL__DEPTH;
	if (n >= p->space->workers || p->procs[n].place[*ret_i].task != task)
		return NULL;
	return &p->procs[n];
}

static int64_t limit_of(struct creel__procs *p, creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	return options && options->limit_ns ? options->limit_ns : p->options.limit_ns;
}

static void set_limit_locked(struct creel__procs *p, struct creel__place *place, int64_t limit)
{
	place->limit_ns = limit;
	if (!limit)
		return;
	place->check_at = creel_in_ns(limit).ns;
	p->limited++;
	/* The manager sleeps, or is about to, for longer than that. */
	if (place->check_at >= p->wake_at)
		return;
	p->wake_at = place->check_at;
	if (p->sleeping)
		creel__kick(p);
}

/* first: its number when it was first sent; 0: it is now. */
static void place_locked(struct creel__procs *p, struct creel__proc *w, creel_future *f,
			 uint64_t first)
{
	unsigned i = 0;
	while (w->place[i].task)
		i++;
	struct creel__slot *slot = creel__slot_of(p, w, i);
	struct creel__place *place = &w->place[i];
	place->task = (creel_task *)f;
	place->seq = ++p->seq;
	place->first = first ? first : place->seq;
	f->where = (size_t)creel__proc_index(p, w) * CREEL__DEPTH + i;
	if (w->used++ == 0)
		w->moved = p->seq;
	else
		p->behind++;
	w->tasks++;
	w->stirs++;
	w->idle_since = 0;
	set_limit_locked(p, place, limit_of(p, f));
	creel__store(&slot->asked, 0, relaxed);
	creel__store(&slot->watch, 0, relaxed);
	creel__store(&slot->began, 0, relaxed);
	slot->fn = f->fn;
	const struct creel__stage *stage = creel__stage_of(f);
	slot->input = stage && stage->packed ? stage->packed->parcel : (struct creel__parcel){0};
	slot->arg_len = f->arg_len;
	slot->stamped = place->limit_ns != 0 || creel__is_watched(f);
	if (f->arg_len <= CREEL__ARG_INLINE)
		memcpy(slot->in, f->payload, f->arg_len);
	else
		memcpy(&slot->arg, f->payload, sizeof slot->arg);
	/* [SLOT-1] [BELL-1] seq_cst: releases the task; a change of state before the look for a
	 * sleeper; pairs with the worker's loads of the state */
	creel__store(&slot->state, CREEL__SLOT(place->seq, CREEL__SLOT_READY), seq_cst);
}

bool creel__is_worn_locked(struct creel__procs *p, const struct creel__proc *w)
{
	const struct creel__control *c = creel__space_control(p->space, creel__proc_index(p, w));
	int most = p->options.tasks_per_worker;
	return w->worn || (most && w->tasks >= (unsigned)most) ||
	       (p->options.recycle_bytes && creel__load(&c->outgrown, relaxed));
}

static bool has_room(struct creel__procs *p, const struct creel__proc *w, unsigned depth)
{
	return w->life == CREEL__READY && !w->retiring && !w->dying && !w->gone && !w->halted &&
	       w->used < depth && !creel__is_worn_locked(p, w);
}

/* So many tasks are sent before one that was sent to a worker, and waits there, is overdue. With
 * how often that is looked for, this keeps within promise 12: 64 a worker. */
static uint64_t overdue_after(const struct creel__procs *p)
{
	return 2u * CREEL__DEPTH * (unsigned)p->alive;
}

/* Busy workers, and those of them that leave after what they have. */
static unsigned count_busy_locked(const struct creel__procs *p, unsigned *ret_leaving)
{
	unsigned busy = 0;
	*ret_leaving = 0;
	for (unsigned k = 0; k < p->reach; k++) {
		const struct creel__proc *w = &p->procs[k];
		busy += w->used > 0;
		*ret_leaving += w->used > 0 && w->retiring;
	}
	return busy;
}

/* A worker that runs nothing, or else one that has room behind what it runs and brings outcomes.
 * Always in the same order: under a light load the first ones stay warm, and the others idle long
 * enough to go. After a shrink nothing starts before fewer than the maximum run, those that leave
 * included. */
static struct creel__proc *choose_locked(struct creel__procs *p)
{
	struct creel__proc *second = NULL;
	unsigned leaving = 0;
	if (p->leaving && count_busy_locked(p, &leaving) >= (unsigned)p->max_workers && leaving)
		return NULL;
	for (unsigned k = 0; k < p->reach; k++) {
		struct creel__proc *w = &p->procs[k];
		if (has_room(p, w, 1))
			return w;
		if (!leaving && has_room(p, w, w->depth) && p->seq - w->moved <= overdue_after(p) &&
		    (!second || w->used < second->used))
			second = w;
	}
	return second;
}

/* The task of w that has waited longest behind another, if it was first sent before number
 * `before`; CREEL__DEPTH if there is none. The oldest of all is not looked at: it runs, whatever
 * its slot says. */
static unsigned oldest_behind_locked(struct creel__procs *p, const struct creel__proc *w,
				     uint64_t before)
{
	unsigned best = CREEL__DEPTH;
	uint64_t head = UINT64_MAX;
	for (unsigned i = 0; i < CREEL__DEPTH; i++)
		if (w->place[i].task && w->place[i].seq < head)
			head = w->place[i].seq;
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		const struct creel__place *place = &w->place[i];
		if (place->task && place->seq > head && place->first < before &&
		    (best == CREEL__DEPTH || place->seq < w->place[best].seq) &&
		    creel__unbegun_locked(p, w, i))
			best = i;
	}
	return best;
}

/* Takes a task back that waits behind another, for the worker `to`. With `any`: any behind long
 * ones, and behind short ones those that were first sent before number `before`. */
static creel_future *take_back_locked(struct creel__procs *p, const struct creel__proc *to,
				      bool any, uint64_t before, uint64_t *ret_first)
{
	for (unsigned n = 0; p->behind && n < p->reach; n++) {
		struct creel__proc *w = &p->procs[n];
		if (w == to || w->used < 2 || w->dying)
			continue;
		bool all = any && w->depth <= CREEL__FIRST_DEPTH;
		unsigned i = oldest_behind_locked(p, w, all ? UINT64_MAX : before);
		if (i == CREEL__DEPTH)
			continue;
		creel_task *task = w->place[i].task;
		uint64_t first = w->place[i].first;
		if (!creel__take_to_resend_locked(p, w, i))
			continue;
		*ret_first = first;
		w->depth = CREEL__FIRST_DEPTH;
		return &task->future;
	}
	return NULL;
}

/* What was sent to another worker comes first, since that is older than the queue: for one that
 * runs nothing, whatever waits behind a long task; now and then, for whichever brings outcomes,
 * what is overdue. Where tasks are short the others start there soon enough. */
static creel_future *take_older_locked(struct creel__procs *p, const struct creel__proc *to,
				       uint64_t *ret_first)
{
	uint64_t usual = overdue_after(p), before = 0;
	bool look = p->seq >= p->look_at;
	if (look)
		before = p->seq > usual ? p->seq - usual : 0;
	else if (to->used)
		return NULL;
	creel_future *f = take_back_locked(p, to, to->used == 0, before, ret_first);
	/* While there are some, the next one is looked for at once. */
	if (look && !f)
		p->look_at = p->seq + usual / 4;
	return f;
}

/* In the queue: cancelled, or a canceller has it. */
static bool is_dead(creel_future *f)
{
	return !f->fn || (creel__load(&f->state, relaxed) & CREEL__STATE) == CREEL__CANCELLED;
}

/* Drops what is dead and was in the queue. */
static void drop_dead_locked(struct creel__procs *p, creel_future *f)
{
	p->cancelled++;
	p->dead -= p->dead > 0;
	creel__cond_broadcast_locked(&p->changed);
	creel_future_unref(f);
}

static void sweep_list_locked(struct creel__procs *p, struct creel__procs_list *list)
{
	creel_future *rest = list->first;
	list->first = list->last = NULL;
	while (rest) {
		creel_future *f = rest;
		rest = f->next;
		p->queued--;
		if (is_dead(f))
			drop_dead_locked(p, f);
		else
			creel__queue_append_to_locked(p, list, f);
	}
}

static void sweep_locked(struct creel__procs *p)
{
	for (unsigned i = 0; i < CREEL__BANDS; i++)
		sweep_list_locked(p, &p->list[i]);
	p->dead = 0;
}

void creel__queue_dead_locked(struct creel__procs *p)
{
	if (++p->dead > SWEEP && p->dead > p->queued / 2)
		sweep_locked(p);
}

void creel__dispatch_locked(struct creel__procs *p)
{
	struct creel__proc *w;
	bool paused = creel__load(&p->base.paused, relaxed);
	while (!paused && (p->queued || p->behind) && (w = choose_locked(p))) {
		uint64_t first = 0;
		creel_future *f = take_older_locked(p, w, &first);
		if (!f)
			f = creel__queue_pop_locked(p);
		if (!f && w->used == 0)
			f = take_back_locked(p, w, true, UINT64_MAX, &first);
		if (!f)
			break;
		if (is_dead(f)) {
			drop_dead_locked(p, f);
			continue;
		}
		place_locked(p, w, f, first);
		creel__wake_worker_locked(p, w);
	}
	creel__spawn_locked(p);
}
