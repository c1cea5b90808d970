/* SPDX-License-Identifier: MIT */
/*
 * Maps: they run one function over many items, with a bounded number in flight.
 *
 * One thread at a time may use a map. creel_map_next() submits the items; the constructor submits
 * none. So an endless source is read only as fast as you take results.
 *
 * LAZY   With in_flight 1 an item is pulled from the source when the result before was taken, and
 *        not sooner. So a source may use what that result said, such as the cursor of a next page.
 *
 * BOUNDS If the pool is bounded and full, a map submits no more until a result was taken. With
 *        nothing in flight it waits for room, until the deadline of creel_map_next(). An item that
 *        was pulled from the source is kept meanwhile. The overflow and the submit_by of
 *        creel_submit_options do not matter to maps.
 *
 * NAMES  creel_map is the verb, so the type of a map in progress is creel_mapping: C has one name
 *        space for both.
 */
#ifndef CREEL_MAP_H
#define CREEL_MAP_H

#include <creel/base.h>
#include <creel/error.h>
#include <creel/queue.h>

CREEL_BEGIN

/*
 * Produces the next item of creel_map_from(). It writes up to *size bytes to item, which is 16-byte
 * aligned, sets *size to the number of bytes written, and returns 1. It returns 0 at the end. A
 * negative code ends the map: creel_map_next() returns it after the results of the items before. So
 * do not return codes that creel_map_next() uses itself, such as -ETIMEDOUT. creel calls it only
 * inside creel_map_next(), on the caller's thread.
 *
 * A return of more than 1 ends the map with -EINVAL, more bytes than *size with -EMSGSIZE.
 * creel_map_error() says what happened.
 *
 * Functions that a call of the map runs (the source, an arg_free, a task of an inline executor) may
 * use that map: creel_map_next() returns -EDEADLK, and creel_map_end() takes effect when the outer
 * call is through; if that is creel_map_next(), it returns CREEL_EMPTY and no future.
 */
typedef int (*creel_source_fn)(void *ctx, void *item, size_t *size);

typedef struct creel_map_options {
	/* How many items may be submitted and not yet taken. Default: 4 for each CPU that the
	 * process may use (looked up once for each executor), at least 16. */
	size_t in_flight;
	/* For creel_map_from(): the size of the largest item in bytes. Default: 4096. */
	size_t max_item;
	/* CREEL_ORDERED (the default) or CREEL_AS_COMPLETED; CREEL_KEEP_GOING; CREEL_KILL_REST. */
	unsigned flags;
	/* Must be zero. */
	uint32_t reserved32;
	/* The options of every item's submission, or NULL. Borrowed until creel_map_end(), with the
	 * name, the clock and the token in them. */
	const creel_submit_options *submit;
	/* Must be zero. */
	uint64_t reserved[8];
} creel_map_options;

/*
 * Starts a map of fn over n items of stride bytes each at base. Each item is copied into its task;
 * base must stay valid until creel_map_end(). The map holds a reference to ex. Returns a map, never
 * NULL; end it with creel_map_end().
 *
 * If an argument is invalid (-EINVAL) or memory runs out (-ENOMEM), creel_map_next() returns the
 * code and creel_map_error() explains it. Invalid are: a NULL ex or fn, a NULL base with n > 0, a
 * stride of 0, more bytes than fit in memory, unknown or contradicting flags, and reserved fields
 * that are not zero.
 */
CREEL_API creel_mapping *creel_map(creel_executor *ex, creel_fn fn, const void *base, size_t stride,
				   size_t n, const creel_map_options *options);

/* Starts a map of fn over the items that source(ctx, ...) produces. Otherwise like creel_map(). A
 * NULL source, or a max_item larger than any object, is invalid (-EINVAL). */
CREEL_API creel_mapping *creel_map_from(creel_executor *ex, creel_fn fn, creel_source_fn source,
					void *ctx, const creel_map_options *options);

