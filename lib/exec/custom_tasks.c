/* SPDX-License-Identifier: MIT */
/*
 * The tasks of an adaptor, and calling them off: by a shutdown that cancels or kills, or because a
 * scope was cancelled. Wherever a task is by now, here or beneath, it is cancelled as by its
 * future; the executor beneath goes on.
 *
 * LIST  A task is in it from the moment when the submit operation has accepted it until it is about
 *       to be final. The list is in the order of layer->called_off: whoever calls a task off notes
 *       that, and moves it to the end. So the one who finds that the first task has been called off
 *       as he wants it has missed none. A task that comes later is called off by whoever lists it.
 */
#include "base/clock.h"
#include "exec/custom.h"
#include "future/cancel.h"
#include "future/future.h"
#include "future/owned.h"
#include <creel/future.h>
#include <errno.h>

static void call_off(creel_future *f, unsigned how, const creel_error *why)
{
	const struct creel__cancelling by = {
		.kill = how == CREEL__OFF_KILLED, .grace_ns = CREEL__GRACE_OF_POOL, .why = why};
	if (how == CREEL__OFF_PENDING)
		(void)creel__future_cancel_pending(f);
	else
		(void)creel__future_stop(f, &by);
	if (!creel__future_foreign(f))
		creel_future_unref(f);
}

/* With a reference: to be called off as far as all are. Not final: so it is there. */
static creel_future *list_locked(struct custom *c, struct creel__layer *layer)
{
	creel__list_remove(&layer->node);
	creel__list_append(&c->tasks, &layer->node);
	layer->called_off = c->called_off;
	return c->called_off ? creel_future_ref(layer->task) : NULL;
}

void creel__custom_list(struct custom *c, struct creel__layer *layer)
{
	creel__lock_acquire(&c->lock);
	creel_future *f = layer->ends ? NULL : list_locked(c, layer);
	unsigned how = c->called_off;
	const creel_error *why = c->why;
	creel__lock_release(&c->lock);
	if (f)
		call_off(f, how, why);
}

void creel__custom_leaves(creel_executor *ex, struct creel__layer *layer, bool ends)
{
	struct custom *c = (struct custom *)ex;
	creel__lock_acquire(&c->lock);
	creel__list_remove(&layer->node);
	layer->ends |= ends;
	creel__lock_release(&c->lock);
}

bool creel__custom_call_off(struct custom *c, unsigned how, const creel_error *why)
{
	creel__lock_acquire(&c->lock);
	if (c->called_off < how)
		c->called_off = how;
	if (!c->why)
		c->why = why;
	why = c->why;
	while (!creel__list_is_empty(&c->tasks)) {
		struct creel__layer *layer = creel__of(c->tasks.next, struct creel__layer, node);
		if (layer->called_off == c->called_off)
			break;
		creel_future *f = list_locked(c, layer);
		how = c->called_off;
		creel__lock_release(&c->lock);
		call_off(f, how, why);
		if (creel__executor_foreign(&c->base))
			return false;
		creel__lock_acquire(&c->lock);
	}
	creel__lock_release(&c->lock);
	return true;
}

/* Under both locks every task is seen: it is in flight, or not due, or on its way from there, which
 * keeps the executor (beside its users, who do that once). */
static bool close_if_quiet_locked(struct custom *c)
{
	creel__lock_acquire(&c->lock);
	/* [EX-3] acquire: what was handed over is in flight, or has ended; pairs with the release
	 * in creel__executor_unkeep() */
	uint32_t keeps = creel__load(&c->base.keeps, acquire) & ~CREEL__KEEPS_AWAITED;
	bool quiet = c->inflight == 0 && c->base.undue_count == 0 && keeps == 1;
	if (quiet) {
		c->shut |= CREEL__CUSTOM_CLOSED;
		c->base.undue_closed = true;
	}
	creel__lock_release(&c->lock);
	return quiet;
}

/* Until somebody lets go of the executor: who has handed over what was on that list. He parks on
 * the word, since the other one must not touch the executor any more. */
static int await_handed_locked(struct custom *c, creel_deadline deadline)
{
	_Atomic(uint32_t) *keeps = &c->base.keeps;
	int rc = 0;
	c->joiners++;
	uint32_t s = creel__or(keeps, CREEL__KEEPS_AWAITED, relaxed) | CREEL__KEEPS_AWAITED;
	creel__lock_release(&c->base.undue_lock);
	if (s != (CREEL__KEEPS_AWAITED | 1))
		rc = creel__park(keeps, s, deadline);
	creel__lock_acquire(&c->base.undue_lock);
	if (--c->joiners == 0)
		creel__and(keeps, ~CREEL__KEEPS_AWAITED, relaxed);
	return rc;
}

/* Until something comes off the list of what is not due, or what came off is handed over. */
static int await_undue_locked(struct custom *c, creel_deadline deadline)
{
	if (creel__deadline_passed(deadline))
		return -ETIMEDOUT;
	int rc = c->base.undue_count
			 ? creel__cond_wait(&c->base.undue_changed, &c->base.undue_lock, deadline)
			 : await_handed_locked(c, deadline);
	return rc == -EAGAIN ? rc : 0;
}

int creel__custom_join(struct custom *c, creel_deadline deadline)
{
	int rc = 0;
	while (rc == 0) {
		rc = c->class.drain(&c->base, deadline);
		if (rc)
			break;
		creel__lock_acquire(&c->base.undue_lock);
		bool closed = close_if_quiet_locked(c);
		if (!closed)
			rc = await_undue_locked(c, deadline);
		creel__lock_release(&c->base.undue_lock);
		if (closed)
			return 0;
	}
	return rc;
}
