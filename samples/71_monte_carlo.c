/* SPDX-License-Identifier: MIT */
/*
 * Pi with error bars, by throwing darts, on the ranks of an MPI job. The darts of a block come from
 * a generator that is seeded by the seed and the number of the block, and what a block gives is a
 * count. So the result depends on the seed and on nothing else: not on the number of ranks, not on
 * who was faster.
 *
 *	mpirun -n 3 ./71_monte_carlo [SEED [BLOCKS]]
 *	mpirun -n 5 --hostfile hosts --bind-to none ./71_monte_carlo 1 100000
 *	srun -N 5 --ntasks-per-node=1 ./71_monte_carlo 1 100000
 */
#include <creel/creel.h>
#include <creel/mpi.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DARTS = 100000 /* a block: about a millisecond */ };

struct block {
	uint64_t seed, number;
};

/* SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static double next_unit(uint64_t *state)
{
	return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* How many darts of the block hit the quarter of a circle. */
static int throw_darts(creel_task *task, const void *arg, size_t size)
{
	const struct block *block = arg;
	uint64_t state = block->number, hits = 0;
	(void)size;
	/* Blocks that follow each other begin far apart. */
	state = next_random(&state) ^ block->seed;
	state = next_random(&state);
	for (int i = 0; i < DARTS; i++) {
		double x = next_unit(&state), y = next_unit(&state);
		hits += x * x + y * y < 1;
	}
	return creel_return(task, &hits, sizeof hits);
}

struct source {
	struct block next;
	uint64_t end;
};

static int next_block(void *ctx, void *item, size_t *size)
{
	struct source *source = ctx;
	if (source->next.number == source->end)
		return 0;
	*(struct block *)item = source->next;
	*size = sizeof source->next;
	source->next.number++;
	return 1;
}

static int estimate(creel_executor *ex, uint64_t seed, uint64_t blocks)
{
	struct source source = {.next = {.seed = seed}, .end = blocks};
	creel_map_options options = {
		.in_flight = 256, .max_item = sizeof(struct block), .flags = CREEL_AS_COMPLETED};
	creel_mapping *map = creel_map_from(ex, throw_darts, next_block, &source, &options);
	uint64_t hits = 0, sum = 0;
	creel_future *f = NULL;
	int rc;
	while ((rc = creel_map_next(map, CREEL_FOREVER, &f, NULL)) == 0) {
		creel_future_result(f, CREEL_NOW, &hits, sizeof hits);
		creel_future_unref(f);
		sum += hits;
	}
	if (rc != CREEL_EMPTY) {
		fprintf(stderr, "monte_carlo: %s\n", creel_map_error(map)->message);
		creel_future_unref(f);
	}
	creel_map_end(map);
	if (rc != CREEL_EMPTY)
		return 1;
	double n = (double)blocks * DARTS, p = (double)sum / n;
	printf("pi = %.6f +- %.6f (%" PRIu64 " darts, seed %" PRIu64 ")\n", 4 * p,
	       4 * sqrt(p * (1 - p) / n), blocks * DARTS, seed);
	return 0;
}

/* A positive number, or what stands for it. */
static uint64_t number(const char *text, uint64_t otherwise)
{
	uint64_t n = text ? strtoull(text, NULL, 10) : 0;
	return n ? n : otherwise;
}

int main(int argc, char **argv)
{
	int rc = creel_mpi_init(&argc, &argv, NULL);
	if (rc < 0)
		fprintf(stderr, "monte_carlo: %s\n", creel_mpi_error()->message);
	if (rc)
		return rc < 0;
	creel_executor *ex = creel_mpi_pool_new(NULL);
	if (creel_executor_error(ex)) {
		fprintf(stderr, "monte_carlo: %s\n", creel_executor_error(ex)->message);
		rc = 1;
	} else {
		rc = estimate(ex, number(argc > 1 ? argv[1] : NULL, 1),
			      number(argc > 2 ? argv[2] : NULL, 200));
	}
	creel_executor_close(ex);
	creel_mpi_end();
	return rc;
}
