/* SPDX-License-Identifier: MIT */
/* Calls of the user's functions that must not nest; see future/nest.h. */
#include "future/nest.h"
#include "sync/fork.h"
#include "sync/thread.h"

void creel__callbacks_defer(struct creel__deferred *d)
{
	struct creel__local *local = creel__self();
	d->next = NULL;
	if (local->deferred)
		local->deferred_last->next = d;
	else
		local->deferred = d;
	local->deferred_last = d;
}

static void run_deferred(struct creel__local *local)
{
	while (local->deferred) {
		struct creel__deferred *d = local->deferred;
		local->deferred = d->next;
		/* The one before may have forked, and this is the child: the rest is the
		 * parent's. */
		if (!creel__fork_foreign(d->generation))
			d->run(d);
	}
}

void creel__callbacks_call(struct creel__deferred *d)
{
	struct creel__local *local = creel__self();
	if (creel__callbacks_nest(local)) {
		creel__callbacks_defer(d);
		return;
	}
	local->draining = true;
	local->cancel_state = creel__thread_no_cancel();
	d->run(d);
	run_deferred(local);
	local->draining = false;
	creel__thread_cancel_again(local->cancel_state);
}

static void drain(struct creel__local *local)
{
	local->draining = true;
	run_deferred(local);
	local->draining = false;
	creel__thread_cancel_again(local->cancel_state);
}

void creel__callbacks_flush(void)
{
	struct creel__local *local = creel__self();
	if (!local->deferred || creel__callbacks_nest(local))
		return;
	local->cancel_state = creel__thread_no_cancel();
	drain(local);
}

void creel__callbacks_enter(void)
{
	struct creel__local *local = creel__self();
	if (local->callbacks++ == 0 && !local->draining)
		local->cancel_state = creel__thread_no_cancel();
}

void creel__callbacks_leave(void)
{
	struct creel__local *local = creel__self();
	if (--local->callbacks == 0 && !local->draining)
		drain(local);
}

void creel__destructors_enter(void)
{
	creel__callbacks_enter();
	creel__self()->destructors++;
}

void creel__destructors_leave(void)
{
	struct creel__local *local = creel__self();
	while (local->destructors == 1 && local->dying) {
		creel_future *f = local->dying;
		local->dying = f->dying;
		local->end_dying(f);
	}
	local->destructors--;
	creel__callbacks_leave();
}

void creel__destructors_defer(creel_future *f, void (*end)(creel_future *f))
{
	struct creel__local *local = creel__self();
	local->end_dying = end;
	f->dying = NULL;
	if (local->dying)
		local->dying_last->dying = f;
	else
		local->dying = f;
	local->dying_last = f;
}
