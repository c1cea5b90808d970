/* SPDX-License-Identifier: MIT */
/*
 * Futures: the step to a final state, waiting for it, cancelling. The state word is explained in
 * future/block.h, references in future/release.c.
 */
#include "future/future.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "future/callback.h"
#include "future/class.h"
#include "future/hook.h"
#include "future/release.h"
#include "future/result.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/park.h"
#include <creel/future.h>
#include <errno.h>

/* What there is when there is no memory for a future. */
static const creel_future out_of_memory = {
	.state = CREEL__REF | CREEL__STATIC | CREEL__FAILED,
	.result_len = CREEL__RESULT_ERROR,
};

/*
 * Without hooks the reference goes with the step itself, so that who waited may be the sole
 * holder when it looks. The word is then no longer ours: unparking uses its address only, and
 * somebody who sleeps at the same address by then wakes for nothing. With hooks we keep a
 * reference while they are told, and where no user has one, since the result is ours to drop.
 */
static bool settle(creel_future *f, unsigned final, unsigned drop, bool hooked_as_well)
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
	if (old & CREEL__WAITED)
		creel__unpark_all(creel__low_half(&f->state));
	if (old & CREEL__HOOKED)
		creel__hooks_run(f);
	else if (keep)
		creel__future_finish(f);
	return true;
}

void creel__future_settle(creel_future *f, unsigned final, unsigned drop)
{
	(void)settle(f, final, drop, true);
}

bool creel__future_settle_unhooked(creel_future *f, unsigned final)
{
	return settle(f, final, 1, false);
}

creel_future *creel__future_failed(const creel_error *error)
{
	creel_future *f = creel__block_new(CREEL__REF | CREEL__FAILED);
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

bool creel__future_is_own(const creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	unsigned state = s & CREEL__STATE;
	if (state < CREEL__RUNNING || state >= CREEL__FINISHED)
		return false;
	if ((uint32_t)s >> CREEL__RUNNER != creel__runner_mark() >> CREEL__RUNNER)
		return false;
	for (const creel_task *i = creel__self()->task; i; i = i->future.outer)
		if (&i->future == f)
			return true;
	return false;
}

int creel__future_may_wait(creel_future *f, creel_deadline deadline)
{
	struct creel__local *local = creel__self();
	if (local->task && creel__future_is_own(f))
		return -EDEADLK;
	if (creel__deadline_passed(deadline))
		return -ETIMEDOUT;
	return local->callbacks ? -EDEADLK : 0;
}

/* Lets go of a future that is PINNED or HELD: new replaces those bits;
 * whoever waits for it goes on. */
static void let_go(creel_future *f, uint64_t mask, uint64_t new)
{
	uint64_t old = creel__load(&f->state, relaxed);
	/* [PIN-1] release: we are through with the executor; pairs with the acquires of those who
	 * then end the task (creel__task_claim(), creel__task_claim_remote()) */
	while (!creel__cas(&f->state, &old, (old & ~mask) | new, release, relaxed))
		;
	if (old & CREEL__WAITED)
		creel__unpark_all(creel__low_half(&f->state));
}

void creel__future_release(creel_future *f)
{
	let_go(f, CREEL__HELD, 0);
}

/* A remote task's executor may let its waiter fetch the outcome. Not where there are functions to
 * be called: they may need a lock that the waiter holds. */
static bool await_remote(creel_future *f, creel_deadline deadline)
{
	struct creel__options *options = creel__options_of(f);
	uint64_t s = creel__load(&f->state, relaxed);
	if (options && options->arg_free)
		return false;
	do {
		unsigned state = s & CREEL__STATE;
		if ((state != CREEL__PENDING && state != CREEL__RUNNING) ||
		    s & (CREEL__HELD | CREEL__HOOKED))
			return false;
	} while (!creel__cas(&f->state, &s, s | CREEL__HELD, relaxed, relaxed));
	f->executor->class->await(f->executor, (creel_task *)f, deadline);
	return creel__future_is_final(f);
}

void creel__future_expect(creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	do {
		/* Only what is PENDING keeps its executor. */
		if ((s & CREEL__STATE) != CREEL__PENDING ||
		    s & (CREEL__HELD | CREEL__REMOTE | CREEL__PROMISE))
			return;
		/* [PIN-1] acquire: pairs with the release of the last one to hold it */
	} while (!creel__cas(&f->state, &s, s | CREEL__HELD, acquire, relaxed));
	if (f->executor->class->awaited)
		f->executor->class->awaited(f->executor);
	let_go(f, CREEL__HELD, CREEL__WAITED);
}

/* A task that waits on a worker for another task of the same executor may have the worker run that
 * one. In the initializer, and in the finalizer, there is no state for it. The worker keeps its
 * executor; that of the future may be gone, and is only compared. */
static bool help(creel_future *f)
{
	struct creel__local *local = creel__self();
	creel_executor *ex = local->worker && local->task ? local->worker->executor : NULL;
	return ex && f->executor == ex && ex->class->help &&
	       ex->class->help(local->worker, (creel_task *)f);
}

int creel__future_await(creel_future *f, creel_deadline deadline)
{
	if (creel__future_foreign(f))
		return -EPERM;
	if (creel__future_is_final(f))
		return 0;
	int rc = creel__future_may_wait(f, deadline);
	if (rc)
		return creel__future_is_final(f) ? 0 : rc;
	if (creel__is_forever(deadline) && help(f))
		return 0;
	if (creel__load(&f->state, relaxed) & CREEL__REMOTE && await_remote(f, deadline))
		return 0;
	creel__future_expect(f);
	uint64_t s = creel__or(&f->state, CREEL__WAITED, relaxed) | CREEL__WAITED;
	while ((s & CREEL__STATE) < CREEL__FINISHED) {
		rc = creel__park(creel__low_half(&f->state), (uint32_t)s, deadline);
		/* [FUT-1] acquire: as in creel__future_peek() */
		s = creel__load(&f->state, acquire);
		if (rc && (s & CREEL__STATE) < CREEL__FINISHED)
			return rc;
	}
	return creel__future_is_final(f) ? 0 : -ETIMEDOUT;
}

/* Somebody asks the executor about it, with a lock and not longer. A canceller that has it PINNED
 * by now is not waited for, since destructors run meanwhile: the caller looks again. */
static void await_held(creel_future *f)
{
	uint64_t s = creel__or(&f->state, CREEL__WAITED, relaxed) | CREEL__WAITED;
	if (s & CREEL__HELD)
		creel__park(creel__low_half(&f->state), (uint32_t)s, CREEL_FOREVER);
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
		if (!creel__cas(&f->state, &s, s | CREEL__HELD, relaxed, relaxed))
			continue;
		creel_executor *ex = f->executor;
		bool started = ex->class->withdraw(ex, (creel_task *)f, true) == CREEL__STARTED;
		let_go(f, CREEL__HELD, started ? CREEL__RUNNING : CREEL__PENDING);
		return;
	}
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
	return shown[creel__future_peek(f)];
}

