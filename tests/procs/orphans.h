/* SPDX-License-Identifier: MIT */
/*
 * Finding every process that descends from a test, wherever it went: a mapping of shared memory is
 * inherited by all of them and named in /proc by a number of its own.
 */
#ifndef CREEL_TESTS_ORPHANS_H
#define CREEL_TESTS_ORPHANS_H

#include <stdint.h>
#include <sys/types.h>

/* The number of the shared anonymous mapping that p lies in, which no other mapping of the machine
 * has; 0 if there is none. */
uint64_t orphans_mark(const void *p);

/* How many processes have the mapping, the caller not counted; up to max of them in ret_pids. Those
 * that have ended and were not yet waited for have no mappings any more. */
unsigned orphans_count(uint64_t mark, pid_t *ret_pids, unsigned max);

/* Waits up to ms until there is none; how many there are then. */
unsigned orphans_await(uint64_t mark, int ms);

/* What the calling process has itself: open descriptors, shared mappings. */
unsigned orphans_count_fds(void);
unsigned orphans_count_maps(void);

#endif
