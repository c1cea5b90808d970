/* SPDX-License-Identifier: MIT */
/* Completion queues: making, closing and emptying them. How they go together stands in
 * future/queue_state.h. */
#include "future/queue_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "future/class.h"
#include "future/future.h"
#include "future/nest.h"
#include "future/options.h"
#include "sync/fork.h"
#include "sync/live.h"
#include "sync/local.h"
#include <creel/future.h>
#include <errno.h>

static creel_queue no_memory = {.broken = -ENOMEM, .is_static = true, .fd = -1};

/* What is wrong with the options, or NULL. */
static const creel_error *check_options(const creel_queue_options *o)
{
	unsigned unknown = o->flags & ~(unsigned)CREEL_ORDERED;
	if (unknown)
		return creel__error_make(CREEL_KIND_REJECTED, -EINVAL, NULL,
					 "creel_queue_new: flags has 0x%x, which a queue does not "
					 "know; use CREEL_ORDERED or 0",
					 unknown);
	return creel__reserved_refuse(CREEL_KIND_REJECTED, "creel_queue_new", o->reserved32,
				      o->reserved, sizeof o->reserved / sizeof o->reserved[0]);
}

creel_queue *creel_queue_new(const creel_queue_options *options)
{
	creel_queue *q = creel__zalloc(sizeof *q);
	if (!q)
		return &no_memory;
	creel__live_add(CREEL__LIVE_QUEUES, 1);
	creel__store(&q->refs, 1, relaxed);
	creel__list_init(&q->waiting);
	creel__list_init(&q->ready);
	q->cursor[0] = q->cursor[1] = &q->waiting;
	creel__store(&q->fd, -1, relaxed);
	q->generation = creel__fork_generation();
	if (!options)
		return q;
	q->capacity = options->capacity;
	q->ordered = options->flags & CREEL_ORDERED;
	q->tag_free = options->tag_free;
	q->ctx = options->tag_ctx;
	q->error = check_options(options);
	q->broken = q->error ? -EINVAL : 0;
	return q;
}

const creel_error *creel_queue_error(creel_queue *q)
{
	if (!q || !q->broken)
		return NULL;
	return q->error ? q->error : creel__error_static(CREEL_KIND_NO_MEMORY);
}

creel_queue *creel_queue_ref(creel_queue *q)
{
	if (q && !q->is_static)
		creel__add(&q->refs, 1, relaxed);
	return q;
}

/* A reference of an empty queue. */
static void drop(creel_queue *q)
{
	/* [QUEUE-1] acq_rel: as in creel_queue_unref() */
	if (creel__sub(&q->refs, 1, acq_rel) > 1)
		return;
	creel__queue_close_fd(q);
	creel__error_unref(q->error);
	creel__live_add(CREEL__LIVE_QUEUES, -1);
	creel__free(q);
}

void creel_queue_unref(creel_queue *q)
{
	if (!q || q->is_static)
		return;
	if (creel__fork_foreign(q->generation)) {
		if (creel__fork_has_fds(q->generation))
			creel__queue_close_fd(q);
		return;
	}
	/* [QUEUE-1] acq_rel: the last one frees after everybody's use; pairs with itself */
	if (creel__sub(&q->refs, 1, acq_rel) > 1)
		return;
	/* What is in it has references as well, until it is forgotten. */
	creel__store(&q->refs, 1, relaxed);
	(void)creel_queue_reset(q);
	drop(q);
}

int creel_queue_close(creel_queue *q)
{
	int rc = creel__queue_check(q);
	if (rc)
		return rc;
	creel__lock_acquire(&q->lock);
	q->closed = true;
	creel__queue_update_locked(q);
	creel__lock_release(&q->lock);
	return 0;
}

/* False: the tag's destructor has forked, and this is the child. */
static bool forget_one(struct creel__entry *e)
{
	creel_queue *q = e->queue;
	/* Afterwards no notify uses it: it held the lock that this takes. */
	creel__hooks_leave(e->future, &e->hook);
	creel_future_unref(e->future);
	if (!creel__user_call(q->generation, q->tag_free ? q->tag_free(e->tag, q->ctx) : (void)0,
			      0))
		return false;
	creel__free(e);
	creel_queue_unref(q);
	return true;
}

