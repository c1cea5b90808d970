/* SPDX-License-Identifier: MIT */
/*
 * Executors run tasks. You use every executor, your own included, through the calls of this header.
 *
 * LIFETIME   References are counted. A constructor never returns NULL. If it fails, it returns a
 *            broken executor: creel_executor_error() says why, and submissions fail with that.
 * BAD INPUT  Every call that returns a code returns -EINVAL for a NULL executor, except
 *            creel_executor_close().
 * THREADS    All calls are thread-safe. Only _close, _shutdown and _drain block.
 *
 * Forks
 *
 * In a forked child every call on an object of the parent's (executor, task, future, promise,
 * queue, map) returns -EPERM. The child may drop its reference or forget it. The first drop closes
 * the descriptors of a queue or a process pool, and does nothing else. The child may make its own
 * objects. If a child returns from a task, a callback or another function of yours that a thread of
 * the library called, it ends there, with the function's code as its exit status. If the function
 * ran on a thread of yours, as on the inline executor, the child returns to your code. In the child
 * creel calls no function of the parent's.
 *
 * Memory
 *
 * After a burst of tasks some of their memory stays allocated, for later ones: at most 64 MiB of
 * plain tasks, 64 MiB of tasks with options, and 64 MiB of continuations. Beyond that each thread
 * that makes or drops tasks keeps up to 12, 16 and 14 KiB of these, and for each of the three kinds
 * 64 KiB to take new ones from. A task or future in use keeps the 64 KiB around it allocated.
 */
#ifndef CREEL_EXECUTOR_H
#define CREEL_EXECUTOR_H

#include <creel/base.h>
#include <creel/error.h>
#include <creel/submit.h>

CREEL_BEGIN

/* Flags of creel_executor_shutdown(). */
enum {
	/* Cancel the tasks that have not started. Without this flag they still run. The call
	 * cancels until its deadline, and for at least a millisecond. Another thread cancels what
	 * is left then: very many tasks, or those behind a callback that takes long. */
	CREEL_SHUTDOWN_CANCEL = 1,
	/* Also end the running tasks; includes CREEL_SHUTDOWN_CANCEL. A process pool kills the
	 * workers that run a task, with grace_ns of its options; those tasks fail as killed. Other
	 * executors cannot end a function: there creel_task_cancelled() returns true in each
	 * task. */
	CREEL_SHUTDOWN_KILL = 2
};

/* Counts, read without stopping anybody. They are exact when the executor is quiet. An executor
 * leaves a count that it does not keep at 0. */
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
	/* Of the whole process, whatever the executor: objects that exist, to find forgotten
	 * references. A map has a queue. Futures, and tasks without one, are counted only in builds
	 * of creel with -Dheap_blocks=true or AddressSanitizer, and are 0 in others. */
	uint64_t live_futures;
	uint64_t live_queues;
	uint64_t live_executors;
	/* Threads that wait in a submission, for room in a bounded pool. */
	uint64_t waiting;
	/* Accepted and not due, or waiting for their input; they are in no other count. */
	uint64_t delayed;
	uint64_t blocked; /* of workers: they wait, and others may run in their place */
} creel_stats;

/* Takes another reference and returns ex, which may be NULL. Does not block. */
CREEL_API creel_executor *creel_executor_ref(creel_executor *ex);

/* Drops a reference. Dropping the last one shuts down without waiting: pending tasks still run, if
 * they are due, and the last worker frees the executor. NULL does nothing. Any thread may call it,
 * also in callbacks, workers and thread-specific destructors. Never blocks and joins no thread, so
 * threads of the executor may still run for a while. */
CREEL_API void creel_executor_unref(creel_executor *ex);

/* Returns why the executor is broken, or NULL. Borrowed: valid while you hold ex. */
CREEL_API const creel_error *creel_executor_error(creel_executor *ex);

