/* SPDX-License-Identifier: MIT */
/*
 * Retries: an executor that runs a task again when it fails.
 *
 * ATTEMPTS   A task that you submit to it is run on the executor beneath, as often as its options
 *            say. Each attempt is a task of its own there, with the same function, name, band and
 *            limit_ns, and a copy of the argument. Between two attempts nothing is occupied. In an
 *            attempt creel_task_executor(), _future(), _token() and _input() give what your task
 *            has, and a wait for your task or the retry's end is -EDEADLK, as in any task.
 * FUTURE     Yours is pending until the last attempt has ended, and then ends as that did. arg_free
 *            is called once, at the end. Its expiry_ns may end it between two attempts, too.
 * THREADS    An attempt begins on the thread that submits the task, or on the clock's, if the
 *            executor beneath runs it at once. One that ends that thread (pthread_exit()) has
 *            failed as exited; the next one begins on the clock's thread, a millisecond later at
 *            the earliest if it was due at once.
 * ERRORS     If the last of several attempts failed, the error has its kind, code and data, says
 *            how many there were, and has the errors of the first and of the last 8 as causes.
 * CANCEL     Cancelling, or killing, reaches the attempt that is under way. Between two attempts,
 *            and while one is pending, it ends the future at once. A task that returns -ECANCELED
 *            after it was asked to stop is not tried again. A finally (creel/then.h) runs once at
 *            least. If a token cancelled it, the error has the token's code and reason, and the
 *            errors of the attempts as causes.
 * STACKING   As creel/limit.h: a retry may lie over any adaptor, and under it. A rate limit beneath
 *            counts each attempt.
 */
#ifndef CREEL_RETRY_H
#define CREEL_RETRY_H

#include <creel/base.h>

CREEL_BEGIN

/* A bit of creel_retry_options.retry_on, for a kind of creel/error.h. */
#define CREEL_RETRY_ON(kind) (UINT32_C(1) << (kind))

/* Flags of creel_retry_options. */
enum {
	CREEL_RETRY_EXACT = 1 /* no jitter: each delay is as long as it may be */
};

typedef struct creel_retry_options {
	/* How often a task is run, at most. 0: as often as total_ns allows. */
	int attempts;
	/* 0, or CREEL_RETRY_EXACT. */
	unsigned flags;
	/* No attempt begins more than so many nanoseconds after the submission. One that is under
	 * way is not stopped: see limit_ns. 0: no limit. */
	int64_t total_ns;
	/* The longest delay before the second attempt. Default: 100 ms. */
	int64_t base_ns;
	/* And before any other one. Default: 30 s, or base_ns if that is longer. */
	int64_t max_ns;
	/* Each delay may be so many times as long as the one before. At least 1. Default: 2. */
	double factor;
	/* How much of each delay is left to chance: from 0 to 1. Default: 1 ("full jitter": any
	 * delay up to the longest; M. Brooker, "Exponential Backoff And Jitter", AWS 2015). A delay
	 * lasts a nanosecond at least. */
	double jitter;
	/* Which failures are tried again: bits of CREEL_RETRY_ON(). Default: failed, timed out,
	 * worker died, exited. no memory may be added. Others never are: cancelled, killed,
	 * rejected, shut down, expired, broken, not transferable. */
	uint32_t retry_on;
	/* Must be zero. */
	uint32_t reserved32;
	/* What the chances begin with. Default: something else each time. */
	uint64_t seed;
	/* The clock of all these times. NULL: the real one. Borrowed: if the last reference to a
	 * manual one goes, what waits fails. */
	creel_clock *clock;
	/* Cancelling it cancels the tasks of the retry: between two attempts, and while one is
	 * pending, at once; one that runs is asked to stop, and not followed by another. Their
	 * errors say why, with those of the attempts as causes. The next run of a periodic task
	 * hears of it when it is due. The retry keeps it. NULL: none. */
	creel_token *token;
	/* Must be zero. */
	uint64_t reserved[7];
} creel_retry_options;

/*
 * Makes an executor that runs its tasks on ex, and runs them again if they fail. The caller owns
 * one reference; the new executor holds one to ex. Shutting it down refuses new tasks, and with a
 * flag cancels or kills its own; ex goes on. Never returns NULL; broken with -EINVAL (ex or options
 * is NULL, an option is out of range, attempts and total_ns are both 0), -EPERM (ex or the token is
 * the parent's, and this is a forked child), -ELOOP, -ENOMEM, the clock's code, or as ex is.
 *
 * Thread-safe; does not block.
 */
CREEL_API CREEL_MUST_USE creel_executor *creel_retry_new(creel_executor *ex,
							 const creel_retry_options *options);

CREEL_END

#endif
