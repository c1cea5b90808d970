/* SPDX-License-Identifier: MIT */
/*
 * The moment before a worker sleeps: it watches the word on which it will park. See WATCHING in
 * threads/pool.h.
 */
#include "base/clock.h"
#include "threads/pool.h"

enum {
	LOOKS_A_TURN = CREEL__IN_MODEL ? 1 : 32, /* between two looks at the clock */
};

static void watch(struct creel__pool_worker *w)
{
	creel_deadline until = creel_in_ns(w->pool->spin_ns);
	do {
		for (int i = 0; i < LOOKS_A_TURN; i++) {
			/* Relaxed: the swap that follows has the order. */
			if (creel__load(&w->woken, relaxed) == CREEL__WOKEN)
				return;
			creel__cpu_relax();
		}
	} while (!CREEL__IN_MODEL && !creel__deadline_passed(until));
}

bool creel__worker_watch(struct creel__pool_worker *w)
{
	uint32_t watches = CREEL__WATCHES;
	if (w->pool->spin_ns)
		watch(w);
	/* [WAKE-1] acquire: what the waker did; pairs with the release in wake_locked() */
	return !creel__cas(&w->woken, &watches, CREEL__SLEEPS, acquire, acquire);
}
