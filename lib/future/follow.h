/* SPDX-License-Identifier: MIT */
/*
 * Tasks that end as another future does: creel_return_future().
 *
 * FOLLOWS   The function has returned. The task is RUNNING and OWNED, and hangs on the other
 *           future, its source, by a link. Its executor is through with it: it has counted the
 *           task as ended, has its place back, and may be shut down, or have no users any more.
 *           The task holds its memory (creel_executor.holds). Adaptors that forwarded the task
 *           wait for its end.
 * ENDS      Whoever ends the source calls the link, waits while the task is HELD, moves it to
 *           SETTLING and ends it.
 * CANCELLED A canceller goes on to the source. With the task HELD he takes the link off, which
 *           gives him a reference to the source, and puts it back on. So chains of such tasks are
 *           walked in constant stack, and a task holds no reference to its source: a promise with
 *           no other holder breaks.
 * CIRCLES   A task first says that it follows, and then walks on from its source. If it comes back
 *           to itself it fails. Of several that close a circle at once the last one to say so
 *           finds all others: each step is seq_cst [FOLLOW-1]. Nothing leads back to a task on
 *           which nobody has hung anything, so then it need not walk. HOOKED stays once it is set,
 *           and if the last one finds itself without, one of those who come before it in the
 *           circle hangs on the next one later, and walks [FOLLOW-2].
 */
#ifndef CREEL__FUTURE_FOLLOW_H
#define CREEL__FUTURE_FOLLOW_H

#include "future/link.h"

/* In the place of the task's result: CREEL__RESULT_FOLLOW. */
struct creel__follow {
	struct creel__link link;
	creel_future *f;
	creel_future *source; /* a reference, as long as the function has not returned; then NULL */
};

/* Whether f is a task that follows, by its state word, which was loaded with acquire: an adaptor
 * may have forwarded it. (A token's future is RUNNING and OWNED, too, and has no executor.) */
static inline bool creel__follows(const creel_future *f, uint64_t s)
{
	return (s & (CREEL__STATE | CREEL__OWNED)) == (CREEL__RUNNING | CREEL__OWNED) &&
	       f->executor;
}

/* What f follows: a reference; or NULL, if it does not (any more). The caller has one to f. */
creel_future *creel__follow_next(creel_future *f);

/* The last of the chain that f begins, or NULL if f follows nothing: a reference. */
creel_future *creel__follow_last(creel_future *f);

/* Whether the chain that begins with `from` comes to `to`. */
bool creel__follow_leads_to(creel_future *from, const creel_future *to);

/* The same as creel__follow_next(), and f is SETTLING: for the caller to end. */
creel_future *creel__follow_cut(creel_future *f);

#endif
