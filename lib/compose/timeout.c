/* SPDX-License-Identifier: MIT */
/*
 * Timeouts: a future that ends as its input does, or at a deadline.
 *
 * Three may end one: its input, by a link; the clock, by a timer; and a canceller, who has the
 * future PINNED. The first to set `won` does, takes the others off, and has the owner's reference.
 * If it is not the canceller, and claiming fails, a canceller has come between: that one ends it.
 *
 * MEMORY  Beside the future there is a struct timeout, which link, timer and the end have a
 *         reference to. Whoever is taken off loses his to who took him off. That of the end is kept
 *         for a canceller who has the future PINNED, and gets here by its payload: it is dropped by
 *         the one who claims the future, and where that fails by the canceller.
 * LOCK    timeout.lock (rank 5): won. Held while timer and link are set, so that neither is told
 *         before both are.
 */
#include <creel/then.h>
#include "base/alloc.h"
#include "base/list.h"
#include "future/error.h"
#include "future/future.h"
#include "future/link.h"
#include "future/owned.h"
#include "sync/fork.h"
#include "sync/lock.h"
#include "time/timer.h"
#include <creel/future.h>
#include <errno.h>

struct timeout {
	_Atomic(uint32_t) refs;
	struct creel__lock lock;
	bool won;
	bool timed; /* the timer has been set; plain, as the next: written before the others know */
	unsigned flags;
	creel_future *f; /* the owner's reference */
	struct creel__link link;
	struct creel__timer timer;
	creel_future *input; /* of whoever has won, to be asked: a reference; or NULL */
	struct creel__deferred ask;
	struct creel__cancelling how;
};

static struct timeout **timeout_of(creel_future *f)
{
	return creel__owned_state(f);
}

static void drop(struct timeout *t, uint32_t n)
{
	/* [TOUT-1] acq_rel: whoever frees it comes after everybody's use; pairs with itself */
	if (n && creel__sub(&t->refs, n, acq_rel) == n)
		creel__free(t);
}

static bool win(struct timeout *t)
{
	creel__lock_acquire(&t->lock);
	bool mine = !t->won;
	t->won = true;
	creel__lock_release(&t->lock);
	return mine;
}

static uint32_t stop_timer(struct timeout *t)
{
	return t->timed && creel__timer_cancel(&t->timer);
}

/* Takes it off its input, which is to be asked if a flag says so. */
static uint32_t unlink_input(struct timeout *t)
{
	return creel__link_remove(&t->link, t->flags ? &t->input : NULL);
}

/* Asks the input that the caller has taken it off. False: this is a child. */
static bool ask_rest(struct timeout *t)
{
	creel_future *input = t->input;
	uint16_t here = t->ask.generation;
	if (!input)
		return true;
	if (t->flags & CREEL_KILL_REST || t->how.kill)
		(void)creel__future_kill(input, t->how.grace_ns);
	else
		(void)creel_future_cancel(input);
	if (creel__fork_foreign(here))
		return false;
	t->input = NULL;
	creel_future_unref(input);
	return !creel__fork_foreign(here);
}

static void ended(struct creel__link *link, creel_future *input)
{
	struct timeout *t = creel__of(link, struct timeout, link);
	creel_future *f = t->f;
	uint16_t here = t->ask.generation;
	uint32_t refs = 1;
	if (!win(t)) {
		creel_future_unref(input);
	} else if (creel__owned_claim(f)) {
		refs += 1 + stop_timer(t);
		creel__owned_pass(f, input);
	} else {
		refs += stop_timer(t);
		creel_future_unref(input);
		creel_future_unref(f);
	}
	/* What they freed may have forked. */
	if (!creel__fork_foreign(here))
		drop(t, refs);
}

static const creel_error *why(bool due)
{
	if (due)
		return creel__error_make(CREEL_KIND_TIMED_OUT, -ETIMEDOUT, NULL,
					 "the deadline passed before the input had ended");
	return creel__error_make(CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
				 "the clock was dropped before the deadline");
}

/* The time is over, and the caller has won. False: the end is a canceller's. */
static bool fail(struct timeout *t, bool due)
{
	creel_future *f = t->f;
	bool mine = creel__owned_claim(f), here = ask_rest(t);
	if (here && mine)
		creel__owned_fail(f, why(due));
	else if (here)
		creel_future_unref(f);
	return mine;
}

static bool time_is_over(struct creel__timer *timer, bool due)
{
	struct timeout *t = creel__of(timer, struct timeout, timer);
	uint16_t here = t->ask.generation;
	bool mine = win(t);
	uint32_t refs = 1;
	if (mine) {
		refs += unlink_input(t);
		refs += fail(t, due);
	}
	if (!creel__fork_foreign(here))
		drop(t, refs);
	return mine;
}

