/* SPDX-License-Identifier: MIT */
/*
 * One function over an array: the items run side by side on the pool, the results arrive in the
 * order of the items. The function may refuse an item; CREEL_KEEP_GOING makes that one item's
 * failure instead of the end of the map. With --processes the workers are processes.
 */
#include <creel/creel.h>
#include <creel/typed.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How many steps the Collatz sequence takes from *n down to 1. */
static int collatz(creel_task *task, const uint64_t *n, unsigned *ret_steps)
{
	if (*n == 0)
		return creel_fail(task, -EDOM, "0 never reaches 1");
	unsigned steps = 0;
	for (uint64_t x = *n; x != 1; steps++)
		x = x % 2 ? 3 * x + 1 : x / 2;
	*ret_steps = steps;
	return 0;
}
CREEL_TYPED_TASK(collatz, unsigned, uint64_t);

int main(int argc, char **argv)
{
	static const uint64_t starts[] = {1, 27, 0, 97, 871, 6171, 77031, 837799, 63728127};
	size_t n = sizeof starts / sizeof starts[0];

	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool = processes ? creel_process_pool_new(NULL)
					 : creel_thread_pool_new(NULL);
	creel_mapping *map = collatz_map(pool, starts, n,
					 &(creel_map_options){.flags = CREEL_KEEP_GOING});

	size_t i = 0, taken = 0;
	unsigned steps;
	int rc;
	while ((rc = collatz_map_next(map, CREEL_FOREVER, &steps, &i)) != CREEL_EMPTY) {
		if (rc == 0)
			printf("%8" PRIu64 ": %3u steps\n", starts[i], steps);
		else if (rc == CREEL_EFAILED)
			printf("%8" PRIu64 ": failed\n", starts[i]);
		else
			break; /* not an item's failure but the map's: it has ended */
		taken++;
	}
	if (rc != CREEL_EMPTY)
		fprintf(stderr, "the map ended early: %s\n", creel_code_name(rc));

	creel_map_end(map);
	creel_executor_close(pool);
	return taken == n ? 0 : 1;
}
