/* SPDX-License-Identifier: MIT */
/*
 * The types, return codes and deadlines that all headers of creel share.
 *
 * RETURN CODES  A call that can fail returns 0 or a negative code: -errno if errno has a name for
 *               the failure, otherwise one of the CREEL_... codes below. No call changes errno.
 * DEADLINES     A deadline is a point in time of CLOCK_MONOTONIC, not a duration. A deadline in the
 *               past makes the call return at once (a poll).
 * LANGUAGE      C99 or later (the deadlines are compound literals), or C++11 or later.
 *
 * Thread cancellation (pthread_cancel)
 *
 * No creel function is a cancellation point. A thread that is cancelled inside creel first finishes
 * the call, its callbacks and its destructors. Your own code may have cancellation points: a task
 * that is cancelled there fails as "exited". Map sources and the operations of your own executors
 * must disable cancellation. Cancellation is off in worker processes, and for tasks that run inside
 * a callback.
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

/* Runs tasks: a thread pool, a process pool, the inline executor, or one that you write. */
typedef struct creel_executor creel_executor;

/* A task while it runs. Only the task's function, and what it calls, may use the handle. */
typedef struct creel_task creel_task;

/* The outcome of a task or of a promise. It is pending, running, finished or cancelled. */
typedef struct creel_future creel_future;

/* A completion queue. It hands out futures as they complete, or in the order of adding. */
typedef struct creel_queue creel_queue;

/* A map in progress: it runs one function over many items, with a bounded number in flight. */
typedef struct creel_mapping creel_mapping;

/* A cancellation token: creel/token.h. */
typedef struct creel_token creel_token;

/* A clock, and the timers that were set on it: creel/clock.h. */
typedef struct creel_clock creel_clock;

/*
 * A point in time, in nanoseconds of CLOCK_MONOTONIC. It is a struct so that a bare number or a
 * duration does not compile where a deadline is expected. Compare two deadlines by their ns.
 */
typedef struct creel_deadline {
	int64_t ns;
} creel_deadline;

/*
 * CREEL_NOW      The call polls: it returns -ETIMEDOUT at once if it would have to wait. Every
 *                deadline in the past does the same, {0} included.
 * CREEL_FOREVER  The call waits for as long as it takes.
 *
 * Use them as arguments, in assignments and to initialise local variables. To initialise a static
 * variable, use CREEL_NOW_INIT and CREEL_FOREVER_INIT.
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

/* Durations in nanoseconds, 64 bits wide. Use them for fields that end in _ns:
 * ".limit_ns = CREEL_MS(100)". */
#define CREEL_US(n) ((n)*INT64_C(1000))
#define CREEL_MS(n) ((n)*INT64_C(1000000))
#define CREEL_S(n) ((n)*INT64_C(1000000000))

/* Pass it as the size of an argument to hand over the pointer itself, without a copy. The memory
 * must stay valid until the task has ended. The task's function sees the same size. */
#define CREEL_BY_REF SIZE_MAX

/* Return codes that errno has no name for. */
enum {
	/* The task failed, or never ran. creel_future_error() says why. */
	CREEL_EFAILED = -4096,
	/* Nothing is left: the queue is closed and drained, or the map is at its end. */
	CREEL_EMPTY = -4097,
	/* The executor is full: see capacity of the pools' options. */
	CREEL_BUSY = -4098,
	/* The completion queue is full. */
	CREEL_FULL = -4099,
	/* creel_queue_wake() ended the take. */
	CREEL_WOKEN = -4100,
};

/* What a submission to a bounded pool does when the pool is full. Pools have a policy of their own;
 * the options of a submission may ask for another one. */
enum {
	/* Waits for room. The default of pools. */
	CREEL_OVERFLOW_BLOCK = 1,
	/* Is refused with CREEL_BUSY. */
	CREEL_OVERFLOW_FAIL = 2,
	/* Runs the task itself, on the calling thread, before it returns. Thread pools without an
	 * initializer only. In a paused pool it is refused with CREEL_BUSY. */
	CREEL_OVERFLOW_CALLER = 3
};

/* What becomes of the others of a group when it ends early or is cancelled: flags of queues, maps,
 * aggregates and timeouts. */
enum {
	/* They are killed, as by creel_future_kill(), with the grace of their pool. What cannot be
	 * killed is cancelled. */
	CREEL_KILL_REST = 8,
	/* They are cancelled, as by creel_future_cancel(). Queues and maps do so anyway. */
	CREEL_CANCEL_REST = 16
};

/* A block of memory that changes its owner. The last owner calls free(data, size, ctx), unless free
 * is NULL. */
typedef struct creel_buffer {
	void *data;
	size_t size;
	void (*free)(void *data, size_t size, void *ctx);
	void *ctx;
} creel_buffer;

/*
 * The function of a task. The signature is the same for every executor. arg and size are what was
 * submitted; arg is valid until the function returns, and 16-byte aligned if creel copied it.
 * Return 0 for success: the result is what creel_return...() left, or empty. Return anything else
 * for failure: the value becomes the code of the future's error. Return -ECANCELED to stop when
 * creel_task_cancelled() says so: the future then counts as cancelled. creel calls the function
 * once for each task, on one thread.
 */
typedef int (*creel_fn)(creel_task *task, const void *arg, size_t size);

/* Returns the present time. Thread-safe; does not block. */
CREEL_API creel_deadline creel_now(void);

/* Return the deadline that is ns nanoseconds, or ms milliseconds, from now. Zero or less gives
 * CREEL_NOW. A value that is too large gives CREEL_FOREVER; nothing overflows. A floating-point
 * argument does not compile: write creel_in_ns(CREEL_US(500)) for half a millisecond. Thread-safe;
 * do not block. */
CREEL_API creel_deadline creel_in_ns(int64_t ns);
CREEL_API creel_deadline creel_in_ms(int64_t ms);
#define creel_in_ns(ns) (creel_in_ns)((ns) | 0)
#define creel_in_ms(ms) (creel_in_ms)((ms) | 0)

/* Returns the name of a return code, such as "ETIMEDOUT", "CREEL_EFAILED" or "0". The string is
 * static and never NULL. Thread-safe; does not block. */
CREEL_API const char *creel_code_name(int code);

/* Returns the version of the library that is loaded, such as "0.1.0". The string is static.
 * Thread-safe; does not block. */
CREEL_API const char *creel_version(void);

CREEL_END

#endif
