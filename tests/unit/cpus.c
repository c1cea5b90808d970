/* SPDX-License-Identifier: MIT */
/*
 * Counting CPUs under a made-up root: what /proc/self/cgroup and /sys/fs/cgroup look like
 * elsewhere. The affinity mask is made up as well: 64 CPUs, unless a test says otherwise.
 */
#include "base/cpus.h"
#include "ct.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int mask_cpus = 64;
static size_t mask_least; /* smaller masks are refused, as kernels for large machines do */

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *mask);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *mask)
{
	ct_int(pid, 0);
	if (size < mask_least) {
		errno = EINVAL;
		return -1;
	}
	memset(mask, 0, size);
	for (int i = 0; i < mask_cpus; i++)
		CPU_SET_S((size_t)i, size, mask);
	return 0;
}

static char root[64];

/* Writes a file below the root, with the folders that lead to it. */
static void put(const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof path, "%s%s", root, name);
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		ct_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	FILE *f = fopen(path, "w");
	ct_assert(f != NULL);
	fputs(text, f);
	fclose(f);
}

static void make_root(const char *groups)
{
	snprintf(root, sizeof root, "%s/creel-cpus-XXXXXX", P_tmpdir);
	ct_assert(mkdtemp(root) != NULL);
	if (groups)
		put("/proc/self/cgroup", groups);
}

