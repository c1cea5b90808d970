/* SPDX-License-Identifier: MIT */
/*
 * Seeing what executors do: hooks that hear of each task, histograms of traced pools, and a report
 * of everything.
 *
 * COST  An executor that nobody watches pays nothing. One with hooks, and a pool with CREEL_TRACE,
 *       makes a note of each task on the heap, and reads the clock for each event. A pool is traced
 *       from its making: so its counts are complete.
 */
#ifndef CREEL_WATCH_H
#define CREEL_WATCH_H

#include <creel/base.h>

CREEL_BEGIN

/* What a hook is told. It, and what it points to, is valid until the hook returns. */
typedef struct creel_event {
	creel_executor *executor; /* borrowed */
	/* The task; 0, NULL and "" if the event is a worker's own. Tasks that are watched are
	 * numbered 1, 2, 3, ... in each executor, as they are submitted. */
	uint64_t sequence;
	creel_fn fn;
	const char *name;  /* of its options, or "" */
	creel_deadline at; /* when it happened, on the clock of creel_now() */
	unsigned worker;   /* as of creel_task_worker(); UINT_MAX: none */
	int state;         /* ended: CREEL_FUTURE_FINISHED or CREEL_FUTURE_CANCELLED */
	int code;          /* ended: 0, or the code of the error */
	uint32_t reserved32;
	uint64_t reserved[8];
} creel_event;

typedef void (*creel_hook_fn)(void *ctx, const creel_event *event);

/*
 * The hooks of an executor. Set size to sizeof(creel_hooks). A hook that is NULL is not called.
 *
 * submitted  The task is about to be handed to the executor, on the submitter.
 * started    Its function is about to be called, on the worker. A task of a process pool starts
 *            elsewhere: the host learns of it with the outcome, so the call comes right before
 *            ended, and `at` is the worker's own time. The same holds for a task that a custom
 *            executor settles: `at` is the time of creel_task_begin(), or without one of the end.
 * ended      Its function has returned, or will certainly never be called (then there was no
 *            started). The future becomes final after the call. A task that the executor refuses
 *            ends with the code of the refusal. (A submission that fails before, for bad input or
 *            for want of room, is not told of.)
 * worker_started, worker_left  A worker begins, before its initializer, and leaves, after its
 *            finalizer. In a process pool: it is ready, and it is dead; on the pool's manager.
 *
 * Each task that was submitted ends once, and starts at most once before that. A periodic task
 * starts with its first run, and ends with its series. Calls for different tasks come on different
 * threads at the same time. Jobs are not told of, and have no histograms: they would pay more for
 * that than for running. A parallel loop on a thread pool consists of jobs; elsewhere its tasks are
 * watched like any others.
 *
 * RULES  A hook is called with no lock held. It is a callback: it must return soon, must not end
 *        its thread, and gets -EDEADLK from calls that would wait. It may use every other call,
 *        also on the same executor. Tasks that a hook submits are not watched, so hooks do not feed
 *        themselves.
 * FORKS  A hook may fork. In the child no hook of the parent's is called.
 */
typedef struct creel_hooks {
	size_t size;
	void *ctx; /* the first argument of the hooks */
	creel_hook_fn submitted, started, ended;
	creel_hook_fn worker_started, worker_left;
} creel_hooks;

/*
 * Gives the executor its hooks, for as long as it lives. The struct is copied; ctx must stay valid
 * until the executor has ended. Tasks and workers that were there before are not watched: call it
 * right after the executor was made. An executor has its hooks once and keeps them, so that each
 * event finds them. To stop listening, have the hooks look at a flag of yours. Thread-safe; does
 * not block. On failure nothing has changed.
 *
 * -EINVAL    ex or hooks is NULL, or hooks->size is not what this version knows.
 * -EALREADY  The executor has hooks.
 * -ENOMEM    There is no memory.
 * -EPERM     This is a forked child.
 */
CREEL_API int creel_executor_watch(creel_executor *ex, const creel_hooks *hooks);

/* Of what there are histograms. */
enum {
	CREEL_HISTOGRAM_WAITING, /* from the submission to the start */
	CREEL_HISTOGRAM_RUNNING  /* from the start to the end, as the host sees it */
};

enum { CREEL_HISTOGRAM_BUCKETS = 488 };

/* How often something took how long, in nanoseconds. The buckets are log-linear, as in
 * HdrHistogram: a value is known to an eighth. */
typedef struct creel_histogram {
	uint64_t count, sum_ns; /* of all values */
	/* So many values were at least creel_histogram_bound(i) and less than that of i + 1. */
	uint64_t bucket[CREEL_HISTOGRAM_BUCKETS];
} creel_histogram;

/*
 * Fills the first size bytes of *ret_histogram with a histogram of the pool's tasks since its
 * beginning; pass sizeof *ret_histogram. Tasks that never started are in none. Subtract an earlier
 * one to see what came in between. Of a periodic task each run counts, and waits from the time when
 * it was handed over as due. Thread-safe; does not block. Returns 0, or on failure:
 *
 * -EINVAL   ex or ret_histogram is NULL, size is 0, or which is unknown.
 * -ENOTSUP  The executor is no pool that was made with CREEL_TRACE.
 * -EPERM    This is a forked child.
 */
CREEL_API int creel_executor_histogram(creel_executor *ex, int which,
				       creel_histogram *ret_histogram, size_t size);

/* Returns the least value of a bucket, in nanoseconds; INT64_MAX behind the last one. */
CREEL_API int64_t creel_histogram_bound(unsigned bucket);

/* Returns the value that so many in a thousand are at or below: 500 gives the median. It is the
 * bound of its bucket. Returns -1 if there is no value, histogram is NULL, or per_mille is above
 * 1000. */
CREEL_API int64_t creel_histogram_quantile(const creel_histogram *histogram, unsigned per_mille);

/*
 * Writes to the descriptor, as text, what all executors of the process do: a line for each
 * executor, and one for each of its workers. It says
 *
 * - how many tasks wait, run and have ended, and, of a traced pool, how long the oldest waits; how
 *   many are not due, how many submissions wait for room, and how many threads drain, shut down or
 *   close it;
 * - what each worker runs (of a traced pool: which task, which function, for how long);
 * - what a worker of a thread pool waits for in a call of creel, and who has that: the task and (if
 *   its pool is traced) its worker, or a promise that nobody has settled; room in a bounded pool,
 *   or the end of an executor; or that it sleeps (creel_task_sleep()).
 *
 * Locks of your own creel does not know: a worker that sleeps in one is one that runs. What changes
 * while it is looked at is said to be changing. Each line is true of one moment, and different
 * lines of different moments. The format may change: it is for people.
 *
 * It takes no lock that a task or a callback may hold, waits for none of creel's own for more than
 * a moment, and allocates nothing. So you can call it where nothing moves any more, also from a
 * debugger: "call creel_report(2)" in gdb. Call it on a thread that is in your own code. A signal
 * handler must not call it.
 *
 * The list of the executors is state of the process, one for each copy of the library. A forked
 * child starts with an empty one.
 *
 * Returns 0, or a code when the report is cut short:
 *
 * -EAGAIN  The descriptor had no room for a second: nobody empties the pipe, or the terminal is
 *          stopped.
 * -EBUSY   A thread that makes or frees an executor stands still with the lock of the list.
 * -errno   What write() said: -EBADF, -ENOSPC, -EPIPE (without the signal).
 */
CREEL_API int creel_report(int fd);

CREEL_END

#endif
