/* SPDX-License-Identifier: MIT */
/* Promise 51: a channel delivers each item exactly once, to a get that ended, in order. What
 * happens on one thread, and what bad input gets; channels_more.c has producers and consumers. */
#include "contract.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static creel_channel *channel(size_t capacity)
{
	creel_channel *ch = creel_channel_new(&(creel_channel_options){.capacity = capacity});
	ct_assert(creel_channel_error(ch) == NULL);
	return ch;
}

static creel_future *put_long(creel_channel *ch, long value)
{
	return creel_channel_put(ch, &value, sizeof value);
}

static int try_put_long(creel_channel *ch, long value)
{
	return creel_channel_try_put(ch, &value, sizeof value);
}

/* What is in the channel now, or a code of try_get. */
static long try_long(creel_channel *ch)
{
	long value = 0;
	int rc = creel_channel_try_get(ch, &value, sizeof value);
	return rc ? rc : value;
}

static int state_of(creel_future *f)
{
	return creel_future_state(f);
}

/* How a get, or a put, has failed. Drops it. */
static void failed(creel_future *f, int kind, int code)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, kind);
	ct_int(creel_future_error(f)->code, code);
	creel_future_unref(f);
}

static void is_put(creel_future *f)
{
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(f);
}

/* A buffer that counts its destructor's calls. */
static creel_buffer counted(struct ct_count *freed, size_t size)
{
	return (creel_buffer){ct_shared(size), size, buffer_free_count, freed};
}

CORE_CASE(c51_items_arrive_in_order_whether_they_wait_or_not)
{
	for (size_t capacity = 0; capacity <= 7; capacity++) {
		creel_channel *ch = channel(capacity);
		creel_future *puts[6];
		for (long i = 0; i < 6; i++) {
			puts[i] = put_long(ch, i + 1);
			ct_int(state_of(puts[i]),
			       (size_t)i < capacity ? CREEL_FUTURE_FINISHED : CREEL_FUTURE_PENDING);
		}
		for (long i = 0; i < 6; i++)
			ct_int(i % 2 ? try_long(ch) : ct_long_drop(creel_channel_get(ch)), i + 1);
		for (long i = 0; i < 6; i++)
			is_put(puts[i]);
		/* And the other way round: the gets come first. */
		creel_future *gets[6];
		for (long i = 0; i < 6; i++)
			gets[i] = creel_channel_get(ch);
		for (long i = 0; i < 6; i++)
			ct_int(try_put_long(ch, i + 1), 0);
		for (long i = 0; i < 6; i++)
			ct_int(ct_long_drop(gets[i]), i + 1);
		ct_int(try_long(ch), -ETIMEDOUT);
		creel_channel_unref(ch);
	}
}

CORE_CASE(c51_items_of_every_size_come_through_whole)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 47, 48, 49, 4096, 100000};
	for (size_t capacity = 0; capacity < 2; capacity++) {
		creel_channel *ch = channel(capacity);
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			size_t size = sizes[i];
			unsigned char *data = malloc(size + 1), *copy = malloc(size + 1);
			memset(data, (int)i + 1, size + 1);
			creel_future *put = creel_channel_put(ch, data, size);
			memset(copy, 0, size + 1);
			ct_int(creel_channel_get_by(ch, CREEL_NOW, copy, size), 0);
			ct_assert(memcmp(data, copy, size) == 0);
			is_put(put);
			put = creel_channel_put(ch, data, size);
			creel_future *get = creel_channel_get(ch);
			ct_int(creel_future_result(get, CREEL_NOW, copy, size), 0);
			ct_assert(memcmp(data, copy, size) == 0);
			is_put(put);
			creel_future_unref(get);
			put = creel_channel_put(ch, data, size);
			creel_buffer b;
			ct_int(creel_channel_take_by(ch, CREEL_NOW, &b), 0);
			ct_int(b.size, size);
			ct_assert(size == 0 || memcmp(data, b.data, size) == 0);
			if (b.free)
				b.free(b.data, b.size, b.ctx);
			is_put(put);
			free(data);
			free(copy);
		}
		creel_channel_unref(ch);
	}
}

