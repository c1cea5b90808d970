/* SPDX-License-Identifier: MIT */
/*
 * What a task's function may call. All of it belongs to the thread that runs the function, and to
 * the time until it returns.
 */
#ifndef CREEL_TASK_H
#define CREEL_TASK_H

#include <creel/base.h>

CREEL_BEGIN

/* Makes a copy of size bytes at data the result. A later creel_return...() replaces it; a function
 * that returns other than 0 discards it. Returns 0, or -ENOMEM, or -EINVAL (data is NULL and size
 * is not 0), and the result is what it was before; returned from the function, that code fails the
 * task. */
CREEL_API int creel_return(creel_task *task, const void *data, size_t size);

/* Makes size bytes the result and returns where to write them: 64-byte aligned, uninitialised,
 * valid until the function returns. NULL if there is no memory; the result is unchanged then. */
CREEL_API void *creel_return_reserve(creel_task *task, size_t size);

/* Makes the buffer the result; its free runs when the last reference to the future goes, unless
 * creel_future_take() moves it out. Returns 0, or -ENOMEM, or -EINVAL (data is NULL and size is not
 * 0, or size is larger than any object): then the caller still owns it. */
CREEL_API int creel_return_move(creel_task *task, creel_buffer buffer);

/*
 * Says why the task fails, and returns code: "return creel_fail(task, -EIO, ...)". The task then
 * fails whatever its function returns, unless a later creel_return...() succeeds. A code of 0 is
 * taken as CREEL_EFAILED. A negative errno also becomes the error's err. The message is formatted
 * as by printf() and cut at 4,095 bytes; a message that was cut ends in "...".
 *
 * It succeeds without memory, too: each worker keeps enough for one error with a short message, and
 * fills that up before each task. If even that is gone, the error has CREEL_EFAILED and a general
 * text.
 */
CREEL_API int creel_fail(creel_task *task, int code, const char *format, ...) CREEL_PRINTF(3, 4);

/* The same with data: the error gets a copy of size bytes at data, which readers find in
 * creel_error.data and .size. Without memory the data is missing. */
CREEL_API int creel_fail_with(creel_task *task, int code, const void *data, size_t size,
			      const char *format, ...) CREEL_PRINTF(5, 6);

/* Whether somebody called creel_future_cancel() since the task started. */
CREEL_API bool creel_task_cancelled(const creel_task *task);

/* What the worker's initializer stored: per-worker state. NULL without one. */
CREEL_API void *creel_task_local(creel_task *task);

/* The number of the worker that runs the task, from 0, never used twice in a pool, though some may
 * be left out; UINT_MAX on an executor without workers. */
CREEL_API unsigned creel_task_worker(creel_task *task);

/* The innermost task that the calling thread runs; NULL outside of one. */
CREEL_API creel_task *creel_task_current(void);

CREEL_END

#endif
