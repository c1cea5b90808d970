/* SPDX-License-Identifier: MIT */
/* Delays between attempts: exponential, bounded, and by chance as much as was asked. */
#include "compose/backoff.h"
#include "ct.h"

static struct creel__backoff plan(double factor, double jitter)
{
	struct creel__backoff b = {
		.base_ns = 100, .max_ns = 1000, .factor = factor, .jitter = jitter};
	creel__store(&b.chance, 42, relaxed);
	return b;
}

CT_TEST(backoff, the_longest_delays_grow_to_the_most, 0)
{
	struct creel__backoff b = plan(3, 0);
	static const int64_t longest[] = {100, 300, 900, 1000, 1000};
	int64_t last = 0;
	for (int i = 0; i < 5; i++) {
		last = creel__backoff_longest(&b, last);
		ct_int(last, longest[i]);
		ct_int(creel__backoff_delay(&b, last), last);
	}
}

CT_TEST(backoff, a_factor_of_one_is_a_constant_delay, 0)
{
	struct creel__backoff b = plan(1, 0);
	ct_int(creel__backoff_longest(&b, 0), 100);
	ct_int(creel__backoff_longest(&b, 100), 100);
}

CT_TEST(backoff, nothing_overflows, 0)
{
	struct creel__backoff b = plan(1e9, 0);
	b.max_ns = INT64_MAX;
	ct_int(creel__backoff_longest(&b, INT64_MAX / 2), INT64_MAX);
}

/* The mean of many is where it has to be, and none is outside. */
static void spread(double jitter, int64_t least, int64_t mean)
{
	struct creel__backoff b = plan(2, jitter);
	int64_t sum = 0, low = INT64_MAX, high = 0;
	enum { N = 10000 };
	for (int i = 0; i < N; i++) {
		int64_t d = creel__backoff_delay(&b, 1000000);
		ct_assert(least <= d && d <= 1000000);
		sum += d;
		low = d < low ? d : low;
		high = d > high ? d : high;
	}
	ct_assert(sum / N > mean - 20000 && sum / N < mean + 20000);
	ct_assert(low < least + 10000 && high > 990000);
}

CT_TEST(backoff, full_jitter_is_any_delay_up_to_the_longest, 0)
{
	spread(1, 1, 500000);
}

CT_TEST(backoff, a_part_of_the_delay_is_left_to_chance, 0)
{
	spread(0.5, 500000, 750000);
}

CT_TEST(backoff, a_seed_repeats_itself_and_no_delay_is_nothing, 0)
{
	struct creel__backoff a = plan(2, 1), b = plan(2, 1);
	for (int i = 0; i < 1000; i++) {
		ct_int(creel__backoff_delay(&a, 12345), creel__backoff_delay(&b, 12345));
		ct_assert(creel__backoff_delay(&a, 1) == 1 && creel__backoff_delay(&b, 1) == 1);
	}
}
