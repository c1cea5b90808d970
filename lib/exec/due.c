/* SPDX-License-Identifier: MIT */
/* Tasks that are not due yet: the way in, and out. What holds meanwhile stands in future/times.h;
 * the way to the executor's class in exec/due_give.c. */
#include "exec/due.h"
#include "base/clock.h"
#include "exec/task.h"
#include "future/cancel.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/layers.h"
#include "future/result.h"
#include "future/stage.h"
#include "future/times.h"
#include "future/watch.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <errno.h>

/* Gives a task that is in hand to its class, and lets go of the executor. The caller has a
 * reference to times, which goes if the thread ends within. *f_ is what is to be handed over next,
 * or NULL. False: this is a child. */
static bool hand_over_once(creel_future **f_, struct creel__times *times)
{
	creel_executor *ex = (*f_)->executor;
	creel__watch_due(*f_);
	if (!creel__due_give(*f_))
		return false;
	*f_ = creel__times_given(times);
	if (creel__executor_foreign(ex))
		return false;
	creel__undue_leave(ex, times);
	return true;
}

/* The same, as often as it is due again when it comes back. */
static bool hand_over(creel_future *f, struct creel__times *times)
{
	bool here = true;
	while (f && here)
		here = hand_over_once(&f, times);
	return here;
}

static const creel_error *never_due(creel_future *f)
{
	return creel__error_make(CREEL_KIND_BROKEN, CREEL_EFAILED, creel__task_name(f),
				 "the clock was dropped before the task was due");
}

/* Nobody can move the clock any more. */
static void abandon(creel_future *f)
{
	creel_executor *ex = f->executor;
	creel__future_let_go(f, CREEL__HELD, CREEL__SETTLING);
	creel__task_fail_claimed((creel_task *)f, never_due(f));
	if (!creel__executor_foreign(ex))
		creel__executor_unkeep(ex);
}

/* On the clock's thread, or that of who moves it. Where it comes late, what has expired is left to
 * its other timer. */
static bool on_due(struct creel__timer *timer, bool due)
{
	struct creel__times *times = creel__of(timer, struct creel__times, due);
	creel_future *f = NULL;
	creel__lock_acquire(&times->lock);
	bool mine = times->due_set;
	bool late = due && times->expiry_set &&
		    times->expires_at <= creel_clock_now(times->clock).ns;
	times->due_set = false;
	if (mine && !late && creel__future_hold(times->future)) {
		f = times->future;
		creel__store(&times->in_hand, due, relaxed);
	}
	creel__lock_release(&times->lock);
	bool here = true;
	if (f)
		creel__undue_take(f->executor, &times->undue);
	if (f && due)
		here = hand_over(f, times);
	else if (f)
		abandon(f);
	if (here)
		creel__times_unref(times);
	return mine;
}

/* With the lock held. 0, CREEL__TIMER_DUE, or why it cannot be set. */
static int set_due_locked(struct creel__times *times)
{
	if (times->due_at == INT64_MAX)
		return 0;
	times->due.end = on_due;
	int rc = creel__timer_set(times->clock, &times->due, (creel_deadline){times->due_at});
	times->due_set = rc == 0;
	if (rc == 0)
		creel__add(&times->refs, 1, relaxed);
	return rc;
}

/* With the lock held: sets the timers that the task needs. 0; CREEL__TIMER_DUE if it is due; or why
 * they cannot be set. *ret_expired: it has expired already. */
static int set_timers_locked(struct creel__times *times, bool *ret_expired)
{
	int rc = creel__times_set_expiry_locked(times);
	*ret_expired = rc == CREEL__TIMER_DUE;
	if (rc || !times->delayed)
		return rc < 0 ? rc : 0;
	return set_due_locked(times);
}

/* A task that is due at once. Only its executor may refuse it. */
static int give(creel_future *f, struct creel__times *times)
{
	uint16_t generation = f->executor->generation;
	int rc = creel__due_give_at_once(f, times);
	if (creel__fork_foreign(generation))
		return rc;
	if (rc) {
		creel__times_stop(times);
		return rc;
	}
	creel_future *again = creel__times_given(times);
	if (again)
		(void)hand_over(again, times);
	return 0;
}

