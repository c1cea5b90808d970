/* SPDX-License-Identifier: MIT */
/*
 * Maps: one function over many items, with a bounded number in flight.
 *
 * A map is used by one thread at a time. Items are submitted inside creel_map_next(), and in the
 * constructor none: an endless source is pulled only as fast as results are taken.
 */
#ifndef CREEL_MAP_H
#define CREEL_MAP_H

#include <creel/base.h>
#include <creel/error.h>
#include <creel/queue.h>

CREEL_BEGIN

/*
 * Produces the next item: writes up to *size bytes to item (16-byte aligned), sets *size to how
 * many it wrote, and returns 1. 0 is the end. A negative code ends the map with that code, after
 * the results of the items before; one that creel_map_next() has a meaning for, such as -ETIMEDOUT,
 * would be taken for that. So do more than 1 with -EINVAL, and more bytes than *size with
 * -EMSGSIZE: creel_map_error() says which. Called only inside creel_map_next(), on its caller.
 */
typedef int (*creel_source_fn)(void *ctx, void *item, size_t *size);

typedef struct creel_map_options {
	/* At most so many items submitted and not yet taken. Default: four a CPU, at least 16. */
	size_t in_flight;
	/* creel_map_from(): the largest item in bytes. Default 4096. */
	size_t max_item;
	/* CREEL_ORDERED (the default) or CREEL_AS_COMPLETED; CREEL_KEEP_GOING; CREEL_KILL_REST. */
	unsigned flags;
	/* Must be zero. */
	uint32_t reserved32;
	/* For every item. NULL: none. Borrowed until creel_map_end(). */
	const creel_submit_options *submit;
	/* Must be zero. */
	uint64_t reserved[8];
} creel_map_options;

/* fn over n items of stride bytes at base, which must stay valid until creel_map_end(). Each is
 * copied into its task. The map holds a reference of ex. Never NULL: what is wrong (a NULL ex,
 * fn, or base of n > 0 items, a stride of 0, more bytes than fit in memory, unknown or
 * contradicting flags, a reserved field that is not zero: -EINVAL; -ENOMEM) says
 * creel_map_error(), and its code creel_map_next(). */
CREEL_API creel_mapping *creel_map(creel_executor *ex, creel_fn fn, const void *base, size_t stride,
				   size_t n, const creel_map_options *options);

/* fn over what source(ctx, ...) produces. As creel_map(); a NULL source or a max_item larger than
 * any object is -EINVAL. */
CREEL_API creel_mapping *creel_map_from(creel_executor *ex, creel_fn fn, creel_source_fn source,
					void *ctx, const creel_map_options *options);

/* What was wrong with the arguments, or what the source did: which, its value, what to do. It
 * may be known before creel_map_next() has come to its code. NULL while nothing is wrong, and
 * for a NULL map; what is wrong with an item says its future. Borrowed: valid until
 * creel_map_end(). Does not block. */
CREEL_API const creel_error *creel_map_error(creel_mapping *map);

/*
 * The next result: a future that is final, whose reference is the caller's, and the item's index in
 * *ret_index (may be NULL). In the order of the items, or as completed.
 * 0: with CREEL_KEEP_GOING the future may have failed. CREEL_EMPTY: the end. -ETIMEDOUT: call
 * again. Without CREEL_KEEP_GOING the first item that failed returns CREEL_EFAILED (-ECANCELED if
 * it was cancelled) with its future and index, cancels what is pending, and ends the map:
 * CREEL_EMPTY from then on. A code of the source's, -EMSGSIZE (it wrote more than it was given),
 * -EINVAL (it returned more than 1, or the constructor's arguments were bad), -ENOMEM: no future,
 * creel_map_error() says why, and the map has ended: CREEL_EMPTY from then on. -EDEADLK if it
 * would block in a callback, -EPERM if it would block in a forked child, -EINVAL if map or
 * ret_future is NULL: nothing has happened, creel_map_error() is NULL. The outputs are untouched
 * where there is no future.
 */
CREEL_API int creel_map_next(creel_mapping *map, creel_deadline deadline, creel_future **ret_future,
			     size_t *ret_index);

/*
 * Ends the map, early or not: cancels what is pending, asks what runs to stop
 * (creel_task_cancelled()) and lets go of it, frees the map. Does not block. NULL does nothing.
 * With CREEL_KILL_REST, here and when an error ends the map, what runs in worker processes is
 * killed, with the grace_ns of its pool; on other executors it is asked to stop.
 */
CREEL_API void creel_map_end(creel_mapping *map);

CREEL_END

#endif
