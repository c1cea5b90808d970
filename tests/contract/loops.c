/* SPDX-License-Identifier: MIT */
/* Promises 44 and 45: parallel_for runs each index exactly once, or at most once after an error or
 * a cancel; nested loops end; reduce gives the same bits for every number of workers. */
#include "contract.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

/* Shared with all workers: how often each index ran. */
struct marks {
	size_t n, fails_at; /* SIZE_MAX: nowhere */
	unsigned slots;
	_Atomic long wrong, calls;
	struct ct_count *started, *gate;
	_Atomic unsigned char mark[];
};

static struct marks *marks_new(size_t n)
{
	struct marks *m = ct_shared(sizeof *m + n);
	m->n = n;
	m->fails_at = SIZE_MAX;
	return m;
}

/* The context of a loop has to be in the memory of the pool. */
static struct marks *marks_in(creel_executor *ex, size_t n)
{
	struct marks *m = creel_shared_alloc(ex, sizeof *m + n);
	ct_assert(m);
	memset(m, 0, sizeof *m + n);
	m->n = n;
	m->fails_at = SIZE_MAX;
	m->slots = creel_executor_slots(ex);
	return m;
}

static int mark(creel_task *task, size_t begin, size_t end, void *context)
{
	struct marks *m = context;
	unsigned worker = creel_task_worker(task);
	if (begin >= end || end > m->n || (m->slots ? worker > m->slots : worker != UINT_MAX))
		atomic_fetch_add(&m->wrong, 1);
	atomic_fetch_add(&m->calls, 1);
	for (size_t i = begin; i < end; i++) {
		if (i == m->fails_at)
			return -EDOM;
		atomic_fetch_add(&m->mark[i], 1);
	}
	return 0;
}

/* How many indices of [from, to) did not run so many times. */
static size_t others(const struct marks *m, size_t from, size_t to, int times)
{
	size_t n = 0;
	for (size_t i = from; i < to; i++)
		n += m->mark[i] != times;
	return n;
}

CASE(c44_each_index_runs_exactly_once, CT_REFS)
{
	enum { N = 5000 };
	creel_executor *ex = ct_executor();
	struct marks *m = marks_in(ex, N);
	const size_t grains[] = {0, 1, 7, N - 1, N, N + 1, SIZE_MAX};
	int rounds = 0;
	for (size_t i = 0; i < sizeof grains / sizeof grains[0]; i++) {
		creel_loop_options o = {.grain = grains[i]};
		ct_int(creel_parallel_for(ex, 0, N, mark, m, &o), 0);
		ct_int(others(m, 0, N, ++rounds), 0);
	}
	ct_int(creel_parallel_for(ex, 10, 11, mark, m, NULL), 0);
	ct_int(m->mark[10], rounds + 1);
	ct_int(creel_parallel_for(ex, 10, 10, mark, m, NULL), 0);
	ct_int(m->mark[10], rounds + 1);
	ct_int(others(m, 11, N, rounds), 0);
	ct_int(m->wrong, 0);
	creel_shared_free(ex, m);
	ct_close(ex);
}

CASE(c44_the_grain_says_how_many_a_body_gets, CT_REFS)
{
	creel_executor *ex = ct_executor();
	struct marks *m = marks_in(ex, 100);
	ct_int(creel_parallel_for(ex, 0, 100, mark, m, &(creel_loop_options){.grain = 30}), 0);
	ct_int(m->calls, 4);
	creel_shared_free(ex, m);
	ct_close(ex);
}

CASE(c44_the_first_error_ends_the_loop, CT_REFS)
{
	enum { N = 3000 };
	creel_executor *ex = ct_executor();
	struct marks *m = marks_in(ex, N);
	creel_loop_options o = {.grain = 1};
	m->fails_at = 1000;
	ct_int(creel_parallel_for(ex, 0, N, mark, m, &o), -EDOM);
	ct_int(m->mark[1000], 0);
	for (size_t i = 0; i < N; i++)
		ct_assert(m->mark[i] <= 1);
	creel_shared_free(ex, m);
	ct_close(ex);
}

CASE(c44_a_loop_ends_at_its_deadline, CT_REFS)
{
	creel_executor *ex = ct_executor();
	struct marks *m = marks_in(ex, 100);
	creel_loop_options o = {.deadline = CREEL_NOW};
	ct_int(creel_parallel_for(ex, 0, 100, mark, m, &o), -ETIMEDOUT);
	ct_int(others(m, 0, 100, 0), 0);
	o.deadline = CREEL_FOREVER;
	ct_int(creel_parallel_for(ex, 0, 100, mark, m, &o), 0);
	ct_int(others(m, 0, 100, 1), 0);
	creel_shared_free(ex, m);
	ct_close(ex);
}

