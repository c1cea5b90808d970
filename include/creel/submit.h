/* SPDX-License-Identifier: MIT */
/*
 * Submitting: these calls hand a function and its argument to an executor.
 *
 * ARGUMENTS  creel copies the size bytes at arg. For no argument pass NULL and 0. To pass the
 *            pointer itself, use CREEL_BY_REF as the size; for a process pool it must be NULL or
 *            point into the pool's shared memory (creel_shared_alloc()).
 * ATOMIC     An accepted task completes exactly once. A rejected task never runs.
 * ORDER      What the caller did before submitting happens-before the task's function.
 * THREADS    All calls are thread-safe, also in tasks and callbacks. None blocks, but for two: the
 *            inline executor runs the task inside the call, and a bounded pool that is full may
 *            make the caller wait (see Bounds). The caller must hold its reference to the executor
 *            until the call has returned.
 * TIMES      A task with delay_ns is pending until it is due; nothing starts it before. Then its
 *            executor gets it, on the thread of its clock, as if it were submitted at that moment:
 *            so the inline executor runs it on that thread, and a custom executor's submit is
 *            called there. Tasks that become due are handed over in the order of their due times.
 *            Cancelling a task that is not due, or whose time runs out, gives its memory back at
 *            once. Shutting the executor down, and dropping its last reference, fails what is not
 *            due at once, as shut down, unless it has CREEL_STAY. creel_executor_drain() does not
 *            wait for it.
 *
 * Bounds
 *
 * A pool with a capacity has at most max_workers + capacity tasks that were accepted and have not
 * ended. A submission that finds no place waits, fails or runs the task itself: see overflow.
 * Submissions that wait get places in the order in which they came. A task gives its place back
 * when it ends or is cancelled, just before its future is final: so whoever has seen its end finds
 * room. The bound grows with creel_executor_resize(). Shutting down lets all who wait go on: their
 * submissions are refused. creel_try_submit() never waits.
 *
 * Some exceed the bound instead, since the pool's tasks may wait for them: the pool's own tasks and
 * workers, callbacks, destructors, and callbacks that run as tasks of the pool. Workers of other
 * pools wait like any other thread.
 *
 * Periodic tasks
 *
 * A task with period_ns runs again and again. Its future is pending until the first run, and then
 * running until the end of the series. Results of earlier runs are discarded, and arg_free runs
 * once, at the end. The series ends with a run that fails; with the run during which the task is
 * asked to stop, and that run's outcome; or between two runs: cancelling then makes the future
 * cancelled at once, and shutting the executor down fails it as shut down. delay_ns and expiry_ns
 * are about the first run. limit_ns is for each run. No waiter runs a periodic task (help of the
 * pools' options). Maps refuse it.
 *
 * Bands
 *
 * A pool has a list of waiting tasks for each band. Within a band tasks start in the order of
 * submission. Of the lists the one with the highest band is served first, but a list that waits
 * rises by one band in each ageing_ns (an option of the pool). So no task waits for ever. A list's
 * age is the time since its first task became the first, and counts from the first use of a band
 * other than 0. Of two lists that count as equal, the older one is served. A task that a process
 * pool has sent to a worker is not overtaken. As long as all tasks have band 0, bands cost nothing;
 * afterwards each task costs a look at the clock.
 *
 * The inline executor accepts bands, and runs each task at once. Custom executors reject every band
 * but 0.
 *
 * Destructors of arguments
 *
 * creel_submit_options.arg_free passes the ownership of what arg is, or refers to, to the task. It
 * runs exactly once, before anybody sees the completion. There is one exception: if the task ends
 * inside another destructor, its own arg_free runs after that one has returned, and the completion
 * may be visible before.
 */
#ifndef CREEL_SUBMIT_H
#define CREEL_SUBMIT_H

#include <creel/base.h>

CREEL_BEGIN

