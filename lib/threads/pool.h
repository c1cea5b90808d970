/* SPDX-License-Identifier: MIT */
/*
 * The thread pool from inside. Its files are the parts of this one object, and call each other.
 *
 * LOCKS  pool->lock (rank 10) guards everything below it in struct pool. Then a shard's out_lock
 *        (50), then its in_lock (60). Tasks, callbacks and the user's functions run with none of
 *        them. Nobody claims a task while holding one: a waiter that holds the task takes
 *        pool->lock (SECOND below).
 *
 * WORKERS  starting: a thread is being made. alive: it serves, or is blocked. leaving: it has
 *          resigned, and does what is left to do. serving = alive - blocked. The gates of the
 *          shards are OPEN exactly while serving + starting > 0 and the pool accepts; the last
 *          worker that serves retires or blocks only after it has closed them to NO_WORKERS with
 *          all queues empty. So an accepted task always has a worker, and a task is refused before
 *          it is queued if no thread can be had.
 *
 * BLOCKED  A worker that blocks (sync/block.h, threads/block.c) only stops counting; somebody is
 *          woken or started for a task that waits, as after a submission. It gives its batch back
 *          first. If it was the last one that served it shuts the gates; if tasks wait it starts a
 *          thread itself, and if none can be had it does not stop counting: the gates stay OPEN.
 *          When it comes back, more may be awake than max_workers. Then it calls all in. Whoever
 *          is one too many takes no task and goes to sleep as a spare: on the idle list, like any
 *          other, but without a look into the queues. That look is left to those who are awake, at
 *          least max_workers: each looks before it sleeps, and wakes one before it blocks or
 *          leaves. A sleeper is woken for a task only while fewer than max_workers are awake or
 *          starting.
 *
 * WAKING   `need` is what a submitter looks at after it queued a task. NEED: a worker sleeps or
 *          could be started. WAKING: somebody is in flight: a worker that was woken, or started, or
 *          relied on (below), and that has not yet looked at the queues. It will, so a submitter
 *          that sees WAKING does nothing. Whoever is in flight clears its part of WAKING, looks at
 *          all queues, and if it leaves work behind wakes the next.
 *
 *          No wake-up is lost: a submitter that sees WAKING queued its task before one in flight
 *          looks (if that look came first, it would by the shard's lock have made the clearing
 *          visible). A submitter that sees no NEED queued its task before the last worker to fall
 *          asleep looks once more (threads/queues.c).
 *
 * LOOKING  A worker whose task is about to end says in `looking` that it looks for the next task at
 *          once. So who waited for the end and now submits the next task starts no thread: under
 *          the lock it turns LOOKS into RELIED, and that worker is in flight. It cannot miss the
 *          task: if it takes another one it passes on, which looks into all queues, and before it
 *          sleeps it takes the lock and looks again.
 *          It stops looking when it has taken a task, when it sleeps or resigns (under the lock),
 *          and before a function of the user's is called. If it was RELIED on, it then passes
 *          on. Looking costs a read-modify-write a task, and only while `need` is not 0:
 *          where no thread could be started or woken, nobody says it.
 *          It does so for some microseconds if that has helped lately (sync/look.h): to sleep and
 *          to be woken takes longer than many tasks. Nothing follows from these looks but the task
 *          that one finds: a look in vain is as if the worker had been slow.
 *          Whoever would wake a worker first asks whether the one that was put in flight last
 *          looks: that one is awake. So a thread that submits and waits in turn meets the same
 *          worker each time, without a system call.
 *
 * SECOND   A submitter has at most one wake-up in flight. If it then waits for a task that has not
 *          started, its own CPU is free, and the woken worker may still be on its way to another
 *          one. So who has looked in vain (sync/look.h), and is about to park for a pending task,
 *          wakes one more worker, if one sleeps and fewer than two are in flight. It holds the
 *          future while it takes that worker off the idle list (CREEL__HELD): the task cannot
 *          start, so it cannot end, and the pool cannot go. It unparks the worker after that. Where
 *          one CPU is all there is, nobody wakes a second one.
 *
 * WATCHING A worker goes on the idle list before its last look at the queues. From then on whoever
 *          wakes it changes its word under the lock. Until the worker parks, the word says WATCHES,
 *          and nobody makes a system call to wake it. With spin_ns it goes on watching the word for
 *          so long before it parks.
 *
 * LENDING  With CREEL_HELP_ANY a thread that is no worker may run a task that it waits for
 *          (threads/lend.c). Nobody counts on it, and it counts as no worker: it takes the task out
 *          of the shard's list if that stands in front, else a worker finds it claimed.
 *
 * BANDS    Tasks of band 0 are in the shards, those of each other band in a list of its own, which
 *          is one more shard (threads/bands.c). `lists` counts the lists in use: the shards alone,
 *          until a band other than 0 is used. Then, in one step under the lock, all workers are
 *          called in, and the gates of the new lists are opened last. So a worker that gets a task
 *          after that knows of the new lists, and claims no batch; and whoever finds such a gate
 *          open finds `need` as it was then or later.
 *
 * RESERVED  (threads/reserve.c) The pool is to get that many tasks when they are due, and it is not
 *          over before, closed or not. Each is then queued past the closed gates under the lock,
 *          in one step with the count, and where somebody serves or is starting: whoever is the
 *          last to resign looks at the queues under the lock.
 *
 * REFUSED  The system refused a thread, and no worker sleeps. Until a worker sleeps or leaves,
 *          every 1,000th submission tries again.
 *
 * CALL-IN  `attention` counts the times that all workers were called in: the pool was resized or
 *          broke. A worker follows (`attended`) under the lock, where it leaves if it is one too
 *          many, or sleeps as a spare. The batches are put back at the same time, and each shard
 *          notes the count under its out_lock: a worker that has not followed gets nothing from
 *          it. So once resize() has returned no worker starts another task before it has asked
 *          whether it may stay. One that is woken while too many are awake does not follow.
 *
 *          After a resize() as many leave as there were too many (`dismissed`), blocked ones
 *          included. All others become spares, and retire after idle_ns.
 *
 * PAUSE    calls all workers in, and none follows before the pool is resumed: so the shards and
 *          the thieves refuse them, and they fall asleep. `need` is 0 meanwhile: whoever queues a
 *          task wakes nobody. Resuming makes `need` true again and wakes one if there is work. A
 *          worker that is not asleep by then follows when it next takes the lock, and looks after
 *          that. A shutdown resumes.
 *
 * JOBS     (threads/jobs.c) A worker looks for jobs before it looks for tasks, but for every 61st
 *          time: what has been begun is ended first. Posted jobs are queued and taken under the
 *          lock. Of forked jobs no wake-up is lost either: a fork pushes the job and then looks at
 *          `need`; whoever is about to sleep, or was in flight, first stores `need` and then looks
 *          into the deques; all four in one order [DEQ-3].
 */
