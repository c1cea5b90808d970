/* SPDX-License-Identifier: MIT */
/*
 * Jobs from inside: what a creel_job holds, and the handle that its function gets.
 *
 * STATES of a forked job; its word is what its forker parks on.
 *
 *   IDLE --fork--> FORKED (in the deque) or KEPT (runs in its join)
 *   FORKED --the forker takes it--> IDLE, run in its join; or DONE, run in the join of an older one
 *   FORKED --a thief takes it and has run it--> DONE | EXITED (its thread ended)
 *   FORKED --a thief took it by mistake--> KEPT
 *   FORKED --the forker parks--> WAITED, from which a thief goes on as from FORKED, and unparks
 *   KEPT, DONE, EXITED --join--> IDLE
 *
 * Who took the job from the deque is the only one that has it: the word says nothing of that. A
 * thief's last access to a job is the swap that ends it: then the joiner may return, and the job
 * is gone.
 *
 * STATES of a posted job, guarded by its pool's lock but for the first step:
 *
 *   IDLE --> POSTING --> POSTED --cancel, or a worker takes it--> IDLE
 */
#ifndef CREEL__EXEC_JOB_H
#define CREEL__EXEC_JOB_H

#include "base/list.h"
#include "exec/deque.h"
#include "future/class.h"
#include <creel/jobs.h>

enum {
	CREEL__JOB_IDLE,
	CREEL__JOB_FORKED,
	CREEL__JOB_WAITED,
	CREEL__JOB_KEPT,
	CREEL__JOB_DONE,
	CREEL__JOB_EXITED,
	CREEL__JOB_POSTING, /* on its way into the queue */
	CREEL__JOB_POSTED,
};

struct creel__job {
	_Atomic(uint32_t) state; /* first: zeros are a job */
	creel_job_fn fn;
	union {
		struct {
			/* Plain, of the forking thread: its chain of jobs that are not joined. */
			uintptr_t below;
			struct creel__job *above;
			creel_task *by; /* the task or handle that forked it */
			_Atomic(struct creel__deque *) thief; /* of the worker that runs it */
		};
		struct {
			creel_executor *executor; /* it is posted to; */
			struct creel__list queue; /* guarded by the pool's lock */
		};
	};
};

_Static_assert(sizeof(struct creel__job) <= sizeof(creel_job), "a job has 64 bytes");
_Static_assert(alignof(struct creel__job) <= alignof(creel_job), "a job is aligned as it is");

/* What stands for a task where a job or the body of a loop runs: on the stack of whoever calls it.
 * Its state word is RUNNING and STATIC, which no other block is. */
struct creel__strand {
	creel_task task; /* first */
	struct creel__local *local;
	struct creel__worker *worker; /* or NULL */
	struct creel__deque *deque;   /* or NULL: forked jobs run in their joins */
	creel_future *root;           /* the task that all this is for, or NULL */
	/* Within whose function its loop or job was begun, on whatever thread; or NULL. That one
	 * waits for this one. */
	const struct creel__strand *outer;
	const struct creel__strand *around; /* the thread's, before; */
	const creel_task *within;           /* and its task */
	const _Atomic(int) *stop;           /* or NULL; not 0: the loop ends */
	unsigned number;                    /* of the worker; UINT_MAX: none */
	void *data;                         /* what the worker's initializer stored */
};

static inline bool creel__future_is_strand(const creel_future *f)
{
	const uint64_t both = CREEL__STATIC | CREEL__STATE;
	return (creel__load(&f->state, relaxed) & both) == (CREEL__STATIC | CREEL__RUNNING);
}

static inline struct creel__strand *creel__strand_of(creel_task *task)
{
	return creel__future_is_strand(&task->future) ? (struct creel__strand *)task : NULL;
}

/* A handle for the calling thread: for work of the executor, on behalf of the task root (or NULL).
 */
void creel__strand_init(struct creel__strand *s, creel_executor *ex, creel_future *root);

/* The thread begins to run the strand's functions, and is through, by whatever way. Meanwhile, what
 * these functions call finds it. */
static inline void creel__strand_enter(const struct creel__strand *s)
{
	s->local->strand = s;
}

static inline void creel__strand_leave(const struct creel__strand *s)
{
	s->local->strand = s->around;
}

/* In whose function the calling thread is, if it runs no task further in; or NULL. */
static inline const struct creel__strand *creel__strand_here(void)
{
	const struct creel__local *local = creel__self();
	const struct creel__strand *s = local->strand;
	return s && s->within == local->task ? s : NULL;
}

/* The task that a task, or a handle, works for; NULL: none. */
creel_future *creel__strand_root(creel_task *task);

/* Whether the strand's work, or what that is part of, was asked to stop. */
bool creel__strand_was_asked(const struct creel__strand *s);

/* The calling thread's chain of jobs that are forked and not joined (creel__local.forked). Whoever
 * calls a function that may fork remembers the chain, and afterwards compares it: if it differs it
 * calls creel__jobs_join(). Returns whether a job ended its thread. */
bool creel__jobs_join(struct creel__local *local, uintptr_t below);

/* The calling thread ends by pthread_exit(), or has: what it forked may lie on the stack that is
 * gone. Takes out of its deque (or NULL) what stands behind bottom, which then never runs. */
void creel__jobs_drop(struct creel__deque *d, uint64_t bottom);

/* The calling worker has taken the job from a deque (its forker waits for it) or from the posted
 * ones: runs it. */
void creel__job_run_stolen(struct creel__worker *worker, struct creel__job *job);
void creel__job_run_posted(struct creel__worker *worker, struct creel__job *job);

/* Runs a posted job on any thread, where no worker can. */
void creel__job_run_here(creel_executor *ex, struct creel__job *job);

#endif
