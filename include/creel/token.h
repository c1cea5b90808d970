/* SPDX-License-Identifier: MIT */
/*
 * Cancellation tokens: one call cancels everything that was started with a token.
 *
 *	creel_token *token = creel_token_new(NULL, NULL, creel_in_ms(500));
 *	creel_future *f = creel_submit_with(pool, fetch, NULL, 0,
 *					    &(creel_submit_options){.token = token});
 *	...
 *	creel_token_cancel(token, -ECANCELED, "the client has gone", 0);
 *
 * TREE       A token with a parent is cancelled with it, for the same reason. A child's end does
 *            not touch its parent. A child keeps its parent.
 * DEADLINE   A token with a deadline is cancelled at that time, with the code -ETIMEDOUT, on the
 *            clock's thread (or that of who advances a manual clock). If the last reference to a
 *            manual clock goes, the deadline never comes.
 * TASKS      A task that was submitted with a token (creel_submit_options.token) is cancelled, as
 *            by creel_future_cancel(), when the token is: what has not started never runs, what
 *            runs is asked to stop, and what sleeps in creel_task_sleep() wakes. Its error has the
 *            code and the reason of the token. If the task stopped, what it said is the cause. A
 *            submission with a token that is cancelled is refused with -ECANCELED; the future that
 *            creel_submit_with() returns is cancelled, with that error.
 * ORDER      What was registered last is asked first: so what runs, and stops, makes no room for
 *            what waits. Children come after what is registered with the token itself.
 * LIFETIME   Tasks and children keep a token; its callbacks do not, and its deadline does not.
 *            Whoever drops the last reference cancels nothing. Registering and leaving take
 *            constant time.
 * THREADS    All calls are thread-safe, also in tasks, callbacks and destructors. None blocks, and
 *            no lock is held while something is asked. A tree of any size needs constant stack.
 * PROCESSES  A token belongs to the host. A task in a worker process is asked through its future;
 *            creel_task_token() is NULL there.
 * BAD INPUT  Every call that returns a code returns -EINVAL for a NULL token.
 * FORKS      In a forked child, every call that returns a code returns -EPERM for a token of the
 *            parent's.
 */
#ifndef CREEL_TOKEN_H
#define CREEL_TOKEN_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

/*
 * Makes a token. parent may be NULL. deadline is a time of the clock (NULL: the real one, which
 * creel_now() shows); CREEL_FOREVER: none. If it has passed, or the parent is cancelled, so is the
 * new token. Never returns NULL. The caller owns one reference.
 *
 * A token that cannot be made is cancelled from the start, and creel_token_reason() says why: no
 * memory (-ENOMEM), the clock has no thread (-EAGAIN), the clock or the parent is of the process
 * that this one was forked from (-EPERM), creel_clock_new() got unknown flags (-EINVAL), or a
 * manual clock was dropped (CREEL_EFAILED). What is started with it fails for that reason.
 */
CREEL_API CREEL_MUST_USE creel_token *creel_token_new(creel_token *parent, creel_clock *clock,
						      creel_deadline deadline);

/* Takes another reference and returns token. NULL gives NULL. */
CREEL_API creel_token *creel_token_ref(creel_token *token);

/* Drops a reference. NULL does nothing. If the last one goes, nothing is cancelled: callbacks are
 * freed without a call, and the token's future fails with CREEL_KIND_BROKEN. */
CREEL_API void creel_token_unref(creel_token *token);

/*
 * Cancels the token and all its descendants. Returns 0 when everything has been asked that was
 * registered with them: tasks, callbacks, futures. What another thread is about to ask at that
 * moment, because it cancels a descendant, may be asked a moment later.
 *
 * code is the code of the errors, 0 is taken as -ECANCELED. reason is their message; it is copied,
 * and NULL is taken as a general one. flags is 0 or CREEL_KILL_REST: then tasks that run in worker
 * processes are killed, as by creel_future_kill() with the grace of their pool.
 *
 * -EALREADY  It was cancelled before. The call returns at once.
 * -EINVAL    A flag is unknown.
 */
CREEL_API int creel_token_cancel(creel_token *token, int code, const char *reason, unsigned flags);

/* Returns why the token was cancelled, or NULL if it was not: its kind is CREEL_KIND_CANCELLED, or
 * another for a token that could not be made. Borrowed: valid while you hold the token. A cheap way
 * to ask whether it is cancelled. */
CREEL_API const creel_error *creel_token_reason(creel_token *token);

/* Returns a future that is running until the token is cancelled, and then cancelled with the
 * reason: for creel_race() and creel_wait(). All calls return the same one. Cancelling it does not
 * cancel the token, and ends nothing. Never returns NULL; the caller owns one reference. Without
 * memory, or with a token that is NULL or a parent's, it has failed. */
CREEL_API CREEL_MUST_USE creel_future *creel_token_future(creel_token *token);

/* Asks something of the user's to stop. */
typedef void (*creel_cancel_fn)(creel_token *token, void *arg);

/*
 * Registers a function, to abort what creel does not know: a transfer, a socket. When the token is
 * cancelled, creel calls fn(token, arg) once, on the thread that cancels, and then free(arg) unless
 * free is NULL. If the token is cancelled already, both happen inside this call. If fn cancels
 * another token, that one's functions run inside fn: a long chain of those needs stack. A free that
 * is due inside another destructor is called when that has returned. fn must not block (waits
 * return -EDEADLK) and must not end its thread. *ret_id (unless ret_id is NULL) gets the id
 * for creel_token_remove(), or 0 if fn has run.
 *
 * Returns 0. Otherwise fn will not be called, and arg is still the caller's: -EINVAL (fn is NULL),
 * -ENOMEM.
 */
CREEL_API int creel_token_on_cancel(creel_token *token, creel_cancel_fn fn, void *arg,
				    void (*free)(void *arg), uint64_t *ret_id);

/* Removes a function. Returns CREEL_CALLBACK_REMOVED (it will never run, and its free has run),
 * CREEL_CALLBACK_RUNNING (it runs, or is about to), or CREEL_CALLBACK_DONE (it has run, or was
 * removed before; also for an unknown id). Does not wait. */
CREEL_API int creel_token_remove(creel_token *token, uint64_t id);

/* Returns the token that the running task was submitted with, or NULL: to start more work with it.
 * Borrowed: valid until the task's function returns. */
CREEL_API creel_token *creel_task_token(const creel_task *task);

CREEL_END

#endif
