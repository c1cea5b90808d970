/* SPDX-License-Identifier: MIT */
/*
 * Jobs: work that needs no memory of the library's. The caller owns the job, usually as the first
 * member of a struct with the job's data, often on its stack. There are two ways to run one:
 *
 * FORK   A running task (or job) forks jobs and joins them: a few nanoseconds each. Idle workers of
 *        the thread pool steal forked jobs, the oldest first. A job that nobody has stolen runs in
 *        its join, as a function call. On other executors every job runs in its join.
 * POST   Hands one job to a thread pool. A worker runs it once; there is no future.
 *
 * HANDLE  A job's function gets a creel_task, as tasks do. It works for creel_job_fork(), _join(),
 *         creel_task_worker(), _local(), _executor() and _cancelled(), which tells about the
 *         task that forked. A job has no result and no future: creel_return(), creel_return_move()
 *         and creel_fail() return -EINVAL, creel_return_reserve() and creel_task_future() return
 *         NULL. The handle is valid until the function returns.
 * ORDER   What the caller did before it forked or posted happens-before the job's function. What
 *         the function did happens-before the return of the join.
 *
 * ALGORITHM  The deque of Chase and Lev (SPAA 2005), with the memory orders of Le, Pop, Cohen and
 * Zappa Nardelli (PPoPP 2013); a join whose job was stolen runs jobs of the thief meanwhile, as in
 * Wagner and Calder's leapfrogging (PPoPP 1993).
 *
 * Threads that end
 *
 * A job that ends its thread (pthread_exit()) counts as done. Its join returns CREEL_EFAILED, and
 * the task that forked fails as exited. A task or job must not end its thread while jobs that lie
 * on its stack are forked and not joined.
 */
#ifndef CREEL_JOBS_H
#define CREEL_JOBS_H

#include <creel/base.h>

CREEL_BEGIN

/* One job. Initialise it with CREEL_JOB_INIT, or with zeros. It must not move while it is forked or
 * posted. */
typedef struct creel_job {
	uint64_t opaque[8];
} creel_job;

#define CREEL_JOB_INIT                                                                             \
	{                                                                                          \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

/* The function of a job. It may fork and join jobs with the task that it gets. Before it returns,
 * the library joins the jobs that it has forked and not joined. */
typedef void (*creel_job_fn)(creel_job *job, creel_task *task);

/*
 * Forks: fn(job, ...) runs exactly once, at the latest in the join. Only the thread that runs task
 * may call it, with the task or job handle that its function got. Does not block and allocates
 * nothing. The caller keeps the job until the join has returned. If the function of task returns
 * without joining, the library joins the job then.
 *
 * A worker holds 1,024 forked jobs for others to steal. Jobs beyond run in their joins.
 *
 * -EINVAL  task, job or fn is NULL.
 * -EBUSY   The job is forked or posted already.
 * -EPERM   This is a forked child.
 */
CREEL_API int creel_job_fork(creel_task *task, creel_job *job, creel_job_fn fn);

/*
 * Waits until the job has ended: runs it on the caller if nobody has started it; if another worker
 * runs it, runs jobs that this one has forked meanwhile, and then blocks. Join the job that was
 * forked last first: that is the fastest. Joining in another order may run later jobs, too. Returns
 * 0; then the job may be forked again.
 *
 * CREEL_EFAILED  The job ended its thread. It counts as joined.
 * -EINVAL        task or job is NULL; or the job is not forked, was joined, or was forked with
 *                another task or handle.
 * -EPERM         This is a forked child.
 */
CREEL_API int creel_job_join(creel_task *task, creel_job *job);

/*
 * Posts: a worker of the thread pool runs fn(job, ...) once. Jobs that are posted start in order,
 * before tasks that wait; but after 61 jobs a worker looks at the tasks first. Thread-safe; does
 * not block and allocates nothing, except where the pool has to start its first worker.
 *
 * A job takes no place of a bounded pool. A bound limits what the pool keeps, and a posted job is
 * kept by its caller: who reuses a job waits for its function first. So a full pool takes it, and
 * it is never CREEL_BUSY.
 *
 * The caller keeps the job until fn is called. From then on the library does not touch it: fn may
 * free it or post it again. A job that was posted runs, also if the pool is shut down with
 * CREEL_SHUTDOWN_CANCEL, or breaks; then creel_task_cancelled() returns true in it. Only
 * creel_job_cancel() prevents that. A posted job that ends its thread counts as done.
 *
 * -EINVAL        ex, job or fn is NULL.
 * -EBUSY         The job is forked or posted already.
 * -ENOTSUP       ex is not a thread pool.
 * -ESHUTDOWN     The executor has been shut down.
 * -EAGAIN        No worker can be started.
 * -ENOMEM        There is no memory for a first worker.
 * CREEL_EFAILED  The executor is broken.
 * -EPERM         The executor is the parent's, and this is a forked child.
 */
CREEL_API int creel_job_post(creel_executor *ex, creel_job *job, creel_job_fn fn);

/*
 * Takes back a posted job. The caller must know that the job still exists, and hold its executor.
 * Thread-safe; does not block.
 *
 * 0         The job will not run, and is the caller's.
 * -EBUSY    It has started, or was never posted.
 * -EINVAL   job is NULL.
 * -EPERM    The executor is the parent's, and this is a forked child.
 */
CREEL_API int creel_job_cancel(creel_job *job);

CREEL_END

#endif