#ifndef CREEL__THREADS_POOL_H
#define CREEL__THREADS_POOL_H

#include "base/list.h"
#include "exec/bands.h"
#include "exec/executor.h"
#include "exec/job.h"
#include "exec/look.h"
#include "exec/task.h"
#include "sync/lock.h"
#include "sync/thread.h"
#include "threads/queues.h"
#include <creel/pools.h>

enum {
	CREEL__NEED = 1,
	CREEL__WAKING = 2,
	CREEL__REFUSED = 4, /* there would be NEED if the system had not refused a thread */
#ifdef CREEL_MODEL
	CREEL__REFUSED_LOOKS = 2,
	CREEL__SWEEP = 2,
#else
	CREEL__REFUSED_LOOKS = 1000,
	CREEL__SWEEP = 64, /* dead entries between two looks at how many there are */
#endif
	CREEL__SHARDS_MAX = 16,
	CREEL__LENT_TELL = 1, /* somebody waits for the end of tasks: take the lock */
};

enum {
	CREEL__BAND_LISTS = CREEL__BANDS - 1,
	CREEL__SHARDS_ALL = CREEL__SHARDS_MAX + CREEL__BAND_LISTS,
	CREEL__LISTS = 2 * CREEL__SHARDS_ALL + 1,
};

/* A worker on the idle list. */
enum creel__sleep {
	CREEL__SLEEPS, /* it is parked, or about to be: who wakes it unparks it */
	CREEL__WOKEN,  /* it is to look at the queues again */
	CREEL__WATCHES /* it looks at this word, and sees by itself that it is woken */
};

/* What was in a pool's queues, as lists through next. */
struct creel__taken {
	creel_future *list[CREEL__LISTS];
};

