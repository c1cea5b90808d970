/* SPDX-License-Identifier: MIT */
/*
 * Completion queues: you add futures, and take them out when they are final. Use them to handle
 * results as they complete, to stream, and to hear of completions in an event loop.
 *
 * OWNERSHIP  The queue holds a reference to each future in it. A take passes that reference to the
 *            caller.
 * THREADS    All calls are thread-safe. Do not use a queue after its last reference is dropped.
 * BLOCKING   Only _take, _take_many, _add_by and _submit_by block, until their deadline.
 * ORDER      What a task did happens-before the take that returns its future.
 * BAD INPUT  Every call that returns a code returns -EINVAL for a NULL queue. A broken queue
 *            returns -EINVAL or -ENOMEM, and creel_queue_error() says why. In a forked child a
 *            queue of the parent's returns -EPERM; creel_queue_unref() closes the child's copy of
 *            the descriptor and does nothing else.
 */
#ifndef CREEL_QUEUE_H
#define CREEL_QUEUE_H

#include <creel/base.h>
#include <creel/error.h>
#include <creel/submit.h>

CREEL_BEGIN

/* Flags of queues and maps. */
enum {
	CREEL_ORDERED = 1,      /* queue: in the order of adding (the default of a map) */
	CREEL_AS_COMPLETED = 2, /* map: as completed (the default of a queue) */
	CREEL_KEEP_GOING = 4    /* map: a failed item does not end the map */
};

typedef struct creel_queue_options {
	/* How many futures may be added and not yet taken. 0: no limit. */
	size_t capacity;
	/* CREEL_ORDERED or 0. */
	unsigned flags;
	/* Must be zero. */
	uint32_t reserved32;
	/* The destructor of tags, or NULL. creel calls it once, with tag_ctx, for each entry that
	 * leaves the queue without being taken (_reset, _discard, the last _unref). No lock is
	 * held. It must not block and must not end its thread. If it makes another queue forget
	 * tags, those are freed when it has returned. */
	void (*tag_free)(void *tag, void *tag_ctx);
	void *tag_ctx;
	/* Must be zero. */
	uint64_t reserved[8];
} creel_queue_options;

/* Makes a queue. NULL options mean the defaults. The caller owns one reference. Never returns NULL.
 * The queue is broken if a flag is unknown or a reserved field is not zero (-EINVAL), or without
 * memory (-ENOMEM). */
CREEL_API creel_queue *creel_queue_new(const creel_queue_options *options);

/* Returns why the queue is broken: which option, its value, what to do. Returns NULL if it is not
 * broken, and for a NULL queue. Borrowed: valid while you hold q. Does not block. */
CREEL_API const creel_error *creel_queue_error(creel_queue *q);

/* Takes another reference and returns q. NULL gives NULL. */
CREEL_API creel_queue *creel_queue_ref(creel_queue *q);

/* Drops a reference. Dropping the last one forgets the futures in the queue, whose tasks go on, and
 * closes the descriptor. NULL does nothing. Does not block. */
CREEL_API void creel_queue_unref(creel_queue *q);

/*
 * Adds f under a tag of yours. The queue takes a reference of its own. You may add the same future
 * several times. A final future can be taken at once. Does not block. Returns 0. If it returns
 * anything else, nothing was added: CREEL_FULL (at capacity), -ESHUTDOWN (the queue is closed),
 * -EINVAL (f is NULL), -ENOMEM, -EPERM (f is the parent's, in a forked child).
 */
CREEL_API int creel_queue_add(creel_queue *q, creel_future *f, void *tag);

/* Like creel_queue_add(), but waits for room until deadline. Returns CREEL_FULL if there is still
 * none, -EDEADLK if it would block in a callback, and -EAGAIN as creel_queue_take(). */
CREEL_API int creel_queue_add_by(creel_queue *q, creel_future *f, void *tag,
				 creel_deadline deadline);

/*
 * Submits a task and adds its future in one step. The queue owns the only reference. Returns what
 * creel_queue_add() or creel_try_submit() would return. If that is not 0, nothing was submitted and
 * the caller still owns the argument. Does not block, and does not wait for a full executor:
 * CREEL_BUSY.
 */
CREEL_API int creel_queue_submit(creel_queue *q, creel_executor *ex, creel_fn fn, const void *arg,
				 size_t size, const creel_submit_options *options, void *tag);