CORE_CASE(c51_a_moved_buffer_is_not_copied)
{
	struct ct_count *freed = ct_count_new();
	creel_channel *ch = channel(1);
	creel_buffer b = counted(freed, 1000), back;
	const void *data;
	is_put(creel_channel_put_move(ch, b));
	ct_int(creel_channel_take_by(ch, CREEL_NOW, &back), 0);
	ct_assert(back.data == b.data && back.free == b.free && back.ctx == b.ctx);
	ct_int(creel_channel_try_put_move(ch, back), 0);
	/* What is not put stays the caller's; the future's, if there is one. */
	ct_int(creel_channel_try_put_move(ch, counted(freed, 10)), CREEL_FULL);
	ct_int(ct_count_get(freed), 0);
	creel_future *get = creel_channel_get(ch);
	ct_int(creel_future_view(get, CREEL_NOW, &data, NULL), 0);
	ct_assert(data == b.data);
	creel_future_unref(get);
	ct_int(ct_count_get(freed), 1);
	creel_channel_unref(ch);
}

CORE_CASE(c51_a_rendezvous_needs_both)
{
	creel_channel *ch = creel_channel_new(NULL);
	ct_int(try_put_long(ch, 1), CREEL_FULL);
	creel_future *get = creel_channel_get(ch);
	ct_int(try_put_long(ch, 2), 0);
	ct_int(ct_long_drop(get), 2);
	creel_future *put = put_long(ch, 3);
	ct_int(try_long(ch), 3);
	is_put(put);
	creel_channel_unref(ch);
}

CORE_CASE(c51_after_a_close_comes_what_was_put_and_then_the_end)
{
	for (size_t capacity = 0; capacity <= 2; capacity++) {
		creel_channel *ch = channel(capacity);
		creel_future *puts[3];
		for (long i = 0; i < 3; i++)
			puts[i] = put_long(ch, i + 1);
		ct_int(creel_channel_close(ch, NULL), 0);
		ct_int(creel_channel_close(ch, NULL), -EALREADY);
		ct_assert(creel_channel_error(ch) == NULL);
		ct_int(try_put_long(ch, 9), -ESHUTDOWN);
		failed(put_long(ch, 9), CREEL_KIND_CLOSED, -ESHUTDOWN);
		for (long i = 0; i < 3; i++)
			ct_int(try_long(ch), i + 1);
		for (long i = 0; i < 3; i++)
			is_put(puts[i]);
		ct_int(try_long(ch), CREEL_EMPTY);
		failed(creel_channel_get(ch), CREEL_KIND_CLOSED, CREEL_EMPTY);
		creel_channel_unref(ch);
	}
}

CORE_CASE(c51_a_close_ends_the_gets_that_wait)
{
	creel_channel *ch = channel(1);
	creel_future *gets[3],
		*wrong = creel_future_failed(CREEL_KIND_FAILED, 7, "the source broke");
	for (int i = 0; i < 3; i++)
		gets[i] = creel_channel_get(ch);
	ct_int(creel_channel_close(ch, creel_future_error(wrong)), 0);
	creel_future_unref(wrong);
	ct_text(creel_channel_error(ch)->message, "the source broke");
	for (int i = 0; i < 3; i++) {
		ct_text(creel_future_error(gets[i])->message, "the source broke");
		failed(gets[i], CREEL_KIND_FAILED, 7);
	}
	ct_int(try_long(ch), CREEL_EFAILED);
	failed(creel_channel_get(ch), CREEL_KIND_FAILED, 7);
	creel_channel_unref(ch);
}

