/* SPDX-License-Identifier: MIT */
/* Promise 53: a pipeline never holds more items than the map's bound, over all stages; a slow last
 * stage stops the source; ending early reaches every stage. */
#include "contract.h"

#include <string.h>

/* The input of a stage. */
static long input_of(creel_task *task)
{
	const void *data;
	size_t size;
	ct_int(creel_task_input(task, &data, &size), 0);
	ct_int(size, sizeof(long));
	return *(const long *)data;
}

static int task_add_one(creel_task *task, const void *arg, size_t size)
{
	ct_assert(!arg && size == 0);
	long value = input_of(task) + 1;
	return creel_return(task, &value, sizeof value);
}

static int task_times_ten(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	long value = input_of(task) * 10;
	return creel_return(task, &value, sizeof value);
}

static const long items[] = {1, 2, 3, 4, 5, 6, 7, 8};
enum { ITEMS = sizeof items / sizeof items[0] };

static int next_of(creel_mapping *map, creel_deadline deadline, long *ret, size_t *ret_index)
{
	creel_future *f = NULL;
	int rc = creel_map_next(map, deadline, &f, ret_index);
	if (rc == 0)
		ct_int(creel_future_result(f, CREEL_NOW, ret, sizeof *ret), 0);
	creel_future_unref(f);
	return rc;
}

CASE(c53_items_go_through_all_stages, 0)
{
	creel_executor *ex = ct_executor(), *other = creel_inline_new();
	for (unsigned flags = CREEL_ORDERED; flags <= CREEL_AS_COMPLETED; flags++) {
		creel_mapping *map = creel_map(
			ex, task_same, items, sizeof items[0], ITEMS,
			&(creel_map_options){.flags = flags, .in_flight = 3});
		ct_int(creel_map_then(map, ex, task_add_one, NULL), 0);
		ct_int(creel_map_then(map, other, task_times_ten, NULL), 0);
		ct_int(creel_map_then(map, ex, task_add_one, NULL), 0);
		long value, seen = 0;
		size_t index;
		for (size_t i = 0; i < ITEMS; i++) {
			ct_int(next_of(map, CT_GUARD, &value, &index), 0);
			ct_assert(flags == CREEL_AS_COMPLETED || index == i);
			ct_int(value, (items[index] + 1) * 10 + 1);
			seen |= 1l << index;
		}
		ct_int(seen, (1l << ITEMS) - 1);
		ct_int(next_of(map, CT_GUARD, &value, &index), CREEL_EMPTY);
		creel_map_end(map);
	}
	ct_close(other);
	ct_close(ex);
}

static int pulled;

static int count_pulls(void *ctx, void *item, size_t *size)
{
	long value = ++pulled;
	(void)ctx;
	memcpy(item, &value, sizeof value);
	*size = sizeof value;
	return 1;
}

static struct ct_count *gate;

static int task_pass_gate(creel_task *task, const void *arg, size_t size)
{
	ct_pass(gate);
	return task_add_one(task, arg, size);
}

CASE(c53_a_slow_last_stage_stops_the_source, CT_INPROC | CT_ASYNC)
{
	enum { BOUND = 3 };
	creel_executor *ex = ct_executor();
	gate = ct_count_new();
	pulled = 0;
	creel_mapping *map = creel_map_from(ex, task_same, count_pulls, NULL,
					    &(creel_map_options){.in_flight = BOUND});
	ct_int(creel_map_then(map, ex, task_pass_gate, NULL), 0);
	long value;
	ct_int(next_of(map, CREEL_NOW, &value, NULL), -ETIMEDOUT);
	ct_int(next_of(map, creel_in_ms(1), &value, NULL), -ETIMEDOUT);
	ct_int(pulled, BOUND);
	ct_open(gate);
	for (int i = 1; i <= 10; i++) {
		ct_int(next_of(map, CT_GUARD, &value, NULL), 0);
		ct_int(value, i + 1);
		/* What is through and was not taken counts as well. */
		ct_int(pulled, BOUND + i - 1);
	}
	creel_map_end(map);
	ct_close(ex);
}

/* A generator without a channel. */
CASE(c53_one_in_flight_is_lazy, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	pulled = 0;
	creel_mapping *map = creel_map_from(ex, task_same, count_pulls, NULL,
					    &(creel_map_options){.in_flight = 1});
	ct_int(creel_map_then(map, ex, task_times_ten, NULL), 0);
	long value;
	for (int i = 1; i <= 5; i++) {
		ct_int(pulled, i - 1);
		ct_int(next_of(map, CT_GUARD, &value, NULL), 0);
		ct_int(value, i * 10);
	}
	creel_map_end(map);
	ct_int(pulled, 5);
	ct_close(ex);
}

