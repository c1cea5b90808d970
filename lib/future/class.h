/* SPDX-License-Identifier: MIT */
/*
 * Executors as futures see them: the class that each has. What a future asks of its executor goes
 * through this table, so lib/future calls nothing of lib/exec.
 */
#ifndef CREEL__FUTURE_CLASS_H
#define CREEL__FUTURE_CLASS_H

#include "base/list.h"
#include "future/block.h"
#include "future/error.h"
#include "future/sight.h"
#include "future/waits.h"
#include "sync/atomic.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/lock.h"
#include "sync/park.h"
#include "sync/places.h"
#include <creel/executor.h>

enum {
	CREEL__GRACE_OF_POOL = -1,
};

enum creel__withdrawn {
	CREEL__NOT_THERE, /* unknown, or still queued: it will be found cancelled */
	CREEL__WITHDRAWN, /* it is out of the queue: the executor's reference is the caller's */
	CREEL__STARTED,   /* remote tasks only: it runs, or has run; it cannot be cancelled */
};

enum creel__purpose {
	CREEL__LOOK,   /* whether it has started */
	CREEL__TAKE,   /* withdraw it, unless it has */
	CREEL__CANCEL, /* the same, and if it has started tell it to stop */
};

struct creel__worker;
struct creel__watcher;
struct creel__job;
struct creel__deque;
struct creel__layer;
struct creel__overview;
struct creel__worker_look;

/* What came of a look for a report. */
enum creel__looked {
	CREEL__LOOKED,
	CREEL__LOOKED_IN_VAIN, /* somebody holds the lock */
	CREEL__LOOKED_AT_ALL,  /* there is no worker with that number or a later one */
};

/*
 * The operations of an executor, called with a valid executor of this process. Semantics and codes
 * as in creel/executor.h. submit returns 0 once it has the task, and then the executor's reference
 * is its own; if not 0 the task is untouched. may_wait is false where waiting would be for oneself:
 * then shutdown and drain return -EDEADLK instead of waiting.
 */
