/* SPDX-License-Identifier: MIT */
/* The step to a final state, and waiting for it. */
#ifndef CREEL__FUTURE_FUTURE_H
#define CREEL__FUTURE_FUTURE_H

#include "future/block.h"
#include "future/error.h"
#include "sync/fork.h"
#include "sync/local.h"

/*
 * Makes the future final: CREEL__FINISHED, _FAILED or _CANCELLED; wakes those who wait, tells
 * hooks, drops `drop` references (0 or 1) of the caller's. The caller is the one that moved it to
 * RUNNING, SETTLING or PINNED; its result is complete.
 */
void creel__future_settle(creel_future *f, unsigned final, unsigned drop);

/* A task is about to end, and keeps its executor until then: gives its place back, if that is
 * bounded. creel__future_cancelled() does this itself. */
void creel__future_leave(creel_future *f);

/* Makes it final as cancelled, with an error that names the task, and drops a reference. The caller
 * moved it to DROPPING. */
void creel__future_cancelled(creel_future *f);

/* The same, with its reference, unless it has hooks to be told: then false,
 * and nothing has happened. */
bool creel__future_settle_unhooked(creel_future *f, unsigned final);

/* 0 if the calling thread may park until deadline for a future that is not final, else the code
 * that says why not: -EDEADLK, -EPERM, -ETIMEDOUT. */
int creel__future_may_wait(creel_future *f, creel_deadline deadline);

/* Waits until the future is final. 0, -ETIMEDOUT, -EDEADLK, -EPERM. */
int creel__future_await(creel_future *f, creel_deadline deadline);

/* A task that waits for f without a deadline may have its worker run that: true if it has. */
bool creel__future_help(creel_future *f);

/* Why a future that is final has no result, or NULL. Does not count as reading it. */
const creel_error *creel__future_peek_error(creel_future *f);

/* Lets go of a future that is PINNED or HELD: new replaces the bits of mask. Whoever waits for that
 * goes on. Returns the state word before. */
uint64_t creel__future_let_go(creel_future *f, uint64_t mask, uint64_t new);

/* The end of the hold that class->await() found: the task may end, and its executor go. */
void creel__future_release(creel_future *f);

/* A future that is final from birth, with an error (takes over the reference). Never NULL. */
creel_future *creel__future_failed(const creel_error *error);
/* The same of a task that was refused: cancelled, if the error says so. */
creel_future *creel__future_refused(const creel_error *error);

/* The mark that the calling thread leaves in the state word of a task that it runs. Threads may
 * share one. It is never 0, and stays after the end. */
static inline unsigned creel__runner_mark(void)
{
	uint32_t hash = (uint32_t)((uintptr_t)creel__self() >> 4) * UINT32_C(2654435761);
	return (hash | UINT32_C(1) << CREEL__RUNNER) >> CREEL__RUNNER << CREEL__RUNNER;
}

/* Whether a task was cancelled before anybody ran it. Others may end as cancelled: a finally, and
 * one that follows another future, which has lost the mark and is OWNED. */
static inline bool creel__future_never_ran(const creel_future *f)
{
	return (creel__load(&f->state, relaxed) & (CREEL__STATE | CREEL__OWNED | CREEL__MARKS)) ==
	       CREEL__CANCELLED;
}

/* Whether the calling thread runs the future's task, right now or further out. Looks through the
 * stack of its tasks only if the future runs, under this thread's mark. */
bool creel__future_is_own(const creel_future *f);

/* An executor whose tasks, and futures of that owner, end only on the thread that is inside it:
 * compose/driven.h. They are only compared. On that thread's stack. */
struct creel__drive {
	const creel_executor *executor;
	const struct creel__owner *owner;
	const struct creel__drive *outer;
};

/* Whether a future that is not final cannot end before the calling thread returns: its own task, or
 * one that only this thread would run. */
bool creel__future_needs_caller(creel_future *f);
/* Whether no task of the executor, or of those beneath it, can go on before the calling thread
 * returns: it is inside the lowest one, which is driven. */
bool creel__executor_needs_caller(const creel_executor *ex);
/* Whether all that ex is given comes to an adaptor that let go of what is running here, and lets go
 * of nothing else before that has ended. */
bool creel__executor_is_later(const creel_executor *ex);

struct creel__cancelling;

/* future/cancel.c: creel_future_kill(), with CREEL__GRACE_OF_POOL as well. */
int creel__future_kill(creel_future *f, int64_t grace_ns);
/* Cancels or kills it, as how says, and returns what those calls do. */
int creel__future_stop(creel_future *f, const struct creel__cancelling *how);

#endif
