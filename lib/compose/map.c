/* SPDX-License-Identifier: MIT */
/*
 * Maps: a completion queue, ordered or not, that is kept filled from an array or a source while
 * results are taken from it. Everything happens on the thread that calls creel_map_next().
 *
 * STAGES  of a pipeline are continuations: each item's chain is made whole when the item is
 *         submitted, and the queue has its last link alone. So an item is in flight until that is
 *         taken, whatever stage it is in. Every link passes a cancel or a kill on to its input.
 *
 * BUSY  Within the calls of a map run functions of the user's: the source, an argument's destructor
 *       and, with an inline executor, the tasks. Those may call the same map. creel_map_next() then
 *       says -EDEADLK, and creel_map_end() is put off until the outer call is through.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/executor.h"
#include "exec/submit.h"
#include "future/future.h"
#include "future/options.h"
#include "future/queue_state.h"
#include "sync/fork.h"
#include <creel/clock.h>
#include <creel/future.h>
#include <creel/map.h>
#include <creel/then.h>
#include <creel/token.h>
#include <errno.h>
#include <stdarg.h>

enum {
	ITEM_DEFAULT = 4096,
	IN_FLIGHT_PER_CPU = 4,
	IN_FLIGHT_LEAST = 16,
};

struct stage {
	struct stage *next;
	creel_executor *ex;
	creel_fn fn;
	creel_submit_options options;
};

struct creel_mapping {
	int end; /* what next says once nothing is in flight: 0 while there may be more items */
	const creel_error *error;   /* why, if something was wrong: a reference */
	const creel_error *of_item; /* of the item that was handed out last: a reference, or NULL */
	bool is_static, keep_going, kill_rest;
	bool busy, dropped; /* a call is under way; creel_map_end() came meanwhile */
	bool started;       /* creel_map_next() was called: it is too late for stages */
	uint16_t generation;
	creel_executor *ex;
	creel_fn fn;
	const creel_submit_options *submit;
	struct stage *stages, *last;
	creel_queue *queue;
	size_t limit, in_flight, index; /* of the next item */
	creel_source_fn source;         /* NULL: the array */
	void *ctx;
	const unsigned char *base;
	size_t stride, n;
	size_t max_item;
	unsigned char *item; /* where the source writes */
	bool has_item;       /* one that was pulled and not submitted, of so many bytes: */
	size_t item_size;
};

static creel_mapping no_memory = {.end = -ENOMEM, .is_static = true};

/* Ends it because something was wrong. Takes over the reference to the error. */
static void fail(creel_mapping *map, int code, const creel_error *why)
{
	map->end = code;
	map->error = why;
}

static CREEL_PRINTF(1, 2) const creel_error *refuse(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const creel_error *e = creel__error_vmake(CREEL_KIND_REJECTED, -EINVAL, NULL, format, args);
	va_end(args);
	return e;
}

/* What is wrong with what every map has, or NULL. */
static const creel_error *check(const char *call, const creel_executor *ex, creel_fn fn,
				const creel_map_options *o)
{
	unsigned both = CREEL_ORDERED | CREEL_AS_COMPLETED;
	unsigned unknown = o->flags & ~(both | CREEL_KEEP_GOING | CREEL_KILL_REST);
	if (!ex)
		return refuse("%s: the executor is NULL", call);
	if (!fn)
		return refuse("%s: the function is NULL", call);
	if (unknown)
		return refuse("%s: flags has 0x%x, which a map does not know; use CREEL_ORDERED or "
			      "CREEL_AS_COMPLETED, CREEL_KEEP_GOING, CREEL_KILL_REST",
			      call, unknown);
	if ((o->flags & both) == both)
		return refuse("%s: flags is 0x%x, both CREEL_ORDERED and CREEL_AS_COMPLETED; "
			      "use one of them",
			      call, o->flags);
	if (o->submit && o->submit->period_ns)
		return refuse("%s: period_ns of submit is %lld; a map runs each item once", call,
			      (long long)o->submit->period_ns);
	return creel__reserved_refuse(CREEL_KIND_REJECTED, call, o->reserved32, o->reserved,
				      sizeof o->reserved / sizeof o->reserved[0]);
}