struct creel__executor_class {
	const char *name;
	int (*submit)(creel_executor *ex, creel_task *task);
	/* Or NULL. The same for n tasks at once, a list through next: all or none. */
	int (*submit_list)(creel_executor *ex, creel_future *first, creel_future *last, size_t n);
	/* Or NULL: CREEL_STAY is refused. It is to get n more (or, below 0, fewer) tasks when they
	 * are due, and does not end before. 0, or why it accepts none. */
	int (*reserve)(creel_executor *ex, int n);
	/* Such a task is due: as submit, and it is reserved no more; also after a shutdown. */
	int (*submit_reserved)(creel_executor *ex, creel_task *task);
	/* A pending task is being cancelled, or has expired, or somebody only wants to know whether
	 * it has started. Called with the future pinned. */
	enum creel__withdrawn (*withdraw)(creel_executor *ex, creel_task *task,
					  enum creel__purpose purpose);
	/* Or NULL, where ended() does not count. A task that submit() refused is to be waited for
	 * all the same (n is 1), or is no longer (-1). */
	void (*owe)(creel_executor *ex, int n);
	/* Kills a task that has started (and is held). A grace_ns of CREEL__GRACE_OF_POOL is the
	 * executor's own. 0, or CREEL_CANCEL_FINAL if it has ended there. */
	int (*kill)(creel_executor *ex, creel_task *task, int64_t grace_ns);
	/* Somebody waits for a remote task, which is HELD until creel__future_release(), to be
	 * called before anything that may block. The executor may have a shorter way to the outcome
	 * than the future's word: then it waits, until the future is final, the deadline has
	 * passed, or that way is closed. No function of the user's runs on that thread: the task
	 * has no hooks so far, and no destructor of its argument. */
	void (*await)(creel_executor *ex, creel_task *task, creel_deadline deadline);
	/* Or NULL. A task of the executor waits on this worker for another one: runs that if it is
	 * still pending. False if not. */
	bool (*help)(struct creel__worker *worker, creel_task *task);
	/* Or NULL. A thread that is no worker is about to wait without a deadline for a task, which
	 * is PENDING and HELD. True: it has run the task. False: nothing has happened. */
	bool (*lend)(creel_executor *ex, creel_task *task);
	/* Of executors with CREEL__ADOPTS: the calling thread is about to run a task of its own,
	 * which the executor counts as one that it lent. 0, or why not. */
	int (*adopt)(creel_executor *ex);
	/* Such a task has ended, or has ended its thread. The executor may go. */
	void (*lent_ended)(creel_executor *ex);
	/* Or NULL. Somebody is about to park for a task that is PENDING, and HELD meanwhile. Takes
	 * no longer than a lock. Returns a word that is to be unparked when the hold is over, or
	 * NULL. */
	_Atomic(uint32_t) *(*awaited)(creel_executor *ex);
	/* The calling thread is a worker that says that it looks for a task, and now does
	 * something else. Only for executors that set the worker's `need`. */
	void (*stop_looking)(struct creel__worker *worker);
	/* A worker with a deque forks for the first time: from now on the others look into it. */
	void (*use_deque)(struct creel__worker *worker);
	/* A worker has forked a job while its `need` was not 0. */
	void (*forked)(creel_executor *ex);
	/* Or NULL: jobs cannot be posted. Takes the job, and returns 0 or a code. */
	int (*post)(creel_executor *ex, struct creel__job *job);
	/* True if the job was posted and is out of the queue now. */
	bool (*unpost)(creel_executor *ex, struct creel__job *job);
	/* Or NULL: loops are run by tasks. Otherwise by posted jobs: whether it takes them, 0 or a
	 * code; how many workers it may have; whether they have an initializer. */
	int (*loop)(creel_executor *ex, unsigned *ret_width, bool *ret_initializes);
	/* Whether a function and an argument can be had by the workers: 0, -ENOEXEC,
	 * -EFAULT, -ENOSPC. */
	int (*vet)(creel_executor *ex, creel_fn fn, const void *arg, size_t size);
	/* Memory for arguments that do not fit in the block, and creel_shared_alloc(). NULL:
	 * the heap. */
	void *(*shared_alloc)(creel_executor *ex, size_t size);
	void (*shared_free)(creel_executor *ex, void *p);
	/* Whether its workers can read size bytes at p where they are, as long as somebody keeps
	 * them. NULL: it needs no inputs for workers. Asked of the lowest executor. */
	bool (*shares)(creel_executor *ex, const void *p, size_t size);
	int (*shutdown)(creel_executor *ex, unsigned flags, creel_deadline deadline, bool may_wait,
			size_t *ret_left);
	int (*drain)(creel_executor *ex, creel_deadline deadline);
	int (*resize)(creel_executor *ex, int max_workers);
	/* Or NULL. Stops starting tasks, or starts them again; sets ex->paused. */
	int (*pause)(creel_executor *ex, bool paused);
	/* The numbers of its workers are below. NULL: it has none. */
	unsigned (*slots)(creel_executor *ex);
	/* How many tasks run at once, at most; 0: that is unknown. NULL where slots is. */
	unsigned (*width)(creel_executor *ex);
	void (*stats)(creel_executor *ex, creel_stats *ret_stats);
	/* A task of an executor with CREEL__COUNTS has ended; or a cancelled one that the executor
	 * has not counted: its destructor has returned at last. */
	void (*ended)(creel_executor *ex);
	/* Of adaptors (future/layers.h). A task that the executor has accepted is about to be final
	 * (ends), or to wait for its next run, be it here or beneath. And: one that it has
	 * forwarded is final, or waits for its next run. */
	void (*leaves)(creel_executor *ex, struct creel__layer *layer, bool ends);
	void (*passed)(creel_executor *ex);
	/* Whether the calling thread is one of the executor's own, on which no task runs any more:
	 * it runs thread-specific destructors. NULL: it has none. */
	bool (*is_thread)(creel_executor *ex);
	/* exec/look.h: for a report, the executor, and its first worker with that number or a later
	 * one. Or NULL. */
	enum creel__looked (*overview)(creel_executor *ex, struct creel__overview *ret_overview);
	enum creel__looked (*look)(creel_executor *ex, unsigned from,
				   struct creel__worker_look *ret_look);
	/* The last reference went: shut down; when everything has ended, creel__executor_unhold().
	 * Never blocks. */
	void (*release)(creel_executor *ex);
	/* Everything has ended, and no task of it follows another future: frees it. NULL
	 * where none can. */
	void (*destroy)(creel_executor *ex);
	/* In a forked child, once: closes the descriptors that came with the fork, and touches
	 * nothing else. NULL: there are none. */
	void (*let_go)(creel_executor *ex);
	/* Everything has ended: waits until the threads are gone. Called by close alone, never on a
	 * thread of the executor, by several closers at once. */
	void (*join)(creel_executor *ex);
};

