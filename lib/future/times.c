/* SPDX-License-Identifier: MIT */
/* The timers of a task; see future/times.h. */
#include "future/times.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "future/owned.h"

static int64_t after(int64_t now, int64_t ns)
{
	return ns ? creel__later(now, ns) : INT64_MAX;
}

struct creel__times *creel__times_new(creel_future *f, const creel_submit_options *options)
{
	struct creel__times *times = creel__zalloc(sizeof *times);
	if (!times)
		return NULL;
	times->clock = options->clock;
	times->delayed = options->delay_ns;
	times->delay_ns = options->delay_ns;
	times->expiry_ns = options->expiry_ns;
	times->period_ns = options->period_ns;
	times->fixed_rate = options->flags & CREEL_FIXED_RATE;
	creel__clock_keep(times->clock);
	creel__store(&times->refs, 1, relaxed);
	creel__undue_init(&times->undue, f, NULL);
	times->undue.stays = options->flags & CREEL_STAY;
	creel__times_restart(times);
	return times;
}

void creel__times_restart(struct creel__times *times)
{
	int64_t now = creel_clock_now(times->clock).ns;
	times->due_at = creel__later(now, times->delay_ns);
	times->expires_at = after(now, times->expiry_ns);
}

void creel__times_unref(struct creel__times *times)
{
	/* [TIMES-1] acq_rel: whoever frees it comes after everybody's use; pairs with itself */
	if (times && creel__sub(&times->refs, 1, acq_rel) == 1) {
		creel__clock_unkeep(times->clock);
		creel__free(times);
	}
}

static void stop_timer(struct creel__times *times, struct creel__timer *timer)
{
	if (creel__timer_cancel(timer))
		creel__times_unref(times);
}

void creel__times_stop(struct creel__times *times)
{
	creel__lock_acquire(&times->lock);
	bool due_set = times->due_set, expiry_set = times->expiry_set;
	times->due_set = times->expiry_set = false;
	times->future = NULL;
	creel__lock_release(&times->lock);
	if (due_set)
		stop_timer(times, &times->due);
	if (expiry_set)
		stop_timer(times, &times->expiry);
}

void creel__times_stop_expiry(struct creel__times *times)
{
	creel__lock_acquire(&times->lock);
	bool set = times->expiry_set;
	times->expiry_set = times->missed = false;
	creel__lock_release(&times->lock);
	if (set)
		stop_timer(times, &times->expiry);
}

bool creel__times_in_hand(const struct creel__times *times)
{
	/* [TIMES-2] acquire: it has all of it; pairs with the release in creel__times_given() */
	return creel__load(&times->in_hand, acquire);
}

void creel__undue_leave(creel_executor *ex, struct creel__times *times)
{
	/* Others may have a periodic task by now, which is never reserved. */
	if (times->reserved) {
		(void)ex->class->reserve(ex, -1);
		times->reserved = false;
	}
	creel__executor_unkeep(ex);
}

static enum creel__withdrawn withdraw(creel_future *f)
{
	creel__undue_take(f->executor, &creel__times_of(f)->undue);
	return CREEL__WITHDRAWN;
}

static void cancelled(creel_future *f, const struct creel__cancelling *how)
{
	(void)how;
	creel__undue_leave(f->executor, creel__times_of(f));
}

const struct creel__owner creel__undue_owner = {
	.what = "the task", .undue = true, .withdraw = withdraw, .cancelled = cancelled};