/* Like creel_queue_submit(), but waits for room until deadline, as creel_queue_add_by() does. It
 * also stores a reference to the future in *ret_future, for the caller, unless ret_future is
 * NULL. */
CREEL_API int creel_queue_submit_by(creel_queue *q, creel_executor *ex, creel_fn fn,
				    const void *arg, size_t size,
				    const creel_submit_options *options, void *tag,
				    creel_deadline deadline, creel_future **ret_future);

/*
 * Takes the next future, waiting until deadline. The caller owns its reference. *ret_tag, unless
 * ret_tag is NULL, gets the tag. Unless the call returns 0, the outputs are unchanged.
 *
 * 0            A future was taken. It is final.
 * -ETIMEDOUT   None was ready by the deadline.
 * CREEL_EMPTY  The queue is closed and everything was taken.
 * CREEL_WOKEN  Somebody called creel_queue_wake().
 * -EDEADLK     The call would block in a callback.
 * -EAGAIN      On a worker, without a deadline: as creel_future_result().
 * -EPERM       The queue is the parent's, and this is a forked child.
 * -EINVAL      ret_future is NULL.
 */
CREEL_API int creel_queue_take(creel_queue *q, creel_deadline deadline, creel_future **ret_future,
			       void **ret_tag);

/*
 * Takes up to n futures: waits until deadline for the first one, then takes what else is ready. The
 * caller owns the references. ret_tags may be NULL. Returns what creel_queue_take() returns. With
 * 0, *ret_taken is how many it took (1 to n). -EINVAL if ret_futures or ret_taken is NULL, or n is
 * 0.
 */
CREEL_API int creel_queue_take_many(creel_queue *q, creel_deadline deadline, size_t n,
				    creel_future **ret_futures, void **ret_tags, size_t *ret_taken);

/* Returns how many futures were added and not yet taken. *ret_ready, unless ret_ready is NULL, gets
 * how many of them can be taken now. Both are 0 if q is NULL, broken, or the parent's in a forked
 * child. It is a snapshot: other threads may change it at once. Does not block. */
CREEL_API size_t creel_queue_length(creel_queue *q, size_t *ret_ready);

/* Sets how many futures may be in the queue. 0: no limit. If more are in, they stay. If there is
 * more room now, threads that wait for room go on. Returns 0. Does not block. */
CREEL_API int creel_queue_set_capacity(creel_queue *q, size_t capacity);

/* Cancels every future in the queue that is not final, as by creel_future_cancel(). The futures
 * stay in the queue, to be taken as they end. flags is 0 or CREEL_KILL_REST: that also kills
 * running tasks, as by creel_future_kill() with the grace_ns of their pool. Returns 0, or -EINVAL
 * for other flags. Does not block. */
CREEL_API int creel_queue_cancel(creel_queue *q, unsigned flags);

/* Returns a descriptor that is readable exactly while take would return without waiting. Use it
 * with poll, epoll and event loops. The first call makes it, and the queue owns it: do not read,
 * write or close it. On failure returns a negative code: that of eventfd() (-EMFILE, -ENFILE, ...),
 * or
 * -ENOTSUP on systems without eventfd. */
CREEL_API int creel_queue_fd(creel_queue *q);

/*
 * Makes one take return CREEL_WOKEN: one that waits now, or else the next one. Several wakes before
 * that take count as one. Returns 0, or -ENOTSUP on systems without futexes; there nothing happens.
 *
 * SIGNALS  This call is async-signal-safe, even if the handler interrupts another call of the
 *          library. No other creel function is. Hold a reference to the queue until the call has
 *          returned. It preserves errno and does not block.
 */
CREEL_API int creel_queue_wake(creel_queue *q);

/* Closes the queue: it accepts no more futures, and those in it can still be taken. Threads that
 * wait for room get -ESHUTDOWN. You may call it again. Returns 0. */
CREEL_API int creel_queue_close(creel_queue *q);

/* Closes the queue and forgets the futures in it, whose tasks go on. From then on every take
 * returns CREEL_EMPTY, also those that wait now. Returns 0. */
CREEL_API int creel_queue_discard(creel_queue *q);

/* Makes the queue as new: forgets the futures in it, a wake and a close. The descriptor stays the
 * same. Returns 0. */
CREEL_API int creel_queue_reset(creel_queue *q);

CREEL_END

#endif
