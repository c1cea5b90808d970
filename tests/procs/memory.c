/* SPDX-License-Identifier: MIT */
/* Which deaths were the kernel's doing, for want of memory: as its counters say. */
#include "procs.h"
#include "base/cgroup.h"
#include "faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A tree of files under a root of the test's own. */
static char root[64];

static void put(const char *path, const char *text)
{
	char whole[300];
	snprintf(whole, sizeof whole, "%s/%s", root, path);
	for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		ct_assert(mkdir(whole, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	FILE *file = fopen(whole, "w");
	ct_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void plant(void)
{
	snprintf(root, sizeof root, "/tmp/creel-memory-XXXXXX");
	ct_assert(mkdtemp(root) != NULL);
}

static void fell(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", root);
	ct_int(system(command), 0);
}

CASE(memory, c25_the_kills_of_the_worker_s_own_group_are_counted)
{
	plant();
	put("proc/77/cgroup", "5:cpu:/c\n4:memory:/a/b\n0::/\n");
	put("proc/78/cgroup", "4:memory:/\n");
	put("sys/fs/cgroup/memory/memory.oom_control", "under_oom 0\noom_kill 5\n");
	ct_int((long)creel__cgroup_oom_kills(root, 78), 5);
	put("sys/fs/cgroup/memory/a/b/memory.oom_control",
	    "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	ct_int((long)creel__cgroup_oom_kills(root, 77), 3);
	/* Version 2, below the group that a container sees as its own. */
	put("proc/79/cgroup", "0::/outside/x\n");
	put("sys/fs/cgroup/memory.events", "oom 9\noom_kill 8\noom_group_kill 2\n");
	ct_int((long)creel__cgroup_oom_kills(root, 79), 8);
	put("sys/fs/cgroup/outside/x/memory.events", "oom 9\noom_kill 7\n");
	ct_int((long)creel__cgroup_oom_kills(root, 79), 7);
	ct_int((long)creel__cgroup_oom_kills(root, 80), 0);
	fell();
}

CASE(memory, c29_the_least_limit_of_all_groups_above_counts)
{
	plant();
	ct_assert(creel__cgroup_memory(root) == UINT64_MAX);
	put("proc/self/cgroup", "4:memory:/a/b\n0::/v\n");
	put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1048576\n");
	put("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "2097152\n");
	ct_assert(creel__cgroup_memory(root) == 1048576);
	put("sys/fs/cgroup/v/memory.max", "max\n");
	ct_assert(creel__cgroup_memory(root) == 1048576);
	put("sys/fs/cgroup/v/memory.max", "4096\n");
	ct_assert(creel__cgroup_memory(root) == 4096);
	fell();
}

/* A group of the test's own, where there may be one. */
static const char *make_group(void)
{
	static char path[128];
	static const char *const mounts[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
	static const char *const limits[] = {"memory.limit_in_bytes", "memory.max"};
	for (unsigned i = 0; i < 2; i++) {
		char file[200];
		snprintf(path, sizeof path, "%s/creel-test-%d", mounts[i], (int)getpid());
		if (mkdir(path, 0755) < 0)
			continue;
		snprintf(file, sizeof file, "%s/%s", path, limits[i]);
		int fd = open(file, O_WRONLY);
		bool limited = fd >= 0 && write(fd, "60M", 3) == 3;
		if (fd >= 0)
			close(fd);
		snprintf(file, sizeof file, "%s/memory.swap.max", path);
		fd = open(file, O_WRONLY);
		if (fd >= 0) {
			limited = limited && write(fd, "0", 1) == 1;
			close(fd);
		}
		if (limited)
			return path;
		rmdir(path);
	}
	return NULL;
}

static int task_eat(creel_task *task, const void *arg, size_t size)
{
	size_t most = (size_t)1 << 30;
	(void)size;
	char *at = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TASK(at != MAP_FAILED && !arg);
	memset(at, 1, most);
	return 0;
}

static void eat(creel_executor *ex)
{
	creel_future *f = creel_submit(ex, task_eat, NULL, 0);
	(void)creel_future_result(f, CT_GUARD, NULL, 0);
	const creel_error *e = creel_future_error(f);
	if (!e || !strstr(e->message, "for want of memory"))
		fprintf(stderr, "it was \"%s\"\n", e ? e->message : "no failure");
	HOST(e && e->signal == SIGKILL && strstr(e->message, "for want of memory"));
	creel_future_unref(f);
}

static void be_killed(creel_executor *ex)
{
	creel_future *f = pt_submit_crash(ex, PT_KILL, NULL, NULL, NULL);
	(void)creel_future_result(f, CT_GUARD, NULL, 0);
	HOST(strstr(creel_future_error(f)->message, "not by the pool"));
	creel_future_unref(f);
}

static void poor_host(void *group)
{
	char file[200], pid[16];
	snprintf(file, sizeof file, "%s/cgroup.procs", (const char *)group);
	int fd = open(file, O_WRONLY), n = snprintf(pid, sizeof pid, "%d", (int)getpid());
	HOST(fd >= 0 && write(fd, pid, (size_t)n) == n);
	close(fd);
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 2, .shared_budget = 1 << 20});
	be_killed(ex);
	eat(ex);
	be_killed(ex);
	eat(ex);
	/* A new server, whose workers the count is new for. */
	int server = pt_pidfd(pt_ids(ex).server);
	pt_kill(server, SIGKILL);
	pt_await_gone(server);
	be_killed(ex);
	eat(ex);
	be_killed(ex);
	HOST(creel_executor_close(ex) == 0);
}

CASE_OFF(memory, c25_a_kill_for_want_of_memory_in_a_group_below_is_told_from_others,
	 CT_ASAN || CT_MEMCHECK)
{
	const char *group = make_group();
	if (!group)
		ct_skip("no control group of its own is to be had");
	int status = pt_host(poor_host, (void *)(uintptr_t)group);
	ct_until(rmdir(group) == 0);
	ct_int(status, 0);
}

/* Takes all blocks that the worker could have, and leaves it without memory for more. */
static int take_all_blocks(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	creel_future *f;
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	do
		f = creel_promise_new();
	while (creel_future_state(f) == CREEL_FUTURE_PENDING);
	return 0;
}

CASE(memory, c03_a_worker_without_memory_for_a_task_says_so)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .min_workers = 1, .initializer = take_all_blocks});
	for (int i = 0; i < 2; i++) {
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		const creel_error *e = pt_failure(f, CREEL_KIND_NO_MEMORY);
		ct_int(e->code, -ENOMEM);
		ct_has(e->message, "no memory to run the task");
		creel_future_unref(f);
	}
	ct_close(ex);
}
