/* SPDX-License-Identifier: MIT */
/*
 * Futures: the step to a final state, and waiting for it. The state word is explained in
 * future/block.h, references in future/release.c, cancelling in future/cancel.c.
 */
#include "future/future.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/cold.h"
#include "future/callback.h"
#include "future/class.h"
#include "future/follow.h"
#include "future/hook.h"
#include "future/layers.h"
#include "future/release.h"
#include "future/result.h"
#include "future/stage.h"
#include "future/times.h"
#include "future/waits.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/look.h"
#include "sync/park.h"
#include <creel/future.h>
#include <errno.h>

/* What there is when there is no memory for a future. */
static const creel_future out_of_memory = {
	.state = CREEL__REF | CREEL__STATIC | CREEL__FAILED,
	.result_len = CREEL__RESULT_ERROR,
};

/* What comes behind the step: somebody waits or listens, or (keep) nobody else has the future. old
 * is the state word before. */
static CREEL__COLD void follow_up(creel_future *f, uint64_t old, bool keep)
{
	if (old & CREEL__WAITED)
		creel__unpark_all(creel__low_half(&f->state));
	if (old & CREEL__HOOKED)
		creel__hooks_run(f);
	else if (keep)
		creel__future_finish(f);
}

/*
 * Without hooks the reference goes with the step itself, so that who waited may be the sole
 * holder when it looks. The word is then no longer ours: unparking uses its address only, and
 * somebody who sleeps at the same address by then wakes for nothing. With hooks we keep a
 * reference while they are told, and where no user has one, since the result is ours to drop.
 */
static inline bool settle(creel_future *f, unsigned final, unsigned drop, bool hooked_as_well)
{
	uint64_t old = creel__load(&f->state, relaxed), new;
	bool keep;
	do {
		new = (old & ~(uint64_t)CREEL__STATE) | final;
		if (old & CREEL__HOOKED && !hooked_as_well)
			return false;
		keep = drop && creel__future_is_sole(old);
		if (old & CREEL__HOOKED)
			new = (new | CREEL__TELLING) + (1 - drop) * CREEL__REF;
		else if (!keep)
			new -= drop *CREEL__REF;
		/* [FUT-1] [FUT-2] [FUT-3] acq_rel: release publishes the result to whoever sees the
		 * state (creel__future_peek(), creel__hooks_listen()) and our use of the block to
		 * whoever frees it; acquire, for when we are that one */
	} while (!creel__cas(&f->state, &old, new, acq_rel, relaxed));
	if (keep || old & (CREEL__WAITED | CREEL__HOOKED))
		follow_up(f, old, keep);
	return true;
}

void creel__future_settle(creel_future *f, unsigned final, unsigned drop)
{
	(void)settle(f, final, drop, true);
}

/* A continuation takes its place when its executor gets it. */
CREEL__COLD void creel__future_leave(creel_future *f)
{
	if (!(f->executor->traits & CREEL__BOUNDED))
		return;
	const struct creel__stage *stage = creel__stage_of(f);
	if (!stage || stage->placed)
		creel__places_give(&f->executor->places, 1);
}

/* One without a name needs no error of its own. */
void creel__future_cancelled(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	if (options && *options->name && !options->cancelled)
		options->cancelled = creel__error_make(CREEL_KIND_CANCELLED, -ECANCELED,
						       options->name,
						       "cancelled before it started");
	/* A timer has no executor; what is not due has a place, too. */
	if (f->executor && creel__load(&f->state, relaxed) & (CREEL__SLOW | CREEL__OWNED))
		creel__future_leave(f);
	creel__future_settle(f, CREEL__CANCELLED, 1);
}

bool creel__future_settle_unhooked(creel_future *f, unsigned final)
{
	return settle(f, final, 1, false);
}

