/* SPDX-License-Identifier: MIT */
/* Channels: making, closing, cancelling and dropping them; see compose/channel.h. */
#include "compose/channel.h"
#include "base/alloc.h"
#include "future/error.h"
#include "future/options.h"
#include "sync/fork.h"
#include <errno.h>

static creel_channel no_memory = {.broken = -ENOMEM, .is_static = true};

/* Takes over the reference. */
static creel_channel *broken(creel_channel *ch, int rc, const creel_error *why)
{
	ch->broken = rc;
	ch->why = why;
	return ch;
}

static creel_channel *with_ring(creel_channel *ch, size_t capacity)
{
	if (capacity > CREEL__SIZE_MAX / sizeof *ch->ring)
		return broken(ch, -EINVAL,
			      creel__error_make(CREEL_KIND_REJECTED, -EINVAL, NULL,
						"creel_channel_new: capacity is %zu, more items "
						"than fit in memory; was a negative number passed?",
						capacity));
	ch->ring = creel__malloc_data(capacity * sizeof *ch->ring);
	if (!ch->ring)
		return broken(ch, -ENOMEM,
			      creel__error_make(CREEL_KIND_NO_MEMORY, -ENOMEM, NULL,
						"creel_channel_new: no memory for a capacity of "
						"%zu items (%zu bytes)",
						capacity, capacity * sizeof *ch->ring));
	ch->capacity = capacity;
	return ch;
}

static void stop(creel_channel *ch, const creel_error *reason);

/* Under the token's lock. */
static bool hold(struct creel__reg *reg)
{
	creel_channel *ch = creel__of(reg, creel_channel, reg);
	uint32_t refs = creel__load(&ch->refs, relaxed);
	while (refs > 0)
		if (creel__cas(&ch->refs, &refs, refs + 1, relaxed, relaxed))
			return true;
	return false;
}

static void ask(struct creel__reg *reg, struct creel__asking *asking)
{
	creel_channel *ch = creel__of(reg, creel_channel, reg);
	stop(ch, creel__token_reason(asking->token));
	creel_channel_unref(ch);
}

static creel_channel *with_token(creel_channel *ch, creel_token *token)
{
	if (creel__token_foreign(token))
		return broken(ch, -EPERM,
			      creel__error_make(CREEL_KIND_REJECTED, -EPERM, NULL,
						"creel_channel_new: the token is the parent's, and "
						"this is a forked child; make one here"));
	ch->reg.token = creel_token_ref(token);
	ch->reg.hold = hold;
	ch->reg.ask = ask;
	if (creel__token_join(token, &ch->reg))
		stop(ch, creel__token_reason(token));
	return ch;
}

creel_channel *creel_channel_new(const creel_channel_options *options)
{
	static const creel_channel_options defaults;
	const creel_channel_options *o = options ? options : &defaults;
	creel_channel *ch = creel__zalloc(sizeof *ch);
	if (!ch)
		return &no_memory;
	creel__store(&ch->refs, 1, relaxed);
	ch->generation = creel__fork_generation();
	creel__list_init(&ch->gets);
	creel__list_init(&ch->puts);
	creel__list_init(&ch->reg.node);
	const creel_error *wrong = creel__reserved_refuse(
		CREEL_KIND_REJECTED, "creel_channel_new", o->reserved32, o->reserved,
		sizeof o->reserved / sizeof o->reserved[0]);
	if (wrong)
		return broken(ch, -EINVAL, wrong);
	if (o->capacity)
		ch = with_ring(ch, o->capacity);
	return o->token && !ch->broken ? with_token(ch, o->token) : ch;
}

int creel__channel_check(const creel_channel *ch)
{
	if (!ch)
		return -EINVAL;
	if (creel__fork_foreign(ch->generation))
		return -EPERM;
	return ch->broken;
}

const creel_error *creel_channel_error(creel_channel *ch)
{
	if (!ch || creel__fork_foreign(ch->generation))
		return NULL;
	if (ch->is_static)
		return creel__error_static(CREEL_KIND_NO_MEMORY);
	/* Set once. */
	creel__lock_acquire(&ch->lock);
	const creel_error *why = ch->stopped ? ch->stopped : ch->why;
	creel__lock_release(&ch->lock);
	return why;
}

creel_channel *creel_channel_ref(creel_channel *ch)
{
	if (ch && !ch->is_static)
		creel__add(&ch->refs, 1, relaxed);
	return ch;
}

const creel_error *creel__channel_end_error_locked(const creel_channel *ch)
{
	const creel_error *why = ch->stopped ? ch->stopped : ch->why;
	return why ? creel__error_ref(why) : creel__error_static(CREEL_KIND_CLOSED);
}

