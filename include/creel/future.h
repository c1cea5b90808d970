/* SPDX-License-Identifier: MIT */
/*
 * Futures.
 *
 * STATES   PENDING -> RUNNING -> FINISHED, or PENDING -> CANCELLED; what was rejected and what a
 *          promise settles directly goes PENDING -> FINISHED. FINISHED and CANCELLED are final and
 *          reached exactly once.
 * ORDER    What the task did before it ended happens before every call that sees the final state.
 * THREADS  Any thread may call any of these, several at once.
 * BLOCKING Only _result, _view and _take, until their deadline. On a worker, waiting for a task of
 *          the same pool that has not started runs it right there (CREEL_FOREVER only). Waiting
 *          for oneself, or blocking in a callback, is -EDEADLK at once.
 * FORK     In a forked child every call on a future of the parent's returns -EPERM, if it returns
 *          a code; on a final one too. creel_future_unref() calls nobody there.
 * BAD INPUT A NULL future is -EINVAL from every call that returns a code.
 */
#ifndef CREEL_FUTURE_H
#define CREEL_FUTURE_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

enum {
	CREEL_FUTURE_PENDING,
	CREEL_FUTURE_RUNNING,
	CREEL_FUTURE_FINISHED, /* with a result or an error */
	CREEL_FUTURE_CANCELLED
};

/* What creel_future_cancel() did. */
enum {
	CREEL_CANCEL_NOW =
		1, /* it will never run; the future is cancelled, now or already before */
	CREEL_CANCEL_REQUESTED, /* it runs, and creel_task_cancelled() tells it */
	CREEL_CANCEL_FINAL      /* it had finished; nothing happened */
};

/* What creel_future_remove() found. */
enum {
	CREEL_CALLBACK_REMOVED = 1, /* it will never be called; its free has run */
	CREEL_CALLBACK_RUNNING,     /* it is being called, or just about to be */
	CREEL_CALLBACK_DONE         /* it was called, or removed, before */
};

/* Another reference; returns f. NULL gives NULL. */
CREEL_API creel_future *creel_future_ref(creel_future *f);

/* Drops a reference. Never blocks, never cancels. NULL does nothing. */
CREEL_API void creel_future_unref(creel_future *f);

/* CREEL_FUTURE_... at this moment. Does not block. */
CREEL_API int creel_future_state(creel_future *f);

/*
 * Waits until deadline and copies the result to ret. size must be the size of the result; with ret
 * NULL and size 0, only the outcome is of interest. Returns 0; -ETIMEDOUT (the wait ended, the task
 * goes on); -ECANCELED; CREEL_EFAILED (see creel_future_error()); -EMSGSIZE (the size differs, ask
 * creel_future_view()); -EDEADLK; -EPERM (a future of the parent's, in a forked
 * child). ret is untouched unless the call returns 0.
 */
CREEL_API int creel_future_result(creel_future *f, creel_deadline deadline, void *ret, size_t size);

/* The same without a copy: *ret_data is borrowed and stays valid while f is referenced and nobody
 * takes it; NULL for an empty result. Either may be NULL. */
CREEL_API int creel_future_view(creel_future *f, creel_deadline deadline, const void **ret_data,
				size_t *ret_size);

/* The same, moving the result out: the caller calls ret_buffer->free, if not NULL, when done with
 * it. Only for the sole holder of the last reference: -EBUSY otherwise (a callback that has not
 * returned holds one); -ENOMEM, -EINVAL if ret_buffer is NULL; the result stays then. Afterwards
 * the future's result is empty. */
CREEL_API int creel_future_take(creel_future *f, creel_deadline deadline, creel_buffer *ret_buffer);

/* Why there is no result: NULL while the future is not final or when it has one. Borrowed: valid
 * while f is referenced. Does not block. */
CREEL_API const creel_error *creel_future_error(creel_future *f);