static struct ct_count *ran;

static int task_fail_third(creel_task *task, const void *arg, size_t size)
{
	return input_of(task) == 3 ? creel_fail(task, 7, "the third")
				   : task_add_one(task, arg, size);
}

static int task_ran(creel_task *task, const void *arg, size_t size)
{
	ct_count_add(ran, 1);
	return task_add_one(task, arg, size);
}

CASE(c53_a_failed_stage_skips_the_rest_of_its_item, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	ran = ct_count_new();
	creel_mapping *map = creel_map(ex, task_same, items, sizeof items[0], ITEMS,
				       &(creel_map_options){.flags = CREEL_KEEP_GOING});
	ct_int(creel_map_then(map, ex, task_fail_third, NULL), 0);
	ct_int(creel_map_then(map, ex, task_ran, NULL), 0);
	for (int i = 0; i < ITEMS; i++) {
		creel_future *f;
		long value;
		ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
		int rc = creel_future_result(f, CREEL_NOW, &value, sizeof value);
		ct_int(rc, i == 2 ? CREEL_EFAILED : 0);
		if (rc)
			ct_text(creel_map_error(map)->message, "the third");
		else
			ct_int(value, items[i] + 2);
		creel_future_unref(f);
	}
	ct_int(ct_count_get(ran), ITEMS - 1);
	creel_map_end(map);
	ct_close(ex);
}

CASE(c53_a_refused_stage_is_the_result_of_its_item, CT_INPROC)
{
	creel_executor *ex = ct_executor(), *closed = creel_inline_new();
	ran = ct_count_new();
	ct_int(creel_executor_shutdown(closed, 0, CREEL_NOW, NULL), 0);
	creel_mapping *map = creel_map(ex, task_same, items, sizeof items[0], ITEMS, NULL);
	ct_int(creel_map_then(map, closed, task_add_one, NULL), 0);
	ct_int(creel_map_then(map, ex, task_ran, NULL), 0);
	creel_future *f;
	ct_int(creel_map_next(map, CT_GUARD, &f, NULL), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
	creel_future_unref(f);
	ct_int(creel_map_next(map, CT_GUARD, &f, NULL), CREEL_EMPTY);
	ct_int(ct_count_get(ran), 0);
	creel_map_end(map);
	ct_close(closed);
	ct_close(ex);
}

static struct ct_count *started, *asked;

static int sleep_until_asked(creel_task *task)
{
	ct_count_add(started, 1);
	ct_int(creel_task_sleep(task, CT_GUARD), -ECANCELED);
	ct_count_add(asked, 1);
	return -ECANCELED;
}

/* The second item stays in the first stage. */
static int task_first_stage(creel_task *task, const void *arg, size_t size)
{
	return *(const long *)arg == 2 ? sleep_until_asked(task) : task_same(task, arg, size);
}

static int task_second_stage(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return sleep_until_asked(task);
}

CASE(c53_ending_early_reaches_every_stage, CT_INPROC | CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	started = ct_count_new();
	asked = ct_count_new();
	ran = ct_count_new();
	creel_mapping *map = creel_map(ex, task_first_stage, items, sizeof items[0], ITEMS, NULL);
	ct_int(creel_map_then(map, ex, task_second_stage, NULL), 0);
	ct_int(creel_map_then(map, ex, task_ran, NULL), 0);
	long value;
	ct_int(next_of(map, CREEL_NOW, &value, NULL), -ETIMEDOUT);
	/* On a pool, in which a sleeper frees its place, items are in both stages. */
	ct_count_await(started, ct_is(CT_POOL) ? 2 : 1);
	creel_map_end(map);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(asked), ct_count_get(started));
	ct_int(ct_count_get(ran), 0);
	ct_close(ex);
}

static int task_never_ends(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	ct_count_add(*(struct ct_count *const *)arg, 1);
	while (pause())
		;
	return 0;
}

