/* SPDX-License-Identifier: MIT */
/*
 * Continuations: what happens when a future has ended.
 *
 *	creel_future *page = creel_submit(pool, fetch, &url, sizeof url);
 *	creel_future *doc = creel_then(page, pool, parse, NULL, 0);
 *
 * Each call returns a new future. It ends when fn has run, on the executor that you name, or when
 * it is clear that fn will not run:
 *
 *	               the input succeeded    it failed             it was cancelled
 *	creel_then     fn runs                ends with its error   ends as cancelled
 *	creel_recover  ends with its result   fn runs               ends as cancelled (*)
 *	creel_finally  fn runs                fn runs               fn runs
 *
 * (*) With CREEL_RECOVER_CANCELLED fn runs.
 *
 * A continuation of then and recover ends with what its fn returns, like any task. One of finally
 * ends as its input did, or fails if fn fails. A failed future tells nobody that it went unread if
 * it has a continuation: that has the error.
 *
 * INPUT      fn reads it with creel_task_input(), and creel_task_input_error(). It is lent: nothing
 *            is copied. On a process pool, too, a result of more than 16 KiB that a task of the
 *            same pool returned is read where it is, and so is memory of creel_shared_alloc().
 *            Every other input is copied, once, to where the pool's workers can read it, when it
 *            has ended. If there is no room for that in the pool's shared_budget at this moment,
 *            the continuation does not wait for room: it fails as rejected (-ENOSPC). An error
 *            arrives there with all that it says, and its causes to a depth of four and 64 KiB.
 * TASKS      A continuation is a task of its executor, with the options of creel/submit.h. Until
 *            its input ends it is pending, and counts as delayed in creel_stats. Then its executor
 *            gets it, on the thread that ended the input, as if it were submitted there; the inline
 *            executor runs fn there, where it must not block (as a callback). If the input has
 *            ended already, the executor gets it within the call. Delay and expiry count from the
 *            end of the input. A continuation exceeds a pool's bound, and never blocks who ends its
 *            input. period_ns is refused.
 * REFERENCES You keep your reference to the input, and may drop it at once. The continuation runs
 *            even if you drop its own future. A promise that is dropped breaks, and its
 *            continuations hear of it.
 * CHAINS     may have any length: they are built, run, cancelled and dropped in constant stack, and
 *            each link costs two blocks of memory. A result that is passed on is not copied.
 * ERRORS     The calls never return NULL. If something is wrong, the future has failed, and its
 *            error says why: as creel_submit_with(), and rejected (-EINVAL: f is NULL), or (-EPERM:
 *            f is the parent's, and this is a forked child). An executor that refuses the
 *            continuation later, when the input has ended, fails its future as well: then fn does
 *            not run, that of finally included. A token that is cancelled before the call keeps
 *            that of then and recover from running, not that of finally. The input's error is the
 *            cause of such an error, and of one that fn fails with. arg_free runs once in any case.
 * THREADS    All calls are thread-safe, also in tasks and callbacks. None blocks.
 *
 * Cancelling
 *
 * Cancelling a continuation of then or recover that waits ends it at once, and leaves its input
 * alone; with CREEL_CANCEL_UPSTREAM the input is cancelled, too. Killing it kills the input then. A
 * continuation of finally is not cancelled: its input is. Its fn runs when the input has ended, and
 * the future ends as cancelled then; creel_future_cancel() returns CREEL_CANCEL_REQUESTED. The same
 * holds as long as its fn has not started. A token does the same, also one that was cancelled
 * before the call. Only a shutdown with CREEL_SHUTDOWN_CANCEL keeps that from running. Once a
 * function runs it is asked to stop, like any task. Killing one of finally that waits kills its
 * input, unless somebody else is cancelling that at this moment.
 *
 * Shutting down
 *
 * What waits for its input when its executor is shut down, or loses its last reference, fails at
 * once as shut down. So wait for the end of a chain before you close its executors.
 */
#ifndef CREEL_THEN_H
#define CREEL_THEN_H

#include <creel/base.h>
#include <creel/error.h>
#include <creel/submit.h>

CREEL_BEGIN

/* Runs fn(task, arg, size) on ex when f has succeeded. Its result is that of the future that is
 * returned. arg and size are those of creel_submit(). The caller owns one reference. */
CREEL_API CREEL_MUST_USE creel_future *creel_then(creel_future *f, creel_executor *ex, creel_fn fn,
						  const void *arg, size_t size);
CREEL_API CREEL_MUST_USE creel_future *creel_then_with(creel_future *f, creel_executor *ex,
						       creel_fn fn, const void *arg, size_t size,
						       const creel_submit_options *options);

/* Runs fn when f has failed: its result stands in for that of f. */
CREEL_API CREEL_MUST_USE creel_future *creel_recover(creel_future *f, creel_executor *ex,
						     creel_fn fn, const void *arg, size_t size);
CREEL_API CREEL_MUST_USE creel_future *creel_recover_with(creel_future *f, creel_executor *ex,
							  creel_fn fn, const void *arg, size_t size,
							  const creel_submit_options *options);

/* Runs fn when f has ended in whatever way, to tidy up. What fn gives as its result is
 * discarded. */
CREEL_API CREEL_MUST_USE creel_future *creel_finally(creel_future *f, creel_executor *ex,
						     creel_fn fn, const void *arg, size_t size);
CREEL_API CREEL_MUST_USE creel_future *creel_finally_with(creel_future *f, creel_executor *ex,
							  creel_fn fn, const void *arg, size_t size,
							  const creel_submit_options *options);

/*
 * In the function of a continuation: lends the result of its input. *ret_data is borrowed until the
 * function returns, and NULL for an empty result. ret_data and ret_size may be NULL. Returns 0;
 * CREEL_EFAILED or -ECANCELED, if the input has no result: creel_task_input_error() says why; or
 * -EINVAL, if the task is no continuation; or -EPERM, in a forked child. Does not block.
 */
CREEL_API int creel_task_input(creel_task *task, const void **ret_data, size_t *ret_size);

/* In the function of a continuation: why its input has no result, or NULL. Borrowed until the
 * function returns. */
CREEL_API const creel_error *creel_task_input_error(creel_task *task);

/*
 * A future that ends as f does, or fails when the deadline has passed: kind timed out, code
 * -ETIMEDOUT. It does not wait for the work to stop; what becomes of that, f says. flags says what
 * is done to f at the deadline, and when the timeout is cancelled: 0 (nothing), CREEL_CANCEL_REST
 * or CREEL_KILL_REST. The deadline is one of the clock; NULL is the real one. With CREEL_FOREVER
 * only f ends it. If f has ended already it counts as in time.
 *
 * Never returns NULL. The caller owns one reference, and may drop its reference to f. What is wrong
 * makes a future that has failed, and nothing has happened to f: -EINVAL (f is NULL, or a flag is
 * unknown), -EPERM (f or the clock is the parent's, and this is a forked child), -ENOMEM, -EAGAIN
 * (the thread of the clock cannot be started). If the last reference to a manual clock goes before
 * the deadline, it fails as broken. Thread-safe; does not block. Callbacks run on the thread that
 * ends f, or on that of the clock.
 */
CREEL_API CREEL_MUST_USE creel_future *creel_timeout(creel_future *f, creel_clock *clock,
						     creel_deadline deadline, unsigned flags);

CREEL_END

#endif
