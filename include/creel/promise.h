/* SPDX-License-Identifier: MIT */
/*
 * Promises: futures that no executor runs. Your own code settles them.
 *
 * STATES  What a call returns, and the state that follows, by the state before:
 *
 *                              PENDING       RUNNING       FINISHED     CANCELLED
 *   _start                     0, RUNNING    -EALREADY     -EALREADY    -ECANCELED
 *   _set_result, _set_move,
 *   _fail                      0, FINISHED   0, FINISHED   -EALREADY    -ECANCELED
 *   creel_future_cancel()      CANCELLED     only asks     nothing      nothing
 *
 * THREADS    All calls are thread-safe and do not block. If two threads settle a promise at once,
 *            one wins and the other gets -EALREADY.
 * CALLBACKS  The call that settles the promise wakes the waiters and then runs the callbacks.
 * ERRORS     Every call that returns a code returns -EINVAL for NULL and for a future that is not a
 *            promise. The calls that settle return -EINVAL if data is NULL and size is not 0, and
 *            -ENOMEM without memory. After an error the state is unchanged.
 */
#ifndef CREEL_PROMISE_H
#define CREEL_PROMISE_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

/* Makes a pending promise. The caller owns one reference. The code that settles the promise and the
 * code that reads it each need a reference for as long as they use it. Without memory the call
 * returns a future that has already failed; settling that returns -EALREADY. */
CREEL_API creel_future *creel_promise_new(void);

/*
 * Drops the settler's reference, in place of creel_future_unref(). If the promise is not settled
 * yet, it fails at once with CREEL_KIND_BROKEN, even if others hold references. So a settler that
 * gives up never leaves anybody waiting. If the promise is settled or cancelled, the call only
 * drops the reference. Returns 0, or -EINVAL if the future is not a promise; then it drops nothing.
 * NULL does nothing.
 */
CREEL_API int creel_promise_drop(creel_future *promise);

/* Says that the work begins. Afterwards a cancel is only a request (creel_promise_cancelled()).
 * Returns -ECANCELED if the promise was cancelled before: then do not do the work. */
CREEL_API int creel_promise_start(creel_future *promise);

/* Returns true once somebody has asked to cancel the promise. */
CREEL_API bool creel_promise_cancelled(creel_future *promise);

/* Settles the promise with a copy of size bytes at data as its result. */
CREEL_API int creel_promise_set_result(creel_future *promise, const void *data, size_t size);

/* Settles the promise with the buffer as its result, and takes ownership of the buffer. If the call
 * does not return 0, the caller still owns it. */
CREEL_API int creel_promise_set_move(creel_future *promise, creel_buffer buffer);

/*
 * Settles the promise with an error. kind is one of enum creel_kind, usually CREEL_KIND_FAILED.
 * code becomes the error's code; 0 is taken as CREEL_EFAILED. The error gets a copy of size bytes
 * at data (NULL and 0: no data). The message is formatted as by printf() and cut at 4,095 bytes.
 * Without memory the message is shorter and the data is missing. Returns -EINVAL for an unknown
 * kind or a NULL format.
 */
CREEL_API int creel_promise_fail(creel_future *promise, int kind, int code, const void *data,
				 size_t size, const char *format, ...) CREEL_PRINTF(6, 7);

CREEL_END

#endif
