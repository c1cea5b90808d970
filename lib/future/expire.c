/* SPDX-License-Identifier: MIT */
/* How a task expires; see future/times.h. */
#include "future/cancel.h"
#include "future/times.h"
#include <errno.h>

void creel__times_expire(creel_future *f)
{
	const creel_error *e = creel__error_make(
		CREEL_KIND_EXPIRED, -ETIMEDOUT, creel__task_name(f),
		"the task expired: it had not started %lld ns after its submission",
		(long long)creel__times_of(f)->expiry_ns);
	creel__error_set_unhandled(e, f->executor->unhandled);
	creel__future_end_pinned(f, e);
}

/* The clock's thread, or who advances it. */
static bool on_expiry(struct creel__timer *timer, bool due)
{
	struct creel__times *times = creel__of(timer, struct creel__times, expiry);
	creel_future *f = NULL;
	creel__lock_acquire(&times->lock);
	bool mine = times->expiry_set;
	times->expiry_set = false;
	if (mine && due && creel__load(&times->in_hand, relaxed))
		times->missed = true;
	else if (mine && due && creel__future_pin(times->future))
		f = times->future;
	creel__lock_release(&times->lock);
	if (f)
		creel__times_expire(f);
	creel__times_unref(times);
	return mine;
}

int creel__times_set_expiry_locked(struct creel__times *times)
{
	if (times->expires_at == INT64_MAX)
		return 0;
	times->expiry.end = on_expiry;
	int rc = creel__timer_set(times->clock, &times->expiry,
				  (creel_deadline){times->expires_at});
	/* The clock was dropped: it never comes. */
	if (rc == CREEL_EFAILED)
		return 0;
	times->expiry_set = rc == 0;
	if (rc == 0)
		creel__add(&times->refs, 1, relaxed);
	return rc;
}

creel_future *creel__times_given(struct creel__times *times)
{
	creel_future *f = NULL;
	creel__lock_acquire(&times->lock);
	bool again = times->due_again;
	/* [TIMES-2] release: the class has it; pairs with the acquire in creel__times_in_hand() */
	creel__store(&times->in_hand, again, release);
	times->due_again = false;
	if (!again && times->missed && times->future && creel__future_pin(times->future))
		f = times->future;
	creel__lock_release(&times->lock);
	if (f)
		creel__times_expire(f);
	return again ? times->undue.task : NULL;
}