/*
 * Shuts down, waits until all accepted tasks have ended and the workers are gone, and drops the
 * caller's reference. Returns 0. NULL does nothing. Each of several holders may close its own
 * reference. This is the only call that joins threads: when it returns 0, the thread-specific
 * destructors of the workers have run, for every caller.
 *
 * -EDEADLK  The caller is a worker of the executor (in its thread-specific destructors, too) or is
 *           in a callback. The call shuts down and drops the reference, but does not wait. It
 *           always returns this code there, even if nothing is left or the executor is broken.
 * -EAGAIN   The caller is a worker of a thread pool, and no thread can be had that would run the
 *           tasks that wait there (BLOCKED in creel/pools.h). As above: it does not wait.
 * -EPERM    This is a forked child. The reference is dropped.
 *
 * Close the pools before the main thread ends by pthread_exit(). creel's threads block signals and
 * would go on without it.
 */
CREEL_API int creel_executor_close(creel_executor *ex);

/*
 * Stops accepting tasks, then waits until deadline for those that were accepted. Later submissions
 * fail as shut down. With CREEL_NOW the call does not wait. flags is 0 or CREEL_SHUTDOWN_... . You
 * may call it again, for example to add CREEL_SHUTDOWN_CANCEL or CREEL_SHUTDOWN_KILL. ret_left,
 * unless NULL, gets the number of tasks that have not ended. Tasks that are not due
 * (creel_submit_options.delay_ns) fail within the call, but those with CREEL_STAY are waited for.
 *
 * 0           Everything has ended.
 * -ETIMEDOUT  Something had not ended at the deadline.
 * -EDEADLK    It would have waited on a worker of the executor or in a callback. The shutdown
 *             itself has happened.
 * -EAGAIN     As creel_executor_close(), without a deadline only.
 * -EINVAL     A flag is unknown. Nothing has happened, and *ret_left is unchanged.
 * -EPERM      This is a forked child. *ret_left is unchanged.
 */
CREEL_API int creel_executor_shutdown(creel_executor *ex, unsigned flags, creel_deadline deadline,
				      size_t *ret_left);

/* Waits until no task is pending or running at one moment, or until deadline. Tasks that are not
 * due do not count. The executor goes on accepting. Returns 0, -ETIMEDOUT, -EDEADLK (on a worker of
 * ex, or in a callback), -EAGAIN (as creel_executor_shutdown()), or -EPERM (in a forked child). */
CREEL_API int creel_executor_drain(creel_executor *ex, creel_deadline deadline);

/*
 * Sets the maximum number of workers. More workers start on demand. Surplus idle workers leave at
 * once, busy and blocked ones after their task. The pool's min_workers stays in force as far as the
 * new maximum allows. Returns 0; on an error the size is unchanged. Does not block.
 *
 * -EINVAL        max_workers is less than 1.
 * -ENOTSUP       The executor has no workers.
 * -ENOSPC        More than a process pool has places for: twice its first maximum, at least 16.
 *                More than max_threads of a thread pool that was given one.
 * -ESHUTDOWN     The executor has been shut down.
 * CREEL_EFAILED  The executor is broken.
 * -EPERM         This is a forked child.
 */
CREEL_API int creel_executor_resize(creel_executor *ex, int max_workers);

/*
 * creel_executor_pause() stops the pool from starting tasks; creel_executor_resume() lets it start
 * them again. Submissions are accepted meanwhile, and wait. Running tasks go on. Once pause has
 * returned, only a task that a worker had already taken may still start. A task that waits for
 * another one of the same pool no longer runs that itself: so pause a pool only if none of its
 * running tasks waits for one that has not started, or resume it later. Cancelling, killing and
 * time limits work as ever. Pausing twice is the same as once, and so is resuming; resuming a pool
 * that is not paused does nothing. creel_executor_shutdown(), _close() and dropping the last
 * reference resume the pool. creel_executor_drain() of a paused pool waits for the resume. Both
 * return 0. Thread-safe, also in tasks and callbacks; neither blocks.
 *
 * -EINVAL        ex is NULL.
 * -ENOTSUP       Only the two pools can be paused: inline and custom executors decide themselves
 *                when their tasks run.
 * -ESHUTDOWN     The executor has been shut down.
 * CREEL_EFAILED  The executor is broken.
 * -EPERM         This is a forked child.
 */
