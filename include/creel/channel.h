/* SPDX-License-Identifier: MIT */
/*
 * Channels: items go from those who put them to those who get them, in order, a bounded number at a
 * time. Use them for generators (a task that puts, a reader that gets), for event streams, to fan
 * out and to fan in.
 *
 * ITEMS      An item is up to any number of bytes. A put copies them: items of up to 48 bytes
 *            without allocating, larger ones once into memory of their own.
 *            creel_channel_put_move() copies nothing.
 * DELIVERY   Each item goes to exactly one get, and only to a get that ends with it. Items of one
 *            producer arrive in its order. A get or put that is cancelled, or whose deadline
 *            passes, loses and doubles nothing.
 * DROPPING   The future of a get owns its item. If you drop it unread, the item is freed. So do not
 *            race a get against something else and drop the loser. Call creel_channel_get_by() with
 *            a deadline, or keep one get outstanding for each channel and add them to a completion
 *            queue (creel/queue.h): that is select. A get that is still waiting when everybody has
 *            dropped it, and that nobody listens to, takes no item. Its memory is freed by the next
 *            put, or by a get that finds it first or last in line.
 * ENDS       The producer closes: readers still get what was put, and then CREEL_EMPTY. The reader
 *            cancels: what was put is freed, and producers get -EPIPE. A token (see the options)
 *            ends both sides: what was put is freed, and all that waits, or comes later, is
 *            cancelled: a future with the token's error, a blocking call with -ECANCELED.
 * THREADS    All calls are thread-safe. What a producer did before a put happens-before what the
 *            get returns.
 * BLOCKING   Only the calls that take a deadline block, until that deadline. A worker of a thread
 *            pool gives up its place meanwhile (BLOCKED in creel/pools.h). In a callback they
 *            return -EDEADLK where they would block. Without a deadline, on a worker, they return
 *            -EAGAIN if no thread can be had that would run the tasks that wait.
 * BAD INPUT  Calls that return a code return -EINVAL for a NULL channel, for data that is NULL with
 *            a size, and for a size larger than any object. Calls that return a future return one
 *            that has failed with that code (CREEL_KIND_REJECTED).
 * FORKS      Channels are for code of the host. In a forked child, and so in a task that runs in a
 *            worker process, every call on a channel of the parent's is refused with -EPERM;
 *            creel_channel_unref() does nothing there.
 */
#ifndef CREEL_CHANNEL_H
#define CREEL_CHANNEL_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

typedef struct creel_channel creel_channel;

typedef struct creel_channel_options {
	/* How many items the channel holds beside those of puts that wait. 0: none, each put waits
	 * for its get (a rendezvous). The memory, at most 64 bytes for each, is taken at once. */
	size_t capacity;
	/* Must be zero. */
	uint32_t reserved32;
	/* Cancelling it ends the channel: see ENDS. The channel keeps it. If it is cancelled
	 * already, the channel has ended from the start. A channel that its reader has cancelled
	 * before stays as it is. NULL: none. */
	creel_token *token;
	/* Must be zero. */
	uint64_t reserved[7];
} creel_channel_options;

/* Makes a channel. NULL options mean the defaults. The caller owns one reference. Never returns
 * NULL: with a capacity larger than memory can be or a reserved field that is not zero (-EINVAL),
 * with a token of the parent's in a forked child (-EPERM), or without memory (-ENOMEM), the channel
 * is broken, every call on it returns the code, and creel_channel_error() says why. */
CREEL_API creel_channel *creel_channel_new(const creel_channel_options *options);

/* Returns why the channel is broken, or the reason of its token, if that has ended it, or the error
 * that it was closed with, or NULL. Borrowed: valid while you hold the channel. Does not block. */
CREEL_API const creel_error *creel_channel_error(creel_channel *ch);

/* Takes another reference and returns ch. NULL gives NULL. */
CREEL_API creel_channel *creel_channel_ref(creel_channel *ch);

/* Drops a reference. Dropping the last one frees the items that nobody got. Puts that wait then
 * fail with -EPIPE, and gets that wait with CREEL_KIND_BROKEN: futures do not keep the channel.
 * NULL does nothing. Does not block. */
CREEL_API void creel_channel_unref(creel_channel *ch);

/*
 * Puts a copy of size bytes at data. Returns a future that ends, without a value, when the channel
 * has room for the item, or with capacity 0, when a get has taken it. Never returns NULL. If you
 * drop the future, the item is put all the same. Cancelling it while it waits takes the item back
 * and frees it; that costs the same however many wait.
 *
 * The future fails with CREEL_KIND_CLOSED and the code -EPIPE if the reader has cancelled the
 * channel, -ESHUTDOWN if the channel was closed before. It is cancelled if the token of the channel
 * is. Without memory it fails with CREEL_KIND_NO_MEMORY.
 */
