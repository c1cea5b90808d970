/* SPDX-License-Identifier: MIT */
/*
 * Completion queues: futures go in, and come out when they are final. as_completed, streaming and
 * the bridge to event loops are all this one thing.
 *
 * OWNERSHIP  The queue holds a reference to what was added; taking hands that reference over.
 * THREADS    Any thread may call any of these, several at once; nobody may use a queue whose last
 *            reference went.
 * ORDER      What a future's task did happens before the take that returns it.
 * BAD INPUT  A NULL queue is -EINVAL. A broken one gives each call its code, -EINVAL or -ENOMEM,
 *            and creel_queue_error() says what was wrong. Below stands what else there is.
 */
#ifndef CREEL_QUEUE_H
#define CREEL_QUEUE_H

#include <creel/base.h>
#include <creel/error.h>
#include <creel/submit.h>

CREEL_BEGIN

/* Flags of queues and maps. */
enum {
	CREEL_ORDERED = 1,      /* queue: hand out as added, not as completed (a map's default) */
	CREEL_AS_COMPLETED = 2, /* map: hand out as completed */
	CREEL_KEEP_GOING = 4,   /* map: an error is one item's result, not the end */
	CREEL_KILL_REST = 8     /* map: when it ends early, what runs is killed, not only asked */
};

typedef struct creel_queue_options {
	/* At most so many added and not yet taken; 0: no limit. */
	size_t capacity;
	/* CREEL_ORDERED or 0. */
	unsigned flags;
	/* Must be zero. */
	uint64_t reserved[4];
} creel_queue_options;

/* A queue with one reference. NULL options mean the defaults. Never NULL: with unknown flags or a
 * reserved field that is not zero (-EINVAL), or without memory (-ENOMEM), it is a broken one. */
CREEL_API creel_queue *creel_queue_new(const creel_queue_options *options);

/* Why the queue is broken: which option, its value, what to do; NULL while it is not, and for a
 * NULL queue. Borrowed: valid while q is referenced. Does not block. */
CREEL_API const creel_error *creel_queue_error(creel_queue *q);

/* Another reference; returns q. NULL gives NULL. */
CREEL_API creel_queue *creel_queue_ref(creel_queue *q);

/* Drops a reference; the last one forgets what is in the queue (running tasks go on) and closes
 * the descriptor. NULL does nothing. Does not block. */
CREEL_API void creel_queue_unref(creel_queue *q);

/* Adds f, with a reference of the queue's own, under a tag of the caller's. The same future may be
 * added several times. A final one can be taken at once. Returns 0, -EAGAIN (at capacity),
 * -ESHUTDOWN (closed), -EINVAL (f is NULL), -ENOMEM; nothing was added then. Does not block. */
CREEL_API int creel_queue_add(creel_queue *q, creel_future *f, void *tag);

/* Submits and adds in one step: the queue owns the only reference. Returns what
 * creel_queue_add() or creel_try_submit() would; if not 0, nothing was submitted and the
 * caller keeps the argument. */
CREEL_API int creel_queue_submit(creel_queue *q, creel_executor *ex, creel_fn fn, const void *arg,
				 size_t size, const creel_submit_options *options, void *tag);

/* Takes the next future, waiting until deadline, and gives its reference to the caller; ret_tag may
 * be NULL. Returns 0; -ETIMEDOUT; CREEL_EMPTY once the queue is closed and everything was taken;
 * -EAGAIN after creel_queue_wake(); -EDEADLK if it would block in a callback; -EPERM in a
 * forked child; -EINVAL if ret_future is NULL. The outputs are untouched unless it is 0. */
CREEL_API int creel_queue_take(creel_queue *q, creel_deadline deadline, creel_future **ret_future,
			       void **ret_tag);

/* A descriptor that polls readable exactly while take would return without waiting; for poll, epoll
 * and event loops. Made by the first call and owned by the queue: do not read, write or close it.
 * Or a negative code: what eventfd() failed with (-EMFILE, -ENFILE...), -ENOTSUP where there is
 * none. */
CREEL_API int creel_queue_fd(creel_queue *q);

/*
 * Makes one take return -EAGAIN: one that waits now, or else the next one. Several wakes before
 * that take count as one. Returns 0; -ENOTSUP where the system offers no futexes, and there nothing
 * has happened.
 *
 * SIGNALS  Async-signal-safe: a signal handler may call it, on any thread, inside any other call of
 *          the library too. It is the only call of the library that a handler may make. The queue
 *          must be referenced until it has returned. It preserves errno and does not block.
 */
CREEL_API int creel_queue_wake(creel_queue *q);

/* Accepts no more; what is in can still be taken. Idempotent. Returns 0. */
CREEL_API int creel_queue_close(creel_queue *q);

/* Forgets everything: what is in, a wake, a close. The descriptor stays. Returns 0. */
CREEL_API int creel_queue_reset(creel_queue *q);

CREEL_END

#endif
