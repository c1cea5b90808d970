/* SPDX-License-Identifier: MIT */
/* What is compared: each peer is a pool of processes with futures, behind the same few calls. */
#ifndef CREEL_BENCH_PROCS_H
#define CREEL_BENCH_PROCS_H

#include <stdbool.h>
#include <stddef.h>

enum job {
	JOB_EMPTY, /* returns at once */
	JOB_ECHO,  /* its result is its argument */
	JOB_HANG,  /* writes its process number into the FIFO that its argument names, and hangs */
};

enum { PROCS_WINDOW = 8 }; /* JOB_ECHO: at most so many in flight, waited for in order */

/* What the parent saw of a result. */
struct seen {
	size_t size;
	unsigned char first, last;
};

struct peer {
	const char *name;
	void (*open)(unsigned workers);
	/* Submits one task; returns its future. arg may be used again at once. */
	void *(*submit)(enum job job, const void *arg, size_t size);
	/* Waits for the task, looks at its result, lets go of the future.
	 * False if the task failed. */
	bool (*wait)(void *future, struct seen *ret_seen);
	/* Ends the pool, which has nothing to do any more. */
	void (*close)(void);
};

extern const struct peer procs_creel, procs_creel_in_place, procs_fork;

/* JOB_HANG, after its argument was read. */
_Noreturn void procs_hang(const char *fifo);

#endif
