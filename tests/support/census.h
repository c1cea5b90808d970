/* SPDX-License-Identifier: MIT */
/*
 * What the process holds, before and after: descriptors, threads, children,
 * mappings of shared memory.
 */
#ifndef CREEL_TESTS_CENSUS_H
#define CREEL_TESTS_CENSUS_H

#include "ct.h"

#define CT_CENSUS_FDS 256

struct ct_census {
	unsigned char fds[CT_CENSUS_FDS];
	unsigned threads;
	unsigned shared_maps;
};

void ct_census_take(struct ct_census *c);

/* Fails unless everything is as it was. A thread that has ended, joined or not, may stay in /proc
 * for a moment: that is waited for. */
void ct_census_same(const struct ct_census *before);

/* How many threads the process has. */
unsigned ct_threads(void);

/* The ids of the threads whose name begins with prefix; returns how many, writes up to max. */
unsigned ct_threads_named(const char *prefix, int *ret_tids, unsigned max);

/* A field of /proc/self/task/<tid>/status ("voluntary_ctxt_switches"); -1 if there is none. */
long ct_thread_status(int tid, const char *field);

/* Waits until the thread sleeps in the kernel: the nearest thing to an event for "it waits". */
void ct_await_asleep(int tid);

/* Waits until all of them sleep, in the same moment: with nobody else under way, none of them does
 * so for a lock. Returns how often each has gone to sleep ("voluntary_ctxt_switches"). */
void ct_await_all_asleep(const int *tids, unsigned n, long *ret_switches);

#endif
