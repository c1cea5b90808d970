/* SPDX-License-Identifier: MIT */
/*
 * Parallel loops: one function over a range of indices, by the workers of an executor. Both calls
 * return when the loop is over.
 *
 * WHO RUNS IT  On a thread pool without initializer the caller takes part; it runs alone for about
 *              5 microseconds, so that short loops wake nobody. Its number, creel_task_worker(), is
 *              creel_executor_slots(ex), so an array with one entry for each worker needs one more;
 *              its creel_task_local() is NULL. A worker of the pool keeps its own. On other
 *              executors, and on pools with an initializer, the caller waits, unless it is a task
 *              of that executor.
 * PROCESSES    On a process pool the context is NULL or in shared memory (creel_shared_alloc()):
 *              the workers share it, and take pieces of the range from one counter. A worker that
 *              dies fails the loop, whose other pieces go on to their end.
 * NESTING      A body may start loops of its own, on the same pool, too. In a worker process it
 *              cannot use the host's pool (-EPERM). If the outer loop ends early, those within
 *              end with -ECANCELED. There is one exception: a loop on a process pool hears only of
 *              the task that called it, on the thread that runs that task. Within a body or a job
 *              that another thread runs it hears of no cancel, and it never hears of the end of an
 *              outer loop.
 * ERRORS       Each index is run exactly once. After an error, a cancel or the deadline each is run
 *              at most once: no body starts any more, those that run are waited for. They see
 *              creel_task_cancelled().
 * HANDLE       The body's task is a handle as that of a job (creel/jobs.h): the body may fork and
 *              join; it has no result.
 * ALGORITHM    Guided self-scheduling (Polychronopoulos and Kuck, 1987) by time: each thread takes
 *              pieces that last about 20 microseconds, from one counter. So skewed loops balance.
 */
#ifndef CREEL_LOOPS_H
#define CREEL_LOOPS_H

#include <creel/base.h>

CREEL_BEGIN

enum {
	/* creel_reduce(): the result is the same bit for bit, however many workers there are. (This
	 * version always does so.) creel_parallel_for() ignores it. */
	CREEL_DETERMINISTIC = 1
};

typedef struct creel_loop_options {
	/* How many indices the body gets at once. 0: as many as are worth it. creel_reduce() may
	 * use a multiple of it. */
	size_t grain;
	/* 0 or CREEL_DETERMINISTIC. */
	unsigned flags;
	/* Must be zero. */
	uint32_t reserved32;
	/* No body starts after it. {0}: there is none. */
	creel_deadline deadline;
	/* Cancelling it ends the loop with -ECANCELED, wherever its bodies run; with
	 * CREEL_KILL_REST those in processes are killed. Borrowed until the call returns. NULL:
	 * none. */
	creel_token *token;
	/* Must be zero. */
	uint64_t reserved[7];
} creel_loop_options;

/* Runs the indices from begin up to and without end. Returns 0, or anything else to end the loop
 * with that code. */
typedef int (*creel_body_fn)(creel_task *task, size_t begin, size_t end, void *context);

/*
 * Calls body for all indices from begin up to and without end, in pieces. Blocks until the loop is
 * over; the options may be NULL. Thread-safe; may be called in tasks, jobs and callbacks (in a
 * callback the caller runs it alone, or gets -EDEADLK if it cannot).
 *
 * 0              All indices were run. There are none if end is begin: also on an executor that has
 *                been shut down.
 * body's code    The first that was not 0.
 * CREEL_EFAILED  A body ended its thread, or its worker process died. Or: the executor is broken.
 * -ECANCELED     The task that called was cancelled, the loop around this one ended, the token was
 *                cancelled (before the call: nothing was run), or a shutdown cancelled the loop's
 *                tasks.
 * -ETIMEDOUT     The deadline passed.
 *
 * Nothing was run:
 *
 * -EINVAL        ex or body is NULL; end is less than begin; a flag is unknown; or a reserved field
 *                is not 0.
 * -ESHUTDOWN     The executor has been shut down.
 * -EAGAIN        No worker can be started, and the caller does not take part.
 * -ENOMEM        There is no memory. Process pool: -ENOSPC, no shared memory.
 * -EFAULT        Process pool: the context is not in shared memory.
 * -ENOEXEC       Process pool: the workers do not have the body.
 * -EDEADLK       It would have to wait in a callback. Or it was called in a task, and the loop's
 *                tasks would start only when that one has ended: such as in a task of a driven
 *                executor or of a serial one, and ex is an adaptor over that.
 * -EPERM         This is a forked child or a worker process, and ex or the token is the host's.
 */
CREEL_API int creel_parallel_for(creel_executor *ex, size_t begin, size_t end, creel_body_fn body,
				 void *context, const creel_loop_options *options);

/* Adds the indices from begin up to and without end to *into, which holds the identity or what was
 * added before. Returns 0, or anything else to end the loop with that code. */
typedef int (*creel_reduce_fn)(creel_task *task, size_t begin, size_t end, void *into,
			       void *context);

/* Adds *from to *into. Called on the thread that called creel_reduce(). */
typedef void (*creel_combine_fn)(void *into, const void *from, void *context);

/*
 * Reduces the range to one value of size bytes. Parts of the range are reduced by body, each into
 * its own copy of *identity, and then combined in the order of the indices. So combine has to be
 * associative and need not be commutative. The parts depend on the range and the grain alone: the
 * result is the same for every number of workers, also of floating-point sums. Copies are 16-byte
 * aligned.
 *
 * Returns what creel_parallel_for() does, and -EINVAL if identity, combine or ret is NULL, or size
 * is 0. Unless it returns 0, *ret is unchanged.
 */
CREEL_API int creel_reduce(creel_executor *ex, size_t begin, size_t end, const void *identity,
			   size_t size, creel_reduce_fn body, creel_combine_fn combine,
			   void *context, void *ret, const creel_loop_options *options);

CREEL_END

#endif
