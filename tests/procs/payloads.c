/* SPDX-License-Identifier: MIT */
/* Promise 29: arguments and results of any size, in place, up to the budget; shared memory. */
#include "procs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static unsigned char byte_at(size_t i, unsigned seed)
{
	return (unsigned char)(i * 31 + i / 251 + seed);
}

static void fill(unsigned char *p, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		p[i] = byte_at(i, seed);
}

static bool is_filled(const unsigned char *p, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != byte_at(i, seed))
			return false;
	return true;
}

/* Checks the argument, and writes one of the same size with other bytes in place. */
static int task_answer(creel_task *task, const void *arg, size_t size)
{
	TASK((uintptr_t)arg % 16 == 0);
	TASK(is_filled(arg, size, 1));
	unsigned char *out = creel_return_reserve(task, size);
	TASK(out != NULL);
	TASK((uintptr_t)out % 64 == 0);
	fill(out, size, 2);
	return 0;
}

static void check_answer(creel_future *f, size_t size)
{
	const void *data = &data;
	size_t have = 1;
	if (ct_outcome(f))
		ct_fail(__FILE__, __LINE__, "%zu bytes: %s", size, creel_future_error(f)->message);
	ct_int(creel_future_view(f, CREEL_NOW, &data, &have), 0);
	ct_int(have, size);
	ct_assert(is_filled(data, size, 2));
	creel_future_unref(f);
}

static const size_t sizes[] = {0,    1,    15,    16,    17,    31,    32,      33,   47,     48,
			       49,   63,   64,    65,    255,   256,   257,     1000, 4095,   4096,
			       4097, 8192, 16383, 16384, 16385, 65536, MIB - 1, MIB,  MIB + 1};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

CASE(payloads, c29_arguments_and_results_of_every_size_arrive)
{
	creel_executor *ex = pt_pool(2);
	unsigned char *data = malloc(MIB + 1);
	fill(data, MIB + 1, 1);
	for (unsigned i = 0; i < SIZES; i++) {
		creel_future *f = creel_submit(ex, task_answer, sizes[i] ? data : NULL, sizes[i]);
		check_answer(f, sizes[i]);
	}
	free(data);
	ct_close(ex);
}

CASE(payloads, c29_sixty_four_mebibytes_there_and_back)
{
	creel_executor *ex = pt_pool(1);
	unsigned char *data = malloc(64 * MIB);
	fill(data, 64 * MIB, 1);
	creel_future *f = creel_submit(ex, task_answer, data, 64 * MIB);
	free(data);
	check_answer(f, 64 * MIB);
	ct_close(ex);
}

/* Many large ones at once, before anybody reads: neither side waits for the other. */
CASE(payloads, c29_large_payloads_both_ways_block_nobody)
{
	enum { N = 24 };
	creel_future *f[N];
	creel_executor *ex = pt_pool(2);
	unsigned char *data = malloc(2 * MIB);
	fill(data, 2 * MIB, 1);
	for (unsigned i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_answer, data, 2 * MIB);
	for (unsigned i = N; i-- > 0;)
		check_answer(f[i], 2 * MIB);
	free(data);
	ct_close(ex);
}

/* What the worker's memory had in it before must not show: the same places, again and again. */
CASE(payloads, c29_the_same_places_are_used_again)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = 2 * MIB});
	unsigned char *data = malloc(MIB);
	fill(data, MIB, 1);
	for (unsigned i = 0; i < 100; i++)
		check_answer(creel_submit(ex, task_answer, data, MIB - i * 5000), MIB - i * 5000);
	free(data);
	ct_close(ex);
}

struct ways {
	int way;
	size_t size;
};

static void free_moved(void *data, size_t size, void *ctx)
{
	(void)size;
	ct_count_add(ctx, 1);
	free(data);
}

static struct ct_count *moved_freed;

static int return_in_a_way(creel_task *task, const struct ways *w)
{
	unsigned char *data = malloc(w->size + 1), *first;
	TASK(data != NULL);
	fill(data, w->size, 2);
	switch (w->way) {
	case 0: /* copied */
		TASK(creel_return(task, data, w->size) == 0);
		break;
	case 1: /* moved */
		return creel_return_move(task,
					 (creel_buffer){data, w->size, free_moved, moved_freed});
	case 2: /* reserved, and replaced by a copy */
		first = creel_return_reserve(task, w->size);
		TASK(first != NULL);
		memset(first, 0xee, w->size);
		TASK(creel_return(task, data, w->size) == 0);
		break;
	case 3: /* small, then large, then small, then this */
		TASK(creel_return(task, "x", 1) == 0);
		TASK(creel_return_reserve(task, 5000) != NULL);
		TASK(creel_return_reserve(task, 100) != NULL);
		TASK(creel_return(task, data, w->size) == 0);
		break;
	case 4: /* a part of what is the result already */
		first = creel_return_reserve(task, w->size + 64);
		TASK(first != NULL);
		fill(first + 64, w->size, 2);
		TASK(creel_return(task, first + 64, w->size) == 0);
		break;
	case 5: /* moved, and replaced */
		TASK(creel_return_move(
			     task, (creel_buffer){data, w->size, free_moved, moved_freed}) == 0);
		first = creel_return_reserve(task, w->size);
		TASK(first != NULL);
		fill(first, w->size, 2);
		return 0;
	default:
		TASK(false);
	}
	free(data);
	return 0;
}

