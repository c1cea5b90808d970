/* SPDX-License-Identifier: MIT */
/* Promises 32 and 34, invariants 8 and 10: what workers inherit;
 * a host with its own SIGCHLD business. */
#include "procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { FDS_MAX = 64 };

struct fds {
	unsigned n;
	struct {
		int fd;
		char target[100];
	} of[FDS_MAX];
};

static int task_fds(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	struct fds *out = creel_return_reserve(task, sizeof *out);
	TASK(out != NULL);
	memset(out, 0, sizeof *out);
	DIR *dir = opendir("/proc/self/fd");
	TASK(dir != NULL);
	for (struct dirent *e; (e = readdir(dir)) && out->n < FDS_MAX;) {
		int fd = (int)strtol(e->d_name, NULL, 10);
		if (e->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		out->of[out->n].fd = fd;
		if (readlinkat(dirfd(dir), e->d_name, out->of[out->n].target,
			       sizeof out->of[0].target - 1) < 0)
			out->of[out->n].target[0] = 0;
		out->n++;
	}
	closedir(dir);
	return 0;
}

/* valgrind has descriptors of its own. */
CASE_OFF(host, c32_workers_keep_only_the_standard_descriptors_the_pool_s_and_those_named,
	 CT_MEMCHECK)
{
	enum { INHERITED = 40 };
	int open_ones[INHERITED], high = -1;
	struct rlimit limit;
	ct_int(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ct_int(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (unsigned i = 0; i < INHERITED; i++) {
		open_ones[i] = open("/dev/zero", O_RDONLY);
		ct_assert(open_ones[i] >= 0);
	}
	/* As high as it goes. */
	rlim_t top = limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 1000000 ? 1000000
										 : limit.rlim_cur;
	high = fcntl(open_ones[0], F_DUPFD, (int)top - 1);
	int keep[] = {open_ones[7], open_ones[3], open_ones[7]};
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .keep_fds = keep, .keep_fds_count = 3});
	keep[0] = keep[1] = keep[2] = -1;
	creel_future *f = creel_submit(ex, task_fds, NULL, 0);
	const void *view = NULL;
	ct_int(ct_outcome(f), 0);
	ct_int(creel_future_view(f, CREEL_NOW, &view, NULL), 0);
	const struct fds *seen = view;
	unsigned standard = 0, kept = 0, own = 0;
	for (unsigned i = 0; i < seen->n; i++) {
		int fd = seen->of[i].fd;
		if (fd <= 2)
			standard++;
		else if (fd == open_ones[7] || fd == open_ones[3])
			kept++;
		else if (strncmp(seen->of[i].target, "pipe:", 5) == 0)
			own++;
		else
			ct_fail(__FILE__, __LINE__, "a worker has %d: %s", fd, seen->of[i].target);
	}
	ct_int(standard, 3);
	ct_int(kept, 2);
	ct_int(own, 1); /* the bell */
	creel_future_unref(f);
	ct_close(ex);
	for (unsigned i = 0; i < INHERITED; i++)
		close(open_ones[i]);
	if (high >= 0)
		close(high);
}

/* A descriptor that is opened after the pool was made is not seen by workers that
 * start after it. */
CASE(host, c32_workers_have_what_was_open_when_the_pool_was_made)
{
	creel_executor *ex = pt_pool(1);
	int late = open("/dev/zero", O_RDONLY);
	creel_future *f = creel_submit(ex, task_fds, NULL, 0);
	const void *view = NULL;
	ct_int(ct_outcome(f), 0);
	ct_int(creel_future_view(f, CREEL_NOW, &view, NULL), 0);
	const struct fds *seen = view;
	for (unsigned i = 0; i < seen->n; i++)
		ct_assert(strcmp(seen->of[i].target, "/dev/zero") != 0);
	creel_future_unref(f);
	close(late);
	ct_close(ex);
}

static int task_signals(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	sigset_t mask;
	TASK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
	for (int i = 1; i <= SIGRTMAX; i++) {
		struct sigaction is;
		if (i == SIGKILL || i == SIGSTOP || (i >= 32 && i < SIGRTMIN))
			continue;
		if (sigismember(&mask, i))
			return creel_fail(task, -EBADE, "signal %d is blocked", i);
		/* So that a worker that touches the terminal gets an error. */
		bool ignored = i == SIGTTIN || i == SIGTTOU;
		if (sigaction(i, NULL, &is) || is.sa_handler != (ignored ? SIG_IGN : SIG_DFL))
			return creel_fail(task, -EBADE, "signal %d is not as it should be", i);
	}
	return 0;
}

static void nothing(int number)
{
	(void)number;
}

CASE(host, c32_masks_and_dispositions_are_reset_in_workers)
{
	static const int ignored[] = {SIGPIPE, SIGUSR1, SIGHUP, SIGCHLD};
	sigset_t mask, old;
	for (unsigned i = 0; i < 4; i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGUSR2, nothing);
	signal(SIGRTMIN + 3, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &mask, &old);
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_signals, NULL, 0);
	if (ct_outcome(f))
		ct_fail(__FILE__, __LINE__, "%s", creel_future_error(f)->message);
	creel_future_unref(f);
	/* SIGTERM works: the host had it blocked. */
	struct pt_gated g = pt_gated(1);
	f = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	ct_int(creel_future_kill(f, 3600000 * PT_MS), CREEL_CANCEL_REQUESTED);
	ct_int(pt_failure(f, CREEL_KIND_KILLED)->signal, SIGTERM);
	creel_future_unref(f);
	ct_close(ex);
	/* The host's own are as they were. */
	struct sigaction is;
	for (unsigned i = 0; i < 4; i++) {
		sigaction(ignored[i], NULL, &is);
		ct_assert(is.sa_handler == SIG_IGN);
		signal(ignored[i], SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, &old, &mask);
	ct_assert(sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGUSR1));
}

