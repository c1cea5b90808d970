/* SPDX-License-Identifier: MIT */
/* The heap of timers; see time/heap.h. */
#include "time/heap.h"
#include "base/alloc.h"

enum {
	ROOT = 3,
	CHILDREN = 4,
};

static unsigned segment_of(uint32_t place)
{
	unsigned k = 0;
#if defined(__GNUC__)
	if (place >= CREEL__HEAP_FIRST)
		k = 32 - (unsigned)__builtin_clz(place / CREEL__HEAP_FIRST);
#else
	for (uint32_t rest = place / CREEL__HEAP_FIRST; rest; rest /= 2)
		k++;
#endif
	return k;
}

/* Its first place, which is also how many entries it has; but for the first one, which has the
 * places from 0. */
static uint32_t segment_size(unsigned k)
{
	return k ? (uint32_t)CREEL__HEAP_FIRST << (k - 1) : CREEL__HEAP_FIRST;
}

static struct creel__heap_entry *at(const struct creel__heap *heap, uint32_t place)
{
	unsigned k = segment_of(place);
	return &heap->segments[k][k ? place - segment_size(k) : place];
}

static uint32_t last_place(const struct creel__heap *heap)
{
	return heap->count + ROOT - 1;
}

static uint32_t parent_of(uint32_t place)
{
	return place / CHILDREN + 2;
}

static bool is_before(const struct creel__heap_entry *a, const struct creel__heap_entry *b)
{
	if (a->due != b->due)
		return a->due < b->due;
	return a->timer->order < b->timer->order;
}

static void put(struct creel__heap *heap, uint32_t place, struct creel__heap_entry entry)
{
	*at(heap, place) = entry;
	entry.timer->place = place;
}

/* The place is empty, and entry belongs there or above. */
static void sift_up(struct creel__heap *heap, uint32_t place, struct creel__heap_entry entry)
{
	while (place > ROOT) {
		const struct creel__heap_entry *parent = at(heap, parent_of(place));
		if (!is_before(&entry, parent))
			break;
		put(heap, place, *parent);
		place = parent_of(place);
	}
	put(heap, place, entry);
}

/* The earliest of the children of place, or 0 if it has none. */
static uint32_t earliest_child(const struct creel__heap *heap, uint32_t place)
{
	uint32_t first = CHILDREN * (place - 2), last = last_place(heap);
	if (first > last)
		return 0;
	uint32_t n = last - first + 1 < CHILDREN ? last - first + 1 : CHILDREN, best = 0;
	const struct creel__heap_entry *siblings = at(heap, first);
	for (uint32_t i = 1; i < n; i++)
		if (is_before(&siblings[i], &siblings[best]))
			best = i;
	return first + best;
}

/* The place is empty, and entry belongs there or below. */
static void sift_down(struct creel__heap *heap, uint32_t place, struct creel__heap_entry entry)
{
	uint32_t child;
	while ((child = earliest_child(heap, place))) {
		const struct creel__heap_entry *next = at(heap, child);
		if (!is_before(next, &entry))
			break;
		put(heap, place, *next);
		place = child;
	}
	put(heap, place, entry);
}

size_t creel__heap_wants(const struct creel__heap *heap)
{
	unsigned k = segment_of(last_place(heap) + 1);
	if (k >= CREEL__HEAP_SEGMENTS)
		return SIZE_MAX;
	return heap->segments[k] ? 0 : segment_size(k) * sizeof(struct creel__heap_entry);
}

void creel__heap_extend(struct creel__heap *heap, void *segment)
{
	heap->segments[segment_of(last_place(heap) + 1)] = segment;
}

void creel__heap_insert(struct creel__heap *heap, int64_t due, struct creel__timer *timer)
{
	heap->count++;
	sift_up(heap, last_place(heap), (struct creel__heap_entry){due, timer});
}

const struct creel__heap_entry *creel__heap_first(const struct creel__heap *heap)
{
	return heap->count ? at(heap, ROOT) : NULL;
}

/* The last entry fills the gap. It may come from another branch, and belong above it. */
void creel__heap_remove(struct creel__heap *heap, struct creel__timer *timer)
{
	uint32_t place = timer->place;
	struct creel__heap_entry last = *at(heap, last_place(heap));
	heap->count--;
	timer->place = 0;
	if (last.timer == timer)
		return;
	if (place > ROOT && is_before(&last, at(heap, parent_of(place))))
		sift_up(heap, place, last);
	else
		sift_down(heap, place, last);
}

/* Only the segment behind the one in use can be there: it goes before the use comes to an earlier
 * one. */
void *creel__heap_surplus(struct creel__heap *heap)
{
	uint32_t last = last_place(heap);
	unsigned k = segment_of(last);
	uint32_t used = k ? last - segment_size(k) : last;
	if (used >= segment_size(k) / 2 || k + 1 >= CREEL__HEAP_SEGMENTS)
		return NULL;
	void *segment = heap->segments[k + 1];
	heap->segments[k + 1] = NULL;
	return segment;
}

void creel__heap_fini(struct creel__heap *heap)
{
	for (unsigned k = 0; k < CREEL__HEAP_SEGMENTS; k++)
		creel__free(heap->segments[k]);
	*heap = (struct creel__heap){0};
}
