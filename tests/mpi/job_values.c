/* SPDX-License-Identifier: MIT */
/* Values of all sizes, and what is made of several tasks. */
#include "job.h"
#include <errno.h>
#include <stdint.h>

static void values(void)
{
	for (long n = 0; n < 100; n++)
		CHECK_INT(job_long_of(creel_submit(job_ex, job_square, &n, sizeof n)), n * n);
}

static void both_ranks_work(void)
{
	struct job_gated a = job_gate(1), b = job_gate(2);
	creel_future *fa = job_submit_gated(&a), *fb = job_submit_gated(&b);
	/* Each has one worker. */
	job_await_file(a.started);
	job_await_file(b.started);
	CHECK_INT(creel_future_state(fa), CREEL_FUTURE_RUNNING);
	job_touch(a.gate);
	job_touch(b.gate);
	CHECK_INT(job_long_of(fa), 1);
	CHECK_INT(job_long_of(fb), 2);
}

static void sizes(void)
{
	static const size_t all[] = {0,     1,     31,    32,     33,      4096,         32767,
				     32768, 32769, 65536, 100003, 1 << 20, (5 << 20) + 3};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		size_t size = all[i], got = 1;
		unsigned char *p = malloc(size + 1);
		const void *data = NULL;
		for (size_t j = 0; j < size; j++)
			p[j] = (unsigned char)(j * 7 + i);
		creel_future *f = creel_submit(job_ex, job_same, p, size);
		CHECK_INT(creel_future_view(f, GUARD, &data, &got), 0);
		CHECK_INT(got, size);
		CHECK(size == 0 || memcmp(data, p, size) == 0);
		CHECK_INT((uintptr_t)data % 64, 0);
		creel_future_unref(f);
		free(p);
	}
}

static void many_large_ones(void)
{
	enum { N = 24, SIZE = 300000 };
	creel_future *f[N];
	unsigned char *p = malloc(SIZE);
	for (int i = 0; i < N; i++) {
		memset(p, i, SIZE);
		f[i] = creel_submit(job_ex, job_same, p, SIZE);
	}
	for (int i = 0; i < N; i++) {
		const unsigned char *data = NULL;
		size_t size = 0;
		CHECK_INT(creel_future_view(f[i], GUARD, (const void **)&data, &size), 0);
		CHECK_INT(size, SIZE);
		CHECK(data[0] == i && memcmp(data, data + 1, SIZE - 1) == 0);
		creel_future_unref(f[i]);
	}
	free(p);
}

/* Each comes back once, with its own value. */
static void all_are_accounted_for(void)
{
	enum { N = 100000, MANY = 1000 };
	long *in = malloc(MANY * sizeof *in);
	creel_future **f = malloc(N * sizeof *f);
	for (long i = 0; i < N; i += MANY) {
		size_t accepted;
		for (long j = 0; j < MANY; j++)
			in[j] = i + j;
		CHECK_INT(creel_submit_many(job_ex, job_same, in, sizeof *in, MANY, NULL, f + i,
					    &accepted),
			  0);
	}
	for (long i = 0; i < N; i++)
		CHECK_INT(job_long_of(f[i]), i);
	free(f);
	free(in);
	creel_stats stats;
	CHECK_INT(creel_executor_drain(job_ex, GUARD), 0);
	CHECK_INT(creel_executor_stats(job_ex, &stats, sizeof stats), 0);
	CHECK_INT(stats.pending, 0);
	CHECK_INT(stats.running, 0);
	CHECK_INT(stats.workers, 2);
}

static void failures(void)
{
	creel_future *f = creel_submit(job_ex, job_fail, "data", 4);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	CHECK_INT(e->kind, CREEL_KIND_FAILED);
	CHECK_INT(e->code, -EIO);
	CHECK_HAS(e->message, "on purpose");
	CHECK_INT(e->size, 4);
	CHECK(memcmp(e->data, "data", 4) == 0);
	creel_future_unref(f);
	/* A failure that is a large message. */
	char *p = calloc(1, 200000);
	f = creel_submit(job_ex, job_fail, p, 200000);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_INT(creel_future_error(f)->size, 200000);
	creel_future_unref(f);
	free(p);
}

/* The input and the argument: long each. */
static int task_add(creel_task *task, const void *arg, size_t size)
{
	const void *input = NULL;
	size_t input_size = 0;
	long sum = size == sizeof(long) ? *(const long *)arg : 0;
	int rc = creel_task_input(task, &input, &input_size);
	if (rc)
		return rc;
	sum += *(const long *)input;
	return creel_return(task, &sum, sizeof sum);
}

static int task_code(creel_task *task, const void *arg, size_t size)
{
	const creel_error *e = creel_task_input_error(task);
	long code = e ? e->code : 0;
	(void)arg;
	(void)size;
	if (e && !strstr(e->message, "on purpose"))
		return -EBADMSG;
	return creel_return(task, &code, sizeof code);
}

