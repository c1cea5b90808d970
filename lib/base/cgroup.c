/* SPDX-License-Identifier: MIT */
/*
 * Control groups, version 1 and 2, where most systems mount them. A group that is not to be seen,
 * because the process lives in a container with a view of its own, is passed over: the next above
 * it that can be read is the container's.
 */
#include "base/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LENGTH = 4096 };

struct climb {
	const char *root, *controller;
	creel__cgroup_visit visit;
	void *ctx;
};

bool creel__read_text(char *text, size_t size, const char *path)
{
	int saved = errno, fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	errno = saved;
	return n > 0;
}

static void climb_from(const struct climb *c, const char *mount, const char *group, size_t length,
		       int version)
{
	char folder[PATH_LENGTH];
	int head = snprintf(folder, sizeof folder, "%s%s", c->root, mount);
	int n = snprintf(folder, sizeof folder, "%s%s%.*s", c->root, mount, (int)length, group);
	if (head < 0 || n < 0 || (size_t)n >= sizeof folder)
		return;
	while (c->visit(folder, version, c->ctx)) {
		char *slash = strrchr(folder + head, '/');
		if (!slash)
			return;
		*slash = 0;
	}
}

/* One line of /proc/self/cgroup: "0::/group" is version 2, "4:cpu,cpuacct:/group" version 1. */
static void climb_line(const struct climb *c, const char *line, size_t length)
{
	const char *controllers = memchr(line, ':', length), *end = line + length;
	const char *group = controllers
				    ? memchr(controllers + 1, ':', (size_t)(end - controllers) - 1)
				    : NULL;
	char names[128], name[32], mount[64];
	if (!group)
		return;
	size_t n = (size_t)(group - controllers) - 1, rest = (size_t)(end - group) - 1;
	group++;
	if (n == 0) {
		climb_from(c, "/sys/fs/cgroup", group, rest, 2);
		climb_from(c, "/sys/fs/cgroup/unified", group, rest, 2);
		return;
	}
	snprintf(names, sizeof names, ",%.*s,", (int)n, controllers + 1);
	snprintf(name, sizeof name, ",%s,", c->controller);
	snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", c->controller);
	if (strstr(names, name))
		climb_from(c, mount, group, rest, 1);
}

void creel__cgroup_climb(const char *root, pid_t pid, const char *controller,
			 creel__cgroup_visit visit, void *ctx)
{
	struct climb c = {root ? root : "", controller, visit, ctx};
	char path[PATH_LENGTH], text[PATH_LENGTH];
	if (pid)
		snprintf(path, sizeof path, "%s/proc/%d/cgroup", c.root, (int)pid);
	else
		snprintf(path, sizeof path, "%s/proc/self/cgroup", c.root);
	creel__read_text(text, sizeof text, path);
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		climb_line(&c, line, length);
		line += length + (line[length] == '\n');
	}
}

static bool read_in(char *text, size_t size, const char *folder, const char *name)
{
	char path[PATH_LENGTH + 32];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return creel__read_text(text, size, path);
}

static bool visit_memory(const char *folder, int version, void *ctx)
{
	char text[64], *end;
	uint64_t *least = ctx;
	if (read_in(text, sizeof text, folder,
		    version == 2 ? "memory.max" : "memory.limit_in_bytes")) {
		unsigned long long here = strtoull(text, &end, 10);
		if (end != text && here < *least)
			*least = here;
	}
	return true;
}

uint64_t creel__cgroup_memory(const char *root)
{
	uint64_t least = UINT64_MAX;
	creel__cgroup_climb(root, 0, "memory", visit_memory, &least);
	return least;
}

/* The first that can be read: with version 2 it counts those below as well. */
static bool visit_oom(const char *folder, int version, void *ctx)
{
	static const char field[] = "oom_kill ";
	char text[1024];
	uint64_t *count = ctx;
	if (!read_in(text, sizeof text, folder,
		     version == 2 ? "memory.events" : "memory.oom_control"))
		return true;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, field, sizeof field - 1) == 0)
			*count += strtoull(line + sizeof field - 1, NULL, 10);
	return false;
}

uint64_t creel__cgroup_oom_kills(const char *root, pid_t pid)
{
	uint64_t count = 0;
	creel__cgroup_climb(root, pid, "memory", visit_oom, &count);
	return count;
}
