/* SPDX-License-Identifier: MIT */
/*
 * Driven executors: tasks, callbacks and ready descriptors on a thread of yours. Use one as an
 * event loop of your own, or put its descriptor into another loop: epoll, libuv, GLib.
 *
 * RUNNING    Tasks run only while a thread is inside creel_driven_run() or
 *            creel_driven_run_until(), on that thread, one at a time, in the order in which they
 *            were submitted. Callbacks with a driven executor (creel_future_on_done()) are tasks
 *            of it, so that what only they touch needs no lock. They are never called elsewhere: if
 *            it has been shut down, they are dropped (CREEL_NEVER_INLINE).
 * THREADS    Any thread may submit, cancel, stop and call creel_ready(). While the runner is awake
 *            a submission makes no system call; a runner that sleeps costs one.
 * WAITING    A task that waits for something that only its own driven executor can end (one of its
 *            tasks that has not started, a descriptor of creel_ready()) gets -EDEADLK from
 *            creel_future_result() and the like, from creel_wait(), and from creel_map_next(). The
 *            same holds for tasks of adaptors and scopes over it (creel/limit.h, creel/retry.h,
 *            creel/scope.h), and for creel_scope_join(), creel_executor_drain(), _shutdown() and
 *            _close() of those. creel_queue_take() and channels wait all the same: another thread
 *            may add to them. So does any call for a future of another executor that hangs on such
 *            a task (creel_then(), creel_all()).
 * ENDS       creel_executor_close(), _shutdown() and _drain() run what is left, on the thread that
 *            calls them, if no thread is inside run. Otherwise they wait for that one. If the
 *            last reference is dropped while a thread is inside, that run runs what is left and
 *            returns. If none is, what is left fails as shut down.
 * SYSTEMS    Linux (epoll). On others creel_driven_new() returns a broken executor, -ENOTSUP.
 * BAD INPUT  Calls that return a code return -EINVAL for NULL and for an executor that is not
 *            driven, and CREEL_EFAILED for a broken one.
 */
#ifndef CREEL_DRIVEN_H
#define CREEL_DRIVEN_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

typedef struct creel_driven_options {
	/* As in creel_thread_pool_options. Default: no call. */
	void (*on_unhandled)(void *ctx, const creel_error *error);
	void *ctx;
	/* Must be zero. */
	uint64_t reserved[6];
} creel_driven_options;

/* Makes a driven executor. NULL options mean the defaults. Never returns NULL. It is broken if a
 * reserved field is not zero (-EINVAL), without memory (-ENOMEM), without descriptors (-EMFILE,
 * -ENFILE; it needs two), and where there is no epoll (-ENOTSUP). */
CREEL_API creel_executor *creel_driven_new(const creel_driven_options *options);

/*
 * Runs tasks, and ends the futures of creel_ready() whose descriptors are ready, until somebody
 * calls creel_driven_stop() or until deadline. With CREEL_NOW it runs what was queued when it was
 * called, and returns. While there is nothing to run it sleeps; on a worker of a thread pool it
 * gives up its place meanwhile.
 *
 * A turn looks once which descriptors are ready, takes at most 64 of them, ends their futures, then
 * runs the tasks that are queued. What these submit runs in the next turn, and so do the other
 * descriptors. So neither keeps the other waiting.
 *
 * 0           creel_driven_stop() was called.
 * -ETIMEDOUT  The deadline has passed; what was queued before the last turn has run.
 * -ESHUTDOWN  The executor has been shut down and its tasks have ended.
 * -EBUSY      Another thread is inside run, or this one is, in a task. Nothing has happened.
 * -EDEADLK    The caller is in a callback. Nothing has happened.
 * -EPERM      This is a forked child.
 * Other       What epoll_wait() said: somebody has closed the descriptor.
 */
CREEL_API int creel_driven_run(creel_executor *driven, creel_deadline deadline);

/* The same until f is final, and then returns 0. f may be any future, of any executor. Returns
 * -ECANCELED if creel_driven_stop() came first. -EINVAL also if f is NULL, -EPERM also if f is the
 * parent's. */
CREEL_API int creel_driven_run_until(creel_executor *driven, creel_future *f,
				     creel_deadline deadline);

/* Has the run that is going on return after the task or callback that it is in, or, if there is
 * none, the next one before its first. Several calls before that count as one. Tasks that are left
 * stay queued. Returns 0, or -EPERM in a forked child. Does not block. */
CREEL_API int creel_driven_stop(creel_executor *driven);

/*
 * Returns a descriptor that is readable exactly while something can run and no thread is inside
 * run. Watch it in another loop, and call creel_driven_run(driven, CREEL_NOW) when it is readable.
 * It may be watched edge-triggered: what a run leaves is reported anew. The executor owns it (an
 * epoll set): do not read, change or close it, and remove it from the loop before you drop the
 * executor. Returns -EPERM in a forked child. Does not block.
 */
CREEL_API int creel_driven_fd(creel_executor *driven);

/* What a descriptor may be ready for. */
enum {
	CREEL_READABLE = 1, /* read() or accept() would not wait */
	CREEL_WRITABLE = 2, /* write() would not wait, or connect() has ended */
	CREEL_URGENT = 4,   /* out-of-band data */
	CREEL_HUNG_UP = 8,  /* reported always: the other side is gone */
	CREEL_ERROR = 16    /* reported always: getsockopt(SO_ERROR) says which */
};

/*
 * Returns a future that ends when fd is ready for one of the events, or has hung up or has an
 * error: inside run, so that its callbacks run on the loop's thread. Its value is an unsigned with
 * the events that are there. It reports once: call it again for the next time. Any number
 * may wait at once, for different descriptors or for the same one.
 *
 * The descriptor is level-triggered: if it is ready already, the next turn ends the future. A
 * regular file or a directory is always ready: the future is final at once.
 *
 * Cancel the future before you close fd. epoll does not tell of a closed descriptor: the future
 * stays pending until it is cancelled, the executor is shut down, or creel_ready() gets another
 * file with that number; then it fails with -EBADF. Cancelling removes the descriptor from the
 * epoll set, in constant time, and ends the future at once on the calling thread.
 *
 * The future does not keep the executor. It fails with
 *
 * -EINVAL     driven is no driven executor, fd is negative, or events is 0 or has other bits than
 *             CREEL_READABLE, _WRITABLE and _URGENT.
 * -EBADF      fd is not open.
 * -ESHUTDOWN  The executor has been, or is, shut down.
 * -EPERM      This is a forked child.
 * -ENOMEM     No memory, here or in the kernel; -ENOSPC: /proc/sys/fs/epoll/max_user_watches.
 */
CREEL_API CREEL_MUST_USE creel_future *creel_ready(creel_executor *driven, int fd, unsigned events);

CREEL_END

#endif
