/* SPDX-License-Identifier: MIT */
/*
 * What the library keeps for each thread: caches, and where the thread is (in which task, on which
 * worker, inside a callback). Plain data: only its thread touches it.
 */
#ifndef CREEL__SYNC_LOCAL_H
#define CREEL__SYNC_LOCAL_H

#include "sync/atomic.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct creel__blocking;
struct creel__list;
struct custom;
struct creel_future;
struct creel_task;
struct creel__deferred;
struct creel__drive;
struct creel__error;
struct creel__pass;
struct creel__result_space;
struct creel__strand;
struct creel__worker;

/* What stands where creel__local.asked points to, beside 0. */
enum {
	CREEL__ASKED_STOP = 1,
	CREEL__ASKED_SLEEPS = 2, /* the task sleeps, and is to be woken when it is asked */
};

/* sync/look.h */
struct creel__patience {
	uint16_t looks;   /* how often it looks before it sleeps; 0: it rests, or has not begun */
	uint16_t resting; /* for so many waits */
	uint16_t rest;    /* how many waits the last rest had; 0 while it looks with success */
};

/* future/block.c: two magazines of free blocks, and the slab that blocks are cut from. */
struct creel__blocks {
	struct creel_future *hot, *spare;
	unsigned char *slab, *slab_end;
	unsigned hot_count;
};

struct creel__local {
	struct creel__blocks blocks[3]; /* of each size */
	/* Called when the thread ends; NULL: not yet registered. */
	void (*at_exit)(struct creel__local *local);
	/* sync/fork.h: the library made this thread; no code of the user's waits further down. */
	bool own;
	/* sync/unshare.c: how many of its handlers are in a fork that this thread makes. */
	unsigned forking;
	/* future/nest.c: how deep in callbacks, and what is to be called next. */
	unsigned callbacks;
	int cancel_state; /* of the thread, outside of them: within, it is not cancelled */
	bool draining;
	struct creel__deferred *deferred, *deferred_last;
	/* future/nest.c: how deep in destructors, the futures whose turn comes next, and what ends
	 * them. */
	unsigned destructors;
	/* compose/gate.c: how many levels of both counts are no function of the user's: they only
	 * put functions off. */
	unsigned hushed;
	struct creel_future *dying, *dying_last;
	/* future/watch.c: how deep in hooks of executors. */
	unsigned hooks;
	void (*end_dying)(struct creel_future *f);
	/* future/queue.c: what this thread forgets, while it does. */
	struct creel__list *forgetting;
	/* exec/custom.c: in an executor's destroy, and the executors whose destroy comes next. */
	bool destroying;
	struct custom *doomed, *doomed_last;
	/* exec/task.c: the innermost task that runs, and the worker that runs it. */
	struct creel_task *task;
	struct creel__worker *worker;
	/* exec/job.h: the handle of the innermost loop or stolen job that runs; or NULL. */
	const struct creel__strand *strand;
	/* future/future.h: the driven executors that it is inside of. */
	const struct creel__drive *drive;
	/* compose/gate.c: what it is handing over, the innermost first. */
	struct creel__pass *passes;
	/* exec/job.c: the jobs that it has forked and not joined. */
	uintptr_t forked;
	/* sync/block.h: of a worker that serves a pool, what it does when it blocks, or NULL; how
	 * many pairs are open. */
	const struct creel__blocking *blocking;
	unsigned blocked;
	struct creel__patience patience;
	/* What a thread of a pool left behind when it became one that only runs thread-specific
	 * destructors: the pool's name for it. Compared, never followed. */
	const void *left;
	/* In worker processes. future/result.c: where large results go; exec/task.c:
	 * cancel was called. */
	const struct creel__result_space *results;
	_Atomic(uint32_t) *asked;
	/* procs/stale.c: the table of functions that a submission was compared with. */
	const void *vetted;
	/* future/error.c: an error for when there is no memory. */
	struct creel__error *reserve;
	/* future/message.c: a sentence for the caller, and the size that it asked for in vain. */
	char *text;
	size_t wanted;
};

#ifdef CREEL_MODEL
struct creel__local *creel__self(void);
#else
#if defined(__GNUC__)
#define CREEL__TLS_MODEL __attribute__((tls_model("initial-exec")))
#else
#define CREEL__TLS_MODEL
#endif
extern _Thread_local struct creel__local creel__thread_local CREEL__TLS_MODEL;

static inline struct creel__local *creel__self(void)
{
	struct creel__local *local = &creel__thread_local;
#if defined(__SANITIZE_ADDRESS__) && defined(__GNUC__)
	/* gcc 12's UBSan takes the address of thread-local data for null where it folds it. */
	__asm__("" : "+r"(local));
#endif
	return local;
}
#endif

/* Has fn called with the thread's data when the calling thread ends; once a thread. All callers
 * pass the same fn. Returns 0, or -errno: then it will not be called. */
int creel__local_at_exit(void (*fn)(struct creel__local *local));

/* Called by the library's destructor. If the library is being unloaded, no thread's end calls fn
 * any more. False at the end of the process, where that can be told: then nothing has happened. */
bool creel__local_forget(void);

#endif