static int task_ways(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return return_in_a_way(task, arg);
}

CASE(payloads, c29_every_way_to_return_and_to_replace)
{
	static const size_t some[] = {0, 1, 32, 48, 49, 200, 256, 257, 4096, 20000, 100000};
	moved_freed = ct_count_new();
	creel_executor *ex = pt_pool(1);
	unsigned moved = 0;
	for (int way = 0; way <= 5; way++) {
		for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
			struct ways w = {way, some[i]};
			check_answer(creel_submit(ex, task_ways, &w, sizeof w), some[i]);
			moved += way == 1 || way == 5;
		}
	}
	/* A buffer that was moved is freed in the worker, when its bytes are on their way. */
	ct_close(ex);
	ct_int(ct_count_get(moved_freed), moved);
}

static int task_aligned(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	for (size_t n = 1; n < 70000; n = n * 3 / 2 + 1) {
		unsigned char *p = creel_return_reserve(task, n);
		TASK(p != NULL);
		TASK((uintptr_t)p % 64 == 0);
		memset(p, 1, n);
	}
	return creel_return(task, NULL, 0);
}

CASE(payloads, c29_reserved_memory_is_aligned_and_reserving_again_costs_nothing)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	for (unsigned i = 0; i < 20; i++) {
		creel_future *f = creel_submit(ex, task_aligned, NULL, 0);
		check_answer(f, 0);
	}
	ct_close(ex);
}

static int task_nth(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	unsigned n = *(const unsigned *)arg;
	unsigned char *out = creel_return_reserve(task, 20000);
	TASK(out != NULL);
	fill(out, 20000, n);
	return 0;
}

/* More than the pool can hold in place; and all of them after the pool has gone. */
CASE(payloads, c29_hundreds_of_views_stay_intact_even_after_close)
{
	enum { N = 300 };
	creel_future *f[N];
	const void *view[N];
	creel_executor *ex = pt_pool(2);
	for (unsigned i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_nth, &i, sizeof i);
	for (unsigned i = 0; i < N; i++) {
		if (ct_outcome(f[i]))
			ct_fail(__FILE__, __LINE__, "view %u: %s", i,
				creel_future_error(f[i])->message);
		ct_int(creel_future_view(f[i], CREEL_NOW, &view[i], NULL), 0);
	}
	for (unsigned i = 0; i < N; i++)
		ct_assert(is_filled(view[i], 20000, i));
	ct_close(ex);
	for (unsigned i = 0; i < N; i++) {
		ct_assert(is_filled(view[i], 20000, i));
		creel_future_unref(f[i]);
	}
}

/* The worker that wrote it dies, another takes its place, and the view stays what it was. */
CASE(payloads, c29_a_view_outlives_the_worker_that_wrote_it)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f[5];
	const void *view[5];
	for (unsigned i = 0; i < 5; i++) {
		f[i] = creel_submit(ex, task_nth, &i, sizeof i);
		ct_int(ct_outcome(f[i]), 0);
		ct_int(creel_future_view(f[i], CREEL_NOW, &view[i], NULL), 0);
		creel_future *crash = pt_submit_crash(ex, PT_KILL, NULL, NULL, NULL);
		pt_failure(crash, CREEL_KIND_WORKER_DIED);
		creel_future_unref(crash);
	}
	for (unsigned i = 0; i < 5; i++)
		ct_assert(is_filled(view[i], 20000, i));
	for (unsigned i = 0; i < 5; i++)
		creel_future_unref(f[i]);
	ct_close(ex);
}

