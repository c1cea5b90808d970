/* SPDX-License-Identifier: MIT */
/* Getting from channels; see compose/channel.h. */
#include "base/alloc.h"
#include "compose/channel.h"
#include "future/future.h"
#include "sync/fork.h"
#include <errno.h>

creel_future *creel_channel_get(creel_channel *ch)
{
	static const char call[] = "creel_channel_get";
	int rc = creel__channel_check(ch);
	creel_future *f = rc ? NULL : creel__channel_future();
	if (!f)
		return creel__channel_refuse(ch, call, rc ? rc : -ENOMEM, 0);
	struct creel__passing passing;
	struct creel__item item;
	const creel_error *end = NULL;
	creel__passing_init(&passing);
	uint16_t generation = ch->generation;
	creel__lock_acquire(&ch->lock);
	rc = creel__channel_get_locked(ch, CREEL__ANY_SIZE, &item, &passing);
	if (rc == -ETIMEDOUT)
		creel__channel_wait_locked(ch, &ch->gets, creel__owned_state(f));
	else if (rc)
		end = creel__channel_end_error_locked(ch);
	creel__lock_release(&ch->lock);
	if (rc == -ETIMEDOUT)
		return f;
	if (rc)
		creel__result_error(f, end);
	else
		creel__item_settle(&item, f);
	creel__channel_born(f, rc ? CREEL__FAILED : CREEL__FINISHED);
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

int creel_channel_get_by(creel_channel *ch, creel_deadline deadline, void *ret, size_t size)
{
	struct creel__item item;
	int rc = creel__channel_check(ch);
	if (rc == 0)
		rc = creel__channel_check_data(ret, size);
	if (rc == 0)
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