/* The stage that is to be killed runs in a process, the one that waits for it does not. */
CASE(c53_kill_rest_reaches_the_stage_that_runs, CT_COUNTS)
{
	if (ct_is(CT_INPROC))
		return;
	creel_executor *ex = ct_executor(), *other = creel_inline_new();
	struct ct_count *there = ct_count_new();
	creel_mapping *map = creel_map(ex, task_never_ends, &there, sizeof there, 1,
				       &(creel_map_options){.flags = CREEL_KILL_REST});
	ct_int(creel_map_then(map, other, task_add_one, NULL), 0);
	long value;
	ct_int(next_of(map, CREEL_NOW, &value, NULL), -ETIMEDOUT);
	ct_count_await(there, 1);
	creel_map_end(map);
	ct_close(ex);
	ct_close(other);
}

CORE_CASE(c53_a_stage_keeps_its_token)
{
	creel_executor *ex = creel_inline_new();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_future *gone = creel_token_future(token);
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_mapping *map = creel_map(ex, task_same, items, sizeof items[0], ITEMS, NULL);
	ct_int(creel_map_then(map, ex, task_add_one,
			      &(creel_submit_options){.token = token, .clock = clock}),
	       0);
	creel_token_unref(token);
	creel_clock_unref(clock);
	ct_int(creel_future_state(gone), CREEL_FUTURE_RUNNING);
	long value;
	ct_int(next_of(map, CREEL_NOW, &value, NULL), 0);
	ct_int(value, 2);
	creel_map_end(map);
	ct_int(ct_outcome(gone), CREEL_EFAILED);
	creel_future_unref(gone);
	ct_close(ex);
}

CASE(c53_nothing_runs_for_a_stage_that_is_refused, CT_POOL)
{
	creel_executor *ex = ct_executor();
	struct ct_count *freed = ct_count_new();
	creel_submit_options so = {.arg_free = arg_free_count, .arg_ctx = freed};
	struct ct_hold hold;
	creel_future *f = NULL;
	ct_hold(&hold, ex);
	creel_mapping *map = creel_map(
		ex, task_same, items, sizeof items[0], 1,
		&(creel_map_options){.submit = &so, .flags = CREEL_KEEP_GOING});
	ct_int(creel_map_then(map, ex, task_add_one, &(creel_submit_options){.band = 99}), 0);
	ct_int(creel_map_next(map, CREEL_NOW, &f, NULL), 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	/* The item was cancelled. */
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	creel_map_end(map);
	ct_release(&hold);
	ct_close(ex);
}

CORE_CASE(bad_stages_are_refused)
{
	creel_executor *ex = creel_inline_new();
	creel_future *f = NULL;
	long value;
	creel_mapping *map = creel_map(ex, task_same, items, sizeof items[0], ITEMS, NULL);
	ct_int(creel_map_then(NULL, ex, task_add_one, NULL), -EINVAL);
	ct_int(next_of(map, CREEL_NOW, &value, NULL), 0);
	/* Too late, and nothing has happened. */
	ct_int(creel_map_then(map, ex, task_add_one, NULL), -EALREADY);
	ct_int(next_of(map, CREEL_NOW, &value, NULL), 0);
	ct_int(value, 2);
	creel_map_end(map);

	static const creel_submit_options periodic = {.period_ns = 5};
	static const char *const said[] = {
		"creel_map_then: the executor is NULL", "creel_map_then: the function is NULL",
		"creel_map_then: period_ns is 5; a map runs each item once"};
	for (int i = 0; i < 3; i++) {
		map = creel_map(ex, task_same, items, sizeof items[0], ITEMS, NULL);
		ct_int(creel_map_then(map, i == 0 ? NULL : ex, i == 1 ? NULL : task_add_one,
				      i == 2 ? &periodic : NULL),
		       -EINVAL);
		ct_text(creel_map_error(map)->message, said[i]);
		/* No item runs without one of its stages. */
		ct_int(creel_map_then(map, ex, task_add_one, NULL), -EINVAL);
		ct_int(creel_map_next(map, CREEL_NOW, &f, NULL), -EINVAL);
		ct_int(creel_map_next(map, CREEL_NOW, &f, NULL), CREEL_EMPTY);
		creel_map_end(map);
	}
	map = creel_map(ex, task_same, items, sizeof items[0], ITEMS, NULL);
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	ct_int(creel_map_then(map, ex, task_add_one, NULL), -ENOMEM);
	ct_fault_off();
	ct_int(creel_map_next(map, CREEL_NOW, &f, NULL), -ENOMEM);
	ct_int(creel_map_error(map)->kind, CREEL_KIND_NO_MEMORY);
	creel_map_end(map);
	ct_close(ex);
}
