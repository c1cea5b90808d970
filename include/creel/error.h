/* SPDX-License-Identifier: MIT */
/* Errors: why a future has no result. */
#ifndef CREEL_ERROR_H
#define CREEL_ERROR_H

#include <creel/base.h>

CREEL_BEGIN

/* The sort of failure. Later versions add kinds at the end: keep a default case in a switch. */
typedef enum creel_kind {
	CREEL_KIND_NONE,
	CREEL_KIND_FAILED,           /* the function returned a code, or called creel_fail() */
	CREEL_KIND_CANCELLED,        /* cancelled before it ran, or stopped when it was asked to */
	CREEL_KIND_TIMED_OUT,        /* ran longer than it was allowed to */
	CREEL_KIND_EXPIRED,          /* did not start within its expiry_ns */
	CREEL_KIND_REJECTED,         /* never accepted: bad arguments, a full queue, no thread */
	CREEL_KIND_SHUT_DOWN,        /* the executor had been shut down */
	CREEL_KIND_WORKER_DIED,      /* the worker process died of a signal */
	CREEL_KIND_KILLED,           /* the worker process was killed on request */
	CREEL_KIND_EXITED,           /* the task ended its thread or process */
	CREEL_KIND_NO_MEMORY,        /* no memory for the task, its result, or its error */
	CREEL_KIND_NOT_TRANSFERABLE, /* the workers cannot have this function or pointer */
	CREEL_KIND_BROKEN,           /* the executor is broken: creel_executor_error() */
	CREEL_KIND_CLOSED            /* a channel has come to its end; no hook is told */
} creel_kind;

/*
 * An error. The library owns it and never changes it; any thread may read it. It stays valid while
 * you hold a reference to the future, executor or queue that you read it from; for a map see
 * creel_map_error(). Strings are never NULL.
 *
 * Only the library makes errors, so that the struct can grow at its end. To report an error, call
 * creel_fail(), creel_promise_fail() or creel_task_reject().
 */
typedef struct creel_error {
	int kind;            /* a creel_kind */
	int code;            /* what the function returned, or a return code of creel */
	int err;             /* errno, if the failure has one (positive), or 0 */
	int signal;          /* the signal that ended the worker, or 0 */
	int exit_status;     /* the exit status of the worker, or 0 */
	int64_t pid;         /* the worker process, or 0 */
	const char *task;    /* the task's name, of a cancelled task too, or "" */
	const char *message; /* what happened, which value was wrong, what to do */
	const void *data;    /* the data of creel_fail_with(), 16-byte aligned, or NULL */
	size_t size;         /* of data, in bytes */
} creel_error;

/* Returns the i-th cause of an error, or NULL past the last. Causes are, for example, the failures
 * that a retry saw, the errors that an aggregate covers, or the reason why a pool broke. The cause
 * is borrowed from e. e must be an error of the library, or NULL. Thread-safe; does not block. */
CREEL_API const creel_error *creel_error_cause(const creel_error *e, size_t i);

/* Returns the name of a kind, such as "failed" or "worker died". The string is static and
 * never NULL. */
CREEL_API const char *creel_kind_name(int kind);

CREEL_END

#endif
