/* SPDX-License-Identifier: MIT */
/* What workers may use: each limit is for what it names, and for nobody else's doings. */
#include "procs.h"
#include "refuse.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MIB ((size_t)1 << 20)

static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Uses so many nanoseconds of CPU time. */
static int task_burn(creel_task *task, const void *arg, size_t size)
{
	int64_t end = cpu_ns() + *(const int64_t *)arg;
	(void)task;
	(void)size;
	while (cpu_ns() < end)
		;
	return 0;
}

/* Twelve tasks that use more than the limit together. */
CASE(limits, c31_cpu_seconds_are_for_one_task)
{
	int64_t ns = 100 * PT_MS;
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .cpu_seconds = 1});
	for (unsigned i = 0; i < 12; i++) {
		creel_future *f = creel_submit(ex, task_burn, &ns, sizeof ns);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
	}
	ct_int(pt_stats(ex).started, 1);
	ct_close(ex);
}

/* As the first of them would be, and ignored. */
static int task_burn_on(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	signal(SIGXCPU, SIG_IGN);
	while (!arg || cpu_ns())
		;
	return 0;
}

CASE(limits, c31_a_task_that_ignores_the_cpu_limit_is_ended)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .cpu_seconds = 1});
	creel_future *f = creel_submit(ex, task_burn_on, NULL, 0);
	ct_int(pt_failure(f, CREEL_KIND_WORKER_DIED)->signal, SIGKILL);
	creel_future_unref(f);
	ct_close(ex);
}

/* Reads memory that it is given; or keeps as much of its own. */
struct use {
	const volatile char *given;
	size_t size;
};

static int task_use(creel_task *task, const void *arg, size_t size)
{
	const struct use *use = arg;
	char sum = 0;
	volatile char *own = use->given ? NULL : malloc(use->size);
	(void)size;
	TASK(use->given || own);
	for (size_t i = 0; i < use->size; i += 1024) {
		if (own)
			own[i] = 1;
		else
			sum = (char)(sum + use->given[i]);
	}
	return creel_return(task, &sum, sizeof sum);
}

static void use(creel_executor *ex, const void *given, size_t size)
{
	struct use u = {given, size};
	creel_future *f = creel_submit(ex, task_use, &u, sizeof u);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
}

/* What the host had, and what is shared, is not gained by replacing a worker. */
CASE_OFF(limits, c31_a_worker_that_leaks_nothing_is_not_recycled, CT_ASAN)
{
	size_t large = 24 * MIB;
	char *hosts = malloc(large);
	ct_assert(hosts != NULL);
	memset(hosts, 1, large);
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .recycle_bytes = 12 * MIB, .shared_budget = 32 * MIB});
	char *shared = creel_shared_alloc(ex, large);
	ct_assert(shared != NULL);
	memset(shared, 1, large);
	for (unsigned i = 0; i < 5; i++) {
		use(ex, hosts, large);
		use(ex, shared, large);
	}
	ct_int(pt_stats(ex).started, 1);
	ct_int(pt_stats(ex).recycled, 0);
	use(ex, NULL, large);
	ct_until(pt_stats(ex).recycled == 1);
	pt_works(ex);
	creel_shared_free(ex, shared);
	ct_close(ex);
	free(hosts);
}

static long read_score(void)
{
	char text[32] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY);
	HOST(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
	close(fd);
	return strtol(text, NULL, 10);
}

static void write_score(const char *text)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);
	HOST(fd >= 0 && write(fd, text, strlen(text)) > 0);
	close(fd);
}

static int task_score(creel_task *task, const void *arg, size_t size)
{
	long score = read_score();
	(void)arg;
	(void)size;
	return creel_return(task, &score, sizeof score);
}

static long score_of_worker(creel_executor *ex)
{
	long score = -1;
	creel_future *f = creel_submit(ex, task_score, NULL, 0);
	HOST(creel_future_result(f, CT_GUARD, &score, sizeof score) == 0);
	creel_future_unref(f);
	return score;
}

static void scored_host(void *arg)
{
	(void)arg;
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .tasks_per_worker = 1});
	HOST(score_of_worker(ex) > read_score());
	/* Before the pool is made, or afterwards. */
	write_score("700");
	HOST(score_of_worker(ex) > 700);
	HOST(creel_executor_close(ex) == 0);
	ex = pt_pool(1);
	HOST(score_of_worker(ex) > 700);
	HOST(creel_executor_close(ex) == 0);
}

CASE(limits, c25_workers_are_killed_for_memory_before_their_host)
{
	ct_int(pt_host(scored_host, NULL), 0);
}

/* The kernel does not know close_range(), and any number may be open. */
static void many_numbers_host(void *arg)
{
	struct rlimit limit;
	(void)arg;
	HOST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	HOST(limit.rlim_max > 1000 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
	HOST(refuse_call(436, ENOSYS) && refuse_above(SYS_close, 900));
	creel_executor *ex = creel_process_pool_new(NULL);
	HOST(!creel_executor_error(ex));
	HOST(score_of_worker(ex) >= 0);
	HOST(creel_executor_close(ex) == 0);
}

CASE_OFF(limits, bad_without_close_range_only_what_is_open_is_closed, CT_MEMCHECK)
{
	ct_int(pt_host(many_numbers_host, NULL), 0);
}
