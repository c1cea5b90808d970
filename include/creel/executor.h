/* SPDX-License-Identifier: MIT */
/*
 * Executors: what runs tasks. All of them, adaptors and the user's own included, are used through
 * the calls of this header.
 *
 * LIFETIME  References are counted. Constructors never return NULL: what cannot be had is a broken
 *           executor, creel_executor_error() says why, and what is submitted to it fails with that.
 * FORK      In a forked child every call on an object of the parent's (executor, future, promise,
 *           queue, map) returns -EPERM. A reference may be dropped or forgotten: dropping it closes
 *           a queue's descriptor and does nothing else. The child may make its own objects.
 *           A child that returns from a task, a callback or another function of the user's ends,
 *           with the function's code as status, if a thread of the library called the function. On
 *           a thread of the user's (inline executor) it returns to the caller.
 * MEMORY    At most 64 MiB of the memory for tasks stays when a burst of tasks is over, beside what
 *           each thread keeps (12 KiB). A task or future in use pins the 64 KiB that it lies in.
 * BAD INPUT A NULL executor is -EINVAL from every call that returns a code, but for
 *           creel_executor_close(). Below stands what else there is.
 */
#ifndef CREEL_EXECUTOR_H
#define CREEL_EXECUTOR_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

/* Flags of creel_executor_shutdown(). */
enum {
	/* Cancel what has not started. Without it, what is pending still runs. */
	CREEL_SHUTDOWN_CANCEL = 1,
	/* End what runs as well; includes CREEL_SHUTDOWN_CANCEL. A process pool kills the workers
	 * that run something, with grace_ns of its options: those tasks fail as killed. Other
	 * executors cannot end a function; creel_task_cancelled() says true to all their tasks. */
	CREEL_SHUTDOWN_KILL = 2
};

/* Counts, read at one moment without stopping anybody: each is exact when the executor is quiet.
 * An executor leaves what it does not know at 0. */
typedef struct creel_stats {
	uint64_t pending;   /* accepted and not started; cancelled ones until they are reached */
	uint64_t running;   /* started and not ended */
	uint64_t done;      /* ended: finished, failed, or cancelled and reached */
	uint64_t cancelled; /* of done: reached after they were cancelled */
	uint64_t workers;   /* alive now */
	uint64_t idle;      /* of workers: asleep */
	uint64_t started;   /* workers started since the beginning */
	uint64_t died;      /* workers that a task ended, and that were replaced */
	uint64_t killed;    /* of died: on request, or because of a limit */
	uint64_t recycled;  /* workers replaced after tasks_per_worker or recycle_bytes */
} creel_stats;

/* Another reference; returns ex. ex may be NULL. Any thread; does not block. */
CREEL_API creel_executor *creel_executor_ref(creel_executor *ex);

/* Drops a reference. The last one is a shutdown that does not wait: what is pending still runs,
 * and the last worker frees the executor. NULL does nothing. Any thread, callbacks, the executor's
 * own workers and thread-specific destructors included. Never blocks and joins no thread: threads
 * of the executor may run for a while after it returned. */
CREEL_API void creel_executor_unref(creel_executor *ex);

/* Why the executor is broken; NULL while it is not. Borrowed: valid while ex is referenced. */
CREEL_API const creel_error *creel_executor_error(creel_executor *ex);

/*
 * Shuts down, waits until everything accepted has ended and the workers are gone, and drops the
 * caller's reference: the end of "with". Returns 0. This is the only call that joins threads: the
 * workers' thread-specific destructors have run when it returns, to each of several callers. From a
 * worker of the executor (its thread-specific destructors included) or from a callback it shuts
 * down and drops the reference but does not wait, and says -EDEADLK: always, whether something was
 * left or not, and of a broken executor too. In a forked child: -EPERM, the
 * reference is dropped. Close pools before the main thread ends by pthread_exit():
 * creel's threads block signals, and would go on without it. Idempotent for several holders, each
 * with its own reference. NULL does nothing.
 */
CREEL_API int creel_executor_close(creel_executor *ex);

/*
 * Stops accepting (later submissions fail as shut down), then waits until deadline for what was
 * accepted. CREEL_NOW does not wait. Idempotent; a second call may add CREEL_SHUTDOWN_CANCEL or
 * CREEL_SHUTDOWN_KILL.
 * Returns 0 when everything has ended, -ETIMEDOUT when not, -EDEADLK when it should have waited on
 * a worker of the executor or in a callback (the shutdown itself has happened), -EINVAL for
 * unknown flags (nothing has happened), -EPERM in a forked child. ret_left, if not NULL, gets how
 * many tasks had not ended, except when the call failed with -EINVAL or -EPERM.
 */