static creel_future *ended(unsigned final, const creel_error *error)
{
	creel_future *f = creel__block_new(CREEL__REF | final);
	if (!f) {
		creel__error_unref(error);
		return (creel_future *)(uintptr_t)&out_of_memory;
	}
	f->fn = NULL;
	f->executor = NULL;
	f->generation = creel__fork_generation();
	creel__result_error(f, error);
	return f;
}

creel_future *creel__future_failed(const creel_error *error)
{
	return ended(CREEL__FAILED, error);
}

creel_future *creel__future_refused(const creel_error *error)
{
	bool cancelled = error->kind == CREEL_KIND_CANCELLED;
	return ended(cancelled ? CREEL__CANCELLED : CREEL__FAILED, error);
}

static bool is_attempt_of(creel_future *attempt, const creel_future *f)
{
	while (attempt && attempt != f)
		attempt = creel__whole_of(attempt);
	return attempt;
}

bool creel__future_is_own(const creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	unsigned state = s & CREEL__STATE;
	/* While an attempt of it runs it is pending. */
	bool whole = s & CREEL__OWNED && state < CREEL__RUNNING;
	if ((state < CREEL__RUNNING && !whole) || state >= CREEL__FINISHED)
		return false;
	if (!whole && (uint32_t)s >> CREEL__RUNNER != creel__runner_mark() >> CREEL__RUNNER)
		return false;
	for (creel_task *i = creel__self()->task; i; i = i->future.outer)
		if (&i->future == f || (whole && is_attempt_of(&i->future, f)))
			return true;
	return false;
}

/* The last of the chain that its task goes through. Another thread may be ending it, and its
 * executor with it. */
static const creel_executor *lowest_of(creel_future *f)
{
	const struct creel__layers *layers = creel__layers_of(f);
	return layers ? layers->lowest : f->executor;
}

static bool is_inside(const creel_executor *lowest)
{
	const struct creel__drive *i = creel__self()->drive;
	while (i && i->executor != lowest)
		i = i->outer;
	return i;
}

/* Whether only the calling thread can end it, once it is back from what it runs. */
static bool is_behind(creel_future *f)
{
	/* [PIN-1] acquire: as in refresh() of future/cancel.c */
	uint64_t s = creel__load(&f->state, acquire);
	/* What it follows may end anywhere. */
	if (creel__follows(f, s))
		return false;
	if (f->executor || !(s & CREEL__OWNED))
		return is_inside(lowest_of(f));
	const struct creel__drive *i = creel__self()->drive;
	while (i && i->owner != f->owner)
		i = i->outer;
	return i;
}

bool creel__executor_needs_caller(const creel_executor *ex)
{
	return creel__self()->drive && is_inside(ex->beneath ? ex->lowest : ex);
}

/* Whether nothing but its turn at its executor will end it, as far as can be told: no clock, no
 * token, no end of an input. A link may belong to who cancels it, such as a timeout. */
static bool waits_for_its_turn(creel_future *f)
{
	const struct creel__options *options = creel__options_of(f);
	const struct creel__times *times = options ? options->times : NULL;
	const uint64_t mask = CREEL__STATE | CREEL__OWNED | CREEL__CALLING;
	return (creel__load(&f->state, relaxed) & mask) == CREEL__PENDING &&
	       !(options && options->enlisted) && !(times && times->expiry_ns);
}

/* Whether ex has let go of what is running here, and lets go of nothing else before that has ended.
 * Of ex nothing is known so far. */
static bool is_held_up(const creel_executor *ex, creel_future *running)
{
	return running->executor != ex && creel__task_is_of(running, ex) &&
	       ex->traits & CREEL__SERIAL;
}

/* Whether f starts only when a task has ended that runs here. When in doubt, no: a wait that is
 * refused in error is worse than one that lasts. What was submitted further up, to a scope say, may
 * be ended by that. */
static bool is_later(creel_future *f)
{
	/* Most were submitted to no adaptor: then the tasks further out do not matter. */
	const struct creel__layers *layers = creel__layers_of(f);
	if (!layers || !creel__task_is_at(f, layers->origin) || !waits_for_its_turn(f))
		return false;
	for (creel_task *i = creel__self()->task; i; i = i->future.outer)
		for (creel_future *r = &i->future; r; r = creel__whole_of(r))
			if (is_held_up(layers->origin, r))
				return true;
	return false;
}