/* Gets rid of entries that are not linked any more. */
static void forget(struct creel__list *all)
{
	struct creel__local *local = creel__self();
	struct creel__list *node;
	if (local->forgetting) {
		creel__list_splice(local->forgetting, all);
		return;
	}
	local->forgetting = all;
	creel__callbacks_enter();
	while ((node = creel__list_pop(all)) &&
	       forget_one(creel__of(node, struct creel__entry, link)))
		;
	local->forgetting = NULL;
	creel__callbacks_leave();
}

/* Takes everything out of the queue, and leaves it closed, or open as it was made. */
static int empty(creel_queue *q, bool closed)
{
	int rc = creel__queue_check(q);
	if (rc)
		return rc;
	struct creel__list all;
	creel__list_init(&all);
	creel__lock_acquire(&q->lock);
	creel__list_splice(&all, &q->ready);
	creel__list_splice(&all, &q->waiting);
	q->cursor[0] = q->cursor[1] = &q->waiting;
	for (struct creel__list *i = all.next; i != &all; i = i->next) {
		creel__of(i, struct creel__entry, link)->linked = false;
		(void)creel_queue_ref(q);
		q->count--;
	}
	q->ready_count = 0;
	q->closed = closed;
	if (!closed)
		creel__queue_take_wakes_locked(q);
	creel__queue_update_locked(q);
	creel__lock_release(&q->lock);
	forget(&all);
	return 0;
}

int creel_queue_reset(creel_queue *q)
{
	return empty(q, false);
}

int creel_queue_discard(creel_queue *q)
{
	return empty(q, true);
}

size_t creel_queue_length(creel_queue *q, size_t *ret_ready)
{
	size_t count = 0, ready = 0;
	if (creel__queue_check(q) == 0) {
		creel__lock_acquire(&q->lock);
		count = q->count;
		ready = q->ordered && !creel__queue_first_locked(q) ? 0 : q->ready_count;
		creel__lock_release(&q->lock);
	}
	if (ret_ready)
		*ret_ready = ready;
	return count;
}

int creel_queue_set_capacity(creel_queue *q, size_t capacity)
{
	int rc = creel__queue_check(q);
	if (rc)
		return rc;
	creel__lock_acquire(&q->lock);
	q->capacity = capacity;
	creel__queue_hail_locked(q);
	creel__lock_release(&q->lock);
	return 0;
}

/* The next that are waiting, up to n and to the entry of that number, with references. */
static size_t next_waiting(creel_queue *q, bool kill, uint64_t last, creel_future **ret_futures,
			   size_t n)
{
	size_t count = 0;
	creel__lock_acquire(&q->lock);
	struct creel__list *i = q->cursor[kill];
	for (; count < n && i != &q->waiting; i = i->next) {
		struct creel__entry *e = creel__of(i, struct creel__entry, link);
		if (e->number > last)
			break;
		ret_futures[count++] = creel_future_ref(e->future);
	}
	q->cursor[kill] = i;
	creel__lock_release(&q->lock);
	return count;
}

/* Stops in the child of a callback that forks. */
static void ask_all(creel_queue *q, bool kill)
{
	creel_future *some[64];
	size_t n;
	if (creel__fork_foreign(q->generation))
		return;
	creel__lock_acquire(&q->lock);
	uint64_t last = q->linked;
	q->cursor[kill] = q->waiting.next;
	creel__lock_release(&q->lock);
	while (!creel__fork_foreign(q->generation) &&
	       (n = next_waiting(q, kill, last, some, sizeof some / sizeof some[0]))) {
		for (size_t i = 0; i < n; i++) {
			if (kill)
				creel__future_kill(some[i], CREEL__GRACE_OF_POOL);
			else
				creel_future_cancel(some[i]);
			creel_future_unref(some[i]);
		}
	}
}

void creel__queue_kill(creel_queue *q)
{
	ask_all(q, true);
}

int creel_queue_cancel(creel_queue *q, unsigned flags)
{
	int rc = creel__queue_check(q);
	if (rc || flags & ~(unsigned)CREEL_KILL_REST)
		return rc ? rc : -EINVAL;
	/* All first: what is killed must not make room for those that are still pending. */
	ask_all(q, false);
	if (flags & CREEL_KILL_REST)
		ask_all(q, true);
	return creel__queue_check(q);
}
