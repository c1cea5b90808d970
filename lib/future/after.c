/* SPDX-License-Identifier: MIT */
/*
 * Futures that a clock ends.
 *
 * The timer stands in the block, in the place of argument and result: so setting one allocates the
 * block and nothing else. The clock is the owner and has a reference. Whoever takes the timer off
 * the clock, the clock itself or a canceller, drops it.
 */
#include "future/future.h"
#include "future/owned.h"
#include "time/timer.h"
#include <creel/future.h>
#include <errno.h>

_Static_assert(sizeof(struct creel__timer) <= CREEL__PAYLOAD, "a timer fits in the block");

static struct creel__timer *timer_of(creel_future *f)
{
	return creel__owned_state(f);
}

static creel_future *future_of(struct creel__timer *timer)
{
	return (creel_future *)(void *)((char *)timer - offsetof(creel_future, payload));
}

/* On a thread that ends timers, which has taken it off. Takes over the clock's reference. */
static bool end(struct creel__timer *timer, bool due)
{
	creel_future *f = future_of(timer);
	if (!creel__owned_claim(f)) {
		creel_future_unref(f);
		return false;
	}
	if (due)
		creel__owned_finish(f);
	else
		creel__owned_fail(f, creel__error_make(CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
						       "the clock was dropped before the timer "
						       "was due"));
	return true;
}

/* Of a future that is PINNED: so end() does not end it, and the clock is there. */
static enum creel__withdrawn withdraw(creel_future *f)
{
	struct creel__timer *timer = timer_of(f);
	return timer->clock && creel__timer_cancel(timer) ? CREEL__WITHDRAWN : CREEL__NOT_THERE;
}

static const struct creel__owner owner = {.what = "the timer", .withdraw = withdraw};

static const creel_error *explain(creel_clock *clock, int rc)
{
	switch (rc) {
	case -ENOMEM:
		return creel__error_static(CREEL_KIND_NO_MEMORY);
	case -EPERM:
		return creel__error_make(CREEL_KIND_REJECTED, rc, NULL,
					 "creel_after: the clock is the parent's, and this is a "
					 "forked child; make one here, or use NULL");
	case -EINVAL:
		return creel__error_make(CREEL_KIND_REJECTED, rc, NULL,
					 "creel_after: creel_clock_new got flags 0x%x; use "
					 "CREEL_CLOCK_MANUAL or 0",
					 creel__clock_flags(clock));
	default:
		return creel__error_make(CREEL_KIND_REJECTED, rc, NULL,
					 "creel_after: the clock's thread cannot be started (%s)",
					 creel_code_name(rc));
	}
}

creel_future *creel_after(creel_clock *clock, creel_deadline deadline)
{
	creel_future *f = creel__owned_new(&owner, 2);
	if (!f)
		return creel__future_failed(creel__error_static(CREEL_KIND_NO_MEMORY));
	*timer_of(f) = (struct creel__timer){.end = end};
	bool endless = deadline.ns == CREEL_FOREVER.ns;
	int rc = endless ? creel__clock_check(clock)
			 : creel__timer_set(clock, timer_of(f), deadline);
	if (rc < 0) {
		creel__block_free(f);
		return creel__future_failed(explain(clock, rc));
	}
	/* If the clock has not taken it, nobody else knows it. */
	if (endless)
		creel__store(&f->state, CREEL__REF | CREEL__OWNED, relaxed);
	else if (rc == CREEL__TIMER_DUE)
		creel__store(&f->state, CREEL__REF | CREEL__OWNED | CREEL__FINISHED, relaxed);
	return f;
}