/* In a task: a loop, whose bodies each run a loop. */
static int inner(creel_task *task, size_t begin, size_t end, void *context)
{
	struct marks *m = context;
	(void)task;
	atomic_fetch_add(&m->wrong, (long)(end - begin));
	return 0;
}

static int outer(creel_task *task, size_t begin, size_t end, void *context)
{
	for (size_t i = begin; i < end; i++) {
		int rc = creel_parallel_for(creel_task_executor(task), 0, 100, inner, context,
					    &(creel_loop_options){.grain = 1});
		if (rc)
			return rc;
	}
	return 0;
}

static int task_loops(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return creel_parallel_for(creel_task_executor(task), 0, 8, outer,
				  *(struct marks *const *)arg, &(creel_loop_options){.grain = 1});
}

CASE(c44_nested_loops_do_not_deadlock, CT_INPROC)
{
	enum { TASKS = 6 };
	creel_executor *ex = ct_executor();
	struct marks *m = marks_new(1);
	creel_future *f[TASKS];
	for (int i = 0; i < TASKS; i++)
		f[i] = creel_submit(ex, task_loops, &m, sizeof m);
	for (int i = 0; i < TASKS; i++) {
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	ct_int(m->wrong, TASKS * 8 * 100);
	ct_int(creel_parallel_for(ex, 0, 8, outer, m, &(creel_loop_options){.grain = 1}), 0);
	ct_int(m->wrong, (TASKS + 1) * 8 * 100);
	ct_close(ex);
}

/* Both sides of a loop of two have begun before either ends: two threads run it. */
static int meet(creel_task *task, size_t begin, size_t end, void *context)
{
	struct marks *m = context;
	(void)task;
	(void)begin;
	(void)end;
	ct_count_add(m->started, 1);
	ct_count_await(m->started, 2);
	return 0;
}

CASE(c44_others_take_part, CT_PARALLEL | CT_REFS)
{
	creel_executor *ex = ct_executor();
	struct marks *m = marks_in(ex, 1);
	m->started = ct_count_new();
	ct_int(creel_parallel_for(ex, 0, 2, meet, m, NULL), 0);
	ct_int(ct_count_get(m->started), 2);
	creel_shared_free(ex, m);
	ct_close(ex);
}

/* The rest of the range is not run, and those who run see it. */
static int wait_for_cancel(creel_task *task, size_t begin, size_t end, void *context)
{
	struct marks *m = context;
	(void)begin;
	(void)end;
	ct_count_add(m->started, 1);
	ct_until(creel_task_cancelled(task));
	return 0;
}

static int task_cancelled_loop(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return creel_parallel_for(creel_task_executor(task), 0, 1000, wait_for_cancel,
				  *(struct marks *const *)arg, &(creel_loop_options){.grain = 1});
}

CASE(c44_cancelling_the_task_ends_its_loop, CT_POOL)
{
	creel_executor *ex = ct_executor();
	struct marks *m = marks_new(1);
	m->started = ct_count_new();
	creel_future *f = creel_submit(ex, task_cancelled_loop, &m, sizeof m);
	ct_pass(m->started);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(ct_outcome(f), -ECANCELED);
	ct_assert(ct_count_get(m->started) <= 1000);
	creel_future_unref(f);
	ct_close(ex);
}

/* A loop that was called by a task of another pool. */
struct visit {
	creel_executor *ex;
	struct marks *m;
};

static int task_visit(creel_task *task, const void *arg, size_t size)
{
	const struct visit *v = arg;
	(void)task;
	(void)size;
	return creel_parallel_for(v->ex, 0, 1000, wait_for_cancel, v->m,
				  &(creel_loop_options){.grain = 1});
}

CASE(c44_cancelling_a_task_ends_its_loop_on_another_pool, CT_COUNTS)
{
	creel_executor *ex = ct_executor();
	creel_executor *own = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 1});
	struct visit v = {ex, marks_in(ex, 1)};
	v.m->started = ct_count_new();
	creel_future *f = creel_submit(own, task_visit, &v, sizeof v);
	ct_pass(v.m->started);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(ct_outcome(f), -ECANCELED);
	ct_assert(ct_count_get(v.m->started) < 100);
	creel_future_unref(f);
	creel_shared_free(ex, v.m);
	ct_close(own);
	ct_close(ex);
}

static int end_a_helper(creel_task *task, size_t begin, size_t end, void *context)
{
	struct marks *m = context;
	(void)begin;
	(void)end;
	ct_count_add(m->started, 1);
	ct_count_await(m->started, 2);
	if (creel_task_worker(task) != m->slots)
		pthread_exit(NULL);
	return 0;
}

