/* SPDX-License-Identifier: MIT */
/*
 * Completion queues.
 *
 *        reserve          link                notify                take
 *   add ---------> count -------> waiting list -------> ready list ------> caller
 *
 * An entry is a hook on its future. It starts listening before it is linked, so that a completion
 * in between only marks it ready; only linked entries are seen by take and reset. An ordered queue
 * keeps its entries in the waiting list and takes the first once that is ready.
 *
 * LOCKS  A future's hooks (rank 20), then queue.lock (rank 30): everything below it and the fields
 *        of linked entries. Nothing else is locked under it.
 * DESCRIPTOR  An eventfd that holds 1 exactly while take would not wait; changed under the lock,
 *        with the state that it shows.
 */
#include "core/queue.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/list.h"
#include "core/executor.h"
#include "core/future.h"
#include "core/hook.h"
#include "core/options.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/lock.h"
#include <creel/future.h>
#include <errno.h>
#ifdef __linux__
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

struct creel_queue {
	_Atomic(uint32_t) refs;
	int broken; /* the code that every call returns, or 0 */
	bool is_static;
	const creel_error *error; /* why: a reference; NULL in the static one */
	bool ordered;
	size_t capacity;
	uint16_t generation;
	struct creel__lock lock;
	struct creel__cond takeable; /* take need not wait (any more) */
	struct creel__list waiting, ready;
	size_t count; /* reserved and not taken */
	bool closed, woken;
	bool shown; /* what the descriptor shows */
	int fd;     /* or -1 */
};

struct entry {
	struct creel__hook hook;
	struct creel__list link;
	struct entry *next_to_cancel;
	creel_queue *queue;
	creel_future *future; /* a reference */
	void *tag;
	bool ready, linked;
};

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
	return creel__reserved_refuse(CREEL_KIND_REJECTED, "creel_queue_new", o->reserved,
				      sizeof o->reserved / sizeof o->reserved[0]);
}

