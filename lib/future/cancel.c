/* SPDX-License-Identifier: MIT */
/*
 * Asking where a future is, cancelling it and killing its task: what has to be asked of the
 * executor, with the future PINNED or HELD. The state word is explained in future/block.h.
 */
#include "future/cancel.h"
#include "future/class.h"
#include "future/follow.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/layers.h"
#include "future/owned.h"
#include "future/release.h"
#include "future/stage.h"
#include "future/times.h"
#include "sync/fork.h"
#include "sync/park.h"
#include <creel/future.h>
#include <errno.h>

/* Whether somebody asks its executor or its owner about it, and it may be PENDING afterwards. */
static bool is_asked_about(uint64_t s, bool insist)
{
	return s & CREEL__HELD || (insist && (s & CREEL__STATE) == CREEL__PINNED);
}

/* Somebody asks about it, with a lock and not longer. A canceller that has it PINNED by now is not
 * waited for, since destructors run meanwhile: the caller looks again. Unless it insists, since
 * that canceller will only ask. */
static void await_answer(creel_future *f, bool insist)
{
	uint64_t s = creel__or(&f->state, CREEL__WAITED, relaxed) | CREEL__WAITED;
	if (is_asked_about(s, insist))
		creel__park_briefly(creel__low_half(&f->state), (uint32_t)s, CREEL_FOREVER);
}

static void await_held(creel_future *f)
{
	await_answer(f, false);
}

/* A remote task that is PENDING here may be running there. */
static void refresh(creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	while ((s & CREEL__STATE) == CREEL__PENDING) {
		if (s & CREEL__HELD) {
			await_held(f);
			s = creel__load(&f->state, relaxed);
			continue;
		}
		/* [PIN-1] acquire: an adaptor may have forwarded it; pairs with the release when
		 * the hold that did ended */
		if (!creel__cas(&f->state, &s, s | CREEL__HELD, acquire, relaxed))
			continue;
		creel_executor *ex = f->executor;
		bool started = ex->class->withdraw(ex, (creel_task *)f, CREEL__LOOK) ==
			       CREEL__STARTED;
		creel__future_let_go(f, CREEL__HELD, started ? CREEL__RUNNING : CREEL__PENDING);
		return;
	}
}

static bool is_between_runs(creel_future *f)
{
	struct creel__times *times = creel__times_of(f);
	return times && creel__load(&times->began, relaxed);
}

int creel_future_state(creel_future *f)
{
	static const int shown[] = {[CREEL__PENDING] = CREEL_FUTURE_PENDING,
				    [CREEL__PINNED] = CREEL_FUTURE_PENDING,
				    [CREEL__DROPPING] = CREEL_FUTURE_PENDING,
				    [CREEL__RUNNING] = CREEL_FUTURE_RUNNING,
				    [CREEL__SETTLING] = CREEL_FUTURE_RUNNING,
				    [CREEL__FINISHED] = CREEL_FUTURE_FINISHED,
				    [CREEL__FAILED] = CREEL_FUTURE_FINISHED,
				    [CREEL__CANCELLED] = CREEL_FUTURE_CANCELLED};
	if (!f)
		return -EINVAL;
	if (creel__future_foreign(f))
		return -EPERM;
	if (creel__load(&f->state, relaxed) & CREEL__REMOTE)
		refresh(f);
	unsigned state = creel__future_peek(f);
	if (state == CREEL__CANCELLED && creel__future_expired(f))
		return CREEL_FUTURE_FINISHED;
	return state == CREEL__PENDING && is_between_runs(f) ? CREEL_FUTURE_RUNNING : shown[state];
}

/* The end of a task that the caller has moved to DROPPING, and that the executor's queue may still
 * have. Takes over a reference, and does what the executor left to do. tells: the executor is told
 * of the end in any case. */
static void end_queued(creel_future *f, bool tells)
{
	creel_executor *ex = f->executor;
	/* Ours keeps the block until we have looked. */
	creel_future_ref(f);
	creel__future_cancelled(f);
	/* [LEFT-1] acquire: pairs with the release in claim_slowly() */
	uint64_t s = creel__load(&f->state, acquire);
	bool left = (s & (CREEL__LEFT | CREEL__LATE_ARG)) == CREEL__LEFT;
	if (left)
		creel__future_drop_queued(f);
	if (left || tells)
		ex->class->ended(ex);
	creel_future_unref(f);
}

/* Of a future that is PINNED; NULL if it has none. */
static const struct creel__owner *owner_of(creel_future *f)
{
	if (!(creel__load(&f->state, relaxed) & CREEL__OWNED))
		return NULL;
	return f->executor ? creel__options_of(f)->owner : f->owner;
}

