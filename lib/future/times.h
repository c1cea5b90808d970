/* SPDX-License-Identifier: MIT */
/*
 * When a task may run: its delay and its expiry, and the clock that they are of.
 *
 * NOT DUE  A task that is not due is PENDING and OWNED: it stands in its executor's list of those,
 *          and the executor's class has never heard of it. Three want it off the list: its clock,
 *          which hands it over; a canceller; and who shuts the executor down. Each has to win the
 *          state word (HELD, PINNED, SETTLING). The first two then come for the list's lock. Who
 *          shuts down has that lock: if another one has won, it waits until that one has taken the
 *          task off the list. So when it is through the list is empty, and stays so.
 * KEEPS    Whoever takes a task off the list uses the executor, until the class has it or it has
 *          ended: creel_executor.keeps counts them, and one more for all users together.
 * STAYING  Tasks with CREEL_STAY stand in a list of their own, which a shutdown leaves alone unless
 *          it cancels. Each keeps the executor from its submission on, and has its class wait for
 *          it (class->reserve()) until the class has it or it has ended.
 * IN HAND  While the class is being given a task, its expiry does nothing but leave a note, which
 *          the giver finds afterwards; and a canceller asks no custom executor for it, which has
 *          not seen it yet, or not all of it.
 * PERIODIC A periodic task that has run is not due any more: it goes back to PENDING and OWNED, and
 *          onto the list. Between its runs it is shown as running. Where its next run is due at
 *          once while it is in hand, which is to say within the call of the class that runs it, it
 *          is left to the giver: so runs never nest.
 * ENDING   A task that ends stops its timers first (creel__times_stop()), under the lock under
 *          which a timer wins the state word. So a timer that has not won it never looks at the
 *          task again, and needs no reference to it.
 *
 * LOCKS    creel__times.lock (rank 5): what is below it. Under it a timer is set, the expiry
 *          waits for the end of HELD, and of a finally both also for that of PINNED. Who holds
 *          the task takes the lock only where no expiry is set, or while it is in hand: then the
 *          expiry does not look at the task. Who has it PINNED, and whoever cancels it or asks for
 *          its state, does not take the lock: they look at in_hand without it.
 *          creel_executor.undue_lock (rank 16, a leaf): the list.
 */
#ifndef CREEL__FUTURE_TIMES_H
#define CREEL__FUTURE_TIMES_H

#include "future/class.h"
#include "future/hook.h"
#include "future/undue.h"
#include "sync/lock.h"
#include "time/timer.h"
#include <creel/submit.h>

struct creel__times {
	/* Set at birth. */
	creel_clock *clock;
	int64_t expires_at;                     /* INT64_MAX: never */
	int64_t delay_ns, expiry_ns, period_ns; /* what was asked for */
	bool delayed, fixed_rate;
	bool reserved; /* CREEL_STAY, and the class waits for it; written by whoever has the task */
	creel_fn fn;   /* of a periodic task, which forgets it while it runs */
	/* Or NULL: a run of a periodic task has ended well. True: it will run again. */
	bool (*again)(creel_future *f, struct creel__times *times);

	int64_t due_at;      /* INT64_MAX: never; written by whoever has the task */
	_Atomic(bool) began; /* a periodic task has had its first run */

	_Atomic(uint32_t) refs; /* the task's options, each timer that is set */
	struct creel__undue undue;
	struct creel__lock lock;
	creel_future *future; /* the task, NULL once it ends */
	bool due_set, expiry_set;
	_Atomic(bool) in_hand;  /* written with the lock held; read by cancellers without it */
	bool missed, due_again; /* while it was in hand it expired, or its next run became due */
	struct creel__timer due, expiry;
};

/* Whether options ask for any of this. */
static inline bool creel__times_wanted(const creel_submit_options *o)
{
	return o->delay_ns || o->expiry_ns || o->period_ns || o->clock;
}

/* Those of a task, or NULL. */
static inline struct creel__times *creel__times_of(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	return options ? options->times : NULL;
}

/* With one reference; NULL without memory. */
struct creel__times *creel__times_new(creel_future *f, const creel_submit_options *options);
void creel__times_unref(struct creel__times *times); /* NULL does nothing */

/* Its delay and its expiry count from now on. */
void creel__times_restart(struct creel__times *times);

/* The task ends. */
void creel__times_stop(struct creel__times *times);

/* A periodic task has had its first run, and has not ended: it does not expire any more. */
void creel__times_stop_expiry(struct creel__times *times);

/* Whether its class is just being given the task. The caller has it PINNED or HELD. */
bool creel__times_in_hand(const struct creel__times *times);

/* The class has a task that was taken off the list (future/undue.h), or it has ended. */
void creel__undue_leave(creel_executor *ex, struct creel__times *times);

/* The owner of a task that is not due: that list. */
extern const struct creel__owner creel__undue_owner;

/* expire.c */
/* With the lock held: sets the timer. 0, CREEL__TIMER_DUE, or why it cannot be set. */
int creel__times_set_expiry_locked(struct creel__times *times);
/* The class has been given the task, which is no longer in hand. Returns it, in hand again, if its
 * next run has become due meanwhile; else NULL. */
creel_future *creel__times_given(struct creel__times *times);
/* Ends a task that the caller has PINNED as expired. */
void creel__times_expire(creel_future *f);

#endif
