/* SPDX-License-Identifier: MIT */
/* Rate limits; see compose/pace.h. */
#include "compose/pace.h"
#include "base/alloc.h"

/* In a ring: taken and not gone, so that nobody knows yet when the next may go; never used. */
static const int64_t GOING = INT64_MAX, LONG_AGO = INT64_MIN;

bool creel__pace_fits(uint32_t n, uint32_t burst, int64_t per_ns)
{
	return per_ns / n <= INT64_MAX / 4 / (burst ? burst : 1);
}

bool creel__pace_init(struct creel__pace *pace, uint32_t n, uint32_t burst, int64_t per_ns)
{
	*pace = (struct creel__pace){.n = n, .burst = burst, .per_ns = per_ns};
	if (burst)
		return true;
	pace->ring = creel__malloc(n * sizeof *pace->ring);
	for (uint32_t i = 0; pace->ring && i < n; i++)
		pace->ring[i] = LONG_AGO;
	return pace->ring;
}

void creel__pace_fini(struct creel__pace *pace)
{
	creel__free(pace->ring);
}

/* from and k intervals. */
static struct creel__exactly later(const struct creel__pace *pace, struct creel__exactly from,
				   uint32_t k)
{
	uint64_t parts = (uint64_t)k * (uint64_t)(pace->per_ns % pace->n) + from.part;
	int64_t ns = (int64_t)k * (pace->per_ns / pace->n) + (int64_t)(parts / pace->n);
	from.ns = from.ns > INT64_MAX - ns ? INT64_MAX : from.ns + ns;
	from.part = (uint32_t)(parts % pace->n);
	return from;
}

static bool is_before(struct creel__exactly a, struct creel__exactly b)
{
	return a.ns < b.ns || (a.ns == b.ns && a.part < b.part);
}

/* The bucket is not full before all that goes has gone, and was refilled. */
static void hold_back(struct creel__pace *pace, int64_t now)
{
	struct creel__exactly soonest = later(pace, (struct creel__exactly){now, 0}, pace->going);
	if (is_before(pace->full, soonest))
		pace->full = soonest;
}

/* The first whole nanosecond at which a bucket has one. */
static int64_t bucket_when(const struct creel__pace *pace)
{
	if (pace->going >= pace->burst)
		return INT64_MAX;
	struct creel__exactly before = later(pace, (struct creel__exactly){0, 0}, pace->burst - 1);
	bool borrows = pace->full.part > before.part;
	return pace->full.ns - before.ns + borrows;
}

int64_t creel__pace_when(const struct creel__pace *pace, int64_t now)
{
	if (pace->burst)
		return bucket_when(pace);
	int64_t oldest = pace->ring[pace->next];
	if (oldest == GOING)
		return INT64_MAX;
	if (oldest == LONG_AGO)
		return now;
	return oldest > INT64_MAX - 1 - pace->per_ns ? INT64_MAX - 1 : oldest + pace->per_ns;
}

uint32_t creel__pace_take(struct creel__pace *pace, int64_t now)
{
	if (pace->burst) {
		hold_back(pace, now);
		pace->full = later(pace, pace->full, 1);
		pace->going++;
		return 0;
	}
	uint32_t taken = pace->next;
	pace->ring[taken] = GOING;
	pace->next = taken + 1 == pace->n ? 0 : taken + 1;
	return taken;
}

void creel__pace_gone(struct creel__pace *pace, uint32_t taken, int64_t now)
{
	if (pace->burst) {
		hold_back(pace, now);
		pace->going--;
	} else {
		pace->ring[taken] = now;
	}
}

/* One interval before. */
static struct creel__exactly before(const struct creel__pace *pace, struct creel__exactly from)
{
	uint32_t part = (uint32_t)(pace->per_ns % pace->n);
	bool borrows = from.part < part;
	from.ns -= pace->per_ns / pace->n + borrows;
	from.part = from.part + (borrows ? pace->n : 0) - part;
	return from;
}

void creel__pace_stayed(struct creel__pace *pace, uint32_t taken, int64_t now)
{
	if (pace->burst) {
		pace->going--;
		pace->full = before(pace, pace->full);
		hold_back(pace, now);
		return;
	}
	/* What it stood for had left the window when it was taken. */
	pace->ring[taken] = LONG_AGO;
	if (pace->next == (taken + 1 == pace->n ? 0 : taken + 1))
		pace->next = taken;
}
