/* SPDX-License-Identifier: MIT */
/* Chains of tasks that end as the next one does; see future/follow.h. */
#include "future/follow.h"
#include "future/future.h"
#include "future/nest.h"
#include "future/result.h"
#include "sync/fork.h"
#include "sync/park.h"
#include <creel/future.h>

/* Keeps it from ending. False: it follows nothing. */
static bool hold(creel_future *f)
{
	/* [FOLLOW-1] seq_cst: a look at what it follows, after the walker has said what he follows,
	 * and so are the next ones; pairs with itself, and with step() of exec/return.c */
	uint64_t s = creel__load(&f->state, seq_cst);
	while (creel__follows(f, s)) {
		if (s & CREEL__HELD) {
			s = creel__or(&f->state, CREEL__WAITED, relaxed) | CREEL__WAITED;
			if (s & CREEL__HELD)
				creel__park_briefly(creel__low_half(&f->state), (uint32_t)s,
						    CREEL_FOREVER);
			/* [FOLLOW-1] seq_cst: as above */
			s = creel__load(&f->state, seq_cst);
			/* [FOLLOW-1] seq_cst: as above, also when it fails */
		} else if (creel__cas(&f->state, &s, s | CREEL__HELD, seq_cst, seq_cst)) {
			return true;
		}
	}
	return false;
}

creel_future *creel__follow_next(creel_future *f)
{
	creel_future *source = NULL;
	uint16_t generation = f->generation;
	if (!hold(f))
		return NULL;
	struct creel__link *link = &creel__result_follow(f)->link;
	bool off = creel__link_remove(link, &source);
	bool on = off && creel__link_add(source, link);
	creel__future_release(f);
	if (off && !on) {
		/* It has ended meanwhile, and only we know the link. */
		creel__callbacks_enter();
		link->ended(link, creel_future_ref(source));
		creel__callbacks_leave();
		/* One has forked, and this is the child. */
		if (creel__fork_foreign(generation))
			return NULL;
	}
	return source;
}

creel_future *creel__follow_cut(creel_future *f)
{
	creel_future *source = NULL;
	if (!hold(f))
		return NULL;
	bool off = creel__link_remove(&creel__result_follow(f)->link, &source);
	creel__future_let_go(f, CREEL__HELD | (off ? CREEL__STATE : 0), off ? CREEL__SETTLING : 0);
	return source;
}

creel_future *creel__follow_last(creel_future *f)
{
	creel_future *last = NULL, *next = creel__follow_next(f);
	while (next) {
		creel_future_unref(last);
		last = next;
		next = creel__follow_next(last);
	}
	return last;
}

bool creel__follow_leads_to(creel_future *from, const creel_future *to)
{
	creel_future *at = creel_future_ref(from);
	while (at && at != to) {
		creel_future *next = creel__follow_next(at);
		creel_future_unref(at);
		at = next;
	}
	creel_future_unref(at);
	return at;
}