CASE(c44_a_body_that_ends_its_thread_fails_the_loop, CT_POOL | CT_PARALLEL)
{
	creel_executor *ex = ct_executor();
	struct marks *m = marks_in(ex, 1);
	m->started = ct_count_new();
	ct_int(creel_parallel_for(ex, 0, 2, end_a_helper, m, NULL), CREEL_EFAILED);
	struct marks *again = marks_in(ex, 1000);
	ct_int(creel_parallel_for(ex, 0, 1000, mark, again, NULL), 0);
	ct_int(others(again, 0, 1000, 1), 0);
	creel_shared_free(ex, m);
	creel_shared_free(ex, again);
	ct_close(ex);
}

static int start(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	*ret_local = (void *)(uintptr_t)(worker + 1);
	return 0;
}

static int has_local(creel_task *task, size_t begin, size_t end, void *context)
{
	struct marks *m = context;
	if ((uintptr_t)creel_task_local(task) != creel_task_worker(task) + 1)
		atomic_fetch_add(&m->wrong, 1);
	atomic_fetch_add(&m->calls, (long)(end - begin));
	return 0;
}

CASE(c44_where_workers_are_initialized_they_alone_run_it, CT_COUNTS)
{
	creel_executor *ex = ct_initialized(start, NULL);
	struct marks *m = marks_in(ex, 1);
	ct_int(creel_parallel_for(ex, 0, 1000, has_local, m, NULL), 0);
	ct_int(m->wrong, 0);
	ct_int(m->calls, 1000);
	creel_shared_free(ex, m);
	ct_close(ex);
}

CASE(c44_a_shut_down_executor_runs_nothing, CT_REFS)
{
	creel_executor *ex = ct_executor();
	struct marks *m = marks_in(ex, 10);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_parallel_for(ex, 0, 10, mark, m, NULL), -ESHUTDOWN);
	ct_int(others(m, 0, 10, 0), 0);
	creel_shared_free(ex, m);
	ct_close(ex);
}

struct cut_short {
	creel_executor *ex;
	struct marks *marks;
	int rc;
};

static void *loop_and_tell(void *arg)
{
	struct cut_short *cut = arg;
	cut->rc = creel_parallel_for(cut->ex, 0, cut->marks->n, mark, cut->marks, NULL);
	return NULL;
}

