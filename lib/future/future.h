/* SPDX-License-Identifier: MIT */
/* The future's side of the block: results, the final state, and waiting for it. */
#ifndef CREEL__FUTURE_FUTURE_H
#define CREEL__FUTURE_FUTURE_H

#include "future/block.h"
#include "future/error.h"
#include "sync/fork.h"
#include "sync/local.h"

/* A result that does not fit in the block. */
struct creel__box {
	creel_buffer buffer;
	bool own; /* the data stands behind the box, in one piece with it */
};

/* Where the large results of tasks go that this thread runs: shared memory, in worker processes. */
struct creel__result_space {
	const creel_future *of; /* the task that it is for; not those that it runs itself */
	/* 64-byte aligned, with a name for it; NULL if there is no room */
	void *(*alloc)(size_t size, void **ret_ctx);
	void (*free)(void *data, size_t size, void *ctx);
};

/* A box for the result of f (or NULL) with a copy of size bytes at data, or with room for them if
 * data is NULL; NULL without memory. */
struct creel__box *creel__box_new(const creel_future *f, const void *data, size_t size);

/* Writers of the result: whoever has the future RUNNING or SETTLING.
 * Each replaces what was there. */
int creel__result_copy(creel_future *f, const void *data, size_t size);
void *creel__result_reserve(creel_future *f, size_t size);
int creel__result_move(creel_future *f, creel_buffer buffer);
void creel__result_error(creel_future *f, const creel_error *error); /* takes over the reference */
void creel__result_set_box(creel_future *f, struct creel__box *box); /* takes over the box */
void creel__result_clear(creel_future *f);
bool creel__result_calls(creel_future *f); /* whether creel__result_clear() calls a function */
void creel__result_look(creel_future *f, const void **ret_data, size_t *ret_size);
/* The buffer that the result is in; NULL if it is none. */
creel_buffer *creel__result_buffer(creel_future *f);
const creel_error *creel__result_get_error(creel_future *f); /* NULL if there is none */

/*
 * Makes the future final: CREEL__FINISHED, _FAILED or _CANCELLED; wakes those who wait, tells
 * hooks, drops `drop` references (0 or 1) of the caller's. The caller is the one that moved it to
 * RUNNING, SETTLING or PINNED; its result is complete.
 */
void creel__future_settle(creel_future *f, unsigned final, unsigned drop);

/* The same, with its reference, unless it has hooks to be told: then false,
 * and nothing has happened. */
bool creel__future_settle_unhooked(creel_future *f, unsigned final);

/* exec/task.c: runs the argument's destructor, if it has one, and frees a copied argument. False if
 * the calling thread is in another destructor: then both happen after that. With LATE_END set by
 * then class->ended() is called. */
bool creel__argument_drop(creel_future *f);
void creel__argument_drop_late(creel_future *f);

/* future/release.c: puts it off until the outermost destructor has returned. */
void creel__argument_later(creel_future *f);

/* 0 if the calling thread may park until deadline for a future that is not final, else the code
 * that says why not: -EDEADLK, -EPERM, -ETIMEDOUT. */
int creel__future_may_wait(creel_future *f, creel_deadline deadline);

/* The caller is about to park until the future is final: if its task has not started, the executor
 * may wake one more worker for it. */
void creel__future_expect(creel_future *f);

/* Waits until the future is final. 0, -ETIMEDOUT, -EDEADLK, -EPERM. */
int creel__future_await(creel_future *f, creel_deadline deadline);

/* Whether a forked child uses its parent's future. */
static inline bool creel__future_foreign(const creel_future *f)
{
	return creel__fork_foreign(f->generation);
}

/* Whether a state word is that of a final future. */
static inline bool creel__is_final(uint64_t s)
{
	return (s & CREEL__STATE) >= CREEL__FINISHED;
}

static inline unsigned creel__future_peek(creel_future *f)
{
	/* [FUT-1] acquire: whoever sees it final sees the result; pairs with the release in
	 * creel__future_settle() */
	return creel__load(&f->state, acquire) & CREEL__STATE;
}

static inline bool creel__future_is_final(creel_future *f)
{
	return creel__future_peek(f) >= CREEL__FINISHED;
}

/* The end of the hold that class->await() found: the task may end, and its executor go. */
void creel__future_release(creel_future *f);

/* A future that is final from birth, with an error (takes over the reference). Never NULL. */
creel_future *creel__future_failed(const creel_error *error);

/* The mark that the calling thread leaves in the state word of a task that it runs. Threads may
 * share one. */
static inline unsigned creel__runner_mark(void)
{
	uint32_t hash = (uint32_t)((uintptr_t)creel__self() >> 4) * UINT32_C(2654435761);
	return hash >> CREEL__RUNNER << CREEL__RUNNER;
}

/* Whether the calling thread runs the future's task, right now or further out. Looks through the
 * stack of its tasks only if the future runs, under this thread's mark. */
bool creel__future_is_own(const creel_future *f);

/* future/callback.c: tells the hooks of a future that has just become final.
 * Takes over a reference. */
void creel__hooks_run(creel_future *f);

/* future/callback.c: around user code that must not block. What it completes is told afterwards. */
void creel__callbacks_enter(void);
void creel__callbacks_leave(void);

/* future/release.c: around a user's destructor, in which those that become due are put off. It
 * counts as a callback. */
void creel__destructors_enter(void);
void creel__destructors_leave(void);

/* future/release.c: drops a reference of the library's and in the same step clears flags, all of
 * which are set. */
void creel__future_drop(creel_future *f, uint64_t flags);

/* future/release.c: the listeners were told, and there is no callback. Drops the teller's reference
 * and clears TELLING: in one step where a user has the future, so that it can take the result. */
void creel__future_told(creel_future *f);

/* future/release.c: the end of a final future, by its sole holder but for the library. */
void creel__future_finish(creel_future *f);

/* future/release.c: whether a future with this state word has one reference besides the
 * library's. */
bool creel__future_is_sole(uint64_t s);

/* exec/task.c: runs the awaited task here if that is allowed. */
bool creel__task_help(creel_future *f);

/* creel_future_kill(), with CREEL__GRACE_OF_POOL as well. */
int creel__future_kill(creel_future *f, int64_t grace_ns);

#endif
