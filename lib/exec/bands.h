/* SPDX-License-Identifier: MIT */
/*
 * Bands: which of several lists of waiting tasks is served, the same for both pools.
 *
 * ALGORITHM  A list is stamped with the time whenever it gets another first task. The one with the
 *            highest band + (now - stamp) / ageing is served. That is the one with the lowest
 *            stamp - band * ageing, whatever the time is now: a virtual start, as of fair queueing
 *            (Demers, Keshav, Shenker, SIGCOMM 1989). So whoever chooses needs no clock.
 */
#ifndef CREEL__EXEC_BANDS_H
#define CREEL__EXEC_BANDS_H

#include "future/hook.h"
#include <creel/submit.h>

#define CREEL__AGEING_NS INT64_C(100000000)
/* More than a century for each band, and no sum overflows. */
#define CREEL__AGEING_MOST (INT64_C(1) << 60)

enum {
	CREEL__BAND_LEAST = -2,
	CREEL__BAND_MOST = 2,
	CREEL__BANDS = CREEL__BAND_MOST - CREEL__BAND_LEAST + 1
};

/* The first task of a list. */
struct creel__head {
	int64_t rank, stamp;
};

static inline struct creel__head creel__head_of(int band, int64_t stamp, int64_t ageing_ns)
{
	return (struct creel__head){stamp - band * ageing_ns, stamp};
}

/* Whether a is served before b. */
static inline bool creel__head_goes_first(struct creel__head a, struct creel__head b)
{
	return a.rank != b.rank ? a.rank < b.rank : a.stamp < b.stamp;
}

/* What an option says, 0 being the default. */
static inline int64_t creel__ageing(int64_t ageing_ns)
{
	if (!ageing_ns)
		return CREEL__AGEING_NS;
	return ageing_ns < CREEL__AGEING_MOST ? ageing_ns : CREEL__AGEING_MOST;
}

static inline bool creel__band_is_known(int band)
{
	return band >= CREEL__BAND_LEAST && band <= CREEL__BAND_MOST;
}

/* Why a submission with this band is refused: -EINVAL, or -ENOTSUP. */
const creel_error *creel__band_refuse(const creel_submit_options *o, int code);

static inline int creel__task_band(creel_task *task)
{
	const struct creel__options *options = creel__options_of(&task->future);
	return options ? options->band : 0;
}

#endif
