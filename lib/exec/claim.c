/* SPDX-License-Identifier: MIT */
/*
 * Claiming: who has a task that is PENDING. The states are explained in future/block.h.
 *
 * An executor may find a task that somebody else has claimed. If a canceller has it, the executor
 * waits until that is through, unless it is in a callback or a destructor: then it sets LEFT, and
 * the canceller does the executor's part of the end. It sets LEFT while the word is DROPPING or has
 * LATE_ARG, both of which end by a step of the canceller's on the same word. So the canceller sees
 * LEFT in that step or after it, or the executor sees that it has come too late, and does its part
 * itself.
 */
#include "exec/task.h"
#include "sync/local.h"
#include "sync/park.h"

/* How often one looks whether a future is still HELD before one parks. */
enum {
#ifdef CREEL_MODEL
	LOOKS_AT_HELD = 1,
#else
	LOOKS_AT_HELD = 50,
#endif
};

/* Sleeps while a canceller has it, or somebody asks the executor about it, and returns the state
 * word: look again. */
static uint64_t await_free(creel_future *f)
{
	/* A waiter lets go within a microsecond or so: future/future.c. */
	for (int i = 0; i < LOOKS_AT_HELD; i++) {
		creel__cpu_relax();
		uint64_t s = creel__load(&f->state, relaxed);
		if (!(s & CREEL__HELD) && (s & CREEL__STATE) != CREEL__PINNED &&
		    (s & CREEL__STATE) != CREEL__DROPPING)
			return s;
	}
	uint64_t s = creel__or(&f->state, CREEL__WAITED, relaxed) | CREEL__WAITED;
	unsigned now = s & CREEL__STATE;
	if (now == CREEL__PINNED || now == CREEL__DROPPING || s & CREEL__HELD)
		creel__park_briefly(creel__low_half(&f->state), (uint32_t)s, CREEL_FOREVER);
	return creel__load(&f->state, relaxed);
}

/* It could not be claimed: waits until that is decided. */
static enum creel__claim claim_slowly(creel_future *f, uint64_t add)
{
	uint64_t s = creel__load(&f->state, relaxed);
	for (;;) {
		unsigned now = s & CREEL__STATE;
		if (now == CREEL__PENDING && !(s & CREEL__HELD)) {
			/* [PIN-1] acquire: as in creel__task_claim() */
			if (creel__cas(&f->state, &s, s + add, acquire, relaxed))
				return CREEL__CLAIMED;
		} else if (now == CREEL__PINNED || now == CREEL__PENDING) {
			s = await_free(f);
		} else if (now != CREEL__DROPPING && !(s & CREEL__LATE_ARG)) {
			return CREEL__TAKEN;
		} else if (now == CREEL__DROPPING && !creel__self()->callbacks) {
			s = await_free(f);
			/* [LEFT-1] release: we are through with the task; pairs with the acquires
			 * in end_queued() and drop_late() of lib/future */
		} else if (creel__cas(&f->state, &s, s | CREEL__LEFT, release, relaxed)) {
			return CREEL__LEFT_TO_CANCELLER;
		}
	}
}

enum creel__claim creel__task_claim(creel_future *f, uint64_t add)
{
	uint64_t s = creel__load(&f->state, relaxed);
	if ((s & CREEL__STATE) == CREEL__PENDING && !(s & CREEL__HELD)) {
		/* [PIN-1] acquire: whoever had it pinned is through with the executor; pairs with
		 * the release in creel__future_let_go(). What the task is about came with the
		 * pointer to it, from the queue or from the caller's hands. */
		if (creel__cas(&f->state, &s, s + add, acquire, relaxed))
			return CREEL__CLAIMED;
	}
	return claim_slowly(f, add);
}

void creel__task_claim_remote(creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	for (;;) {
		if ((s & CREEL__STATE) == CREEL__PINNED || s & CREEL__HELD) {
			s = await_free(f);
			continue;
		}
		uint64_t to = (s & ~(uint64_t)CREEL__STATE) | CREEL__SETTLING;
		/* [PIN-1] acquire: as in creel__task_claim() */
		if (creel__cas(&f->state, &s, to, acquire, relaxed))
			return;
	}
}
