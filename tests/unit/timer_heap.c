/* SPDX-License-Identifier: MIT */
/* The heap of timers, against a sorted array. */
#include "time/heap.h"
#include "ct.h"
#include <stdlib.h>

enum { N = 3000 };

static struct creel__heap heap;
static struct creel__timer timers[N];
static int64_t dues[N];
static uint64_t orders;
static uint32_t seed = 1;

static uint32_t next_random(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static void set(unsigned i, int64_t due)
{
	size_t size = creel__heap_wants(&heap);
	if (size) {
		void *segment = aligned_alloc(64, size);
		ct_assert(segment && size != SIZE_MAX);
		creel__heap_extend(&heap, segment);
	}
	timers[i].order = orders++;
	dues[i] = due;
	creel__heap_insert(&heap, due, &timers[i]);
	ct_assert(timers[i].place != 0);
}

static void drop(unsigned i)
{
	creel__heap_remove(&heap, &timers[i]);
	ct_int(timers[i].place, 0);
	free(creel__heap_surplus(&heap));
}

static int earliest(void)
{
	int best = -1;
	for (int i = 0; i < N; i++)
		if (timers[i].place &&
		    (best < 0 || dues[i] < dues[best] ||
		     (dues[i] == dues[best] && timers[i].order < timers[best].order)))
			best = i;
	return best;
}

static unsigned segments(void)
{
	unsigned n = 0;
	for (unsigned k = 0; k < CREEL__HEAP_SEGMENTS; k++)
		n += heap.segments[k] != NULL;
	return n;
}

CT_TEST(timer_heap, gives_back_in_order_of_time_then_of_setting, 0)
{
	for (unsigned i = 0; i < N; i++)
		set(i, next_random() % 50);
	for (unsigned i = 0; i < N; i++) {
		const struct creel__heap_entry *first = creel__heap_first(&heap);
		int best = earliest();
		ct_assert(first && first->timer == &timers[best] && first->due == dues[best]);
		drop((unsigned)best);
	}
	ct_assert(creel__heap_first(&heap) == NULL);
	creel__heap_fini(&heap);
}

CT_TEST(timer_heap, removes_from_anywhere, 0)
{
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = next_random() % N;
		if (timers[i].place)
			drop(i);
		else
			set(i, next_random() % 1000);
		if (round % 16)
			continue;
		const struct creel__heap_entry *first = creel__heap_first(&heap);
		int best = earliest();
		ct_assert(first ? first->timer == &timers[best] : best < 0);
	}
	for (unsigned i = 0; i < N; i++)
		if (timers[i].place)
			drop(i);
	creel__heap_fini(&heap);
}

/* As many segments as the entries need, and at most one more. */
CT_TEST(timer_heap, gives_memory_back_as_it_shrinks, 0)
{
	ct_int(segments(), 0);
	for (unsigned i = 0; i < N; i++)
		set(i, i);
	unsigned most = segments();
	ct_assert(most > 3);
	for (unsigned i = N; i-- > 0;) {
		drop(i);
		unsigned needed = 1;
		while (((size_t)CREEL__HEAP_FIRST << (needed - 1)) < i + 3)
			needed++;
		ct_assert(segments() >= needed && segments() <= needed + 1);
	}
	ct_int(segments(), 1);
	creel__heap_fini(&heap);
	ct_int(segments(), 0);
}

/* Setting and taking one at a boundary does not allocate each time. */
CT_TEST(timer_heap, keeps_a_segment_at_its_boundary, 0)
{
	unsigned n = CREEL__HEAP_FIRST - 3;
	for (unsigned i = 0; i <= n; i++)
		set(i, i);
	void *second = heap.segments[1];
	ct_assert(second != NULL);
	for (int i = 0; i < 10; i++) {
		drop(n);
		ct_assert(heap.segments[1] == second);
		set(n, n);
	}
	while (heap.count)
		drop((unsigned)(creel__heap_first(&heap)->timer - timers));
	creel__heap_fini(&heap);
}
