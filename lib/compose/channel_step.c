/* SPDX-License-Identifier: MIT */
/* The steps of a channel: what happens under its lock, and what follows without it. See
 * compose/channel.h. */
#include "base/alloc.h"
#include "compose/channel.h"
#include "future/error.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/release.h"
#include "sync/fork.h"
#include "sync/park.h"
#include <errno.h>
#include <string.h>

static creel_future *future_of(struct creel__waiter *waiter)
{
	return (creel_future *)(void *)((char *)waiter - offsetof(creel_future, payload));
}

static struct creel__waiter *waiter_at(struct creel__list *node)
{
	return creel__of(node, struct creel__waiter, node);
}

static struct creel__blocked *blocked_of(struct creel__waiter *waiter)
{
	return creel__of(waiter, struct creel__blocked, waiter);
}

/* Of a future whose owner's reference we have: nobody else has one, and nobody listens. So it
 * stays. */
static bool is_forsaken(creel_future *f)
{
	return creel__future_is_sole(creel__load(&f->state, relaxed)) &&
	       !creel__hooks_last_locked(f);
}

/* Lets go of a thread, which may return before this does. */
static void wake(struct creel__blocked *blocked, int rc)
{
	blocked->rc = rc;
	/* [CHAN-2] release: we are through with the waiter's stack; pairs with the acquire in
	 * is_done() */
	creel__store(&blocked->done, 1, release);
	creel__unpark_all(&blocked->done);
}

static void unlink_waiter(struct creel__waiter *waiter)
{
	creel__list_remove(&waiter->node);
	waiter->why = NULL;
}

/* Takes a waiter out of its list; false if it is being cancelled. */
static bool claim_locked(struct creel__waiter *waiter)
{
	if (!waiter->blocked && !creel__owned_claim(future_of(waiter)))
		return false;
	unlink_waiter(waiter);
	return true;
}

/* Takes out a get that nobody waits for. False: it is none, or is being cancelled. */
static bool drop_forsaken_locked(struct creel__waiter *waiter, struct creel__passing *passing)
{
	if (waiter->blocked || !is_forsaken(future_of(waiter)) || !claim_locked(waiter))
		return false;
	creel__list_append(&passing->ended, &waiter->node);
	return true;
}

void creel__channel_sweep_locked(creel_channel *ch, struct creel__passing *passing)
{
	struct creel__list *gets = &ch->gets;
	while (gets->next != gets && drop_forsaken_locked(waiter_at(gets->next), passing))
		;
	while (gets->prev != gets && drop_forsaken_locked(waiter_at(gets->prev), passing))
		;
}

/* The first get that waits and takes an item of that size, claimed; or NULL. */
static struct creel__waiter *next_get_locked(creel_channel *ch, size_t size,
					     struct creel__passing *passing)
{
	struct creel__list *next;
	for (struct creel__list *i = ch->gets.next; i != &ch->gets; i = next) {
		next = i->next;
		struct creel__waiter *waiter = waiter_at(i);
		bool forsaken = !waiter->blocked && is_forsaken(future_of(waiter));
		if (!claim_locked(waiter))
			continue;
		if (forsaken) {
			creel__list_append(&passing->ended, &waiter->node);
		} else if (waiter->blocked && blocked_of(waiter)->wanted != CREEL__ANY_SIZE &&
			   blocked_of(waiter)->wanted != size) {
			wake(blocked_of(waiter), -EMSGSIZE);
		} else {
			return waiter;
		}
	}
	return NULL;
}

bool creel__channel_store_locked(creel_channel *ch, const void *data, size_t size)
{
	if (size > CREEL__ITEM_INLINE || ch->count == ch->capacity || ch->closed || ch->cancelled ||
	    !creel__list_is_empty(&ch->gets))
		return false;
	size_t tail = ch->head + ch->count++;
	struct creel__item *place = &ch->ring[tail < ch->capacity ? tail : tail - ch->capacity];
	if (size)
		memcpy(place->bytes, data, size);
	place->length = (uint8_t)size;
	return true;
}

const struct creel__item *creel__channel_fetch_locked(creel_channel *ch, size_t wanted)
{
	if (!ch->count || !creel__list_is_empty(&ch->puts))
		return NULL;
	const struct creel__item *first = &ch->ring[ch->head];
	if (first->length == CREEL__ITEM_PARCEL ||
	    (wanted != CREEL__ANY_SIZE && wanted != first->length))
		return NULL;
	ch->head = ch->head + 1 == ch->capacity ? 0 : ch->head + 1;
	ch->count--;
	return first;
}

int creel__channel_put_locked(creel_channel *ch, const struct creel__item *item,
			      struct creel__passing *passing)
{
	if (ch->cancelled)
		return ch->stopped ? -ECANCELED : -EPIPE;
	if (ch->closed)
		return -ESHUTDOWN;
	if (!creel__list_is_empty(&ch->gets)) {
		passing->to = next_get_locked(ch, creel__item_size(item), passing);
		if (passing->to)
			return 0;
	}
	if (ch->count == ch->capacity)
		return CREEL_FULL;
	size_t tail = ch->head + ch->count++;
	ch->ring[tail < ch->capacity ? tail : tail - ch->capacity] = *item;
	return 0;
}

/* Moves the item out of a put that waits. */
static void move_out(struct creel__waiter *waiter, struct creel__item *ret_item)
{
	if (waiter->blocked) {
		*ret_item = *blocked_of(waiter)->item;
		return;
	}
	if (waiter->length == CREEL__ITEM_PARCEL)
		ret_item->parcel = waiter->parcel;
	else
		memcpy(ret_item->bytes, waiter->bytes, sizeof waiter->bytes);
	ret_item->length = waiter->length;
	waiter->length = 0;
}

