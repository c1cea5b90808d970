/* SPDX-License-Identifier: MIT */
/*
 * Memory: what the library allocates, watched.
 *
 * Objects are cut from one piece of memory, never reused within a schedule, filled with 0xaa
 * when they are new and with 0xdd when they are freed. Each access of instrumented code to
 * freed memory fails at once (order.c); a write that was not instrumented is found at the end,
 * by the filling; a pointer read from freed memory leads nowhere. What is not freed at the end
 * of a schedule is a leak.
 */
#include "engine.h"
#include <string.h>

enum { FRESH = 0xaa, DEAD = 0xdd };

struct model_object model_objects[MODEL_OBJECTS];
uint16_t model_object_at[MODEL_HEAP / MODEL_GRAIN];
size_t model_heap_used;
static int object_count;
static int malloc_failures_left;

void *creel__model_malloc(size_t size);
void creel__model_free(void *p);

void model_heap_reset(void)
{
	memset(model_object_at, 0, model_heap_used / MODEL_GRAIN * sizeof model_object_at[0]);
	object_count = 0;
	model_heap_used = 0;
	malloc_failures_left = model_scenario->malloc_failures;
}

/* Between two objects a grain stays free: running over the end of one leads into no other. */
void *creel__model_malloc(size_t size)
{
	const void *pc = __builtin_return_address(0);
	if (model_choose_failure(&malloc_failures_left)) {
		model_trace(NULL, pc, "gets no memory");
		return NULL;
	}
	size_t grains = (size + MODEL_GRAIN - 1) / MODEL_GRAIN + 1;
	/* Cache lines matter to the library's layouts, so they begin as they would with malloc. */
	model_heap_used = (model_heap_used + 63) / 64 * 64;
	if (object_count == MODEL_OBJECTS || model_heap_used + grains * MODEL_GRAIN > MODEL_HEAP)
		model_fail("harness", "more memory than the model has: %zu bytes", size);
	struct model_object *o = &model_objects[object_count++];
	*o = (struct model_object){.start = model_memory->heap + model_heap_used,
				   .size = size,
				   .allocated_at = pc,
				   .allocated_by = model_current};
	for (size_t i = 0; i < grains - 1; i++)
		model_object_at[model_heap_used / MODEL_GRAIN + i] = (uint16_t)object_count;
	model_heap_used += grains * MODEL_GRAIN;
	memset(o->start, FRESH, size);
	model_trace(o->start, pc, "allocates %zu bytes:", size);
	return o->start;
}

void creel__model_free(void *p)
{
	const void *pc = __builtin_return_address(0);
	if (!p)
		return;
	struct model_object *o = model_object_of(p);
	model_trace(p, pc, "frees");
	if (!o || o->start != p)
		model_fail("bad free", "%p was never allocated", p);
	if (o->freed)
		model_fail("double free", "%s, at %s, after thread %d freed it", model_describe(p),
			   model_where(pc), o->freed_by);
	model_order_free(o, pc);
	o->freed = true;
	o->freed_at = pc;
	o->freed_by = model_current;
	memset(p, DEAD, o->size);
}

void model_heap_drop(int thread)
{
	for (int i = 0; i < object_count; i++)
		if (model_objects[i].allocated_by == thread && !model_objects[i].freed)
			creel__model_free(model_objects[i].start);
}

void model_heap_check(void)
{
	for (int i = 0; i < object_count; i++) {
		const struct model_object *o = &model_objects[i];
		if (!o->freed)
			model_fail("leak", "%s, allocated by thread %d at %s",
				   model_describe(o->start), o->allocated_by,
				   model_where(o->allocated_at));
		/* All bytes are what the first is, and that is the filling. */
		if (o->size &&
		    (o->start[0] != DEAD || memcmp(o->start, o->start + 1, o->size - 1) != 0))
			model_fail("use after free", "something wrote to %s",
				   model_describe(o->start));
	}
}

void model_name(const void *p, const char *name)
{
	struct model_object *o = model_object_of(p);
	if (o)
		o->name = name;
}
