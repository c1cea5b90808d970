/* SPDX-License-Identifier: MIT */
/*
 * The calls for the function of a task. Only the thread that runs the function may make them, and
 * only until the function returns. None blocks for long, but creel_task_sleep().
 *
 * FORKS  If the function forks, the task stays the parent's. In the child creel_return(),
 *        creel_return_move() and creel_return_future() return -EPERM, and so do creel_fail() and
 *        creel_fail_with();
 *        creel_return_reserve() returns NULL. The child cannot be asked to stop:
 *        creel_task_cancelled() returns false.
 */
#ifndef CREEL_TASK_H
#define CREEL_TASK_H

#include <creel/base.h>

CREEL_BEGIN

/* Makes a copy of size bytes at data the result. A later creel_return...() replaces it. If the
 * function returns anything but 0, creel discards it. Returns 0, -ENOMEM, or -EINVAL (data is NULL
 * and size is not 0); on failure the earlier result stays. Return this code from the function to
 * fail the task with it. */
CREEL_API int creel_return(creel_task *task, const void *data, size_t size);

/* Makes size bytes the result and returns their address, for the function to write to. They are
 * 64-byte aligned and uninitialised; the pointer is valid until the function returns. Returns NULL
 * if there is no memory; the earlier result stays. */
CREEL_API void *creel_return_reserve(creel_task *task, size_t size);

/* Makes the buffer the result and takes ownership of it. creel calls its free when the last
 * reference to the future is dropped, unless creel_future_take() has moved the buffer out. Returns
 * 0, -ENOMEM, or -EINVAL (data is NULL and size is not 0, or size is larger than any object); on
 * failure the caller still owns the buffer. */
CREEL_API int creel_return_move(creel_task *task, creel_buffer buffer);

/*
 * Makes the task end as f does: with its result, which is not copied, with its error, or cancelled.
 * f may have ended or not. When the function returns 0, the executor is through with the task, and
 * the worker is free. The task's future stays running until f ends. A later creel_return...() or
 * creel_fail(), or another return value, replaces f.
 *
 * f is borrowed: the task keeps it until the function returns, and then, as a continuation would,
 * holds no reference to it. So a promise that its last holder drops breaks, and ends the task. To
 * cancel or kill the task's future cancels or kills f. Shutdown, drain and close of a pool do not
 * wait for f; an adaptor or a scope that forwarded the task does, and a semaphore keeps the task's
 * permit. Chains of such tasks may have any length, and need constant stack. If f fails and nobody
 * reads that in the task's future, the on_unhandled of the executor where the error came from is
 * called, if there is one, and not that of the task's.
 *
 * Returns 0 or -ENOMEM; then the earlier result stays. Or a code with which the task also fails,
 * unless a later creel_return...() succeeds, with an error that says more: -EINVAL (f is NULL),
 * -EDEADLK (f is the task's own future, or one that waits for it in this way; a continuation of the
 * task is not seen, and would wait for ever), -ENOTSUP (the task runs in a worker process, or has
 * a period_ns), or -EPERM (f is the parent's, and this is a forked child). And -EINVAL for NULL and
 * for the handle of a job. Does not block.
 */
CREEL_API int creel_return_future(creel_task *task, creel_future *f);

/*
 * Says why the task fails, and returns code: "return creel_fail(task, -EIO, ...)". From then on the
 * task fails whatever its function returns, unless a later creel_return...() succeeds. The error
 * gets the code (CREEL_EFAILED for 0), its err if the code is a negative errno, and the message.
 * The message is formatted as by printf(). If it is longer than 4,095 bytes it is cut there and
 * ends in "...". All of it arrives, also from a worker process.
 *
 * INITIALIZERS  The initializer of a pool's worker has no task: it says why it fails with
 *               "return creel_fail(NULL, -ENOENT, ...)". Then the pool breaks, whatever the
 *               initializer returns, and creel_executor_error() has the message. Elsewhere a call
 *               with NULL only returns the code.
 *
 * Without memory
 *
 * Each worker reserves memory for one error before each task. A message of more than 199 bytes is
 * then cut and ends in "...". If even the reserve is used up, the error has the code CREEL_EFAILED
 * and a general message. A worker process that has no room left in the pool's shared_budget cuts
 * the message at 255 bytes; it ends in "...".
 */
