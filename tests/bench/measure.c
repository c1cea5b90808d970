/* SPDX-License-Identifier: MIT */
/* What the programs that measure share. */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *program = "bench";

_Noreturn void give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", program, what);
	exit(1);
}

double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void *touched(size_t n, size_t size)
{
	void *p = malloc(n * size + 1);
	if (!p)
		give_up("no memory");
	memset(p, 1, n * size + 1);
	return p;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

void sort(double *values, size_t n)
{
	qsort(values, n, sizeof *values, by_size);
}

const struct workload *read_arguments(int argc, char **argv, const struct workload *workloads,
				      size_t n, struct run *ret_run)
{
	const char *slash = strrchr(argv[0], '/');
	program = slash ? slash + 1 : argv[0];
	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: %s WORKLOAD PEER WORKERS [COUNT]\n", program);
		exit(2);
	}
	const struct workload *w = workloads;
	while (w < workloads + n && strcmp(w->name, argv[1]) != 0)
		w++;
	if (w == workloads + n)
		give_up("no such workload");
	ret_run->workers = (unsigned)strtoul(argv[3], NULL, 10);
	ret_run->count = argc == 5 ? strtoul(argv[4], NULL, 10) : w->count;
	if (ret_run->workers < 1 || ret_run->count < 1)
		give_up("WORKERS and COUNT start at 1");
	return w;
}