/*
 * Adds a stage to the map, which makes it a pipeline: when an item's stage before has succeeded, fn
 * runs on ex, with no argument; creel_task_input() gives it the result of that stage
 * (creel/then.h). The map's results are those of the last stage. Each stage may have an executor of
 * its own, and several items are in different stages at once. options, or NULL, are copied; the
 * name in them stays borrowed until creel_map_end(). The map holds a reference to ex, and to the
 * token and the clock in the options.
 *
 * in_flight counts items until you take them, over all stages: so a slow last stage stops the
 * source. A stage that fails, or that its executor refuses, is the item's result, and the later
 * stages do not run. Ending the map cancels (with CREEL_KILL_REST kills) every unfinished stage of
 * every item.
 *
 * Call it before the first creel_map_next(). Returns 0, or -EALREADY if it comes later; then
 * nothing has happened. Returns -EINVAL if map, ex or fn is NULL, or period_ns is set, and -ENOMEM
 * without memory: then the map is broken, creel_map_next() returns the code, and creel_map_error()
 * says why, so that no item runs without one of its stages. Returns the code of a map that is
 * broken already, and -EPERM in a forked child. Does not block.
 */
CREEL_API int creel_map_then(creel_mapping *map, creel_executor *ex, creel_fn fn,
			     const creel_submit_options *options);

/*
 * Returns the error of the item that the last creel_map_next() gave, if that item failed or was
 * cancelled. Otherwise returns what is wrong with the arguments or the source: which one, its
 * value, what to do. It may know the latter before creel_map_next() returns the code. Returns NULL
 * if nothing is wrong, and for a NULL map. Borrowed: valid until the next creel_map_next() or
 * creel_map_end(). Reading an item's error here is not reading it in its future: on_unhandled still
 * hears of a future that is dropped unread. Does not block.
 */
CREEL_API const creel_error *creel_map_error(creel_mapping *map);

/*
 * Waits until deadline for the next result. Stores its future, which is final and whose reference
 * the caller owns, and its item's index (unless ret_index is NULL). Results come in the order of
 * the items, or with CREEL_AS_COMPLETED as they complete.
 *
 * 0              A result. With CREEL_KEEP_GOING its future may have failed.
 * CREEL_EMPTY    The map is at its end.
 * -ETIMEDOUT     No result by the deadline. Call again.
 * CREEL_EFAILED, -ECANCELED
 *                Without CREEL_KEEP_GOING: the item failed, or was cancelled. Its future and index
 *                are stored, and creel_map_error() says why. Pending items are cancelled and the
 *                map ends: CREEL_EMPTY from then on.
 * -EINVAL, -EMSGSIZE, -ENOMEM, a code of the source
 *                An argument is invalid, the source misbehaved or failed, or there is no memory.
 *                creel_map_error() says why. The map ends: CREEL_EMPTY from then on.
 * -EDEADLK       The call would block in a callback. Or the caller is a task of the driven executor
 *                that alone can run the items (creel/driven.h).
 * -EAGAIN        On a worker, without a deadline: as creel_future_result(). Call again.
 * -EPERM         The map is the parent's, and this is a forked child.
 * -EINVAL        map or ret_future is NULL. Nothing has happened; creel_map_error() is NULL.
 *
 * Without a future the outputs are unchanged.
 */
CREEL_API int creel_map_next(creel_mapping *map, creel_deadline deadline, creel_future **ret_future,
			     size_t *ret_index);

/*
 * Ends the map, early or not, and frees it. Pending items are cancelled. Running items are asked to
 * stop (creel_task_cancelled()), and the map drops their futures. Does not block. NULL does
 * nothing.
 *
 * With CREEL_KILL_REST, items that run in worker processes are killed, with the grace_ns of their
 * pool; on other executors they are asked to stop. This also holds when an error ends the map.
 */
CREEL_API void creel_map_end(creel_mapping *map);

CREEL_END

#endif