struct creel__pool_worker {
	struct creel__worker base;
	struct creel__pool *pool;
	pthread_t thread;
	struct creel__list roster; /* in pool->roster by number, later in pool->zombies */
	bool is_helper;            /* no worker: cancel.c; set at birth */
	bool joining;              /* a zombie that a closer joins; guarded by pool->lock */
	struct creel__list idle;   /* in pool->idle while it sleeps */
	bool is_idle;              /* guarded by pool->lock */
	bool waking;               /* it is in flight; guarded by pool->lock */
	bool resigned;             /* counts as leaving; guarded by pool->lock */
	bool gave_place;           /* plain: its own; its task's, while it is blocked */
	bool blocked;              /* likewise: it waits, and does not count as serving */
	bool finalized;            /* likewise */
	bool initialized;          /* plain: only its own thread uses it */
	unsigned next_shard;
	unsigned turns;          /* looks for work: see JOBS */
	struct creel__job *job;  /* plain: its own; what it has found, if that is a job */
	bool posted;             /* likewise: and that was posted */
	uint32_t helped;         /* likewise: the tasks that it ran while it waited for them */
	uint32_t attended;       /* the last call-in that it followed; likewise */
	_Atomic(uint32_t) woken; /* parked on: an enum creel__sleep */
	struct creel__batch batch;
};

struct creel__pool {
	creel_executor base;
	/* Set at birth. */
	unsigned shards; /* a power of two */
	/* Not at birth, but once, under the lock: the bands' lists join the shards. */
	_Atomic(unsigned) lists;
	int64_t ageing_ns;
	bool second; /* a waiter wakes a second worker: there is more than one CPU */
	int help;    /* CREEL_HELP_... */
	size_t stack_size;
	int64_t idle_ns, spin_ns;
	int min_asked, threads_asked;
	char name[16];
	int (*initializer)(void *ctx, unsigned worker, void **ret_local);
	void (*finalizer)(void *ctx, void *local);
	void *ctx;
	struct creel__heritage heritage; /* of who made the pool, for the workers */

	/* Written under the lock, read without it by submitters and workers. */
	alignas(64) _Atomic(uint32_t) need;
	_Atomic(uint32_t) attention;         /* counts call-ins */
	_Atomic(uint32_t) refused_looks;     /* since the system refused a thread */
	_Atomic(unsigned) sharers;           /* max_workers */
	_Atomic(uint32_t) dead;              /* entries, since the last sweep: threads/sweep.c */
	_Atomic(unsigned) slots;             /* the workers' numbers are below */
	_Atomic(bool) jobs;                  /* somebody has forked or posted one */
	_Atomic(struct creel__deque *) used; /* deques that were forked into; only grows */
	_Atomic(uint32_t) posted;            /* jobs */

	alignas(64) struct creel__lock lock;
	struct creel__cond changed; /* workers went idle or went away */
	int max_workers, min_workers, max_threads, alive, starting, leaving;
	int blocked;   /* of alive */
	int reserved;  /* tasks that are not due, and that it stays for */
	int unsure;    /* threads that the system is just being asked for */
	int dismissed; /* how many of the surplus leave, and do not become spares */
	int waking;    /* how many are in flight: 0, 1, 2; shown in need */
	struct creel__pool_worker
		*last_woken;  /* the last one put in flight; or NULL: it has gone */
	bool no_more_threads; /* the system refused one; see REFUSED */
	int helpers;          /* of leaving: those that cancel the rest of a shutdown */
	bool put_off;         /* the last worker stays only because another one is starting */
	bool closed, broken, released;
	struct creel__list roster, idle, zombies, posted_jobs;
	struct creel__deque *deques; /* of all workers, that were and are */
	uint64_t ever_posted, unposted;
	unsigned idle_count, initializing;
	uint64_t started, died;
	/* Of the workers that went, and of tasks that were ended without a worker. */
	uint64_t begun, ended, cancelled, failed;
	/* Tasks that were lent and have ended, times two; and CREEL__LENT_TELL. */
	_Atomic(uint64_t) lent_ended;

	struct creel__shard shard[CREEL__SHARDS_ALL]; /* and behind the shards, a list a band */
};

/* options.c: what follows from max_workers. Each thread has a number of its own; some leave while
 * others start. */
int creel__pool_threads_for(const struct creel__pool *pool, int max_workers);
unsigned creel__pool_slots_for(const struct creel__pool *pool, int max_workers);
/* By how many a worker divides what it finds in a shard, for its batch. */
unsigned creel__pool_sharers_for(const struct creel__pool *pool, int max_workers);
/* Operations of the class. */
unsigned creel__pool_slots(creel_executor *ex);
unsigned creel__pool_width(creel_executor *ex);