/* Where the caller takes part it runs all of them itself. */
CASE(c44_a_loop_whose_tasks_are_cancelled_says_so, CT_COUNTS)
{
	struct cut_short cut = {.ex = ct_executor()};
	creel_stats stats = {.pending = 0};
	if (!ct_is(CT_POOL)) {
		cut.marks = marks_in(cut.ex, 10);
		ct_int(creel_executor_pause(cut.ex), 0);
		struct ct_thread *thread = ct_thread_start(loop_and_tell, &cut);
		ct_until(creel_executor_stats(cut.ex, &stats, sizeof stats) == 0 && stats.pending);
		ct_int(creel_executor_shutdown(cut.ex, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
		ct_thread_join(thread);
		ct_assert(cut.rc == -ECANCELED || cut.rc == -ESHUTDOWN);
		ct_int(others(cut.marks, 0, 10, 0), 0);
		creel_shared_free(cut.ex, cut.marks);
	}
	ct_close(cut.ex);
}

static int add_up(creel_task *task, size_t begin, size_t end, void *into, void *context)
{
	double *sum = into;
	(void)task;
	(void)context;
	for (size_t i = begin; i < end; i++)
		*sum += 1.0 / (double)(i + 1);
	return 0;
}

static void add_double(void *into, const void *from, void *context)
{
	(void)context;
	*(double *)into += *(const double *)from;
}

/* On the inline executor everything is in one order: that is what all others must give. */
CASE(c45_reduce_gives_the_same_bits_on_every_executor, CT_REFS)
{
	creel_executor *ex = ct_executor(), *serial = creel_inline_new();
	const size_t grains[] = {0, 1, 1000, 100000};
	double zero = 0;
	for (size_t i = 0; i < sizeof grains / sizeof grains[0]; i++) {
		creel_loop_options o = {.grain = grains[i], .flags = CREEL_DETERMINISTIC};
		double first = -1, sum = -2;
		ct_int(creel_reduce(serial, 3, 20000, &zero, sizeof zero, add_up, add_double, NULL,
				    &first, &o),
		       0);
		for (int round = 0; round < 5; round++) {
			ct_int(creel_reduce(ex, 3, 20000, &zero, sizeof zero, add_up, add_double,
					    NULL, &sum, &o),
			       0);
			ct_int(memcmp(&first, &sum, sizeof sum), 0);
		}
	}
	creel_executor_unref(serial);
	ct_close(ex);
}

/* What is combined in order need not commute: the last digit of each part. */
struct last {
	long digits, value;
};

static int append(creel_task *task, size_t begin, size_t end, void *into, void *context)
{
	struct last *l = into;
	(void)task;
	(void)context;
	for (size_t i = begin; i < end; i++, l->digits++)
		l->value = (long)i;
	return 0;
}

static void append_last(void *into, const void *from, void *context)
{
	struct last *l = into;
	const struct last *next = from;
	(void)context;
	/* Out of order: never again right. */
	if (next->value != l->digits + next->digits - 1)
		l->digits = LONG_MIN / 2;
	l->digits += next->digits;
	l->value = next->value;
}

CASE(c45_parts_are_combined_in_order, CT_REFS)
{
	creel_executor *ex = ct_executor();
	struct last none = {0, -1}, all;
	ct_int(creel_reduce(ex, 0, 3000, &none, sizeof none, append, append_last, NULL, &all,
			    &(creel_loop_options){.grain = 7}),
	       0);
	ct_int(all.digits, 3000);
	ct_int(all.value, 2999);
	ct_int(creel_reduce(ex, 5, 5, &none, sizeof none, append, append_last, NULL, &all, NULL),
	       0);
	ct_int(all.value, -1);
	ct_close(ex);
}

static int refuse(creel_task *task, size_t begin, size_t end, void *into, void *context)
{
	(void)task;
	(void)into;
	(void)context;
	return begin <= 500 && 500 < end ? -EDOM : 0;
}

CASE(c45_a_reduction_that_fails_leaves_the_result_alone, CT_REFS)
{
	creel_executor *ex = ct_executor();
	double zero = 0, ret = 5;
	ct_int(creel_reduce(ex, 0, 1000, &zero, sizeof zero, refuse, add_double, NULL, &ret, NULL),
	       -EDOM);
	ct_assert(ret == 5);
	ct_close(ex);
}

CASE(bad_loops_are_refused, 0)
{
	creel_executor *ex = ct_executor(), *broken = creel_executor_new(NULL, NULL);
	struct marks *m = marks_in(ex, 10);
	creel_loop_options flags = {.flags = 64}, word = {.reserved = {0, 1}},
			   r32 = {.reserved32 = 1};
	double one = 1, ret = 7;
	ct_int(creel_parallel_for(NULL, 0, 10, mark, m, NULL), -EINVAL);
	ct_int(creel_parallel_for(ex, 0, 10, NULL, m, NULL), -EINVAL);
	ct_int(creel_parallel_for(ex, 10, 9, mark, m, NULL), -EINVAL);
	ct_int(creel_parallel_for(ex, 0, 10, mark, m, &flags), -EINVAL);
	ct_int(creel_parallel_for(ex, 0, 10, mark, m, &word), -EINVAL);
	ct_int(creel_parallel_for(ex, 0, 10, mark, m, &r32), -EINVAL);
	ct_int(creel_parallel_for(broken, 0, 10, mark, m, NULL), CREEL_EFAILED);
	ct_int(creel_reduce(NULL, 0, 1, &one, 8, add_up, add_double, NULL, &ret, NULL), -EINVAL);
	ct_int(creel_reduce(ex, 1, 0, &one, 8, add_up, add_double, NULL, &ret, NULL), -EINVAL);
	ct_int(creel_reduce(ex, 0, 1, NULL, 8, add_up, add_double, NULL, &ret, NULL), -EINVAL);
	ct_int(creel_reduce(ex, 0, 1, &one, 0, add_up, add_double, NULL, &ret, NULL), -EINVAL);
	ct_int(creel_reduce(ex, 0, 1, &one, 8, NULL, add_double, NULL, &ret, NULL), -EINVAL);
	ct_int(creel_reduce(ex, 0, 1, &one, 8, add_up, NULL, NULL, &ret, NULL), -EINVAL);
	ct_int(creel_reduce(ex, 0, 1, &one, 8, add_up, add_double, NULL, NULL, NULL), -EINVAL);
	ct_int(creel_reduce(ex, 0, 1, &one, 8, add_up, add_double, NULL, &ret, &flags), -EINVAL);
	ct_int(creel_reduce(ex, 0, SIZE_MAX, &one, SIZE_MAX / 64, add_up, add_double, NULL, &ret,
			    NULL),
	       -ENOMEM);
	if (!ct_is(CT_INPROC))
		ct_int(creel_parallel_for(ex, 0, 10, mark, &one, NULL), -EFAULT);
	ct_assert(ret == 7);
	ct_int(others(m, 0, 10, 0), 0);
	creel_shared_free(ex, m);
	creel_executor_unref(broken);
	ct_close(ex);
}
