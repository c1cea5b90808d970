/* SPDX-License-Identifier: MIT */
/*
 * What every header of creel needs: the types, return codes, deadlines, sizes with a meaning.
 *
 * RETURN CODES  A call that can fail returns 0, or a negative code: -errno where errno has a word
 *               for it, CREEL_E... where it has not. errno itself is preserved by every call.
 * DEADLINES     Points in time of CLOCK_MONOTONIC, not durations. A deadline in the past makes the
 *               call return at once (a poll).
 * LANGUAGE      C99 or later (the deadlines are compound literals), or C++11 or later.
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

/*
 * A point in time: nanoseconds of CLOCK_MONOTONIC. A type of its own, so that a bare number or a
 * duration does not compile where a deadline is expected. Read ns to compare two deadlines.
 */
typedef struct creel_deadline {
	int64_t ns;
} creel_deadline;

/*
 * CREEL_NOW      The call polls: it returns at once, with -ETIMEDOUT if it would have to wait.
 *                Every deadline in the past does the same, {0} included.
 * CREEL_FOREVER  The call waits for as long as it takes.
 *
 * Both are values for arguments, assignments and local variables. Initialise a static variable with
 * CREEL_NOW_INIT or CREEL_FOREVER_INIT.
 */
#ifdef __cplusplus
#define CREEL_NOW (creel_deadline{-1})
#define CREEL_FOREVER (creel_deadline{INT64_MAX})
#else
#define CREEL_NOW ((creel_deadline){-1})
#define CREEL_FOREVER ((creel_deadline){INT64_MAX})
#endif
#define CREEL_NOW_INIT                                                                             \
	{                                                                                          \
		-1                                                                                 \
	}
#define CREEL_FOREVER_INIT                                                                         \
	{                                                                                          \
		INT64_MAX                                                                          \
	}

/* Durations: nanoseconds in 64 bits, for the fields that end in _ns, as in
 * ".limit_ns = CREEL_MS(100)". */
#define CREEL_US(n) ((n)*INT64_C(1000))
#define CREEL_MS(n) ((n)*INT64_C(1000000))
#define CREEL_S(n) ((n)*INT64_C(1000000000))

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

/* The present. Any thread; does not block. */
CREEL_API creel_deadline creel_now(void);

/* The deadline that is ns nanoseconds (ms milliseconds) away. Saturates at CREEL_FOREVER and never
 * wraps; zero or less gives CREEL_NOW. A fraction does not compile: creel_in_ns(CREEL_US(500)) is
 * half a millisecond. Any thread; does not block. */
CREEL_API creel_deadline creel_in_ns(int64_t ns);
CREEL_API creel_deadline creel_in_ms(int64_t ms);
#define creel_in_ns(ns) (creel_in_ns)((ns) | 0)
#define creel_in_ms(ms) (creel_in_ms)((ms) | 0)

/* The name of a return code: "ETIMEDOUT", "CREEL_EFAILED", "0"; a static string, never NULL. */
CREEL_API const char *creel_code_name(int code);

/* The version of the library that runs, as "0.1.0": static. */
CREEL_API const char *creel_version(void);

CREEL_END

#endif
