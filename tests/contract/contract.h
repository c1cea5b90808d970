/* SPDX-License-Identifier: MIT */
/*
 * The contract suite: each case written once and registered for every executor, as the test
 * contract_<executor>.<case>. A case named c09_... shows promise 9 of the contract, rule_... a rule
 * that holds everywhere, bad_... what bad input gets.
 *
 * NEEDS   What a case asks of an executor stands in its CASE() line; where the executor has it not,
 *         the case does not apply and is reported as skipped (n/a in the table).
 * SHARED  Tasks may run in another process: what they touch beyond their argument lies in the
 *         arena of support/shared.h, and what they say comes back as their result. Cases that
 *         cannot do so need CT_INPROC.
 * MPI     With CT_MPI the suite is a program for mpirun (tests/mpi/contract.c), and has one
 *         executor. Its tasks run in processes that were there before the case began: what a case
 *         writes into a variable they do not see.
 */
#ifndef CREEL_TESTS_CONTRACT_H
#define CREEL_TESTS_CONTRACT_H

#include "census.h"
#include "ct.h"
#include "faults.h"
#include "shared.h"
#include "tasks.h"

#include <creel/creel.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* In a child: says what is not so, and ends it. */
#define CHILD(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: in the child: not so: %s\n", __FILE__, __LINE__,   \
				#condition);                                                       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

enum {
	CT_CORE = 1,      /* no executor at all: such cases run once, in the suite contract_core */
	CT_EX = 2,        /* any executor */
	CT_ASYNC = 4,     /* tasks run after submit returned: they can be held up, and be pending */
	CT_STRICT = 8,    /* tasks start in the order of submission, one at a time */
	CT_PARALLEL = 16, /* at least two run at once */
	CT_INPROC = 32,   /* tasks run in the process of the test */
	CT_POOL = 64,     /* a thread pool: creel_thread_pool_options apply */
	CT_SYNC = 128,    /* tasks run within submit */
	CT_COUNTS = 256,  /* creel_stats counts workers */
	CT_OVER = 1024,   /* over a pool: it has that one's workers and bands */
	CT_SYSTEM = 512,  /* not the executor but the system has it: see CT_LINUX */
	CT_NOWHERE = 2048, /* nothing has it */
	CT_RESIZES = 4096, /* creel_executor_resize() works */
	CT_LAYERS = 16384, /* two adaptors over another executor */
	CT_APART = 8192    /* what the function gets is a task of another executor, in a process of
			      its own; a request to stop takes a while to get there */
};

/* What an executor over the ranks of MPI is, and what all others have that it has not. */
enum {
	/* Ranks, which have pools with one worker each. While tasks are not short each rank has one
	 * more, which counts as running. */
	CT_RANKS = 32768,
	/* Not the executor but the test: it may fork. */
	CT_FORK = 65536,
	/* What an address of the test's means it means to the tasks, too: they have the test's
	 * memory, or a copy of it, and a reference is no bad argument. */
	CT_REFS = 131072,
	/* It shares its workers with no other executor of its kind. */
	CT_ALONE = 262144,
	/* A worker with nothing to do gets whatever has not started. */
	CT_PROMPT = 524288
};

/* More needs: of the build. */
enum {
	/* Blocks are used again: an allocation of one is not a malloc(). */
	CT_KEEPS_BLOCKS = CT_ASAN || CT_MEMCHECK ? CT_NOWHERE : 0,
	/* What a thread held that a callback ended is lost. */
	CT_MAY_LEAK = CT_ASAN || CT_MEMCHECK ? CT_NOWHERE : 0,
	/* A forked child makes threads: gcc's run-time system of ThreadSanitizer cannot. */
	CT_CHILD_THREADS = CT_TSAN ? CT_NOWHERE : 0,
	/* Nor is AddressSanitizer's malloc() sound in a child forked beside a busy thread. */
	CT_BUSY_FORK = CT_ASAN || CT_TSAN ? CT_NOWHERE : 0
};

enum {
#ifdef CT_MPI
	CT_HERE = CT_LINUX * CT_SYSTEM,
#else
	CT_HERE = CT_LINUX * CT_SYSTEM | CT_FORK | CT_REFS | CT_ALONE | CT_PROMPT,
#endif
	CT_FLAGS_core = CT_CORE,
	CT_FLAGS_inline = CT_EX | CT_STRICT | CT_INPROC | CT_SYNC,
	CT_FLAGS_custom = CT_EX | CT_ASYNC | CT_STRICT | CT_INPROC,
	CT_FLAGS_bare = CT_FLAGS_custom,
	CT_FLAGS_over = CT_FLAGS_custom | CT_OVER | CT_LAYERS,
	CT_FLAGS_over_procs = CT_EX | CT_ASYNC | CT_STRICT | CT_OVER | CT_LAYERS,
	/* Where there is no epoll there is no driven executor. */
	CT_FLAGS_driven = CT_LINUX * CT_FLAGS_custom,
	CT_FLAGS_pool = CT_EX | CT_ASYNC | CT_INPROC | CT_POOL | CT_COUNTS | CT_RESIZES,
	CT_FLAGS_pool1 = CT_FLAGS_pool | CT_STRICT,
	CT_FLAGS_pool4 = CT_FLAGS_pool | CT_PARALLEL,
	CT_FLAGS_procs = CT_EX | CT_ASYNC | CT_COUNTS | CT_RESIZES | CT_PARALLEL,
	CT_FLAGS_procs1 = CT_EX | CT_ASYNC | CT_COUNTS | CT_RESIZES | CT_STRICT,
	CT_FLAGS_forks = CT_EX | CT_ASYNC | CT_RESIZES | CT_PARALLEL | CT_APART,
	CT_FLAGS_over_forks = CT_EX | CT_ASYNC | CT_STRICT | CT_APART | CT_LAYERS,
	/* Of two ranks with one worker each. */
	CT_FLAGS_mpi = CT_EX | CT_ASYNC | CT_PARALLEL | CT_APART | CT_RANKS
};

