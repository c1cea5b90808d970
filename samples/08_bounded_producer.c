/* SPDX-License-Identifier: MIT */
/*
 * A producer that is faster than the workers: it would fill the memory with blocks that wait. The
 * pool has a bound, so creel_spawn() waits for room, and memory stays flat. The program prints how
 * much it holds while it runs. Run it with --processes to have the work done in worker processes.
 */
#include <creel/creel.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { BLOCKS = 1000, BLOCK_SIZE = 64 * 1024, WORKERS = 2, CAPACITY = 6 };

/* Blocks that were submitted and have not ended. */
static atomic_int alive;

/* Slower than the producer: it reads each block several times. */
static int digest(creel_task *task, const void *arg, size_t size)
{
	const unsigned char *block = arg;
	unsigned long sum = 0;
	(void)task;
	for (int round = 0; round < 5; round++)
		for (size_t i = 0; i < size; i++)
			sum = sum * 31 + block[i];
	return sum == 1; /* never: but the compiler does not know */
}

/* The task has ended, and its copy of the block goes. */
static void block_freed(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	atomic_fetch_sub(&alive, 1);
}

static creel_executor *make_pool(bool processes)
{
	if (processes)
		return creel_process_pool_new(&(creel_process_pool_options){.max_workers = WORKERS,
									    .capacity = CAPACITY});
	return creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = WORKERS, .capacity = CAPACITY});
}

int main(int argc, char **argv)
{
	static unsigned char block[BLOCK_SIZE];
	const creel_submit_options options = {.name = "digest", .arg_free = block_freed};
	creel_executor *pool = make_pool(argc > 1 && strcmp(argv[1], "--processes") == 0);
	int most = 0;

	for (int i = 1; i <= BLOCKS; i++) {
		memset(block, i, sizeof block); /* stands for reading the next block */
		atomic_fetch_add(&alive, 1);
		int rc = creel_spawn(pool, digest, block, sizeof block, &options);
		if (rc) {
			fprintf(stderr, "block %d: %s\n", i, creel_code_name(rc));
			return 1;
		}
		int now = atomic_load(&alive);
		most = now > most ? now : most;
		if (i % 100 == 0)
			printf("%4d blocks submitted, %d not ended: %3d KiB\n", i, now,
			       now * (BLOCK_SIZE / 1024));
	}
	creel_executor_close(pool);
	printf("at most %d KiB at any time, of %d KiB\n", most * (BLOCK_SIZE / 1024),
	       BLOCKS * (BLOCK_SIZE / 1024));
	return atomic_load(&alive) != 0;
}