static bool goes_through(const creel_executor *ex, const creel_executor *adaptor)
{
	while (ex && ex != adaptor)
		ex = ex->beneath;
	return ex;
}

static bool lets_through_later(const creel_executor *ex, creel_future *running)
{
	const creel_executor *i = creel__task_origin(running);
	while (i != running->executor && !(i->traits & CREEL__SERIAL && goes_through(ex, i)))
		i = i->beneath;
	return i != running->executor;
}

bool creel__executor_is_later(const creel_executor *ex)
{
	for (creel_task *i = ex->beneath ? creel__self()->task : NULL; i; i = i->future.outer)
		for (creel_future *r = &i->future; r; r = creel__whole_of(r))
			if (lets_through_later(ex, r))
				return true;
	return false;
}

bool creel__future_needs_caller(creel_future *f)
{
	const struct creel__local *local = creel__self();
	return (local->task && (creel__future_is_own(f) || is_later(f))) ||
	       (local->drive && is_behind(f));
}

int creel__future_may_wait(creel_future *f, creel_deadline deadline)
{
	struct creel__local *local = creel__self();
	if (creel__future_needs_caller(f))
		return -EDEADLK;
	if (creel__deadline_passed(deadline))
		return -ETIMEDOUT;
	return local->callbacks ? -EDEADLK : 0;
}

uint64_t creel__future_let_go(creel_future *f, uint64_t mask, uint64_t new)
{
	uint64_t old = creel__load(&f->state, relaxed);
	/* [PIN-1] release: we are through with the executor; pairs with the acquires of those who
	 * then end the task (creel__task_claim(), creel__task_claim_remote())
	 * [FOLLOW-2] release: a task that follows has hung on its source; pairs with listen() of
	 * future/hook.c */
	while (!creel__cas(&f->state, &old, (old & ~mask) | new, release, relaxed))
		;
	if (old & CREEL__WAITED)
		creel__unpark_all(creel__low_half(&f->state));
	return old;
}

void creel__future_release(creel_future *f)
{
	(void)creel__future_let_go(f, CREEL__HELD, 0);
}

/* Whether the end of the task calls functions: destructors or hooks. They may need a lock that the
 * waiter holds. Whoever ends the task changes the options: the caller holds it. */
static bool ends_with_calls(creel_future *f)
{
	const struct creel__options *o = creel__options_of(f);
	return o && (o->arg_free || o->watched || o->times || o->stage || o->layers || o->enlisted);
}

/* A remote task's executor may let its waiter fetch the outcome. Not where there are functions to
 * be called. */
static bool await_remote(creel_future *f, creel_deadline deadline)
{
	uint64_t s = creel__load(&f->state, relaxed);
	do {
		unsigned state = s & CREEL__STATE;
		if ((state != CREEL__PENDING && state != CREEL__RUNNING) ||
		    s & (CREEL__HELD | CREEL__HOOKED))
			return false;
		/* [PIN-1] acquire: as in refresh() of future/cancel.c */
	} while (!creel__cas(&f->state, &s, s | CREEL__HELD, acquire, relaxed));
	const struct creel__executor_class *class = f->executor->class;
	if (class->await && !ends_with_calls(f))
		class->await(f->executor, (creel_task *)f, deadline);
	else
		creel__future_release(f);
	return creel__future_is_final(f);
}

/* Whether a waiter may run the task: not if it is not due (OWNED), nor a periodic one, which would
 * still stand in the queue when its next run comes. */
static bool may_help(creel_future *f)
{
	const struct creel__times *times = creel__times_of(f);
	return !(creel__load(&f->state, relaxed) & CREEL__OWNED) && !(times && times->period_ns);
}