int creel_channel_close(creel_channel *ch, const creel_error *error)
{
	int rc = creel__channel_check(ch);
	if (rc)
		return rc;
	struct creel__passing passing;
	creel__passing_init(&passing);
	uint16_t generation = ch->generation;
	creel__lock_acquire(&ch->lock);
	if (ch->closed) {
		creel__lock_release(&ch->lock);
		return -EALREADY;
	}
	ch->closed = true;
	/* Those whom the reader's end has told are not told otherwise. */
	if (error && !ch->cancelled)
		ch->why = creel__error_ref(error);
	/* A get that waits can get nothing that was put before. */
	creel__channel_end_locked(&ch->gets,
				  (struct creel__verdict){creel__channel_end_error_locked(ch),
							  ch->why ? CREEL_EFAILED : CREEL_EMPTY},
				  &passing);
	creel__lock_release(&ch->lock);
	return creel__channel_pass(generation, &passing, NULL) ? 0 : -EPERM;
}

static const creel_error *refused_puts(const char *why)
{
	return creel__error_make(CREEL_KIND_CLOSED, -EPIPE, NULL, "%s", why);
}

/* With the lock held: takes out the ring, with what is in it. */
static struct creel__item *take_ring_locked(creel_channel *ch, size_t *ret_head, size_t *ret_count)
{
	struct creel__item *ring = ch->ring;
	*ret_head = ch->head;
	*ret_count = ch->count;
	ch->ring = NULL;
	ch->count = 0;
	return ring;
}

/* False: a destructor has forked, and this is the child. */
static bool drop_ring(uint16_t generation, struct creel__item *ring, size_t capacity, size_t head,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		creel__item_drop(&ring[(head + i) % capacity]);
		if (creel__fork_foreign(generation))
			return false;
	}
	creel__free(ring);
	return true;
}

/* With the lock held, which it gives up: the end of all that wait, and of all items. It frees a
 * channel that is dead. Takes over references to what gets and puts are told. */
static int shut(creel_channel *ch, struct creel__verdict gets, struct creel__verdict puts)
{
	struct creel__passing passing;
	creel__passing_init(&passing);
	uint16_t generation = ch->generation;
	size_t head, count, capacity = ch->capacity;
	creel__channel_end_locked(&ch->gets, gets, &passing);
	creel__channel_end_locked(&ch->puts, puts, &passing);
	struct creel__item *ring = take_ring_locked(ch, &head, &count);
	creel__channel_unlock(ch);
	if (!creel__channel_pass(generation, &passing, NULL))
		return -EPERM;
	return drop_ring(generation, ring, capacity, head, count) ? 0 : -EPERM;
}

int creel_channel_cancel(creel_channel *ch)
{
	int rc = creel__channel_check(ch);
	if (rc)
		return rc;
	const creel_error *puts = refused_puts("the reader has cancelled the channel");
	creel__lock_acquire(&ch->lock);
	if (!ch->cancelled) {
		ch->cancelled = true;
		return shut(
			ch,
			(struct creel__verdict){creel__channel_end_error_locked(ch), CREEL_EMPTY},
			(struct creel__verdict){puts, -EPIPE});
	}
	creel__lock_release(&ch->lock);
	creel__error_unref(puts);
	return -EALREADY;
}

/* Its token was cancelled. What the reader's end has ended stays as it is. */
static void stop(creel_channel *ch, const creel_error *reason)
{
	creel__lock_acquire(&ch->lock);
	if (ch->cancelled) {
		creel__lock_release(&ch->lock);
		return;
	}
	ch->cancelled = true;
	ch->stopped = creel__error_ref(reason);
	(void)shut(ch, (struct creel__verdict){creel__error_ref(reason), -ECANCELED},
		   (struct creel__verdict){creel__error_ref(reason), -ECANCELED});
}

/* The last reference has gone. False: a destructor has forked, and this is the child. */
static bool leave_token(creel_channel *ch)
{
	creel_token *token = ch->reg.token;
	uint16_t generation = ch->generation;
	if (!token)
		return true;
	(void)creel__token_leave(&ch->reg);
	creel_token_unref(token);
	return !creel__fork_foreign(generation);
}

void creel_channel_unref(creel_channel *ch)
{
	if (!ch || ch->is_static || creel__fork_foreign(ch->generation))
		return;
	/* [CHAN-1] acq_rel: the last one ends it after everybody's use; pairs with itself */
	if (creel__sub(&ch->refs, 1, acq_rel) > 1 || !leave_token(ch))
		return;
	const creel_error *gets = creel__error_make(
		CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
		"the channel was dropped: nobody is left who could put or close it");
	const creel_error *puts = refused_puts("the channel was dropped: nobody is left who could "
					       "get");
	creel__lock_acquire(&ch->lock);
	ch->dead = true;
	(void)shut(ch, (struct creel__verdict){gets, CREEL_EMPTY},
		   (struct creel__verdict){puts, -EPIPE});
}
