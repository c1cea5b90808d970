/* SPDX-License-Identifier: MIT */
/*
 * Fork and join: quicksort. Each call forks a job for one half, sorts the other half itself, and
 * joins. The jobs lie on the stack; idle workers steal them. Small parts are sorted without jobs.
 *
 *	quicksort [--workers N] [COUNT]
 */
#include <creel/creel.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 24, WORTH_A_JOB = 2000, EXIT_USAGE = 2 };

struct part {
	creel_job job; /* first: the function gets its address */
	uint32_t *at;
	size_t n;
};

static void insertion_sort(uint32_t *a, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		uint32_t x = a[i];
		size_t j = i;
		for (; j > 0 && a[j - 1] > x; j--)
			a[j] = a[j - 1];
		a[j] = x;
	}
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t x = *a;
	*a = *b;
	*b = x;
}

/* Around the median of three. Returns how many stand in the lower part. */
static size_t partition(uint32_t *a, size_t n)
{
	uint32_t x = a[0], y = a[n / 2], z = a[n - 1];
	uint32_t pivot = x < y ? (y < z ? y : x < z ? z : x) : (x < z ? x : y < z ? z : y);
	size_t i = 0, j = n - 1;
	for (;; i++, j--) {
		while (a[i] < pivot)
			i++;
		while (a[j] > pivot)
			j--;
		if (i >= j)
			return j + 1;
		swap(&a[i], &a[j]);
	}
}

static void sort(creel_task *task, uint32_t *a, size_t n);

static void sort_part(creel_job *job, creel_task *task)
{
	struct part *part = (struct part *)job;
	sort(task, part->at, part->n);
}

/* Without a task: on one thread. */
static void sort(creel_task *task, uint32_t *a, size_t n)
{
	if (n <= SMALL) {
		insertion_sort(a, n);
		return;
	}
	size_t lower = partition(a, n);
	struct part rest = {.job = CREEL_JOB_INIT, .at = a + lower, .n = n - lower};
	if (!task || n < WORTH_A_JOB || creel_job_fork(task, &rest.job, sort_part)) {
		sort(task, a, lower);
		sort(task, rest.at, rest.n);
		return;
	}
	sort(task, a, lower);
	creel_job_join(task, &rest.job);
}

struct numbers {
	uint32_t *at;
	size_t n;
};

static int sort_all(creel_task *task, const void *arg, size_t size)
{
	const struct numbers *numbers = arg;
	(void)size;
	sort(task, numbers->at, numbers->n);
	return 0;
}

static void fill(struct numbers numbers)
{
	uint32_t x = 2463534242;
	for (size_t i = 0; i < numbers.n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		numbers.at[i] = x;
	}
}

/* Two sums that do not depend on the order. */
static uint64_t fingerprint(struct numbers numbers)
{
	uint64_t sum = 0, mixed = 0;
	for (size_t i = 0; i < numbers.n; i++) {
		sum += numbers.at[i];
		mixed += (numbers.at[i] | 1) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return sum ^ mixed;
}

static bool is_sorted(struct numbers numbers)
{
	for (size_t i = 1; i < numbers.n; i++)
		if (numbers.at[i - 1] > numbers.at[i])
			return false;
	return true;
}

/* Sorts on the executor, or without one on this thread. Returns milliseconds; negative: wrong. */
static double measure(creel_executor *pool, struct numbers numbers)
{
	int rc = 0;
	fill(numbers);
	uint64_t before = fingerprint(numbers);
	creel_deadline start = creel_now();
	if (pool) {
		creel_future *f = creel_submit(pool, sort_all, &numbers, sizeof numbers);
		rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
		if (rc)
			fprintf(stderr, "quicksort: %s\n", creel_future_message(f, rc));
		creel_future_unref(f);
	} else {
		sort(NULL, numbers.at, numbers.n);
	}
	double ms = (double)(creel_now().ns - start.ns) / 1e6;
	bool right = rc == 0 && is_sorted(numbers) && fingerprint(numbers) == before;
	return right ? ms : -1;
}

static _Noreturn void usage(void)
{
	fputs("Usage: quicksort [--workers N] [COUNT]\n"
	      "Sorts COUNT (10000000) numbers on one thread, and on N workers, by default one a\n"
	      "CPU. Checks both results.\n",
	      stderr);
	exit(EXIT_USAGE);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"workers", required_argument, NULL, 'w'},
					      {NULL, 0, NULL, 0}};
	int workers = 0, c;
	struct numbers numbers = {.n = 10000000};
	char rest;
	while ((c = getopt_long(argc, argv, "w:", known, NULL)) != -1)
		if (c != 'w' || sscanf(optarg, "%4d%c", &workers, &rest) != 1 || workers < 1)
			usage();
	if (optind < argc && sscanf(argv[optind++], "%9zu%c", &numbers.n, &rest) != 1)
		usage();
	if (optind < argc || !(numbers.at = malloc((numbers.n + 1) * sizeof *numbers.at)))
		usage();
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = workers});
	double alone = measure(NULL, numbers), together = measure(pool, numbers);
	creel_executor_close(pool);
	free(numbers.at);
	if (alone < 0 || together < 0) {
		fputs("quicksort: the numbers are not sorted\n", stderr);
		return EXIT_FAILURE;
	}
	printf("%zu numbers sorted: %.1f ms on one thread, %.1f ms by fork and join, speed-up "
	       "%.2f\n",
	       numbers.n, alone, together, alone / together);
	return EXIT_SUCCESS;
}
