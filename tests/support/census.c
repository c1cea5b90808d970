/* SPDX-License-Identifier: MIT */
/* Reads /proc/self to tell what the process holds. */
#include "census.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned ct_threads(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/task");
	if (!dir)
		ct_fail(__FILE__, __LINE__, "/proc/self/task: errno %d", errno);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* Reads a small file of a thread; an empty string once the thread is gone. */
static void read_of_thread(int tid, const char *file, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
}

unsigned ct_threads_named(const char *prefix, int *ret_tids, unsigned max)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/task");
	if (!dir)
		ct_fail(__FILE__, __LINE__, "/proc/self/task: errno %d", errno);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char name[64];
		int tid = (int)strtol(e->d_name, NULL, 10);
		if (tid <= 0)
			continue;
		read_of_thread(tid, "comm", name, sizeof name);
		if (strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		if (n < max)
			ret_tids[n] = tid;
		n++;
	}
	closedir(dir);
	return n;
}

long ct_thread_status(int tid, const char *field)
{
	char text[4096], key[80];
	read_of_thread(tid, "status", text, sizeof text);
	snprintf(key, sizeof key, "\n%s:", field);
	const char *at = strstr(text, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static char thread_state(int tid)
{
	char text[512];
	read_of_thread(tid, "stat", text, sizeof text);
	const char *at = strrchr(text, ')');
	return at && at[1] ? at[2] : 0;
}

/* Its state says so before it sleeps, and before that is counted. Where the kernel tells a thread's
 * system call it tells of one that is off the CPU; elsewhere the state has to do. */
static bool is_asleep(int tid)
{
	char call[128];
	if (thread_state(tid) != 'S')
		return false;
	read_of_thread(tid, "syscall", call, sizeof call);
	return strncmp(call, "running", strlen("running")) != 0;
}

void ct_await_asleep(int tid)
{
	ct_until(is_asleep(tid));
}

static bool all_asleep(const int *tids, unsigned n, long *ret_switches)
{
	for (unsigned i = 0; i < n; i++) {
		if (!is_asleep(tids[i]))
			return false;
		ret_switches[i] = ct_thread_status(tids[i], "voluntary_ctxt_switches");
	}
	/* Who has not gone to sleep again meanwhile slept all the time: so there was a moment in
	 * which all did. */
	for (unsigned i = 0; i < n; i++)
		if (!is_asleep(tids[i]) ||
		    ct_thread_status(tids[i], "voluntary_ctxt_switches") != ret_switches[i])
			return false;
	return true;
}

void ct_await_all_asleep(const int *tids, unsigned n, long *ret_switches)
{
	ct_until(all_asleep(tids, n, ret_switches));
}

static void list_fds(unsigned char *fds)
{
	memset(fds, 0, CT_CENSUS_FDS);
	for (int fd = 0; fd < CT_CENSUS_FDS; fd++)
		fds[fd] = fcntl(fd, F_GETFD) >= 0;
}

static unsigned count_shared_maps(void)
{
	char line[512];
	unsigned n = 0;
	FILE *maps = fopen("/proc/self/maps", "re");
	if (!maps)
		return 0;
	while (fgets(line, sizeof line, maps)) {
		const char *flags = strchr(line, ' ');
		n += flags && strlen(flags) > 4 && flags[4] == 's';
	}
	fclose(maps);
	return n;
}

void ct_census_take(struct ct_census *c)
{
	list_fds(c->fds);
	c->shared_maps = count_shared_maps();
	c->threads = ct_threads();
}

static void same_fds(const struct ct_census *before)
{
	unsigned char fds[CT_CENSUS_FDS];
	list_fds(fds);
	for (int fd = 0; fd < CT_CENSUS_FDS; fd++) {
		char path[64], target[256];
		if (fds[fd] == before->fds[fd])
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof target - 1);
		target[n > 0 ? n : 0] = 0;
		ct_fail(__FILE__, __LINE__, "descriptor %d (%s) was %s", fd, target,
			fds[fd] ? "leaked" : "closed");
	}
}

void ct_census_same(const struct ct_census *before)
{
	int64_t start = ct_now();
	/* Fewer are no leak: one that had ended may have been counted before. */
	while (ct_threads() > before->threads) {
		if (ct_guard_over(start))
			ct_fail(__FILE__, __LINE__, "%u threads before, %u after", before->threads,
				ct_threads());
		ct_breathe();
	}
	same_fds(before);
	unsigned maps = count_shared_maps();
	if (maps != before->shared_maps)
		ct_fail(__FILE__, __LINE__, "%u mappings of shared memory before, %u after",
			before->shared_maps, maps);
	if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
		ct_fail(__FILE__, __LINE__, "a child process is left");
}
