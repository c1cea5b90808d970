/* SPDX-License-Identifier: MIT */
/* The index of callbacks: it finds what is in it, and nothing else, in few steps. */
#include "future/index.h"
#include "ct.h"

#include "future/block.h"
#include <creel/creel.h>
#include <stdlib.h>

enum {
	MANY = 200 * 1000,
	FEW = 500,
	DEEP = 120, /* a random tree of MANY is about 45 deep, and this with one in 10^20 */
};

static struct creel__index nodes[MANY];
static bool is_in[MANY];

static uint64_t name_of(int i)
{
	return (uint64_t)i * 3 + 1;
}

/* The first n nodes, one after the other. Returns the last. */
static struct creel__index *fill(int n)
{
	for (int i = 0; i < n; i++) {
		nodes[i].name = name_of(i);
		creel__index_append(i ? &nodes[i - 1] : NULL, &nodes[i]);
		is_in[i] = true;
	}
	return &nodes[n - 1];
}

static void take_out(int i)
{
	creel__index_remove(&nodes[i]);
	is_in[i] = false;
}

static struct creel__index *last_of(int n)
{
	while (n > 0 && !is_in[n - 1])
		n--;
	return n ? &nodes[n - 1] : NULL;
}

static int depth_of(const struct creel__index *node)
{
	int depth = 0;
	for (; node; node = node->up)
		depth++;
	return depth;
}

static void none_is_deep(void)
{
	for (int i = 0; i < MANY; i++)
		if (is_in[i] && depth_of(&nodes[i]) > DEEP)
			ct_fail(__FILE__, __LINE__, "node %d is %d deep", i, depth_of(&nodes[i]));
}

/* All names around those of the first n nodes. */
static void finds_what_is_in(int n)
{
	struct creel__index *last = last_of(n);
	for (int i = 0; i < n; i++) {
		ct_assert(creel__index_find(last, name_of(i)) == (is_in[i] ? &nodes[i] : NULL));
		ct_assert(creel__index_find(last, name_of(i) - 1) == NULL);
		ct_assert(creel__index_find(last, name_of(i) + 1) == NULL);
	}
}

CT_TEST(index, of_nothing_has_nothing, 0)
{
	ct_assert(creel__index_find(NULL, 1) == NULL);
	struct creel__index *last = fill(1);
	finds_what_is_in(1);
	creel__index_remove(last);
}

CT_TEST(index, finds_what_is_in_while_it_shrinks, 0)
{
	unsigned seed = 11;
	fill(FEW);
	finds_what_is_in(FEW);
	for (int left = FEW; left; left--) {
		seed = seed * 1103515245 + 12345;
		int i = (int)(seed >> 8) % FEW;
		while (!is_in[i])
			i = (i + 1) % FEW;
		take_out(i);
		finds_what_is_in(FEW);
	}
}

CT_TEST(index, finds_what_is_in_while_it_grows_and_shrinks, 0)
{
	unsigned seed = 7;
	int n = 0;
	for (; n < FEW; n++) {
		struct creel__index *last = last_of(n);
		nodes[n].name = name_of(n);
		creel__index_append(last, &nodes[n]);
		is_in[n] = true;
		seed = seed * 1103515245 + 12345;
		int i = (int)(seed >> 8) % (n + 1);
		if (seed >> 30 && is_in[i])
			take_out(i);
		finds_what_is_in(n + 1);
	}
}

CT_TEST(index, is_never_deep, 0)
{
	fill(MANY);
	none_is_deep();
	for (int i = 0; i < MANY; i++)
		if (i % 1024)
			take_out(i);
	none_is_deep();
	finds_what_is_in(MANY);
	fill(MANY);
	for (int i = 0; i < MANY / 2; i++)
		take_out(MANY / 4 + i);
	none_is_deep();
}

static void count(creel_future *f, void *arg)
{
	(void)f;
	++*(int *)arg;
}

/* A name is never used again, even when the counter in the block comes round. */
CT_TEST(index, names_of_callbacks_do_not_come_again, 0)
{
	creel_future *promise = creel_promise_new();
	int called = 0;
	uint64_t early, late[4];
	ct_int(creel_future_on_done(promise, NULL, count, &called, NULL, &early), 0);
	promise->hook_ids = UINT32_MAX - 2;
	for (int i = 0; i < 4; i++)
		ct_int(creel_future_on_done(promise, NULL, count, &called, NULL, &late[i]), 0);
	/* The last one has the counter's value that the first one had. */
	ct_assert((uint32_t)early == (uint32_t)late[3]);
	ct_int(creel_future_remove(promise, early), CREEL_CALLBACK_REMOVED);
	ct_int(creel_future_remove(promise, early), CREEL_CALLBACK_DONE);
	for (int i = 3; i >= 0; i--) {
		ct_assert(late[i] != 0);
		ct_int(creel_future_remove(promise, late[i]), CREEL_CALLBACK_REMOVED);
		ct_int(creel_future_remove(promise, late[i]), CREEL_CALLBACK_DONE);
	}
	creel_future_unref(promise);
	ct_int(called, 0);
}

/* The newest first, which are the last that a walk from the oldest would find: of so many it would
 * not come to its end within the guard. */
CT_TEST(index, c05_half_a_million_callbacks_are_removed, 0)
{
	enum { LOTS = 500 * 1000 };
	creel_future *promise = creel_promise_new();
	uint64_t *ids = calloc(LOTS, sizeof *ids);
	ct_assert(ids != NULL);
	int called = 0;
	for (int i = 0; i < LOTS; i++)
		ct_int(creel_future_on_done(promise, NULL, count, &called, NULL, &ids[i]), 0);
	for (int i = LOTS - 1; i > 0; i--)
		if (creel_future_remove(promise, ids[i]) != CREEL_CALLBACK_REMOVED)
			ct_fail(__FILE__, __LINE__, "callback %d was not there", i);
	creel_future_unref(promise);
	ct_int(called, 1);
	free(ids);
}
