/* SPDX-License-Identifier: MIT */
/* Promise 31, invariants 7 and 13: initializer and finalizer, tasks per worker,
 * limits of a worker. */
#include "procs.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct lives {
	struct ct_count *initialized, *finalized;
	int code;        /* what the initializer returns */
	enum pt_how how; /* or how it ends */
	bool ends;
	unsigned good; /* so many may succeed first */
	unsigned bad;  /* from 1, until this one: all those do not */
	long magic;
};

static struct lives *lives_new(void)
{
	struct lives *l = ct_shared(sizeof *l);
	l->initialized = ct_count_new();
	l->finalized = ct_count_new();
	l->magic = 4711;
	l->bad = UINT32_MAX;
	return l;
}

static int initialize(void *ctx, unsigned worker, void **ret_local)
{
	struct lives *l = ctx;
	unsigned n = ct_count_add(l->initialized, 1);
	bool good = n <= l->good || n > l->bad;
	if (l->ends && !good) {
		struct pt_crash crash = {l->how, NULL, NULL};
		(void)task_crash(NULL, &crash, sizeof crash);
	}
	long *local = malloc(2 * sizeof *local);
	local[0] = l->magic;
	local[1] = (long)worker;
	*ret_local = local;
	return good ? 0 : l->code;
}

static void finalize(void *ctx, void *local)
{
	struct lives *l = ctx;
	if (*(long *)local == l->magic)
		ct_count_add(l->finalized, 1);
	free(local);
}

static creel_process_pool_options with_lives(struct lives *l, int max_workers)
{
	return (creel_process_pool_options){.max_workers = max_workers,
					    .initializer = initialize,
					    .finalizer = finalize,
					    .ctx = l};
}

/* The state of the worker: how often it was used, and that it fits. */
static int task_local(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	long *local = creel_task_local(task);
	TASK(local != NULL);
	TASK(local[1] == (long)creel_task_worker(task));
	long value = local[0]++;
	return creel_return(task, &value, sizeof value);
}

CASE(workers, c31_the_initializer_s_state_belongs_to_the_worker)
{
	struct lives *l = lives_new();
	creel_executor *ex = pt_pool_with(with_lives(l, 1));
	for (long i = 0; i < 5; i++)
		ct_int(ct_long_drop(creel_submit(ex, task_local, NULL, 0)), 4711 + i);
	ct_int(ct_count_get(l->initialized), 1);
	ct_close(ex);
}

CASE(workers, c31_the_finalizer_runs_once_in_every_worker_at_close)
{
	struct lives *l = lives_new();
	creel_executor *ex = pt_pool_with(with_lives(l, 3));
	struct pt_gated g = pt_gated(1);
	creel_future *f[3];
	for (unsigned i = 0; i < 3; i++)
		f[i] = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 3);
	ct_open(g.gate);
	for (unsigned i = 0; i < 3; i++)
		ct_int(ct_long_drop(f[i]), 1);
	ct_close(ex);
	ct_int(ct_count_get(l->initialized), 3);
	ct_int(ct_count_get(l->finalized), 3);
}

CASE(workers, c31_a_worker_is_replaced_after_its_tasks)
{
	struct lives *l = lives_new();
	creel_process_pool_options o = with_lives(l, 1);
	o.tasks_per_worker = 3;
	creel_executor *ex = pt_pool_with(o);
	struct pt_ids last = {0};
	for (unsigned i = 0; i < 12; i++) {
		struct pt_ids ids = pt_ids(ex);
		ct_assert((ids.pid == last.pid) == (i % 3 != 0));
		last = ids;
	}
	ct_until(pt_stats(ex).recycled == 4);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
	ct_int(ct_count_get(l->initialized), 4);
	ct_int(ct_count_get(l->finalized), 4);
}

/* The queue is full while workers come and go. */
CASE(workers, c31_i13_one_task_a_worker_under_load)
{
	enum { N = 150 };
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 3, .tasks_per_worker = 1});
	struct ct_count *ran[N];
	creel_future *f[N];
	for (unsigned i = 0; i < N; i++)
		f[i] = ct_submit_count(ex, ran[i] = ct_count_new());
	for (unsigned i = 0; i < N; i++)
		ct_int(ct_long_drop(f[i]), 1);
	ct_until(pt_stats(ex).workers == 0);
	ct_int(pt_stats(ex).recycled, N);
	ct_int(pt_stats(ex).started, N);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static int task_rest(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	struct timespec t = {*(const long *)arg, 0};
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
	return 0;
}

