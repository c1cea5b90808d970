/* SPDX-License-Identifier: MIT */
/* Getting from channels; see compose/channel.h. */
#include "base/alloc.h"
#include "compose/channel.h"
#include "future/future.h"
#include "sync/fork.h"
#include <errno.h>
#include <string.h>

/* With the lock held. The item becomes the result of f, or f waits for one, or fails: the state
 * that it is in. */
static unsigned get_locked(creel_channel *ch, creel_future *f, struct creel__passing *passing)
{
	const struct creel__item *first = creel__channel_fetch_locked(ch, CREEL__ANY_SIZE);
	if (first) {
		(void)creel__result_copy(f, first->bytes, first->length);
		return CREEL__FINISHED;
	}
	struct creel__item item;
	int rc = creel__channel_get_locked(ch, CREEL__ANY_SIZE, &item, passing);
	if (rc == 0) {
		creel__item_settle(&item, f);
		return CREEL__FINISHED;
	}
	if (rc == -ETIMEDOUT) {
		struct creel__waiter *waiter = creel__owned_state(f);
		waiter->length = 0;
		waiter->blocked = false;
		creel__channel_sweep_locked(ch, passing);
		creel__channel_wait_locked(ch, &ch->gets, waiter);
		return CREEL__PENDING;
	}
	const creel_error *why = creel__channel_end_error_locked(ch);
	creel__result_error(f, why);
	return why->kind == CREEL_KIND_CANCELLED ? CREEL__CANCELLED : CREEL__FAILED;
}

creel_future *creel_channel_get(creel_channel *ch)
{
	static const char call[] = "creel_channel_get";
	int rc = creel__channel_check(ch);
	creel_future *f = rc ? NULL : creel__channel_future();
	if (!f)
		return creel__channel_refuse(ch, call, rc ? rc : -ENOMEM, 0);
	struct creel__passing passing;
	creel__passing_init(&passing);
	uint16_t generation = ch->generation;
	creel__lock_acquire(&ch->lock);
	unsigned state = get_locked(ch, f, &passing);
	creel__lock_release(&ch->lock);
	/* One that waits is shared already. */
	if (state != CREEL__PENDING)
		creel__channel_born(f, state);
	(void)creel__channel_pass(generation, &passing, NULL);
	return f;
}

/* 0, and the item is the caller's; or why not. */
static int get_by(creel_channel *ch, creel_deadline deadline, size_t wanted,
		  struct creel__item *ret_item)
{
	struct creel__passing passing;
	creel__passing_init(&passing);
	uint16_t generation = ch->generation;
	creel__lock_acquire(&ch->lock);
	int rc = creel__channel_get_locked(ch, wanted, ret_item, &passing);
	int may = rc == -ETIMEDOUT ? creel__channel_may_block(deadline) : 0;
	if (rc == -ETIMEDOUT && may == 0) {
		struct creel__blocked blocked = {.item = ret_item, .wanted = wanted};
		return creel__channel_block(ch, &ch->gets, &blocked, deadline);
	}
	creel__lock_release(&ch->lock);
	if (!creel__channel_pass(generation, &passing, NULL))
		return -EPERM;
	return may ? may : rc;
}

/* The common case, with one copy. */
static bool fetch(creel_channel *ch, void *ret, size_t size)
{
	creel__lock_acquire(&ch->lock);
	const struct creel__item *first = creel__channel_fetch_locked(ch, size);
	if (first && size)
		memcpy(ret, first->bytes, size);
	creel__lock_release(&ch->lock);
	return first;
}

int creel_channel_get_by(creel_channel *ch, creel_deadline deadline, void *ret, size_t size)
{
	struct creel__item item;
	int rc = creel__channel_check(ch);
	if (rc == 0)
		rc = creel__channel_check_data(ret, size);
	if (rc || fetch(ch, ret, size))
		return rc;
	rc = get_by(ch, deadline, size, &item);
	if (rc)
		return rc;
	uint16_t generation = creel__fork_generation();
	creel__item_read(&item, ret);
	return creel__fork_foreign(generation) ? -EPERM : 0;
}

int creel_channel_take_by(creel_channel *ch, creel_deadline deadline, creel_buffer *ret_buffer)
{
	struct creel__item item;
	int rc = creel__channel_check(ch);
	if (rc == 0 && !ret_buffer)
		rc = -EINVAL;
	if (rc)
		return rc;
	/* Before an item is taken: afterwards nothing may fail. */
	void *spare = creel__malloc_data(CREEL__ITEM_INLINE);
	if (!spare)
		return -ENOMEM;
	rc = get_by(ch, deadline, CREEL__ANY_SIZE, &item);
	if (rc)
		creel__free(spare);
	else
		creel__item_take(&item, spare, ret_buffer);
	return rc;
}

int creel_channel_try_get(creel_channel *ch, void *ret, size_t size)
{
	return creel_channel_get_by(ch, CREEL_NOW, ret, size);
}