static enum creel__withdrawn withdraw(creel_future *f)
{
	struct timeout *t = *timeout_of(f);
	if (!win(t)) {
		/* Whoever has won finds f claimed, and leaves the end to us. */
		*timeout_of(f) = NULL;
		drop(t, 1);
		return CREEL__NOT_THERE;
	}
	/* That of the end is left. */
	drop(t, unlink_input(t) + stop_timer(t));
	return CREEL__WITHDRAWN;
}

static void ask(struct creel__deferred *d)
{
	struct timeout *t = creel__of(d, struct timeout, ask);
	if (ask_rest(t))
		drop(t, 1);
}

static void cancelled(creel_future *f, const struct creel__cancelling *how)
{
	struct timeout *t = *timeout_of(f);
	if (!t)
		return;
	if (how->kill)
		t->how = *how;
	creel__callbacks_call(&t->ask);
}

static const struct creel__owner owner = {
	.what = "the timeout", .withdraw = withdraw, .cancelled = cancelled};

static const creel_error *reject(int code, const char *text)
{
	return creel__error_make(CREEL_KIND_REJECTED, code, NULL, "creel_timeout: %s", text);
}

static const creel_error *explain_clock(int rc)
{
	if (rc == -ENOMEM)
		return creel__error_static(CREEL_KIND_NO_MEMORY);
	return reject(rc, rc == -EPERM    ? "the clock is the parent's, and this is a forked child"
			  : rc == -EINVAL ? "creel_clock_new got unknown flags; use "
					    "CREEL_CLOCK_MANUAL or 0"
					  : "the clock cannot time it");
}

/* What is wrong, or NULL. */
static const creel_error *check(creel_future *input, creel_clock *clock, unsigned flags)
{
	if (!input)
		return reject(-EINVAL, "f is NULL");
	if (creel__future_foreign(input))
		return reject(-EPERM, "this is a forked child, and f is its parent's");
	if (flags & ~(unsigned)(CREEL_CANCEL_REST | CREEL_KILL_REST))
		return creel__error_make(CREEL_KIND_REJECTED, -EINVAL, NULL,
					 "creel_timeout: flags is 0x%x; use CREEL_CANCEL_REST, "
					 "CREEL_KILL_REST or 0",
					 flags);
	int rc = creel__clock_check(clock);
	return rc ? explain_clock(rc) : NULL;
}

/* Nobody else knows it. */
static void discard(struct timeout *t, creel_future *f)
{
	creel__block_free(f);
	creel__free(t);
}

static struct timeout *timeout_new(unsigned flags)
{
	struct timeout *t = creel__zalloc(sizeof *t);
	creel_future *f = t ? creel__owned_new(&owner, 2) : NULL;
	if (!f) {
		creel__free(t);
		return NULL;
	}
	creel__store(&t->refs, 1, relaxed);
	t->f = f;
	t->flags = flags;
	t->how.grace_ns = CREEL__GRACE_OF_POOL;
	t->link.ended = ended;
	t->timer.end = time_is_over;
	t->ask = (struct creel__deferred){.run = ask, .generation = f->generation};
	*timeout_of(f) = t;
	return t;
}

/* The input has ended, or the deadline has passed, before it was made. */
static creel_future *end_now(struct timeout *t, creel_future *input)
{
	creel_future *f = t->f;
	bool final = creel__future_is_final(input);
	if (final) {
		(void)creel__owned_claim(f);
		creel__owned_pass(f, creel_future_ref(input));
	} else {
		t->input = t->flags ? creel_future_ref(input) : NULL;
		(void)fail(t, true);
	}
	if (!creel__fork_foreign(t->ask.generation))
		drop(t, 1 + stop_timer(t));
	return f;
}

creel_future *creel_timeout(creel_future *f, creel_clock *clock, creel_deadline deadline,
			    unsigned flags)
{
	const creel_error *wrong = check(f, clock, flags);
	if (wrong)
		return creel__future_failed(wrong);
	struct timeout *t = timeout_new(flags);
	if (!t)
		return creel__future_failed(creel__error_static(CREEL_KIND_NO_MEMORY));
	creel_future *ret = t->f;
	creel__lock_acquire(&t->lock);
	int rc = deadline.ns == CREEL_FOREVER.ns ? 0 : creel__timer_set(clock, &t->timer, deadline);
	t->timed = rc == 0 && deadline.ns != CREEL_FOREVER.ns;
	bool linked = rc == 0 && creel__link_add(f, &t->link);
	t->won = !linked;
	creel__add(&t->refs, t->timed + (uint32_t)linked, relaxed);
	creel__lock_release(&t->lock);
	if (linked)
		return ret;
	if (rc >= 0)
		return end_now(t, f);
	discard(t, ret);
	return creel__future_failed(explain_clock(rc));
}