/*
 * Words for what creel_future_result(), _view() or _take() of f returned as rc. That is the error's
 * message for CREEL_EFAILED and -ECANCELED, and a sentence for every other code (-EMSGSIZE: with
 * both sizes, if the calling thread asked last). Never NULL, whatever f and rc are. Borrowed: valid
 * while f is referenced and until the thread's next call of this function. Any thread; does not
 * block.
 */
CREEL_API const char *creel_future_message(creel_future *f, int rc);

/* Asks that it not run: CREEL_CANCEL_NOW, _REQUESTED or _FINAL. A pending one completes within this
 * call, its callbacks run on the caller; a second canceller that comes while the first is at it
 * gets CREEL_CANCEL_NOW an instant before it is final. -EPERM, as from creel_future_kill(), in a
 * forked child for a task of a parent's pool that is not final. Does not block; but the lock of
 * another of the parent's futures may be held for ever in a forked child: let it alone there. */
CREEL_API int creel_future_cancel(creel_future *f);

/* Ends it, wherever it is: cancels it if it has not started (CREEL_CANCEL_NOW); kills the worker
 * process that runs it (CREEL_CANCEL_REQUESTED: the future fails as killed once the death is
 * confirmed, or ends as it would have if it was faster), with SIGTERM first and SIGKILL after
 * grace_ns, or with SIGKILL at once for 0; CREEL_CANCEL_FINAL if it had ended. -ENOTSUP if it runs
 * on an executor that cannot kill: then it is as creel_future_cancel(). -EINVAL if grace_ns is
 * negative. Does not block. */
CREEL_API int creel_future_kill(creel_future *f, int64_t grace_ns);

/* A callback: f is borrowed for the call. */
typedef void (*creel_done_fn)(creel_future *f, void *arg);

/*
 * Calls fn(f, arg) once when f is final, then free(arg) unless free is NULL. Callbacks of a future
 * run in the order of registration, one at a time, and with no lock held: on the thread that
 * completes it (a worker, a canceller, whoever settles the promise). One that is added while
 * earlier ones have not all returned is called by the thread that calls those. One that is added
 * after that is called at once on the caller or, within a callback or a destructor, when that has
 * returned. With ex it is a task of ex, of which a reference is held until then, submitted in its
 * turn (if ex refuses it, it is called on that thread after all). What a callback completes does
 * not nest: those callbacks run after it returned. Without ex a callback must not block, nor with
 * an executor that runs tasks within their submission, as the inline one does: -EDEADLK. It must
 * not end its thread. It may drop references (the last one included), add callbacks, submit, shut
 * pools down. ret_id, if not NULL, gets the name for creel_future_remove(); 0 only if fn has run.
 * Returns 0; -EINVAL if f or fn is NULL, -ENOTSUP if ex is a process pool (the callback is
 * the host's), -ENOMEM, -EPERM in a forked child for a task of a parent's pool that is not final:
 * then fn will not be called and arg remains the caller's.
 */
CREEL_API int creel_future_on_done(creel_future *f, creel_executor *ex, creel_done_fn fn, void *arg,
				   void (*free)(void *arg), uint64_t *ret_id);

/* Takes a callback back: CREEL_CALLBACK_REMOVED, _RUNNING or _DONE (also for an id that it does not
 * know). Does not wait for a running one. */
CREEL_API int creel_future_remove(creel_future *f, uint64_t id);

/* A future that is finished from the start, with a copy of size bytes at data as its result. One
 * reference, the caller's. Without memory, or with NULL data of a size that is not 0, a future that
 * has failed. Never NULL. */
CREEL_API CREEL_MUST_USE creel_future *creel_future_of(const void *data, size_t size);

/* A future that has failed from the start; the arguments as of creel_promise_fail(), without data.
 * An unknown kind is taken as CREEL_KIND_FAILED. Never NULL. */
CREEL_API CREEL_MUST_USE creel_future *creel_future_failed(int kind, int code, const char *format,
							   ...) CREEL_PRINTF(3, 4);

CREEL_END

#endif