/* A worker in its last task is not in a hurry: nothing ends it but a limit. */
CASE(workers, c31_a_long_last_task_of_a_worker_is_let_finish)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .tasks_per_worker = 1});
	long seconds = 11;
	creel_future *f = creel_submit(ex, task_rest, &seconds, sizeof seconds);
	if (ct_outcome(f))
		ct_fail(__FILE__, __LINE__, "%s", creel_future_error(f)->message);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(workers, c31_i07_an_initializer_that_fails_breaks_the_pool_with_its_code)
{
	struct lives *l = lives_new();
	l->code = -EIO;
	creel_executor *ex = pt_pool_with(with_lives(l, 2));
	creel_future *f[10];
	for (unsigned i = 0; i < 10; i++)
		f[i] = creel_submit(ex, task_nothing, NULL, 0);
	for (unsigned i = 0; i < 10; i++) {
		ct_int(pt_failure(f[i], CREEL_KIND_BROKEN)->code, -EIO);
		creel_future_unref(f[i]);
	}
	const creel_error *e = creel_executor_error(ex);
	ct_assert(e != NULL);
	ct_int(e->code, -EIO);
	ct_has(e->message, "initializer");
	creel_future *late = creel_submit(ex, task_nothing, NULL, 0);
	pt_failure(late, CREEL_KIND_BROKEN);
	creel_future_unref(late);
	ct_close(ex);
	ct_int(ct_count_get(l->finalized), 0);
}

static void broken_by_deaths(enum pt_how how, int64_t start_ns, const char *why)
{
	struct lives *l = lives_new();
	l->ends = true;
	l->how = how;
	creel_process_pool_options o = with_lives(l, 1);
	o.start_ns = start_ns;
	creel_executor *ex = pt_pool_in_time(&o);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	const creel_error *e = pt_failure(f, CREEL_KIND_BROKEN);
	ct_has(e->message, why);
	creel_future_unref(f);
	ct_close(ex);
	/* Nobody starts a fourth when the third has failed. In too little time not all
	 * get that far. */
	unsigned initialized = ct_count_get(l->initialized);
	ct_assert(initialized == 3 || (start_ns && initialized < 3));
}

CASE(workers, c31_i07_an_initializer_that_crashes_three_times_breaks_the_pool)
{
	broken_by_deaths(PT_SEGV, 0, "died before it was ready");
	broken_by_deaths(PT_EXIT_0, 0, "died before it was ready");
}

CASE(workers, c31_i07_an_initializer_that_hangs_or_stops_breaks_the_pool_in_bounded_time)
{
	broken_by_deaths(PT_HANG, 100 * PT_MS, "did not start in time");
	broken_by_deaths(PT_STOP, 100 * PT_MS, "did not start in time");
}

/* Two deaths in the initializer and then a worker: no harm done. */
CASE(workers, c31_i07_two_workers_that_do_not_start_are_no_reason_to_give_up)
{
	struct lives *l = lives_new();
	l->ends = true;
	l->how = PT_ABORT;
	l->bad = 2;
	creel_executor *ex = pt_pool_with(with_lives(l, 1));
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_assert(creel_executor_error(ex) == NULL);
	ct_close(ex);
}

/* One that works at first and fails later breaks the pool then; what was done stays done. */
CASE(workers, c31_a_replacement_whose_initializer_fails_breaks_the_pool)
{
	struct lives *l = lives_new();
	l->good = 1;
	l->code = 12345;
	creel_executor *ex = pt_pool_with(with_lives(l, 1));
	pt_works(ex);
	creel_future *crash = pt_submit_crash(ex, PT_ABORT, NULL, NULL, NULL);
	pt_failure(crash, CREEL_KIND_WORKER_DIED);
	creel_future_unref(crash);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(pt_failure(f, CREEL_KIND_BROKEN)->code, 12345);
	creel_future_unref(f);
	ct_close(ex);
}

static void *volatile leak;

static int task_leak(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	size_t n = (size_t)96 << 20;
	unsigned char *p = malloc(n);
	TASK(p != NULL);
	memset(p, 1, n);
	leak = p;
	struct pt_ids ids = {getpid(), getppid(), creel_task_worker(task)};
	return creel_return(task, &ids, sizeof ids);
}

