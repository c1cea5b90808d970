/* SPDX-License-Identifier: MIT */
/*
 * What goes through a channel.
 *
 * A small item stands where it is; a large one in a parcel, which is allocated when the item is put
 * and goes on as the result of a get, or as the reader's buffer, without being copied. Everything
 * that can fail happens when the item is made: so nothing can be lost on its way.
 *
 * A parcel may be freed by a function of the user's, which must not nest in another one: it has a
 * place of its own in the list of what waits for that (future/nest.h).
 */
#ifndef CREEL__COMPOSE_ITEM_H
#define CREEL__COMPOSE_ITEM_H

#include "future/nest.h"
#include "future/result.h"

enum {
	CREEL__ITEM_INLINE = CREEL__PAYLOAD, /* the most bytes: it fits in a future, too */
	CREEL__ITEM_PARCEL = 0xff,           /* as a length: it is in a parcel */
};

struct creel__parcel {
	struct creel__box box; /* first: it may become that of a result */
	struct creel__deferred deferred;
};

_Static_assert(sizeof(struct creel__parcel) <= CREEL__BOX_HEAD, "the data starts behind it");

struct creel__item {
	union {
		unsigned char bytes[CREEL__ITEM_INLINE];
		struct creel__parcel *parcel;
	};
	uint8_t length;
};

/* Makes one of a copy, or around the buffer, which stays the caller's until the item has been
 * passed on. The sizes have been checked. 0, -ENOMEM. */
int creel__item_copy(struct creel__item *item, const void *data, size_t size);
int creel__item_move(struct creel__item *item, creel_buffer buffer);

/* Moves the bytes of one that is inline into a parcel. 0, -ENOMEM. */
int creel__item_pack(struct creel__item *item);

size_t creel__item_size(const struct creel__item *item);

/* Frees it. May call a function of the user's. */
void creel__item_drop(struct creel__item *item);

/* Frees what creel__item_copy() or _move() has allocated: the buffer is still the caller's. */
void creel__item_unmake(struct creel__item *item);

/* Calls the free of a buffer that could not be put. Within another function of the user's that
 * waits as creel__item_drop() does, unless there is no memory: then it is called at once. */
void creel__buffer_drop(creel_buffer buffer);

/* Each takes over the item. It becomes the result of f, which the caller has SETTLING; its bytes
 * are copied to ret; or it becomes a buffer, in spare memory of CREEL__ITEM_INLINE bytes if it
 * needs that, else the spare memory is freed. */
void creel__item_settle(struct creel__item *item, creel_future *f);
void creel__item_read(struct creel__item *item, void *ret);
void creel__item_take(struct creel__item *item, void *spare, creel_buffer *ret_buffer);

#endif