CREEL_API int creel_executor_pause(creel_executor *ex);
CREEL_API int creel_executor_resume(creel_executor *ex);

/*
 * Returns how many numbers the pool's workers may have: creel_task_worker() is always below. So an
 * array of that many entries has one for each worker, whichever comes and goes. A process pool has
 * as many as it has places. A thread pool has max_threads and max_workers together, at least 16: a
 * worker that is blocked keeps its number, and one that leaves keeps it until its finalizer has
 * returned. For smaller arrays give the pool a smaller max_threads. The count changes only if
 * creel_executor_resize() raises the maximum, and never becomes less. An executor of your own has
 * the count of the one beneath it. Returns 0 for executors without workers, for NULL, and in a
 * forked child. Does not block.
 */
CREEL_API unsigned creel_executor_slots(creel_executor *ex);

/* Fills the first size bytes of *ret_stats; pass sizeof *ret_stats. Returns 0, -EINVAL (ret_stats
 * is NULL or size is 0), or -EPERM (in a forked child); on an error *ret_stats is unchanged. */
CREEL_API int creel_executor_stats(creel_executor *ex, creel_stats *ret_stats, size_t size);

/*
 * The operations of a custom executor. Set size to sizeof(creel_executor_ops). The library makes
 * tasks and futures, counts the tasks, and waits for them. Your executor decides where and when a
 * task runs. What a submission asks of times (delay_ns, expiry_ns, period_ns) the library handles
 * before submit.
 *
 * submit    Takes the task and returns 0, or returns a negative code to reject it. (A positive code
 *           counts as -EINVAL.) If it takes the task, it must end it exactly once, on any thread,
 *           at any time, even inside submit: by creel_task_run(), creel_task_reject(),
 *           creel_task_forward(), or, if the task is executed elsewhere, by creel_task_settle() or
 *           creel_task_settle_error(). Several threads may call submit at once. A call that had
 *           begun may still arrive after shutdown.
 * withdraw  Optional. A queued task was cancelled, or has expired. If it is still queued, unlink it
 *           and return 1; the library drops it. Otherwise return 0; creel_task_run() and the like
 *           then find it cancelled and return -ECANCELED at once. All calls that begin or end a
 *           task wait while an operation about that task runs (withdraw, ask, stop, kill): so do
 *           not make them with a lock held that those take. Not called for a task whose submit, or
 *           whose creel_task_forward() to this executor, has not returned.
 * shutdown  Optional. No submission will follow. flags are those of creel_executor_shutdown();
 *           CREEL_SHUTDOWN_KILL comes with CREEL_SHUTDOWN_CANCEL. With CREEL_SHUTDOWN_CANCEL,
 *           creel_task_run() and creel_task_begin() cancel tasks in place of starting them: call
 *           one of them soon for all that is queued. With CREEL_SHUTDOWN_KILL an executor that can
 *           kill also ends what runs; stop and kill are not called for that. Called once for each
 *           new set of flags; must not wait.
 * destroy   Optional. All tasks have ended and the last reference is gone: free self. It may run on
 *           the thread that ended the last task. If it drops the last reference to another custom
 *           executor, the destroy of that one runs after it has returned.
 * stats     Optional. Fills in what only your executor knows. pending and done are set: whatever
 *           has not ended counts as pending, so take what runs off that.
 * resize    Optional. creel_executor_resize(), with max_workers of at least 1. A call that had
 *           begun may still arrive after shutdown.
 *
 * Adaptors
 *
 * An executor that hands its tasks to another one is an adaptor. Its tasks are vetted as tasks of
 * the lowest executor of the chain are, have that one's bands and limits, and their arguments lie
 * in that one's memory. The state, a cancel and a kill are asked of the executor that has the task.
 *
 * beneath   Returns the executor that this one forwards to, borrowed. Called once, by
 *           creel_executor_new(), which takes a reference. Without it, or if it returns NULL, the
 *           executor forwards to none. At most 32 executors may lie beneath one.
 * ended     Optional. A task that creel_task_forward() took has ended, and its future is final: the
 *           time to forward the next one. Called once for each, innermost adaptor first, on the
 *           thread that ended it, with no lock held; it must not block. It may come before
 *           creel_task_forward() has returned: if it forwards, count instead of nesting, so that
 *           tasks which run at once do not grow the stack. self is still there, even if this was
 *           the last task.
 *
 * flags     CREEL_EXECUTOR_QUEUES also counts for an adaptor, if it is true of the one beneath.
 *
 * Shutting an adaptor down never shuts down the one beneath. With CREEL_SHUTDOWN_CANCEL the library
 * cancels all its tasks that have not started, and with CREEL_SHUTDOWN_KILL it kills those that
 * run, wherever they are, within the call.
 *
 * Order
 *
 * flags     With CREEL_EXECUTOR_QUEUES you say that submit and vet run no task, and wait for none.
 *           Then each serial executor, semaphore and rate limit over your executor hands over one
 *           task at a time, in the order of its line (creel/limit.h). Several threads may still
 *           call submit and vet at once: from two such adaptors, from scopes and retries, and in
 *           direct submissions. While one of the three hands over, no callback, continuation or
 *           destructor of a future that ends there is called: they wait until everything that may
 *           go has been handed over. Calls that would wait for futures or executors return
 *           -EDEADLK in submit and vet then, as in a callback. A submission to a full pool keeps to
 *           that pool's bound: there use CREEL_OVERFLOW_FAIL, since to wait for room, or to run the
 *           task in the caller, is what you say that they do not do.
 *
 * Tasks that run elsewhere
 *
 * flags     With CREEL_EXECUTOR_REMOTE tasks run in other processes, and may start before this one
 *           hears of it. Such an executor accepts limit_ns (creel_task_options()) and sees to
 *           it: it ends a task that runs longer, and settles it with CREEL_KIND_TIMED_OUT and
 *           -ETIMEDOUT. Only such an executor may have ask, stop, kill and await.
 * vet       Optional. Whether the processes can have the function and the argument: 0, or a
 *           negative code that refuses the task. Called by the submitter, before the argument is
 *           copied; and again, with the copy, when a task arrives that was delayed, is periodic,
 *           or comes from an adaptor or another future.
 * alloc     Optional, and then both: memory for arguments of more than 32 bytes and for
 * free      creel_shared_alloc(), aligned to 64 bytes; size is not 0. NULL if there is no room.
 *           Called by any thread.
 * ask       Optional. Somebody asks for the state of a task that has not begun as far as this
 *           process knows, or, if there is no withdraw, cancels it: returns 1 if it has started,
 *           else 0. Without ask a task has started when creel_task_begin() or withdraw says so.
 * withdraw  With the flag it may also return CREEL_WITHDRAW_STARTED: the task has started. Without
 *           the flag that counts as 0.
 * stop      Optional. Somebody asks a started task to stop: tell it. Called at most once for a
 *           task, perhaps within the call that has just had CREEL_WITHDRAW_STARTED.
 * kill      Optional. Ends a started task by force, after a grace in which it may stop (grace_ns,
 *           or less than 0 for your own): it is settled with CREEL_KIND_KILLED then, unless it ends
 *           by itself in time. It has been asked to stop before. kill may come again, with another
 *           grace: the one that ends first counts. Returns 0, or CREEL_CANCEL_FINAL if the task has
 *           ended there. Without kill, creel_future_kill() returns -ENOTSUP.
 * await     Optional. The calling thread is about to sleep until the task ends, or until the
 *           deadline. It may do some of your work meanwhile, and sleeps when you return. The task
 *           may end meanwhile, and self stays until you return. The thread may hold locks that
 *           functions of the user need: so end no other tasks there. For the same reason await is
 *           not called for a task with callbacks, a destructor, times, a token or an input, nor for
 *           one of a watched executor or of an adaptor, whose ends call such functions. There the
 *           thread only sleeps: so a thread of yours has to get every task ended without await.
 *
 * Once ask or withdraw has said that a task has started, it runs: it is not cancelled any more, its
 * words are gone, and creel_task_run() refuses it. ask, withdraw, stop and kill must not block or
 * call back into the task, beyond creel_task_words(). It does not end meanwhile; but they may come
 * when it has ended for you, and you are about to settle it.
 */
