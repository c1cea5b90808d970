/* SPDX-License-Identifier: MIT */
/*
 * The executors of the library: thread pool, process pool and inline executor.
 *
 * OPTIONS  Options are copied. NULL means all defaults. In each field, 0 means the default.
 *          Negative counts, unknown flags and reserved fields that are not zero give a broken
 *          executor, whose error names the field.
 */
#ifndef CREEL_POOLS_H
#define CREEL_POOLS_H

#include <creel/base.h>
#include <creel/error.h>

CREEL_BEGIN

/* A value for idle_ns: idle workers never retire. */
#define CREEL_NEVER INT64_MAX

typedef struct creel_thread_pool_options {
	/* The maximum number of workers that run tasks at once; blocked ones do not count (BLOCKED
	 * below). Default: the number of CPUs in the process's affinity mask, or its cgroup quota
	 * (rounded up) if that is less; at least 1.
	 * 0 means this default. So if you compute the number, make sure that it is at least 1: a
	 * computed 0 gives as many workers as CPUs. */
	int max_workers;
	/* This many idle workers never retire. Default: 0. At most max_workers. */
	int min_workers;
	/* CREEL_KEEP_SIGNALS, CREEL_PRESTART, CREEL_RENDEZVOUS,
	 * CREEL_TRACE, or 0. */
	unsigned flags;
	/* Who may run a pending task instead of waiting for it: CREEL_HELP_WORKERS (the default),
	 * CREEL_HELP_NONE or CREEL_HELP_ANY. */
	int help;
	/* The stack size of each worker in bytes, at least PTHREAD_STACK_MIN. Default: the
	 * system's. */
	size_t stack_size;
	/* A worker that is idle for this many nanoseconds retires. Default: 10 s. CREEL_NEVER: it
	 * never does. */
	int64_t idle_ns;
	/* Threads are named "<name>-<number>", cut to the length that the system allows.
	 * Default: "creel". */
	const char *name;
	/* Runs first on every worker. creel_task_local() gives the worker's tasks what it stores in
	 * *ret_local. worker is the worker's number, as creel_task_worker() gives it.
	 * If it returns anything but 0, the pool breaks: queued and later tasks fail with that
	 * code. creel_fail(NULL, code, ...) says why. */
	int (*initializer)(void *ctx, unsigned worker, void **ret_local);
	/* Runs last on every worker, unless the worker's initializer failed. */
	void (*finalizer)(void *ctx, void *local);
	/* Called for each failure that nobody read: of a creel_spawn(), or of a future whose last
	 * reference was dropped unread. Runs on the thread where that happened, and must not block.
	 * It may run after the pool is closed, as long as futures live. A failure that a task took
	 * over from another future (creel_then(), creel_return_future()) is told to the hook of the
	 * executor that it comes from. Default: no call. */
	void (*on_unhandled)(void *ctx, const creel_error *error);
	/* The first argument of the three functions above. */
	void *ctx;
	/* How long an idle worker waits for work before it sleeps, in nanoseconds. Waking one that
	 * does takes no system call; the CPU is busy meanwhile, and every idle worker waits so. Try
	 * CREEL_US(50) where tasks follow each other at short intervals. Without effect if the
	 * process may use only one CPU when it makes the pool. Default: 0, it only looks for some
	 * microseconds if that has helped it lately. */
	int64_t spin_ns;
	/* How many tasks may wait, beside those that run: at most max_workers + capacity tasks are
	 * accepted, have not ended and are not blocked. Default: no bound. For none to wait see
	 * CREEL_RENDEZVOUS. */
	int capacity;
	/* What a submission does when the pool is full, unless creel_submit_options.overflow says
	 * otherwise: CREEL_OVERFLOW_BLOCK (the default), _FAIL, or _CALLER, which a pool with an
	 * initializer cannot have. */
	int overflow;
	/* The maximum number of threads, blocked ones included. When a task blocks, another thread
	 * takes its place if tasks wait: see BLOCKED below. Default: max_workers + 1,024, also
	 * after creel_executor_resize(). Set it to max_workers to have no more threads than that.
	 * At least max_workers; it limits the default of max_workers. */
	int max_threads;
	/* Must be zero. */
	uint32_t reserved32;
	/* How long a list of waiting tasks ages until it counts as one band higher, in nanoseconds
	 * (creel_submit_options.band). CREEL_NEVER: it does not age, and a task may wait for ever
	 * behind those of higher bands. Default: 100 ms. */
	int64_t ageing_ns;
	/* Must be zero. */
	uint64_t reserved[20];
} creel_thread_pool_options;

