/* SPDX-License-Identifier: MIT */
/* Putting into channels; see compose/channel.h. */
#include "compose/channel.h"
#include "sync/fork.h"
#include <errno.h>
#include <string.h>

/* With the lock held. False: an item that is too large for the block must be packed first. */
static bool wait_locked(creel_channel *ch, creel_future *f, const struct creel__item *item)
{
	struct creel__waiter *waiter = creel__owned_state(f);
	if (item->length == CREEL__ITEM_PARCEL)
		waiter->parcel = item->parcel;
	else if (item->length <= CREEL__ITEM_WAITS)
		memcpy(waiter->bytes, item->bytes, sizeof waiter->bytes);
	else
		return false;
	waiter->length = item->length;
	waiter->blocked = false;
	creel__channel_wait_locked(ch, &ch->puts, waiter);
	return true;
}

/* 0, or CREEL_FULL: f waits; or why not. Unless 0 or CREEL_FULL the item is the caller's. */
static int put_or_wait(creel_channel *ch, creel_future *f, struct creel__item *item,
		       struct creel__passing *passing)
{
	for (;;) {
		creel__lock_acquire(&ch->lock);
		int rc = creel__channel_put_locked(ch, item, passing);
		bool waits = rc != CREEL_FULL || wait_locked(ch, f, item);
		creel__lock_release(&ch->lock);
		if (waits)
			return rc;
		rc = creel__item_pack(item);
		if (rc)
			return rc;
	}
}

/* Takes over the item, and the future, which may be NULL for want of memory. */
static creel_future *put(creel_channel *ch, const char *call, struct creel__item *item,
			 creel_future *f)
{
	struct creel__passing passing;
	creel__passing_init(&passing);
	uint16_t generation = ch->generation;
	size_t size = creel__item_size(item);
	int rc = f ? put_or_wait(ch, f, item, &passing) : -ENOMEM;
	bool accepted = rc == 0 || rc == CREEL_FULL;
	if (f && rc != CREEL_FULL)
		creel__channel_born(f, CREEL__FINISHED);
	if (!creel__channel_pass(generation, &passing, item) || accepted)
		return f;
	creel_future_unref(f);
	creel__item_drop(item);
	return creel__channel_refuse(ch, call, rc, size);
}

static bool store(creel_channel *ch, const void *data, size_t size)
{
	creel__lock_acquire(&ch->lock);
	bool stored = creel__channel_store_locked(ch, data, size);
	creel__lock_release(&ch->lock);
	return stored;
}

creel_future *creel_channel_put(creel_channel *ch, const void *data, size_t size)
{
	static const char call[] = "creel_channel_put";
	int rc = creel__channel_check(ch);
	if (rc == 0)
		rc = creel__channel_check_data(data, size);
	if (rc)
		return creel__channel_refuse(ch, call, rc, size);
	creel_future *f = creel__channel_future();
	if (f && store(ch, data, size)) {
		creel__channel_born(f, CREEL__FINISHED);
		return f;
	}
	struct creel__item item;
	if (f && creel__item_copy(&item, data, size) == 0)
		return put(ch, call, &item, f);
	if (f)
		creel__block_free(f);
	return creel__channel_refuse(ch, call, -ENOMEM, size);
}

creel_future *creel_channel_put_move(creel_channel *ch, creel_buffer buffer)
{
	static const char call[] = "creel_channel_put_move";
	struct creel__item item;
	int rc = creel__channel_check(ch);
	if (rc == 0)
		rc = creel__channel_check_data(buffer.data, buffer.size);
	if (rc == 0)
		rc = creel__item_move(&item, buffer);
	if (rc == 0)
		return put(ch, call, &item, creel__channel_future());
	creel__buffer_drop(buffer);
	return creel__channel_refuse(ch, call, rc, buffer.size);
}

/* 0, or why not: then the item is still the caller's. */
static int put_by(creel_channel *ch, struct creel__item *item, creel_deadline deadline)
{
	struct creel__passing passing;
	creel__passing_init(&passing);
	uint16_t generation = ch->generation;
	creel__lock_acquire(&ch->lock);
	int rc = creel__channel_put_locked(ch, item, &passing);
	int may = rc == CREEL_FULL ? creel__channel_may_block(deadline) : 0;
	if (rc == CREEL_FULL && may == 0) {
		struct creel__blocked blocked = {.item = item};
		rc = creel__channel_block(ch, &ch->puts, &blocked, deadline);
	} else {
		creel__lock_release(&ch->lock);
		rc = may ? may : rc;
	}
	if (!creel__channel_pass(generation, &passing, item))
		return -EPERM;
	return rc == -ETIMEDOUT ? CREEL_FULL : rc;
}

static int put_made(creel_channel *ch, struct creel__item *item, creel_deadline deadline)
{
	int rc = put_by(ch, item, deadline);
	if (rc)
		creel__item_unmake(item);
	return rc;
}

int creel_channel_put_by(creel_channel *ch, const void *data, size_t size, creel_deadline deadline)
{
	struct creel__item item;
	int rc = creel__channel_check(ch);
	if (rc == 0)
		rc = creel__channel_check_data(data, size);
	if (rc || store(ch, data, size))
		return rc;
	rc = creel__item_copy(&item, data, size);
	return rc ? rc : put_made(ch, &item, deadline);
}

int creel_channel_put_move_by(creel_channel *ch, creel_buffer buffer, creel_deadline deadline)
{
	struct creel__item item;
	int rc = creel__channel_check(ch);
	if (rc == 0)
		rc = creel__channel_check_data(buffer.data, buffer.size);
	if (rc == 0)
		rc = creel__item_move(&item, buffer);
	return rc ? rc : put_made(ch, &item, deadline);
}

int creel_channel_try_put(creel_channel *ch, const void *data, size_t size)
{
	return creel_channel_put_by(ch, data, size, CREEL_NOW);
}

int creel_channel_try_put_move(creel_channel *ch, creel_buffer buffer)
{
	return creel_channel_put_move_by(ch, buffer, CREEL_NOW);
}
