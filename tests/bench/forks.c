/* SPDX-License-Identifier: MIT */
/*
 * Fork and join, and loops: forks WORKLOAD PEER WORKERS COUNT. Prints the best of some rounds. The
 * peers here are those in C that are installed; forks_tbb.cpp and Forks.java do the same with their
 * own, and forks_table.py runs all of them.
 *
 * fib    nanoseconds for each spawn of fib(COUNT)
 * tiny   a loop over COUNT elements that cost almost nothing: microseconds
 * skewed the same where later ones cost more: microseconds
 * small  a loop as tiny, many times: microseconds for each
 */
#include <creel/creel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BENCH_PTHREADPOOL
#include <pthreadpool.h>
#endif

enum {
	ROUNDS = 7,
	FEW_ROUNDS = 3,     /* of skewed, where one takes seconds */
	SMALL_LOOPS = 1000, /* a round */
	TILES = 64,         /* for each worker: pthreadpool divides nothing itself */
};

static creel_executor *pool;
static double *out;
static long spawns, expected;

static double us_since(creel_deadline start)
{
	return (double)(creel_now().ns - start.ns) / 1e3;
}

static void tiny_piece(size_t begin, size_t end)
{
	for (size_t i = begin; i < end; i++)
		out[i] = out[i] * 0.5 + (double)i;
}

static void skewed_piece(size_t begin, size_t end, size_t n)
{
	for (size_t i = begin; i < end; i++) {
		double x = 0;
		for (size_t k = 0; k < i * 64 / n; k++)
			x += 1.0 / (double)(k + 1);
		out[i] = x;
	}
}

struct fib {
	creel_job job; /* first */
	int n;
	long result;
};

static long creel_fib(creel_task *task, int n);

static void run_fib(creel_job *job, creel_task *task)
{
	struct fib *f = (struct fib *)job;
	f->result = creel_fib(task, f->n);
}

static long creel_fib(creel_task *task, int n)
{
	if (n < 2)
		return n;
	struct fib f = {.job = CREEL_JOB_INIT, .n = n - 1};
	(void)creel_job_fork(task, &f.job, run_fib);
	long other = creel_fib(task, n - 2);
	(void)creel_job_join(task, &f.job);
	return f.result + other;
}

static int fib_task(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long result = creel_fib(task, *(const int *)arg);
	return creel_return(task, &result, sizeof result);
}

static long fib_by_creel(int n)
{
	long result = -1;
	creel_future *f = creel_submit(pool, fib_task, &n, sizeof n);
	(void)creel_future_result(f, CREEL_FOREVER, &result, sizeof result);
	creel_future_unref(f);
	return result;
}

static int tiny_body(creel_task *task, size_t begin, size_t end, void *n)
{
	(void)task;
	(void)n;
	tiny_piece(begin, end);
	return 0;
}

static int skewed_body(creel_task *task, size_t begin, size_t end, void *n)
{
	(void)task;
	skewed_piece(begin, end, *(size_t *)n);
	return 0;
}

#ifdef _OPENMP
static long gomp_fib(int n)
{
	long a, b;
	if (n < 2)
		return n;
#pragma omp task shared(a)
	a = gomp_fib(n - 1);
	b = gomp_fib(n - 2);
#pragma omp taskwait
	return a + b;
}

static long fib_by_gomp(int n, int workers)
{
	long result = 0;
#pragma omp parallel num_threads(workers)
#pragma omp single
	result = gomp_fib(n);
	return result;
}

static void loop_by_gomp(bool skewed, size_t n, int workers)
{
#pragma omp parallel for num_threads(workers) schedule(guided)
	for (size_t i = 0; i < n; i++) {
		if (skewed)
			skewed_piece(i, i + 1, n);
		else
			tiny_piece(i, i + 1);
	}
}
#endif

#ifdef BENCH_PTHREADPOOL
static pthreadpool_t tiles;
static size_t tiled;

static void tiny_tile(void *n, size_t begin, size_t size)
{
	(void)n;
	tiny_piece(begin, begin + size);
}

