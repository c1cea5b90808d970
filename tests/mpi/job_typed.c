/* SPDX-License-Identifier: MIT */
/* The typed layer, and what stands above executors, over ranks. */
#include "job.h"
#include <creel/typed.h>
#include <errno.h>
#include <unistd.h>

struct point {
	double x, y;
};

static double norm(struct point p)
{
	return p.x * p.x + p.y * p.y;
}
CREEL_TYPED(norm, double, struct point);

static long half(double d)
{
	return (long)(d / 2);
}
CREEL_TYPED(half, long, double);

static int root(creel_task *task, const long *n, long *ret)
{
	if (*n < 0)
		return creel_fail(task, -EDOM, "%ld has no root", *n);
	for (*ret = 0; *ret * *ret < *n; ++*ret)
		continue;
	return 0;
}
CREEL_TYPED_TASK(root, long, long);

static void typed_calls(void)
{
	double d = 0;
	long n = 0;
	creel_future *a = norm_submit(job_ex, (struct point){3, 4});
	creel_future *b = half_then(a, job_ex), *c = root_then(b, job_ex);
	CHECK_INT(norm_result(a, GUARD, &d), 0);
	CHECK_INT(d, 25);
	CHECK_INT(half_result(b, GUARD, &n), 0);
	CHECK_INT(n, 12);
	CHECK_INT(root_result(c, GUARD, &n), 0);
	CHECK_INT(n, 4);
	/* A stage that does not fit its input says so. */
	creel_future *wrong = norm_then(b, job_ex);
	job_must_fail(wrong, CREEL_KIND_FAILED, "");
	creel_future_unref(a);
	creel_future_unref(b);
	creel_future_unref(c);
}

static void typed_maps(void)
{
	enum { N = 100 };
	long in[N], got;
	size_t i, seen = 0;
	for (long n = 0; n < N; n++)
		in[n] = n == 50 ? -1 : n * n;
	creel_mapping *map = root_map(job_ex, in, N,
				      &(creel_map_options){.flags = CREEL_KEEP_GOING});
	for (int rc; (rc = root_map_next(map, GUARD, &got, &i)) != CREEL_EMPTY; seen++) {
		CHECK_INT(i, seen);
		CHECK_INT(rc, i == 50 ? CREEL_EFAILED : 0);
		if (rc)
			CHECK_INT(creel_map_error(map)->code, -EDOM);
		else
			CHECK_INT(got, i);
	}
	creel_map_end(map);
	CHECK_INT(seen, N);
}

static void typed_gathers(void)
{
	enum { N = 10 };
	creel_future *f[N];
	long got[N];
	int codes[N];
	for (long n = 0; n < N; n++)
		f[n] = root_submit(job_ex, n == 7 ? -1 : n * n);
	creel_future *settled = creel_all_settled(f, N, 0), *all = creel_all(f, 7, 0);
	CHECK_INT(root_all_results(all, GUARD, got, 7), 0);
	CHECK_INT(root_settled_results(settled, GUARD, got, codes, N), 0);
	for (long n = 0; n < N; n++) {
		CHECK_INT(codes[n], n == 7 ? CREEL_EFAILED : 0);
		if (n != 7)
			CHECK_INT(got[n], n);
		creel_future_unref(f[n]);
	}
	creel_future_unref(all);
	creel_future_unref(settled);
}

/* Fails until its file is there, which the first attempt makes. */
static int task_second_time(creel_task *task, const void *arg, size_t size)
{
	const struct job_gated *g = arg;
	(void)size;
	if (access(g->started, F_OK) == 0)
		return creel_return(task, &g->value, sizeof g->value);
	job_touch(g->started);
	return creel_fail(task, -EAGAIN, "the first time");
}

static void retries(void)
{
	struct job_gated g = job_gate(40);
	creel_executor *retry = creel_retry_new(
		job_ex, &(creel_retry_options){.attempts = 3, .base_ns = CREEL_MS(1)});
	CHECK_INT(job_long_of(creel_submit(retry, task_second_time, &g, sizeof g)), 40);
	CHECK_INT(creel_executor_close(retry), 0);
}

/* The first that fails has the others stop: one that runs on the other rank, and one that waits. */
static void a_scope_cancels_the_rest(void)
{
	struct job_gated g = job_gate(41);
	long minus = -1;
	g.heeds = true;
	creel_executor *scope = creel_scope_new(job_ex, 0);
	creel_future *runs = creel_submit(scope, job_gated, &g, sizeof g);
	job_await_file(g.started);
	CHECK_INT(creel_spawn(scope, root_creel_fn, &minus, sizeof minus, NULL), 0);
	CHECK_INT(creel_scope_join(scope, GUARD), CREEL_EFAILED);
	job_must_fail(runs, CREEL_KIND_CANCELLED, "");
	creel_scope_leave(&scope);
	job_must_serve();
}

const struct job_test job_typed[] = {
	JOB_TEST(typed_calls),
	JOB_TEST(typed_maps),
	JOB_TEST(typed_gathers),
	JOB_TEST(retries),
	JOB_TEST(a_scope_cancels_the_rest),
	{0},
};