static int drop(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

/* What is counted; the root goes. */
static int counted(void)
{
	errno = 77;
	int n = creel__cpus(root);
	ct_int(errno, 77);
	nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
	return n;
}

/* The count with this cpu.max in a group of version 2. */
static int with_cpu_max(const char *text)
{
	make_root("0::/group\n");
	put("/sys/fs/cgroup/group/cpu.max", text);
	return counted();
}

CT_TEST(cpus, the_quota_of_version_2_is_rounded_up, !CT_LINUX)
{
	ct_int(with_cpu_max("300000 100000\n"), 3);
	ct_int(with_cpu_max("250000 100000\n"), 3);
	ct_int(with_cpu_max("250001 100000\n"), 3);
	ct_int(with_cpu_max("200001 100000\n"), 3);
	ct_int(with_cpu_max("20000 10000\n"), 2);
}

CT_TEST(cpus, half_a_cpu_is_one_worker, 0)
{
	ct_int(with_cpu_max("50000 100000\n"), 1);
	ct_int(with_cpu_max("1000 100000\n"), 1);
	ct_int(with_cpu_max("1 1000000\n"), 1);
}

CT_TEST(cpus, no_quota_leaves_the_affinity_mask, !CT_LINUX)
{
	ct_int(with_cpu_max("max 100000\n"), 64);
	ct_int(with_cpu_max("max\n"), 64);
	ct_int(with_cpu_max("100000000 100000\n"), 64);
	ct_int(with_cpu_max("9223372036854775807 1\n"), 64);
}

CT_TEST(cpus, nonsense_is_no_quota, !CT_LINUX)
{
	static const char *const texts[] = {"",
					    "\n",
					    "garbage",
					    "-1 100000",
					    "0 100000",
					    "\xff\xfe\n",
					    "99x99999999999999999999"};
	for (size_t i = 0; i + 1 < sizeof texts / sizeof texts[0]; i++)
		ct_int(with_cpu_max(texts[i]), 64);
}

CT_TEST(cpus, a_bad_period_is_the_usual_one, !CT_LINUX)
{
	ct_int(with_cpu_max("200000"), 2);
	ct_int(with_cpu_max("200000 \n"), 2);
	ct_int(with_cpu_max("200000 0\n"), 2);
	ct_int(with_cpu_max("200000 -5\n"), 2);
	ct_int(with_cpu_max("200000 abc\n"), 2);
}

CT_TEST(cpus, the_least_quota_on_the_way_up_counts, !CT_LINUX)
{
	make_root("0::/a/b/c\n");
	put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/a/b/c/cpu.max", "700000 100000\n");
	ct_int(counted(), 2);

	make_root("0::/a/b/c\n");
	put("/sys/fs/cgroup/a/cpu.max", "700000 100000\n");
	put("/sys/fs/cgroup/a/b/c/cpu.max", "200000 100000\n");
	ct_int(counted(), 2);
}

CT_TEST(cpus, in_a_container_the_quota_stands_at_the_mount_point, !CT_LINUX)
{
	make_root("0::/\n");
	put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
	ct_int(counted(), 4);

	/* The path is the host's, the mount is the container's own. */
	make_root("0::/../../kubepods/pod1\n");
	put("/sys/fs/cgroup/cpu.max", "500000 100000\n");
	ct_int(counted(), 5);
}

/* What is counted with this quota in a folder of version 1; a period of NULL: no such file. */
static int with_cfs(const char *groups, const char *folder, const char *quota, const char *period)
{
	char name[256];
	make_root(groups);
	snprintf(name, sizeof name, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", folder);
	put(name, quota);
	snprintf(name, sizeof name, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", folder);
	if (period)
		put(name, period);
	return counted();
}

CT_TEST(cpus, the_quota_of_version_1_is_found, !CT_LINUX)
{
	static const char groups[] = "12:memory:/m\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n";
	ct_int(with_cfs(groups, "/docker/x", "150000\n", "50000\n"), 3);
}

CT_TEST(cpus, version_1_says_minus_1_for_none, !CT_LINUX)
{
	ct_int(with_cfs("4:cpu:/x\n", "/x", "-1\n", "100000\n"), 64);
}

CT_TEST(cpus, version_1_without_a_period_has_the_usual_one, !CT_LINUX)
{
	ct_int(with_cfs("4:cpuacct,cpu:/x\n", "/x", "600000\n", NULL), 6);
}

CT_TEST(cpus, version_1_looks_upwards_too, !CT_LINUX)
{
	ct_int(with_cfs("4:cpu,cpuacct:/docker/x\n", "", "200000\n", "100000\n"), 2);
}

CT_TEST(cpus, only_the_cpu_controller_counts, !CT_LINUX)
{
	ct_int(with_cfs("4:cpuset,cpuacct:/x\n", "/x", "100000\n", "100000\n"), 64);
}

CT_TEST(cpus, a_hybrid_system_has_both, !CT_LINUX)
{
	static const char *const quota[][2] = {{"300000", "500000 100000\n"},
					       {"500000", "300000 100000\n"}};
	for (int i = 0; i < 2; i++) {
		make_root("4:cpu,cpuacct:/one\n0::/two\n");
		put("/sys/fs/cgroup/cpu/one/cpu.cfs_quota_us", quota[i][0]);
		put("/sys/fs/cgroup/cpu/one/cpu.cfs_period_us", "100000\n");
		put("/sys/fs/cgroup/unified/two/cpu.max", quota[i][1]);
		ct_int(counted(), 3);
	}
}

CT_TEST(cpus, without_cgroups_the_affinity_mask_counts, !CT_LINUX)
{
	make_root(NULL);
	ct_int(counted(), 64);
	make_root("");
	ct_int(counted(), 64);
	make_root("0::/gone\n");
	ct_int(counted(), 64);
}

CT_TEST(cpus, a_garbled_list_of_groups_is_none, !CT_LINUX)
{
	static const char *const lists[] = {"garbage\n", ":\n",   "::\n", "0:\n",
					    "0::",       "4:cpu", "\n\n", "4:cpu:relative\n"};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		make_root(lists[i]);
		ct_int(counted(), 64);
	}
}

CT_TEST(cpus, a_group_with_a_very_long_name_does_no_harm, !CT_LINUX)
{
	char groups[9000] = "0::/";
	memset(groups + 4, 'x', sizeof groups - 5);
	make_root(groups);
	ct_int(counted(), 64);
}

CT_TEST(cpus, a_small_affinity_mask_wins, !CT_LINUX)
{
	mask_cpus = 3;
	ct_int(with_cpu_max("800000 100000\n"), 3);
	mask_cpus = 1;
	ct_int(with_cpu_max("800000 100000\n"), 1);
}

CT_TEST(cpus, a_machine_with_very_many_cpus_is_counted, !CT_LINUX)
{
	mask_least = 2048 / 8;
	mask_cpus = 1500;
	ct_int(with_cpu_max("max 100000\n"), 1500);
}

CT_TEST(cpus, without_an_affinity_mask_it_is_at_least_one, 0)
{
	mask_least = SIZE_MAX;
	ct_assert(with_cpu_max("max 100000\n") >= 1);
}

CT_TEST(cpus, the_default_root_is_the_system, 0)
{
	ct_int(creel__cpus(NULL), creel__cpus(""));
	ct_assert(creel__cpus(NULL) >= 1);
}
