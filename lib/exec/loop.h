/* SPDX-License-Identifier: MIT */
/*
 * A loop, as its threads share it.
 *
 * PIECES   `next` counts what has been taken, in one counter: whoever moves it has what lies
 *          between. A thread takes pieces that last about as long as it takes to make taking them
 *          cheap. So a loop balances whatever its indices cost.
 *
 * USERS    Counts those who use the struct beside the caller, who waits until it is 0: on a thread
 *          pool its helpers, and the invitation, which is a posted job. The worker that takes the
 *          invitation has its count. It posts the job again for the next one. Who finds nothing
 *          left takes the invitation back: after it has set `over`, by the pool's lock. Who posts
 *          looks at `over` afterwards. So one of the two takes it back. [LOOP-1] orders what the
 *          helpers did before the caller's return.
 *
 * TOKEN    The caller watches it while the loop runs (loop_token.c), from its own stack. It returns
 *          only when nobody asks that any more. Tasks that run the loop have the token as well: so
 *          those that wait are cancelled, and no worker has to come for them.
 */
#ifndef CREEL__EXEC_LOOP_H
#define CREEL__EXEC_LOOP_H

#include "exec/job.h"
#include "future/token.h"
#include <creel/loops.h>

struct creel__loop;

/* Of the caller, and never in shared memory. */
struct creel__loop_watch {
	struct creel__reg reg; /* token: the caller's, who keeps it; or NULL */
	struct creel__loop *loop;
	void (*cancel)(struct creel__loop *l);
	_Atomic(uint32_t) asked; /* and whoever asked is through with it */
};

struct creel__loop {
	creel_job invitation; /* first */
	alignas(64) _Atomic(size_t) next;
	alignas(64) _Atomic(int) stop; /* the first code, or 0 */
	_Atomic(uint32_t) users;
	_Atomic(bool) over;
	unsigned invited; /* plain: of whoever holds the invitation */
	/* Set at birth. */
	creel_executor *executor;
	/* The task that called, or that it works for; and the handle in whose function it was
	 * called. NULL: none, as in other processes. */
	creel_future *root;
	const struct creel__strand *outer;
	creel_body_fn body;
	void *context;
	size_t begin, n, grain;
	creel_deadline deadline; /* 0: none */
	unsigned width;          /* how many threads it may have */
	uint16_t generation;
	struct creel__loop_watch *watch; /* NULL in other processes */
};

/* Ends the loop with that code, unless it has one. */
void creel__loop_stop(struct creel__loop *l, int code);

/* A handle of the calling thread for the loop's body, in a process where ex is the executor. */
void creel__loop_strand_init(struct creel__loop *l, struct creel__strand *s, creel_executor *ex);

/* Takes pieces and runs them until there are none. With an `alone` that is not NULL it calls
 * alone(l) once, after a few microseconds. Returns false in a forked child. If the thread ends
 * within, creel__strand_leave() is the caller's. */
bool creel__loop_work(struct creel__loop *l, struct creel__strand *s,
		      void (*alone)(struct creel__loop *l));

/* loop_token.c: from here on cancelling the token, if there is one, calls cancel(l), on whatever
 * thread. 0, or -ECANCELED: too late, and nothing is watched. */
int creel__loop_watch(struct creel__loop *l, struct creel__loop_watch *watch,
		      void (*cancel)(struct creel__loop *l));
/* Until here. Waits for a cancel() that is under way. Twice is the same as once. */
void creel__loop_unwatch(struct creel__loop_watch *watch);

/* loop_pool.c: runs it on a thread pool, with the caller if that takes part. */
int creel__loop_run_pool(struct creel__loop *l, bool takes_part);
/* loop_tasks.c: runs it by plain submissions.
 * Both watch the token. */
int creel__loop_run_tasks(struct creel__loop *l);

/* parallel.c: checks, and runs the loop. */
int creel__loop_run(creel_executor *ex, size_t begin, size_t end, creel_body_fn body, void *context,
		    const creel_loop_options *options);

#endif
