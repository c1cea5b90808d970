/* SPDX-License-Identifier: MIT */
/*
 * Futures: the outcome of a task or a promise.
 *
 * STATES     PENDING -> RUNNING -> FINISHED, or PENDING -> CANCELLED. Rejected submissions and
 *            promises that are settled directly go PENDING -> FINISHED. FINISHED and CANCELLED are
 *            final. A future becomes final exactly once.
 * ORDER      What the task did before it ended happens-before every call that sees the final state.
 * THREADS    All calls are thread-safe.
 * BLOCKING   Only _result, _view and _take block, until their deadline. A worker of a thread pool
 *            gives up its place meanwhile (BLOCKED in creel/pools.h). On a worker with
 *            CREEL_FOREVER, they run the awaited task on the spot if it belongs to the same pool
 *            and has not started. A task that waits for itself, and a callback that would block,
 *            get -EDEADLK at once.
 * BAD INPUT  Every call that returns a code returns -EINVAL for a NULL future.
 * FORKS      In a forked child, every call that returns a code returns -EPERM for a future of the
 *            parent's, even if it is final. creel_future_unref() runs no callback or destructor
 *            there.
 */
#ifndef CREEL_FUTURE_H
#define CREEL_FUTURE_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

/* The states of a future. */
enum {
	CREEL_FUTURE_PENDING,
	CREEL_FUTURE_RUNNING,
	CREEL_FUTURE_FINISHED, /* with a result or an error */
	CREEL_FUTURE_CANCELLED
};

/* What creel_future_cancel() did. */
enum {
	CREEL_CANCEL_NOW =
		1, /* the task will never run; the future is cancelled, now or already before */
	CREEL_CANCEL_REQUESTED, /* the task runs, and creel_task_cancelled() tells it to stop */
	CREEL_CANCEL_FINAL      /* the task had finished; nothing happened */
};

/* For creel_future_on_done_with(). */
enum {
	CREEL_NEVER_INLINE = 1 /* the callback runs on its executor or not at all */
};

/* What creel_future_remove() found. */
enum {
	CREEL_CALLBACK_REMOVED = 1, /* the callback will never run; its free has run */
	CREEL_CALLBACK_RUNNING,     /* the callback runs, or is about to run */
	CREEL_CALLBACK_DONE         /* the callback has run, or was removed before */
};

/* Takes another reference and returns f. NULL gives NULL. */
CREEL_API creel_future *creel_future_ref(creel_future *f);

/* Drops a reference. Never blocks and never cancels the task. NULL does nothing. */
CREEL_API void creel_future_unref(creel_future *f);

/* Returns the state at this moment, one of CREEL_FUTURE_.... Does not block. */
CREEL_API int creel_future_state(creel_future *f);

/*
 * Waits until the future is final, or until deadline, and copies the result to ret. size must be
 * the size of the result. Pass NULL and 0 to learn only the outcome. Unless the call returns 0, ret
 * is unchanged.
 *
 * 0              The task succeeded.
 * CREEL_EFAILED  The task failed: creel_future_error() says why.
 * -ECANCELED     The task was cancelled, or stopped when it was asked to: creel_future_error().
 * -ETIMEDOUT     The deadline passed. The task goes on.
 * -EMSGSIZE      The result has another size; creel_future_view() gives it.
 * -EDEADLK       The call would wait for the calling task, or block in a callback.
 * -EAGAIN        On a worker, without a deadline: no thread can be had that would run the tasks
 *                that wait (BLOCKED in creel/pools.h).
 * -EPERM         The future is the parent's, and this is a forked child.
 */
CREEL_API int creel_future_result(creel_future *f, creel_deadline deadline, void *ret, size_t size);

/* Like creel_future_result(), but lends the result in place of copying it. *ret_data is borrowed:
 * it stays valid while you hold f and nobody takes the result. An empty result gives NULL. ret_data
 * and ret_size may be NULL. */
CREEL_API int creel_future_view(creel_future *f, creel_deadline deadline, const void **ret_data,
				size_t *ret_size);

/* Like creel_future_result(), but moves the result out; the future's result is empty afterwards.
 * The caller owns the buffer, and calls ret_buffer->free when done, unless that is NULL. Only the
 * holder of the last reference may take. Other codes, with which the result stays in the future:
 * -EBUSY (others hold references; a callback that has not returned and a completion queue hold one
 * each), at once; -ENOMEM; -EINVAL (ret_buffer is NULL). */
CREEL_API int creel_future_take(creel_future *f, creel_deadline deadline, creel_buffer *ret_buffer);

/* Returns why there is no result, or NULL if the future has a result or is not final. Borrowed:
 * valid while you hold f. Does not block. */
CREEL_API const creel_error *creel_future_error(creel_future *f);

/*
 * Returns a message for rc, which creel_future_result(), _view() or _take() of f returned. For
 * CREEL_EFAILED and -ECANCELED it is the error's message, for every other code a sentence. The
 * sentence for -EMSGSIZE has both sizes, if the calling thread made the failed call last. Never
 * returns NULL, whatever f and rc are. Borrowed: valid while you hold f, until the thread's next
 * call of this function. Thread-safe; does not block.
 */
CREEL_API const char *creel_future_message(creel_future *f, int rc);

