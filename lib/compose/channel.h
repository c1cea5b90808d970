/* SPDX-License-Identifier: MIT */
/*
 * Channels, as their parts see them.
 *
 *     put -->  [ gets that wait ]  or  ring  or  [ puts that wait ]  --> get
 *
 * A put goes to the first get that waits, else into the ring, else it waits behind the others. A
 * get takes the first item of the ring, and the item of the first put that waits moves up; or,
 * without a ring, it takes the item of the first put; else it waits.
 *
 * WAITERS     A future that waits has its waiter in its block (creel__owned_state()); a thread that
 *             waits has it on its stack. Both stand in the channel's lists. Under the channel's
 *             lock a waiter is claimed and unlinked in one go. To claim a future is to move it from
 *             PENDING to SETTLING (creel__owned_claim()). One that cannot be claimed is being
 *             cancelled: it stays in the list and is passed over, and its canceller, who alone can
 *             take it out now, finds it there in O(1).
 * INVARIANTS  With the lock released:
 *             - while a get waits that can be claimed, there is no item in the ring and no put that
 *               can be claimed;
 *             - while a put waits that can be claimed, the ring is full.
 *             So items leave in the order in which they came. Each is in exactly one place: the
 *             ring, a waiter in the list, or the hands of the thread that has taken it out under
 *             the lock, and that passes it on to the get that it has claimed, whatever happens.
 * LOCK        channel->lock, rank 32. Under it nothing is taken and nobody is called. What a step
 *             under the lock has brought about is noted in a struct creel__passing, and done when
 *             the lock has been given up: that may run callbacks, which may use the channel, drop
 *             it, or fork.
 * HANDING     A thread that waits and finds its waiter unlinked when its deadline has passed was
 *             claimed: it waits until it is `done`, which is a copy away.
 * TOKEN       The channel hangs in the list of its token, without a reference: whoever cancels that
 *             takes one under the token's lock, unless the last has gone. The last one to go leaves
 *             the list first. `stopped` is set then, once, and outlasts every look at it.
 * END         The last reference of a user ends all waiters. A waiter that is being cancelled keeps
 *             the channel's memory: whoever finds the channel DEAD and both lists empty, with the
 *             lock held, frees it.
 */
#ifndef CREEL__COMPOSE_CHANNEL_H
#define CREEL__COMPOSE_CHANNEL_H

#include "base/list.h"
#include "compose/item.h"
#include "future/owned.h"
#include "future/token.h"
#include "sync/lock.h"
#include <creel/channel.h>

enum {
	CREEL__ITEM_WAITS = 16, /* bytes of an item that a waiting put's block has room for */
};

#define CREEL__ANY_SIZE SIZE_MAX

struct creel__waiter {
	struct creel__list node; /* in channel->gets or channel->puts */
	union {
		creel_channel *channel; /* while it is linked in one of the channel's lists */
		const creel_error *why; /* once claimed: it fails, or NULL; a reference */
	};
	union { /* of a put's future: its item */
		unsigned char bytes[CREEL__ITEM_WAITS];
		struct creel__parcel *parcel;
	};
	uint8_t length;
	bool blocked; /* it is a struct creel__blocked */
};

_Static_assert(sizeof(struct creel__waiter) <= CREEL__PAYLOAD, "a waiter fits in a block");

/* A thread that waits. */
struct creel__blocked {
	struct creel__waiter waiter;
	struct creel__item *item; /* where it is, or where it goes */
	size_t wanted;            /* a get: of which size, or CREEL__ANY_SIZE */
	int rc;
	_Atomic(uint32_t) done; /* it may go */
};

struct creel_channel {
	struct creel__lock lock; /* all but refs and what is set at birth */
	_Atomic(uint32_t) refs;
	uint16_t generation;
	bool is_static;
	bool closed, cancelled, dead;
	int broken;
	const creel_error *why;     /* broken: of what; ended: what gets are told; references */
	const creel_error *stopped; /* its token was cancelled: why; a reference */
	struct creel__reg reg;      /* token: a reference; or NULL */
	struct creel__list gets, puts;
	size_t capacity, head, count;
	struct creel__item *ring;
};

