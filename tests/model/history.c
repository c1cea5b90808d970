/* SPDX-License-Identifier: MIT */
/*
 * Old values: what a load may return on a machine that does not keep all stores in one order.
 *
 * ALGORITHM  For each atomic object the last few values are kept, with the clock that acquiring
 *            each brings. A load may return any of them that is not older than one which the thread
 *            must know: because it happens before, was read by something that happens before, or
 *            was stored or read by the thread itself (coherence, C11 5.1.2.4). A sequentially
 *            consistent load returns none that is older than the last such store: their one order
 *            is that of the schedule. How often a schedule may take an old value is a budget of
 *            the scenario, as spurious wake-ups are; 0 costs nothing. Read-modify-writes always
 *            see the newest.
 * NOT SEEN   A failing compare-and-swap returns the newest value; parking compares the newest; no
 *            load takes its value from a store that comes later in the schedule (load buffering).
 */
#include "engine.h"
#include "order.h"
#include <string.h>
#include <sys/mman.h>

enum { KEPT = 4 };

struct history {
	uint64_t schedule; /* of which this is the history */
	int count;         /* values that were stored; the last KEPT are there */
	struct {
		uint64_t value;
		bool in_one_order; /* stored sequentially consistent */
		struct model_clock released;
		/* Each thread's clock when it first knew of this value or a later one; 0:
		 * it does not. */
		uint32_t known[MODEL_THREADS];
	} kept[KEPT];
};

static struct history *histories;
static uint64_t schedule;
static int stale_left;

void model_history_reset(void)
{
	schedule++;
	stale_left = model_scenario->stale;
	if (!histories && stale_left) {
		size_t size = model_order_places() / 4 * sizeof *histories;
		histories = mmap(NULL, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (histories == MAP_FAILED)
			model_fail("harness", "no memory for the histories");
	}
}

/* NULL: none is kept. */
static struct history *history_of(const volatile void *p)
{
	size_t place = model_scenario->stale ? model_order_place(p) : SIZE_MAX;
	return place == SIZE_MAX ? NULL : &histories[place / 4];
}

static void know(struct history *h, int upto)
{
	uint32_t now = model_clocks[model_current].of[model_current];
	for (int i = h->count > KEPT ? h->count - KEPT : 0; i <= upto; i++)
		if (!h->kept[i % KEPT].known[model_current])
			h->kept[i % KEPT].known[model_current] = now;
}

static void append(struct history *h, uint64_t value, bool in_one_order,
		   const struct model_clock *released)
{
	int i = h->count++;
	memset(&h->kept[i % KEPT], 0, sizeof h->kept[0]);
	h->kept[i % KEPT].value = value;
	h->kept[i % KEPT].in_one_order = in_one_order;
	h->kept[i % KEPT].released = *released;
}

/* The value that is there at the first atomic operation was made by what happened before. */
static void begin(struct history *h, uint64_t value)
{
	static const struct model_clock nothing;
	if (h->schedule == schedule && h->count)
		return;
	h->schedule = schedule;
	h->count = 0;
	append(h, value, false, &nothing);
}

void model_history_before_store(const volatile void *p, uint64_t old)
{
	struct history *h = history_of(p);
	if (h)
		begin(h, old);
}

void model_history_stored(const volatile void *p, uint64_t value, bool in_one_order,
			  const struct model_clock *released)
{
	struct history *h = history_of(p);
	if (!h)
		return;
	append(h, value, in_one_order, released);
	know(h, h->count - 1);
}

void model_history_seen(const volatile void *p)
{
	struct history *h = history_of(p);
	if (h)
		know(h, h->count - 1);
}

/* Plain memory again, such as a stack that is used anew. */
void model_history_forget(const volatile void *p, size_t size)
{
	for (size_t i = 0; model_scenario->stale && i < size; i += 4) {
		struct history *h = history_of((const volatile char *)p + i);
		if (h)
			h->count = 0;
	}
}

/* Whether the thread must know value i, or a later one. */
static bool is_known(const struct history *h, int i)
{
	const struct model_clock *mine = &model_clocks[model_current];
	for (int t = 0; t < model_thread_count; t++)
		if (h->kept[i % KEPT].known[t] && h->kept[i % KEPT].known[t] <= mine->of[t])
			return true;
	return false;
}

const struct model_clock *model_history_load(const volatile void *p, uint64_t newest,
					     bool in_one_order, uint64_t *ret_value)
{
	struct history *h = history_of(p);
	*ret_value = newest;
	if (!h)
		return NULL;
	begin(h, newest);
	int last = h->count - 1, oldest = h->count > KEPT ? h->count - KEPT : 0;
	int choices[KEPT], n = 0;
	for (int i = last; i >= oldest; i--) {
		/* An old value that is the same as the newest makes no difference
		 * worth a schedule. */
		if (i == last || h->kept[i % KEPT].value != newest)
			choices[n++] = i;
		if (is_known(h, i) || (in_one_order && h->kept[i % KEPT].in_one_order))
			break;
	}
	int chosen = choices[stale_left > 0 ? model_choose((unsigned)n) : 0];
	know(h, chosen);
	if (chosen == last)
		return NULL;
	stale_left--;
	*ret_value = h->kept[chosen % KEPT].value;
	return &h->kept[chosen % KEPT].released;
}
