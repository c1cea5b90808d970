/* SPDX-License-Identifier: MIT */
/*
 * What a worker may use: limits that it sets itself, its size, its place in the OOM killer's queue.
 *
 * CPU    cpu_seconds is for one task. RLIMIT_CPU counts over the process's life, so the soft limit
 *        is moved before each task. It raises SIGXCPU, which says why. The hard limit stays: who
 *        lowers it cannot raise it again. A task that survives SIGXCPU is ended by a timer on the
 *        same clock, which sends SIGKILL one second later.
 * SIZE   recycle_bytes is for what the worker itself has come to hold: private resident memory,
 *        less what it held when it became ready. What it has from the host does not count, nor
 *        does shared memory, which is not gained by replacing it.
 */
#include "procs/work.h"
#include "base/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { OOM_RAISE = 500, OOM_MOST = 1000 };

/* The process is one worker. */
static struct {
	bool timed;
	timer_t timer;
	size_t ready_pages;
} me;

static int set_limit(int which, rlim_t soft, rlim_t hard)
{
	return soft && setrlimit(which, &(struct rlimit){soft, hard}) < 0 ? errno : 0;
}

static int add_nice(int n)
{
	errno = 0;
	return n && nice(n) < 0 ? errno : 0;
}

/* So many seconds from now on, of CPU time. */
static int set_cpu(int seconds)
{
	struct rlimit limit;
	struct timespec used;
	if (!seconds)
		return 0;
	if (getrlimit(RLIMIT_CPU, &limit) < 0 || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0)
		return errno;
	rlim_t soft = (rlim_t)used.tv_sec + (used.tv_nsec > 0) + (rlim_t)seconds;
	if ((rlim_t)seconds > limit.rlim_max)
		return EPERM;
	/* Later tasks come near to the host's own limit. */
	if (soft > limit.rlim_max)
		soft = limit.rlim_max;
	if (limit.rlim_cur != soft && set_limit(RLIMIT_CPU, soft, limit.rlim_max))
		return errno;
	/* The soft limit counts whole seconds, and may come up to a second late: a second after
	 * that, and not at the same moment. */
	if (me.timed)
		timer_settime(me.timer, 0, &(struct itimerspec){.it_value.tv_sec = seconds + 2},
			      NULL);
	return 0;
}

/* Without the timer SIGXCPU comes again each second. */
static int start_cpu(int seconds)
{
	struct sigevent kill = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	int rc = set_cpu(seconds);
	if (rc == 0 && seconds)
		me.timed = timer_create(CLOCK_PROCESS_CPUTIME_ID, &kill, &me.timer) == 0;
	return rc;
}

void creel__limits_set(const creel_process_pool_options *o, struct creel__control *c)
{
	rlim_t files = (rlim_t)o->open_files;
	memset(&me, 0, sizeof me);
	const int codes[] = {
		[CREEL__LIMIT_MEMORY] = set_limit(RLIMIT_DATA, o->memory_limit, o->memory_limit),
		[CREEL__LIMIT_CPU] = start_cpu(o->cpu_seconds),
		[CREEL__LIMIT_FILES] = set_limit(RLIMIT_NOFILE, files, files),
		[CREEL__LIMIT_NICE] = add_nice(o->nice),
	};
	for (int i = 0; i < (int)(sizeof codes / sizeof codes[0]); i++) {
		if (codes[i]) {
			creel__store(&c->init_code, -codes[i], relaxed);
			_exit(CREEL__EXIT_LIMIT_FAILED + i);
		}
	}
}

void creel__limits_before_task(const creel_process_pool_options *o)
{
	if (o->cpu_seconds)
		(void)set_cpu(o->cpu_seconds);
}

/* Private resident pages: those of files and of shared memory are in the third number as well. */
static size_t private_pages(void)
{
	char text[128], *end;
	creel__read_text(text, sizeof text, "/proc/self/statm");
	(void)strtoul(text, &end, 10);
	unsigned long resident = strtoul(end, &end, 10), shared = strtoul(end, &end, 10);
	return resident > shared ? resident - shared : 0;
}

void creel__limits_ready(const creel_process_pool_options *o)
{
	if (o->recycle_bytes)
		me.ready_pages = private_pages();
}

bool creel__limits_outgrown(const creel_process_pool_options *o)
{
	if (!o->recycle_bytes)
		return false;
	size_t pages = private_pages(), page = (size_t)sysconf(_SC_PAGESIZE);
	return pages > me.ready_pages && pages - me.ready_pages > o->recycle_bytes / page;
}

static long read_oom_score(const char *path)
{
	char text[32];
	creel__read_text(text, sizeof text, path);
	return strtol(text, NULL, 10);
}

/* The host may have changed its own since the server was forked. */
void creel__limits_offer_to_oom(pid_t host)
{
	static const char own_path[] = "/proc/self/oom_score_adj";
	char path[64], text[16];
	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)host);
	long hosts = read_oom_score(path), own = read_oom_score(own_path);
	long score = (hosts > own ? hosts : own) + OOM_RAISE;
	score = score < OOM_RAISE ? OOM_RAISE : score > OOM_MOST ? OOM_MOST : score;
	int fd = open(own_path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	int n = snprintf(text, sizeof text, "%ld", score);
	if (write(fd, text, (size_t)n) < 0)
		errno = 0;
	close(fd);
}