/*
 * Values of creel_thread_pool_options.help. A thread that waits for a task which has not started
 * may run the task itself, inside creel_future_result() or another call that waits for a future
 * with CREEL_FOREVER. That saves two thread switches. With a deadline nobody helps: the wait must
 * end in time.
 *
 * CREEL_HELP_WORKERS  The pool's workers help: a task that waits for another task of its pool.
 * CREEL_HELP_NONE     Nobody helps. With one worker, tasks start strictly in the order of
 *                     submission.
 * CREEL_HELP_ANY      Also threads that belong to no pool, such as the main thread. The task then
 *                     runs with the stack and the signal mask of that thread, beside the
 *                     max_workers that the pool's own workers may run. There creel_task_local()
 *                     is NULL and creel_task_worker() is UINT_MAX, so it is refused together with
 *                     an initializer. A task that calls pthread_exit() ends that thread. Workers
 *                     of other pools, callbacks and destructors do not help.
 */
enum { CREEL_HELP_WORKERS = 0, CREEL_HELP_NONE = 1, CREEL_HELP_ANY = 2 };
/* A flag of both pools: a capacity of 0. A submission is accepted when fewer than max_workers tasks
 * have not ended. */
enum { CREEL_RENDEZVOUS = 1024 };

/* Flags of thread pools. */
enum {
	/* Workers get the signal mask that the thread which makes the pool has at that moment. So
	 * the process's signal handlers may run on workers. */
	CREEL_KEEP_SIGNALS = 256,
	/* creel_thread_pool_new() starts min_workers threads, and returns a broken executor if the
	 * system refuses one. It does not wait for their initializers. */
	CREEL_PRESTART = 512,
	/* Of process pools, too: the pool is traced. Its workers show what they run, for
	 * creel_report(), and creel_executor_histogram() says how long tasks wait and run. Each
	 * task then takes a note on the heap and three looks at the clock. */
	CREEL_TRACE = 2048
};

/*
 * Makes a pool of threads. Workers start on demand; no thread starts in this call, unless you ask
 * for it (CREEL_PRESTART). Idle workers are used before new ones start. A worker that becomes idle
 * looks for work for some microseconds, if that has helped it lately and there are several CPUs,
 * and then sleeps (but see spin_ns): an idle pool uses no CPU. Never returns NULL. End the pool
 * with creel_executor_close().
 *
 * BLOCKED    A worker that blocks in a call of creel's, or between creel_blocking_begin() and
 *            creel_blocking_end(), does not count for max_workers meanwhile. If tasks wait, another
 *            worker runs them. So tasks may wait for tasks of their own pool, in every way and to
 *            any depth that max_threads allows. When the call returns, one worker may be too many:
 *            the next one that ends its task takes no other, and sleeps as a spare until it is
 *            needed or idle_ns is over. Initializers and finalizers keep their worker's place.
 *
 *            If the pool has max_threads threads, or the system refuses one, a task that blocks
 *            keeps its place. The call returns -EAGAIN at once only if it has no deadline, tasks
 *            wait, and all other workers are blocked.
 * REFUSED    The system may refuse a thread. If the pool has a worker that is not blocked, that is
 *            no failure: the task waits for that worker. An attempt is slow. So the pool tries the
 *            next thread when a worker has gone idle or left, and otherwise once in 1,000
 *            submissions. Without such a worker the submission fails with -EAGAIN or -ENOMEM.
 * INHERITED  A worker gets the CPU affinity and the nice value of the thread that made the pool, as
 *            they were then and as far as the system allows. (Without privileges a nice value can
 *            only be raised.) It gets the scheduling policy, credentials and namespaces of the
 *            thread that starts it: a thread that submits, or another worker.
 * SIGNALS    Workers block all signals except SEGV, BUS, FPE, ILL, TRAP, SYS, ABRT and PROF, so
 *            that the host's handlers run on the host's threads. A program that a task starts
 *            inherits this mask: SIGTERM would not end it. Reset the mask in the child, between
 *            fork() and exec (with posix_spawn(): POSIX_SPAWN_SETSIGMASK and the same empty set):
 *
 *                sigset_t none;
 *                sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL);
 *
 *            system() and popen() leave no room for that: if tasks use them, make the pool with
 *            CREEL_KEEP_SIGNALS.
 */
CREEL_API creel_executor *creel_thread_pool_new(const creel_thread_pool_options *options);