/* It has expired by now: its maker ends it. */
static int expire_now(creel_future *f)
{
	creel__future_let_go(f, CREEL__HELD | f->executor->task_flags,
			     CREEL__OWNED | CREEL__PINNED);
	creel__times_expire(f);
	return 0;
}

static int submit_due(creel_future *f, struct creel__times *times)
{
	bool expired;
	creel__lock_acquire(&times->lock);
	times->future = f;
	creel__store(&times->in_hand, true, relaxed);
	int rc = set_timers_locked(times, &expired);
	creel__lock_release(&times->lock);
	if (rc < 0)
		return rc;
	return expired ? expire_now(f) : give(f, times);
}

/* 0; or why its executor does not wait for a task that is to stay. */
static int reserve(creel_executor *ex, struct creel__times *times)
{
	int rc = times->undue.stays ? ex->class->reserve(ex, 1) : 0;
	times->reserved = times->undue.stays && rc == 0;
	if (times->reserved)
		creel__executor_keep(ex);
	return rc;
}

static int submit_undue(creel_future *f, struct creel__times *times)
{
	creel_executor *ex = f->executor;
	bool expired;
	if (creel__load(&ex->error, relaxed))
		return CREEL_EFAILED;
	int rc = reserve(ex, times);
	if (rc)
		return rc;
	/* Held, so that nobody ends it before its timers are set. The flags of its class's tasks it
	 * gets when the class does. */
	creel__future_let_go(f, ex->task_flags, CREEL__OWNED | CREEL__HELD);
	if (!creel__undue_add(ex, &times->undue)) {
		if (times->undue.stays)
			creel__undue_leave(ex, times);
		return -ESHUTDOWN;
	}
	creel__lock_acquire(&times->lock);
	times->future = f;
	rc = set_timers_locked(times, &expired);
	/* Or it is given back: its expiry leaves a note, and waits for nobody. */
	creel__store(&times->in_hand, rc != 0, relaxed);
	creel__lock_release(&times->lock);
	if (rc == 0) {
		if (expired)
			return expire_now(f);
		creel__future_let_go_listed(f, CREEL__HELD, 0);
		return 0;
	}
	creel__undue_take(f->executor, &times->undue);
	if (rc == CREEL__TIMER_DUE) {
		(void)hand_over(f, times);
		return 0;
	}
	creel__times_stop(times);
	creel__undue_leave(ex, times);
	return rc;
}

/* From RUNNING to PENDING and not due, HELD, and back with ex, to which it was submitted. False: it
 * has been asked to stop. */
static bool rewind_run(creel_future *f, creel_executor *ex)
{
	creel_executor *at = f->executor;
	const uint64_t past = CREEL__STATE | at->task_flags | ex->task_flags | CREEL__MARKS;
	uint64_t s = creel__load(&f->state, relaxed);
	if (at != ex)
		creel__task_move(f, creel__layers_of(f), ex);
	do {
		if (s & CREEL__ASKED || creel__load(&at->kills, relaxed)) {
			if (at != ex)
				creel__task_move(f, creel__layers_of(f), at);
			return false;
		}
		/* [PIN-1] release: it is with ex; pairs with the acquires of those who hold it.
		 * What the run did is published when the next one is handed over. */
	} while (!creel__cas(&f->state, &s, (s & ~past) | CREEL__OWNED | CREEL__HELD, release,
			     relaxed));
	if (at != ex && at->traits & CREEL__BOUNDED)
		creel__places_give(&at->places, 1);
	return true;
}

static int64_t next_run(const struct creel__times *times)
{
	int64_t from = times->fixed_rate ? times->due_at : creel_clock_now(times->clock).ns;
	return creel__later(from, times->period_ns);
}

/* Sets the timer of the next run of a task that is HELD and on the list. */
static void arm_again(creel_future *f, struct creel__times *times)
{
	creel_executor *ex = f->executor;
	creel__lock_acquire(&times->lock);
	int rc = set_due_locked(times);
	bool due = rc == CREEL__TIMER_DUE, held = creel__load(&times->in_hand, relaxed);
	bool giver = due && held;
	times->due_again = giver;
	creel__store(&times->in_hand, held || due, relaxed);
	/* Before the giver, who lets go of the executor, finds what it was left. */
	if (rc)
		creel__undue_take(ex, &times->undue);
	creel__lock_release(&times->lock);
	if (rc == 0) {
		creel__future_let_go_listed(f, CREEL__HELD, 0);
		return;
	}
	if (giver)
		return;
	if (due) {
		(void)hand_over(f, times);
		return;
	}
	creel__due_end(f, creel__error_make(CREEL_KIND_BROKEN, rc, creel__task_name(f),
					    "the clock cannot time the next run (%s)",
					    creel_code_name(rc)));
	if (!creel__executor_foreign(ex))
		creel__executor_unkeep(ex);
}