static void use_a_pool(void)
{
	creel_executor *ex = pt_pool(2);
	pt_works(ex);
	for (unsigned i = 0; i < 3; i++) {
		creel_future *f = pt_submit_crash(ex, PT_SEGV, NULL, NULL, NULL);
		pt_failure(f, CREEL_KIND_WORKER_DIED);
		creel_future_unref(f);
	}
	struct pt_ids ids = pt_ids(ex);
	int server = pt_pidfd(ids.server);
	pt_kill(server, SIGKILL);
	pt_await_gone(server);
	pt_works(ex);
	ct_close(ex);
}

static _Atomic int collected;

static void collect_all(int number)
{
	int saved = errno;
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		atomic_fetch_add(&collected, 1);
	errno = saved;
}

CASE(host, c34_a_host_with_a_handler_that_waits_for_everything)
{
	struct sigaction on = {.sa_handler = collect_all}, old;
	sigaction(SIGCHLD, &on, &old);
	for (unsigned i = 0; i < 5; i++)
		use_a_pool();
	/* Its own children still come to it. */
	int before = atomic_load(&collected);
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	ct_until(atomic_load(&collected) > before);
	sigaction(SIGCHLD, &old, NULL);
}

CASE(host, c34_a_host_that_ignores_sigchld)
{
	signal(SIGCHLD, SIG_IGN);
	use_a_pool();
	signal(SIGCHLD, SIG_DFL);
}

static void *wait_for_all(void *arg)
{
	const _Atomic bool *over = arg;
	while (!atomic_load(over))
		if (waitpid(-1, NULL, 0) < 0)
			ct_breathe();
	return NULL;
}

CASE(host, c34_a_thread_of_the_host_waits_for_everything)
{
	_Atomic bool over = false;
	pthread_t thread;
	ct_int(pthread_create(&thread, NULL, wait_for_all, &over), 0);
	for (unsigned i = 0; i < 5; i++)
		use_a_pool();
	atomic_store(&over, true);
	pthread_join(thread, NULL);
}

