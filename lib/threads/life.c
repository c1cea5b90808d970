/* SPDX-License-Identifier: MIT */
/*
 * Workers: from the first instruction of the thread to its last.
 *
 *   start -> initializer -> serve (threads/worker.c) -> finalizer -> leave
 *
 * While it serves, its slot is free when it blocks. Not in the initializer, since then each worker
 * that is started for a task could block there in its turn; and not once it has resigned.
 *
 * ENDING  A task that ends its thread (pthread_exit) ends as exited; what its worker had claimed
 *         goes back to the queues, and another worker is started in its place. If it was the last
 *         one and the system refuses a thread, the dying one serves the queues to the end itself.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "future/watch.h"
#include "sync/block.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include "threads/pool.h"
#include <errno.h>

void creel__worker_started_locked(struct creel__pool *pool)
{
	pool->starting--;
	/* Its idle time begins anew. */
	if (pool->put_off && !creel__list_is_empty(&pool->idle))
		creel__pool_kick_locked(
			pool, creel__of(pool->idle.next, struct creel__pool_worker, idle));
	pool->put_off = false;
}

/* The lowest number that no worker has, and before whom in the roster its worker stands: that is in
 * the order of the numbers. NULL: all are taken. */
static struct creel__list *free_number_locked(struct creel__pool *pool, unsigned *ret_number)
{
	struct creel__list *i = pool->roster.next;
	unsigned n = 0;
	while (i != &pool->roster &&
	       creel__of(i, struct creel__pool_worker, roster)->base.index == n) {
		i = i->next;
		n++;
	}
	*ret_number = n;
	return n < creel__load(&pool->slots, relaxed) ? i : NULL;
}

/* Takes a number. All are taken only if many workers are still in their finalizers: then it waits
 * for one of those, counts as starting, and nobody relies on it. */
static void enroll_locked(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	struct creel__list *before = free_number_locked(pool, &w->base.index);
	if (!before) {
		creel__lock_release(&pool->lock);
		if (creel__worker_arrive(w, false))
			creel__pool_pass_on(pool);
		creel__lock_acquire(&pool->lock);
	}
	while (!(before = free_number_locked(pool, &w->base.index)))
		creel__cond_wait(&pool->changed, &pool->lock, CREEL_FOREVER);
	creel__list_append(before, &w->roster);
	creel__pool_lend_deque_locked(w);
	w->next_shard = w->base.index;
}

static void begin(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	creel__self()->worker = &w->base;
	w->thread = creel__thread_self();
	creel__thread_inherit(&pool->heritage);
	creel__error_fill_reserve();
	creel__lock_acquire(&pool->lock);
	enroll_locked(w);
	pool->alive++;
	pool->started++;
	creel__worker_started_locked(pool);
	creel__pool_reap_locked(pool);
	(void)creel__worker_follow_locked(w);
	creel__lock_release(&pool->lock);
	creel__thread_set_name(pool->name, w->base.index);
	(void)creel__watch_worker(&pool->base, w->base.index, false);
}

/* The initializer may take long, or wait for what is queued: nobody waits for this worker
 * meanwhile. One that sleeps can take over; another is started only if there is work for more
 * than those on the way. */
static void arrive_early(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	creel__worker_arrive(w, false);
	creel__lock_acquire(&pool->lock);
	pool->initializing++;
	uint64_t pending = creel__pool_pending_locked(pool);
	bool more = pending > pool->initializing || (pending && pool->idle_count);
	creel__lock_release(&pool->lock);
	if (more)
		creel__pool_pass_on(pool);
}

/* False: the pool is broken by it. */
static bool initialize(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	int code = 0;
	if (pool->initializer) {
		arrive_early(w);
		w->base.initializing = true;
		(void)creel__user_call(
			pool->base.generation,
			code = pool->initializer(pool->ctx, w->base.index, &w->base.local), code);
		w->base.initializing = false;
		creel__lock_acquire(&pool->lock);
		pool->initializing--;
		creel__lock_release(&pool->lock);
	}
	w->initialized = code == 0 && !w->base.said;
	if (!w->initialized)
		creel__pool_break(pool,
				  creel__initializer_error(w->base.index, code, w->base.said));
	return w->initialized;
}

/* The worker's last words. Afterwards w, and perhaps the pool, may be gone. */
static void leave(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	(void)creel__thread_no_cancel();
	creel__self()->blocking = NULL;
	creel__lock_acquire(&pool->lock);
	creel__worker_resign_locked(w);
	creel__lock_release(&pool->lock);
	creel__pool_pass_on(pool);
	bool finalize = w->initialized && !w->finalized;
	w->finalized = true;
	if (finalize && pool->finalizer)
		(void)creel__user_call(pool->base.generation,
				       pool->finalizer(pool->ctx, w->base.local), 0);
	(void)creel__watch_worker(&pool->base, w->base.index, true);
	creel__pool_fail_batch(pool, &w->batch);
	creel__error_drop_reserve();
	creel__self()->worker = NULL;
	creel__pool_bury(w);
}

static void run(void *arg)
{
	struct creel__pool_worker *w = arg;
	begin(w);
	if (initialize(w)) {
		creel__self()->blocking = &creel__pool_blocking;
		creel__worker_arrive(w, true);
		creel__worker_serve(w, true);
	}
	leave(w);
}

/* Sees to it that the queues have a worker when this one goes; false if no thread can be had. */
static bool replace(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	bool replaced = true;
	creel__lock_acquire(&pool->lock);
	pool->died++;
	if (!w->resigned && creel__pool_serving_locked(pool) == 1 && !pool->broken) {
		pool->starting++;
		replaced = creel__worker_start(pool, false) == 0;
		if (!replaced)
			pool->starting--;
	}
	if (replaced)
		creel__worker_resign_locked(w);
	creel__lock_release(&pool->lock);
	return replaced;
}

/* The thread was ended inside a task, or inside the initializer. */
static void ended(void *arg)
{
	struct creel__pool_worker *w = arg;
	creel__fork_returned(w->pool->base.generation, 0);
	creel__blocking_restore(0);
	creel__task_exited(NULL);
	creel__jobs_drop(w->base.deque, 0);
	/* [COUNT-1] release: as where a worker counts a task that returned */
	creel__store(&w->base.ended, creel__load(&w->base.begun, relaxed), release);
	if (!w->initialized) {
		const creel_error *e = creel__error_make(
			CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
			"the initializer of worker %u ended its thread", w->base.index);
		creel__error_set_cause(e, w->base.said);
		creel__pool_break(w->pool, e);
	}
	if (!w->finalized && !replace(w))
		creel__worker_serve(w, false);
	leave(w);
}

static void *thread_main(void *arg)
{
	creel__self()->own = true;
	creel__thread_guard(run, ended, arg);
	return NULL;
}

/* The caller has counted it as starting. */
int creel__worker_start(struct creel__pool *pool, bool waking)
{
	struct creel__pool_worker *w = creel__malloc_aligned(64, sizeof *w);
	if (!w)
		return -ENOMEM;
	*w = (struct creel__pool_worker){.pool = pool, .waking = waking};
	w->base.executor = &pool->base;
	w->base.need = &pool->need;
	creel__list_init(&w->roster);
	creel__list_init(&w->idle);
	pthread_t thread; /* the worker stores its own: it may be gone before this call returns */
	int rc = creel__thread_create(&thread, thread_main, w, pool->stack_size);
	if (rc)
		creel__free(w);
	return rc;
}