static size_t size_of(struct creel__waiter *put)
{
	if (put->blocked)
		return creel__item_size(blocked_of(put)->item);
	return put->length == CREEL__ITEM_PARCEL ? put->parcel->box.buffer.size : put->length;
}

static bool fits(size_t size, size_t wanted)
{
	return wanted == CREEL__ANY_SIZE || wanted == size;
}

/* The item of the first put that waits: 0, -ETIMEDOUT (there is none), -EMSGSIZE. */
static int next_put_locked(creel_channel *ch, size_t wanted, struct creel__item *ret_item,
			   struct creel__passing *passing)
{
	for (struct creel__list *i = ch->puts.next; i != &ch->puts; i = i->next) {
		struct creel__waiter *waiter = waiter_at(i);
		if (!fits(size_of(waiter), wanted))
			return -EMSGSIZE;
		if (!claim_locked(waiter))
			continue;
		move_out(waiter, ret_item);
		creel__list_append(&passing->ended, &waiter->node);
		return 0;
	}
	return -ETIMEDOUT;
}

/* The first item of the ring; its place goes to a put that waits. */
static void take_first_locked(creel_channel *ch, struct creel__item *ret_item,
			      struct creel__passing *passing)
{
	struct creel__item *place = &ch->ring[ch->head];
	*ret_item = *place;
	ch->head = ch->head + 1 == ch->capacity ? 0 : ch->head + 1;
	/* The ring's first place becomes its last one, if it was full; else nobody waits. */
	if (creel__list_is_empty(&ch->puts) || next_put_locked(ch, CREEL__ANY_SIZE, place, passing))
		ch->count--;
}

int creel__channel_get_locked(creel_channel *ch, size_t wanted, struct creel__item *ret_item,
			      struct creel__passing *passing)
{
	if (ch->count) {
		if (!fits(creel__item_size(&ch->ring[ch->head]), wanted))
			return -EMSGSIZE;
		take_first_locked(ch, ret_item, passing);
		return 0;
	}
	int rc = next_put_locked(ch, wanted, ret_item, passing);
	if (rc != -ETIMEDOUT || !(ch->closed || ch->cancelled))
		return rc;
	return ch->stopped ? -ECANCELED : ch->why ? CREEL_EFAILED : CREEL_EMPTY;
}

void creel__channel_end_locked(struct creel__list *list, struct creel__verdict verdict,
			       struct creel__passing *passing)
{
	struct creel__list *next;
	for (struct creel__list *i = list->next; i != list; i = next) {
		next = i->next;
		struct creel__waiter *waiter = waiter_at(i);
		if (!claim_locked(waiter))
			continue;
		if (waiter->blocked) {
			wake(blocked_of(waiter), verdict.rc);
			continue;
		}
		waiter->why = creel__error_ref(verdict.error);
		creel__list_append(&passing->ended, &waiter->node);
	}
	creel__error_unref(verdict.error);
}

/* The item of a put that ends without having passed it on. */
static void drop_item_of(struct creel__waiter *put)
{
	struct creel__item item = {.parcel = put->parcel, .length = put->length};
	if (item.length == CREEL__ITEM_PARCEL)
		creel__item_drop(&item);
}

/* One that is through, its item gone if it had one. */
static void end_waiter(struct creel__waiter *waiter)
{
	if (waiter->blocked) {
		wake(blocked_of(waiter), 0);
		return;
	}
	creel_future *f = future_of(waiter);
	const creel_error *why = waiter->why;
	if (!why) {
		creel__owned_finish(f);
		return;
	}
	struct creel__waiter copy = *waiter;
	creel__owned_fail(f, why);
	drop_item_of(&copy);
}

/* Passes an item on to a get. */
static void deliver(struct creel__waiter *to, struct creel__item *item)
{
	if (to->blocked) {
		*blocked_of(to)->item = *item;
		wake(blocked_of(to), 0);
		return;
	}
	creel_future *f = future_of(to);
	creel__item_settle(item, f);
	creel__owned_finish(f);
}

bool creel__channel_pass(uint16_t generation, struct creel__passing *passing,
			 struct creel__item *item)
{
	struct creel__list *node;
	while ((node = creel__list_pop(&passing->ended))) {
		end_waiter(waiter_at(node));
		if (creel__fork_foreign(generation))
			return false;
	}
	if (passing->to)
		deliver(passing->to, item);
	return !creel__fork_foreign(generation);
}

void creel__channel_unlock(creel_channel *ch)
{
	bool gone = ch->dead && creel__list_is_empty(&ch->gets) && creel__list_is_empty(&ch->puts);
	creel__lock_release(&ch->lock);
	if (!gone)
		return;
	creel__error_unref(ch->why);
	creel__error_unref(ch->stopped);
	creel__free(ch);
}

static enum creel__withdrawn withdraw(creel_future *f)
{
	struct creel__waiter *waiter = creel__owned_state(f);
	creel_channel *ch = waiter->channel;
	creel__lock_acquire(&ch->lock);
	unlink_waiter(waiter);
	creel__channel_unlock(ch);
	return CREEL__WITHDRAWN;
}

static void cancelled(creel_future *f, const struct creel__cancelling *how)
{
	(void)how;
	drop_item_of(creel__owned_state(f));
}

const struct creel__owner creel__channel_owner = {
	.what = "a get or put of a channel",
	.withdraw = withdraw,
	.cancelled = cancelled,
};