CORE_CASE(c51_a_cancel_frees_what_is_there_and_refuses_what_comes)
{
	struct ct_count *freed = ct_count_new();
	creel_channel *ch = channel(2);
	creel_future *puts[4];
	for (int i = 0; i < 4; i++)
		puts[i] = creel_channel_put_move(ch, counted(freed, 8));
	ct_int(creel_channel_cancel(ch), 0);
	ct_int(ct_count_get(freed), 4);
	for (int i = 0; i < 2; i++)
		is_put(puts[i]);
	for (int i = 2; i < 4; i++)
		failed(puts[i], CREEL_KIND_CLOSED, -EPIPE);
	ct_int(creel_channel_cancel(ch), -EALREADY);
	ct_int(try_put_long(ch, 1), -EPIPE);
	failed(creel_channel_put_move(ch, counted(freed, 8)), CREEL_KIND_CLOSED, -EPIPE);
	ct_int(ct_count_get(freed), 5);
	failed(creel_channel_get(ch), CREEL_KIND_CLOSED, CREEL_EMPTY);
	ct_int(try_long(ch), CREEL_EMPTY);
	/* The producer does not know it yet, and ends as it always does. */
	ct_int(creel_channel_close(ch, NULL), 0);
	creel_channel_unref(ch);
}

CORE_CASE(c51_a_cancel_ends_the_gets_that_wait)
{
	creel_channel *ch = channel(1);
	creel_future *get = creel_channel_get(ch);
	ct_int(creel_channel_cancel(ch), 0);
	failed(get, CREEL_KIND_CLOSED, CREEL_EMPTY);
	creel_channel_unref(ch);
}

CORE_CASE(c51_a_cancelled_get_takes_nothing)
{
	creel_channel *ch = channel(0);
	creel_future *gets[3];
	for (int i = 0; i < 3; i++)
		gets[i] = creel_channel_get(ch);
	ct_int(creel_future_cancel(gets[0]), CREEL_CANCEL_NOW);
	ct_int(creel_future_cancel(gets[1]), CREEL_CANCEL_NOW);
	ct_int(ct_outcome(gets[1]), -ECANCELED);
	ct_int(try_put_long(ch, 5), 0);
	ct_int(try_put_long(ch, 6), CREEL_FULL);
	ct_int(creel_future_cancel(gets[2]), CREEL_CANCEL_FINAL);
	ct_int(ct_long_drop(gets[2]), 5);
	creel_future_unref(gets[0]);
	creel_future_unref(gets[1]);
	creel_channel_unref(ch);
}

CORE_CASE(c51_a_cancelled_put_takes_its_item_back)
{
	struct ct_count *freed = ct_count_new();
	creel_channel *ch = channel(1);
	is_put(put_long(ch, 1));
	creel_future *first = creel_channel_put_move(ch, counted(freed, 8)),
		     *second = put_long(ch, 2);
	ct_int(creel_future_cancel(first), CREEL_CANCEL_NOW);
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_promise_set_result(second, NULL, 0), -EINVAL);
	ct_int(try_long(ch), 1);
	is_put(second);
	ct_int(try_long(ch), 2);
	ct_int(try_long(ch), -ETIMEDOUT);
	ct_int(ct_outcome(first), -ECANCELED);
	creel_future_unref(first);
	creel_channel_unref(ch);
}

CORE_CASE(c51_a_get_that_everybody_dropped_takes_nothing)
{
	struct ct_count *called = ct_count_new();
	creel_channel *ch = channel(1);
	creel_future_unref(creel_channel_get(ch));
	creel_future_unref(creel_channel_get(ch));
	ct_int(try_put_long(ch, 4), 0);
	ct_int(try_long(ch), 4);
	/* Somebody listens to this one: it gets the item, and is dropped with it. */
	creel_future *heard = creel_channel_get(ch);
	ct_int(creel_future_on_done(heard, NULL, done_count, called, NULL, NULL), 0);
	creel_future_unref(heard);
	ct_int(try_put_long(ch, 5), 0);
	ct_int(ct_count_get(called), 1);
	ct_int(try_long(ch), -ETIMEDOUT);
	creel_channel_unref(ch);
}