static size_t default_limit(creel_executor *ex)
{
	size_t limit = (size_t)creel__executor_cpus(ex) * IN_FLIGHT_PER_CPU;
	return limit < IN_FLIGHT_LEAST ? IN_FLIGHT_LEAST : limit;
}

static creel_mapping *map_new(const char *call, creel_executor *ex, creel_fn fn,
			      const creel_map_options *options)
{
	static const creel_map_options defaults;
	const creel_map_options *o = options ? options : &defaults;
	creel_mapping *map = creel__zalloc(sizeof *map);
	if (!map)
		return &no_memory;
	map->generation = creel__fork_generation();
	const creel_error *wrong = check(call, ex, fn, o);
	if (wrong) {
		fail(map, -EINVAL, wrong);
		return map;
	}
	bool as_completed = o->flags & CREEL_AS_COMPLETED;
	map->queue = creel_queue_new(
		&(creel_queue_options){.flags = as_completed ? 0 : CREEL_ORDERED});
	map->ex = creel_executor_ref(ex);
	map->fn = fn;
	map->submit = o->submit;
	map->keep_going = o->flags & CREEL_KEEP_GOING;
	map->kill_rest = o->flags & CREEL_KILL_REST;
	map->limit = o->in_flight ? o->in_flight : default_limit(ex);
	map->max_item = o->max_item ? o->max_item : ITEM_DEFAULT;
	return map;
}

static const creel_error *check_array(const void *base, size_t stride, size_t n)
{
	if (n && !base)
		return refuse("creel_map: base is NULL and n is %zu; use n 0 for no items", n);
	if (n && !stride)
		return refuse("creel_map: stride is 0 and n is %zu; pass the size of an item", n);
	if (stride && n > CREEL__SIZE_MAX / stride)
		return refuse("creel_map: %zu items of %zu bytes are larger than any object; "
			      "was a negative number passed as n or stride?",
			      n, stride);
	return NULL;
}

