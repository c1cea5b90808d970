/* SPDX-License-Identifier: MIT */
/* Exponential backoff; see compose/backoff.h. */
#include "compose/backoff.h"

int64_t creel__backoff_longest(const struct creel__backoff *backoff, int64_t last)
{
	if (last == 0)
		return backoff->base_ns;
	double next = (double)last * backoff->factor;
	return next >= (double)backoff->max_ns ? backoff->max_ns : (int64_t)next;
}

/* From 0 to 1, without 1: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static double any(struct creel__backoff *backoff)
{
	const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = creel__add(&backoff->chance, step, relaxed) + step;
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return (double)(z >> 11) * 0x1p-53;
}

int64_t creel__backoff_delay(struct creel__backoff *backoff, int64_t longest)
{
	double shorter = backoff->jitter > 0 ? (double)longest * backoff->jitter * any(backoff) : 0;
	int64_t delay = longest - (int64_t)shorter;
	return delay < 1 ? 1 : delay;
}