CORE_CASE(c51_a_get_that_is_dropped_unread_frees_its_item)
{
	struct ct_count *freed = ct_count_new();
	creel_channel *ch = channel(1);
	creel_future *get = creel_channel_get(ch);
	is_put(creel_channel_put_move(ch, counted(freed, 8)));
	ct_int(ct_count_get(freed), 0);
	creel_future_unref(get);
	ct_int(ct_count_get(freed), 1);
	/* A put whose future is dropped is put all the same. */
	ct_int(try_put_long(ch, 1), 0);
	creel_future_unref(put_long(ch, 2));
	ct_int(try_long(ch), 1);
	ct_int(try_long(ch), 2);
	creel_channel_unref(ch);
}

CORE_CASE(c51_the_last_reference_ends_what_waits)
{
	struct ct_count *freed = ct_count_new();
	creel_channel *ch = channel(2);
	creel_future *get = creel_channel_get(ch);
	creel_channel_unref(creel_channel_ref(ch));
	ct_int(state_of(get), CREEL_FUTURE_PENDING);
	creel_channel_unref(ch);
	failed(get, CREEL_KIND_BROKEN, CREEL_EFAILED);
	creel_future *puts[3];
	ch = channel(2);
	for (int i = 0; i < 3; i++)
		puts[i] = creel_channel_put_move(ch, counted(freed, 8));
	creel_channel_unref(ch);
	ct_int(ct_count_get(freed), 3);
	is_put(puts[0]);
	is_put(puts[1]);
	failed(puts[2], CREEL_KIND_CLOSED, -EPIPE);
}

CORE_CASE(c51_an_item_of_another_size_stays)
{
	for (size_t capacity = 0; capacity < 2; capacity++) {
		creel_channel *ch = channel(capacity);
		char small[3] = "ab", other[8] = "unharmd";
		creel_future *put = creel_channel_put(ch, small, sizeof small);
		ct_int(creel_channel_try_get(ch, other, sizeof other), -EMSGSIZE);
		ct_int(creel_channel_get_by(ch, CREEL_FOREVER, NULL, 0), -EMSGSIZE);
		ct_text(other, "unharmd");
		ct_int(creel_channel_try_get(ch, other, sizeof small), 0);
		ct_text(other, "ab");
		is_put(put);
		creel_channel_unref(ch);
	}
}

CORE_CASE(c51_a_deadline_takes_and_puts_nothing)
{
	creel_channel *ch = channel(1);
	long value = 77;
	ct_int(creel_channel_get_by(ch, creel_in_ms(1), &value, sizeof value), -ETIMEDOUT);
	ct_int(value, 77);
	creel_buffer b = {.size = 77};
	ct_int(creel_channel_take_by(ch, creel_in_ms(1), &b), -ETIMEDOUT);
	ct_int(b.size, 77);
	ct_int(try_put_long(ch, 1), 0);
	ct_int(creel_channel_put_by(ch, &value, sizeof value, creel_in_ms(1)), CREEL_FULL);
	ct_int(creel_channel_put_move_by(ch, (creel_buffer){&value, sizeof value, NULL, NULL},
					 creel_in_ms(1)),
	       CREEL_FULL);
	ct_int(try_long(ch), 1);
	ct_int(try_long(ch), -ETIMEDOUT);
	creel_channel_unref(ch);
}

struct relay {
	creel_channel *from, *to;
	int left;
};

/* Moves on what has come, and waits for more: within the callback of a get. */
static void relay_one(creel_future *f, void *arg)
{
	struct relay *r = arg;
	long value;
	ct_int(creel_future_result(f, CREEL_NOW, &value, sizeof value), 0);
	ct_int(creel_channel_get_by(r->from, CREEL_FOREVER, &value, sizeof value), -EDEADLK);
	ct_int(creel_channel_try_put(r->to, &value, sizeof value), 0);
	ct_int(creel_channel_put_by(r->to, &value, sizeof value, CREEL_FOREVER), -EDEADLK);
	if (--r->left == 0)
		return;
	creel_future *get = creel_channel_get(r->from);
	ct_int(creel_future_on_done(get, NULL, relay_one, r, NULL, NULL), 0);
	creel_future_unref(get);
}

