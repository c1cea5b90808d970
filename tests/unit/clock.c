/* SPDX-License-Identifier: MIT */
/* Deadlines: they saturate and never wrap. */
#include "base/clock.h"
#include "ct.h"
#include <stdio.h>

static const int64_t ns_per_ms = 1000000;

CT_TEST(clock, nothing_or_less_from_now_is_now, 0)
{
	ct_int(creel_in_ns(0).ns, CREEL_NOW.ns);
	ct_int(creel_in_ns(-1).ns, CREEL_NOW.ns);
	ct_int(creel_in_ns(INT64_MIN).ns, CREEL_NOW.ns);
	ct_int(creel_in_ms(0).ns, CREEL_NOW.ns);
	ct_int(creel_in_ms(-1).ns, CREEL_NOW.ns);
	ct_int(creel_in_ms(INT64_MIN).ns, CREEL_NOW.ns);
}

CT_TEST(clock, too_far_away_is_for_ever, 0)
{
	ct_int(creel_in_ns(INT64_MAX).ns, CREEL_FOREVER.ns);
	ct_int(creel_in_ns(INT64_MAX - 1).ns, CREEL_FOREVER.ns);
	ct_int(creel_in_ms(INT64_MAX).ns, CREEL_FOREVER.ns);
	ct_int(creel_in_ms(INT64_MAX / ns_per_ms + 1).ns, CREEL_FOREVER.ns);
	ct_int(creel_in_ms(INT64_MAX / ns_per_ms).ns, CREEL_FOREVER.ns);
}

CT_TEST(clock, deadlines_lie_between_the_clock_before_and_after, 0)
{
	int64_t before = creel__now();
	creel_deadline ns = creel_in_ns(5), ms = creel_in_ms(5);
	int64_t after = creel__now();
	ct_assert(before + 5 <= ns.ns && ns.ns <= after + 5);
	ct_assert(before + 5 * ns_per_ms <= ms.ns && ms.ns <= after + 5 * ns_per_ms);
}

CT_TEST(clock, the_largest_that_does_not_saturate_is_exact, 0)
{
	int64_t before = creel__now();
	int64_t far = INT64_MAX - before - 1000 * 1000000000LL;
	creel_deadline d = creel_in_ns(far);
	ct_assert(d.ns != INT64_MAX && d.ns >= before + far);
}

CT_TEST(clock, knows_which_deadlines_have_passed, 0)
{
	ct_assert(creel__deadline_passed(CREEL_NOW));
	ct_assert(creel__deadline_passed((creel_deadline){0}));
	ct_assert(creel__deadline_passed((creel_deadline){INT64_MIN}));
	ct_assert(creel__deadline_passed(creel_now()));
	ct_assert(!creel__deadline_passed(CREEL_FOREVER));
	ct_assert(!creel__deadline_passed(creel_in_ms(1000000)));
}

CT_TEST(clock, is_the_monotonic_one, 0)
{
	int64_t before = ct_now(), now = creel__now(), after = ct_now();
	ct_assert(before <= now && now <= after);
}

CT_TEST(clock, the_version_is_that_of_the_header, 0)
{
	char text[32];
	snprintf(text, sizeof text, "%d.%d.%d", CREEL_VERSION_MAJOR, CREEL_VERSION_MINOR,
		 CREEL_VERSION_PATCH);
	ct_text(creel_version(), text);
}