/* The executors: a line here, a CT_FLAGS_ above and an entry in contract.c add one. */
#ifdef CT_MPI
#define CT_EXECUTORS(ON, name, needs) ON(mpi, name, needs)
#else
#define CT_EXECUTORS(ON, name, needs)                                                              \
	ON(inline, name, needs)                                                                    \
	ON(custom, name, needs)                                                                    \
	ON(bare, name, needs)                                                                      \
	ON(driven, name, needs)                                                                    \
	ON(over, name, needs)                                                                      \
	ON(pool, name, needs)                                                                      \
	ON(pool1, name, needs)                                                                     \
	ON(pool4, name, needs)                                                                     \
	ON(procs, name, needs)                                                                     \
	ON(procs1, name, needs)                                                                    \
	ON(over_procs, name, needs)                                                                \
	ON(forks, name, needs)                                                                     \
	ON(over_forks, name, needs)
#endif

/* As the index of an executor: none. */
enum {
	CT_IS_core,
	CT_IS_inline,
	CT_IS_custom,
	CT_IS_bare,
	CT_IS_over,
	CT_IS_driven,
	CT_IS_pool,
	CT_IS_pool1,
	CT_IS_pool4,
	CT_IS_procs,
	CT_IS_procs1,
	CT_IS_over_procs,
	CT_IS_forks,
	CT_IS_over_forks,
	CT_IS_mpi
};

#define CT_ON(executor, name, needs)                                                               \
	CT_TEST(contract_##executor, name, ((CT_FLAGS_##executor | CT_HERE) & (needs)) != (needs)) \
	{                                                                                          \
		ct_case(CT_IS_##executor, case_##name);                                            \
	}

/* A case for every executor that has what it needs. */
#define CASE(name, needs)                                                                          \
	static void case_##name(void);                                                             \
	CT_EXECUTORS(CT_ON, name, (CT_EX | (needs)))                                               \
	static void case_##name(void)

/* A case that needs no executor, or makes its own. */
#define CORE_CASE(name) CORE_CASE_WITH(name, 0)
#define CORE_CASE_WITH(name, needs)                                                                \
	static void case_##name(void);                                                             \
	CT_ON(core, name, (CT_CORE | (needs)))                                                     \
	static void case_##name(void)

/* Runs a case between two censuses. */
void ct_case(int executor, void (*run)(void));

/* A new executor of the kind under test. */
creel_executor *ct_executor(void);
/* A thread pool with these options, its size that of the one under test unless given. */
creel_executor *ct_pool(creel_thread_pool_options options);
/* A pool of the kind under test with one worker, an initializer, and perhaps a hook for unread
 * failures. */
creel_executor *ct_initialized(int (*fn)(void *ctx, unsigned worker, void **ret_local), void *ctx);
creel_executor *ct_initialized_told(int (*fn)(void *ctx, unsigned worker, void **ret_local),
				    void (*told)(void *ctx, const creel_error *error), void *ctx);
/* Whether a task that has ended was cancelled before it started. One that was sent ahead counts as
 * running, and then as one that stopped when it was asked to. */
bool ct_never_ran(creel_future *f);
/* Which flags the executor under test has. */
bool ct_is(int flags);
/* As many tasks as can run at once, at most; 0 if they run within submit. */
unsigned ct_width(void);

/* Where it takes many tasks, or rounds: n, or a few where each task costs a process. */
unsigned ct_many(unsigned n);

/* Keeps every worker busy, so that what is submitted later stays pending. */
struct ct_hold {
	struct ct_count *started, *gate;
	creel_future **blockers;
	unsigned n;
};
void ct_hold(struct ct_hold *h, creel_executor *ex);
/* The same for an executor that runs n at once. */
void ct_hold_n(struct ct_hold *h, creel_executor *ex, unsigned n);
void ct_release(struct ct_hold *h);
/* If it is one that sends ahead what is short: until there are short tasks again it sends one for
 * each worker. */
void ct_slow_down(creel_executor *ex);

/* A thread of the test's. It publishes its id, so that others can await that it sleeps. */
struct ct_thread;
struct ct_thread *ct_thread_start(void *(*fn)(void *arg), void *arg);
int ct_thread_id(struct ct_thread *t);
void *ct_thread_join(struct ct_thread *t);

/* Tasks, beside those of support/tasks.h. long -> long: the same. */
int task_same(creel_task *task, const void *arg, size_t size);
/* int -> fails with that code and the message "on purpose". */
int task_fail(creel_task *task, const void *arg, size_t size);

/* Says that it started, waits for the gate, returns value. */
struct ct_gated {
	struct ct_count *started, *gate;
	long value;
};
int task_gated(creel_task *task, const void *arg, size_t size);
creel_future *ct_submit_gated(creel_executor *ex, struct ct_count *started, struct ct_count *gate,
			      long value);

/* Adds value to the log. */
struct ct_logged {
	struct ct_log *log;
	long value;
};
int task_log(creel_task *task, const void *arg, size_t size);
creel_future *ct_submit_log(creel_executor *ex, struct ct_log *log, long value);

#endif