CREEL_API int creel_fail(creel_task *task, int code, const char *format, ...) CREEL_PRINTF(3, 4);

/* Like creel_fail(), and gives the error a copy of size bytes at data. Readers find them in
 * creel_error.data and .size, also if the task ran in a worker process. Without memory, or without
 * room in the pool's shared_budget, the error has no data. */
CREEL_API int creel_fail_with(creel_task *task, int code, const void *data, size_t size,
			      const char *format, ...) CREEL_PRINTF(5, 6);

/* Returns true once somebody has asked the running task to stop, with creel_future_cancel() for
 * example. A long task calls it now and then, and returns -ECANCELED early, perhaps by
 * creel_fail(). Then its error is of kind cancelled, creel_future_result() returns -ECANCELED, and
 * on_unhandled is not called. The future's state is CREEL_FUTURE_FINISHED. */
CREEL_API bool creel_task_cancelled(const creel_task *task);

/*
 * Sleeps until the deadline, or until somebody asks the task to stop: with creel_future_cancel() or
 * _kill(), or by a shutdown with CREEL_SHUTDOWN_KILL. The deadline is one of the clock that the
 * task was submitted with (creel_submit_options.clock), else of the real one. CREEL_FOREVER sleeps
 * until the task is asked to stop. Blocks.
 *
 * 0              The deadline has passed.
 * -ECANCELED     The task was asked to stop, before or meanwhile. Return this code from the
 *                function: then the task ends as cancelled.
 * -EINVAL        task is NULL, or none that the calling thread runs.
 * -EDEADLK       The call is made in a callback.
 * -EPERM         The task is the parent's, and this is a forked child.
 * -ENOMEM        There is no memory for a timer of a manual clock.
 * CREEL_EFAILED  The last reference to the manual clock was dropped.
 */
CREEL_API int creel_task_sleep(creel_task *task, creel_deadline deadline);

/* Returns the worker's own state: what its initializer stored, or NULL without an initializer. */
CREEL_API void *creel_task_local(creel_task *task);

/* Returns the number of the worker that runs the task, or UINT_MAX if none does: on an executor
 * without workers, and on a thread that helps (CREEL_HELP_ANY).
 * Numbers are small: a worker gets the lowest that is free, always below creel_executor_slots(). No
 * two workers have one at the same time. A number is free again when its worker's finalizer has
 * returned and, for a process, when its death is confirmed. */
CREEL_API unsigned creel_task_worker(creel_task *task);

/* Returns the executor that the task was submitted to, to submit more tasks to it, for example.
 * Borrowed: valid until the function returns. Returns NULL in a worker process and in a forked
 * child, which cannot use the host's executor, and for NULL. */
CREEL_API creel_executor *creel_task_executor(creel_task *task);

/* Returns a reference to the task's own future, which the caller drops. Returns NULL in a worker
 * process and in a forked child, which cannot use the host's futures, and for NULL. */
CREEL_API creel_future *creel_task_future(creel_task *task);

/* Returns the task that the calling thread runs, or NULL outside of a task. If tasks run inside one
 * another, it returns the innermost. */
CREEL_API creel_task *creel_task_current(void);

/*
 * Say that the task now waits for something outside of creel (a lock, a socket, a child process),
 * and that it has stopped waiting. On a worker of a thread pool the task gives up its place in
 * between: if tasks wait, another worker runs them (BLOCKED in creel/pools.h). creel's own
 * blocking calls do this themselves. Use the pair around waits that take milliseconds or more: a
 * pair costs as much as a few submissions, and a thread more if tasks wait.
 *
 *     creel_blocking_begin();
 *     pid = waitpid(child, &status, 0);
 *     creel_blocking_end();
 *
 * Pairs nest; the outermost counts. Outside of a task, and on executors whose tasks do not run on
 * the threads of a pool, the calls do nothing. The end of a task closes what it has left open. In
 * an open pair creel_future_result() and the like do not run the awaited task themselves.
 *
 * Both return 0, or -EDEADLK in a callback. begin returns -EAGAIN if tasks wait, all other workers
 * are blocked and no thread can be had: nothing is open then, and you may wait all the same. end
 * returns -EINVAL if no pair is open. Neither waits, but for a thread to be made.
 */
CREEL_API int creel_blocking_begin(void);
CREEL_API int creel_blocking_end(void);

CREEL_END

#endif