/* Asks whoever has a future that is PINNED to let go of it. */
static enum creel__withdrawn withdraw(creel_future *f, const struct creel__owner *owner, bool take)
{
	creel_executor *ex = f->executor;
	if (owner)
		return owner->withdraw(f);
	if (!ex || !ex->class->withdraw)
		return CREEL__NOT_THERE;
	return ex->class->withdraw(ex, (creel_task *)f, take ? CREEL__TAKE : CREEL__CANCEL);
}

/* Kills a task that runs, and that has been asked to stop. */
static int kill_running(creel_future *f, int64_t grace_ns)
{
	uint64_t s = creel__load(&f->state, relaxed);
	for (;;) {
		if ((s & CREEL__STATE) >= CREEL__FINISHED || (s & CREEL__STATE) == CREEL__SETTLING)
			return CREEL_CANCEL_FINAL;
		if (!(s & CREEL__REMOTE))
			return -ENOTSUP;
		if (s & CREEL__HELD) {
			await_held(f);
			s = creel__load(&f->state, relaxed);
			/* [PIN-1] acquire: as in refresh() */
		} else if (creel__cas(&f->state, &s, s | CREEL__HELD, acquire, relaxed)) {
			break;
		}
	}
	const struct creel__executor_class *class = f->executor->class;
	int rc = class->kill ? class->kill(f->executor, (creel_task *)f, grace_ns) : -ENOTSUP;
	creel__future_let_go(f, CREEL__HELD, 0);
	return rc ? rc : CREEL_CANCEL_REQUESTED;
}

/* It runs, and has been asked. */
static int asked(creel_future *f, const struct creel__cancelling *how)
{
	return how->kill ? kill_running(f, how->grace_ns) : CREEL_CANCEL_REQUESTED;
}

/* It has started in another process. Takes over the error. */
static int found_started(creel_future *f, const creel_error *expired, bool take,
			 const struct creel__cancelling *how)
{
	creel__error_unref(expired);
	creel__future_let_go(f, CREEL__HELD, CREEL__RUNNING | (take ? 0 : (unsigned)CREEL__ASKED));
	return take ? CREEL_CANCEL_REQUESTED : asked(f, how);
}

static const struct creel__cancelling pending_only = {.pending_only = true};

void creel__future_let_go_listed(creel_future *f, uint64_t mask, uint64_t set)
{
	creel_executor *ex = f->executor;
	creel__lock_acquire(&ex->undue_lock);
	creel__future_let_go(f, mask, set);
	creel__cond_broadcast_locked(&ex->undue_changed);
	creel__lock_release(&ex->undue_lock);
}

/* The future, which is PINNED, goes on as it was. Its owner (or NULL) or its executor has it. */
static void let_go_pending(creel_future *f, const struct creel__owner *owner, uint64_t set)
{
	const uint64_t mask = CREEL__STATE | CREEL__HELD;
	if (owner && owner->undue)
		creel__future_let_go_listed(f, mask, CREEL__PENDING | set);
	else
		creel__future_let_go(f, mask, CREEL__PENDING | set);
}

/* Its owner cannot give it up now, but hears that it was asked. */
static int only_asked(creel_future *f, const struct creel__owner *owner, bool take,
		      const struct creel__cancelling *how)
{
	creel_future_ref(f);
	let_go_pending(f, owner, take ? 0 : CREEL__ASKED);
	owner->cancelled(f, take ? &pending_only : how);
	creel_future_unref(f);
	return take ? CREEL_CANCEL_FINAL : CREEL_CANCEL_REQUESTED;
}

/* Whether an executor that has the task, or has forwarded it, lets nothing start any more. */
static bool is_called_off(creel_future *f)
{
	const creel_executor *i = creel__task_origin(f);
	while (i != f->executor && !creel__load(&i->cancels, relaxed))
		i = i->beneath;
	return creel__load(&i->cancels, relaxed);
}

/* Whether its input has ended, and it is not to be cancelled: it ends as cancelled when it has run.
 * Its executor has it, or it is not due. */
static bool insists(creel_future *f, const struct creel__owner *owner)
{
	const struct creel__stage *stage = creel__stage_of(f);
	return stage && stage->insists && (!owner || owner == &creel__undue_owner) &&
	       !is_called_off(f);
}

/* One that insists hears that it was asked; or it has started in another process. An executor that
 * has said so is not told to withdraw it. */
