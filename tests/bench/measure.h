/* SPDX-License-Identifier: MIT */
/* What the programs that measure share: their arguments, their clock, their memory. */
#ifndef CREEL_BENCH_MEASURE_H
#define CREEL_BENCH_MEASURE_H

#include <stddef.h>

struct peer; /* each program has its own: see peers.h, procs.h */

struct run {
	const struct peer *peer;
	unsigned workers;
	unsigned long count;
};

struct workload {
	const char *name;
	void (*measure)(const struct run *r);
	unsigned long count; /* unless the arguments say otherwise */
};

/* WORKLOAD PEER WORKERS [COUNT]: returns the workload of the n and fills *ret_run but for the peer,
 * whose name is argv[2]. Ends the program if they are not so. */
const struct workload *read_arguments(int argc, char **argv, const struct workload *workloads,
				      size_t n, struct run *ret_run);

/* Says what is wrong and ends the program. */
_Noreturn void give_up(const char *what);

double now_ns(void);

/* Memory that has been touched, so that its pages are not what is measured. */
void *touched(size_t n, size_t size);

void sort(double *values, size_t n);

#endif
