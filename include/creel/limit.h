/* SPDX-License-Identifier: MIT */
/*
 * Adaptors that limit: one task at a time, at most n at once, at most n in a second. Each is an
 * executor over any other one. Submit to it in place of the one beneath.
 *
 * STACKING   Adaptors may lie over one another, in any order. A task is the same task all the way
 *            down, with the same future, argument and options. Vetting, limits and shared memory
 *            are those of the lowest executor.
 * WAITING    Tasks wait in the adaptor, first in, first out, and occupy no worker. Cancelling one
 *            that waits takes it out at once, whatever the length of the line.
 * ORDER      The executor beneath gets tasks in the order of the line if it only queues what it is
 *            given: all pools do, the driven executor, adaptors over them, and your own with
 *            CREEL_EXECUTOR_QUEUES. One that may run a task inside the submission, such as the
 *            inline executor, gets tasks from several threads at once: of two that both may go, one
 *            can overtake the other there.
 * CALLBACKS  Over an executor that only queues, a thread that lets tasks and permits go first lets
 *            go all that may, also what others submit meanwhile. Then it calls the callbacks of
 *            what ended there: of permits, and of tasks that the one beneath refused. As long as
 *            others submit faster than it lets go, it stays at that.
 * BENEATH    An adaptor holds a reference to the executor beneath. You may drop yours.
 * SHUTDOWN   Shutting an adaptor down refuses new tasks, and with a flag cancels or kills the tasks
 *            that went through it. The executor beneath goes on.
 * PERMITS    To limit something that is no task, wait for a permit: a future, in one line with
 *            the tasks. It is no promise; cancel it, wait for it, and combine it like any other.
 * THREADS    All calls are thread-safe and do not block, but that the inline executor runs a task
 *            inside the call that lets it go: a submission, the end of another task, the return of
 *            a permit, creel_clock_advance().
 * FORKS      As executors: in a forked child the calls fail with -EPERM.
 */
#ifndef CREEL_LIMIT_H
#define CREEL_LIMIT_H

#include <creel/base.h>

CREEL_BEGIN

enum {
	CREEL_LIMIT_MAX = 1 << 20 /* the largest n and burst of a rate limit */
};

/*
 * Runs one task at a time, in the order of submission: a task is handed to ex when the one before
 * has ended. Over a process pool it orders the tasks; they still share no memory. The caller owns
 * one reference. Never returns NULL; broken with -EINVAL (ex is NULL), -EPERM (ex is the parent's,
 * and this is a forked child), -ELOOP (more than 32 adaptors lie beneath), -ENOMEM, or as ex is.
 *
 * A task cannot wait for a later task of the same serial executor, which starts only when the first
 * has ended. The wait returns -EDEADLK at once if that is certain: the later task was submitted to
 * this executor itself, waits for nothing but its turn (no delay, no input), has no expiry and no
 * token, and has no callbacks, continuations, aggregates or timeouts. Otherwise the wait lasts
 * until its deadline. So it does for a permit, where the first task waits for a third one that
 * waits for the later one, and in a job or the body of a loop that another thread runs for the
 * first task. A loop on an adaptor over the serial executor is refused with the same code.
 */
CREEL_API CREEL_MUST_USE creel_executor *creel_serial_new(creel_executor *ex);

/* Like creel_serial_new(), but lets at most n tasks be with ex at once; n is at least 1 (-EINVAL).
 * With more than 1, a task that waits for a later one is not told -EDEADLK.
 * A task counts from the moment when ex gets it until it has ended: a cancelled one that runs keeps
 * its place until its function returns. */
CREEL_API CREEL_MUST_USE creel_executor *creel_semaphore_new(creel_executor *ex, int64_t n);

/*
 * Acquires a permit of a semaphore (or of a serial executor, which is a semaphore of 1). Returns a
 * future that ends, with an empty result, when one of the n is free. The permit counts like a task
 * that is running, until the last reference to the future goes: drop it to give the permit back. So
 * a permit cannot be given back twice, and a future that ends as this one did holds it as well.
 *
 * Never returns NULL. Cancelling the future while it waits gives up its place in the line. If sem
 * is NULL or no semaphore, has been shut down, is broken, or is the parent's in a forked child, the
 * future has failed: -EINVAL, -ESHUTDOWN, the executor's code, -EPERM; also -ENOMEM.
 * Permits that were given outlive the shutdown. creel_executor_close() does not wait for them.
 */
CREEL_API CREEL_MUST_USE creel_future *creel_semaphore_acquire(creel_executor *sem);

/* Options of creel_rate_limit_new(). */
typedef struct creel_rate_options {
	/* At most n tasks are handed over in per_ns nanoseconds. From 1 to CREEL_LIMIT_MAX. */
	int64_t n;
	int64_t per_ns; /* more than 0 */
	/* 0: a sliding window. In any window of per_ns (its end not included) at most n are handed
	 * over. Takes 8n bytes. Else a token bucket, with room for so many: n in per_ns in the long
	 * run, evenly, and up to burst more at once. At most CREEL_LIMIT_MAX. */
	int64_t burst;
	/* The clock of per_ns. NULL: the real one. Borrowed: if the last reference to a manual one
	 * goes, what waits fails as broken. */
	creel_clock *clock;
	/* Must be zero. */
	uint64_t reserved[4];
} creel_rate_options;

/*
 * Hands at most n tasks to ex in each per_ns: see creel_rate_options. A task counts at the moment
 * when ex gets it, or, if a thread is held up just there, at no moment at which the limit would be
 * exceeded. Over the inline executor, and others that run the task within that step, it counts when
 * it has ended. A task that is cancelled while it waits does not count.
 *
 * The caller owns one reference. Never returns NULL; broken like creel_serial_new(), and with
 * -EINVAL if options is NULL or a field is out of range, or with the clock's code.
 */
CREEL_API CREEL_MUST_USE creel_executor *creel_rate_limit_new(creel_executor *ex,
							      const creel_rate_options *options);

/* Waits for its turn like a task of the rate limit, and counts like one. Returns a future that
 * ends, with an empty result, when it is its turn: call what is limited then. There is nothing to
 * give back. Errors as creel_semaphore_acquire(). */
CREEL_API CREEL_MUST_USE creel_future *creel_rate_acquire(creel_executor *rate);

CREEL_END

#endif