/* Flags of creel_submit_options. */
enum {
	/* The runs of a periodic task are due at a fixed rate, however long each takes. A run that
	 * is late is made up for: the next one is due at its own time, which may have passed. Two
	 * runs never overlap. */
	CREEL_FIXED_RATE = 1,
	/* A shutdown, and the last reference to the executor, leave the delayed task alone: it runs
	 * when it is due, and creel_executor_shutdown() and _close() wait for it. Only with
	 * delay_ns, without period_ns, and by a real clock. CREEL_SHUTDOWN_CANCEL fails it as shut
	 * down all the same, and so does any shutdown of a broken executor. Pools only; other
	 * executors reject it with -ENOTSUP. */
	CREEL_STAY = 2,
	/* The next two are for continuations: creel/then.h. Cancelling the continuation while it
	 * waits cancels its input as well. */
	CREEL_CANCEL_UPSTREAM = 4,
	/* creel_recover_with(): the function also runs if the input was cancelled. */
	CREEL_RECOVER_CANCELLED = 8
};

typedef struct creel_submit_options {
	/* The task's name, for errors. It is copied, and cut to 39 bytes. Default: "". */
	const char *name;
	/* The argument's destructor, or NULL. creel calls it once, in this process, when the
	 * function has ended or will certainly never run. It gets the pointer and the size that
	 * the function gets (the address of the copy, if creel copied), and arg_ctx. It must not
	 * block and must not end its thread. */
	void (*arg_free)(void *arg, size_t size, void *arg_ctx);
	void *arg_ctx;
	/* 0, CREEL_FIXED_RATE or CREEL_STAY. Of continuations CREEL_CANCEL_UPSTREAM, and
	 * CREEL_RECOVER_CANCELLED. */
	unsigned flags;
	/* What to do if the executor is bounded and full: CREEL_OVERFLOW_BLOCK, _FAIL or _CALLER.
	 * 0: the policy of the pool's options. Executors without a bound are never full. */
	int overflow;
	/* How long the task may run, in nanoseconds from its start. When the time is over, the pool
	 * kills the worker, and the future fails as timed out. 0: the limit of the pool's options.
	 * Process pools only; other executors reject the submission with -ENOTSUP. */
	int64_t limit_ns;
	/* How long to wait for room, with CREEL_OVERFLOW_BLOCK: past that the submission is refused
	 * with CREEL_BUSY. A time in the past does not wait. 0: as long as it takes. Other policies
	 * do not look at it. */
	creel_deadline submit_by;
	/* The task does not start before so many nanoseconds have passed since its submission. 0:
	 * it is due at once. */
	int64_t delay_ns;
	/* So many nanoseconds after its submission the task expires, unless it has started: it
	 * never runs, and its future fails as expired (-ETIMEDOUT), whether or not a worker is
	 * free. More than delay_ns. 0: never. */
	int64_t expiry_ns;
	/* The task is periodic: the next run is due so many nanoseconds after the end of the one
	 * before, or with CREEL_FIXED_RATE after that was due. See Periodic tasks. 0: it runs
	 * once. */
	int64_t period_ns;
	/* The clock of these times, and of creel_task_sleep(). NULL: the real one. It is borrowed:
	 * if the last reference to a manual one goes, what is not due fails as broken, and nothing
	 * expires. */
	creel_clock *clock;
	/* From -2 (can wait) to 2 (urgent): see Bands. Default: 0. */
	int band;
	/* Must be zero. */
	uint32_t reserved32;
	/* Cancelling it cancels the task: creel/token.h. The task keeps it. NULL: none. */
	creel_token *token;
	/* Must be zero. */
	uint64_t reserved[9];
} creel_submit_options;

/* Submits fn(task, arg, size) and returns its future, never NULL. If the submission is rejected,
 * the future has already failed, and its error says why: rejected, shut down, broken or no memory.
 * The caller owns one reference. */
CREEL_API CREEL_MUST_USE creel_future *creel_submit(creel_executor *ex, creel_fn fn,
						    const void *arg, size_t size);

