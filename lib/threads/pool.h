/* SPDX-License-Identifier: MIT */
/*
 * The thread pool from inside.
 *
 * LOCKS  pool->lock (rank 10) guards everything below it in struct pool. Then a shard's out_lock
 *        (50), then its in_lock (60). Tasks, callbacks and the user's functions run with none of
 *        them.
 *
 * WORKERS  starting: a thread is being made. alive: it serves. leaving: it has resigned, and does
 *          what is left to do. The gates of the shards are OPEN
 *          exactly while alive + starting > 0 and the pool accepts; the last worker retires only
 *          after it has closed them to NO_WORKERS with all queues empty. So an accepted task always
 *          has a worker, and a task is refused before it is queued if no thread can be had.
 *
 * WAKING   `need` is what a submitter looks at after it queued a task. NEED: a worker sleeps or
 *          could be started. WAKING: one has been woken or started and has not yet looked at
 *          the queues; it will, so nobody else wakes a second one. The woken worker clears
 *          WAKING, looks at all queues, and if it leaves work behind wakes the next. At most
 *          one wake-up is in flight.
 *
 *          No wake-up is lost: a submitter that sees WAKING queued its task before the woken worker
 *          looks (if that look came first, it would by the shard's lock have made the clearing
 *          visible). A submitter that sees no NEED queued its task before the last worker to fall
 *          asleep looks once more (threads/queues.c).
 */
#ifndef CREEL__THREADS_POOL_H
#define CREEL__THREADS_POOL_H

#include "base/list.h"
#include "core/executor.h"
#include "core/task.h"
#include "sync/lock.h"
#include "sync/thread.h"
#include "threads/queues.h"
#include <creel/pools.h>

enum {
	CREEL__NEED = 1,
	CREEL__WAKING = 2,
	CREEL__SHARDS_MAX = 16,
};

struct creel__pool_worker {
	struct creel__worker base;
	struct creel__pool *pool;
	pthread_t thread;
	struct creel__list roster; /* in pool->roster, later in pool->zombies */
	bool joining;              /* a zombie that a closer joins; guarded by pool->lock */
	struct creel__list idle;   /* in pool->idle while it sleeps */
	bool is_idle;              /* guarded by pool->lock */
	bool waking;               /* it is the one in flight; guarded by pool->lock */
	bool resigned;             /* counts as leaving; guarded by pool->lock */
	bool finalized;            /* likewise */
	bool initialized;          /* plain: only its own thread uses it */
	unsigned next_shard;
	_Atomic(uint32_t) woken; /* parked on; 1: look again */
	struct creel__batch batch;
};

struct creel__pool {
	creel_executor base;
	/* Set at birth. */
	unsigned shards;
	size_t stack_size;
	int64_t idle_ns;
	int min_asked;
	char name[16];
	int (*initializer)(void *ctx, unsigned worker, void **ret_local);
	void (*finalizer)(void *ctx, void *local);
	void *ctx;
	struct creel__heritage heritage; /* of who made the pool, for the workers */

	/* Written under the lock, read without it by submitters and workers. */
	alignas(64) _Atomic(uint32_t) need;
	_Atomic(uint32_t) attention;  /* workers must look at the state below between tasks */
	_Atomic(unsigned) sharers;    /* max_workers */
	_Atomic(unsigned) next_index; /* of the next worker */

	alignas(64) struct creel__lock lock;
	struct creel__cond changed; /* workers went idle or went away */
	int max_workers, min_workers, alive, starting, leaving;
	bool waking;          /* shown in need */
	bool no_more_threads; /* the system refused one; until a worker idles or goes */
	bool put_off;         /* the last worker stays only because another one is starting */
	bool closed, broken, released;
	struct creel__list roster, idle, zombies;
	unsigned idle_count, initializing;
	uint64_t started, died;
	/* Of the workers that went, and of tasks that were ended without a worker. */
	uint64_t begun, ended, cancelled, failed;

	struct creel__shard shard[CREEL__SHARDS_MAX];
};

/* pool.c */
const struct creel__executor_class *creel__thread_pool_class(void);
void creel__pool_update_need_locked(struct creel__pool *pool);
void creel__pool_wake_one(struct creel__pool *pool);
bool creel__pool_has_work(struct creel__pool *pool);
bool creel__pool_has_work_locked(struct creel__pool *pool);
/* Wakes one if there is work and nobody on the way to it. */
void creel__pool_pass_on(struct creel__pool *pool);
/* Accepted and not started. */
uint64_t creel__pool_pending_locked(struct creel__pool *pool);
void creel__pool_break(struct creel__pool *pool, const creel_error *error);
/* What a worker that leaves had claimed: others will run it. In a broken pool it fails instead. */
void creel__pool_give_back_locked(struct creel__pool *pool, struct creel__batch *batch);
void creel__pool_fail_batch(struct creel__pool *pool, struct creel__batch *batch);
bool creel__pool_try_vacate_locked(struct creel__pool *pool);
/* Wakes a sleeping worker for a reason other than work. */
void creel__pool_kick_locked(struct creel__pool *pool, struct creel__pool_worker *w);

/* Refuses what comes; with CREEL_SHUTDOWN_CANCEL, what is pending is cancelled. */
void creel__pool_shut(struct creel__pool *pool, unsigned flags);

/* reap.c: workers that left. */
/* Nobody serves, or is about to. */
bool creel__pool_is_deserted_locked(const struct creel__pool *pool);
/* Joins those whose threads have ended. Does not wait. */
void creel__pool_reap_locked(struct creel__pool *pool);
/* The last call of a worker that leaves: it becomes a zombie, or, if it is the last of a pool that
 * nobody refers to, frees the pool. */
void creel__pool_bury(struct creel__pool_worker *w);
/* Operations of the class. */
bool creel__pool_is_thread(creel_executor *ex);
void creel__pool_join(creel_executor *ex);
void creel__pool_release(creel_executor *ex);

/* worker.c */
int creel__worker_start(struct creel__pool *pool, bool waking);
/* One that was starting is alive, or does not come. */
void creel__worker_started_locked(struct creel__pool *pool);

#endif