CASE_OFF(workers, c31_a_worker_that_grew_is_recycled_and_counted, CT_ASAN)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .recycle_bytes = (size_t)64 << 20});
	struct pt_ids before = pt_ids(ex), during;
	ct_int(pt_ids(ex).pid, before.pid);
	creel_future *f = creel_submit(ex, task_leak, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &during, sizeof during), 0);
	ct_int(during.pid, before.pid);
	creel_future_unref(f);
	ct_until(pt_stats(ex).recycled == 1);
	ct_assert(pt_ids(ex).pid != before.pid);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static int task_eat(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	static void *volatile last; /* or a compiler leaves the allocation out */
	long got = 0;
	while (got < 4096 && (last = malloc((size_t)1 << 20)))
		got++;
	if (got == 4096)
		return creel_fail(task, -EBADE, "no limit to be seen");
	return creel_fail(task, -ENOMEM, "as it should be");
}

CASE_OFF(workers, c31_i06_a_task_that_eats_memory_meets_the_limit, CT_ASAN || CT_MEMCHECK)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .memory_limit = (size_t)256 << 20});
	for (unsigned i = 0; i < 2; i++) {
		creel_future *f = creel_submit(ex, task_eat, NULL, 0);
		ct_int(pt_failure(f, CREEL_KIND_FAILED)->code, -ENOMEM);
		creel_future_unref(f);
	}
	ct_close(ex);
}

static int task_spin(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	for (volatile unsigned long n = 1; n; n++)
		;
	return 0;
}

CASE(workers, c31_a_task_that_spins_meets_the_limit_of_cpu_time)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .cpu_seconds = 1});
	creel_future *f = creel_submit(ex, task_spin, NULL, 0);
	const creel_error *e = pt_failure(f, CREEL_KIND_WORKER_DIED);
	ct_int(e->signal, SIGXCPU);
	ct_has(e->message, "CPU time");
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
}

struct seen {
	long files, nice, cpu;
};

static int task_limits(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	struct seen s = {0};
	struct rlimit limit;
	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		s.files++;
	TASK(errno == EMFILE);
	TASK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 20);
	errno = 0;
	s.nice = getpriority(PRIO_PROCESS, 0);
	return creel_return(task, &s, sizeof s);
}

CASE_OFF(workers, c31_descriptors_and_niceness, CT_MEMCHECK)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .open_files = 20, .nice = 3});
	struct seen s;
	int own = getpriority(PRIO_PROCESS, 0);
	creel_future *f = creel_submit(ex, task_limits, NULL, 0);
	if (ct_outcome(f))
		ct_fail(__FILE__, __LINE__, "%s", creel_future_error(f)->message);
	ct_int(creel_future_result(f, CREEL_NOW, &s, sizeof s), 0);
	ct_assert(s.files > 10 && s.files < 20);
	ct_int(s.nice, own + 3 > 19 ? 19 : own + 3);
	creel_future_unref(f);
	ct_close(ex);
}

static int task_name(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	char text[32] = "";
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	TASK(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
	close(fd);
	return creel_return(task, text, sizeof text);
}

CASE(workers, c31_workers_are_named)
{
	char text[32];
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .name = "painter"});
	creel_future *f = creel_submit(ex, task_name, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, text, sizeof text), 0);
	ct_has(text, "painter");
	creel_future_unref(f);
	ct_close(ex);
}

/* Where libc knows it without asking the kernel, by restartable sequences. */
static int task_cpus(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	cpu_set_t all, one;
	TASK(sched_getaffinity(0, sizeof all, &all) == 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		TASK(sched_setaffinity(0, sizeof one, &one) == 0);
		if (sched_getcpu() != cpu)
			return creel_fail(task, -EBADE, "on CPU %d sched_getcpu() says %d", cpu,
					  sched_getcpu());
	}
	return sched_setaffinity(0, sizeof all, &all);
}

CASE(workers, c32_workers_know_which_cpu_they_are_on)
{
	cpu_set_t all;
	ct_int(sched_getaffinity(0, sizeof all, &all), 0);
	if (CPU_COUNT(&all) < 2)
		ct_skip("there is one CPU only");
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_cpus, NULL, 0);
	if (ct_outcome(f))
		ct_fail(__FILE__, __LINE__, "%s", creel_future_error(f)->message);
	creel_future_unref(f);
	ct_close(ex);
}