typedef struct creel_executor_ops {
	size_t size;
	int (*submit)(void *self, creel_task *task);
	int (*withdraw)(void *self, creel_task *task);
	void (*shutdown)(void *self, unsigned flags);
	void (*destroy)(void *self);
	creel_executor *(*beneath)(void *self);
	void (*ended)(void *self);
	void (*stats)(void *self, creel_stats *stats);
	int (*resize)(void *self, int max_workers);
	unsigned flags;
	unsigned reserved; /* 0 */
	int (*vet)(void *self, creel_fn fn, const void *arg, size_t size);
	void *(*alloc)(void *self, size_t size);
	void (*free)(void *self, void *p);
	int (*ask)(void *self, creel_task *task);
	void (*stop)(void *self, creel_task *task);
	int (*kill)(void *self, creel_task *task, int64_t grace_ns);
	void (*await)(void *self, creel_task *task, creel_deadline deadline);
} creel_executor_ops;

/* creel_executor_ops.flags */
enum { CREEL_EXECUTOR_REMOTE = 1, CREEL_EXECUTOR_QUEUES = 2 };

/* What withdraw may return, beside 0 and 1. */
enum { CREEL_WITHDRAW_STARTED = 2 };

/*
 * Makes an executor over your operations, which are copied. Never returns NULL. In these cases it
 * is broken, and self is not destroyed:
 *
 * -EINVAL  ops is NULL, its size is unknown to this library, or submit is NULL. flags or reserved
 *          has an unknown value, or there is one of alloc and free. An adaptor has operations of
 *          its own for tasks that run elsewhere (flags, vet, alloc, free, ask, stop, kill, await).
 *          Or another one has ask, stop, kill or await, and not CREEL_EXECUTOR_REMOTE.
 * -ELOOP   More than 32 executors lie beneath.
 * -EPERM   The executor beneath is the parent's, and this is a forked child.
 */
