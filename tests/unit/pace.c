/* SPDX-License-Identifier: MIT */
/* Rate limits, to the nanosecond. */
#include "compose/pace.h"
#include "ct.h"

enum {
	MANY = 3000,
};

static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* One goes at once, and is through at that moment. */
static void go(struct creel__pace *pace, int64_t now)
{
	ct_assert(creel__pace_when(pace, now) <= now);
	creel__pace_gone(pace, creel__pace_take(pace, now), now);
}

CT_TEST(pace, a_window_lets_the_next_one_go_when_the_oldest_leaves_it, 0)
{
	struct creel__pace pace;
	ct_assert(creel__pace_init(&pace, 3, 0, 100));
	go(&pace, 1000);
	go(&pace, 1010);
	go(&pace, 1010);
	ct_int(creel__pace_when(&pace, 1010), 1100);
	ct_int(creel__pace_when(&pace, 1099), 1100);
	go(&pace, 1100);
	ct_int(creel__pace_when(&pace, 1100), 1110);
	go(&pace, 1110);
	go(&pace, 1300);
	ct_int(creel__pace_when(&pace, 1300), 1200);
	creel__pace_fini(&pace);
}

CT_TEST(pace, a_window_counts_from_when_something_has_gone, 0)
{
	struct creel__pace pace;
	ct_assert(creel__pace_init(&pace, 1, 0, 100));
	uint32_t slow = creel__pace_take(&pace, 1000);
	ct_int(creel__pace_when(&pace, 5000), INT64_MAX);
	creel__pace_gone(&pace, slow, 5000);
	ct_int(creel__pace_when(&pace, 5000), 5100);
	creel__pace_fini(&pace);
}

CT_TEST(pace, a_window_at_the_end_of_time_does_not_wrap, 0)
{
	struct creel__pace pace;
	ct_assert(creel__pace_init(&pace, 1, 0, INT64_MAX));
	go(&pace, INT64_MAX - 10);
	ct_int(creel__pace_when(&pace, INT64_MAX - 9), INT64_MAX - 1);
	creel__pace_fini(&pace);
}

/* Whatever happens between taking and going, at most n lie in any window, wherever in between the
 * moment of each is. */
CT_TEST(pace, no_window_has_more_than_n, 0)
{
	for (uint32_t n = 1; n <= 5; n += 2) {
		static int64_t took[MANY], went[MANY];
		struct creel__pace pace;
		struct {
			uint32_t taken;
			int of;
		} going[4];
		int64_t now = 1000;
		int begun = 0, open = 0;
		ct_assert(creel__pace_init(&pace, n, 0, 50));
		while (begun < MANY || open) {
			now += any(12);
			if (open && (open == 4 || begun == MANY || any(2))) {
				int i = (int)any((uint32_t)open);
				creel__pace_gone(&pace, going[i].taken, now);
				went[going[i].of] = now;
				going[i] = going[--open];
			} else if (creel__pace_when(&pace, now) <= now) {
				going[open].taken = creel__pace_take(&pace, now);
				going[open++].of = begun;
				took[begun++] = now;
			}
		}
		/* In one window: one begins before the window of the other, when that had gone, is
		 * over. */
		for (int i = 0; i < MANY; i++) {
			unsigned others = 0;
			for (int k = i - 40 < 0 ? 0 : i - 40; k < i; k++)
				others += took[i] - went[k] < 50;
			ct_assert(others < n);
		}
		creel__pace_fini(&pace);
	}
}

CT_TEST(pace, a_bucket_lets_a_burst_go_and_then_one_in_each_interval, 0)
{
	struct creel__pace pace;
	/* Every 33 1/3 ns. */
	ct_assert(creel__pace_init(&pace, 3, 2, 100));
	go(&pace, 1000);
	go(&pace, 1000);
	ct_int(creel__pace_when(&pace, 1000), 1034);
	go(&pace, 1034);
	ct_int(creel__pace_when(&pace, 1034), 1067);
	go(&pace, 1067);
	ct_int(creel__pace_when(&pace, 1067), 1100);
	go(&pace, 1100);
	/* Full again. */
	go(&pace, 9000);
	go(&pace, 9000);
	ct_int(creel__pace_when(&pace, 9000), 9034);
	creel__pace_fini(&pace);
}

