/* SPDX-License-Identifier: MIT */
/*
 * Tasks on other machines: an executor over the ranks of an MPI job. It is a library of its own:
 * link with creel-mpi (pkg-config creel-mpi). This header needs no header of MPI.
 *
 *     int main(int argc, char **argv)
 *     {
 *             int rc = creel_mpi_init(&argc, &argv, NULL);
 *             if (rc)
 *                     return rc < 0;     // 1: this rank has served, and the job is over
 *             creel_executor *ex = creel_mpi_pool_new(NULL);
 *             ...                        // as with any executor
 *             creel_executor_close(ex);
 *             return creel_mpi_end() != 0;
 *     }
 *
 *     mpirun -n 3 ./program
 *
 * RANKS      Rank 0 runs the program. Every other rank serves: it has a process pool of its own,
 *            stays inside creel_mpi_init() and runs the tasks that rank 0 sends. So a task that
 *            crashes costs one future, as on a process pool, and the rank goes on.
 * FUNCTIONS  All ranks run the same program: creel_mpi_init() compares its build-id. A function
 *            may also be in a shared library, if the other ranks have loaded the same build of it
 *            before creel_mpi_init(). With creel_mpi_register() and CREEL_MPI_NAMED the programs
 *            may differ.
 * DATA       Arguments and results are copied to the other rank; they may have any size. There is
 *            no shared memory: CREEL_BY_REF is refused, but for a NULL pointer, which arrives with
 *            the size 0. What a task needs beyond its argument it reads from files, or from globals
 *            as they were at creel_mpi_init().
 * STATES     A task that was sent to a rank counts as running. Cancelling it asks for it back: if
 *            it has not started, it ends as cancelled.
 * BOUNDS     The executor accepts any number of tasks, and keeps them on rank 0: a rank has those
 *            that it runs and a few more. For a bound put creel_semaphore_new() over it.
 * FAILURE    If a worker process dies, its task fails, as on a process pool; the error's message
 *            names the rank. If a rank loses its fork server, its tasks fail and it gets no more.
 *            While rank 0 has no tasks at all, it hears of that with the next submission.
 *            If a rank itself dies, MPI ends the whole job. Open MPI's mpirun names the rank,
 *            MPICH's the process and its machine.
 * THREADS    On rank 0 a thread of creel's makes the calls of MPI and ends the futures; callbacks
 *            without an executor run on it, and must be short. Your own threads may use MPI
 *            meanwhile: creel has a communicator of its own.
 */
#ifndef CREEL_MPI_H
#define CREEL_MPI_H

#include <creel/base.h>
#include <creel/error.h>
#include <creel/pools.h>

CREEL_BEGIN

/* Flags of creel_mpi_options. */
enum {
	/* Serving ranks run tasks in a thread pool, not in a process pool: a task costs less, and
	 * one that crashes ends the job. There limit_ns and creel_future_kill() do not work. */
	CREEL_MPI_THREADS = 1,
	/* The thread that makes the calls of MPI never sleeps, on any rank: messages are seen at
	 * once, and a core of each rank is busy all the time. */
	CREEL_MPI_SPIN = 2,
	/* Only functions with a name (creel_mpi_register()) can be submitted, and the ranks may run
	 * different programs. */
	CREEL_MPI_NAMED = 4
};

/* 0 in a field means the default. All ranks must give the same flags. */
typedef struct creel_mpi_options {
	/* CREEL_MPI_... flags. */
	unsigned flags;
	/* How many tasks a serving rank runs at once. Default: the number of CPUs in its affinity
	 * mask, which mpirun may have set (--bind-to). */
	int workers;
	/* The longest time that a thread sleeps between two looks for messages, in nanoseconds. It
	 * sleeps for less while there is traffic. Default: 1 ms. */
	int64_t nap_ns;
	/* How many bytes of large arguments (above 32 KiB) a serving rank holds at once: it fetches
	 * the next one when there is room. A larger argument is refused with -ENOSPC. Default:
	 * 4 GiB, or a quarter of the address space if that is less. */
	size_t budget;
	/* The largest message, in bytes; larger arguments and results go in pieces. At least 64
	 * KiB. Default: 1 GiB, which is also the maximum. */
	size_t message_size;
	/* The options of the pool of a serving rank. max_workers must be 0. Default: all defaults.
	 * processes is only looked at without CREEL_MPI_THREADS, threads only with it. A process
	 * pool breaks if it loses its fork server (CREEL_PROCESS_BREAK_ON_LOSS): MPI does not allow
	 * another fork. */
	const creel_process_pool_options *processes;
	const creel_thread_pool_options *threads;
	/* Must be zero. */
	uint64_t reserved[8];
} creel_mpi_options;

