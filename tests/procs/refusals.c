/* SPDX-License-Identifier: MIT */
/* What is wrong, or cannot be had: each a clear error, nothing lost, nothing left behind. */
#include "procs.h"
#include "faults.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void refused(const creel_process_pool_options *o, const char *says)
{
	char text[200];
	creel_executor *ex = creel_process_pool_new(o);
	const creel_error *e = creel_executor_error(ex);
	if (!e)
		ct_fail(__FILE__, __LINE__, "taken, for which it says \"%s\"", says);
	snprintf(text, sizeof text, "creel_process_pool_new: %s", says);
	ct_int(e->kind, CREEL_KIND_BROKEN);
	ct_int(e->code, -EINVAL);
	ct_text(e->message, text);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	pt_failure(f, CREEL_KIND_BROKEN);
	creel_future_unref(f);
	ct_int(creel_executor_close(ex), 0);
}

CASE(refusals, bad_options_are_named_with_their_value_and_what_to_do)
{
	static const struct {
		creel_process_pool_options o;
		const char *says;
	} bad[] = {
		{{.max_workers = -1}, "max_workers is -1; use 0 for the default, or 1 to 256"},
		{{.max_workers = 257}, "max_workers is 257; use 0 for the default, or 1 to 256"},
		{{.min_workers = -2}, "min_workers is -2; use 0 for none, or 1 to 256"},
		{{.max_workers = 1, .min_workers = 2},
		 "min_workers is 2 and max_workers is 1; raise max_workers, or lower min_workers "
		 "to it"},
		{{.flags = 4},
		 "flags is 4; use CREEL_PROCESS_BREAK_ON_DEATH, CREEL_PROCESS_BREAK_ON_LOSS, "
		 "CREEL_RENDEZVOUS, CREEL_TRACE or 0"},
		{{.tasks_per_worker = -3}, "tasks_per_worker is -3; use 0 for no limit"},
		{{.idle_ns = -4},
		 "idle_ns is -4; use 0 for the default, CREEL_NEVER to keep workers"},
		{{.limit_ns = -5}, "limit_ns is -5; use 0 for no limit"},
		{{.grace_ns = -6}, "grace_ns is -6; use 0 for SIGKILL at once"},
		{{.start_ns = -7}, "start_ns is -7; use 0 for the default"},
		{{.ageing_ns = -5},
		 "ageing_ns is -5; use 0 for the default, CREEL_NEVER for bands that do not age"},
		{{.cpu_seconds = -8}, "cpu_seconds is -8; use 0 for no limit"},
		{{.open_files = -9}, "open_files is -9; use 0 for no limit"},
		{{.keep_fds_count = 1},
		 "keep_fds is NULL and keep_fds_count is 1; name the descriptors in keep_fds, or "
		 "use 0"},
		{{.reserved = {0, 0, 1}},
		 "reserved[2] of the options is 1, not 0; "
		 "initialise the options with {0} or designated initializers"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refused(&bad[i].o, bad[i].says);
}

CASE(refusals, bad_sizes_are_shown_as_they_were_passed)
{
	int fd = 0;
	char says[200];
	refused(&(creel_process_pool_options){.keep_fds = &fd, .keep_fds_count = 65},
		"keep_fds_count is 65; at most 64 descriptors can be kept");
	snprintf(says, sizeof says, "keep_fds_count is %zu; at most 64 descriptors can be kept",
		 SIZE_MAX);
	refused(&(creel_process_pool_options){.keep_fds = &fd, .keep_fds_count = SIZE_MAX}, says);
	snprintf(says, sizeof says,
		 "shared_budget is %zu; no machine has that much; use 0 for the default, or "
		 "bytes: was a negative number passed?",
		 SIZE_MAX);
	refused(&(creel_process_pool_options){.shared_budget = SIZE_MAX}, says);
}

/* Every call that can fail fails once. What comes after works. */
static void each_fails(unsigned kind)
{
	struct ct_census before;
	unsigned n = 0;
	bool failed;
	/* Caches of the library and of libc are filled. The census is from before: it would count a
	 * thread that has ended and is still in /proc. */
	ct_census_take(&before);
	ct_close(pt_pool(1));
	ct_census_same(&before);
	do {
		n++;
		ct_assert(n < 200);
		ct_fault_arm(kind, n, false);
		creel_executor *ex = creel_process_pool_new(
			&(creel_process_pool_options){.max_workers = 1});
		failed = ct_fault_failed() > 0;
		ct_fault_off();
		const creel_error *e = creel_executor_error(ex);
		if (e) {
			ct_assert(failed);
			ct_assert(e->message[0] != 0);
			creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
			ct_int(ct_outcome(f), CREEL_EFAILED);
			creel_future_unref(f);
		}
		ct_int(creel_executor_close(ex), 0);
		ct_census_same(&before);
	} while (failed);
	ct_assert(n > 1);
	creel_executor *ex = pt_pool(1);
	pt_works(ex);
	ct_close(ex);
}

CASE(refusals, bad_no_memory_for_a_pool)
{
	each_fails(CT_FAULT_MEMORY);
}

CASE(refusals, bad_no_thread_for_a_pool)
{
	each_fails(CT_FAULT_THREAD);
}

CASE(refusals, bad_no_eventfd_or_epoll_for_a_pool)
{
	each_fails(CT_FAULT_FD);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* With room for no descriptor, for one, for two...: until the pool works. */
CASE_OFF(refusals, bad_no_descriptors_left_for_a_pool, CT_MEMCHECK)
{
	struct ct_census before;
	struct rlimit old, limit;
	ct_int(getrlimit(RLIMIT_NOFILE, &old), 0);
	ct_census_take(&before);
	/* No holes: the limit is on the highest number. */
	int fill[64];
	unsigned filled = 0;
	while (filled < 64) {
		fill[filled] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		filled++;
	}
	unsigned room = 0;
	bool works = false;
	for (; !works && room < 32; room++) {
		limit = old;
		limit.rlim_cur = (rlim_t)fill[63] + 1 + room;
		ct_int(setrlimit(RLIMIT_NOFILE, &limit), 0);
		creel_executor *ex = creel_process_pool_new(
			&(creel_process_pool_options){.max_workers = 1});
		ct_int(setrlimit(RLIMIT_NOFILE, &old), 0);
		const creel_error *e = creel_executor_error(ex);
		works = !e;
		if (e) {
			ct_int(e->kind, CREEL_KIND_BROKEN);
			if (e->code != -EMFILE)
				ct_fail(__FILE__, __LINE__, "with room for %u: code %s: %s", room,
					creel_code_name(e->code), e->message);
		} else {
			pt_works(ex);
		}
		ct_int(creel_executor_close(ex), 0);
	}
	ct_assert(works && room > 1);
	for (unsigned i = 0; i < filled; i++)
		close(fill[i]);
	ct_census_same(&before);
}

/* The pool is there, and no descriptor for the pidfd of a worker: when there is one again,
 * all goes on. */
CASE(refusals, bad_no_descriptors_left_for_a_worker)
{
	struct rlimit old, limit;
	ct_int(getrlimit(RLIMIT_NOFILE, &old), 0);
	creel_process_pool_options o = {.max_workers = 1, .start_ns = 300 * PT_MS};
	creel_executor *ex = pt_pool_in_time(&o);
	int fill[1024];
	unsigned filled = 0;
	limit = old;
	limit.rlim_cur = open_fds() + 8;
	ct_int(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((fill[filled] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		ct_assert(++filled < 1023);
	struct ct_count *ran = ct_count_new();
	creel_future *f = ct_submit_count(ex, ran);
	/* An end of its own, or an end when there are descriptors: it gets time for the first. */
	int rc = creel_future_result(f, creel_in_ms(2000), NULL, 0);
	while (filled)
		close(fill[--filled]);
	ct_int(setrlimit(RLIMIT_NOFILE, &old), 0);
	if (rc == -ETIMEDOUT)
		rc = creel_future_result(f, CT_GUARD, NULL, 0);
	if (rc == -ETIMEDOUT)
		ct_fail(__FILE__, __LINE__, "the future never became final");
	ct_assert(rc == 0 || creel_future_error(f)->message[0] != 0);
	ct_int(ct_count_get(ran), rc == 0);
	creel_future_unref(f);
	ct_close(ex);
}

/* A host of a user who may have so many processes and threads. */
struct poor {
	uid_t uid;
	rlim_t processes;
	struct ct_count *ran;
	bool full; /* once there is a pool, nothing is left */
};

static void *stay(void *arg)
{
	while (!arg)
		pause();
	return NULL;
}

static void become_poor(const struct poor *p)
{
	struct rlimit limit = {p->processes, p->processes};
	HOST(setrlimit(RLIMIT_NPROC, &limit) == 0);
	HOST(setresgid(p->uid, p->uid, p->uid) == 0);
	HOST(setresuid(p->uid, p->uid, p->uid) == 0);
}

/* Whatever the limit allows: an error that says what to do, or a result. Exit status 10: no pool;
 * 11: a pool without workers; 12: it works. */
static void poor_host(void *arg)
{
	struct poor *p = arg;
	become_poor(p);
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 2});
	const creel_error *e = creel_executor_error(ex);
	if (e) {
		HOST(e->kind == CREEL_KIND_BROKEN && e->code == -EAGAIN);
		HOST(strstr(e->message, "fork server") || strstr(e->message, "thread"));
		HOST(creel_executor_close(ex) == 0);
		_exit(10);
	}
	creel_future *f[4];
	unsigned good = 0;
	pthread_t thread;
	while (p->full && pthread_create(&thread, NULL, stay, NULL) == 0)
		;
	for (unsigned i = 0; i < 4; i++)
		f[i] = ct_submit_count(ex, p->ran);
	for (unsigned i = 0; i < 4; i++) {
		int rc = creel_future_result(f[i], CT_GUARD, NULL, 0);
		HOST(rc == 0 || rc == CREEL_EFAILED);
		e = creel_future_error(f[i]);
		HOST(rc == 0 || (e->kind == CREEL_KIND_BROKEN && strstr(e->message, "limit")));
		good += rc == 0;
		creel_future_unref(f[i]);
	}
	HOST(good == 0 || good == 4);
	HOST(ct_count_get(p->ran) == good);
	HOST(creel_executor_close(ex) == 0);
	HOST(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	_exit(good ? 12 : 11);
}

CASE_OFF(refusals, bad_fork_is_refused, CT_ASAN)
{
	enum { MOST = 7 };
	/* A user of its own each time: what has ended and was not waited for still counts. */
	uid_t first = (uid_t)(1000000 + getpid() * 8);
	if (!pt_can_become(first) || !pt_can_become(first + MOST))
		ct_skip("only root can become somebody else, and not everywhere");
	unsigned seen[3] = {0};
	for (rlim_t n = 1; n <= MOST; n++) {
		struct poor p = {first + (uid_t)n, n, ct_count_new(), n == 6};
		int status = pt_host(poor_host, &p);
		ct_assert(WIFEXITED(status));
		if (WEXITSTATUS(status) < 10 || WEXITSTATUS(status) > 12)
			ct_fail(__FILE__, __LINE__, "%u processes: exit status %d", (unsigned)n,
				WEXITSTATUS(status));
		seen[WEXITSTATUS(status) - 10]++;
	}
	/* All three were met. */
	ct_assert(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
}

/* Address space for nothing large: less is better than nothing, and too little is an error. */
static void cramped_host(void *arg)
{
	struct rlimit limit = {*(rlim_t *)arg, *(rlim_t *)arg};
	long six = 6, value = 0;
	HOST(setrlimit(RLIMIT_AS, &limit) == 0);
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	if (creel_executor_error(ex)) {
		HOST(creel_executor_error(ex)->code == -ENOMEM ||
		     creel_executor_error(ex)->kind == CREEL_KIND_NO_MEMORY ||
		     creel_executor_error(ex)->code == -EAGAIN);
		HOST(creel_executor_close(ex) == 0);
		_exit(10);
	}
	creel_future *f = creel_submit(ex, task_double, &six, sizeof six);
	HOST(creel_future_result(f, CT_GUARD, &value, sizeof value) == 0 && value == 12);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
	_exit(12);
}

CASE_OFF(refusals, bad_address_space_is_rationed, CT_ASAN)
{
	rlim_t sizes[] = {(rlim_t)4 << 30, (rlim_t)1 << 30, (rlim_t)400 << 20};
	for (unsigned i = 0; i < 3; i++) {
		int status = pt_host(cramped_host, &sizes[i]);
		ct_assert(WIFEXITED(status));
		ct_assert(WEXITSTATUS(status) == 10 || WEXITSTATUS(status) == 12);
		if (i == 0)
			ct_int(WEXITSTATUS(status), 12);
	}
}

enum { NOBODY = 65534 };

/* A limit that this user may not set, and what is said of it. */
struct limit_case {
	creel_process_pool_options o;
	int resource; /* whose hard limit the host has lowered to hard */
	rlim_t hard;
	const char *says, *code;
};

static void limits_break(void *arg)
{
	const struct limit_case *c = arg;
	struct rlimit limit = {c->hard, c->hard};
	HOST(setrlimit(c->resource, &limit) == 0);
	/* Nobody may raise its own limits, or its priority. */
	HOST(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	creel_executor *ex = creel_process_pool_new(&c->o);
	HOST(!creel_executor_error(ex));
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	HOST(creel_future_result(f, CT_GUARD, NULL, 0) != 0);
	const creel_error *e = creel_future_error(f);
	HOST(e->kind == CREEL_KIND_BROKEN);
	HOST(strstr(e->message, c->says));
	HOST(strstr(e->message, c->code));
	HOST(strstr(e->message, "ask for what the system grants"));
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
}

CASE(refusals, bad_limits_that_cannot_be_set)
{
	const rlim_t much = (rlim_t)1 << 40;
	struct limit_case cases[] = {
		{{.open_files = 100000000},
		 RLIMIT_NOFILE,
		 1024,
		 "its open_files to 100000000",
		 "EPERM"},
		{{.nice = -5}, RLIMIT_NICE, 0, "its nice to -5", "EPERM"},
		{{.memory_limit = 2 * much},
		 RLIMIT_DATA,
		 much,
		 "its memory_limit to 2199023255552",
		 "EPERM"},
		{{.cpu_seconds = 86401}, RLIMIT_CPU, 86400, "its cpu_seconds to 86401", "EPERM"},
	};
	if (!pt_can_become(NOBODY))
		ct_skip("only root can become a user for whom that is so");
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		/* AddressSanitizer's own memory is beyond any limit. */
		if (CT_ASAN && cases[i].resource == RLIMIT_DATA)
			continue;
		cases[i].o.max_workers = 1;
		ct_int(pt_host(limits_break, &cases[i]), 0);
	}
}

CASE(refusals, bad_calls_on_futures_and_pools)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = NULL;
	ct_int(creel_try_submit(ex, NULL, NULL, 0, NULL, &f), -EINVAL);
	ct_int(creel_try_submit(ex, task_nothing, NULL, 5, NULL, &f), -EINVAL);
	ct_int(creel_try_submit(ex, task_nothing, "x", SIZE_MAX - 1, NULL, &f), -EINVAL);
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, NULL), -EINVAL);
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, &(creel_submit_options){.flags = 1}, &f),
	       -EINVAL);
	ct_int(creel_future_kill(NULL, 0), -EINVAL);
	f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_kill(f, -1), -EINVAL);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(refusals, bad_descriptors_to_keep_that_are_not_open)
{
	static const int fds[] = {1, 999};
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.keep_fds = fds, .keep_fds_count = 2});
	const creel_error *e = creel_executor_error(ex);
	ct_assert(e && e->kind == CREEL_KIND_BROKEN && e->code == -EBADF);
	ct_text(e->message, "creel_process_pool_new: keep_fds[1] is 999, which is not an open "
			    "descriptor; open it before the pool is made");
	ct_int(creel_executor_close(ex), 0);
}
