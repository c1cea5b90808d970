/* SPDX-License-Identifier: MIT */
/*
 * Links: hooks that are called without a lock. What is composed of futures hangs on its inputs by
 * them: continuations, aggregates, timeouts. A link is embedded in whatever it belongs to.
 *
 * CALLED  Once, when the input is final: after the listeners, before the callbacks, in the order in
 *         which they were added. As a callback is: never within another one (future/nest.h), so
 *         chains need constant stack, and a wait there is refused.
 * INPUT   A link holds no reference to an input that is not final. So a promise whose last holder
 *         goes is broken, and its links hear of it. Whoever removes a link may do so at the moment
 *         when the input ends and goes: the claim below decides. If the teller finds a remover
 *         there it leaves that one a reference to the input. Where the link is the only hook, it is
 *         the teller's own reference that goes on.
 *
 *             LINKED --told()--> TOLD: ended() is called, with a reference to the input
 *                '--creel__link_remove()--> REMOVING
 */
#ifndef CREEL__FUTURE_LINK_H
#define CREEL__FUTURE_LINK_H

#include "future/hook.h"
#include "future/nest.h"

struct creel__link {
	struct creel__hook hook;
	struct creel__deferred deferred;
	/* f, which is final, comes with a reference. The link's memory is its owner's again. */
	void (*ended)(struct creel__link *link, creel_future *f);
	creel_future *input; /* plain */
	_Atomic(uint32_t) claim;
};

/* ended is set. False: f is final already, and ended() will not be called. */
bool creel__link_add(creel_future *f, struct creel__link *link);

/* The notify of a link's hook. */
void creel__link_told(struct creel__hook *hook, creel_future *f);
/* The same with a reference of the caller's to the input, which it takes over. */
void creel__link_tell(struct creel__hook *hook);

/* True: ended() will not be called, and nobody looks at the link any more. False: it has been
 * called, or will be. Constant time. ret_input, unless NULL, gets a reference to the input. */
bool creel__link_remove(struct creel__link *link, creel_future **ret_input);

#endif