CREEL_API int creel_executor_shutdown(creel_executor *ex, unsigned flags, creel_deadline deadline,
				      size_t *ret_left);

/* Waits until nothing is pending or running, once; accepts meanwhile. Returns 0, -ETIMEDOUT,
 * -EDEADLK (on a worker of ex, or in a callback), -EPERM in a forked child. */
CREEL_API int creel_executor_drain(creel_executor *ex, creel_deadline deadline);

/* Sets the maximum of workers; the minimum that the pool was made with holds as far as that allows.
 * More come on demand; surplus idle ones go at once, busy ones after their task. -EINVAL if
 * max_workers < 1, -ENOTSUP if the executor has no workers to count, -ENOSPC beyond the places of a
 * process pool (twice its first maximum, at least 16), -ESHUTDOWN after shutdown, CREEL_EFAILED if
 * ex is broken, -EPERM in a forked child; the size is unchanged then. */
CREEL_API int creel_executor_resize(creel_executor *ex, int max_workers);

/* Fills the first size bytes of *ret_stats (pass sizeof *ret_stats). Returns 0; -EINVAL if
 * ret_stats is NULL or size 0, -EPERM in a forked child; untouched then. */
CREEL_API int creel_executor_stats(creel_executor *ex, creel_stats *ret_stats, size_t size);

/*
 * The operations of a custom executor. Set size to sizeof(creel_executor_ops). The library makes
 * tasks and futures, counts what is in flight, and waits; the executor decides where and when
 * creel_task_run() is called.
 *
 * submit    Takes the task and returns 0: from then on it must, exactly once, call
 *           creel_task_run() or creel_task_reject() on it, on any thread, even within submit
 *           itself. Or returns a negative code: the task is not taken, the submission is rejected
 *           with it (with -EINVAL for a positive one).
 *           Called by any thread, several at once; one that had begun may still
 *           come after shutdown.
 * withdraw  Optional. A queued task was cancelled: if it is still queued, unlink it and return 1
 *           (the library drops it); otherwise return 0 (creel_task_run() will find it cancelled and
 *           return at once). While it runs, creel_task_run() of that task waits: so do not hold,
 *           while calling creel_task_run(), a lock that withdraw takes.
 * shutdown  Optional. Nothing will be submitted any more; with CREEL_SHUTDOWN_CANCEL,
 *           creel_task_run() cancels instead of running. flags as in creel_executor_shutdown(),
 *           where CREEL_SHUTDOWN_KILL brings CREEL_SHUTDOWN_CANCEL with it: an executor that
 *           forwards to another one passes them on. Called once for each new set of flags; must
 *           not wait.
 * destroy   Optional. All tasks ended and the last reference went: free self. May be called on the
 *           thread that ended the last task.
 * beneath   Optional. The executor that this one forwards to, borrowed; NULL if none.
 */
typedef struct creel_executor_ops {
	size_t size;
	int (*submit)(void *self, creel_task *task);
	int (*withdraw)(void *self, creel_task *task);
	void (*shutdown)(void *self, unsigned flags);
	void (*destroy)(void *self);
	creel_executor *(*beneath)(void *self);
} creel_executor_ops;

/* An executor over the user's operations, which are copied. Broken (and self is not destroyed) if
 * ops is NULL, its size is not one that this library knows, or it has no submit. */
CREEL_API creel_executor *creel_executor_new(const creel_executor_ops *ops, void *self);

/* For custom executors: runs a task that submit took, on the calling thread, and gives it back to
 * the library. A cancelled one is only given back. Returns 0 if it ran, -ECANCELED if not. */
CREEL_API int creel_task_run(creel_task *task);

/* For custom executors: ends a task that submit took and that will never run. Its future fails with
 * that kind, code and message, unless it was cancelled before. An unknown kind is taken as
 * CREEL_KIND_REJECTED, a code of 0 as CREEL_EFAILED, a NULL format as "the executor rejected the
 * task". */
CREEL_API void creel_task_reject(creel_task *task, int kind, int code, const char *format, ...)
	CREEL_PRINTF(4, 5);

CREEL_END

#endif