/* What a step under the lock has brought about. */
struct creel__passing {
	struct creel__waiter *to; /* a get that was claimed: the item is for it; or NULL */
	struct creel__list ended; /* waiters that were claimed and are through */
};

static inline void creel__passing_init(struct creel__passing *passing)
{
	passing->to = NULL;
	creel__list_init(&passing->ended);
}

/* 0, or what every call on such a channel returns. */
int creel__channel_check(const creel_channel *ch);

/* With the lock held, the common case: a small item, there is room, and nobody waits for it. False:
 * nothing has happened. */
bool creel__channel_store_locked(creel_channel *ch, const void *data, size_t size);

/* With the lock held, the same for a get: the first item, if it is small, of that size, and no put
 * waits for its place. Its bytes are in the ring until the lock is given up. NULL: nothing has
 * happened. */
const struct creel__item *creel__channel_fetch_locked(creel_channel *ch, size_t wanted);

/* With the lock held. 0, CREEL_FULL, -ECANCELED, -EPIPE, -ESHUTDOWN: unless 0, nothing has
 * happened. If passing->to is set, the item is still in the caller's hands. */
int creel__channel_put_locked(creel_channel *ch, const struct creel__item *item,
			      struct creel__passing *passing);

/* With the lock held. 0, -ETIMEDOUT (there is none), -EMSGSIZE, CREEL_EMPTY, CREEL_EFAILED,
 * -ECANCELED: unless 0, nothing has happened. */
int creel__channel_get_locked(creel_channel *ch, size_t wanted, struct creel__item *ret_item,
			      struct creel__passing *passing);

/* With the lock held: takes out the gets at both ends of the list that nobody waits for. So a
 * reader that drops its gets on a quiet channel does not fill it. */
void creel__channel_sweep_locked(creel_channel *ch, struct creel__passing *passing);

/* With the lock held: what gets are told that find nothing any more; a reference. */
const creel_error *creel__channel_end_error_locked(const creel_channel *ch);

/* What those who wait are told: futures the error, threads the code. */
struct creel__verdict {
	const creel_error *error;
	int rc;
};

/* With the lock held: ends all that wait in one of the channel's lists. Takes over the
 * reference. */
void creel__channel_end_locked(struct creel__list *list, struct creel__verdict verdict,
			       struct creel__passing *passing);

/* With the lock held: puts a waiter at the end of a list; a future is shared then. */
void creel__channel_wait_locked(creel_channel *ch, struct creel__list *list,
				struct creel__waiter *waiter);

/* Without the lock: does what was brought about. item is for passing->to, if that is set. Runs
 * callbacks: afterwards the channel may be gone. False: one has forked, and this is the child. */
bool creel__channel_pass(uint16_t generation, struct creel__passing *passing,
			 struct creel__item *item);

/* With the lock held, which it gives up: waits at the end of the list, until claimed or until the
 * deadline. 0 or what the waiter was told; -ETIMEDOUT, -EAGAIN: it was not claimed. */
int creel__channel_block(creel_channel *ch, struct creel__list *list,
			 struct creel__blocked *blocked, creel_deadline deadline);

/* 0 if the calling thread may wait until the deadline; -ETIMEDOUT, -EDEADLK. */
int creel__channel_may_block(creel_deadline deadline);

/* Gives up the lock, and frees a channel that is dead and has no waiters. */
void creel__channel_unlock(creel_channel *ch);

/* The owner of the futures of gets and puts. */
extern const struct creel__owner creel__channel_owner;

/* A new future that the channel may keep. NULL without memory. */
creel_future *creel__channel_future(void);

/* Nobody else knows it: makes it final. */
void creel__channel_born(creel_future *f, unsigned final);

/* A future that has failed with this code of a call. */
creel_future *creel__channel_refuse(const creel_channel *ch, const char *call, int rc, size_t size);

/* -EINVAL unless there are size bytes at data. */
int creel__channel_check_data(const void *data, size_t size);

#endif