CREEL_API creel_executor *creel_executor_new(const creel_executor_ops *ops, void *self);

/* For constructors of custom executors that fail. Makes a broken executor: creel_executor_error()
 * has this kind, code and message, and submissions fail with that. Never returns NULL. The caller
 * owns one reference. Defaults: CREEL_KIND_BROKEN for an unknown kind, CREEL_EFAILED for a code of
 * 0, "the executor could not be made" for a NULL format. Thread-safe; does not block. */
CREEL_API creel_executor *creel_executor_failed(int kind, int code, const char *format, ...)
	CREEL_PRINTF(3, 4);

/* For custom executors. Runs a task that submit took, on the calling thread, and gives it back to
 * the library. Returns 0 if the task ran, -ECANCELED if it was cancelled and did not, -EALREADY if
 * it has begun (it is still yours), or -EPERM if the task is the parent's and this is a forked
 * child. */
CREEL_API int creel_task_run(creel_task *task);

/*
 * For adaptors. Hands a task that submit took to the executor beneath, the one that the beneath
 * operation named. It is the same task with the same future; no place of a bounded pool is waited
 * for. Any thread may call it, inside submit too. Outside of the operations hold a reference to the
 * adaptor meanwhile: the task may end at once, and the adaptor go with it. Blocks no longer than a
 * submission.
 *
 * 0           The executor beneath has the task, or had it. ended is called in any case.
 * -ECANCELED  The task was cancelled before: it is gone.
 * -EINVAL     An argument is NULL, or the second is not the executor beneath. The task is still
 *             yours.
 * -EPERM      The task is the parent's, and this is a forked child.
 * others      The executor beneath refused it, with that code. The task is still yours: return the
 *             code from submit, or call creel_task_reject().
 */
CREEL_API int creel_task_forward(creel_task *task, creel_executor *beneath);