/*
 * Cancels the task, or asks it to stop. Returns at once.
 *
 * CREEL_CANCEL_NOW        The task had not started and will never run. Its future completes inside
 *                         this call, and the callbacks run on the caller.
 * CREEL_CANCEL_REQUESTED  The task runs: creel_task_cancelled() tells it to stop.
 * CREEL_CANCEL_FINAL      The task had ended.
 *
 * -EPERM                  The future is the parent's, and this is a forked child.
 *
 * If two threads cancel at once, the second one may get CREEL_CANCEL_NOW an instant before the
 * future is final.
 */
CREEL_API int creel_future_cancel(creel_future *f);

/*
 * Ends the task, wherever it is. Returns at once.
 *
 * CREEL_CANCEL_NOW        The task had not started: it is cancelled, as by creel_future_cancel().
 * CREEL_CANCEL_REQUESTED  The task runs in a worker process, which is being killed. The future
 *                         fails as killed when the death is confirmed. If the task is faster, the
 *                         future ends with its result.
 * CREEL_CANCEL_FINAL      The task had ended.
 * -ENOTSUP                The task runs on an executor that cannot kill: it was asked to stop, as
 *                         by creel_future_cancel().
 * -EINVAL                 grace_ns is negative.
 * -EPERM                  The future is the parent's, and this is a forked child.
 *
 * The worker gets SIGTERM, and SIGKILL after grace_ns nanoseconds. With 0 it gets SIGKILL at once.
 * A task that returns within the grace fails as killed, too; its worker ends then.
 */
CREEL_API int creel_future_kill(creel_future *f, int64_t grace_ns);

/* A callback. f is borrowed until the callback returns. */
typedef void (*creel_done_fn)(creel_future *f, void *arg);

/*
 * Registers a callback. When f is final, creel calls fn(f, arg) once, and then free(arg) unless
 * free is NULL. *ret_id (unless ret_id is NULL) gets the id for creel_future_remove(); it is 0 only
 * if fn has run. The callbacks of a future run one at a time, in the order of registration, with no
 * lock held.
 *
 * Returns 0. On an error fn will not be called, and the caller still owns arg: -EINVAL (f or fn is
 * NULL), -ENOTSUP (ex is a process pool: a callback belongs to the host), -ENOMEM, -EPERM (f or ex
 * is the parent's, and this is a forked child), CREEL_EFAILED (ex, or what it is over, is broken
 * since its construction, and so has no threads).
 *
 * Without ex, the callback runs on the thread that completes f: a worker, a canceller, or the
 * settler of the promise. If f is final already, it runs on the caller inside this call. It may
 * drop references (the last one included), add callbacks, submit, and shut pools down. It must not
 * block (blocking calls return -EDEADLK) and must not end its thread.
 *
 * With ex, the callback runs as a task of ex, and may block. creel submits the task when it is the
 * callback's turn, and holds a reference to ex until then. If ex rejects the task, or ends it
 * without running it, the callback runs on the completing thread after all; unless ex is a driven
 * executor: see CREEL_NEVER_INLINE. If ex runs tasks inside the submission, as the inline executor
 * does, the callback must not block either.
 *
 * Order in detail
 *
 * If f is final but its earlier callbacks have not all returned, the thread that runs them also
 * runs the new one, after them. If a callback or a destructor registers a callback on a final
 * future, creel calls the new one when that callback or destructor has returned. Completions do not
 * nest: if a callback completes another future, the callbacks of that future run when the first
 * callback has returned.
 */
CREEL_API int creel_future_on_done(creel_future *f, creel_executor *ex, creel_done_fn fn, void *arg,
				   void (*free)(void *arg), uint64_t *ret_id);

/* Options of a callback. Initialise it with {0} or designated initializers. */
typedef struct creel_done_options {
	/* CREEL_NEVER_INLINE or 0. */
	unsigned flags;
	/* Must be zero. */
	uint32_t reserved32;
	/* Called once with arg, after fn or in its place. Default: no call. */
	void (*free)(void *arg);
	/* Must be zero. */
	uint64_t reserved[4];
} creel_done_options;

/*
 * Like creel_future_on_done(), with options; NULL means the defaults. Also -EINVAL: a flag is
 * unknown, a reserved field is not 0, or CREEL_NEVER_INLINE is set and ex is NULL.
 *
 * CREEL_NEVER_INLINE is for a callback that must run on the threads of ex, because it uses what
 * only they may touch. If ex rejects its task (it has been shut down, say), or ends the task
 * without running it, fn does not run. free does, on the thread where that shows: so free must not
 * need those threads. For a driven executor, and an adaptor over one, the flag is always set.
 */
CREEL_API int creel_future_on_done_with(creel_future *f, creel_executor *ex, creel_done_fn fn,
					void *arg, const creel_done_options *options,
					uint64_t *ret_id);

/* Removes a callback. Returns CREEL_CALLBACK_REMOVED, _RUNNING or _DONE (also for an unknown id),
 * or -EPERM in a forked child. Does not wait for a running callback. */
CREEL_API int creel_future_remove(creel_future *f, uint64_t id);

/* Makes a future that is finished from the start, with a copy of size bytes at data as its result.
 * Never returns NULL. The caller owns one reference. Without memory, or if data is NULL and size is
 * not 0, the future has failed. */
CREEL_API CREEL_MUST_USE creel_future *creel_future_of(const void *data, size_t size);

/* Makes a future that has failed from the start. The arguments are those of creel_promise_fail(),
 * without data. An unknown kind is taken as CREEL_KIND_FAILED. Never returns NULL. The caller owns
 * one reference. */
CREEL_API CREEL_MUST_USE creel_future *creel_future_failed(int kind, int code, const char *format,
							   ...) CREEL_PRINTF(3, 4);

CREEL_END

#endif