/* The caller waits until the future is final. If its task has not started, the executor may let the
 * caller run it (lent: it waits without a deadline): then true. Or, if the caller is about to park
 * (parks), the executor wakes one more worker. */
static bool expect(creel_future *f, bool lent, bool parks)
{
	uint64_t s = creel__load(&f->state, relaxed);
	do {
		/* Only what is PENDING keeps its executor. */
		if ((s & CREEL__STATE) != CREEL__PENDING ||
		    s & (CREEL__HELD | CREEL__REMOTE | CREEL__PROMISE | CREEL__OWNED))
			return false;
		/* [PIN-1] acquire: pairs with the release of the last one to hold it */
	} while (!creel__cas(&f->state, &s, s | CREEL__HELD, acquire, relaxed));
	creel_executor *ex = f->executor;
	if (lent && !creel__self()->worker && ex->class->lend && may_help(f) &&
	    ex->class->lend(ex, (creel_task *)f))
		return creel__future_foreign(f) || creel__future_is_final(f);
	_Atomic(uint32_t) *sleeper = parks && ex->class->awaited ? ex->class->awaited(ex) : NULL;
	creel__future_release(f);
	/* Only now: it is a system call, and a worker may be waiting for the end of the hold. */
	if (sleeper)
		creel__unpark_one(sleeper);
	return false;
}

/* A task that waits on a worker for another task of the same executor may have the worker run that
 * one, and waits on if that has returned a future. In the initializer, and in the finalizer, there
 * is no state for it. Where the worker has given up its slot (sync/block.h), the task is for the
 * one who has that. The worker keeps its executor; that of the future may be gone, and is only
 * compared. What is not due is OWNED. */
bool creel__future_help(creel_future *f)
{
	struct creel__local *local = creel__self();
	bool may = local->worker && local->task && !local->blocked;
	creel_executor *ex = may ? local->worker->executor : NULL;
	return ex && creel__task_is_at(f, ex) && ex->class->help &&
	       !creel__load(&ex->paused, relaxed) && may_help(f) &&
	       ex->class->help(local->worker, (creel_task *)f) && creel__future_is_final(f);
}

static bool has_ended(void *f)
{
	return creel__future_is_final(f);
}

/* An end that comes while the caller still looks meets no WAITED, and makes no system call. */
static int sleep_until_final(creel_future *f, creel_deadline deadline)
{
	if (creel__load(&f->state, relaxed) & CREEL__REMOTE && await_remote(f, deadline))
		return 0;
	unsigned looks = creel__looks();
	if (expect(f, creel__is_forever(deadline), !looks))
		return creel__future_foreign(f) ? -EPERM : 0;
	if (creel__look(looks, has_ended, f))
		return 0;
	if (looks)
		(void)expect(f, false, true);
	uint64_t s = creel__or(&f->state, CREEL__WAITED, relaxed) | CREEL__WAITED;
	while ((s & CREEL__STATE) < CREEL__FINISHED) {
		int rc = creel__park(creel__low_half(&f->state), (uint32_t)s, deadline);
		/* [FUT-1] acquire: as in creel__future_peek() */
		s = creel__load(&f->state, acquire);
		if (rc && (s & CREEL__STATE) < CREEL__FINISHED)
			return rc;
	}
	return creel__future_is_final(f) ? 0 : -ETIMEDOUT;
}

static CREEL__COLD int await_end(creel_future *f, creel_deadline deadline)
{
	int rc = creel__future_may_wait(f, deadline);
	if (rc)
		return creel__future_is_final(f) ? 0 : rc;
	if (creel__is_forever(deadline) && creel__future_help(f))
		return 0;
	creel__waits_begin(CREEL__WAITS_FUTURE, f);
	rc = sleep_until_final(f, deadline);
	creel__waits_end();
	return rc;
}

int creel__future_await(creel_future *f, creel_deadline deadline)
{
	if (creel__future_foreign(f))
		return -EPERM;
	return creel__future_is_final(f) ? 0 : await_end(f, deadline);
}
