/* SPDX-License-Identifier: MIT */
/*
 * Maps: a completion queue, ordered or not, that is kept filled from an array or a source while results
 * are taken from it. Everything happens on the thread that calls creel_map_next().
 */
#include "base/alloc.h"
#include "base/cpus.h"
#include "core/executor.h"
#include "core/future.h"
#include "core/queue.h"
#include <creel/future.h>
#include <creel/map.h>
#include <errno.h>
#include <string.h>

enum {
	ITEM_DEFAULT = 4096,
	IN_FLIGHT_PER_CPU = 4,
	IN_FLIGHT_LEAST = 16,
};

struct creel_mapping {
	int end; /* what next says once nothing is in flight: 0 while there may be more items */
	bool is_static, keep_going;
	creel_executor *ex;
	creel_fn fn;
	const creel_submit_options *submit;
	creel_queue *queue;
	size_t limit, in_flight, index; /* of the next item */
	creel_source_fn source;         /* NULL: the array */
	void *ctx;
	const unsigned char *base;
	size_t stride, n;
	size_t max_item;
	unsigned char *item; /* where the source writes */
};

static creel_mapping no_memory = {.end = -ENOMEM, .is_static = true};

static bool bad_options(const creel_map_options *o)
{
	unsigned known = CREEL_ORDERED | CREEL_AS_COMPLETED | CREEL_KEEP_GOING;
	unsigned both = CREEL_ORDERED | CREEL_AS_COMPLETED;
	return o->flags & ~known || (o->flags & both) == both ||
	       creel__reserved(o->reserved, sizeof o->reserved / sizeof o->reserved[0]);
}

static size_t default_limit(void)
{
	size_t limit = (size_t)creel__cpus(NULL) * IN_FLIGHT_PER_CPU;
	return limit < IN_FLIGHT_LEAST ? IN_FLIGHT_LEAST : limit;
}

static creel_mapping *map_new(creel_executor *ex, creel_fn fn, const creel_map_options *options)
{
	static const creel_map_options defaults;
	const creel_map_options *o = options ? options : &defaults;
	creel_mapping *map = creel__zalloc(sizeof *map);
	if (!map)
		return &no_memory;
	if (!ex || !fn || bad_options(o)) {
		map->end = -EINVAL;
		return map;
	}
	bool as_completed = o->flags & CREEL_AS_COMPLETED;
	map->queue = creel_queue_new(
		&(creel_queue_options){.flags = as_completed ? 0 : CREEL_ORDERED});
	map->ex = creel_executor_ref(ex);
	map->fn = fn;
	map->submit = o->submit;
	map->keep_going = o->flags & CREEL_KEEP_GOING;
	map->limit = o->in_flight ? o->in_flight : default_limit();
	map->max_item = o->max_item ? o->max_item : ITEM_DEFAULT;
	return map;
}

creel_mapping *creel_map(creel_executor *ex, creel_fn fn, const void *base, size_t stride, size_t n,
			 const creel_map_options *options)
{
	creel_mapping *map = map_new(ex, fn, options);
	if (map->end)
		return map;
	if ((n && !base) || (stride && n > CREEL__SIZE_MAX / stride) || (n && !stride)) {
		map->end = -EINVAL;
		return map;
	}
	map->base = base;
	map->stride = stride;
	map->n = n;
	return map;
}

creel_mapping *creel_map_from(creel_executor *ex, creel_fn fn, creel_source_fn source, void *ctx,
			      const creel_map_options *options)
{
	creel_mapping *map = map_new(ex, fn, options);
	if (map->end)
		return map;
	map->source = source;
	map->ctx = ctx;
	if (!source || map->max_item > CREEL__SIZE_MAX)
		map->end = -EINVAL;
	else if (!(map->item = creel__malloc(map->max_item)))
		map->end = -ENOMEM;
	return map;
}

/* The next item; false if there is none: map->end says why. */
static bool pull(creel_mapping *map, const void **ret_item, size_t *ret_size)
{
	if (!map->source) {
		if (map->index == map->n) {
			map->end = CREEL_EMPTY;
			return false;
		}
		*ret_item = map->base + map->index * map->stride;
		*ret_size = map->stride;
		return true;
	}
	size_t size = map->max_item;
	int rc = map->source(map->ctx, map->item, &size);
	if (rc > 0 && size > map->max_item)
		rc = -EMSGSIZE;
	if (rc <= 0) {
		map->end = rc ? rc : CREEL_EMPTY;
		return false;
	}
	*ret_item = map->item;
	*ret_size = size;
	return true;
}

static void fill(creel_mapping *map)
{
	const void *item;
	size_t size;
	while (!map->end && map->in_flight < map->limit && pull(map, &item, &size)) {
		creel_future *f = creel_submit_with(map->ex, map->fn, size ? item : NULL, size,
						    map->submit);
		int rc = creel_queue_add(map->queue, f, (void *)(uintptr_t)map->index);
		if (rc) {
			creel_future_cancel(f);
			map->end = rc;
		} else {
			map->index++;
			map->in_flight++;
		}
		creel_future_unref(f);
	}
}

static void end_early(creel_mapping *map)
{
	map->end = CREEL_EMPTY;
	creel__queue_cancel(map->queue);
	(void)creel_queue_reset(map->queue);
	map->in_flight = 0;
}

/* The code that ended it, once; then that it has ended. */
static int say_end(creel_mapping *map)
{
	int rc = map->end;
	if (!map->is_static)
		map->end = CREEL_EMPTY;
	return rc;
}

int creel_map_next(creel_mapping *map, creel_deadline deadline, creel_future **ret_future,
		   size_t *ret_index)
{
	if (!map || !ret_future)
		return -EINVAL;
	fill(map);
	if (map->in_flight == 0)
		return say_end(map);
	creel_future *f;
	void *tag;
	int rc = creel_queue_take(map->queue, deadline, &f, &tag);
	if (rc)
		return rc;
	map->in_flight--;
	*ret_future = f;
	if (ret_index)
		*ret_index = (size_t)(uintptr_t)tag;
	if (map->keep_going)
		return 0;
	rc = creel_future_view(f, CREEL_NOW, NULL, NULL);
	if (rc)
		end_early(map);
	return rc;
}

void creel_map_end(creel_mapping *map)
{
	if (!map || map->is_static)
		return;
	if (map->queue)
		creel__queue_cancel(map->queue);
	creel_queue_unref(map->queue);
	creel_executor_unref(map->ex);
	creel__free(map->item);
	creel__free(map);
}