creel_mapping *creel_map(creel_executor *ex, creel_fn fn, const void *base, size_t stride, size_t n,
			 const creel_map_options *options)
{
	creel_mapping *map = map_new("creel_map", ex, fn, options);
	if (map->end)
		return map;
	const creel_error *wrong = check_array(base, stride, n);
	if (wrong) {
		fail(map, -EINVAL, wrong);
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
	creel_mapping *map = map_new("creel_map_from", ex, fn, options);
	if (map->end)
		return map;
	map->source = source;
	map->ctx = ctx;
	if (!source)
		fail(map, -EINVAL, refuse("creel_map_from: the source is NULL"));
	else if (map->max_item > CREEL__SIZE_MAX)
		fail(map, -EINVAL,
		     refuse("creel_map_from: max_item is %zu, larger than any object; "
			    "was a negative number passed?",
			    map->max_item));
	else if (!(map->item = creel__malloc_data(map->max_item)))
		fail(map, -ENOMEM,
		     creel__error_make(
			     CREEL_KIND_NO_MEMORY, -ENOMEM, NULL,
			     "creel_map_from: no memory for an item of max_item %zu bytes",
			     map->max_item));
	return map;
}

const creel_error *creel_map_error(creel_mapping *map)
{
	if (!map)
		return NULL;
	if (map->is_static)
		return creel__error_static(CREEL_KIND_NO_MEMORY);
	return map->of_item ? map->of_item : map->error;
}

/* The source said neither that there is an item nor that it is at its end. */
static void source_failed(creel_mapping *map, int rc, size_t size)
{
	int kind = CREEL_KIND_FAILED;
	if (rc < 0)
		fail(map, rc,
		     creel__error_make(kind, rc, NULL,
				       "creel_map_from: the source ended the map at item %zu with "
				       "code %d (%s)",
				       map->index, rc, creel_code_name(rc)));
	else if (rc > 1)
		fail(map, -EINVAL,
		     creel__error_make(kind, -EINVAL, NULL,
				       "creel_map_from: the source returned %d at item %zu; return "
				       "1 for an item, 0 at the end, a negative code to fail",
				       rc, map->index));
	else
		fail(map, -EMSGSIZE,
		     creel__error_make(kind, -EMSGSIZE, NULL,
				       "creel_map_from: the source gave item %zu %zu bytes, and "
				       "max_item is %zu; raise creel_map_options.max_item",
				       map->index, size, map->max_item));
}

/* What is wrong with a stage, or NULL. */
static const creel_error *check_stage(creel_executor *ex, creel_fn fn,
				      const creel_submit_options *o)
{
	if (!ex)
		return refuse("creel_map_then: the executor is NULL");
	if (!fn)
		return refuse("creel_map_then: the function is NULL");
	if (o && o->period_ns)
		return refuse("creel_map_then: period_ns is %lld; a map runs each item once",
			      (long long)o->period_ns);
	return NULL;
}

int creel_map_then(creel_mapping *map, creel_executor *ex, creel_fn fn,
		   const creel_submit_options *options)
{
	if (!map)
		return -EINVAL;
	if (creel__fork_foreign(map->generation))
		return -EPERM;
	if (map->started)
		return -EALREADY;
	if (map->end)
		return map->end;
	const creel_error *wrong = check_stage(ex, fn, options);
	struct stage *stage = wrong ? NULL : creel__zalloc(sizeof *stage);
	if (!stage) {
		fail(map, wrong ? -EINVAL : -ENOMEM,
		     wrong ? wrong : creel__error_static(CREEL_KIND_NO_MEMORY));
		return map->end;
	}
	stage->ex = creel_executor_ref(ex);
	stage->fn = fn;
	if (options)
		stage->options = *options;
	creel_token_ref(stage->options.token);
	creel_clock_ref(stage->options.clock);
	stage->options.flags |= CREEL_CANCEL_UPSTREAM;
	if (map->last)
		map->last->next = stage;
	else
		map->stages = stage;
	map->last = stage;
	return 0;
}

/* Takes over f, which may be the child's own by the end: a stage may run here, and fork. What leads
 * to a stage that was refused, and so is final before it, is of no use to anybody. */
static creel_future *with_stages(creel_mapping *map, creel_future *f)
{
	for (struct stage *s = map->stages; s && !creel__fork_foreign(map->generation);
	     s = s->next) {
		creel_future *next = creel_then_with(f, s->ex, s->fn, NULL, 0, &s->options);
		if (creel__future_is_final(next))
			(void)creel_future_cancel(f);
		creel_future_unref(f);
		f = next;
	}
	return f;
}

/* The next item, unless there is one; false if there is none: map->end says why. */
static bool pull(creel_mapping *map)
{
	if (map->has_item)
		return true;
	if (!map->source) {
		if (map->index == map->n) {
			map->end = CREEL_EMPTY;
			return false;
		}
		map->item_size = map->stride;
		return map->has_item = true;
	}
	size_t size = map->max_item;
	int rc = 0;
	if (!creel__user_call(map->generation, rc = map->source(map->ctx, map->item, &size), 0) ||
	    map->dropped)
		return false;
	if (rc == 0) {
		map->end = CREEL_EMPTY;
		return false;
	}
	if (rc != 1 || size > map->max_item) {
		source_failed(map, rc, size);
		return false;
	}
	map->item_size = size;
	return map->has_item = true;
}

/* NULL: the executor is full. With nothing in flight no result will come: then it waits for
 * room. */
static creel_future *submit(creel_mapping *map, creel_deadline deadline)
{
	const void *item = map->source ? map->item : map->base + map->index * map->stride;
	creel_deadline by = map->in_flight ? CREEL_NOW : deadline;
	const struct creel__submission s = {.ex = map->ex,
					    .fn = map->fn,
					    .arg = map->item_size ? item : NULL,
					    .size = map->item_size,
					    .options = map->submit};
	creel_future *f = creel__submit_by(&s, &by);
	return f ? with_stages(map, f) : NULL;
}

/* Until enough is in flight, or the executor is full: then what was pulled is kept. */
static void fill(creel_mapping *map, creel_deadline deadline)
{
	while (!map->end && !map->dropped && map->in_flight < map->limit && pull(map)) {
		creel_future *f = submit(map, deadline);
		/* The task ran here and has forked, and this is the child. */
		if (!f || creel__fork_foreign(map->generation))
			return;
		map->has_item = false;
		int rc = creel_queue_add(map->queue, f, (void *)(uintptr_t)map->index);
		if (rc) {
			creel_future_cancel(f);
			fail(map, rc, creel__error_static(CREEL_KIND_NO_MEMORY));
		} else {
			map->index++;
			map->in_flight++;
		}
		creel_future_unref(f);
	}
}

/* A link that is only cancelled does not kill its input later: with stages all are killed at once,
 * though what is killed may make room for one that is still pending. */
static void cancel_rest(creel_mapping *map)
{
	if (map->stages && map->kill_rest)
		creel__queue_kill(map->queue);
	else
		creel_queue_cancel(map->queue, map->kill_rest ? CREEL_KILL_REST : 0);
}

static void end_early(creel_mapping *map)
{
	map->end = CREEL_EMPTY;
	map->has_item = false;
	cancel_rest(map);
	(void)creel_queue_reset(map->queue);
	map->in_flight = 0;
}

/* The code that ended it, once; then that it has ended. */
static int say_end(creel_mapping *map)
{
	int rc = map->end;
	map->end = CREEL_EMPTY;
	return rc;
}

/* Whether nothing that is in flight can go on before the calling thread returns. */
static bool needs_caller(const creel_mapping *map)
{
	if (!creel__executor_needs_caller(map->ex))
		return false;
	for (const struct stage *s = map->stages; s; s = s->next)
		if (!creel__executor_needs_caller(s->ex))
			return false;
	return true;
}

/* *ret_future is NULL, and stays so without a result. */
static int next(creel_mapping *map, creel_deadline deadline, creel_future **ret_future,
		void **ret_index)
{
	fill(map, deadline);
	if (map->dropped)
		return CREEL_EMPTY;
	if (map->in_flight == 0)
		return map->has_item ? -ETIMEDOUT : say_end(map);
	bool waits = !needs_caller(map);
	int rc = creel_queue_take(map->queue, waits ? deadline : CREEL_NOW, ret_future, ret_index);
	if (rc == -ETIMEDOUT && !waits && !creel__deadline_passed(deadline))
		return -EDEADLK;
	if (rc)
		return rc;
	map->in_flight--;
	map->of_item = creel__error_ref(creel__future_peek_error(*ret_future));
	if (map->keep_going)
		return 0;
	rc = creel_future_view(*ret_future, CREEL_NOW, NULL, NULL);
	if (rc)
		end_early(map);
	return rc;
}

int creel_map_next(creel_mapping *map, creel_deadline deadline, creel_future **ret_future,
		   size_t *ret_index)
{
	if (!map || !ret_future)
		return -EINVAL;
	if (map->is_static)
		return map->end;
	if (creel__fork_foreign(map->generation))
		return -EPERM;
	if (map->busy)
		return -EDEADLK;
	map->busy = map->started = true;
	creel__error_unref(map->of_item);
	map->of_item = NULL;
	creel_future *f = NULL;
	void *index;
	int rc = next(map, deadline, &f, &index);
	map->busy = false;
	/* Something of the user's has forked, and this is the child. */
	if (creel__fork_foreign(map->generation))
		return -EPERM;
	if (map->dropped) {
		creel_map_end(map);
		creel_future_unref(f);
		return CREEL_EMPTY;
	}
	if (f) {
		*ret_future = f;
		if (ret_index)
			*ret_index = (size_t)(uintptr_t)index;
	}
	return rc;
}

static void free_stages(creel_mapping *map)
{
	while (map->stages) {
		struct stage *stage = map->stages;
		map->stages = stage->next;
		creel_executor_unref(stage->ex);
		creel_token_unref(stage->options.token);
		creel_clock_unref(stage->options.clock);
		creel__free(stage);
	}
}

void creel_map_end(creel_mapping *map)
{
	if (!map || map->is_static)
		return;
	if (creel__fork_foreign(map->generation)) {
		creel_queue_unref(map->queue);
		map->queue = NULL;
		return;
	}
	map->dropped = map->busy;
	if (map->busy)
		return;
	map->busy = true;
	if (map->queue)
		cancel_rest(map);
	creel_queue_unref(map->queue);
	creel_executor_unref(map->ex);
	free_stages(map);
	creel__error_unref(map->of_item);
	creel__error_unref(map->error);
	creel__free(map->item);
	creel__free(map);
}
