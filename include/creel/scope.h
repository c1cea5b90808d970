/* SPDX-License-Identifier: MIT */
/*
 * Scopes: an executor for a group of tasks that end together.
 *
 *     creel_executor *scope = creel_scope_new(pool, 0);
 *     for (i = 0; i < n; i++)
 *             creel_spawn(scope, fetch, &url[i], sizeof url[i], NULL);
 *     if (creel_scope_join(scope, CREEL_FOREVER) == CREEL_EFAILED)
 *             fprintf(stderr, "%s\n", creel_scope_error(scope)->message);
 *     creel_executor_unref(scope);
 *
 * A task that is submitted to the scope runs on the executor beneath, and counts until it has
 * ended; tasks of the scope may submit more. The first that fails cancels its siblings, and its
 * error is the scope's. An error of a scope's task counts as read: on_unhandled is not called. (The
 * order of things is that of Trio's nurseries and Kotlin's coroutineScope.)
 *
 * NESTING  creel_scope_new(outer, ...) makes a scope whose tasks are the outer one's as well: that
 *          one waits for them, and cancelling it cancels them. Their errors are the inner scope's
 *          alone.
 * TOKENS   A scope has a token: cancelling either is the same. With a token in the options the
 *          scope is cancelled by that as well, and for its reason. A scope in a cancelled one is
 *          cancelled, too. So start with creel_scope_token() what is no task of the scope, and has
 *          to end with it: channels, loops, a transfer (creel_token_on_cancel()).
 * LIMITS   For at most n at once, make the scope over an executor that does that.
 * LATER    Tasks that are not due, and continuations that wait for their input, count as well.
 * THREADS  All calls are thread-safe. Only creel_scope_join() and the end of CREEL_SCOPE() block.
 * ERRORS   Each call returns -EINVAL for NULL and for an executor that is no scope, and -EPERM in a
 *          forked child.
 */
#ifndef CREEL_SCOPE_H
#define CREEL_SCOPE_H

#include <creel/executor.h>
#include <creel/token.h>

CREEL_BEGIN

enum {
	/* A task that fails does not cancel its siblings. The first error is the scope's all the
	 * same. */
	CREEL_SCOPE_TOLERANT = 1,
	/* Cancelling, whatever the reason, also kills the tasks that run in processes, with the
	 * grace of their pool. Without this flag they are asked to stop, as all that run. */
	CREEL_SCOPE_KILL = 2
};

typedef struct creel_scope_options {
	/* 0, CREEL_SCOPE_TOLERANT, CREEL_SCOPE_KILL. */
	unsigned flags;
	/* Must be zero. */
	uint32_t reserved32;
	/* Cancelling it cancels the scope. The scope keeps it. NULL: none. */
	creel_token *token;
	/* Must be zero. */
	uint64_t reserved[8];
} creel_scope_options;

/* Makes a scope over ex, to which it takes a reference. NULL options mean the defaults. Never
 * returns NULL. It is broken if ex is NULL, flags are unknown or a reserved field is not zero
 * (-EINVAL), if the token is the parent's in a forked child (-EPERM), or as creel_executor_new().
 * All that executors do a scope does, too. Dropping the last reference cancels nothing: what was
 * submitted runs. Only what is not due ends, as shut down. */
CREEL_API creel_executor *creel_scope_new_with(creel_executor *ex,
					       const creel_scope_options *options);

/* The same with these flags alone. */
CREEL_API creel_executor *creel_scope_new(creel_executor *ex, unsigned flags);

/* Returns the scope's token: it is cancelled with the scope, by whatever that is (a call, an error,
 * a token, a scope around it), and cancelling it cancels the scope. Borrowed: valid while you hold
 * the scope. Returns NULL for what is no scope, for a broken one, and in a forked child. */
CREEL_API creel_token *creel_scope_token(creel_executor *scope);

/*
 * Waits until no task of the scope, or of those nested in it, is pending or running, or until the
 * deadline. At that moment the scope closes: later submissions are refused as shut down. You may
 * call it again, after a timeout or after the end. Blocks.
 *
 * 0              All tasks have ended, and none has failed.
 * CREEL_EFAILED  All tasks have ended, and one has failed: creel_scope_error(). Or the scope is
 *                broken.
 * -ECANCELED     All tasks have ended, and the scope was cancelled before one failed: why, says
 *                creel_token_reason(creel_scope_token()).
 * -ETIMEDOUT     The deadline has passed. The scope stays open.
 * -EDEADLK       It would wait for itself: the caller is in a task of the scope, in a callback, or
 *                the one that runs the driven executor beneath (creel/driven.h).
 * -EAGAIN        As creel_executor_shutdown().
 */
CREEL_API int creel_scope_join(creel_executor *scope, creel_deadline deadline);

/* Cancels the tasks of the scope, and of those nested in it: what has not started ends as cancelled
 * or, if it was not due, as shut down; what runs is asked to stop. Tasks that come later are
 * cancelled at once. Returns 0 when each has been asked, or -EALREADY if it was cancelled before,
 * also by an error. */
CREEL_API int creel_scope_cancel(creel_executor *scope);

/* Returns the error of the task that failed first, or NULL: then none has failed so far. Borrowed:
 * valid while you hold the scope. A task that was cancelled has not failed, nor has
 * one that was not due when the scope was shut down. */
CREEL_API const creel_error *creel_scope_error(creel_executor *scope);

/* Cancels the scope, waits until its tasks have ended, and drops the reference: for what may be
 * left after an early return. NULL, in *scope too, does nothing. In a task of the scope it does not
 * wait. */
CREEL_API void creel_scope_leave(creel_executor **scope);

#if defined(__GNUC__) || defined(__clang__)
/* Declares a scope that creel_scope_leave() leaves at the end of the block, however that is
 * reached: CREEL_SCOPE(scope, pool, 0); Join it before, unless all is to be cancelled. */
#define CREEL_SCOPE(name, ex, flags)                                                               \
	creel_executor *name                                                                       \
		__attribute__((__cleanup__(creel_scope_leave))) = creel_scope_new(ex, flags)
#endif

CREEL_END

#endif
