/* SPDX-License-Identifier: MIT */
/*
 * The suites of the process pool, procs_...: a test c25_... shows promise 25 of the contract,
 * i02_... invariant 2 of the process pool, bad_... what bad input gets.
 *
 * SHARED  Tasks run in other processes: gates, counters and reports lie in the arena of
 *         support/shared.h, and what fails in a task comes back as its result.
 * CENSUS  After every test: descriptors, threads, mappings and children as before, and no process
 *         anywhere that descends from it.
 */
#ifndef CREEL_TESTS_PROCS_H
#define CREEL_TESTS_PROCS_H

#include "census.h"
#include "ct.h"
#include "shared.h"
#include "tasks.h"

#include <creel/creel.h>
#include <errno.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#define PT_MS INT64_C(1000000)

#define CASE_OFF(suite, name, off)                                                                 \
	static void case_##name(void);                                                             \
	CT_TEST(procs_##suite, name, off)                                                          \
	{                                                                                          \
		pt_case(case_##name);                                                              \
	}                                                                                          \
	static void case_##name(void)
#define CASE(suite, name) CASE_OFF(suite, name, 0)

/* Runs a case between two censuses. */
void pt_case(void (*run)(void));
/* The mark of the arena: see orphans.h. */
uint64_t pt_mark(void);

/* Sound pools. */
creel_executor *pt_pool_with(creel_process_pool_options options);
creel_executor *pt_pool(int max_workers);
/* With the start_ns of o, or where the fork server takes longer, twice that, and so on. */
creel_executor *pt_pool_in_time(creel_process_pool_options *o);
creel_stats pt_stats(creel_executor *ex);

/* Waits for a failure of that kind. */
const creel_error *pt_failure(creel_future *f, int kind);
/* Shows that the pool works: some tasks, with their right results. */
void pt_works(creel_executor *ex);

/* A process by its pidfd: killing it, awaiting its end (which closes the pidfd). */
int pt_pidfd(pid_t pid);
void pt_kill(int pidfd, int signal);
void pt_await_gone(int pidfd);
/* Runs fn in a forked child (a host of its own) and returns its wait status. */
int pt_host(void (*fn)(void *arg), void *arg);
pid_t pt_host_start(void (*fn)(void *arg), void *arg);
int pt_host_end(pid_t pid);
/* Whether a child could become that user and group: not without rights, and not in a namespace
 * that does not have them. */
bool pt_can_become(uid_t id);

/* The next `times` orders of that type (procs/child.h) find the server's socket full. */
void pt_refuse_orders(char type, unsigned times);
/* How many of them have not come yet. */
unsigned pt_refusals_left(void);

/* The next to fork forks a child of the host's before, which only stays, with all that the
 * host has open; and its end. */
void pt_hold_next_fork(void);
void pt_hold_end(void);

/* In a forked host: ends it, and with it the test, unless so. */
#define HOST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: in the host: not so: %s\n", __FILE__, __LINE__,    \
				#condition);                                                       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* In a task: fails it, with the place, unless so. */
#define TASK(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return creel_fail(task, -EBADE, "%s:%d: not so: %s", __FILE__, __LINE__,   \
					  #condition);                                             \
	} while (0)

/* Which process runs a task. */
struct pt_ids {
	pid_t pid, server;
	unsigned worker;
};
int task_ids(creel_task *task, const void *arg, size_t size);
struct pt_ids pt_ids(creel_executor *ex);

/* Reports its pid, says that it started, waits for the gate, returns value. */
struct pt_gated {
	struct ct_count *started, *gate;
	struct pt_ids *ids; /* in the arena, or NULL */
	long value;
};
int task_gated(creel_task *task, const void *arg, size_t size);
creel_future *pt_submit_gated(creel_executor *ex, const struct pt_gated *gated);
struct pt_gated pt_gated(long value);

/* Ends its worker, in one of many ways, having said which one it is and that it ran. */
enum pt_how {
	PT_SEGV,
	PT_ABORT,
	PT_KILL,
	PT_FPE,
	PT_BUS,
	PT_TERM,
	PT_EXIT_0,
	PT_EXIT_3,
	PT__EXIT_0,
	PT__EXIT_7,
	PT_PTHREAD_EXIT,
	PT_STOP,
	PT_HANG,
	PT_HOWS
};
struct pt_crash {
	enum pt_how how;
	struct pt_ids *ids;   /* or NULL */
	struct ct_count *ran; /* or NULL */
};
int task_crash(creel_task *task, const void *arg, size_t size);
creel_future *pt_submit_crash(creel_executor *ex, enum pt_how how, const char *name,
			      struct pt_ids *ids, struct ct_count *ran);

#endif