/* The end of a task that the caller has moved to DROPPING, whose argument it has dropped. Takes over
 * a reference, and does what the executor left to do. */
static void end_cancelled(creel_future *f)
{
	creel_executor *ex = f->executor;
	/* Ours keeps the block until we have looked. */
	creel_future_ref(f);
	creel__future_settle(f, CREEL__CANCELLED, 1);
	/* [LEFT-1] acquire: pairs with the release in claim_slowly() */
	uint64_t s = creel__load(&f->state, acquire);
	if ((s & (CREEL__LEFT | CREEL__LATE_ARG)) == CREEL__LEFT) {
		creel__future_drop_queued(f);
		ex->class->ended(ex);
	}
	creel_future_unref(f);
}

/* The future is PINNED by the caller, so that its executor is alive. */
static int cancel_pinned(creel_future *f)
{
	creel_executor *ex = f->executor;
	enum creel__withdrawn w = CREEL__NOT_THERE;
	if (ex && ex->class->withdraw)
		w = ex->class->withdraw(ex, (creel_task *)f, false);
	if (creel__future_foreign(f))
		return -EPERM;
	bool remote = creel__load(&f->state, relaxed) & CREEL__REMOTE;
	if (w == CREEL__STARTED) {
		let_go(f, CREEL__HELD, CREEL__RUNNING | CREEL__ASKED);
		return CREEL_CANCEL_REQUESTED;
	}
	/* The executor's reference may go from here on. Where it only has to drop it, say so. That
	 * of a remote task stays as it is: class->ended() tells the executor that it may go. */
	creel_future_ref(f);
	let_go(f, CREEL__STATE | CREEL__HELD,
	       CREEL__DROPPING | (w == CREEL__NOT_THERE && ex && !remote ? CREEL__QUEUED : 0));
	bool counted = creel__load(&f->state, relaxed) & CREEL__COUNTED;
	bool dropped = creel__argument_drop(f);
	if (creel__future_foreign(f))
		return -EPERM;
	if (w == CREEL__NOT_THERE && ex && !remote) {
		end_cancelled(f);
		return CREEL_CANCEL_NOW;
	}
	bool counts = remote || (w == CREEL__WITHDRAWN && counted);
	if (counts && !dropped)
		creel__or(&f->state, CREEL__LATE_END, relaxed);
	creel__future_settle(f, CREEL__CANCELLED, 1);
	if (counts && dropped)
		ex->class->ended(ex);
	if (w == CREEL__WITHDRAWN)
		creel_future_unref(f);
	return CREEL_CANCEL_NOW;
}

