/* SPDX-License-Identifier: MIT */
/*
 * Counting CPUs: sched_getaffinity(2), and the CPU bandwidth of the process's cgroup and all above
 * it, version 2 (cpu.max) and version 1 (cpu.cfs_quota_us, cpu.cfs_period_us). A quota of half a
 * CPU is one worker, never none. Read when a pool is made, not again.
 */
#include "base/cpus.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LENGTH = 4096 };

static int affinity(void)
{
#ifdef __linux__
	for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
		cpu_set_t *set = CPU_ALLOC(cpus);
		if (!set)
			break;
		size_t size = CPU_ALLOC_SIZE(cpus);
		int rc = sched_getaffinity(0, size, set);
		int n = rc ? 0 : CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (n > 0)
			return n;
	}
#endif
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 && n < INT_MAX ? (int)n : 1;
}

/* The file's text, cut to size - 1; false if it cannot be read. */
static bool read_file(char *text, size_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static bool read_in(char *text, size_t size, const char *folder, const char *name)
{
	char path[PATH_LENGTH + 32];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return read_file(text, size, path);
}

/* Quota over period, rounded up; INT_MAX for none ("max", -1, nonsense). */
static int limit_of(const char *quota, const char *period)
{
	char *end;
	long long q = strtoll(quota, &end, 10);
	if (end == quota || q <= 0)
		return INT_MAX;
	long long p = strtoll(period, &end, 10);
	if (end == period || p <= 0)
		p = 100000;
	long long n = q / p + (q % p != 0);
	return n > INT_MAX ? INT_MAX : (int)n;
}

static int limit_v2(const char *folder)
{
	char text[64];
	if (!read_in(text, sizeof text, folder, "cpu.max"))
		return INT_MAX;
	const char *space = strchr(text, ' ');
	return limit_of(text, space ? space + 1 : "");
}

static int limit_v1(const char *folder)
{
	char quota[64], period[64];
	if (!read_in(quota, sizeof quota, folder, "cpu.cfs_quota_us"))
		return INT_MAX;
	if (!read_in(period, sizeof period, folder, "cpu.cfs_period_us"))
		period[0] = 0;
	return limit_of(quota, period);
}

/* The least limit from the folder of the group up to the mount point. */
static int limit_up(const char *root, const char *mount, const char *group, size_t length,
		    int (*limit)(const char *folder))
{
	char folder[PATH_LENGTH];
	int head = snprintf(folder, sizeof folder, "%s%s", root, mount);
	int n = snprintf(folder, sizeof folder, "%s%s%.*s", root, mount, (int)length, group);
	if (head < 0 || n < 0 || (size_t)n >= sizeof folder)
		return INT_MAX;
	int least = INT_MAX;
	for (;;) {
		int here = limit(folder);
		least = here < least ? here : least;
		char *slash = strrchr(folder + head, '/');
		if (!slash)
			return least;
		*slash = 0;
	}
}

/* One line of /proc/self/cgroup: "0::/group" is version 2, "4:cpu,cpuacct:/group" version 1. */
static int limit_of_line(const char *root, const char *line, size_t length)
{
	const char *controllers = memchr(line, ':', length);
	const char *end = line + length;
	const char *group = controllers
				    ? memchr(controllers + 1, ':', (size_t)(end - controllers) - 1)
				    : NULL;
	if (!group)
		return INT_MAX;
	size_t n = (size_t)(group - controllers) - 1;
	group++;
	size_t rest = (size_t)(end - group);
	if (n == 0) {
		int pure = limit_up(root, "/sys/fs/cgroup", group, rest, limit_v2);
		int hybrid = limit_up(root, "/sys/fs/cgroup/unified", group, rest, limit_v2);
		return pure < hybrid ? pure : hybrid;
	}
	char names[128];
	snprintf(names, sizeof names, ",%.*s,", (int)n, controllers + 1);
	return strstr(names, ",cpu,") ? limit_up(root, "/sys/fs/cgroup/cpu", group, rest, limit_v1)
				      : INT_MAX;
}

static int quota(const char *root)
{
	char path[PATH_LENGTH], text[PATH_LENGTH];
	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	if (!read_file(text, sizeof text, path))
		return INT_MAX;
	int least = INT_MAX;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		int here = limit_of_line(root, line, length);
		least = here < least ? here : least;
		line += length + (line[length] == '\n');
	}
	return least;
}

int creel__cpus(const char *root)
{
	int saved = errno;
	int cpus = affinity(), limit = quota(root ? root : "");
	errno = saved;
	return limit < cpus ? limit : cpus;
}
