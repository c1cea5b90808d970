/* SPDX-License-Identifier: MIT */
/*
 * Counting CPUs: sched_getaffinity(2), and the CPU bandwidth of the process's cgroup and all above
 * it, version 2 (cpu.max) and version 1 (cpu.cfs_quota_us, cpu.cfs_period_us). A quota of half a
 * CPU is one worker, never none. Read when a pool is made, not again.
 */
#include "base/cpus.h"
#include "base/cgroup.h"
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

static bool read_in(char *text, size_t size, const char *folder, const char *name)
{
	char path[PATH_LENGTH + 32];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return creel__read_text(text, size, path);
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

static bool visit(const char *folder, int version, void *ctx)
{
	int *least = ctx, here = version == 2 ? limit_v2(folder) : limit_v1(folder);
	*least = here < *least ? here : *least;
	return true;
}

static int quota(const char *root)
{
	int least = INT_MAX;
	creel__cgroup_climb(root, 0, "cpu", visit, &least);
	return least;
}

int creel__thread_cpus(void)
{
	int saved = errno, cpus = affinity();
	errno = saved;
	return cpus;
}

int creel__cpus(const char *root)
{
	int saved = errno;
	int cpus = affinity(), limit = quota(root);
	errno = saved;
	return limit < cpus ? limit : cpus;
}
