/* SPDX-License-Identifier: MIT */
/* A map over a pool: taken to its end, ended early, failing early; no item lost, none run twice. */
#include "model.h"
#include <errno.h>

enum { ITEMS = 2 };

static creel_executor *pool;
static int items[ITEMS], runs[ITEMS], failing;

static int square(creel_task *self, const void *arg, size_t size)
{
	(void)size;
	int i = *(const int *)arg;
	runs[i]++;
	if (i == failing)
		return -5;
	int result = (i + 1) * (i + 1);
	return creel_return(self, &result, sizeof result);
}

static creel_mapping *map(unsigned flags, size_t in_flight)
{
	for (int i = 0; i < ITEMS; i++) {
		items[i] = i;
		runs[i] = 0;
	}
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER});
	return creel_map(pool, square, items, sizeof items[0], ITEMS,
			 &(creel_map_options){.flags = flags, .in_flight = in_flight});
}

static int next(creel_mapping *m, size_t *ret_index)
{
	creel_future *f = NULL;
	int result = 0, code = creel_map_next(m, CREEL_FOREVER, &f, ret_index);
	if (code == 0) {
		model_check(creel_future_result(f, CREEL_NOW, &result, sizeof result) == 0);
		model_check(result == (int)((*ret_index + 1) * (*ret_index + 1)));
		model_check(runs[*ret_index] == 1);
	}
	creel_future_unref(f);
	return code;
}

static void to_the_end(unsigned flags, size_t in_flight)
{
	failing = -1;
	creel_mapping *m = map(flags, in_flight);
	size_t index, sum = 0;
	for (size_t i = 0; i < ITEMS; i++) {
		model_check(next(m, &index) == 0);
		model_check(flags & CREEL_AS_COMPLETED || index == i);
		/* What may not be in flight has not been submitted: nobody else looks at it. */
		if (i + in_flight < ITEMS)
			model_check(runs[i + in_flight] == 0);
		sum += index;
	}
	model_check(sum == ITEMS * (ITEMS - 1) / 2 && next(m, &index) == CREEL_EMPTY);
	creel_map_end(m);
	model_check(creel_executor_close(pool) == 0);
}

static void in_order(void)
{
	to_the_end(0, 2);
}

static void as_completed(void)
{
	to_the_end(CREEL_AS_COMPLETED, 2);
}

static void one_in_flight(void)
{
	to_the_end(0, 1);
}

/* What runs goes on, what waits is cancelled; the pool outlives neither. */
static void ended_early(void)
{
	failing = -1;
	creel_mapping *m = map(0, 2);
	size_t index;
	model_check(next(m, &index) == 0 && index == 0);
	creel_map_end(m);
	model_check(creel_executor_close(pool) == 0);
	model_check(runs[0] == 1 && runs[1] <= 1);
}

static void fails_early(void)
{
	failing = 0;
	creel_mapping *m = map(0, 2);
	size_t index;
	model_check(next(m, &index) == CREEL_EFAILED && index == 0);
	model_check(next(m, &index) == CREEL_EMPTY);
	creel_map_end(m);
	model_check(creel_executor_close(pool) == 0);
	model_check(runs[0] == 1 && runs[1] <= 1);
}

const struct model_scenario model_scenarios[] = {
	{"in order", in_order, .preemptions = 2, .spurious = 1},
	{"as completed", as_completed, .preemptions = 2, .spurious = 1},
	{"one in flight", one_in_flight, .preemptions = 2, .spurious = 1},
	{"ended early", ended_early, .preemptions = 2, .spurious = 1},
	{"fails early", fails_early, .preemptions = 2, .spurious = 1},
	{0},
};
