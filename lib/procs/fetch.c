/* SPDX-License-Identifier: MIT */
/*
 * A thread that waits for one task, which is with a worker that has no other: the worker wakes it,
 * and it fetches the outcome itself. The manager is spared: the round trip is two wake-ups and not
 * three.
 *
 * The waiter parks on the slot's watch word, in shared memory. It writes the task's mark there and
 * looks at the state once more; the worker changes the state and looks for the mark [BELL-1].
 * Whoever empties the place for another reason (the worker died, the task was taken back, the
 * manager was faster) wakes the waiter as well; it then waits as for any future. The mark is the
 * task's own, so that one who comes to sleep late does not sleep for the next task of the slot, and
 * what else the worker may write there is not slept on.
 *
 * No function of the user's is called here: the waiter may hold a lock that it needs. A future that
 * got a callback meanwhile is handed to the manager, at the last moment with its outcome
 * (p->handed).
 *
 * An outcome is in one pair of hands: place->collecting, set under the lock. A worker that died is
 * buried only when no waiter has one of its outcomes in hand (fetching); the pool goes only when no
 * thread is in here (watchers).
 */
#include "base/clock.h"
#include "exec/task.h"
#include "future/future.h"
#include "procs/pool.h"
#include "sync/park.h"
#include <errno.h>

/* A waiter's watch of a task. */
struct watch {
	struct creel__procs *p;
	creel_task *task;
	struct creel__proc *w;
	unsigned i;
	uint64_t seq;
	struct creel__slot *slot;
};

/* Nothing to do but this task: where there is more, the manager is better, with many at a time. */
static bool is_alone_locked(const struct creel__procs *p, const struct creel__proc *w, unsigned i)
{
	const struct creel__place *place = &w->place[i];
	return w->used == 1 && p->queued == 0 && !p->closed && !w->dying && !w->gone &&
	       !place->collecting && !place->watched && !p->options.tasks_per_worker &&
	       !p->options.recycle_bytes;
}

static bool watch_locked(struct watch *watch)
{
	struct creel__procs *p = watch->p;
	struct creel__proc *w = creel__find_locked(p, watch->task, &watch->i);
	if (!w || !is_alone_locked(p, w, watch->i))
		return false;
	watch->w = w;
	watch->seq = w->place[watch->i].seq;
	watch->slot = creel__slot_of(p, w, watch->i);
	w->place[watch->i].watched = true;
	p->watchers++;
	/* [BELL-1] seq_cst: said before the look in is_under_way(); pairs with the worker's look
	 * for a waiter after its step to DONE */
	creel__store(&watch->slot->watch, CREEL__WATCH(watch->seq), seq_cst);
	return true;
}

static bool is_under_way(const struct watch *watch)
{
	/* [BELL-1] seq_cst: the look after having said that we sleep; pairs with the
	 * worker's step to DONE */
	uint64_t state = creel__load(&watch->slot->state, seq_cst);
	return state == CREEL__SLOT(watch->seq, CREEL__SLOT_READY) ||
	       state == CREEL__SLOT(watch->seq, CREEL__SLOT_RUNNING);
}

/* The end of the watch. True: the outcome is there, and in the caller's hands. */
static bool unwatch_locked(const struct watch *watch)
{
	struct creel__place *place = &watch->w->place[watch->i];
	if (place->task != watch->task || place->seq != watch->seq)
		return false;
	place->watched = false;
	/* [BELL-1] seq_cst: taken back, before the last look; from then on the worker rings */
	creel__store(&watch->slot->watch, 0, seq_cst);
	/* [SLOT-2] [BELL-1] seq_cst: acquires the outcome; the last look */
	if (place->collecting || place->kill_kind || watch->w->gone || watch->w->liar ||
	    creel__load(&watch->slot->state, seq_cst) != CREEL__SLOT(watch->seq, CREEL__SLOT_DONE))
		return false;
	/* Callbacks are the manager's, whom the worker has not woken. */
	if (creel__load(&watch->task->future.state, relaxed) & CREEL__HOOKED) {
		creel__kick(watch->p);
		return false;
	}
	place->collecting = true;
	watch->w->fetching++;
	return true;
}

/* Whether the manager has to look at a worker whose outcome it did not bring itself. */
static bool concerns_manager_locked(struct creel__procs *p, struct creel__proc *w)
{
	if (p->closed || p->alive - p->leaving > p->max_workers || w->retiring ||
	    creel__is_worn_locked(p, w))
		return true;
	if (w->used || p->options.idle_ns == CREEL_NEVER || p->alive - p->leaving <= p->min_workers)
		return false;
	/* It mostly has a look ahead in mind already: see check_ready_locked(). */
	w->idle_since = creel__now();
	return p->sleeping && creel_in_ns(p->options.idle_ns).ns < p->wake_at;
}

/* From DONE to final, as the manager does it in creel__collect(). False:
 * it is the manager's to end. */
static bool fetch(const struct watch *watch)
{
	struct creel__procs *p = watch->p;
	creel_future *f = &watch->task->future;
	creel__task_claim_remote(f);
	const creel_error *error = creel__outcome_take(p, watch->w, watch->i, f);
	creel__lock_acquire(&p->lock);
	creel__store(&watch->slot->state, CREEL__SLOT_EMPTY, relaxed);
	creel__place_clear_locked(p, watch->w, watch->i);
	watch->w->moved = p->seq;
	watch->w->fetching--;
	p->servers_lost = p->crashes = 0;
	creel__dispatch_locked(p);
	if (concerns_manager_locked(p, watch->w))
		creel__kick(p);
	/* A death that waits for us to be through. */
	creel__cond_broadcast_locked(&p->changed);
	creel__procs_unlock(p);
	return creel__task_end_fetched(watch->task, error);
}

/* A callback came at the last moment. */
static void hand_over_locked(struct creel__procs *p, creel_task *task)
{
	task->future.next = p->handed;
	p->handed = &task->future;
	creel__kick(p);
}

void creel__procs_await(creel_executor *ex, creel_task *task, creel_deadline deadline)
{
	struct watch watch = {.p = (struct creel__procs *)ex, .task = task};
	struct creel__procs *p = watch.p;
	creel__lock_acquire(&p->lock);
	bool watching = watch_locked(&watch);
	creel__procs_unlock(p);
	creel__future_release(&task->future);
	if (!watching)
		return;
	uint32_t mark = CREEL__WATCH(watch.seq);
	while (is_under_way(&watch) && creel__load(&watch.slot->watch, relaxed) == mark)
		if (creel__park_shared(&watch.slot->watch, mark, deadline))
			break;
	creel__lock_acquire(&p->lock);
	bool mine = unwatch_locked(&watch);
	if (mine) {
		creel__procs_unlock(p);
		bool ended = fetch(&watch);
		creel__lock_acquire(&p->lock);
		p->finished += ended;
		if (!ended)
			hand_over_locked(p, task);
	}
	p->watchers--;
	if (p->closed)
		creel__kick(p);
	creel__cond_broadcast_locked(&p->changed);
	creel__procs_unlock(p);
}