CASE(payloads, c29_a_result_can_be_moved_out_and_outlives_the_pool)
{
	static const size_t some[] = {0, 8, 200, 5000, 100000};
	creel_buffer b[5];
	unsigned char *data = malloc(100000);
	fill(data, 100000, 1);
	creel_executor *ex = pt_pool(1);
	for (unsigned i = 0; i < 5; i++) {
		creel_future *f = creel_submit(ex, task_answer, some[i] ? data : NULL, some[i]);
		creel_future *other = creel_future_ref(f);
		ct_int(creel_future_take(f, CT_GUARD, &b[i]), -EBUSY);
		creel_future_unref(other);
		/* The executor's own reference goes an instant after the end. */
		ct_until(creel_future_take(f, CT_GUARD, &b[i]) == 0);
		creel_future_unref(f);
	}
	ct_close(ex);
	for (unsigned i = 0; i < 5; i++) {
		ct_int(b[i].size, some[i]);
		ct_assert(is_filled(b[i].data, b[i].size, 2));
		if (b[i].free)
			b[i].free(b[i].data, b[i].size, b[i].ctx);
	}
	free(data);
}

CASE(payloads, c29_an_argument_over_the_budget_is_refused)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	struct ct_count *freed = ct_count_new();
	unsigned char *data = calloc(1, 2 * MIB);
	creel_future *f = NULL;
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed, .name = "large"};
	ct_int(creel_try_submit(ex, task_answer, data, 2 * MIB, &o, &f), -ENOSPC);
	ct_assert(f == NULL);
	ct_int(ct_count_get(freed), 0);
	f = creel_submit_with(ex, task_answer, data, 2 * MIB, &o);
	const creel_error *e = pt_failure(f, CREEL_KIND_REJECTED);
	ct_int(e->code, -ENOSPC);
	ct_has(e->message, "2097152");
	ct_has(e->message, "shared_budget");
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	free(data);
	pt_works(ex);
	ct_close(ex);
}

/* Each fits, all together do not: the last is refused, and fits once the others have gone. */
CASE(payloads, c29_arguments_that_together_exceed_the_budget_are_refused)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	struct pt_gated g = pt_gated(1);
	creel_future *hold = pt_submit_gated(ex, &g), *f[8] = {0};
	unsigned char *data = malloc(MIB / 4);
	fill(data, MIB / 4, 1);
	unsigned n = 0;
	int rc;
	while ((rc = creel_try_submit(ex, task_answer, data, MIB / 4, NULL, &f[n])) == 0)
		ct_assert(++n < 8);
	ct_int(n, 4);
	ct_open(g.gate);
	ct_int(ct_long_drop(hold), 1);
	for (unsigned i = 0; i < n; i++)
		check_answer(f[i], MIB / 4);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	check_answer(creel_submit(ex, task_answer, data, MIB / 4), MIB / 4);
	free(data);
	ct_close(ex);
	ct_int(rc, -ENOSPC);
}

static int task_over_budget(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	int way = *(const int *)arg;
	TASK(creel_return(task, "small", 5) == 0);
	if (way == 0)
		return creel_return_reserve(task, 2 * MIB) ? -EBADE : -ENOSPC;
	unsigned char *data = calloc(1, 2 * MIB);
	TASK(data != NULL);
	if (way == 1) {
		int rc = creel_return(task, data, 2 * MIB);
		free(data);
		return rc;
	}
	return creel_return_move(task, (creel_buffer){data, 2 * MIB, free_moved, moved_freed});
}

CASE(payloads, c29_a_result_over_the_budget_fails_that_task)
{
	static const int codes[] = {-ENOSPC, -ENOMEM, -ENOSPC};
	/* What the task said, and where it could say nothing. */
	static const int kinds[] = {CREEL_KIND_FAILED, CREEL_KIND_FAILED, CREEL_KIND_NO_MEMORY};
	moved_freed = ct_count_new();
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	for (int way = 0; way < 3; way++) {
		creel_future *f = creel_submit(ex, task_over_budget, &way, sizeof way);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		ct_int(creel_future_error(f)->code, codes[way]);
		ct_int(creel_future_error(f)->kind, kinds[way]);
		creel_future_unref(f);
	}
	pt_works(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
	ct_int(ct_count_get(moved_freed), 1);
}

static int task_half(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	void *out = creel_return_reserve(task, MIB * 2 / 5);
	if (!out)
		return creel_fail(task, -ENOSPC, "no room");
	memset(out, 5, MIB * 2 / 5);
	return 0;
}

/* Views that are held use the budget up; reserving says so at once, and never waits. */
CASE(payloads, c29_views_that_are_held_use_up_the_budget)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	creel_future *f[3];
	for (unsigned i = 0; i < 3; i++) {
		f[i] = creel_submit(ex, task_half, NULL, 0);
		ct_int(ct_outcome(f[i]), i < 2 ? 0 : CREEL_EFAILED);
	}
	ct_int(creel_future_error(f[2])->code, -ENOSPC);
	creel_future_unref(f[0]);
	creel_future_unref(f[2]);
	f[0] = creel_submit(ex, task_half, NULL, 0);
	ct_int(ct_outcome(f[0]), 0);
	creel_future_unref(f[0]);
	creel_future_unref(f[1]);
	ct_close(ex);
}