creel_queue *creel_queue_new(const creel_queue_options *options)
{
	creel_queue *q = creel__zalloc(sizeof *q);
	if (!q)
		return &no_memory;
	creel__store(&q->refs, 1, relaxed);
	creel__list_init(&q->waiting);
	creel__list_init(&q->ready);
	q->fd = -1;
	q->generation = creel__fork_generation();
	if (!options)
		return q;
	q->capacity = options->capacity;
	q->ordered = options->flags & CREEL_ORDERED;
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

static void close_fd(creel_queue *q)
{
#ifdef __linux__
	/* Not close(), where a thread can be cancelled. */
	if (q->fd >= 0)
		syscall(SYS_close, q->fd);
#endif
	q->fd = -1;
}

void creel_queue_unref(creel_queue *q)
{
	if (!q || q->is_static)
		return;
	if (creel__fork_foreign(q->generation)) {
		close_fd(q);
		return;
	}
	/* [QUEUE-1] acq_rel: the last one frees after everybody's use; pairs with itself */
	if (creel__sub(&q->refs, 1, acq_rel) > 1)
		return;
	(void)creel_queue_reset(q);
	close_fd(q);
	creel__error_unref(q->error);
	creel__free(q);
}

static int check(const creel_queue *q)
{
	if (!q)
		return -EINVAL;
	return creel__fork_foreign(q->generation) ? -EPERM : q->broken;
}

static struct entry *first_locked(creel_queue *q)
{
	struct creel__list *list = q->ordered ? &q->waiting : &q->ready;
	if (creel__list_is_empty(list))
		return NULL;
	struct entry *e = creel__of(list->next, struct entry, link);
	return e->ready ? e : NULL;
}

static bool may_take_locked(creel_queue *q)
{
	return q->woken || first_locked(q) || (q->closed && q->count == 0);
}

static void show_locked(creel_queue *q, bool readable)
{
#ifdef __linux__
	uint64_t one = 1;
	int saved = errno;
	/* A counter between 0 and 1 takes both without blocking. Not write() and read(): those are
	 * cancellation points, and locks are held. */
	if (q->fd >= 0 && readable != q->shown &&
	    syscall(readable ? SYS_write : SYS_read, q->fd, &one, sizeof one) > 0)
		q->shown = readable;
	errno = saved;
#else
	(void)q;
	(void)readable;
#endif
}

/* After each change: tells the descriptor and those who wait. */
static void update_locked(creel_queue *q)
{
	bool readable = may_take_locked(q);
	show_locked(q, readable);
	if (readable)
		creel__cond_broadcast_locked(&q->takeable);
}

/* A place for one more, before anything is done that cannot be undone. */
static int reserve(creel_queue *q)
{
	int rc = 0;
	creel__lock_acquire(&q->lock);
	if (q->closed)
		rc = -ESHUTDOWN;
	else if (q->capacity && q->count >= q->capacity)
		rc = -EAGAIN;
	else
		q->count++;
	creel__lock_release(&q->lock);
	return rc;
}

static void unreserve(creel_queue *q)
{
	creel__lock_acquire(&q->lock);
	q->count--;
	update_locked(q);
	creel__lock_release(&q->lock);
}

/* Puts it where it belongs; to the ready ones, unless order keeps it where it is. */
static void place_locked(creel_queue *q, struct entry *e)
{
	creel__list_remove(&e->link);
	creel__list_append(e->ready && !q->ordered ? &q->ready : &q->waiting, &e->link);
}

static void notify(struct creel__hook *hook, creel_future *f)
{
	(void)f;
	struct entry *e = (struct entry *)hook;
	creel_queue *q = e->queue;
	creel__lock_acquire(&q->lock);
	e->ready = true;
	if (e->linked) {
		if (!q->ordered)
			place_locked(q, e);
		update_locked(q);
	}
	creel__lock_release(&q->lock);
}

static struct entry *new_entry(creel_queue *q, void *tag)
{
	struct entry *e = creel__zalloc(sizeof *e);
	if (e) {
		creel__list_init(&e->link);
		e->hook.notify = notify;
		e->queue = q;
		e->tag = tag;
	}
	return e;
}

/* The place is reserved; takes over the reference to f. */
static void link_entry(struct entry *e, creel_future *f)
{
	creel_queue *q = e->queue;
	e->future = f;
	bool listening = creel__hooks_listen(f, &e->hook);
	creel__lock_acquire(&q->lock);
	if (!listening)
		e->ready = true;
	e->linked = true;
	place_locked(q, e);
	update_locked(q);
	creel__lock_release(&q->lock);
}

int creel_queue_add(creel_queue *q, creel_future *f, void *tag)
{
	int rc = check(q);
	if (rc || !f)
		return rc ? rc : -EINVAL;
	if (creel__fork_foreign(f->generation))
		return -EPERM;
	rc = reserve(q);
	if (rc)
		return rc;
	struct entry *e = new_entry(q, tag);
	if (!e) {
		unreserve(q);
		return -ENOMEM;
	}
	link_entry(e, creel_future_ref(f));
	return 0;
}

int creel_queue_submit(creel_queue *q, creel_executor *ex, creel_fn fn, const void *arg,
		       size_t size, const creel_submit_options *options, void *tag)
{
	int rc = check(q);
	if (rc == 0)
		rc = reserve(q);
	if (rc)
		return rc;
	creel_future *f = NULL;
	struct entry *e = new_entry(q, tag);
	rc = e ? creel_try_submit(ex, fn, arg, size, options, &f) : -ENOMEM;
	if (rc) {
		creel__free(e);
		unreserve(q);
		return rc;
	}
	link_entry(e, f);
	return 0;
}

/* What take can say without waiting; 1 if it must wait. */
static int try_take_locked(creel_queue *q, struct entry **ret_entry)
{
	if (q->woken) {
		q->woken = false;
		return -EAGAIN;
	}
	struct entry *e = first_locked(q);
	if (!e)
		return q->closed && q->count == 0 ? CREEL_EMPTY : 1;
	creel__list_remove(&e->link);
	q->count--;
	*ret_entry = e;
	return 0;
}

/* Why a take that would have to wait may not. */
static int may_wait(creel_deadline deadline)
{
	if (creel__deadline_passed(deadline))
		return -ETIMEDOUT;
	return creel__self()->callbacks ? -EDEADLK : 0;
}

int creel_queue_take(creel_queue *q, creel_deadline deadline, creel_future **ret_future,
		     void **ret_tag)
{
	int rc = check(q);
	if (rc || !ret_future)
		return rc ? rc : -EINVAL;
	struct entry *e = NULL;
	creel__lock_acquire(&q->lock);
	while ((rc = try_take_locked(q, &e)) == 1) {
		rc = may_wait(deadline);
		if (rc)
			break;
		creel__cond_wait(&q->takeable, &q->lock, deadline);
	}
	update_locked(q);
	creel__lock_release(&q->lock);
	if (!e)
		return rc;
	*ret_future = e->future;
	if (ret_tag)
		*ret_tag = e->tag;
	creel__free(e);
	return 0;
}

int creel_queue_fd(creel_queue *q)
{
	int rc = check(q);
	if (rc)
		return rc;
#ifdef __linux__
	creel__lock_acquire(&q->lock);
	if (q->fd < 0) {
		int saved = errno;
		q->fd = creel__fd_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
		rc = q->fd < 0 ? -errno : q->fd;
		errno = saved;
		update_locked(q);
	} else {
		rc = q->fd;
	}
	creel__lock_release(&q->lock);
	return rc;
#else
	return -ENOTSUP;
#endif
}

int creel_queue_wake(creel_queue *q)
{
	int rc = check(q);
	if (rc)
		return rc;
	creel__lock_acquire(&q->lock);
	q->woken = true;
	update_locked(q);
	creel__lock_release(&q->lock);
	return 0;
}

int creel_queue_close(creel_queue *q)
{
	int rc = check(q);
	if (rc)
		return rc;
	creel__lock_acquire(&q->lock);
	q->closed = true;
	update_locked(q);
	creel__lock_release(&q->lock);
	return 0;
}

int creel_queue_reset(creel_queue *q)
{
	int rc = check(q);
	if (rc)
		return rc;
	struct creel__list all;
	creel__list_init(&all);
	creel__lock_acquire(&q->lock);
	creel__list_splice(&all, &q->ready);
	creel__list_splice(&all, &q->waiting);
	for (struct creel__list *i = all.next; i != &all; i = i->next) {
		creel__of(i, struct entry, link)->linked = false;
		q->count--;
	}
	q->closed = q->woken = false;
	update_locked(q);
	creel__lock_release(&q->lock);
	struct creel__list *node;
	while ((node = creel__list_pop(&all))) {
		struct entry *e = creel__of(node, struct entry, link);
		/* Afterwards no notify uses it: it held the lock that this takes. */
		creel__hooks_leave(e->future, &e->hook);
		creel_future_unref(e->future);
		creel__free(e);
	}
	return 0;
}

void creel__queue_cancel(creel_queue *q)
{
	struct entry *all = NULL;
	if (check(q))
		return;
	creel__lock_acquire(&q->lock);
	for (struct creel__list *i = q->waiting.prev; i != &q->waiting; i = i->prev) {
		struct entry *e = creel__of(i, struct entry, link);
		e->next_to_cancel = all;
		all = e;
	}
	creel__lock_release(&q->lock);
	for (; all; all = all->next_to_cancel)
		creel_future_cancel(all->future);
}