static void skewed_tile(void *n, size_t begin, size_t size)
{
	skewed_piece(begin, begin + size, *(size_t *)n);
}

static void loop_by_pthreadpool(bool skewed, size_t n, int workers)
{
	if (!tiles)
		tiles = pthreadpool_create((size_t)workers);
	tiled = n;
	pthreadpool_parallelize_1d_tile_1d(tiles, skewed ? skewed_tile : tiny_tile, &tiled, n,
					   n / ((size_t)workers * TILES) + 1, 0);
}
#endif

static long plain_fib(int n)
{
	if (n < 2)
		return n;
	spawns++;
	return plain_fib(n - 1) + plain_fib(n - 2);
}

static bool run_fib_of(const char *peer, int n, int workers)
{
	long result = -1;
	if (!strcmp(peer, "creel"))
		result = fib_by_creel(n);
#ifdef _OPENMP
	else if (!strcmp(peer, "gomp"))
		result = fib_by_gomp(n, workers);
#endif
	(void)workers;
	return result == expected;
}

static bool run_loop_of(const char *peer, bool skewed, size_t n, int workers)
{
	if (!strcmp(peer, "serial") && skewed)
		skewed_piece(0, n, n);
	else if (!strcmp(peer, "serial"))
		tiny_piece(0, n);
	else if (!strcmp(peer, "creel"))
		return creel_parallel_for(pool, 0, n, skewed ? skewed_body : tiny_body, &n, NULL) ==
		       0;
#ifdef _OPENMP
	else if (!strcmp(peer, "gomp"))
		loop_by_gomp(skewed, n, workers);
#endif
#ifdef BENCH_PTHREADPOOL
	else if (!strcmp(peer, "pthreadpool"))
		loop_by_pthreadpool(skewed, n, workers);
#endif
	else
		return false;
	(void)workers;
	return true;
}

static const char *const peers[] = {
	"creel",
#ifdef _OPENMP
	"gomp",
#endif
#ifdef BENCH_PTHREADPOOL
	"pthreadpool",
#endif
	"serial",
};

static int list_peers(void)
{
	for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
		puts(peers[i]);
	return 0;
}

/* False: the peer cannot, or its result is wrong. */
static bool run_round(const char *workload, const char *peer, size_t n, int workers)
{
	if (!strcmp(workload, "fib"))
		return run_fib_of(peer, (int)n, workers);
	int loops = !strcmp(workload, "small") ? SMALL_LOOPS : 1;
	bool ok = true;
	for (int i = 0; ok && i < loops; i++)
		ok = run_loop_of(peer, !strcmp(workload, "skewed"), n, workers);
	return ok;
}

static void print(const char *workload, double us)
{
	if (!strcmp(workload, "fib"))
		printf("fib %.3f ns/spawn\n", us * 1e3 / (double)(spawns ? spawns : 1));
	else
		printf("%s %.3f us\n", workload,
		       !strcmp(workload, "small") ? us / SMALL_LOOPS : us);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--peers"))
		return list_peers();
	if (argc != 5) {
		fputs("usage: forks fib|tiny|skewed|small PEER WORKERS COUNT\n", stderr);
		return 2;
	}
	int workers = atoi(argv[3]);
	size_t n = (size_t)strtoull(argv[4], NULL, 10);
	bool ok = true;
	double best = 1e30;
	pool = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = workers});
	out = calloc(n + 1, sizeof *out);
	if (!strcmp(argv[1], "fib"))
		expected = plain_fib((int)n);
	int rounds = !strcmp(argv[1], "skewed") ? FEW_ROUNDS : ROUNDS;
	for (int round = 0; out && ok && round < rounds; round++) {
		creel_deadline start = creel_now();
		ok = run_round(argv[1], argv[2], n, workers);
		double us = us_since(start);
		best = us < best ? us : best;
	}
	creel_executor_close(pool);
#ifdef BENCH_PTHREADPOOL
	pthreadpool_destroy(tiles);
#endif
	free(out);
	if (!ok)
		return 1;
	print(argv[1], best);
	return 0;
}
