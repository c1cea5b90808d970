/* SPDX-License-Identifier: MIT */
/*
 * A completion queue from inside.
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
 *         Those who wait for room do the same (hailed): a free place wakes one of them.
 * LOOKING A taker that would have to sleep first looks without the lock whether something comes
 *         (sync/look.h). It is no sleeper then, and nobody calls it. After the look it takes the
 *         lock and begins anew, so `readable` and `wakes` are no more than hints there.
 * CANCEL  A cancel goes through the waiting list, with a few at a time under the lock, as far as it
 *         went when it began: its callbacks may add more. It remembers its place in a cursor, which
 *         whoever unlinks that entry moves on. Several cancels share one: together they come to
 *         all.
 * FORGETTING  An entry that is forgotten holds a reference to the queue. A tag_free may drop the
 *         last reference to the next queue: what is forgotten within a tag_free is put on the
 *         thread's list, and its turn comes when that has returned. A chain of any length needs the
 *         stack of one.
 * WAKE    creel_queue_wake() runs in signal handlers: it takes no lock. It counts up wakes, marks
 *         the descriptor, changes the takers' round and unparks one. A taker reads the round before
 *         it looks at wakes, so that a wake in between ends its sleep.
 * DESCRIPTOR  An eventfd that is not 0 exactly while take would not wait; changed under the lock,
 *         with the state that it shows. A wake adds to it at any moment. So whoever drains it looks
 *         at wakes again and puts the mark back; and as long as a wake that was taken may still
 *         write (stirred), every look that finds nothing drains it.
 */
#ifndef CREEL__FUTURE_QUEUE_STATE_H
#define CREEL__FUTURE_QUEUE_STATE_H

#include "base/list.h"
#include "future/hook.h"
#include "sync/fork.h"
#include "sync/lock.h"
#include <creel/queue.h>
#include <errno.h>

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
	_Atomic(bool) readable;      /* take need not wait; written under the lock */
	struct creel__list waiting, ready;
	size_t count; /* reserved and not taken */
	size_t ready_count;
	uint64_t linked; /* counts entries */
	/* Where a cancel, or one that kills as well, goes on: a link of waiting, or that itself. */
	struct creel__list *cursor[2];
	struct creel__cond room; /* there is a place (again), or no use in waiting for one */
	bool hailed;             /* one who waited for it is on its way */
	void (*tag_free)(void *tag, void *ctx);
	void *ctx;
	bool closed;
	bool shown;   /* what the descriptor shows, but for wakes */
	bool stirred; /* it may show wakes that have been taken */
	uint32_t taken_wakes;
	_Atomic(uint32_t) wakes;  /* not taken while it differs from taken_wakes */
	_Atomic(uint32_t) waking; /* calls of creel_queue_wake() that have not returned */
	_Atomic(int) fd;          /* or -1 */
};

struct creel__entry {
	struct creel__hook hook;
	struct creel__list link;
	uint64_t number; /* ascends in the waiting list; under queue.lock */
	creel_queue *queue;
	creel_future *future; /* a reference */
	void *tag;
	bool ready, linked;
};

/* 0, or the code that every call on this queue returns here. */
static inline int creel__queue_check(const creel_queue *q)
{
	if (!q)
		return -EINVAL;
	return creel__fork_foreign(q->generation) ? -EPERM : q->broken;
}

/* 0 if the caller may wait until the deadline, else why not. */
int creel__queue_may_wait(creel_deadline deadline);

/* After each change: tells the descriptor, one who takes and one who waits for room. */
void creel__queue_update_locked(creel_queue *q);

/* If there is room, wakes one who waits for it. */
void creel__queue_hail_locked(creel_queue *q);

/* An entry with a place in the queue, for which it waits until the deadline. 0, or a code of
 * creel_queue_add_by(). */
int creel__entry_new(creel_queue *q, void *tag, creel_deadline deadline,
		     struct creel__entry **ret_entry);
/* Gives up an entry that has not been linked, and its place. */
void creel__entry_drop(struct creel__entry *e);
/* Its future; takes over the reference. From then on it can be taken. */
void creel__entry_link(struct creel__entry *e, creel_future *f);

/* queue_take.c */
struct creel__entry *creel__queue_first_locked(creel_queue *q);
/* Takes an entry out of its list. */
void creel__queue_unlink_locked(creel_queue *q, struct creel__entry *e);
/* Forgets wakes: they count as taken. */
void creel__queue_take_wakes_locked(creel_queue *q);
void creel__queue_close_fd(creel_queue *q);

/* Kills every future in the queue that is not final, in one go. Does nothing in a forked child. */
void creel__queue_kill(creel_queue *q);

#endif