CORE_CASE(c51_callbacks_may_use_the_channel_and_do_not_block)
{
	struct relay r = {channel(0), channel(1), 3};
	creel_future *get = creel_channel_get(r.from);
	ct_int(creel_future_on_done(get, NULL, relay_one, &r, NULL, NULL), 0);
	creel_future_unref(get);
	for (long i = 1; i <= 3; i++) {
		ct_int(try_put_long(r.from, i), 0);
		ct_int(try_long(r.to), i);
	}
	ct_int(try_put_long(r.from, 9), CREEL_FULL);
	creel_channel_unref(r.from);
	creel_channel_unref(r.to);
}

static void unref_channel(creel_future *f, void *ch)
{
	(void)f;
	creel_channel_unref(ch);
}

/* Whatever ends the get, its callback drops the last reference to the channel. */
CORE_CASE(c51_a_callback_may_drop_the_channel)
{
	for (int how = 0; how < 3; how++) {
		creel_channel *ch = channel(0);
		creel_future *gets[2] = {creel_channel_get(ch), creel_channel_get(ch)};
		ct_int(creel_future_on_done(gets[0], NULL, unref_channel, ch, NULL, NULL), 0);
		if (how == 0)
			ct_int(try_put_long(ch, 3), 0);
		else if (how == 1)
			ct_int(creel_channel_close(ch, NULL), 0);
		else
			ct_int(creel_channel_cancel(ch), 0);
		ct_assert(state_of(gets[0]) == CREEL_FUTURE_FINISHED);
		failed(gets[1], how ? CREEL_KIND_CLOSED : CREEL_KIND_BROKEN,
		       how ? CREEL_EMPTY : CREEL_EFAILED);
		creel_future_unref(gets[0]);
	}
}

static void drop_next(void *data, size_t size, void *ctx)
{
	(void)size;
	free(data);
	creel_channel_unref(ctx);
}

/* Each channel has one item, whose destructor drops the next channel: constant stack. */
CORE_CASE(c51_destructors_of_items_do_not_nest)
{
	creel_channel *next = NULL;
	for (unsigned i = 0; i < ct_scaled(20000); i++) {
		creel_channel *ch = channel(1);
		creel_buffer b = {malloc(8), 8, drop_next, next};
		ct_int(creel_channel_try_put_move(ch, b), 0);
		next = ch;
	}
	creel_channel_unref(next);
}

struct nested_put {
	creel_channel *broken;
	struct ct_count *freed;
	int depth, deepest;
};

static void put_again(void *data, size_t size, void *ctx)
{
	struct nested_put *n = ctx;
	(void)size;
	if (++n->depth > n->deepest)
		n->deepest = n->depth;
	if (data)
		failed(creel_channel_put_move(n->broken, (creel_buffer){NULL, 0, put_again, n}),
		       CREEL_KIND_REJECTED, -EINVAL);
	n->depth--;
	ct_count_add(n->freed, 1);
}

CORE_CASE(c51_destructors_of_refused_buffers_do_not_nest)
{
	char data;
	struct nested_put n = {creel_channel_new(&(creel_channel_options){.reserved32 = 1}),
			       ct_count_new(), 0, 0};
	failed(creel_channel_put_move(n.broken, (creel_buffer){&data, 1, put_again, &n}),
	       CREEL_KIND_REJECTED, -EINVAL);
	ct_int(ct_count_get(n.freed), 2);
	ct_int(n.deepest, 1);
	creel_channel_unref(n.broken);
}

/* Gets n times and drops the get before, or at once. Returns how often it took memory. */
static unsigned drop_gets(creel_channel *ch, int n, bool at_once)
{
	creel_future *kept = NULL;
	ct_fault_arm(CT_FAULT_MEMORY, UINT_MAX, false);
	for (int i = 0; i < n; i++) {
		creel_future *next = creel_channel_get(ch);
		creel_future_unref(at_once ? next : kept);
		kept = next;
	}
	unsigned calls = ct_fault_calls();
	ct_fault_off();
	if (!at_once)
		creel_future_unref(kept);
	return calls;
}

