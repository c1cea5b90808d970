/* SPDX-License-Identifier: MIT */
/*
 * Promises 3 and 11: what creel copies is aligned to 16 bytes, also where malloc() gives less. An
 * address that is aligned by luck shows nothing: so each case goes over many sizes.
 */
#include "contract.h"

#include <string.h>

static int say_alignment(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	int off = (int)((uintptr_t)arg % 16);
	return creel_return(task, &off, sizeof off);
}

/* How far the argument was off in the task. */
static void expect_aligned(creel_future *f)
{
	int off = -1;
	ct_int(creel_future_result(f, CT_GUARD, &off, sizeof off), 0);
	ct_int(off, 0);
	creel_future_unref(f);
}

CASE(c03_a_copied_argument_is_aligned_where_malloc_aligns_less, 0)
{
	char odd[600] = {0};
	creel_executor *ex = ct_executor();
	ct_align_less(true);
	for (size_t size = 1; size < sizeof odd - 1; size += 7)
		expect_aligned(creel_submit(ex, say_alignment, odd + 1, size));
	ct_align_less(false);
	ct_close(ex);
}

CASE(c03_a_result_that_is_viewed_or_taken_is_aligned_where_malloc_aligns_less, 0)
{
	char odd[600] = {0};
	creel_executor *ex = ct_executor();
	ct_align_less(true);
	for (size_t size = 1; size < sizeof odd - 1; size += 7) {
		const void *view = NULL;
		creel_buffer taken = {0};
		creel_future *f = creel_submit(ex, task_echo, odd + 1, size);
		ct_int(creel_future_view(f, CT_GUARD, &view, NULL), 0);
		ct_int((uintptr_t)view % 16, 0);
		ct_until(creel_future_take(f, CREEL_NOW, &taken) != -EBUSY);
		ct_int(taken.size, size);
		ct_int((uintptr_t)taken.data % 16, 0);
		taken.free(taken.data, taken.size, taken.ctx);
		creel_future_unref(f);
	}
	ct_align_less(false);
	ct_close(ex);
}

CORE_CASE(c07_the_result_of_a_promise_is_aligned_where_malloc_aligns_less)
{
	char odd[600] = {0};
	ct_align_less(true);
	for (size_t size = 1; size < sizeof odd - 1; size += 7) {
		const void *view = NULL;
		creel_future *f = creel_promise_new();
		ct_int(creel_promise_set_result(f, odd + 1, size), 0);
		ct_int(creel_future_view(f, CREEL_NOW, &view, NULL), 0);
		ct_int((uintptr_t)view % 16, 0);
		creel_future_unref(f);
	}
	ct_align_less(false);
}

/* One item of each size that the map's place for items has. */
static int one_item(void *ctx, void *item, size_t *size)
{
	bool *given = ctx;
	if (*given)
		return 0;
	*given = true;
	if ((uintptr_t)item % 16)
		return -EFAULT;
	memset(item, 1, *size);
	return 1;
}

CASE(c11_items_are_aligned_where_malloc_aligns_less, 0)
{
#ifndef __GLIBC__
	ct_skip("this C library frees by its own calls what it got from the wrapped ones");
#endif
	creel_executor *ex = ct_executor();
	ct_align_less(true);
	for (size_t size = 1; size < 300; size += 7) {
		bool given = false;
		creel_future *f = NULL;
		creel_map_options options = {.max_item = size, .in_flight = 1};
		creel_mapping *map = creel_map_from(ex, say_alignment, one_item, &given, &options);
		ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
		expect_aligned(f);
		creel_map_end(map);
	}
	ct_align_less(false);
	ct_close(ex);
}