typedef struct creel_process_pool_options {
	/* The maximum number of worker processes, at most 256. 0 means the default, which is that
	 * of thread pools: beware of a computed 0 here, too. */
	int max_workers;
	/* This many idle workers never retire. Default: 0. At most max_workers. */
	int min_workers;
	/* CREEL_PROCESS_... flags, CREEL_RENDEZVOUS, CREEL_TRACE, or 0. */
	unsigned flags;
	/* A worker is replaced after this many tasks. Default: never. */
	int tasks_per_worker;
	/* A worker that is idle for this many nanoseconds retires. Default: 60 s. CREEL_NEVER: it
	 * never does. */
	int64_t idle_ns;
	/* How long a task may run, unless creel_submit_options.limit_ns says otherwise. When the
	 * time is over, the pool kills the worker. Default: no limit. */
	int64_t limit_ns;
	/* The time between SIGTERM and SIGKILL when a time limit is over. Default: SIGKILL at
	 * once. */
	int64_t grace_ns;
	/* How long a worker may take to start, its initializer included. It also limits the start
	 * of a new fork server. Default: 60 s. */
	int64_t start_ns;
	/* Limits, in bytes, two things: arguments on their way and creel_shared_alloc() together;
	 * and, for each worker, the results that are held. Default: a quarter of the machine's
	 * memory, or of what the host's control group allows. It is less if address space is
	 * scarce (RLIMIT_AS, 32 bits): most of that is left to the host. */
	size_t shared_budget;
	/* A worker is replaced after a task if its private resident memory has grown by more than
	 * this many bytes since it became ready. Memory inherited from the host and shared memory
	 * do not count. Default: never. Needs /proc. */
	size_t recycle_bytes;
	/* Limits of each worker. Default: the host's. memory_limit: private data in bytes
	 * (RLIMIT_DATA; data inherited from the host counts). cpu_seconds: CPU time of one task
	 * (RLIMIT_CPU: SIGXCPU up to a second after that, and SIGKILL a second later). open_files:
	 * open descriptors (RLIMIT_NOFILE). nice: added to the nice value. If the system refuses
	 * one, the pool breaks when its first worker starts; the error has the value. */
	size_t memory_limit;
	int cpu_seconds, open_files, nice;
	/* Must be zero. */
	uint32_t reserved32;
	/* Descriptors that workers keep, besides 0, 1 and 2. The array is copied. */
	const int *keep_fds;
	size_t keep_fds_count;
	/* The name of worker processes in ps and top, cut to the length that the system allows.
	 * Default: "creel". */
	const char *name;
	/* As in thread pools, but they run in each worker process. If the initializer returns
	 * anything but 0, or calls creel_fail(NULL, ...), the pool breaks. It also breaks if
	 * three workers in a row die, or take too long, before they are ready. */
	int (*initializer)(void *ctx, unsigned worker, void **ret_local);
	void (*finalizer)(void *ctx, void *local);
	/* As in thread pools; it runs in the host. */
	void (*on_unhandled)(void *ctx, const creel_error *error);
	void *ctx;
	/* As in thread pools; but CREEL_OVERFLOW_CALLER would run a task in the host, and is
	 * refused. */
	int capacity;
	int overflow;
	/* How long a list of waiting tasks ages until it counts as one band higher, in nanoseconds
	 * (creel_submit_options.band). CREEL_NEVER: it does not age, and a task may wait for ever
	 * behind those of higher bands. Default: 100 ms. */
	int64_t ageing_ns;
	/* Must be zero. */
	uint64_t reserved[22];
} creel_process_pool_options;

enum {
	/* The pool breaks when a worker dies, as in CPython: in a task, or while it has none. Not
	 * when the pool ends it: a kill, a time limit, tasks_per_worker, the idle time. */
	CREEL_PROCESS_BREAK_ON_DEATH = 1,
	/* The pool breaks when its fork server dies. Without this flag it forks a new server from
	 * the host as it is then. Use the flag if the host must prepare each fork, or if it has
	 * dropped privileges or loaded secrets since it made the pool. */
	CREEL_PROCESS_BREAK_ON_LOSS = 2
};

/*
 * Makes a pool of processes: a task that crashes, hangs or leaks costs one future and nothing else.
 * Linux only. Never returns NULL. End the pool with creel_executor_close().
 *
 * FORK   This call forks a server, and the server forks workers on demand. Workers have what the
 *        host had at this moment, functions and global data included. Create the pool early, while
 *        the host is small and has no other threads. A task must not need a lock that another
 *        thread of the host held at this moment (malloc and stdio are safe).
 * ERRORS A worker's death fails the one task that it ran. The error's kind is worker died (with
 *        signal), exited (with exit_status), timed out or killed, and it has the pid. Other tasks
 *        go on in other workers.
 * EXIT   A task may call exit(). The worker runs the exit handlers that its tasks registered, but
 *        none of the host's, flushes its stdout and stderr, and ends. If the C library has no
 *        on_exit() (musl), the status of exit() is unknown: exit_status is 255.
 * INHERITED  As in thread pools: the affinity and nice value of the thread that made the pool, also
 *        if another thread renews the server. Signal masks and dispositions are reset.
 * SIGNALS  Workers start with all signals at their defaults, but ignore SIGTTIN and SIGTTOU: a task
 *        that reads from the terminal gets EIO instead of being stopped. Programs inherit that. To
 *        reset it, call between fork() and exec():
 *                signal(SIGTTIN, SIG_DFL);
 *                signal(SIGTTOU, SIG_DFL);
 *        or, for posix_spawn(), put both into POSIX_SPAWN_SETSIGDEF.
 * FORKS  If a task (or another function that the library calls in a worker or on a thread of its
 *        own) forks, and the child returns from the function, the child ends there with _exit():
 *        with what the function returned, or 0.
 */
CREEL_API creel_executor *creel_process_pool_new(const creel_process_pool_options *options);

/* Makes an executor that runs each task inside creel_submit(), on the caller: the future is final
 * when submit returns. Use it in tests, and to turn concurrency off. Never returns NULL. */
CREEL_API creel_executor *creel_inline_new(void);

CREEL_END

#endif
