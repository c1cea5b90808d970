/* SPDX-License-Identifier: MIT */
/*
 * What every header of creel needs: the types, return codes, deadlines, sizes with a meaning.
 *
 * RETURN CODES  A call that can fail returns 0, or a negative code: -errno where errno has a word
 *               for it, CREEL_E... where it has not. errno itself is preserved by every call.
 * DEADLINES     Absolute nanoseconds of CLOCK_MONOTONIC. One in the past polls.
 * CANCELLATION  No call is a point of (deferred) cancellation: a thread that pthread_cancel() was
 *               called for finishes what it began here, callbacks and destructors included. What
 *               else of yours runs on it is as you wrote it: tasks, which end by it, and the
 *               sources of maps and the operations of your executors, which must not. Tasks in
 *               worker processes, and those that a callback runs in place, are not cancelled.
 */
#ifndef CREEL_BASE_H
#define CREEL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define CREEL_BEGIN extern "C" {
#define CREEL_END }
#else
#define CREEL_BEGIN
#define CREEL_END
#endif

#if defined(__GNUC__)
#define CREEL_API __attribute__((visibility("default")))
#define CREEL_PRINTF(string, first) __attribute__((__format__(__printf__, string, first)))
#define CREEL_MUST_USE __attribute__((warn_unused_result))
#else
#define CREEL_API
#define CREEL_PRINTF(string, first)
#define CREEL_MUST_USE
#endif

#define CREEL_VERSION_MAJOR 0
#define CREEL_VERSION_MINOR 1
#define CREEL_VERSION_PATCH 0

CREEL_BEGIN

/* Runs tasks. A thread pool, a process pool, the inline executor, an adaptor, or the user's own. */
typedef struct creel_executor creel_executor;

/* A piece of work while it runs; only its function, and what that calls, may use it. */
typedef struct creel_task creel_task;

/* The outcome of a task or promise: pending, running, finished or cancelled. */
typedef struct creel_future creel_future;

/* A completion queue: hands out futures as they complete, or as they were added. */
typedef struct creel_queue creel_queue;

/* A map in progress: one function over many items, bounded in flight. */
typedef struct creel_mapping creel_mapping;

/* Nanoseconds of CLOCK_MONOTONIC. */
typedef int64_t creel_deadline;

/* Poll: what is not so now is -ETIMEDOUT. So does every deadline that has passed, zero included. */
#define CREEL_NOW ((creel_deadline)-1)

/* Wait for as long as it takes. */
#define CREEL_FOREVER INT64_MAX

/* As the size of an argument: pass the pointer itself, copy nothing. It must stay valid until the
 * task ended; the function sees the same size. */
#define CREEL_BY_REF SIZE_MAX

/* Codes that errno has no word for. */
enum {
	/* The task failed, or never ran: creel_future_error() says why. */
	CREEL_EFAILED = -4096,
	/* Nothing is left: the queue is closed and drained, the map is at its end. */
	CREEL_EMPTY = -4097,
};

/* A region of memory that changes hands. free(data, size, ctx) gets rid of it; NULL:
 * nothing to do. */
typedef struct creel_buffer {
	void *data;
	size_t size;
	void (*free)(void *data, size_t size, void *ctx);
	void *ctx;
} creel_buffer;

/*
 * The function of a task, the same for every executor. arg and size are what was submitted, arg
 * 16-byte aligned if creel copied it, and valid until the function returns. Return 0 when it
 * worked (the result is what creel_return...() left, or empty), anything else when not: that
 * becomes the code of the future's error. It runs on one thread at a time, once.
 */
typedef int (*creel_fn)(creel_task *task, const void *arg, size_t size);

/* A deadline ns nanoseconds (ms milliseconds) from now; saturates at CREEL_FOREVER, never wraps;
 * zero or less is CREEL_NOW. Any thread; does not block. */
CREEL_API creel_deadline creel_in_ns(int64_t ns);
CREEL_API creel_deadline creel_in_ms(int64_t ms);

/* The name of a return code: "ETIMEDOUT", "CREEL_EFAILED", "0"; a static string, never NULL. */
CREEL_API const char *creel_code_name(int code);

/* The version of the library that runs, as "0.1.0": static. */
CREEL_API const char *creel_version(void);

CREEL_END

#endif