CORE_CASE_WITH(c51_gets_that_everybody_dropped_do_not_pile_up, CT_KEEPS_BLOCKS)
{
	enum { N = 10000, FEW = 100 };
	creel_channel *ch = channel(1);
	ct_assert(drop_gets(ch, N, false) < FEW);
	creel_future *first = creel_channel_get(ch);
	ct_assert(drop_gets(ch, N, true) < FEW);
	creel_future *last = creel_channel_get(ch);
	/* The order of those that somebody holds is as ever. */
	ct_int(try_put_long(ch, 1), 0);
	ct_int(try_put_long(ch, 2), 0);
	ct_int(ct_long_drop(first), 1);
	ct_int(ct_long_drop(last), 2);
	ct_int(try_long(ch), -ETIMEDOUT);
	creel_channel_unref(ch);
}

CORE_CASE(c51_gets_of_several_channels_in_a_queue_are_a_select)
{
	enum { CHANNELS = 3, ITEMS = 4 };
	creel_channel *ch[CHANNELS];
	creel_queue *q = creel_queue_new(NULL);
	long sums[CHANNELS] = {0};
	int open = CHANNELS;
	for (intptr_t i = 0; i < CHANNELS; i++) {
		ch[i] = channel(1);
		creel_future *get = creel_channel_get(ch[i]);
		ct_int(creel_queue_add(q, get, (void *)i), 0);
		creel_future_unref(get);
	}
	for (long n = 0; n < ITEMS; n++)
		for (int i = 0; i < CHANNELS; i++)
			creel_future_unref(put_long(ch[i], n * 10 + i));
	for (int i = 0; i < CHANNELS; i++)
		ct_int(creel_channel_close(ch[i], NULL), 0);
	while (open) {
		creel_future *get;
		void *tag;
		long value;
		ct_int(creel_queue_take(q, CREEL_NOW, &get, &tag), 0);
		int i = (int)(intptr_t)tag, rc;
		rc = creel_future_result(get, CREEL_NOW, &value, sizeof value);
		if (rc) {
			ct_int(creel_future_error(get)->kind, CREEL_KIND_CLOSED);
			open--;
		} else {
			ct_int(value % 10, i);
			sums[i] += value;
			creel_future *again = creel_channel_get(ch[i]);
			ct_int(creel_queue_add(q, again, tag), 0);
			creel_future_unref(again);
		}
		creel_future_unref(get);
	}
	for (int i = 0; i < CHANNELS; i++) {
		ct_int(sums[i], 60 + 4 * i);
		creel_channel_unref(ch[i]);
	}
	creel_queue_unref(q);
}

CORE_CASE(bad_channels_of_impossible_size_are_broken)
{
	long value = 1;
	creel_channel *ch = creel_channel_new(&(creel_channel_options){.capacity = SIZE_MAX});
	ct_has(creel_channel_error(ch)->message, "more items than fit in memory; was a negative "
						 "number passed?");
	ct_int(creel_channel_error(ch)->code, -EINVAL);
	ct_int(try_put_long(ch, 1), -EINVAL);
	ct_int(try_long(ch), -EINVAL);
	ct_int(creel_channel_close(ch, NULL), -EINVAL);
	ct_int(creel_channel_cancel(ch), -EINVAL);
	creel_future *put = put_long(ch, 1);
	ct_has(creel_future_error(put)->message, "creel_channel_put: the channel is broken: "
						 "creel_channel_new: capacity is ");
	failed(put, CREEL_KIND_REJECTED, -EINVAL);
	failed(creel_channel_get(ch), CREEL_KIND_REJECTED, -EINVAL);
	creel_channel_unref(ch);
	ch = creel_channel_new(&(creel_channel_options){.reserved = {0, 3}});
	ct_has(creel_channel_error(ch)->message, "creel_channel_new: reserved");
	ct_int(creel_channel_try_put(ch, &value, sizeof value), -EINVAL);
	creel_channel_unref(ch);
	ch = creel_channel_new(&(creel_channel_options){.reserved32 = 5});
	ct_has(creel_channel_error(ch)->message, "reserved32 of the options is 5");
	creel_channel_unref(ch);
}

