/* SPDX-License-Identifier: MIT */
/* Completion queues: adding. How they go together stands in future/queue_state.h. */
#include "future/queue_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "sync/fork.h"
#include "sync/local.h"
#include <creel/future.h>
#include <errno.h>

static bool is_full_locked(const creel_queue *q)
{
	return q->capacity && q->count >= q->capacity;
}

/* A place for one more, before anything is done that cannot be undone. */
static int reserve(creel_queue *q, creel_deadline deadline)
{
	int rc = 0;
	creel__lock_acquire(&q->lock);
	while (rc == 0 && !q->closed && is_full_locked(q)) {
		rc = creel__queue_may_wait(deadline);
		if (rc)
			break;
		if (creel__cond_wait(&q->room, &q->lock, deadline) == -EAGAIN)
			rc = -EAGAIN;
		q->hailed = false;
	}
	if (q->closed)
		rc = -ESHUTDOWN;
	else if (rc == -ETIMEDOUT)
		rc = CREEL_FULL;
	else if (rc == 0)
		q->count++;
	/* There may be room for one more, or the one who was woken came too late for it. */
	creel__queue_hail_locked(q);
	creel__lock_release(&q->lock);
	return rc;
}

static void unreserve(creel_queue *q)
{
	creel__lock_acquire(&q->lock);
	q->count--;
	creel__queue_update_locked(q);
	creel__lock_release(&q->lock);
}

/* Puts it where it belongs; to the ready ones, unless order keeps it where it is. */
static void place_locked(creel_queue *q, struct creel__entry *e)
{
	q->ready_count += e->ready;
	creel__queue_unlink_locked(q, e);
	creel__list_append(e->ready && !q->ordered ? &q->ready : &q->waiting, &e->link);
}

static void notify(struct creel__hook *hook, creel_future *f)
{
	(void)f;
	struct creel__entry *e = (struct creel__entry *)hook;
	creel_queue *q = e->queue;
	creel__lock_acquire(&q->lock);
	e->ready = true;
	if (e->linked) {
		if (q->ordered)
			q->ready_count++;
		else
			place_locked(q, e);
		creel__queue_update_locked(q);
	}
	creel__lock_release(&q->lock);
}

int creel__entry_new(creel_queue *q, void *tag, creel_deadline deadline,
		     struct creel__entry **ret_entry)
{
	int rc = reserve(q, deadline);
	if (rc)
		return rc;
	struct creel__entry *e = creel__zalloc(sizeof *e);
	if (!e) {
		unreserve(q);
		return -ENOMEM;
	}
	creel__list_init(&e->link);
	e->hook.notify = notify;
	e->queue = q;
	e->tag = tag;
	*ret_entry = e;
	return 0;
}

void creel__entry_drop(struct creel__entry *e)
{
	unreserve(e->queue);
	creel__free(e);
}

void creel__entry_link(struct creel__entry *e, creel_future *f)
{
	creel_queue *q = e->queue;
	e->future = f;
	bool listening = creel__hooks_listen(f, &e->hook);
	creel__lock_acquire(&q->lock);
	if (!listening)
		e->ready = true;
	e->linked = true;
	e->number = ++q->linked;
	place_locked(q, e);
	creel__queue_update_locked(q);
	creel__lock_release(&q->lock);
}

int creel_queue_add_by(creel_queue *q, creel_future *f, void *tag, creel_deadline deadline)
{
	int rc = creel__queue_check(q);
	if (rc || !f)
		return rc ? rc : -EINVAL;
	if (creel__fork_foreign(f->generation))
		return -EPERM;
	struct creel__entry *e;
	rc = creel__entry_new(q, tag, deadline, &e);
	if (rc == 0)
		creel__entry_link(e, creel_future_ref(f));
	return rc;
}

int creel_queue_add(creel_queue *q, creel_future *f, void *tag)
{
	return creel_queue_add_by(q, f, tag, CREEL_NOW);
}
