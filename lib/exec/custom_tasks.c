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
#include "exec/custom.h"
#include "future/cancel.h"
#include "future/future.h"
#include <creel/future.h>

static void call_off(creel_future *f, unsigned how)
{
	if (how == CREEL__OFF_PENDING)
		(void)creel__future_cancel_pending(f);
	else if (how == CREEL__OFF_ASKED)
		(void)creel_future_cancel(f);
	else
		(void)creel__future_kill(f, CREEL__GRACE_OF_POOL);
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
	creel__lock_release(&c->lock);
	if (f)
		call_off(f, how);
}

void creel__custom_leaves(creel_executor *ex, struct creel__layer *layer, bool ends)
{
	struct custom *c = (struct custom *)ex;
	creel__lock_acquire(&c->lock);
	creel__list_remove(&layer->node);
	layer->ends |= ends;
	creel__lock_release(&c->lock);
}

bool creel__custom_call_off(struct custom *c, unsigned how)
{
	creel__lock_acquire(&c->lock);
	if (c->called_off < how)
		c->called_off = how;
	while (!creel__list_is_empty(&c->tasks)) {
		struct creel__layer *layer = creel__of(c->tasks.next, struct creel__layer, node);
		if (layer->called_off == c->called_off)
			break;
		creel_future *f = list_locked(c, layer);
		how = c->called_off;
		creel__lock_release(&c->lock);
		call_off(f, how);
		if (creel__executor_foreign(&c->base))
			return false;
		creel__lock_acquire(&c->lock);
	}
	creel__lock_release(&c->lock);
	return true;
}