/* A worker of a pool, as tasks see it. */
struct creel__worker {
	creel_executor *executor;
	void *local; /* what the initializer stored */
	unsigned index;
	bool initializing;       /* plain, as the next: it is in its initializer, */
	const creel_error *said; /* which has called creel_fail(): a reference; or NULL */
	_Atomic(uint64_t) begun, ended, cancelled; /* tasks; counted by the worker's thread alone */
	/* Or NULL. While it is not 0, the worker says when it looks for a task. */
	const _Atomic(uint32_t) *need;
	_Atomic(uint32_t) looking;      /* CREEL__LOOKS, set by the worker; CREEL__RELIED */
	const creel_future *dispatched; /* plain: its own; the task that it took from the queue */
	struct creel__deque *deque;     /* of jobs that it forks; NULL: they run in their joins */
	struct creel__waits waits;      /* future/waits.h; for reports, as the next */
	struct creel__sight sight;      /* in a traced pool */
};

enum {
	CREEL__LOOKS = 1,  /* it looks for a task next, before anything that may take long */
	CREEL__RELIED = 2, /* and somebody relies on it */
};

/* What makes submitting to an executor, or the end of its tasks, take the slow path. Elsewhere it
 * costs nothing: the paths test a word that they need anyway. */
enum {
	CREEL__COUNTS = 1,    /* class->ended() is to hear of the end of each task */
	CREEL__BOUNDED = 2,   /* each task holds one of the places: exec/bound.h */
	CREEL__WITHDRAWS = 8, /* its class must not be asked for a task before it has all of it */
	CREEL__SERIAL = 16,   /* an adaptor: a task goes on when the one before has ended */
	CREEL__ADOPTS = 4,    /* a thread that submits may run its task itself: class->adopt() */
	CREEL__CONFINES = 32, /* callbacks with it run on its threads or not at all */
};

