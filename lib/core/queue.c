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
 * TAKERS  Whoever finds that something can be taken while somebody sleeps calls one sleeper, if
 *         none is on its way (called). One that returns from its sleep looks, takes, and calls
 *         the next if there is more. So an item wakes one taker, whether 1 or 64 of them wait.
 * WAKE    creel_queue_wake() runs in signal handlers: it takes no lock. It counts up wakes, marks
 *         the descriptor, changes the takers' round and unparks one. A taker reads the round before
 *         it looks at wakes, so that a wake in between ends its sleep.
 * DESCRIPTOR  An eventfd that is not 0 exactly while take would not wait; changed under the lock,
 *         with the state that it shows. A wake adds to it at any moment. So whoever drains it looks
 *         at wakes again and puts the mark back; and as long as a wake that was taken may still
 *         write (stirred), every look that finds nothing drains it.
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
	bool called;                 /* one who slept is on its way */
	struct creel__list waiting, ready;
	size_t count; /* reserved and not taken */
	bool closed;
	bool shown;   /* what the descriptor shows, but for wakes */
	bool stirred; /* it may show wakes that have been taken */
	uint32_t taken_wakes;
	_Atomic(uint32_t) wakes;  /* not taken while it differs from taken_wakes */
	_Atomic(uint32_t) waking; /* calls of creel_queue_wake() that have not returned */
	_Atomic(int) fd;          /* or -1 */
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
	creel__store(&q->fd, -1, relaxed);
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
	int fd = creel__xchg(&q->fd, -1, relaxed);
	/* Not close(), where a thread can be cancelled. */
	if (fd >= 0)
		syscall(SYS_close, fd);
#endif
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

static bool is_woken_locked(creel_queue *q)
{
	/* [QUEUE-2] seq_cst: what was done before the wake is visible; of the descriptor's maker
	 * and a wake one sees the other. Pairs with creel_queue_wake() */
	return creel__load(&q->wakes, seq_cst) != q->taken_wakes;
}

static void take_wakes_locked(creel_queue *q)
{
	/* [QUEUE-2] seq_cst: as above */
	q->taken_wakes = creel__load(&q->wakes, seq_cst);
	q->stirred = true;
}

static bool may_take_locked(creel_queue *q)
{
	return is_woken_locked(q) || first_locked(q) || (q->closed && q->count == 0);
}

/* Adds a mark to the descriptor, or takes all away. Not write() and read(): those are cancellation
 * points, and locks are held. */
static bool mark(int fd, bool add)
{
	bool done = false;
#ifdef __linux__
	uint64_t one = 1;
	int saved = errno;
	done = syscall(add ? SYS_write : SYS_read, fd, &one, sizeof one) > 0;
	errno = saved;
#else
	(void)fd;
	(void)add;
#endif
	return done;
}

static void show_locked(creel_queue *q, bool readable)
{
	int fd = creel__load(&q->fd, relaxed);
	if (fd < 0)
		return;
	if (!readable && (q->shown || q->stirred)) {
		/* [QUEUE-3] acquire: their marks are there, to be taken away; pairs with the
		 * release in creel_queue_wake() */
		q->stirred = creel__load(&q->waking, acquire) != 0;
		mark(fd, false);
		q->shown = false;
		readable = is_woken_locked(q);
	}
	if (readable && !q->shown)
		q->shown = mark(fd, true);
}

/* After each change: tells the descriptor and one who waits. */
static void update_locked(creel_queue *q)
{
	bool readable = may_take_locked(q);
	show_locked(q, readable);
	if (readable && q->takeable.sleepers && !q->called) {
		q->called = true;
		creel__cond_wake(&q->takeable);
	}
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
	if (is_woken_locked(q)) {
		take_wakes_locked(q);
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
	for (;;) {
		uint32_t round = creel__cond_round(&q->takeable);
		rc = try_take_locked(q, &e);
		if (rc != 1)
			break;
		rc = may_wait(deadline);
		if (rc)
			break;
		creel__cond_wait_since(&q->takeable, &q->lock, round, deadline);
		q->called = false;
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
	rc = creel__load(&q->fd, relaxed);
	if (rc < 0) {
		int saved = errno;
		rc = creel__fd_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
		/* [QUEUE-2] seq_cst: pairs with creel_queue_wake() */
		creel__store(&q->fd, rc, seq_cst);
		rc = rc < 0 ? -errno : rc;
		errno = saved;
		update_locked(q);
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
	if (!CREEL__UNPARK_IN_HANDLERS)
		return -ENOTSUP;
	creel__add(&q->waking, 1, relaxed);
	/* [QUEUE-2] seq_cst: publishes what was done before; and the descriptor is looked for
	 * afterwards. Pairs with is_woken_locked() and the store in creel_queue_fd() */
	creel__add(&q->wakes, 1, seq_cst);
	/* [QUEUE-2] seq_cst: as above */
	int fd = creel__load(&q->fd, seq_cst);
	if (fd >= 0)
		mark(fd, true);
	creel__cond_wake(&q->takeable);
	/* [QUEUE-3] release: the mark is there; pairs with the acquire in show_locked() */
	creel__sub(&q->waking, 1, release);
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
	q->closed = false;
	take_wakes_locked(q);
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

void creel__queue_cancel(creel_queue *q, bool kill)
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
	/* All first: what is killed must not make room for those that are still pending. */
	for (struct entry *e = all; e; e = e->next_to_cancel)
		creel_future_cancel(e->future);
	for (struct entry *e = kill ? all : NULL; e; e = e->next_to_cancel)
		creel__future_kill(e->future, CREEL__GRACE_OF_POOL);
}