/* A task between two runs, and what the one that has ended leaves. */
struct between {
	creel_future *f;
	struct creel__times *times;
	uint16_t generation;
	struct creel__box *box;
	creel_future *other; /* a reference; or NULL */
};

static void go_on(void *arg)
{
	const struct between *b = arg;
	if (creel__undue_add(b->f->executor, &b->times->undue))
		arm_again(b->f, b->times);
	else
		creel__due_end(b->f, creel__undue_error(b->f));
}

/* It goes on, or the next run has begun within and ended the thread. */
static void drop_result(void *arg)
{
	const struct between *b = arg;
	if (b->box && !creel__fork_foreign(b->generation))
		creel__box_free(b->box, b->generation);
	if (b->other && !creel__fork_foreign(b->generation))
		creel_future_unref(b->other);
}

/* Of a task whose run has ended well. The caller does what is to be done at the end of a run. */
static bool run_again(creel_future *f, struct creel__times *times)
{
	creel_executor *ex = creel__task_origin(f);
	struct between b = {f, times, f->generation, creel__result_box(f), creel__result_other(f)};
	if (!creel__load(&times->began, relaxed))
		creel__times_stop_expiry(times);
	if (!rewind_run(f, ex))
		return false;
	creel__watch_run_ended(f);
	f->result_len = 0;
	f->fn = times->fn;
	times->due_at = next_run(times);
	creel__store(&times->began, true, relaxed);
	creel__add(&times->refs, 1, relaxed);
	creel__thread_guard(go_on, drop_result, &b);
	drop_result(&b);
	if (!creel__fork_foreign(b.generation))
		creel__times_unref(times);
	return true;
}

int creel__due_submit(creel_task *task)
{
	creel_future *f = &task->future;
	struct creel__times *times = creel__options_of(f)->times;
	const creel_executor *ex = f->executor;
	uint16_t generation = ex->generation;
	creel__add(&times->refs, 1, relaxed);
	times->fn = f->fn;
	times->again = times->period_ns ? run_again : NULL;
	int rc = times->delayed ? submit_undue(f, times) : submit_due(f, times);
	/* A task that ran here may have forked, and this may be the child. */
	if (!creel__fork_foreign(generation))
		creel__times_unref(times);
	return rc;
}

/* With its timers set, or not: rc is what that said. */
static void start_timed(creel_future *f, struct creel__times *times, int rc, bool expired)
{
	creel_executor *ex = f->executor;
	if (expired) {
		(void)expire_now(f);
	} else if (rc == 0 && times->delayed) {
		creel__future_let_go_listed(f, CREEL__HELD, 0);
	} else {
		creel__undue_take(ex, &times->undue);
		if (rc >= 0) {
			(void)hand_over(f, times);
			return;
		}
		creel__due_end(f, rc == CREEL_EFAILED ? never_due(f) : creel__due_refusal(f, rc));
		if (!creel__executor_foreign(ex))
			creel__undue_leave(ex, times);
	}
}

void creel__due_start(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	struct creel__times *times = options->times;
	const creel_executor *ex = f->executor;
	uint16_t generation = ex->generation;
	bool expired = false;
	options->owner = &creel__undue_owner;
	creel__add(&times->refs, 1, relaxed);
	creel__times_restart(times);
	int rc = -ESHUTDOWN;
	if (!times->delayed || creel__undue_add(f->executor, &times->undue)) {
		creel__lock_acquire(&times->lock);
		times->future = f;
		rc = set_timers_locked(times, &expired);
		creel__store(&times->in_hand, rc != 0 || !times->delayed, relaxed);
		creel__lock_release(&times->lock);
	}
	start_timed(f, times, rc, expired);
	if (!creel__fork_foreign(generation))
		creel__times_unref(times);
}
