/* SPDX-License-Identifier: MIT */
/*
 * Promises: futures that no executor runs; some code of the user's settles them.
 *
 * The truth table (state before -> what the call does):
 *
 *                              PENDING       RUNNING       FINISHED     CANCELLED
 *   _start                     0, RUNNING    -EALREADY     -EALREADY    -ECANCELED
 *   _set_result, _set_move,
 *   _fail                      0, FINISHED   0, FINISHED   -EALREADY    -ECANCELED
 *   creel_future_cancel()      CANCELLED     asks          nothing      nothing
 *
 * Of two threads that settle at once one wins and the other gets -EALREADY. All of them return
 * -EINVAL for NULL and for a future that is not a promise, and -ENOMEM with the state unchanged; so
 * do NULL data of a size that is not 0, and a NULL error, with -EINVAL. Callbacks run within the
 * settling call, after the waiters were woken. Any thread; none blocks.
 */
#ifndef CREEL_PROMISE_H
#define CREEL_PROMISE_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

/* A pending promise with one reference, for the caller. Whoever settles it and whoever reads it
 * each need a reference while they use it. Out of memory: a future that has already failed;
 * settling it says -EALREADY. */
CREEL_API creel_future *creel_promise_new(void);

/*
 * The settler's creel_future_unref(): drops its reference, and if the promise is not settled yet it
 * fails at once, of kind CREEL_KIND_BROKEN, whoever else holds it. So a settler that gives up, on
 * whatever path, leaves nobody waiting. A promise that was cancelled or settled is only dropped.
 * NULL does nothing. Returns 0, or -EINVAL for a future that is not a promise: it is not dropped.
 */
CREEL_API int creel_promise_drop(creel_future *promise);

/* Starts the work: from here on cancelling is only a request (creel_promise_cancelled()).
 * -ECANCELED if it was cancelled before: do not do the work. */
CREEL_API int creel_promise_start(creel_future *promise);

/* Whether somebody asked to cancel it. */
CREEL_API bool creel_promise_cancelled(creel_future *promise);

/* Settles it with a copy of size bytes at data. */
CREEL_API int creel_promise_set_result(creel_future *promise, const void *data, size_t size);

/* Settles it with the buffer, which is the library's from then on; the caller's if not 0. */
CREEL_API int creel_promise_set_move(creel_future *promise, creel_buffer buffer);

/*
 * Settles it with an error. kind is one of enum creel_kind, mostly CREEL_KIND_FAILED. A code of 0
 * is taken as CREEL_EFAILED. The error's data is a copy of size bytes at data (NULL and 0: none).
 * The message is formatted as by printf() and cut at 4,095 bytes; without memory it is shorter, and
 * the data is missing. -EINVAL for an unknown kind or a NULL format.
 */
CREEL_API int creel_promise_fail(creel_future *promise, int kind, int code, const void *data,
				 size_t size, const char *format, ...) CREEL_PRINTF(6, 7);

CREEL_END

#endif