/* For custom executors. Returns two words of yours in a task that submit was given: to link it into
 * your queue without an allocation, for example. They are uninitialised, and valid until the task
 * is run, rejected, forwarded, begun or settled, until withdraw returns 1, or until ask or withdraw
 * says that it has started; a cancel alone leaves them alone. Returns NULL for a task that runs,
 * for a task of another executor, for NULL, and in a forked child. */
CREEL_API void **creel_task_words(creel_task *task);

/* For custom executors. Ends a task that submit took and that will never run, begun or not. Its
 * future fails with kind, code and message, unless it was cancelled before. Defaults:
 * CREEL_KIND_REJECTED for an unknown kind, CREEL_EFAILED for a code of 0, "the executor rejected
 * the task" for a NULL format. */
CREEL_API void creel_task_reject(creel_task *task, int kind, int code, const char *format, ...)
	CREEL_PRINTF(4, 5);

/*
 * For custom executors whose tasks are executed elsewhere: what there is to execute. The function
 * is NULL if the task is none that was submitted to an executor of yours and has not ended, and for
 * one that runs in this process, or has begun without CREEL_EXECUTOR_REMOTE. The
 * argument is valid until the task ends; *ret_size is as it was at the submission, CREEL_BY_REF for
 * a pointer. Of the options there are name, limit_ns and band: the others are the library's
 * business. The name is valid until the task ends. Both return 0, -EINVAL (NULL, or no such task),
 * or -EPERM in a forked child. The input of a continuation is that of creel_task_input() and
 * creel_task_input_error(), which any thread may call for such a task.
 *
 * A process that you fork for the task learns nothing by these calls: make them before the fork.
 * There the function needs a task of that process's own: of creel_inline_new(), for example.
 */
CREEL_API creel_fn creel_task_function(creel_task *task);
CREEL_API int creel_task_argument(creel_task *task, const void **ret_data, size_t *ret_size);
CREEL_API int creel_task_options(creel_task *task, creel_submit_options *ret_options);

/*
 * For custom executors. creel_task_begin() says that the task starts elsewhere: from then on it
 * cannot be cancelled, only asked to stop, and creel_task_cancelled(task) says whether it was. You
 * still have to settle it. stop and kill may come before creel_task_begin() has returned: know the
 * task by then. creel_task_settle() and creel_task_settle_error() end a task that submit took,
 * begun or not: with a result, which they take over, or with an error. Callbacks run within them,
 * and destroy may. Forget the task before: when it has ended another one may have its address. The
 * data of a result stays where it is: align it to 64 bytes, as the library does. If there is no
 * memory for the end, the task fails with CREEL_KIND_NO_MEMORY. None blocks.
 *
 * 0           Done. A task may begin twice: that is the same as once.
 * -ECANCELED  The task was cancelled before it began: it is gone. A buffer is still yours.
 * -EINVAL     task is NULL, or data is NULL and size is not 0. Nothing has happened.
 * -EPERM      The task is the parent's, and this is a forked child.
 */
CREEL_API int creel_task_begin(creel_task *task);
CREEL_API int creel_task_settle(creel_task *task, creel_buffer result);

/* What creel_task_settle_error() is told, beside the message. 0 and NULL: there is none. The data
 * are copied, and the cause is referred to. Defaults: CREEL_KIND_FAILED for an unknown kind,
 * CREEL_EFAILED for a code of 0. A task that fails (CREEL_KIND_FAILED or _CANCELLED) with
 * -ECANCELED after it was asked to stop ends as one that stopped when it was asked to: of kind
 * cancelled, and for the reason of its token. */
typedef struct creel_failure {
	int kind;
	int code;
	int64_t pid; /* the process that died, */
	int signal;  /* of what, */
	int exit_status;
	const void *data; /* as of creel_fail_with() */
	size_t size;
	const creel_error *cause;
} creel_failure;

/* failure may be NULL, and so may format: "the task failed elsewhere". */
CREEL_API int creel_task_settle_error(creel_task *task, const creel_failure *failure,
				      const char *format, ...) CREEL_PRINTF(3, 4);

CREEL_END

#endif
