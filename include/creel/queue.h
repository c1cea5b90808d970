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
	CREEL_KILL_REST = 8     /* map that ends early, creel_queue_cancel(): kill what runs */
};

typedef struct creel_queue_options {
	/* At most so many added and not yet taken; 0: no limit. */
	size_t capacity;
	/* CREEL_ORDERED or 0. */
	unsigned flags;
	/* Must be zero. */
	uint32_t reserved32;
	/* Destructor of tags: called with tag_ctx once for each entry that the queue forgets
	 * without handing it out (_reset, _discard, the last _unref), with no lock held. Must not
	 * block, nor end its thread. NULL: none. */
	void (*tag_free)(void *tag, void *tag_ctx);
	void *tag_ctx;
	/* Must be zero. */
	uint64_t reserved[8];
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

/*
 * Adds f under a tag of the caller's. The queue takes a reference of its own. The same future may
 * be added several times. A future that is final can be taken at once. Returns 0; CREEL_FULL (at
 * capacity); -ESHUTDOWN (closed); -EINVAL (f is NULL); -ENOMEM; -EPERM (f is the parent's, in a
 * forked child). If not 0, nothing was added. Does not block.
 */
CREEL_API int creel_queue_add(creel_queue *q, creel_future *f, void *tag);

/* The same, but waits for room until deadline. CREEL_FULL: there was none by then. -EDEADLK if it
 * would block in a callback. */
CREEL_API int creel_queue_add_by(creel_queue *q, creel_future *f, void *tag,
				 creel_deadline deadline);

/*
 * Submits and adds in one step: the queue owns the only reference. Returns what creel_queue_add()
 * or creel_try_submit() would. If not 0, nothing was submitted and the caller keeps the argument.
 * Does not block.
 */
CREEL_API int creel_queue_submit(creel_queue *q, creel_executor *ex, creel_fn fn, const void *arg,
				 size_t size, const creel_submit_options *options, void *tag);

/* The same, but waits for room until deadline, and gives a reference to the future to the caller,
 * in *ret_future (unless that is NULL). */
CREEL_API int creel_queue_submit_by(creel_queue *q, creel_executor *ex, creel_fn fn,
				    const void *arg, size_t size,
				    const creel_submit_options *options, void *tag,
				    creel_deadline deadline, creel_future **ret_future);

/* Takes the next future, waiting until deadline, and gives its reference to the caller; ret_tag may
 * be NULL. Returns 0; -ETIMEDOUT; CREEL_EMPTY once the queue is closed and everything was taken;
 * CREEL_WOKEN after creel_queue_wake(); -EDEADLK if it would block in a callback; -EPERM in a
 * forked child; -EINVAL if ret_future is NULL. The outputs are untouched unless it is 0. */
CREEL_API int creel_queue_take(creel_queue *q, creel_deadline deadline, creel_future **ret_future,
			       void **ret_tag);

/*
 * Takes up to n at once: waits until deadline for the first one, and takes what else is there. The
 * references are the caller's. ret_tags may be NULL. Returns as creel_queue_take(), and with 0 how
 * many it took in *ret_taken (1 to n). -EINVAL if ret_futures or ret_taken is NULL, or n is 0.
 */
CREEL_API int creel_queue_take_many(creel_queue *q, creel_deadline deadline, size_t n,
				    creel_future **ret_futures, void **ret_tags, size_t *ret_taken);

/* How many were added and not yet taken; in *ret_ready (unless NULL) how many of them could be
 * taken now. 0 and 0 if q is NULL, broken or the parent's in a forked child. A snapshot: others may
 * change it at once. Does not block. */
CREEL_API size_t creel_queue_length(creel_queue *q, size_t *ret_ready);

/* Sets how many may be in; 0: no limit. What is in beyond it stays. More room lets in those who
 * wait for it. Returns 0. */
CREEL_API int creel_queue_set_capacity(creel_queue *q, size_t capacity);

/* Cancels every future that is in and not final, as creel_future_cancel() does. They stay in the
 * queue, and are taken as they end. flags: 0, or CREEL_KILL_REST, which also kills those that run,
 * as creel_future_kill() does with the grace of their pool. -EINVAL for other flags. Does not
 * block. */
CREEL_API int creel_queue_cancel(creel_queue *q, unsigned flags);

/* A descriptor that polls readable exactly while take would return without waiting; for poll, epoll
 * and event loops. Made by the first call and owned by the queue: do not read, write or close it.
 * Or a negative code: what eventfd() failed with (-EMFILE, -ENFILE...), -ENOTSUP where there is
 * none. */
CREEL_API int creel_queue_fd(creel_queue *q);

/*
 * Makes one take return CREEL_WOKEN: one that waits now, or else the next one. Several wakes before
 * that take count as one. Returns 0; -ENOTSUP where the system offers no futexes, and there nothing
 * has happened.
 *
 * SIGNALS  Async-signal-safe: a signal handler may call it, on any thread, inside any other call of
 *          the library too. It is the only call of the library that a handler may make. The queue
 *          must be referenced until it has returned. It preserves errno and does not block.
 */
CREEL_API int creel_queue_wake(creel_queue *q);

/* Accepts no more; what is in can still be taken. Those who wait for room get -ESHUTDOWN.
 * Idempotent. Returns 0. */
CREEL_API int creel_queue_close(creel_queue *q);

/* Closes the queue and forgets what is in it (running tasks go on): every take, those that wait
 * included, returns CREEL_EMPTY from then on. Returns 0. */
CREEL_API int creel_queue_discard(creel_queue *q);

/* Forgets everything: what is in, a wake, a close. The descriptor stays. Returns 0. */
CREEL_API int creel_queue_reset(creel_queue *q);

CREEL_END

#endif
