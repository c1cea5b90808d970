/* SPDX-License-Identifier: MIT */
/*
 * Stages: what a task has that continues another future, besides its options. compose/then.c makes
 * them.
 *
 * WAITING   The task is PENDING and OWNED, stands in its executor's list of what that has not got
 *           yet (future/undue.h), and hangs on its input by a link. Its executor's class has never
 *           heard of it, and it holds no place of a bounded executor. Three want it: its input,
 *           which ends; a canceller; and who shuts the executor down. Each has to win the state
 *           word (HELD, PINNED, SETTLING). Who wins takes the link off the input. If that is too
 *           late, the link is called all the same, finds that it has lost, and drops the owner's
 *           reference: so the winner takes one more.
 * HANDED    Its input has ended. It is a task like any other, and has a reference to its input
 *           until it ends. So no chain of ended futures hangs together.
 * INSISTS   A finally is not cancelled, as long as its executor serves it: `asked` says that it is
 *           to end as cancelled when its function has returned.
 *
 * MEMORY    A stage stands behind its options, in one piece with the block. Whoever gives the task
 *           to its class may look at the stage afterwards, when the task may be gone: `refs` counts
 *           who keeps the piece.
 */
#ifndef CREEL__FUTURE_STAGE_H
#define CREEL__FUTURE_STAGE_H

#include "future/hook.h"
#include "future/link.h"
#include "future/owned.h"
#include "future/undue.h"

/* Where the outcome of an input is, for a worker process; all zero without an input. */
struct creel__parcel {
	enum { CREEL__NO_PARCEL, CREEL__PARCEL_RESULT, CREEL__PARCEL_ERROR } what;
	const void *data; /* an error as exec/parcel.c lays it out */
	size_t size;
};

/* Of a stage whose worker is another process. */
struct creel__packed {
	struct creel__parcel parcel;
	void *copy; /* what it was copied to, memory of the executor's; NULL: it is read in place */
};

struct creel__stage {
	struct creel__undue undue;
	struct creel__link link;
	_Atomic(uint32_t) refs;
	bool insists, upstream, cancelled_too; /* set at birth: finally; the flags */
	bool recovers;                         /* it runs after errors; else after results */
	bool asked;                   /* written by who has it PINNED or HELD, as the next */
	bool placed;                  /* it holds a place of a bounded executor */
	_Atomic(bool) in_hand;        /* its class is being given it */
	creel_future *input;          /* a reference, once it is final; or NULL */
	struct creel__packed *packed; /* that, for a worker process; or NULL */
	_Atomic(uint32_t) off;        /* CREEL__OFF; written by who took the link off: */
	creel_future *target;         /* a reference to the input */
	struct creel__cancelling how;
};

/* A canceller takes the link off the input to cancel that. Of a finally it then puts it back, and
 * nobody else looks at the link meanwhile. */
enum {
	CREEL__ON,
	CREEL__OFF,       /* for the first that comes to it */
	CREEL__OFF_TAKEN, /* it is at it */
};

/* Of a task that the caller has PINNED or SETTLING: takes it off its input. False: the link is
 * called, now or later. ret_input as in creel__link_remove(). */
bool creel__stage_unlink(struct creel__stage *stage, creel_future **ret_input);

/* That of a task, or NULL. */
static inline struct creel__stage *creel__stage_of(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	return options ? options->stage : NULL;
}

/* Drops a reference. True: it was the last one. */
static inline bool creel__stage_unref(struct creel__stage *stage)
{
	/* [STAGE-1] acquire: whoever frees it comes after everybody's use; pairs with the release
	 * below */
	if (creel__load(&stage->refs, acquire) == 1)
		return true;
	/* [STAGE-1] acq_rel: as above, and pairs with itself */
	return creel__sub(&stage->refs, 1, acq_rel) == 1;
}

/* The end of a finally whose function has run: the state in which it ends, by the one in which a
 * task would. (An attempt of one ends as its function did: whoever tries it looks at that.) */
unsigned creel__stage_outcome(creel_future *f, const struct creel__stage *stage, unsigned final);

#endif
