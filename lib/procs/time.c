/* SPDX-License-Identifier: MIT */
/*
 * What depends on time in a process pool: limits, workers that retire, or do not start or die. The
 * manager looks here at least as often as the answer says. Nothing here asks whether a worker is
 * slow: one that is stopped is an event, which the fork server tells of (procs/death.c).
 */
#include "base/clock.h"
#include "procs/pool.h"
#include <poll.h>
#include <signal.h>

#define LEAVE_NS INT64_C(10000000000) /* for a finalizer, before the worker is killed */
#define LOOK_NS INT64_C(1000000000)   /* at busy workers, at most so often */

static void earliest(int64_t *wake_at, int64_t at)
{
	if (at && at < *wake_at)
		*wake_at = at;
}

/* The worker's own word for it, where that can be true, and once: what it says later does not
 * count. */
static void note_start(struct creel__place *place, const struct creel__slot *slot, int64_t now)
{
	int64_t sent = place->check_at - place->limit_ns;
	int64_t started = creel__load(&slot->started, relaxed);
	if (!place->started)
		place->started = started > now || started < sent ? sent : started;
}

/* A limit has passed since the task was sent: since it started? Returns when to look again;
 * 0: never. */
static int64_t check_limit_locked(struct creel__procs *p, struct creel__proc *w, unsigned i,
				  int64_t now)
{
	struct creel__place *place = &w->place[i];
	struct creel__slot *slot = creel__slot_of(p, w, i);
	if (place->check_at > now)
		return place->check_at;
	/* [SLOT-3] acquire: sees when it started; pairs with the worker's step to RUNNING */
	place->began |= creel__load(&slot->state, acquire) ==
			CREEL__SLOT(place->seq, CREEL__SLOT_RUNNING);
	/* It may have been stopped just before that step. */
	if (place->began || (creel__is_next(w, i) && creel__says_begun(p, w, i))) {
		note_start(place, slot, now);
		if (now - place->started >= place->limit_ns) {
			place->began = true;
			creel__fence_locked(p, w, i, CREEL_KIND_TIMED_OUT, p->options.grace_ns);
			return 0;
		}
		place->check_at = creel__later(place->started, place->limit_ns);
	} else {
		place->check_at = creel__later(now, place->limit_ns);
		if (creel__is_next(w, i))
			creel__doubt_locked(p, w);
	}
	return place->check_at;
}

static void check_limits_locked(struct creel__procs *p, struct creel__proc *w, int64_t now,
				int64_t *wake_at)
{
	for (unsigned i = 0; i < CREEL__DEPTH && !w->dying && !p->stopped; i++)
		if (w->place[i].task && w->place[i].check_at)
			earliest(wake_at, check_limit_locked(p, w, i, now));
}

static void exclude_from_locked(struct creel__procs *p, struct creel__proc *w, int64_t now,
				int64_t ns)
{
	if (w->start_by)
		w->start_by = creel__later(w->start_by, ns);
	if (w->kill_at)
		w->kill_at = creel__later(w->kill_at, ns);
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		struct creel__place *place = &w->place[i];
		const struct creel__slot *slot = creel__slot_of(p, w, i);
		if (!place->task || !place->check_at)
			continue;
		/* [SLOT-3] acquire: as above */
		if (!place->began && creel__load(&slot->state, acquire) !=
					     CREEL__SLOT(place->seq, CREEL__SLOT_RUNNING))
			continue;
		note_start(place, slot, now);
		if (place->started <= now - ns)
			place->started += ns;
	}
}

void creel__time_exclude_locked(struct creel__procs *p, int64_t ns)
{
	int64_t now = creel__now();
	for (unsigned i = 0; i < p->reach; i++)
		exclude_from_locked(p, &p->procs[i], now, ns);
}

/* One that is stopped leaves by a kill only. */
static int64_t leave_by(const struct creel__proc *w, int64_t now)
{
	return w->halted ? now : now + LEAVE_NS;
}

static void retire_locked(struct creel__procs *p, struct creel__proc *w, int64_t now)
{
	w->retiring = true;
	p->leaving++;
	/* What it has been given it may finish, or not; see check_ready_locked(). */
	w->kill_at = w->used || w->life == CREEL__STARTING ? 0 : leave_by(w, now);
	/* [BELL-1] seq_cst: a change of state, before the look for a sleeper */
	creel__store(&creel__space_control(p->space, creel__proc_index(p, w))->retire, 1, seq_cst);
	creel__wake_worker_locked(p, w);
}

