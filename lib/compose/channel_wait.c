/* SPDX-License-Identifier: MIT */
/* Threads that wait in a channel, and the futures of those that do not. See compose/channel.h. */
#include "base/alloc.h"
#include "base/clock.h"
#include "compose/channel.h"
#include "future/error.h"
#include "future/future.h"
#include "future/waits.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/park.h"
#include <errno.h>

int creel__channel_may_block(creel_deadline deadline)
{
	if (creel__deadline_passed(deadline))
		return -ETIMEDOUT;
	return creel__self()->callbacks ? -EDEADLK : 0;
}

void creel__channel_wait_locked(creel_channel *ch, struct creel__list *list,
				struct creel__waiter *waiter)
{
	waiter->channel = ch;
	creel__list_append(list, &waiter->node);
}

/* False: somebody has claimed it. */
static bool leave(creel_channel *ch, struct creel__waiter *waiter)
{
	creel__lock_acquire(&ch->lock);
	/* The node is of the one who has claimed it, if somebody has. */
	bool linked = waiter->channel;
	if (linked)
		creel__list_remove(&waiter->node);
	creel__lock_release(&ch->lock);
	return linked;
}

static bool is_done(struct creel__blocked *blocked)
{
	/* [CHAN-2] acquire: what it was given, and nobody uses our stack any more; pairs with the
	 * release in wake() */
	return creel__load(&blocked->done, acquire);
}

/* 0: it was claimed. */
static int sleep_until_done(creel_channel *ch, struct creel__blocked *blocked,
			    creel_deadline deadline)
{
	while (!is_done(blocked)) {
		int rc = creel__park(&blocked->done, 0, deadline);
		if (rc == 0 || is_done(blocked))
			continue;
		if (leave(ch, &blocked->waiter))
			return rc;
		/* It is a copy away. */
		while (!is_done(blocked))
			creel__park_briefly(&blocked->done, 0, CREEL_FOREVER);
	}
	return 0;
}

int creel__channel_block(creel_channel *ch, struct creel__list *list,
			 struct creel__blocked *blocked, creel_deadline deadline)
{
	blocked->waiter.blocked = true;
	creel__store(&blocked->done, 0, relaxed);
	creel__channel_wait_locked(ch, list, &blocked->waiter);
	creel__lock_release(&ch->lock);
	creel__waits_begin(list == &ch->gets ? CREEL__WAITS_ITEM : CREEL__WAITS_PLACE, ch);
	int rc = sleep_until_done(ch, blocked, deadline);
	creel__waits_end();
	return rc ? rc : blocked->rc;
}

creel_future *creel__channel_future(void)
{
	return creel__owned_new(&creel__channel_owner, 2);
}

void creel__channel_born(creel_future *f, unsigned final)
{
	creel__store(&f->state, CREEL__REF | CREEL__OWNED | final, relaxed);
}

int creel__channel_check_data(const void *data, size_t size)
{
	return size > CREEL__SIZE_MAX || (!data && size) ? -EINVAL : 0;
}

creel_future *creel__channel_refuse(const creel_channel *ch, const char *call, int rc, size_t size)
{
	int kind = CREEL_KIND_REJECTED;
	if (rc == -ENOMEM)
		return creel__future_failed(
			creel__error_make(CREEL_KIND_NO_MEMORY, rc, NULL,
					  "%s: no memory for an item of %zu bytes", call, size));
	if (rc == -EPERM && creel__fork_foreign(ch->generation))
		return creel__future_failed(creel__error_make(
			kind, rc, NULL,
			"%s: the channel is the parent's, and this is a forked child or a worker "
			"process; return the item as the task's result",
			call));
	if (rc == -ECANCELED)
		return creel__future_refused(creel__error_ref(ch->stopped));
	if (rc == -EPIPE || rc == -ESHUTDOWN)
		return creel__future_failed(creel__error_make(
			CREEL_KIND_CLOSED, rc, NULL, "%s: the channel %s", call,
			rc == -EPIPE ? "was cancelled by its reader" : "is closed"));
	if (!ch)
		return creel__future_failed(
			creel__error_make(kind, rc, NULL, "%s: the channel is NULL", call));
	if (ch->broken)
		return creel__future_failed(creel__error_make(
			kind, rc, NULL, "%s: the channel is broken: %s", call, ch->why->message));
	return creel__future_failed(creel__error_make(
		kind, rc, NULL,
		size > CREEL__SIZE_MAX
			? "%s: the item's size is %zu, larger than any object; was a negative "
			  "number passed?"
			: "%s: data is NULL but its size is %zu",
		call, size));
}
