/* SPDX-License-Identifier: MIT */
/*
 * What a task on another rank costs, beside mpi4py.futures (mpi_peer.py): tests/bench/mpi_table.py
 * runs both and prints the figures.
 *
 *	mpi [threads] [spin]    as an MPI job of two ranks or more
 *
 * Prints lines of "NAME SECONDS", or of "NAME NUMBER".
 */
#include <creel/creel.h>
#include <creel/mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TASKS = 20000, TRIPS = 2000, LARGE_TRIPS = 200, LARGE = 1 << 20 };

static int task_same(creel_task *task, const void *arg, size_t size)
{
	return creel_return(task, arg, size);
}

static double seconds_since(int64_t start)
{
	return (double)(creel_now().ns - start) / 1e9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure_rate(creel_executor *ex)
{
	static creel_future *f[TASKS];
	int64_t start = creel_now().ns;
	for (long i = 0; i < TASKS; i++)
		f[i] = creel_submit(ex, task_same, &i, sizeof i);
	for (long i = 0; i < TASKS; i++) {
		creel_future_result(f[i], CREEL_FOREVER, NULL, 0);
		creel_future_unref(f[i]);
	}
	printf("rate %.1f\n", TASKS / seconds_since(start));
}

static void measure_trips(creel_executor *ex, const char *name, size_t size, int n)
{
	static double all[TRIPS];
	void *p = calloc(1, size);
	for (int i = 0; i < n; i++) {
		int64_t start = creel_now().ns;
		creel_future *f = creel_submit(ex, task_same, p, size);
		creel_future_view(f, CREEL_FOREVER, NULL, NULL);
		all[i] = seconds_since(start);
		creel_future_unref(f);
	}
	free(p);
	qsort(all, (size_t)n, sizeof all[0], compare);
	printf("%s %.9f\n", name, all[n / 2]);
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int task_cpu(creel_task *task, const void *arg, size_t size)
{
	double s = cpu_seconds();
	(void)arg;
	(void)size;
	return creel_return(task, &s, sizeof s);
}

/* Of the serving rank's process, which only threads can look at. */
static double cpu_of_rank(creel_executor *ex)
{
	double s = 0;
	creel_future *f = creel_submit(ex, task_cpu, NULL, 0);
	creel_future_result(f, CREEL_FOREVER, &s, sizeof s);
	creel_future_unref(f);
	return s;
}

/* The CPU time of rank 0 and of a serving rank while nothing is to do, a second. */
static void measure_idle(creel_executor *ex, bool threads)
{
	double rank = threads ? cpu_of_rank(ex) : 0, root = cpu_seconds();
	sleep(2);
	printf("idle-root %.6f\n", (cpu_seconds() - root) / 2);
	if (threads)
		printf("idle-rank %.6f\n", (cpu_of_rank(ex) - rank) / 2);
}

int main(int argc, char **argv)
{
	creel_mpi_options options = {.workers = 1};
	for (int i = 1; i < argc; i++)
		options.flags |= strcmp(argv[i], "threads") == 0 ? CREEL_MPI_THREADS
				 : strcmp(argv[i], "spin") == 0  ? CREEL_MPI_SPIN
								 : 0;
	int rc = creel_mpi_init(&argc, &argv, &options);
	if (rc < 0)
		fprintf(stderr, "%s\n", creel_mpi_error()->message);
	if (rc)
		return rc < 0;
	creel_executor *ex = creel_mpi_pool_new(NULL);
	/* Once, so that workers are there. */
	measure_rate(ex);
	measure_rate(ex);
	measure_trips(ex, "trip", sizeof(long), TRIPS);
	measure_trips(ex, "large", LARGE, LARGE_TRIPS);
	measure_idle(ex, options.flags & CREEL_MPI_THREADS);
	creel_executor_close(ex);
	return creel_mpi_end() != 0;
}