/* Like creel_submit(), with options; NULL means the defaults. If the submission is rejected,
 * arg_free has run when the call returns. */
CREEL_API CREEL_MUST_USE creel_future *creel_submit_with(creel_executor *ex, creel_fn fn,
							 const void *arg, size_t size,
							 const creel_submit_options *options);

/*
 * Like creel_submit_with(), but reports a rejection as a return code. Returns 0 and stores the
 * future in *ret_future; the caller owns one reference. On failure nothing has happened: the caller
 * still owns the argument (arg_free has not run), and *ret_future is unchanged.
 *
 * -EINVAL        ex, fn or ret_future is NULL; arg is NULL and size is not 0; size is larger than
 *                any object; a flag or overflow is unknown, or a flag lacks what it is about; a
 *                time is negative; CREEL_STAY is set and the clock is manual; expiry_ns is not 0
 *                and not more than delay_ns; band is not within -2 to 2; creel_clock_new() got
 *                unknown flags; or a reserved field is not 0. The error of creel_submit_with() says
 *                which.
 * -ENOMEM        There is no memory.
 * -ESHUTDOWN     The executor has been shut down.
 * -EAGAIN        No worker can be started, or not the thread of the clock.
 * -EPERM         The executor, the clock or the token is the parent's, and this is a forked child.
 * -ECANCELED     The token is cancelled.
 * -ENOTSUP       limit_ns is set, and ex is not a process pool; or ex is one, and the clock is
 *                manual. Or band is set, and ex is a custom executor. Or CREEL_STAY is
 *                set, and ex is no pool. Or overflow is
 *                CREEL_OVERFLOW_CALLER, and ex is a bounded pool whose tasks cannot run on the
 *                calling thread: a process pool, or one with an initializer.
 * CREEL_BUSY     The pool is full. This call neither waits nor runs the task, whatever overflow
 *                says.
 * CREEL_EFAILED  The executor is broken.
 * -ENOEXEC       Process pool: the workers do not have the function.
 * -EFAULT        Process pool: the pointer of CREEL_BY_REF is outside shared memory.
 * -ENOSPC        Process pool: the argument is larger than the shared budget.
 *
 * A custom executor's own code comes back unchanged. What refuses a delayed task only when it is
 * due fails its future instead.
 */
CREEL_API int creel_try_submit(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
			       const creel_submit_options *options, creel_future **ret_future);

/* Submits without a future ("fire and forget"). Returns what creel_try_submit() returns, but a
 * rejected submission has run arg_free. If the task fails, the pool calls its on_unhandled hook.
 * For a failure that comes from another future see creel_return_future(). */
CREEL_API int creel_spawn(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
			  const creel_submit_options *options);

/*
 * Submits fn once for each of n items of stride bytes at base, in their order. It is cheaper than n
 * submissions. Each item is copied into its task. With a stride of 0 the tasks have no argument,
 * and base does not matter. options, which may be NULL, hold for each task. So does the policy for
 * a full pool: with CREEL_OVERFLOW_BLOCK the call waits for room again and again.
 *
 * The first refusal ends it. *ret_accepted is how many were accepted before, from the first on.
 * ret_futures, unless NULL, is an array of n: the call stores the futures of those that were
 * accepted, and the caller owns a reference to each. Nothing has happened to the others: they are
 * still the caller's, and their arg_free has not run. If ret_futures is NULL, failures go to the
 * pool's on_unhandled, as with creel_spawn().
 *
 * Returns 0 if all n were accepted (n may be 0), else what the first refusal would return from
 * creel_try_submit(). Also -EINVAL if ret_accepted is NULL, base is NULL with n and stride above 0,
 * or n * stride is larger than any object.
 */
CREEL_API int creel_submit_many(creel_executor *ex, creel_fn fn, const void *base, size_t stride,
				size_t n, const creel_submit_options *options,
				creel_future **ret_futures, size_t *ret_accepted);

CREEL_END

#endif