/*
 * Starts the job. Every rank calls it, at the beginning of main(): before it initializes MPI, and
 * while it has no other threads. It makes the rank's pool, and then initializes MPI with
 * MPI_THREAD_MULTIPLE. argc and argv are main()'s, or NULL. options may be NULL.
 *
 * On rank 0 it returns 0 as soon as all ranks are ready. On the other ranks it returns 1 when the
 * job is over; MPI is finalized by then, unless you had initialized it yourself: then finalize it.
 * Then end the program. All ranks must run a program that calls this; MPI has no way to tell that
 * one does not, and the others would wait for it.
 *
 * An error is returned on all ranks, and creel_mpi_error() says what happened and on which rank.
 * MPI is finalized then, unless you had initialized it yourself.
 *
 * -EINVAL     An option has an invalid value, or the ranks have different flags.
 * -ENOEXEC    The ranks run different programs, or different builds of one.
 * -EALREADY   MPI has been initialized, which is too late for processes: call this first, or use
 *             CREEL_MPI_THREADS. Or creel_mpi_init() was called before.
 * -ENOTSUP    MPI does not have MPI_THREAD_MULTIPLE, or you initialized it with less.
 * -ENOMEM     There is no memory.
 * others      The pool of a rank could not be made; or the code of creel_executor_error() of it.
 */
CREEL_API int creel_mpi_init(int *argc, char ***argv, const creel_mpi_options *options);

/* Returns why creel_mpi_init() failed, or NULL if it has not. It is valid until the process
 * ends. */
CREEL_API const creel_error *creel_mpi_error(void);

/*
 * Makes an executor over the serving ranks. options must be NULL: there are none yet. Rank 0 may
 * make several; they share the ranks. Never returns NULL. It is broken in these cases:
 *
 * -EINVAL  options is not NULL.
 * -ENXIO   No rank serves: creel_mpi_init() has not been called, or mpirun was told to start one
 *          rank; or all ranks have lost their pools.
 * -EPERM   This is not rank 0, or it is a forked child or a worker process.
 * -ESHUTDOWN  creel_mpi_end() was called.
 * -ENOMEM  There is no memory.
 */
CREEL_API creel_executor *creel_mpi_pool_new(const void *options);

/*
 * Ends the job, on rank 0: waits until all accepted tasks have ended, tells the serving ranks to
 * end, and finalizes MPI, unless you had initialized it yourself. Later submissions fail as shut
 * down. A task that is not due yet (delay_ns) is not waited for, and fails as shut down when it is.
 * MPI_Finalize() does the same before it finalizes. Call one of them before main() returns.
 *
 * Returns 0, -EINVAL (there is no job), -EPERM (not rank 0, or a forked child), or -EDEADLK (in a
 * callback on creel's own thread).
 */
CREEL_API int creel_mpi_end(void);

/*
 * Gives a function a name, of at most 63 bytes, by which it travels. Every rank calls it for every
 * such function, before creel_mpi_init(). Not thread-safe. Returns 0, -EINVAL (a NULL or empty
 * name, one that is too long, or a NULL function), -EEXIST (the name or the function has another
 * partner already), -EBUSY (after creel_mpi_init()), or -ENOMEM.
 */
CREEL_API int creel_mpi_register(const char *name, creel_fn fn);

CREEL_END

#endif