/* Marks a running task as asked to stop. A remote one is held while its executor is told. */
static bool ask_to_stop(creel_future *f, uint64_t s)
{
	/* Not once it is SETTLING: then nobody waits for the hold to end. */
	bool remote = s & CREEL__REMOTE && (s & CREEL__STATE) == CREEL__RUNNING &&
		      !(s & (CREEL__ASKED | CREEL__HELD));
	uint64_t hold = remote ? CREEL__HELD : 0;
	if (!creel__cas(&f->state, &s, s | CREEL__ASKED | hold, relaxed, relaxed))
		return false;
	if (remote) {
		f->executor->class->withdraw(f->executor, (creel_task *)f, false);
		let_go(f, CREEL__HELD, 0);
	}
	return true;
}

int creel_future_cancel(creel_future *f)
{
	if (!f)
		return -EINVAL;
	if (creel__future_foreign(f))
		return -EPERM;
	/* [FUT-1] acquire: whoever is told that it is final sees the result, here and below; pairs
	 * with the release in creel__future_settle() */
	uint64_t s = creel__load(&f->state, acquire);
	for (;;) {
		unsigned state = s & CREEL__STATE;
		if (state >= CREEL__FINISHED)
			return state == CREEL__CANCELLED ? CREEL_CANCEL_NOW : CREEL_CANCEL_FINAL;
		if (state == CREEL__PINNED || state == CREEL__DROPPING)
			return CREEL_CANCEL_NOW;
		/* Held by one who waits or looks; not by one who asks it to stop already. */
		if (s & CREEL__HELD &&
		    (state == CREEL__PENDING || (state == CREEL__RUNNING && !(s & CREEL__ASKED)))) {
			await_held(f);
			/* [FUT-1] acquire: as above */
			s = creel__load(&f->state, acquire);
		} else if (state != CREEL__PENDING) {
			if (ask_to_stop(f, s))
				return CREEL_CANCEL_REQUESTED;
			/* [FUT-1] acquire: as above */
			s = creel__load(&f->state, acquire);
			/* [FUT-1] acquire: as above, for when it fails */
		} else if (creel__cas(&f->state, &s,
				      s | (s & CREEL__REMOTE ? CREEL__HELD : CREEL__PINNED),
				      acquire, acquire)) {
			return cancel_pinned(f);
		}
	}
}

int creel_future_kill(creel_future *f, int64_t grace_ns)
{
	return f && grace_ns >= 0 ? creel__future_kill(f, grace_ns) : -EINVAL;
}

int creel__future_kill(creel_future *f, int64_t grace_ns)
{
	int rc = creel_future_cancel(f);
	if (rc != CREEL_CANCEL_REQUESTED)
		return rc;
	uint64_t s = creel__load(&f->state, relaxed);
	for (;;) {
		if ((s & CREEL__STATE) >= CREEL__FINISHED)
			return CREEL_CANCEL_FINAL;
		if (!(s & CREEL__REMOTE))
			return -ENOTSUP;
		if ((s & CREEL__STATE) == CREEL__SETTLING)
			return CREEL_CANCEL_FINAL;
		if (s & CREEL__HELD) {
			await_held(f);
			s = creel__load(&f->state, relaxed);
		} else if (creel__cas(&f->state, &s, s | CREEL__HELD, relaxed, relaxed)) {
			break;
		}
	}
	rc = f->executor->class->kill(f->executor, (creel_task *)f, grace_ns);
	let_go(f, CREEL__HELD, 0);
	return rc ? rc : CREEL_CANCEL_REQUESTED;
}
