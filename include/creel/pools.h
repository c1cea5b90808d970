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
	/* CREEL_KEEP_SIGNALS or 0. */
	unsigned flags;
	/* Must be zero. */
	uint32_t reserved32;
	/* Bytes of stack a worker, at least PTHREAD_STACK_MIN. Default: the system's. */
	size_t stack_size;
	/* A worker idle for so many nanoseconds retires. Default 10 s; CREEL_NEVER keeps it. */
	int64_t idle_ns;
	/* Workers are named "<name>-<number>", cut to what the system takes.
	 * Default "creel". Copied. */
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
	uint64_t reserved[24];
} creel_thread_pool_options;

/* Flags of thread pools. */
enum {
	/* Workers have the signal mask of the thread that made the pool, as it was then. The
	 * process's handlers may then run on them. */
	CREEL_KEEP_SIGNALS = 256
};

/*
 * A pool of threads. Workers start on demand, idle ones are used first, nothing spins and nothing
 * runs while it is idle. Never NULL; ends with creel_executor_close(). The options are copied. No
 * thread is started here.
 *
 * INHERITED  A worker has the CPU affinity and the nice value of the thread that made the pool, as
 *            they were then and as far as the system allows: a nice value can usually be raised
 *            only. Scheduling policy, credentials and namespaces are those of whichever thread
 *            starts the worker (one that submits, or another worker).
 * SIGNALS    Workers block all signals but SEGV, BUS, FPE, ILL, TRAP, SYS, ABRT and PROF, so that
 *            the host's handlers run on the host's threads. A program that a task starts inherits
 *            this mask: SIGTERM would not end it. Reset the mask in the child, between fork() and
 *            exec (with posix_spawn(): POSIX_SPAWN_SETSIGMASK and the same empty set):
 *
 *                sigset_t none;
 *                sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL);
 *
 *            Where tasks use system() or popen(), which leave no room for that, make the pool with
 *            CREEL_KEEP_SIGNALS.
 */
CREEL_API creel_executor *creel_thread_pool_new(const creel_thread_pool_options *options);

typedef struct creel_process_pool_options {
	/* At most this many worker processes, at most 256. Default as for threads. */
	int max_workers;
	/* Idle workers retire down to this many. Default 0. */
	int min_workers;
	/* CREEL_PROCESS_... values below, or'ed together, or 0. */
	unsigned flags;
	/* A worker is replaced after so many tasks. 0: never. */
	int tasks_per_worker;
	/* A worker idle for so long retires. Default 60 s; CREEL_NEVER keeps it. */
	int64_t idle_ns;
	/* The longest that a task may run, unless creel_submit_options.limit_ns says otherwise;
	 * then its worker is killed. 0: no limit. */
	int64_t limit_ns;
	/* Between SIGTERM and SIGKILL when a limit has passed. 0: SIGKILL at once. */
	int64_t grace_ns;
	/* The longest that a worker may take to start, its initializer included; and the longest
	 * that a new fork server may take. Default 60 s. */
	int64_t start_ns;
	/* At most so many bytes of arguments on their way and of creel_shared_alloc() together, and
	 * of the results of one worker that are held. Default: a quarter of the memory that the
	 * machine has, or that the host's control group allows; less where address space is
	 * rationed (RLIMIT_AS, 32 bits): then most of it is left to the host. */
	size_t shared_budget;
	/* A worker is replaced after a task if its private resident memory has grown by more than
	 * so many bytes since it became ready. Memory that it has from the host and shared memory
	 * do not count. 0: never. Needs /proc. */
	size_t recycle_bytes;
	/* Limits of each worker; 0: as the host. Private data in bytes (RLIMIT_DATA; what the host
	 * had counts), seconds of CPU time for one task (RLIMIT_CPU: SIGXCPU, and SIGKILL a second
	 * later), open descriptors (RLIMIT_NOFILE); nice is added. One that the system refuses
	 * breaks the pool when its first worker starts; the error has the value. */
	size_t memory_limit;
	int cpu_seconds, open_files, nice;
	/* Descriptors that workers keep beside 0, 1 and 2. Copied. */
	const int *keep_fds;
	size_t keep_fds_count;
	/* The process's name in ps and top, cut to what the system takes.
	 * Default "creel". Copied. */
	const char *name;
	/* As for threads, in each worker process. A code other than 0 breaks the pool; so do three
	 * workers in a row that die, or take too long, before they are ready. */
	int (*initializer)(void *ctx, unsigned worker, void **ret_local);
	void (*finalizer)(void *ctx, void *local);
	/* As for threads; in the parent. */
	void (*on_unhandled)(void *ctx, const creel_error *error);
	void *ctx;
	/* Must be zero. */
	uint64_t reserved[24];
} creel_process_pool_options;

enum {
	/* The first worker that dies in a task breaks the pool, as in CPython. */
	CREEL_PROCESS_BREAK_ON_DEATH = 1,
	/* The loss of the fork server breaks the pool. By default the pool forks a new server from
	 * the host as it is by then: use this flag in a host that must prepare each fork, or that
	 * has dropped privileges or loaded secrets since the pool was made. */
	CREEL_PROCESS_BREAK_ON_LOSS = 2
};

/*
 * A pool of processes: a task that crashes, hangs or leaks costs one future and nothing
 * else. Linux only.
 *
 * INHERITED  As for threads: affinity and nice value of the thread that made the pool, whichever
 *        thread renews the server. Signal masks and dispositions are reset.
 * FORK   This call forks a server, of which workers are forked on demand: they have what the host
 *        had at this moment, functions and global data included. Create the pool early, while the
 *        host is small and has no other threads. What a task calls must not need a lock that
 *        another thread of the host held at that moment (malloc and stdio are safe).
 * EXIT   A task may call exit(). The worker runs the exit handlers that its tasks registered, none
 *        of the host's, flushes its stdout and stderr, and ends. Where the C library has no
 *        on_exit() (musl), nobody knows the status of exit(): exit_status is 255.
 * SIGNALS  Workers start with all signals at their defaults, but ignore SIGTTIN and SIGTTOU: a task
 *        that touches the terminal gets EIO instead of being stopped. Programs inherit that. To
 *        reset it, call between fork() and exec():
 *                signal(SIGTTIN, SIG_DFL);
 *                signal(SIGTTOU, SIG_DFL);
 *        or, for posix_spawn(), put both into POSIX_SPAWN_SETSIGDEF.
 * FORKS  A child that returns from a function that the library called, in a worker or on a thread
 *        of the library's, ends there with _exit(): with what the function returned, or 0.
 * ERRORS A worker's death fails the one task that it ran: kind worker died (signal), exited
 *        (exit_status), timed out or killed, with pid. Everything else goes on in other workers.
 * Never NULL: what cannot be had is a broken executor. The options are copied.
 */
CREEL_API creel_executor *creel_process_pool_new(const creel_process_pool_options *options);

/* Runs each task within creel_submit(), on the caller: its future is complete when submit
 * returns. For tests, and for turning concurrency off. Never NULL. */
CREEL_API creel_executor *creel_inline_new(void);

CREEL_END

#endif