CREEL_API CREEL_MUST_USE creel_future *creel_channel_put(creel_channel *ch, const void *data,
							 size_t size);

/* Like creel_channel_put(), but takes ownership of the buffer instead of copying it, in any case:
 * if the put fails or is cancelled, creel frees the buffer. */
CREEL_API CREEL_MUST_USE creel_future *creel_channel_put_move(creel_channel *ch,
							      creel_buffer buffer);

/*
 * Gets the next item. Returns a future whose result is the item, so creel_future_result(), _view()
 * and _take() read it. Never returns NULL. Cancelling the future while it waits takes no item; that
 * costs the same however many wait.
 *
 * Once the channel is closed and everything was taken, the future fails with CREEL_KIND_CLOSED and
 * the code CREEL_EMPTY, which no hook is told of, or with the error that the channel was closed
 * with. It is cancelled if the token of the channel is.
 */
CREEL_API CREEL_MUST_USE creel_future *creel_channel_get(creel_channel *ch);

/*
 * Puts a copy of size bytes at data, waiting for room until deadline. With capacity 0 it waits
 * until a get has taken the item. If the call does not return 0, nothing was put.
 *
 * CREEL_FULL   There was no room by the deadline.
 * -EPIPE       The reader has cancelled the channel.
 * -ESHUTDOWN   The channel is closed.
 * -ECANCELED   The channel's token is cancelled.
 * -ENOMEM, -EDEADLK, -EAGAIN, -EPERM, -EINVAL: see the head of this file.
 */
CREEL_API int creel_channel_put_by(creel_channel *ch, const void *data, size_t size,
				   creel_deadline deadline);

/* Like creel_channel_put_by(), but takes ownership of the buffer instead of copying it. If the call
 * does not return 0, the caller still owns it. */
CREEL_API int creel_channel_put_move_by(creel_channel *ch, creel_buffer buffer,
					creel_deadline deadline);

/*
 * Gets the next item, waiting for it until deadline, and copies it to ret. size must be the size of
 * the item. Unless the call returns 0, ret is unchanged and no item was taken.
 *
 * -ETIMEDOUT     There was no item by the deadline.
 * CREEL_EMPTY    The channel is closed or cancelled, and everything was taken.
 * CREEL_EFAILED  The same, and the channel was closed with an error: creel_channel_error().
 * -ECANCELED     The channel's token is cancelled: creel_channel_error().
 * -EMSGSIZE      The next item has another size; creel_channel_take_by() takes any.
 * -EDEADLK, -EAGAIN, -EPERM, -EINVAL: see the head of this file.
 */
CREEL_API int creel_channel_get_by(creel_channel *ch, creel_deadline deadline, void *ret,
				   size_t size);

/* Like creel_channel_get_by(), but gets an item of any size, without copying a large one. The
 * caller owns the buffer, and calls ret_buffer->free when done, unless that is NULL. Also -ENOMEM,
 * and then no item was taken. */
CREEL_API int creel_channel_take_by(creel_channel *ch, creel_deadline deadline,
				    creel_buffer *ret_buffer);

/* The same calls without waiting: CREEL_FULL, or -ETIMEDOUT, at once. */
CREEL_API int creel_channel_try_put(creel_channel *ch, const void *data, size_t size);
CREEL_API int creel_channel_try_put_move(creel_channel *ch, creel_buffer buffer);
CREEL_API int creel_channel_try_get(creel_channel *ch, void *ret, size_t size);

/*
 * Closes the channel: the producer's end. Later puts are refused with -ESHUTDOWN. Puts that wait
 * count as put before. When everything was taken, gets end with CREEL_EMPTY, or with a reference to
 * error if that is not NULL; it must be an error of the library's, such as creel_future_error() of
 * the future that went wrong. Does not block. Returns 0, or -EALREADY if it was closed before: then
 * nothing has happened.
 */
CREEL_API int creel_channel_close(creel_channel *ch, const creel_error *error);

/*
 * Cancels the channel: the reader's end. Frees the items that nobody got, fails the puts that wait,
 * and refuses later ones, with -EPIPE: so a producer learns that it can stop. Gets that wait, and
 * later ones, end with CREEL_EMPTY. Does not block. Returns 0, or -EALREADY if it was cancelled
 * before, also by its token.
 */
CREEL_API int creel_channel_cancel(creel_channel *ch);

CREEL_END

#endif
