/* SPDX-License-Identifier: MIT */
/*
 * Futures that have an owner: something other than an executor or a promise's holder ends them. A
 * timer of creel_after() is one, and everything that is composed of other futures. A task has an
 * owner as long as its executor does not know it, because it is not due or waits for its input.
 *
 * Who decides how the future ends is decided by its state word. The owner moves it from PENDING to
 * SETTLING (creel__owned_claim()), a canceller from PENDING to PINNED. The canceller then asks the
 * owner for it.
 *
 * REFERENCES  The owner has one. It drops that with the end of the future, or when it finds that a
 *             canceller has won, unless it gave it to the canceller.
 * PAYLOAD     Until it is final the payload of a future without an executor is the owner's. A
 *             cancelled one keeps it as it was.
 */
#ifndef CREEL__FUTURE_OWNED_H
#define CREEL__FUTURE_OWNED_H

#include "future/block.h"
#include "future/class.h"

/* How somebody wants a future to end. */
struct creel__cancelling {
	bool kill;              /* as creel_future_kill() does, */
	int64_t grace_ns;       /* with this grace, or CREEL__GRACE_OF_POOL */
	bool pending_only;      /* not if it has started: then it is not even asked */
	const creel_error *why; /* borrowed; of a task with a token; or NULL */
};

struct creel__owner {
	const char *what; /* what it is, in errors: "the timer" */
	bool undue;       /* of a task of which its executor's class knows nothing yet */
	bool host_only;   /* its result, if it has one, refers to futures of this process */
	/*
	 * A canceller has the future PINNED. Takes it out of the owner's structure, with a lock and
	 * not longer; calls no function of the user's.
	 *
	 * CREEL__WITHDRAWN  The owner's reference is the canceller's from now on.
	 * CREEL__NOT_THERE  Somebody has it in hand. He drops the owner's reference when he finds
	 *                   that creel__owned_claim() fails.
	 * CREEL__STARTED    It cannot be cancelled now. It is marked as asked and stays PENDING.
	 *                   Whoever would claim it meanwhile has to come again: so an owner that
	 *                   says this decides under a lock of its own.
	 */
	enum creel__withdrawn (*withdraw)(creel_future *f);
	/* Or NULL. It is cancelled now, or has been asked. Called without a lock and with a
	 * reference to f, perhaps several times where it was asked. May call anything. */
	void (*cancelled)(creel_future *f, const struct creel__cancelling *how);
	/* Or NULL. A task that was withdrawn ends for the reason of a token, which this error says.
	 * What the owner knows beside that may lie beneath it. */
	void (*explain)(creel_future *f, const creel_error *error);
};

/* PENDING, with so many references; NULL without memory. */
creel_future *creel__owned_new(const struct creel__owner *owner, unsigned refs);

/* The payload: CREEL__PAYLOAD bytes. */
static inline void *creel__owned_state(creel_future *f)
{
	return f->payload;
}

/* True: the caller ends it now, by one of the next three, and the payload is the result's. False: a
 * canceller has it. Never waits. */
bool creel__owned_claim(creel_future *f);

/* Whether its result, once it has one, is of no use in another process: it is that of an owner with
 * host_only, perhaps passed on. */
bool creel__owned_host_only(creel_future *f);

/* Each drops the owner's reference. */
void creel__owned_finish(creel_future *f); /* with the result that creel__result_...() has set */
/* As the kind of the error says, failed or cancelled. Takes over the error. */
void creel__owned_fail(creel_future *f, const creel_error *error);
/* Gives f, which the caller runs or settles, the outcome of source, which is final: its result, not
 * copied, or its error, which counts as read there. Returns the state in which f is to end. */
unsigned creel__outcome_pass(creel_future *f, creel_future *source);
/* As source did, which is final: with its result, which is shared and not copied, failed with its
 * error, or cancelled. Takes over the caller's reference to source. */
void creel__owned_pass(creel_future *f, creel_future *source);

#endif