CASE(host, c34_i10_wait_ends_while_a_pool_lives)
{
	creel_executor *ex = pt_pool(2);
	struct pt_gated g = pt_gated(1);
	creel_future *f = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	for (unsigned i = 0; i < 3; i++)
		if (fork() == 0)
			_exit(0);
	unsigned own = 0;
	while (wait(NULL) > 0)
		own++;
	ct_int(errno, ECHILD);
	ct_int(own, 3);
	ct_open(g.gate);
	ct_int(ct_long_drop(f), 1);
	ct_close(ex);
}

CASE(host, i08_everything_comes_back_pool_after_pool)
{
	for (unsigned i = 0; i < 15; i++) {
		struct ct_census before;
		ct_census_take(&before);
		use_a_pool();
		ct_census_same(&before);
	}
}

CASE(host, c32_the_server_and_the_workers_are_in_groups_of_their_own)
{
	creel_executor *ex = pt_pool(1);
	struct pt_ids ids = pt_ids(ex);
	ct_int(getpgid(ids.pid), ids.pid);
	ct_int(getpgid(ids.server), ids.server);
	ct_close(ex);
}

struct doomed_thread {
	creel_executor *ex;
	creel_future *f;
};

static void *submit_doomed(void *arg)
{
	struct doomed_thread *d = arg;
	pthread_cancel(pthread_self());
	d->f = creel_submit(d->ex, task_nothing, NULL, 0);
	pthread_testcancel();
	return NULL;
}

/* Not within the library, whose lock it may hold: the pool would stand still. */
CASE(host, rule_a_thread_that_is_to_be_cancelled_is_not_while_it_submits)
{
	for (unsigned round = 0; round < 5; round++) {
		/* It orders a worker, be it the first one or another. */
		struct doomed_thread d = {.ex = pt_pool(2)};
		struct pt_gated g = pt_gated(1);
		creel_future *held = round & 1 ? pt_submit_gated(d.ex, &g) : NULL;
		pthread_t thread;
		void *end = NULL;
		if (held)
			ct_count_await(g.started, 1);
		ct_int(pthread_create(&thread, NULL, submit_doomed, &d), 0);
		ct_int(pthread_join(thread, &end), 0);
		ct_assert(end == PTHREAD_CANCELED);
		ct_assert(d.f != NULL);
		ct_int(ct_outcome(d.f), 0);
		creel_future_unref(d.f);
		if (held) {
			ct_open(g.gate);
			ct_int(ct_long_drop(held), 1);
		}
		pt_works(d.ex);
		ct_close(d.ex);
	}
}

static int test_cancel(creel_task *task, const void *arg, size_t size)
{
	pthread_testcancel();
	return task_nothing(task, arg, size);
}

static void *use_a_pool_doomed(void *finished)
{
	pthread_cancel(pthread_self());
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, test_cancel, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_int(creel_executor_close(ex), 0);
	*(bool *)finished = true;
	pthread_testcancel();
	return NULL;
}

/* Nor while it makes a pool, or closes it: it lost descriptors, or left the server half born. Its
 * workers are not cancelled in its place. */
CASE(host, rule_a_thread_that_is_to_be_cancelled_is_not_while_it_makes_a_pool_or_closes_it)
{
	struct ct_census before;
	pthread_t thread;
	bool finished = false;
	void *end = NULL;
	ct_census_take(&before);
	ct_int(pthread_create(&thread, NULL, use_a_pool_doomed, &finished), 0);
	ct_int(pthread_join(thread, &end), 0);
	ct_assert(end == PTHREAD_CANCELED);
	ct_assert(finished);
	ct_census_same(&before);
}

static void cancel_the_manager(creel_future *f, void *arg)
{
	(void)f;
	pthread_cancel(pthread_self());
	ct_count_add(arg, 1);
}

/* Nor is the manager, whatever a callback asks for. */
CASE(host, rule_the_manager_cannot_be_cancelled)
{
	struct ct_count *called = ct_count_new();
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_on_done(f, NULL, cancel_the_manager, called, NULL, NULL), 0);
	ct_count_await(called, 1);
	pt_works(ex);
	creel_future_unref(f);
	ct_close(ex);
}
