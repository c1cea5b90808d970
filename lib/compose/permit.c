/* SPDX-License-Identifier: MIT */
/*
 * Permits; see compose/gate.h.
 *
 * CIRCLE  compose/gate.c: a permit that nobody holds comes back as soon as it is granted
 */
#include "compose/gate.h"
#include "future/error.h"
#include "future/future.h"
#include "future/owned.h"
#include "future/result.h"
#include <creel/future.h>
#include <errno.h>

/* What a permit keeps in its payload until it is final. */
struct permit {
	void *words[2]; /* creel__result_words() */
	struct creel__gate *gate;
	bool handed; /* guarded by the gate's lock: it has left the line */
};

_Static_assert(sizeof(struct permit) <= CREEL__PAYLOAD, "a permit fits in the block");

static struct permit *permit_of(creel_future *f)
{
	return creel__owned_state(f);
}

bool *creel__permit_handed(creel_future *permit)
{
	return &permit_of(permit)->handed;
}

/* The last reference to a permit's result has gone. */
static void give_back(void *data, size_t size, void *arg)
{
	(void)data;
	(void)size;
	creel__gate_leave(arg, true);
}

void creel__permit_grant(struct creel__pass *pass, creel_future *permit)
{
	const creel_buffer held = {.free = give_back, .ctx = pass->gate};
	if (!creel__owned_claim(permit)) {
		/* Its canceller sees to the gate's user. */
		creel_future_unref(permit);
		pass->stayed = true;
	} else if (!pass->gate->counts) {
		pass->unused = true;
		creel__owned_finish(permit);
	} else if (creel__result_move(permit, held)) {
		pass->unused = pass->stayed = true;
		creel__owned_fail(permit, creel__error_static(CREEL_KIND_NO_MEMORY));
	} else {
		creel__owned_finish(permit);
	}
}

void creel__permit_fail(struct creel__pass *pass, creel_future *permit, const creel_error *error)
{
	if (creel__owned_claim(permit)) {
		pass->unused = true;
		creel__owned_fail(permit, error);
	} else {
		creel__error_unref(error);
		creel_future_unref(permit);
	}
}

static enum creel__withdrawn withdraw(creel_future *f)
{
	return creel__gate_withdraw(permit_of(f)->gate, f) ? CREEL__WITHDRAWN : CREEL__NOT_THERE;
}

static void cancelled(creel_future *f, const struct creel__cancelling *how)
{
	(void)how;
	creel__gate_leave(permit_of(f)->gate, false);
}

static const struct creel__owner owner = {
	.what = "the permit", .withdraw = withdraw, .cancelled = cancelled};

int creel__gate_permit(struct creel__gate *gate, creel_future **ret_permit)
{
	creel_future *f = creel__owned_new(&owner, 2);
	if (!f)
		return -ENOMEM;
	*permit_of(f) = (struct permit){.gate = gate};
	if (!creel__gate_enter_permit(gate, f)) {
		creel__block_free(f);
		return -ESHUTDOWN;
	}
	*ret_permit = f;
	return 0;
}
