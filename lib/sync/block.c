/* SPDX-License-Identifier: MIT */
/* Pairs around what blocks, and parking within one; see sync/block.h. */
#include "sync/block.h"
#include "sync/park.h"

int creel__blocking_begin(unsigned how)
{
	struct creel__local *local = creel__self();
	if (!local->blocking)
		return 0;
	int rc = local->blocked ? 0 : local->blocking->begin(local->worker, how);
	local->blocked += rc == 0;
	return rc;
}

void creel__blocking_end(void)
{
	struct creel__local *local = creel__self();
	if (local->blocked && --local->blocked == 0)
		local->blocking->end(local->worker);
}

void creel__blocking_restore(unsigned before)
{
	struct creel__local *local = creel__self();
	while (local->blocked > before)
		creel__blocking_end();
	while (local->blocking && local->blocked < before)
		(void)creel__blocking_begin(CREEL__BLOCKS_ANYHOW);
}

typedef int park_fn(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline);

/* A wait that would not sleep costs no more than this look. */
static int park_within(park_fn *park, _Atomic(uint32_t) *word, uint32_t expected,
		       creel_deadline deadline)
{
	if (creel__self()->blocking) {
		if (creel__load(word, relaxed) != expected)
			return 0;
		bool endless = deadline.ns == INT64_MAX;
		int rc = creel__blocking_begin(endless ? 0 : CREEL__BLOCKS_ANYHOW);
		if (rc)
			return rc;
	}
	int rc = park(word, expected, deadline);
	creel__blocking_end();
	return rc;
}

int creel__park(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	return park_within(creel__park_briefly, word, expected, deadline);
}

#ifdef __linux__
int creel__park_shared(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	return park_within(creel__park_shared_briefly, word, expected, deadline);
}
#endif