struct creel_executor {
	const struct creel__executor_class *class;
	_Atomic(uint32_t) refs;
	uint32_t task_flags; /* CREEL__SLOW, CREEL__REMOTE: of every task */
	uint32_t traits;     /* set at birth; if there are any, tasks are CREEL__SLOW */
	uint16_t generation; /* of the process that it belongs to: sync/fork.h */
	uint16_t depth;      /* how many lie beneath it */
	creel_executor
		*beneath; /* NULL: it forwards to none; a reference; set at birth, as the next */
	creel_executor *lowest; /* the last of the chain, if there is one */
	bool is_static;
	bool bands;  /* set at birth, as the next: it serves tasks by their bands, or runs each at
		     * once */
	bool queues; /* its submit runs no task, nor any other code that may wait */
	_Atomic(bool) let_go;  /* by this process, a child of the one that it belongs to */
	_Atomic(bool) cancels; /* shut down with CREEL_SHUTDOWN_CANCEL: nothing starts any more */
	_Atomic(bool) kills;   /* with CREEL_SHUTDOWN_KILL: its tasks are asked to stop */
	_Atomic(bool) paused;  /* written under the class's lock; whoever would help looks first */
	_Atomic(uint32_t) waiters;   /* threads in drain, shutdown or close */
	_Atomic(int) cpus;           /* that this process may use; 0: nobody has asked yet */
	struct creel__places places; /* CREEL__BOUNDED; this, and the next: plain, set at birth */
	size_t capacity;
	int overflow;
	struct creel__list registered; /* exec/registry.h, as the next */
	uint64_t serial;
	_Atomic(struct creel__watcher *) watch; /* future/watch.h; or NULL; set once */
	struct creel__unhandled unhandled;
	_Atomic(const creel_error *) error; /* a reference, set once */
	/* future/times.h: tasks that are not due, and who uses the executor for them. With
	 * CREEL__KEEPS_AWAITED while somebody parks on the word. */
	_Atomic(uint32_t) keeps;
	/* Who needs its memory: the class, until everything has ended for that, and each task that
	 * follows another future, with which the class is through (future/follow.h). */
	_Atomic(uint32_t) holds;
	struct creel__lock undue_lock; /* these: */
	struct creel__cond undue_changed;
	struct creel__list undue, staying; /* staying: those with CREEL_STAY */
	size_t undue_count;                /* of both */
	bool undue_closed;
	struct creel__list sleepers; /* exec/sleep.c */
};

/* Somebody uses the executor, though perhaps no user refers to it any more. The caller knows that
 * it is there. */
static inline void creel__executor_keep(creel_executor *ex)
{
	creel__add(&ex->keeps, 1, relaxed);
}

#define CREEL__KEEPS_AWAITED (UINT32_C(1) << 31)

/* The last one shuts it down and lets it go. Who awaits that others let go (creel__custom_join())
 * has a reference to the executor. */
static inline void creel__executor_unkeep(creel_executor *ex)
{
	_Atomic(uint32_t) *keeps = &ex->keeps;
	/* [EX-3] acq_rel: whoever drops the last one comes after everybody's use; pairs with
	 * itself, and with the acquire in close_if_quiet_locked() of exec/custom_tasks.c */
	uint32_t old = creel__sub(keeps, 1, acq_rel);
	if (old == 1)
		ex->class->release(ex);
	else if (old & CREEL__KEEPS_AWAITED)
		creel__unpark_all(keeps);
}

/* A task of it goes on when the class is through with it. The caller knows that the class is not,
 * so far, or has a hold. */
static inline void creel__executor_hold(creel_executor *ex)
{
	creel__add(&ex->holds, 1, relaxed);
}

static inline void creel__executor_unhold(creel_executor *ex)
{
	/* [EX-4] acq_rel: whoever frees it comes after everybody's use; pairs with itself */
	if (creel__sub(&ex->holds, 1, acq_rel) == 1)
		ex->class->destroy(ex);
}

/* The one that its tasks come to in the end. */
static inline creel_executor *creel__executor_lowest(creel_executor *ex)
{
	return ex->beneath ? ex->lowest : ex;
}

/* Whether its tasks run in other processes, be it that it forwards them. */
static inline bool creel__executor_is_remote(const creel_executor *ex)
{
	return (ex->beneath ? ex->lowest : ex)->task_flags & CREEL__REMOTE;
}

/* Whether a forked child uses its parent's executor. */
static inline bool creel__executor_foreign(const creel_executor *ex)
{
	return creel__fork_foreign(ex->generation);
}

/* Called before a function of the user's: if the calling thread is a worker, it does not look for a
 * task now. */
static inline void creel__worker_is_busy(void)
{
	struct creel__worker *worker = creel__self()->worker;
	if (worker && creel__load(&worker->looking, relaxed))
		worker->executor->class->stop_looking(worker);
}

#endif
