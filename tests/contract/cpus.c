/* SPDX-License-Identifier: MIT */
/* Promise 14: the default size heeds the quota of the control group,
 * read under a root made here. */
#include "base/cpus.h"
#include "contract.h"

#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[64];

static void root_new(void)
{
	snprintf(root, sizeof root, "/tmp/creel-cgroup-XXXXXX");
	ct_assert(mkdtemp(root) != NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void root_remove(void)
{
	ct_int(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes a file under the root, and the folders above it. */
static void put(const char *path, const char *text)
{
	char full[512];
	snprintf(full, sizeof full, "%s%s", root, path);
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(full, 0700);
		*slash = '/';
	}
	FILE *file = fopen(full, "we");
	ct_assert(file != NULL);
	fputs(text, file);
	ct_int(fclose(file), 0);
}

/* What is expected of a quota of n CPUs. */
static int at_most(int n)
{
	cpu_set_t cpus;
	ct_int(sched_getaffinity(0, sizeof cpus, &cpus), 0);
	return n < CPU_COUNT(&cpus) ? n : CPU_COUNT(&cpus);
}

static const struct {
	const char *quota, *period;
	int cpus;
} quotas[] = {
	{"100000", "100000", 1}, {"1000", "100000", 1},     {"100001", "100000", 2},
	{"50000", "25000", 2},   {"150000", "100000", 2},   {"1", "1000000", 1},
	{"400000", "100000", 4}, {"5000000", "100000", 50},
};

CORE_CASE(c14_the_default_size_heeds_a_quota_of_version_2)
{
	root_new();
	put("/proc/self/cgroup", "0::/app/inner\n");
	ct_int(creel__cpus(root), at_most(100000));
	for (size_t i = 0; i < sizeof quotas / sizeof quotas[0]; i++) {
		char text[64];
		snprintf(text, sizeof text, "%s %s\n", quotas[i].quota, quotas[i].period);
		put("/sys/fs/cgroup/app/inner/cpu.max", text);
		ct_int(creel__cpus(root), at_most(quotas[i].cpus));
	}
	put("/sys/fs/cgroup/app/inner/cpu.max", "max 100000\n");
	ct_int(creel__cpus(root), at_most(100000));
	/* A group further up may be the one that limits. */
	put("/sys/fs/cgroup/app/cpu.max", "70000 100000\n");
	ct_int(creel__cpus(root), 1);
	root_remove();
}

CORE_CASE(c14_the_default_size_heeds_a_quota_of_version_1)
{
	root_new();
	put("/proc/self/cgroup", "12:memory:/x\n4:cpu,cpuacct:/app\n1:name=systemd:/\n");
	for (size_t i = 0; i < sizeof quotas / sizeof quotas[0]; i++) {
		put("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", quotas[i].quota);
		put("/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", quotas[i].period);
		ct_int(creel__cpus(root), at_most(quotas[i].cpus));
	}
	put("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "-1\n");
	ct_int(creel__cpus(root), at_most(100000));
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "20000\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	ct_int(creel__cpus(root), 1);
	root_remove();
}

CORE_CASE(c14_nonsense_in_the_control_group_files_is_no_limit_and_no_crash)
{
	static const char *const lines[] = {"",
					    "0",
					    "0::",
					    "::",
					    ":",
					    "0::/",
					    "junk\n0::/app\n",
					    "4:cpu:\n",
					    "0::/app/../..//app/"};
	static const char *const maxima[] = {
		"",           "max", "-5 100000", "0 0", "x y", "100000", "99999999999999999999 1",
		"max max max"};
	root_new();
	ct_assert(creel__cpus(root) >= 1);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		put("/proc/self/cgroup", lines[i]);
		for (size_t k = 0; k < sizeof maxima / sizeof maxima[0]; k++) {
			put("/sys/fs/cgroup/app/cpu.max", maxima[k]);
			int n = creel__cpus(root);
			ct_assert(n >= 1 && n <= at_most(100000));
		}
	}
	ct_assert(creel__cpus(NULL) >= 1);
	root_remove();
}