static int ask_pinned(creel_future *f, const struct creel__owner *owner,
		      const struct creel__cancelling *how)
{
	creel_executor *ex = f->executor;
	bool started = creel__load(&f->state, relaxed) & CREEL__REMOTE &&
		       ex->class->withdraw(ex, (creel_task *)f, CREEL__LOOK) == CREEL__STARTED;
	/* An operation of the user's has forked, and this is the child. */
	if (creel__future_foreign(f))
		return -EPERM;
	if (started) {
		(void)found_started(f, NULL, true, how);
		return how->pending_only ? CREEL_CANCEL_REQUESTED : creel__future_stop(f, how);
	}
	creel__stage_of(f)->asked = true;
	let_go_pending(f, owner, 0);
	return CREEL_CANCEL_REQUESTED;
}

/* The reason, with the name of the task if that has one. */
static const creel_error *reason_of(creel_future *f, const struct creel__owner *owner,
				    const creel_error *why)
{
	const char *name = creel__task_name(f);
	bool explains = owner && owner->explain;
	if (!explains && !(name && *name))
		return creel__error_ref(why);
	why = creel__error_renamed(why, name);
	if (explains)
		owner->explain(f, why);
	return why;
}

/* Its owner no longer has it. Drops the reference that kept it for that. */
static void tell_owner(creel_future *f, const struct creel__owner *owner,
		       const struct creel__cancelling *how)
{
	if (owner->cancelled)
		owner->cancelled(f, how);
	creel_future_unref(f);
}

/* The future is PINNED by the caller, so that its executor or owner is alive. expired: its error,
 * which is taken over; or NULL, if it is being cancelled. */
static int end_pinned(creel_future *f, const creel_error *expired,
		      const struct creel__cancelling *how)
{
	creel_executor *ex = f->executor;
	const struct creel__owner *owner = owner_of(f);
	if (!expired && insists(f, owner))
		return ask_pinned(f, owner, how);
	bool take = expired || how->pending_only;
	enum creel__withdrawn w = withdraw(f, owner, take);
	if (creel__future_foreign(f))
		return -EPERM;
	if (w == CREEL__STARTED && !owner)
		return found_started(f, expired, take, how);
	if (w == CREEL__STARTED) {
		creel__error_unref(expired);
		return only_asked(f, owner, take, how);
	}
	/* One that forwarded it is told of the end. */
	creel_executor *origin = ex ? creel__task_origin(f) : NULL;
	bool counted = ex && !owner && ex->traits & CREEL__COUNTS;
	bool remote = !counted && creel__load(&f->state, relaxed) & CREEL__REMOTE;
	if (owner)
		creel_future_ref(f);
	if (expired)
		creel__options_of(f)->cancelled = expired;
	else if (how->why)
		creel__options_of(f)->cancelled = reason_of(f, owner, how->why);
	/* The executor's reference may go from here on. Where it only has to drop it, say so. A
	 * process pool may go when class->ended() has told it that all cancellers are through. */
	creel_future_ref(f);
	bool queued = w == CREEL__NOT_THERE && ex && !owner;
	creel__future_let_go(f, CREEL__STATE | CREEL__HELD,
			     CREEL__DROPPING | (queued && !remote ? CREEL__QUEUED : 0));
	bool dropped = creel__argument_drop(f);
	if (creel__future_foreign(f))
		return -EPERM;
	bool counts = remote || (w == CREEL__WITHDRAWN && counted);
	if (counts && !dropped)
		creel__or(&f->state, CREEL__LATE_END, relaxed);
	if (queued) {
		end_queued(f, counts && dropped);
	} else {
		creel__future_cancelled(f);
		if (counts && dropped)
			ex->class->ended(ex);
		if (w == CREEL__WITHDRAWN)
			creel_future_unref(f);
		if (owner)
			tell_owner(f, owner, how);
	}
	if (dropped)
		creel__layers_tell(origin, ex);
	return CREEL_CANCEL_NOW;
}

static const struct creel__cancelling plainly;

void creel__future_end_pinned(creel_future *f, const creel_error *error)
{
	(void)end_pinned(f, error, &plainly);
}

/* Of a remote one only the executor knows whether it has started. */
static uint64_t pin_of(uint64_t s)
{
	return s & CREEL__REMOTE ? CREEL__HELD : CREEL__PINNED;
}

/* Whether a canceller who has it PINNED may only ask it, and then let it go on: a finally. */
static bool may_go_on(creel_future *f)
{
	const struct creel__stage *stage = creel__stage_of(f);
	return stage && stage->insists;
}

