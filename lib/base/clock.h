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

/* The time ns after at, neither of them negative; INT64_MAX, "never", if that cannot be said. */
static inline int64_t creel__later(int64_t at, int64_t ns)
{
	return ns > INT64_MAX - at ? INT64_MAX : at + ns;
}

#endif