/* pool.c */
/* Starts min_workers. 0, or a code: then *ret_count is how many there are. */
int creel__pool_prestart(struct creel__pool *pool, int *ret_count);
/* The same for the first worker of all, before a task (of that band) or a job can be queued. */
int creel__pool_ensure_worker(struct creel__pool *pool, int band);
const struct creel__executor_class *creel__thread_pool_class(void);
void creel__pool_update_need_locked(struct creel__pool *pool);
void creel__pool_set_gates_locked(struct creel__pool *pool, enum creel__gate gate);
/* Nobody serves, and nobody is starting: starts one, who is in flight. 0 or a code. */
int creel__pool_start_first_locked(struct creel__pool *pool);
/* Accepted and not started. */
uint64_t creel__pool_pending_locked(struct creel__pool *pool);
/* Accepted and not ended. */
uint64_t creel__pool_unfinished_locked(struct creel__pool *pool);
void creel__pool_set_gates_locked(struct creel__pool *pool, enum creel__gate gate);
void creel__pool_kick_all_locked(struct creel__pool *pool);
bool creel__pool_try_vacate_locked(struct creel__pool *pool);

/* Refuses what comes. With CREEL_SHUTDOWN_CANCEL, what is pending is cancelled, as much of it by
 * the caller as the deadline allows. */
void creel__pool_shut(struct creel__pool *pool, unsigned flags, creel_deadline deadline);

/* wake.c */
void creel__pool_wake_one(struct creel__pool *pool);
/* A look at need = REFUSED: whether it is time to try again. Then need is NEED. */
bool creel__pool_retry(struct creel__pool *pool);
/* Wakes one if there is work and nobody on the way to it. */
void creel__pool_pass_on(struct creel__pool *pool);
/* Wakes a sleeping worker for a reason other than work. */
void creel__pool_kick_locked(struct creel__pool *pool, struct creel__pool_worker *w);
/* SECOND: returns the word to be unparked, or NULL. */
_Atomic(uint32_t) *creel__pool_awaited(creel_executor *ex);

/* bands.c */
/* Where the calling thread puts tasks of this band. */
struct creel__shard *creel__pool_list_of(struct creel__pool *pool, int band);
/* From now on all workers serve the lists by band and age. */
void creel__pool_use_bands_locked(struct creel__pool *pool);
/* A task of the list that is to be served; sure: no list is left out because it looks empty. */
creel_task *creel__pool_find_by_band(struct creel__pool_worker *w, bool sure);

/* break.c */
/* Takes over the reference to the error. */
void creel__pool_stats_locked(struct creel__pool *pool, creel_stats *ret_stats);
void creel__pool_break(struct creel__pool *pool, const creel_error *error);
/* In a broken pool: what a worker that leaves had claimed. */
void creel__pool_fail_batch(struct creel__pool *pool, struct creel__batch *batch);

/* cancel.c */
/* Takes everything that is queued and in batches. The gates are shut. */
void creel__pool_take_all_locked(struct creel__pool *pool, struct creel__taken *ret_taken);
/* Cancels that: until the deadline itself, the rest on a thread of its own. */
void creel__pool_cancel(struct creel__pool *pool, struct creel__taken *taken,
			creel_deadline deadline);

/* reap.c: workers that left. */
/* Nobody serves, or is about to, and every task has ended. */
bool creel__pool_is_over_locked(struct creel__pool *pool);
/* Joins those whose threads have ended. Does not wait. */
void creel__pool_reap_locked(struct creel__pool *pool);
/* The last call of a worker that leaves: it becomes a zombie, or, if it is the last of a pool that
 * nobody refers to, frees the pool. */
void creel__pool_bury(struct creel__pool_worker *w);
/* Something has ended, or a worker has gone, as was counted under the lock. Tells those who wait,
 * releases the lock, and frees the pool if that was the last of one that nobody refers to. */
void creel__pool_tell_release(struct creel__pool *pool);
/* Operations of the class. */
void creel__pool_ended(creel_executor *ex);
bool creel__pool_is_thread(creel_executor *ex);
void creel__pool_join(creel_executor *ex);
void creel__pool_release(creel_executor *ex);
void creel__pool_destroy(creel_executor *ex);

/* lend.c */
/* Operations of the class. */
bool creel__pool_help(struct creel__worker *worker, creel_task *task);
bool creel__pool_lend(creel_executor *ex, creel_task *task);
int creel__pool_adopt(creel_executor *ex);
void creel__pool_count_lent(creel_executor *ex);
/* From now on a thread that has run a task which was lent to it takes the lock to count that. */
void creel__pool_await_lent_locked(struct creel__pool *pool);
/* How many have ended. */
uint64_t creel__pool_lent_ended(struct creel__pool *pool);

/* report.c */
enum creel__looked creel__pool_overview(creel_executor *ex, struct creel__overview *ret_overview);
enum creel__looked creel__pool_look(creel_executor *ex, unsigned from,
				    struct creel__worker_look *ret_look);

