/* SPDX-License-Identifier: MIT */
/* Deques of jobs, as thieves see them: see exec/deque.h. */
#include "exec/deque.h"

bool creel__deque_is_empty(struct creel__deque *d)
{
	/* [DEQ-1] acquire: as in creel__deque_steal() */
	uint64_t top = creel__load(&d->top, acquire);
	/* [DEQ-3] seq_cst: after need was stored; pairs with the store in push() */
	return (int64_t)(creel__load(&d->bottom, seq_cst) - top) <= 0;
}

struct creel__job *creel__deque_steal(struct creel__deque *d)
{
	/* [DEQ-1] acquire: bottom is looked at after the thefts that this sees; pairs with the
	 * release of the swap below */
	uint64_t top = creel__load(&d->top, acquire);
	/* [DEQ-2] [DEQ-4] seq_cst: sees the job, and the owner's step back; pairs with the stores
	 * in push() and take() */
	if ((int64_t)(creel__load(&d->bottom, seq_cst) - top) <= 0)
		return NULL;
	struct creel__job *job = creel__load(&d->ring[top % CREEL__RING], relaxed);
	/* [DEQ-1] [DEQ-4] seq_cst: one of several gets it, and has read the slot before the owner
	 * may fill it again; pairs with the acquires of top, and with the load in take() */
	return creel__cas(&d->top, &top, top + 1, seq_cst, relaxed) ? job : NULL;
}
