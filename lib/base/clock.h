/* SPDX-License-Identifier: MIT */
/* Time: CLOCK_MONOTONIC only. */
#ifndef CREEL__BASE_CLOCK_H
#define CREEL__BASE_CLOCK_H

#include <creel/base.h>

int64_t creel__now(void);

static inline bool creel__is_forever(creel_deadline deadline)
{
	return deadline.ns == INT64_MAX;
}

/* Whether the deadline polls: it is not in the future. Reads the clock only if it must. */
bool creel__deadline_passed(creel_deadline deadline);

#endif