CT_TEST(pace, a_bucket_is_exact_in_the_long_run, 0)
{
	struct creel__pace pace;
	int64_t now = 1000;
	ct_assert(creel__pace_init(&pace, 7, 2, 100));
	go(&pace, now);
	go(&pace, now);
	for (int i = 0; i < 7 * 1000; i++) {
		now = creel__pace_when(&pace, now);
		go(&pace, now);
	}
	ct_int(now, 1000 + 1000 * 100);
	creel__pace_fini(&pace);
}

CT_TEST(pace, a_bucket_keeps_the_place_of_what_has_not_gone, 0)
{
	struct creel__pace pace;
	ct_assert(creel__pace_init(&pace, 1, 2, 10));
	uint32_t a = creel__pace_take(&pace, 1000), b = creel__pace_take(&pace, 1000);
	ct_int(creel__pace_when(&pace, 2000), INT64_MAX);
	creel__pace_gone(&pace, a, 2000);
	/* b may go at this very moment, and burst is 2. */
	ct_int(creel__pace_when(&pace, 2000), 2010);
	creel__pace_gone(&pace, b, 2000);
	ct_int(creel__pace_when(&pace, 2000), 2010);
	go(&pace, 2010);
	ct_int(creel__pace_when(&pace, 2010), 2020);
	creel__pace_fini(&pace);
}

CT_TEST(pace, no_time_has_more_than_a_bucket_promises, 0)
{
	for (uint32_t burst = 1; burst <= 4; burst++) {
		static int64_t took[MANY], went[MANY];
		struct creel__pace pace;
		struct {
			uint32_t taken;
			int of;
		} going[4];
		int64_t now = 1000;
		int begun = 0, open = 0;
		ct_assert(creel__pace_init(&pace, 3, burst, 50));
		while (begun < MANY || open) {
			now += any(12);
			if (open && (open == 4 || begun == MANY || any(2))) {
				int i = (int)any((uint32_t)open);
				creel__pace_gone(&pace, going[i].taken, now);
				went[going[i].of] = now;
				going[i] = going[--open];
			} else if (creel__pace_when(&pace, now) <= now) {
				going[open].taken = creel__pace_take(&pace, now);
				going[open++].of = begun;
				took[begun++] = now;
			}
		}
		/* From when k had gone to when i began, those in between: at most burst + rate x
		 * time, if each may have gone at the worst moment. */
		for (int i = 0; i < MANY; i++)
			for (int k = i - 30 < 0 ? 0 : i - 30; k < i; k++) {
				int64_t time = took[i] - went[k];
				unsigned count = 0;
				for (int m = k - 8 < 0 ? 0 : k - 8; m <= i; m++)
					count += went[m] >= went[k] && took[m] <= took[i];
				if (time >= 0)
					ct_assert(count * 50 <= burst * 50 + 3 * (uint64_t)time);
			}
		creel__pace_fini(&pace);
	}
}

CT_TEST(pace, what_was_taken_and_stays_gives_its_place_back, 0)
{
	struct creel__pace pace;
	for (uint32_t burst = 0; burst <= 2; burst += 2) {
		ct_assert(creel__pace_init(&pace, 2, burst, 101));
		go(&pace, 1000);
		for (int i = 0; i < 5; i++)
			creel__pace_stayed(&pace, creel__pace_take(&pace, 1000), 1000);
		go(&pace, 1000);
		ct_int(creel__pace_when(&pace, 1000), burst ? 1051 : 1101);
		creel__pace_fini(&pace);
	}
}

CT_TEST(pace, what_does_not_fit_in_64_bits_is_refused, 0)
{
	ct_assert(creel__pace_fits(1, 1, INT64_MAX / 4));
	ct_assert(!creel__pace_fits(1, 1, INT64_MAX));
	ct_assert(!creel__pace_fits(1, 1 << 20, INT64_MAX / 4));
	ct_assert(creel__pace_fits(1 << 20, 1 << 20, INT64_MAX / 4));
}
