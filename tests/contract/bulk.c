/* SPDX-License-Identifier: MIT */
/* Promise 42: creel_submit_many() is n submissions in order, with one verdict. */
#include "contract.h"

#include <string.h>

enum { N = 150 };

static void number(long items[N])
{
	for (long i = 0; i < N; i++)
		items[i] = i;
}

CASE(c42_each_item_becomes_a_task, CT_EX)
{
	long items[N];
	size_t accepted = 7;
	creel_future *f[N];
	creel_executor *ex = ct_executor();
	number(items);
	ct_int(creel_submit_many(ex, task_double, items, sizeof *items, N, NULL, f, &accepted), 0);
	ct_int(accepted, N);
	memset(items, 0x5a, sizeof items);
	for (long i = 0; i < N; i++)
		ct_int(ct_long_drop(f[i]), 2 * i);
	ct_close(ex);
}

CASE(c42_tasks_start_in_the_order_of_the_items, CT_STRICT)
{
	struct ct_log *log = ct_log_new(N);
	struct ct_logged items[N];
	size_t accepted;
	creel_executor *ex = ct_executor();
	for (long i = 0; i < N; i++)
		items[i] = (struct ct_logged){log, i};
	ct_int(creel_submit_many(ex, task_log, items, sizeof *items, N, NULL, NULL, &accepted), 0);
	ct_int(accepted, N);
	ct_close(ex);
	ct_int(log->n, N);
	for (long i = 0; i < N; i++)
		ct_int(log->entry[i], i);
}

static creel_executor *bounded(int capacity)
{
	if (ct_is(CT_POOL))
		return ct_pool((creel_thread_pool_options){.max_workers = 1, .capacity = capacity});
	return creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1, .capacity = capacity});
}

CASE(c42_the_first_refusal_ends_it_and_what_is_behind_is_untouched, CT_COUNTS)
{
	enum { CAPACITY = 5 };
	long items[N];
	size_t accepted = 0;
	struct ct_hold hold;
	struct ct_count *freed = ct_count_new();
	creel_submit_options o = {
		.overflow = CREEL_OVERFLOW_FAIL, .arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *f[N] = {NULL};
	creel_executor *ex = bounded(CAPACITY);
	number(items);
	ct_hold_n(&hold, ex, 1);
	ct_int(creel_submit_many(ex, task_double, items, sizeof *items, N, &o, f, &accepted),
	       CREEL_BUSY);
	ct_int(accepted, CAPACITY);
	ct_int(ct_count_get(freed), 0);
	ct_release(&hold);
	for (long i = 0; i < N; i++)
		if (i < CAPACITY)
			ct_int(ct_long_drop(f[i]), 2 * i);
		else
			ct_assert(!f[i]);
	ct_close(ex);
	ct_int(ct_count_get(freed), CAPACITY);
}

CASE(c42_the_policy_holds_for_each_item, CT_COUNTS)
{
	size_t accepted = 0;
	struct ct_count *ran = ct_count_new();
	struct ct_count *counters[N];
	creel_executor *ex = bounded(3);
	for (int i = 0; i < N; i++)
		counters[i] = ran;
	/* It waits for room, again and again. */
	ct_int(creel_submit_many(ex, task_count, counters, sizeof *counters, N, NULL, NULL,
				 &accepted),
	       0);
	ct_int(accepted, N);
	ct_close(ex);
	ct_int(ct_count_get(ran), N);
}

CASE(c42_an_executor_that_was_shut_down_accepts_none, CT_EX)
{
	long items[N];
	size_t accepted = 7;
	creel_future *f[N] = {NULL};
	creel_executor *ex = ct_executor();
	number(items);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_submit_many(ex, task_double, items, sizeof *items, N, NULL, f, &accepted),
	       -ESHUTDOWN);
	ct_int(accepted, 0);
	ct_assert(!f[0]);
	ct_close(ex);
}

static int has_no_argument(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	return arg || size ? -1 : 0;
}

CASE(bad_items_to_submit_are_refused, CT_EX)
{
	long items[N];
	size_t accepted = 7;
	creel_future *f[3];
	creel_executor *ex = ct_executor();
	number(items);
#define MANY(fn, base, stride, n, o) creel_submit_many(ex, fn, base, stride, n, o, NULL, &accepted)
	ct_int(creel_submit_many(NULL, task_same, items, 8, 3, NULL, NULL, &accepted), -EINVAL);
	ct_int(accepted, 0);
	ct_int(creel_submit_many(ex, task_same, items, 8, 3, NULL, NULL, NULL), -EINVAL);
	ct_int(MANY(NULL, items, 8, 3, NULL), -EINVAL);
	ct_int(MANY(task_same, NULL, 8, 3, NULL), -EINVAL);
	ct_int(MANY(task_same, items, SIZE_MAX / 2, 3, NULL), -EINVAL);
	ct_int(MANY(task_same, items, CREEL_BY_REF, 1, NULL), -EINVAL);
	ct_int(MANY(task_same, items, 8, 3, &(creel_submit_options){.overflow = 9}), -EINVAL);
	ct_int(accepted, 0);
	/* No items, and items without bytes. */
	ct_int(MANY(task_same, NULL, 8, 0, NULL), 0);
	ct_int(accepted, 0);
	ct_int(creel_submit_many(ex, has_no_argument, NULL, 0, 3, NULL, f, &accepted), 0);
	ct_int(accepted, 3);
	for (int i = 0; i < 3; i++) {
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	ct_close(ex);
}