static int task_length(creel_task *task, const void *arg, size_t size)
{
	const void *input = NULL;
	size_t n = 0;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, &input, &n);
	long length = (long)n;
	return rc ? rc : creel_return(task, &length, sizeof length);
}

static void continuations(void)
{
	long n = 5, more = 100;
	creel_future *a = creel_submit(job_ex, job_square, &n, sizeof n);
	creel_future *b = creel_then(a, job_ex, task_add, &more, sizeof more);
	creel_future *c = creel_then(b, job_ex, task_add, NULL, 0);
	creel_future_unref(a);
	creel_future_unref(b);
	CHECK_INT(job_long_of(c), 125);
	a = creel_submit(job_ex, job_fail, NULL, 0);
	b = creel_recover(a, job_ex, task_code, NULL, 0);
	creel_future_unref(a);
	CHECK_INT(job_long_of(b), -EIO);
	/* A large input. */
	char *p = calloc(1, 300000);
	a = creel_future_of(p, 300000);
	b = creel_then(a, job_ex, task_length, NULL, 0);
	creel_future_unref(a);
	free(p);
	CHECK_INT(job_long_of(b), 300000);
}

static void compositions(void)
{
	long n[4] = {1, 2, 3, 4}, sum = 0;
	creel_future *f[4], *all;
	for (int i = 0; i < 4; i++)
		f[i] = creel_submit(job_ex, job_square, &n[i], sizeof n[i]);
	all = creel_all(f, 4, 0);
	CHECK_INT(creel_future_result(all, GUARD, NULL, 0), 0);
	creel_future_unref(all);
	for (int i = 0; i < 4; i++)
		CHECK_INT(job_long_of(f[i]), n[i] * n[i]);
	creel_mapping *map = creel_map(job_ex, job_square, n, sizeof n[0], 4, NULL);
	creel_future *next;
	while (creel_map_next(map, GUARD, &next, NULL) == 0)
		sum += job_long_of(next);
	creel_map_end(map);
	CHECK_INT(sum, 30);
	creel_executor *scope = creel_scope_new(job_ex, 0);
	CHECK_INT(creel_spawn(scope, job_square, &n[0], sizeof n[0], NULL), 0);
	CHECK_INT(creel_scope_join(scope, GUARD), 0);
	creel_scope_leave(&scope);
	creel_executor *sem = creel_semaphore_new(job_ex, 1);
	CHECK_INT(job_long_of(creel_submit(sem, job_square, &n[3], sizeof n[3])), 16);
	CHECK_INT(creel_executor_close(sem), 0);
	creel_executor *retry = creel_retry_new(
		job_ex, &(creel_retry_options){.attempts = 2, .base_ns = CREEL_MS(1)});
	job_must_fail(creel_submit(retry, job_fail, "data", 4), CREEL_KIND_FAILED, "");
	CHECK_INT(creel_executor_close(retry), 0);
}

static void what_is_refused(void)
{
	static long value = 1;
	creel_future *f = NULL;
	/* Not the pool's memory: there is none. */
	CHECK_INT(creel_try_submit(job_ex, job_same, &value, CREEL_BY_REF, NULL, &f), -EFAULT);
	job_must_fail(creel_submit(job_ex, job_same, &value, CREEL_BY_REF),
		      CREEL_KIND_NOT_TRANSFERABLE, "is not in the pool's shared memory");
	/* No function at all. */
	creel_fn nowhere = (creel_fn)(uintptr_t)&value;
	CHECK_INT(creel_try_submit(job_ex, nowhere, NULL, 0, NULL, &f), -ENOEXEC);
	job_must_fail(creel_submit(job_ex, nowhere, NULL, 0), CREEL_KIND_NOT_TRANSFERABLE,
		      "the workers do not have");
	/* More than a rank takes. */
	char *p = malloc(9 << 20);
	job_must_fail(creel_submit(job_ex, job_same, p, 9 << 20), CREEL_KIND_REJECTED,
		      "larger than the budget");
	free(p);
	creel_executor *other = creel_mpi_pool_new(&value);
	CHECK_INT(creel_executor_error(other)->code, -EINVAL);
	CHECK_HAS(creel_executor_error(other)->message, "options is ");
	creel_executor_unref(other);
	CHECK_INT(creel_mpi_init(NULL, NULL, NULL), -EALREADY);
	CHECK_HAS(creel_mpi_error()->message, "called before");
	CHECK_INT(creel_mpi_register("late", job_same), -EBUSY);
	job_must_serve();
}

const struct job_test job_values[] = {
	JOB_TEST(values),
	JOB_TEST(both_ranks_work),
	JOB_TEST(sizes),
	JOB_TEST(many_large_ones),
	JOB_TEST(all_are_accounted_for),
	JOB_TEST(failures),
	JOB_TEST(continuations),
	JOB_TEST(compositions),
	JOB_TEST(what_is_refused),
	{0},
};