static bool win(creel_future *f, bool hold)
{
	uint64_t s = creel__load(&f->state, relaxed);
	for (;;) {
		unsigned state = s & CREEL__STATE;
		bool insist = state == CREEL__PINNED && may_go_on(f);
		if (state != CREEL__PENDING && !insist)
			return false;
		if (is_asked_about(s, insist)) {
			await_answer(f, insist);
			s = creel__load(&f->state, relaxed);
			/* [PIN-1] acquire: pairs with the release of the last one to hold it */
		} else if (creel__cas(&f->state, &s, s | (hold ? CREEL__HELD : pin_of(s)), acquire,
				      relaxed)) {
			return true;
		}
	}
}

bool creel__future_pin(creel_future *f)
{
	return win(f, false);
}

int creel__future_cancel_pending(creel_future *f)
{
	return win(f, false) ? end_pinned(f, NULL, &pending_only) : CREEL_CANCEL_FINAL;
}

bool creel__future_hold(creel_future *f)
{
	return win(f, true);
}

/* Marks a running task as asked to stop. A remote one is held while its executor is told. */
static bool ask_to_stop(creel_future *f, uint64_t s)
{
	/* Not once it is SETTLING: then nobody waits for the hold to end. */
	bool remote = s & CREEL__REMOTE && (s & CREEL__STATE) == CREEL__RUNNING &&
		      !(s & (CREEL__ASKED | CREEL__HELD));
	uint64_t hold = remote ? CREEL__HELD : 0;
	/* [PIN-1] acquire: as in refresh() */
	if (!creel__cas(&f->state, &s, s | CREEL__ASKED | hold, acquire, relaxed))
		return false;
	if (remote) {
		f->executor->class->withdraw(f->executor, (creel_task *)f, CREEL__CANCEL);
		creel__future_let_go(f, CREEL__HELD, 0);
	} else if (s & CREEL__WAITED) {
		/* It may sleep. */
		creel__unpark_all(creel__low_half(&f->state));
	}
	return true;
}

/* A task that follows another future passes it on to the last of its chain. */
static int pass_on(creel_future *f, const struct creel__cancelling *how)
{
	const struct creel__cancelling plain = {.kill = how->kill, .grace_ns = how->grace_ns};
	creel_future *last = creel__follow_last(f);
	int rc = last ? creel__future_stop(last, &plain) : 0;
	creel_future_unref(last);
	return rc < 0 ? rc : CREEL_CANCEL_REQUESTED;
}

int creel__future_stop(creel_future *f, const struct creel__cancelling *how)
{
	if (creel__future_foreign(f))
		return -EPERM;
	/* [FUT-1] acquire: whoever is told that it is final sees the result, here and below; pairs
	 * with the release in creel__future_settle() */
	uint64_t s = creel__load(&f->state, acquire);
	for (;;) {
		unsigned state = s & CREEL__STATE;
		if (state >= CREEL__FINISHED)
			return state == CREEL__CANCELLED && !creel__future_expired(f)
				       ? CREEL_CANCEL_NOW
				       : CREEL_CANCEL_FINAL;
		if (state == CREEL__PINNED || state == CREEL__DROPPING)
			return CREEL_CANCEL_NOW;
		if (creel__follows(f, s)) {
			creel__or(&f->state, CREEL__ASKED, relaxed);
			return pass_on(f, how);
		}
		/* Held by one who waits or looks; not by one who asks it to stop already. */
		if (s & CREEL__HELD &&
		    (state == CREEL__PENDING || (state == CREEL__RUNNING && !(s & CREEL__ASKED)))) {
			await_held(f);
			/* [FUT-1] acquire: as above */
			s = creel__load(&f->state, acquire);
		} else if (state != CREEL__PENDING) {
			if (ask_to_stop(f, s))
				return asked(f, how);
			/* [FUT-1] acquire: as above */
			s = creel__load(&f->state, acquire);
			/* [FUT-1] acquire: as above, for when it fails */
		} else if (creel__cas(&f->state, &s, s | pin_of(s), acquire, acquire)) {
			return end_pinned(f, NULL, how);
		}
	}
}

int creel_future_cancel(creel_future *f)
{
	return f ? creel__future_stop(f, &plainly) : -EINVAL;
}

int creel_future_kill(creel_future *f, int64_t grace_ns)
{
	return f && grace_ns >= 0 ? creel__future_kill(f, grace_ns) : -EINVAL;
}

int creel__future_kill(creel_future *f, int64_t grace_ns)
{
	return creel__future_stop(f,
				  &(struct creel__cancelling){.kill = true, .grace_ns = grace_ns});
}
