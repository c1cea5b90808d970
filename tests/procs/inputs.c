/* SPDX-License-Identifier: MIT */
/* Promise 37 in worker processes: the inputs of continuations travel, and are given back. */
#include "procs.h"

#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

/* The first byte of the input, and its size. */
static int task_first(creel_task *task, const void *arg, size_t size)
{
	const unsigned char *data;
	size_t n;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, (const void **)&data, &n);
	long result = rc ? 0 : (long)n + data[0];
	return rc ? rc : creel_return(task, &result, sizeof result);
}

static creel_future *made_of(size_t size, unsigned char first)
{
	unsigned char *data = malloc(size);
	ct_assert(data);
	memset(data, first, size);
	creel_future *f = creel_future_of(data, size);
	free(data);
	return f;
}

CASE(inputs, c37_an_input_gives_its_room_back)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	creel_future *f = made_of(MIB / 2, 3);
	/* All of them together have no room. */
	for (int i = 0; i < 20; i++)
		ct_int(ct_long_drop(creel_then(f, ex, task_first, NULL, 0)), MIB / 2 + 3);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(inputs, c37_an_input_that_never_fits_is_refused)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	creel_future *f = made_of(16 * MIB, 3);
	creel_future *g = creel_then(f, ex, task_first, NULL, 0);
	const creel_error *e = pt_failure(g, CREEL_KIND_REJECTED);
	ct_int(e->code, -ENOSPC);
	ct_has(e->message, "16777216 bytes");
	creel_future_unref(f);
	creel_future_unref(g);
	pt_works(ex);
	ct_close(ex);
}

/* A stage that is sent to another worker, since its own has died, has its input there. */
static int task_die(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	abort();
}

CASE(inputs, c37_what_waits_behind_a_death_keeps_its_input)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_promise_new(), *g[3];
	g[0] = creel_then(f, ex, task_die, NULL, 0);
	for (int i = 1; i < 3; i++)
		g[i] = creel_then(f, ex, task_first, NULL, 0);
	ct_int(creel_promise_set_result(f, "abc", 3), 0);
	(void)pt_failure(g[0], CREEL_KIND_WORKER_DIED);
	for (int i = 1; i < 3; i++)
		ct_int(ct_long(g[i]), 3 + 'a');
	for (int i = 0; i < 3; i++)
		creel_future_unref(g[i]);
	creel_future_unref(f);
	ct_close(ex);
}

/* From one pool into another, and back. */
CASE(inputs, c37_a_result_goes_from_pool_to_pool)
{
	creel_executor *ex[] = {pt_pool(1), pt_pool(1), creel_thread_pool_new(NULL)};
	creel_future *f = made_of(70000, 9);
	for (int i = 0; i < 6; i++) {
		creel_future *g = creel_then(f, ex[i % 3], task_first, NULL, 0);
		if (i == 0)
			ct_int(ct_long(g), 70009);
		else
			ct_assert(ct_long(g) >= 8);
		creel_future_unref(f);
		f = g;
	}
	creel_future_unref(f);
	for (int i = 0; i < 3; i++)
		ct_close(ex[i]);
}