CORE_CASE(bad_arguments_of_channels_are_refused)
{
	struct ct_count *freed = ct_count_new();
	creel_channel *ch = channel(1);
	long value = 1;
	creel_buffer b = {.size = 3};
	ct_int(creel_channel_try_put(NULL, &value, sizeof value), -EINVAL);
	ct_int(creel_channel_try_put(ch, NULL, 3), -EINVAL);
	ct_int(creel_channel_try_put(ch, &value, SIZE_MAX), -EINVAL);
	ct_int(creel_channel_put_by(NULL, &value, sizeof value, CREEL_FOREVER), -EINVAL);
	ct_int(creel_channel_put_move_by(ch, b, CREEL_FOREVER), -EINVAL);
	ct_int(creel_channel_try_put_move(NULL, b), -EINVAL);
	ct_int(creel_channel_try_get(ch, NULL, 4), -EINVAL);
	ct_int(creel_channel_get_by(NULL, CREEL_FOREVER, &value, sizeof value), -EINVAL);
	ct_int(creel_channel_take_by(ch, CREEL_FOREVER, NULL), -EINVAL);
	ct_int(creel_channel_take_by(NULL, CREEL_FOREVER, &b), -EINVAL);
	ct_int(creel_channel_close(NULL, NULL), -EINVAL);
	ct_int(creel_channel_cancel(NULL), -EINVAL);
	ct_assert(creel_channel_error(NULL) == NULL && creel_channel_ref(NULL) == NULL);
	creel_channel_unref(NULL);
	failed(creel_channel_get(NULL), CREEL_KIND_REJECTED, -EINVAL);
	creel_future *f = creel_channel_put(ch, NULL, 3);
	ct_text(creel_future_error(f)->message,
		"creel_channel_put: data is NULL but its size is 3");
	failed(f, CREEL_KIND_REJECTED, -EINVAL);
	failed(creel_channel_put(ch, &value, SIZE_MAX), CREEL_KIND_REJECTED, -EINVAL);
	failed(creel_channel_put_move(NULL, counted(freed, 8)), CREEL_KIND_REJECTED, -EINVAL);
	ct_int(ct_count_get(freed), 1);
	creel_channel_unref(ch);
}

/* Whichever allocation fails: the call says so, nothing is lost, nothing is put. */
CORE_CASE(c51_without_memory_nothing_is_lost)
{
	char large[100] = "large", ret[100];
	for (size_t capacity = 0; capacity < 2; capacity++)
		for (unsigned n = 1; n <= 4; n++) {
			creel_channel *ch = channel(capacity);
			ct_fault_arm(CT_FAULT_MEMORY, n, true);
			creel_future *put = creel_channel_put(ch, large, sizeof large);
			creel_buffer b = {.size = 77};
			int took = creel_channel_take_by(ch, CREEL_NOW, &b);
			ct_fault_off();
			ct_assert(took == 0 || took == -ENOMEM || took == -ETIMEDOUT);
			if (took == 0 && b.free)
				b.free(b.data, b.size, b.ctx);
			bool refused = creel_future_error(put) != NULL;
			if (refused)
				ct_int(creel_future_error(put)->kind, CREEL_KIND_NO_MEMORY);
			int there = creel_channel_try_get(ch, ret, sizeof ret);
			/* It is in one place. */
			ct_int((took == 0) + (there == 0) + refused, 1);
			creel_future_unref(put);
			creel_channel_unref(ch);
		}
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	creel_channel *none = creel_channel_new(NULL);
	ct_int(creel_channel_try_put(none, large, 1), -ENOMEM);
	ct_int(creel_channel_error(none)->kind, CREEL_KIND_NO_MEMORY);
	creel_channel_unref(creel_channel_ref(none));
	ct_fault_off();
}