/* share.c */
bool creel__pool_has_work(struct creel__pool *pool);
bool creel__pool_has_work_locked(struct creel__pool *pool);
creel_task *creel__pool_steal(struct creel__pool_worker *w);
/* Looks for old batches of the shard if it is time to. */
void creel__pool_review(struct creel__pool *pool, struct creel__shard *shard);
/* Puts all batches back and has every worker come to check_in() before it takes another task. */
void creel__pool_call_in_locked(struct creel__pool *pool);
/* What a worker that leaves had claimed: others will run it. In a broken pool it fails instead. */
void creel__pool_give_back_locked(struct creel__pool *pool, struct creel__batch *batch);

/* find.c */
enum creel__look {
	CREEL__GLANCE, /* may miss what is queued meanwhile */
	CREEL__SURE,
};
/* The next task, from the shards or another worker's batch, or a job; NULL: there is none. */
creel_task *creel__pool_find(struct creel__pool_worker *w, enum creel__look look);
/* Runs what that has found. */
void creel__pool_run_found(struct creel__pool_worker *w, creel_task *task);

/* jobs.c */
/* A worker's first step, and what is left when it has gone. */
void creel__pool_lend_deque_locked(struct creel__pool_worker *w);
void creel__pool_return_deque_locked(struct creel__pool_worker *w);
void creel__pool_free_deques(struct creel__pool *pool);
/* Whether there is a job for somebody. */
bool creel__pool_has_jobs_locked(struct creel__pool *pool);
/* True if it has found one: w->job. Nothing is looked for while nobody uses jobs. */
bool creel__pool_find_job(struct creel__pool_worker *w);
/* In a broken pool: runs what was posted. */
void creel__pool_run_posted_here(struct creel__pool *pool);
/* Operations of the class. */
void creel__pool_use_deque(struct creel__worker *worker);
void creel__pool_forked(creel_executor *ex);
int creel__pool_post(creel_executor *ex, struct creel__job *job);
bool creel__pool_unpost(creel_executor *ex, struct creel__job *job);
int creel__pool_loop(creel_executor *ex, unsigned *ret_width, bool *ret_initializes);

static inline bool creel__pool_may_have_jobs(struct creel__pool *pool)
{
	/* [DEQ-3] seq_cst: after need was stored; pairs with creel__pool_use_deque() */
	return creel__load(&pool->jobs, seq_cst);
}

/* reserve.c: operations of the class. */
int creel__pool_reserve(creel_executor *ex, int n);
int creel__pool_submit_reserved(creel_executor *ex, creel_task *task);

/* pause.c: operation of the class. */
int creel__pool_pause(creel_executor *ex, bool paused);

/* sweep.c */
/* So many tasks were claimed whose entries stay in the queues. */
void creel__pool_note_dead(struct creel__pool *pool, uint32_t n);
/* Operation of the class. */
enum creel__withdrawn creel__pool_withdraw(creel_executor *ex, creel_task *task,
					   enum creel__purpose purpose);

/* watch.c */
/* A worker on the idle list watches its word for spin_ns. True: it was woken. False: the word says
 * that it sleeps. */
bool creel__worker_watch(struct creel__pool_worker *w);
/* block.c: what a worker does when it blocks. */
extern const struct creel__blocking creel__pool_blocking;

/* worker.c */
void creel__pool_stop_looking(struct creel__worker *worker);
bool creel__worker_arrive(struct creel__pool_worker *w, bool looks);
bool creel__worker_follow_locked(struct creel__pool_worker *w);
void creel__worker_resign_locked(struct creel__pool_worker *w);
/* Runs tasks until the worker has resigned. was_woken: it has just arrived. */
void creel__worker_serve(struct creel__pool_worker *w, bool was_woken);

/* life.c */
int creel__worker_start(struct creel__pool *pool, bool waking);
/* One that was starting is alive, or does not come. */
void creel__worker_started_locked(struct creel__pool *pool);

/* Those that are not blocked: at work, asleep, or spares. */
static inline int creel__pool_serving_locked(const struct creel__pool *pool)
{
	return pool->alive - pool->blocked;
}

/* Of those, the ones that are not asleep. At most max_workers may take tasks. */
static inline int creel__pool_awake_locked(const struct creel__pool *pool)
{
	return creel__pool_serving_locked(pool) - (int)pool->idle_count;
}

/* Somebody queued a task: wakes or starts a worker if that is needed. */
static inline void creel__pool_nudge(struct creel__pool *pool)
{
	uint32_t need = creel__load(&pool->need, relaxed);
	if (need == CREEL__NEED || (need == CREEL__REFUSED && creel__pool_retry(pool)))
		creel__pool_wake_one(pool);
}

#endif
