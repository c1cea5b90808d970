/* SPDX-License-Identifier: MIT */
/* What the suites of the process pool share: pools, hosts, processes, tasks. */
#include "procs.h"
#include "orphans.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static uint64_t mark;
static pid_t test_process;

__attribute__((constructor)) static void remember_process(void)
{
	test_process = getpid();
}

#if CT_ASAN
/* Leaks are looked for in the test's own process: a worker or host that calls exit() has the memory
 * of threads that it does not have. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return getpid() != test_process;
}
#endif

void pt_case(void (*run)(void))
{
	struct ct_census before;
	ct_shared_init();
	mark = orphans_mark(ct_shared(64));
	ct_assert(mark != 0);
	ct_census_take(&before);
	run();
	unsigned left = orphans_await(mark, CT_GUARD_MS);
	if (left)
		ct_fail(__FILE__, __LINE__, "%u processes of the test are left", left);
	ct_census_same(&before);
	ct_shared_fini();
}

uint64_t pt_mark(void)
{
	return mark;
}

creel_executor *pt_pool_with(creel_process_pool_options options)
{
	creel_executor *ex = creel_process_pool_new(&options);
	ct_assert(ex != NULL);
	const creel_error *e = creel_executor_error(ex);
	if (e)
		ct_fail(__FILE__, __LINE__, "no pool: %s", e->message);
	return ex;
}

creel_executor *pt_pool(int max_workers)
{
	return pt_pool_with((creel_process_pool_options){.max_workers = max_workers});
}

creel_executor *pt_pool_in_time(creel_process_pool_options *o)
{
	creel_executor *ex = creel_process_pool_new(o);
	for (; o->start_ns && creel_executor_error(ex); ex = creel_process_pool_new(o)) {
		ct_int(creel_executor_error(ex)->code, -ETIMEDOUT);
		ct_close(ex);
		o->start_ns *= 2;
	}
	ct_assert(!creel_executor_error(ex));
	return ex;
}

creel_stats pt_stats(creel_executor *ex)
{
	creel_stats s;
	ct_int(creel_executor_stats(ex, &s, sizeof s), 0);
	return s;
}

const creel_error *pt_failure(creel_future *f, int kind)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	ct_assert(e != NULL);
	if (e->kind != kind)
		ct_fail(__FILE__, __LINE__, "kind is \"%s\", not \"%s\": %s",
			creel_kind_name(e->kind), creel_kind_name(kind), e->message);
	return e;
}

void pt_works(creel_executor *ex)
{
	creel_future *f[8];
	for (long i = 0; i < 8; i++)
		f[i] = creel_submit(ex, task_double, &i, sizeof i);
	for (long i = 0; i < 8; i++)
		ct_int(ct_long_drop(f[i]), 2 * i);
}

int pt_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		ct_fail(__FILE__, __LINE__, "no pidfd of %d: errno %d", (int)pid, errno);
	return fd;
}

void pt_kill(int pidfd, int sig)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 && errno != ESRCH)
		ct_fail(__FILE__, __LINE__, "pidfd_send_signal: errno %d", errno);
}

void pt_await_gone(int pidfd)
{
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};
	int n;
	do
		n = poll(&gone, 1, CT_GUARD_MS);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		ct_fail(__FILE__, __LINE__, "a process never ended");
	close(pidfd);
}

pid_t pt_host_start(void (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	ct_assert(pid > 0);
	return pid;
}

int pt_host_end(pid_t pid)
{
	int status = -1;
	int pidfd = pt_pidfd(pid);
	pt_await_gone(pidfd);
	ct_int(waitpid(pid, &status, 0), pid);
	return status;
}

int pt_host(void (*fn)(void *arg), void *arg)
{
	return pt_host_end(pt_host_start(fn, arg));
}

static void become(void *id)
{
	uid_t to = *(const uid_t *)id;
	_exit(setresgid(to, to, to) || setresuid(to, to, to));
}

bool pt_can_become(uid_t id)
{
	return getuid() == 0 && pt_host(become, &id) == 0;
}

static struct pt_ids ids_of(creel_task *task)
{
	return (struct pt_ids){getpid(), getppid(), creel_task_worker(task)};
}

int task_ids(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	struct pt_ids ids = ids_of(task);
	return creel_return(task, &ids, sizeof ids);
}

struct pt_ids pt_ids(creel_executor *ex)
{
	struct pt_ids ids;
	creel_future *f = creel_submit(ex, task_ids, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &ids, sizeof ids), 0);
	creel_future_unref(f);
	return ids;
}

int task_gated(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct pt_gated *gated = arg;
	if (gated->ids)
		*gated->ids = ids_of(task);
	ct_count_add(gated->started, 1);
	ct_pass(gated->gate);
	return creel_return(task, &gated->value, sizeof gated->value);
}

creel_future *pt_submit_gated(creel_executor *ex, const struct pt_gated *gated)
{
	return creel_submit(ex, task_gated, gated, sizeof *gated);
}

struct pt_gated pt_gated(long value)
{
	return (struct pt_gated){ct_count_new(), ct_count_new(), ct_shared(sizeof(struct pt_ids)),
				 value};
}

#if defined(__clang__) || defined(__GNUC__)
__attribute__((no_sanitize("address", "undefined")))
#endif
static void
touch_nothing(void)
{
	int *volatile nowhere = (int *)16;
	*nowhere = 1;
}

int task_crash(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct pt_crash *crash = arg;
	if (crash->ids)
		*crash->ids = ids_of(task);
	if (crash->ran)
		ct_count_add(crash->ran, 1);
	switch (crash->how) {
	case PT_SEGV:
		touch_nothing();
		break;
	case PT_ABORT:
		abort();
	case PT_KILL:
		raise(SIGKILL);
		break;
	case PT_FPE:
		raise(SIGFPE);
		break;
	case PT_BUS:
		raise(SIGBUS);
		break;
	case PT_TERM:
		raise(SIGTERM);
		break;
	case PT_EXIT_0:
		exit(0);
	case PT_EXIT_3:
		exit(3);
	case PT__EXIT_0:
		_exit(0);
	case PT__EXIT_7:
		_exit(7);
	case PT_PTHREAD_EXIT:
		pthread_exit(NULL);
	case PT_STOP:
		raise(SIGSTOP);
		break;
	default:
		for (;;)
			pause();
	}
	return creel_fail(task, -EBADE, "it did not end");
}

creel_future *pt_submit_crash(creel_executor *ex, enum pt_how how, const char *name,
			      struct pt_ids *ids, struct ct_count *ran)
{
	struct pt_crash crash = {how, ids, ran};
	return creel_submit_with(ex, task_crash, &crash, sizeof crash,
				 &(creel_submit_options){.name = name});
}
