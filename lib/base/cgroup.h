/* SPDX-License-Identifier: MIT */
/* The control groups of a process: which there are, and what those of memory say. */
#ifndef CREEL__BASE_CGROUP_H
#define CREEL__BASE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The file's text, cut to size - 1; false, and an empty text, if it cannot be read. */
bool creel__read_text(char *text, size_t size, const char *path);

/* Whether to go on, to the group above. */
typedef bool (*creel__cgroup_visit)(const char *folder, int version, void *ctx);

/* Visits the groups of process pid (0: the caller) for a controller of version 1 ("cpu"), and those
 * of version 2: from its own up to the mount point. root is put before all paths, for tests; NULL:
 * none. */
void creel__cgroup_climb(const char *root, pid_t pid, const char *controller,
			 creel__cgroup_visit visit, void *ctx);

/* The most memory that the caller's groups allow; UINT64_MAX: any. */
uint64_t creel__cgroup_memory(const char *root);

/* How many processes the kernel has killed for want of memory in the group of process pid, or, with
 * version 2, below it; 0 if unknown. */
uint64_t creel__cgroup_oom_kills(const char *root, pid_t pid);

#endif
