/* SPDX-License-Identifier: MIT */
/* Who wakes a worker of a thread pool, or starts one, and which: WAKING, LOOKING and SECOND in
 * threads/pool.h. */
#include "threads/pool.h"

/* Returns the word that is then to be unparked, or NULL: the worker watches it. */
static _Atomic(uint32_t) *wake_locked(struct creel__pool_worker *w)
{
	w->is_idle = false;
	creel__list_remove(&w->idle);
	w->pool->idle_count--;
	/* [WAKE-1] release: pairs with the acquires in creel__worker_watch() and
	 * sleep_until_woken() */
	return creel__xchg(&w->woken, CREEL__WOKEN, release) == CREEL__SLEEPS ? &w->woken : NULL;
}

void creel__pool_kick_locked(struct creel__pool *pool, struct creel__pool_worker *w)
{
	_Atomic(uint32_t) *sleeper = wake_locked(w);
	creel__pool_update_need_locked(pool);
	if (sleeper)
		creel__unpark_one(sleeper);
}

/* Starts one more worker, without the lock: it takes a while. */
static void start_one(struct creel__pool *pool)
{
	bool started = creel__worker_start(pool, true) == 0;
	creel__lock_acquire(&pool->lock);
	pool->unsure--;
	creel__cond_broadcast_locked(&pool->changed);
	if (started) {
		creel__lock_release(&pool->lock);
		return;
	}
	creel__worker_started_locked(pool);
	pool->waking--;
	pool->no_more_threads = true;
	creel__store(&pool->refused_looks, 0, relaxed);
	creel__pool_update_need_locked(pool);
	creel__lock_release(&pool->lock);
	/* Who queued a task meanwhile relied on the worker that does not come. */
	creel__pool_pass_on(pool);
}

bool creel__pool_retry(struct creel__pool *pool)
{
	uint32_t looks = creel__add(&pool->refused_looks, 1, relaxed) + 1;
	if (looks % CREEL__REFUSED_LOOKS)
		return false;
	creel__lock_acquire(&pool->lock);
	pool->no_more_threads = false;
	creel__pool_update_need_locked(pool);
	creel__lock_release(&pool->lock);
	return true;
}

void creel__pool_pass_on(struct creel__pool *pool)
{
	if (creel__load(&pool->need, relaxed) == CREEL__NEED && creel__pool_has_work(pool))
		creel__pool_wake_one(pool);
}

static void put_in_flight_locked(struct creel__pool *pool, struct creel__pool_worker *w)
{
	w->waking = true;
	pool->waking++;
	pool->last_woken = w;
}

/* Takes the last to fall asleep off the idle list: its stack and caches are the warmest. False if
 * none sleeps. The caller unparks *ret_sleeper, unless it is NULL, without the lock. */
static bool wake_idle_locked(struct creel__pool *pool, _Atomic(uint32_t) **ret_sleeper)
{
	if (creel__list_is_empty(&pool->idle))
		return false;
	struct creel__pool_worker *w = creel__of(pool->idle.prev, struct creel__pool_worker, idle);
	put_in_flight_locked(pool, w);
	*ret_sleeper = wake_locked(w);
	return true;
}

/* Puts a worker in flight if it looks for a task anyway. */
static bool rely_on_locked(struct creel__pool *pool, struct creel__pool_worker *w)
{
	uint32_t looks = CREEL__LOOKS;
	if (creel__load(&w->base.looking, relaxed) != looks ||
	    !creel__cas(&w->base.looking, &looks, CREEL__RELIED, relaxed, relaxed))
		return false;
	put_in_flight_locked(pool, w);
	return true;
}

/* The same for any worker. */
static bool rely_on_one_locked(struct creel__pool *pool)
{
	for (struct creel__list *i = pool->roster.next; i != &pool->roster; i = i->next)
		if (rely_on_locked(pool, creel__of(i, struct creel__pool_worker, roster)))
			return true;
	return false;
}

void creel__pool_wake_one(struct creel__pool *pool)
{
	_Atomic(uint32_t) *sleeper = NULL;
	bool start = false;
	creel__lock_acquire(&pool->lock);
	if (creel__load(&pool->need, relaxed) == CREEL__NEED) {
		/* Without any worker, the last one ran what this is about and retired: the gates
		 * are shut, and ensure_worker() opens them. */
		start = !(pool->last_woken && rely_on_locked(pool, pool->last_woken)) &&
			!wake_idle_locked(pool, &sleeper) &&
			creel__pool_serving_locked(pool) + pool->starting > 0 &&
			!rely_on_one_locked(pool);
		/* A worker that looked may have taken the task already: no thread for nothing. */
		start = start && creel__pool_has_work_locked(pool);
		pool->starting += start;
		pool->unsure += start;
		pool->waking += start;
		creel__pool_update_need_locked(pool);
	}
	creel__lock_release(&pool->lock);
	if (sleeper)
		creel__unpark_one(sleeper);
	else if (start)
		start_one(pool);
}

/* See SECOND in threads/pool.h. */
_Atomic(uint32_t) *creel__pool_awaited(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	_Atomic(uint32_t) *sleeper = NULL;
	if (!pool->second || !(creel__load(&pool->need, relaxed) & CREEL__NEED))
		return NULL;
	creel__lock_acquire(&pool->lock);
	if (pool->waking < 2 && creel__load(&pool->need, relaxed) & CREEL__NEED)
		(void)wake_idle_locked(pool, &sleeper);
	creel__pool_update_need_locked(pool);
	creel__lock_release(&pool->lock);
	return sleeper;
}
