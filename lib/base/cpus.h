/* SPDX-License-Identifier: MIT */
/* How many CPUs this process may keep busy. */
#ifndef CREEL__BASE_CPUS_H
#define CREEL__BASE_CPUS_H

/*
 * The CPUs of the affinity mask, or the cgroup's quota rounded up where that is less; at least 1.
 * root is where /proc and /sys are found: NULL is "", tests set another.
 */
int creel__cpus(const char *root);

/* The CPUs of the calling thread's affinity mask alone: one system call. At least 1. */
int creel__thread_cpus(void);

#endif
