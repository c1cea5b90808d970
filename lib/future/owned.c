/* SPDX-License-Identifier: MIT */
/* Futures that have an owner; see future/owned.h. */
#include "future/owned.h"
#include "future/future.h"
#include "future/result.h"
#include "sync/fork.h"
#include <creel/future.h>

creel_future *creel__owned_new(const struct creel__owner *owner, unsigned refs)
{
	creel_future *f = creel__block_new(refs * CREEL__REF | CREEL__OWNED);
	if (!f)
		return NULL;
	f->owner = owner;
	f->executor = NULL;
	f->generation = creel__fork_generation();
	return f;
}

bool creel__owned_claim(creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	do {
		if ((s & CREEL__STATE) != CREEL__PENDING)
			return false;
		/* Relaxed: the owner's lock has ordered what its maker did. */
	} while (!creel__cas(&f->state, &s, s + CREEL__SETTLING, relaxed, relaxed));
	return true;
}

bool creel__owned_host_only(creel_future *f)
{
	f = creel__result_source(f);
	/* Of what has an owner from birth, that stays until the last user has dropped it. */
	return creel__load(&f->state, relaxed) & CREEL__OWNED && !f->executor &&
	       f->owner->host_only;
}

void creel__owned_finish(creel_future *f)
{
	creel__future_settle(f, CREEL__FINISHED, 1);
}

void creel__owned_fail(creel_future *f, const creel_error *error)
{
	bool cancelled = error->kind == CREEL_KIND_CANCELLED;
	creel__result_error(f, error);
	creel__future_settle(f, cancelled ? CREEL__CANCELLED : CREEL__FAILED, 1);
}

unsigned creel__outcome_pass(creel_future *f, creel_future *source)
{
	if (creel__future_peek(source) == CREEL__FINISHED) {
		creel__result_refer(f, source);
		return CREEL__FINISHED;
	}
	const creel_error *e = creel__future_peek_error(source);
	/* Who hears of f's error hears of this one. */
	if (!(creel__load(&source->state, relaxed) & CREEL__STATIC))
		creel__or(&source->state, CREEL__READ, relaxed);
	creel__result_error(f, creel__error_ref(e));
	return e->kind == CREEL_KIND_CANCELLED ? CREEL__CANCELLED : CREEL__FAILED;
}

void creel__owned_pass(creel_future *f, creel_future *source)
{
	unsigned final = creel__outcome_pass(f, source);
	creel_future_unref(source);
	creel__future_settle(f, final, 1);
}
