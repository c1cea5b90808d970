/* SPDX-License-Identifier: MIT */
/*
 * The executors that the library brings.
 *
 * OPTIONS  Zero means the default, NULL means all defaults; negative counts, unknown flags and
 *          non-zero reserved fields make a broken executor whose error names the field.
 */
#ifndef CREEL_POOLS_H
#define CREEL_POOLS_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

/* As idle_ns: idle workers never retire. */
#define CREEL_NEVER INT64_MAX

typedef struct creel_thread_pool_options {
	/* At most this many workers. Default: the CPUs of the process's affinity mask, or of its
	 * cgroup quota (rounded up) where that is less; never less than 1. */
	int max_workers;
	/* Idle workers retire down to this many. Default 0. At most max_workers. */
	int min_workers;
	/* None defined yet: 0. */
	unsigned flags;
	/* Bytes of stack a worker, at least PTHREAD_STACK_MIN. Default: the system's. */
	size_t stack_size;
	/* A worker idle for so many nanoseconds retires. Default 10 s; CREEL_NEVER keeps it. */
	int64_t idle_ns;
	/* Workers are named "<name>-<number>", cut to what the system takes. Default "creel". Copied. */
	const char *name;
	/* Runs first on every worker: what it stores in *ret_local is creel_task_local() for the
	 * tasks of that worker. worker counts from 0 and is never used twice. A return other than 0
	 * breaks the pool: what is queued and what comes later fails with that code. */
	int (*initializer)(void *ctx, unsigned worker, void **ret_local);
	/* Runs last on every worker whose initializer succeeded (or that had none). */
	void (*finalizer)(void *ctx, void *local);
	/* A failure that nobody read: of a creel_spawn(), or of a future whose last reference went.
	 * Called on the thread where that happened; must not block. It may be called after the pool
	 * was closed, as long as futures live. Default: nobody is told. */
	void (*on_unhandled)(void *ctx, const creel_error *error);
	/* Passed to the three above. */
	void *ctx;
	/* Must be zero. */
	uint64_t reserved[8];
} creel_thread_pool_options;

/*
 * A pool of threads. Workers start on demand, idle ones are used first, nothing spins and nothing
 * runs while it is idle. Workers block all signals but SEGV, BUS, FPE, ILL, TRAP, SYS, ABRT and PROF.
 * Never NULL; ends with creel_executor_close(). The options are copied. No thread is started here.
 */
CREEL_API creel_executor *creel_thread_pool_new(const creel_thread_pool_options *options);

/* Runs each task within creel_submit(), on the caller: its future is complete when submit
 * returns. For tests, and for turning concurrency off. Never NULL. */
CREEL_API creel_executor *creel_inline_new(void);

CREEL_END

#endif