struct picture {
	struct picture *self;
	unsigned char *pixels;
	size_t n;
};

static int task_invert(creel_task *task, const void *arg, size_t size)
{
	TASK(size == CREEL_BY_REF);
	const struct picture *p = arg;
	TASK(p->self == p);
	for (size_t i = 0; i < p->n; i++)
		p->pixels[i] = (unsigned char)~byte_at(i, 1);
	return creel_return(task, &arg, sizeof arg);
}

CASE(payloads, c29_shared_memory_is_at_one_address_and_worked_on_in_place)
{
	creel_executor *ex = pt_pool(2);
	struct picture *p = creel_shared_alloc(ex, sizeof *p);
	unsigned char *pixels = creel_shared_alloc(ex, MIB);
	ct_assert(p && pixels);
	ct_int((uintptr_t)p % 64, 0);
	ct_int((uintptr_t)pixels % 64, 0);
	*p = (struct picture){p, pixels, MIB};
	fill(pixels, MIB, 1);
	creel_future *f = creel_submit(ex, task_invert, p, CREEL_BY_REF);
	void *same = NULL;
	ct_int(creel_future_result(f, CT_GUARD, &same, sizeof same), 0);
	ct_assert(same == p);
	for (size_t i = 0; i < MIB; i++)
		ct_assert(pixels[i] == (unsigned char)~byte_at(i, 1));
	creel_future_unref(f);
	creel_shared_free(ex, p);
	creel_shared_free(ex, pixels);
	creel_shared_free(ex, NULL);
	ct_close(ex);
}

static int task_null(creel_task *task, const void *arg, size_t size)
{
	TASK(arg == NULL);
	TASK(size == CREEL_BY_REF);
	return 0;
}

CASE(payloads, c30_pointers_outside_shared_memory_are_refused)
{
	creel_executor *ex = pt_pool(1), *other = pt_pool(1);
	int here = 1;
	void *heap = malloc(16), *theirs = creel_shared_alloc(other, 16);
	creel_future *f = NULL;
	const void *bad[] = {&here, heap, theirs, (const void *)(uintptr_t)creel_submit,
			     ct_shared(64)};
	for (unsigned i = 0; i < 5; i++) {
		ct_int(creel_try_submit(ex, task_nothing, bad[i], CREEL_BY_REF, NULL, &f), -EFAULT);
		creel_future *g = creel_submit(ex, task_nothing, bad[i], CREEL_BY_REF);
		const creel_error *e = pt_failure(g, CREEL_KIND_NOT_TRANSFERABLE);
		char text[32];
		snprintf(text, sizeof text, "%p", bad[i]);
		ct_has(e->message, text);
		ct_int(e->code, -EFAULT);
		creel_future_unref(g);
	}
	f = creel_submit(ex, task_null, NULL, CREEL_BY_REF);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	creel_shared_free(other, theirs);
	free(heap);
	ct_close(other);
	ct_close(ex);
}

CASE(payloads, c29_shared_memory_over_the_budget_is_null_and_elsewhere_it_is_the_heap)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	ct_assert(creel_shared_alloc(ex, 2 * MIB) == NULL);
	for (unsigned round = 0; round < 50; round++) {
		void *p[8];
		size_t left = MIB;
		for (unsigned i = 0; i < 8; i++) {
			size_t size = MIB / 8 - i * 100 - round;
			p[i] = creel_shared_alloc(ex, size);
			ct_assert(p[i] != NULL);
			memset(p[i], (int)i, size);
			left -= size;
		}
		ct_assert(creel_shared_alloc(ex, left + 1) == NULL);
		for (unsigned i = 0; i < 8; i++) {
			ct_int(*(unsigned char *)p[i], i);
			creel_shared_free(ex, p[i]);
		}
	}
	/* All of it came back. */
	void *whole = creel_shared_alloc(ex, MIB);
	ct_assert(whole != NULL);
	creel_shared_free(ex, whole);
	ct_close(ex);
	ex = creel_thread_pool_new(NULL);
	void *heap = creel_shared_alloc(ex, 100);
	ct_assert(heap && (uintptr_t)heap % 64 == 0);
	creel_shared_free(ex, heap);
	ct_close(ex);
	ex = creel_process_pool_new(&(creel_process_pool_options){.max_workers = -1});
	ct_assert(creel_shared_alloc(ex, 100) == NULL);
	creel_executor_unref(ex);
}