static void shed_locked(struct creel__procs *p, int64_t now, bool busy)
{
	for (unsigned i = 0; i < p->reach && p->alive - p->leaving > p->max_workers; i++) {
		struct creel__proc *w = &p->procs[i];
		if ((w->life == CREEL__READY || w->life == CREEL__STARTING) && !w->retiring &&
		    !w->dying && (w->used > 0) == busy)
			retire_locked(p, w, now);
	}
}

void creel__shed_locked(struct creel__procs *p)
{
	if (p->alive - p->leaving <= p->max_workers)
		return;
	/* What has not started yet waits: more run than may. */
	for (unsigned i = p->reach; i-- > 0;)
		creel__requeue_locked(p, &p->procs[i]);
	int64_t now = creel__now();
	shed_locked(p, now, false);
	shed_locked(p, now, true);
}

/* A ready worker with nothing to do: whether it has served its time. */
static bool is_over_locked(struct creel__procs *p, struct creel__proc *w, int64_t now)
{
	if (p->closed && p->queued == 0)
		return true;
	if (!w->idle_since)
		w->idle_since = now;
	return p->options.idle_ns != CREEL_NEVER && p->alive - p->leaving > p->min_workers &&
	       now - w->idle_since >= p->options.idle_ns;
}

static void check_ready_locked(struct creel__procs *p, struct creel__proc *w, int64_t now,
			       int64_t *wake_at)
{
	/* What it has been given it may finish; then it has a while to leave. */
	if (w->retiring && !w->dying && !w->used && (!w->kill_at || w->halted))
		w->kill_at = leave_by(w, now);
	if (w->retiring || w->dying)
		return;
	if (w->holes)
		w->worn = !creel__load(&p->space->holds[creel__proc_index(p, w)].orphans, relaxed);
	if (w->used)
		w->idle_since = 0;
	if (creel__is_worn_locked(p, w)) {
		/* It gets nothing more, and may finish what it has. */
		if (w->used)
			return;
		p->recycled++;
		retire_locked(p, w, now);
	} else if (!w->used && is_over_locked(p, w, now)) {
		retire_locked(p, w, now);
	} else if (p->options.idle_ns != CREEL_NEVER && p->alive - p->leaving > p->min_workers) {
		int64_t idle = p->options.idle_ns;
		/* A busy one may idle from now on, by its waiter's hand. With this look ahead the
		 * waiter need not tell, unless the idle time is short. */
		if (w->used)
			earliest(wake_at, creel__later(now, idle > LOOK_NS ? idle : LOOK_NS));
		else
			earliest(wake_at, creel__later(w->idle_since, idle));
	}
}

/* One that was given up: dead at last? */
static void haunt_locked(struct creel__procs *p, struct creel__proc *w)
{
	struct pollfd gone = {.fd = w->pidfd, .events = POLLIN};
	if (w->pidfd >= 0 && poll(&gone, 1, 0) > 0)
		creel__proc_clear_locked(p, w);
}

static void check_kill_locked(struct creel__procs *p, struct creel__proc *w, int64_t now,
			      int64_t *wake_at)
{
	if (w->kill_at && w->kill_at <= now && w->pidfd >= 0) {
		w->dying = true;
		w->kill_at = 0;
		creel__signal_locked(p, w, SIGKILL);
	}
	if (w->pidfd >= 0)
		earliest(wake_at, w->kill_at);
	earliest(wake_at, w->give_up_at);
	p->undead |= w->give_up_at && w->give_up_at <= now;
}

int64_t creel__check_time_locked(struct creel__procs *p)
{
	int64_t now = creel__now(), wake_at = INT64_MAX;
	creel__shed_locked(p);
	for (unsigned i = 0; i < p->reach; i++) {
		struct creel__proc *w = &p->procs[i];
		if (w->life == CREEL__NOBODY)
			continue;
		if (w->life == CREEL__GHOST) {
			haunt_locked(p, w);
			continue;
		}
		if (p->limited)
			check_limits_locked(p, w, now, &wake_at);
		if (w->doubt_at && !w->dying)
			earliest(&wake_at, creel__check_doubt_locked(p, w, now));
		if (w->life == CREEL__READY)
			check_ready_locked(p, w, now, &wake_at);
		else if (w->start_by && w->start_by <= now && !w->dying) {
			w->late = true;
			creel__kill_worker_locked(p, w, 0);
		}
		check_kill_locked(p, w, now, &wake_at);
		if (!w->dying)
			earliest(&wake_at, w->start_by);
	}
	if (p->answer_at && p->answer_at <= now)
		creel__stop_answer_locked(p);
	earliest(&wake_at, p->answer_at);
	if (p->spawn_after && p->spawn_after <= now) {
		p->spawn_after = 0;
		creel__spawn_locked(p);
	}
	earliest(&wake_at, p->spawn_after);
	return wake_at;
}
