/* SPDX-License-Identifier: MIT */
/* Histograms of a traced executor; see future/trace.h. */
#include "future/trace.h"

enum {
	FINE = 3, /* bits below the highest one */
	EACH = 1 << FINE,
};

static unsigned highest_bit(uint64_t value)
{
	unsigned bit = 0;
	while (value >>= 1)
		bit++;
	return bit;
}

static unsigned bucket_of(uint64_t ns)
{
	if (ns < EACH)
		return (unsigned)ns;
	unsigned shift = highest_bit(ns) - FINE;
	return (shift + 1) * EACH + (unsigned)(ns >> shift) % EACH;
}

int64_t creel_histogram_bound(unsigned bucket)
{
	if (bucket >= CREEL_HISTOGRAM_BUCKETS)
		return INT64_MAX;
	if (bucket < EACH)
		return bucket;
	return (int64_t)(EACH + bucket % EACH) << (bucket / EACH - 1);
}

int64_t creel_histogram_quantile(const creel_histogram *histogram, unsigned per_mille)
{
	if (!histogram || per_mille > 1000 || histogram->count == 0)
		return -1;
	/* The rank of the value that is asked for, from 1 on; no product overflows. */
	uint64_t n = histogram->count, rank = n / 1000 * per_mille + n % 1000 * per_mille / 1000;
	rank = rank ? rank : 1;
	unsigned i = 0;
	for (uint64_t seen = 0; i < CREEL_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->bucket[i];
		if (seen >= rank)
			break;
	}
	return creel_histogram_bound(i);
}

void creel__trace_count(struct creel__trace *trace, int which, unsigned worker, int64_t ns)
{
	struct creel__trace_stripe *s = &trace->stripe[which][worker % CREEL__TRACE_STRIPES];
	uint64_t value = ns > 0 ? (uint64_t)ns : 0;
	creel__add(&s->bucket[bucket_of(value)], 1, relaxed);
	creel__add(&s->sum, value, relaxed);
}

void creel__trace_read(const struct creel__trace *trace, int which, creel_histogram *ret_histogram)
{
	creel_histogram *h = ret_histogram;
	*h = (creel_histogram){0};
	for (int i = 0; i < CREEL__TRACE_STRIPES; i++) {
		const struct creel__trace_stripe *s = &trace->stripe[which][i];
		h->sum_ns += creel__load(&s->sum, relaxed);
		for (unsigned k = 0; k < CREEL_HISTOGRAM_BUCKETS; k++)
			h->bucket[k] += creel__load(&s->bucket[k], relaxed);
	}
	for (unsigned k = 0; k < CREEL_HISTOGRAM_BUCKETS; k++)
		h->count += h->bucket[k];
}
