/* SPDX-License-Identifier: MIT */
/* Deadlines: absolute nanoseconds of CLOCK_MONOTONIC; arithmetic saturates. */
#include "base/clock.h"
#include <errno.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

int64_t creel__now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

bool creel__deadline_passed(creel_deadline deadline)
{
	if (creel__is_forever(deadline))
		return false;
	return deadline.ns <= 0 || deadline.ns <= creel__now();
}

creel_deadline creel_now(void)
{
	return (creel_deadline){creel__now()};
}

#undef creel_in_ns
#undef creel_in_ms

creel_deadline creel_in_ns(int64_t ns)
{
	if (ns <= 0)
		return CREEL_NOW;
	return (creel_deadline){creel__later(creel__now(), ns)};
}

creel_deadline creel_in_ms(int64_t ms)
{
	if (ms > INT64_MAX / NS_PER_MS)
		return CREEL_FOREVER;
	return creel_in_ns(ms <= 0 ? 0 : ms * NS_PER_MS);
}

const char *creel_version(void)
{
	return "0.1.0";
}
