/* SPDX-License-Identifier: MIT */
/*
 * Histograms of a traced executor: how long its tasks waited and ran.
 *
 * ALGORITHM  Log-linear buckets as in HdrHistogram (Gil Tene): eight for each power of two, so a
 *            value is known to an eighth. The counts are in several stripes, which threads share by
 *            their worker's number; a reader adds them up.
 */
#ifndef CREEL__FUTURE_TRACE_H
#define CREEL__FUTURE_TRACE_H

#include "sync/atomic.h"
#include <creel/watch.h>
#include <stdalign.h>

enum {
	CREEL__TRACE_KINDS = 2,
	CREEL__TRACE_STRIPES = 4,
};

struct creel__trace_stripe {
	alignas(64) _Atomic(uint64_t) sum;
	_Atomic(uint64_t) bucket[CREEL_HISTOGRAM_BUCKETS];
};

struct creel__trace {
	struct creel__trace_stripe stripe[CREEL__TRACE_KINDS][CREEL__TRACE_STRIPES];
};

/* which: CREEL_HISTOGRAM_... Negative durations count as 0. */
void creel__trace_count(struct creel__trace *trace, int which, unsigned worker, int64_t ns);
void creel__trace_read(const struct creel__trace *trace, int which, creel_histogram *ret_histogram);

#endif
