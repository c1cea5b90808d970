/* SPDX-License-Identifier: MIT */
/*
 * Promises 3 and 35: a result that the host holds stays as it is, whatever later tasks of the same
 * worker put in place of their own results, and whatever a later worker in the same place believes.
 */
#include "procs.h"
#include "procs/layout.h"

#include <stdlib.h>
#include <string.h>

enum { BIG = 100000, MIDDLE = 100, SMALL = 8 };

static int task_big(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	char *p = creel_return_reserve(task, BIG);
	if (!p)
		return -ENOMEM;
	memset(p, *(const char *)arg, BIG);
	return 0;
}

static creel_future *hold(creel_executor *ex, char c, const char **ret_data)
{
	creel_future *f = creel_submit(ex, task_big, &c, 1);
	size_t size = 0;
	ct_int(creel_future_view(f, CT_GUARD, (const void **)ret_data, &size), 0);
	ct_int(size, BIG);
	return f;
}

static bool is_all(const char *data, char c)
{
	for (unsigned i = 0; i < BIG; i++)
		if (data[i] != c)
			return false;
	return true;
}

enum way {
	RESERVE_BIG,
	RESERVE_MIDDLE,
	RESERVE_NONE,
	COPY_MIDDLE,
	COPY_SMALL,
	COPY_NONE,
	MOVE,
	WAYS
};

static void free_it(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	free(data);
}

static int return_so(creel_task *task, enum way way)
{
	static const size_t sizes[] = {BIG, MIDDLE, 0, MIDDLE, SMALL, 0, MIDDLE};
	char text[MIDDLE];
	memset(text, 'z', sizeof text);
	if (way <= RESERVE_NONE) {
		void *p = creel_return_reserve(task, sizes[way]);
		if (p)
			memset(p, 'z', sizes[way]);
		return p ? 0 : -ENOMEM;
	}
	if (way < MOVE)
		return creel_return(task, text, sizes[way]);
	char *copy = malloc(MIDDLE);
	if (!copy)
		return -ENOMEM;
	memset(copy, 'z', MIDDLE);
	return creel_return_move(task, (creel_buffer){copy, MIDDLE, free_it, NULL});
}

struct order {
	enum way first, second, third;
	bool fails;
};

static int task_replaces(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct order *o = arg;
	TASK(return_so(task, o->first) == 0);
	TASK(return_so(task, o->second) == 0);
	TASK(return_so(task, o->third) == 0);
	return o->fails ? creel_fail(task, -EBADE, "as asked") : 0;
}

/* All orders of three, each beside a result that is held. */
CASE(extents, c03_c35_a_replaced_result_frees_no_other)
{
	creel_executor *ex = pt_pool(1);
	const char *held;
	creel_future *h = hold(ex, 'A', &held);
	for (int i = 0; i < WAYS * WAYS * WAYS * 2; i++) {
		struct order o = {(enum way)(i / 2 % WAYS), (enum way)(i / 2 / WAYS % WAYS),
				  (enum way)(i / 2 / WAYS / WAYS), i % 2};
		creel_future *f = creel_submit(ex, task_replaces, &o, sizeof o);
		ct_int(creel_future_result(f, CT_GUARD, NULL, 0), o.fails ? CREEL_EFAILED : 0);
		creel_future_unref(f);
		const char *other;
		creel_future_unref(hold(ex, 'B', &other));
		ct_assert(held[0] == 'A' && held[BIG - 1] == 'A');
	}
	ct_assert(is_all(held, 'A'));
	creel_future_unref(h);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

/* Zeros over all that a worker tells the parent and is told by it, and the end. */
static int task_forgets(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	unsigned char *out = creel_return_reserve(task, 64);
	TASK(out);
	struct creel__slot *slot = (void *)(out - offsetof(struct creel__slot, out_data));
	while (((uintptr_t)slot - offsetof(struct creel__control, slots)) % 4096)
		slot--;
	void *control = (unsigned char *)slot - offsetof(struct creel__control, slots);
	memset(control, *(const char *)arg, sizeof(struct creel__control));
	_exit(1);
}

/* Writes over the whole of its result area, as far as it can have room in it. */
static int task_fills(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	size_t most = *(const size_t *)arg, n = most;
	void *p = NULL;
	while (n && !(p = creel_return_reserve(task, n)))
		n -= n > 65536 ? 65536 : n;
	if (p)
		memset(p, 'F', n);
	return creel_return(task, &n, sizeof n);
}

CASE(extents, c35_the_next_worker_writes_over_nothing_that_is_held)
{
	size_t budget = (size_t)4 << 20;
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = budget});
	for (int zeros = 0; zeros < 2; zeros++) {
		const char *held;
		creel_future *h = hold(ex, 'A', &held);
		char with = zeros ? 0 : (char)0xff;
		creel_future *f = creel_submit(ex, task_forgets, &with, 1);
		ct_int(creel_future_result(f, CT_GUARD, NULL, 0), CREEL_EFAILED);
		creel_future_unref(f);
		uint64_t died = pt_stats(ex).died;
		for (int i = 0; i < 4; i++) {
			const char *other;
			creel_future *b = hold(ex, 'B', &other);
			ct_assert(is_all(other, 'B'));
			creel_future_unref(b);
		}
		size_t n = 0;
		f = creel_submit(ex, task_fills, &budget, sizeof budget);
		ct_int(creel_future_result(f, CT_GUARD, &n, sizeof n), 0);
		creel_future_unref(f);
		ct_assert(n > budget / 2);
		ct_assert(is_all(held, 'A'));
		ct_int(pt_stats(ex).died, died);
		creel_future_unref(h);
	}
	ct_close(ex);
}

static int task_pokes(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	**(char *const *)arg = 'X';
	return 0;
}

/* It has no such pages: whoever writes there is ended. valgrind reports the write. */
CASE_OFF(extents, c35_what_is_held_is_out_of_the_next_workers_reach, CT_MEMCHECK)
{
	creel_executor *ex = pt_pool(1);
	const char *held;
	creel_future *h = hold(ex, 'A', &held);
	creel_future_unref(pt_submit_crash(ex, PT_KILL, NULL, NULL, NULL));
	creel_future *f = creel_submit(ex, task_pokes, &held, sizeof held);
	const creel_error *e = pt_failure(f, CREEL_KIND_WORKER_DIED);
	ct_int(e->signal, SIGSEGV);
	creel_future_unref(f);
	ct_assert(is_all(held, 'A'));
	creel_future_unref(h);
	pt_works(ex);
	ct_close(ex);
}
