/* SPDX-License-Identifier: MIT */
/*
 * What workers do from task to task: look for one, run it, sleep, retire. Their beginning and end
 * stand in threads/life.c, blocking in threads/block.c.
 *
 *   ( take a task -> run it )* -> look -> sleep -> ( take a task -> run it )* -> look -> ...
 *
 * How sleeping and waking keep from losing a wake-up stands in threads/pool.h.
 */
#include "base/clock.h"
#include "sync/look.h"
#include "threads/pool.h"
#include <errno.h>

/* A worker that is awake, and one too many: takes no task. */
static bool is_surplus_locked(const struct creel__pool *pool)
{
	return creel__pool_awake_locked(pool) > pool->max_workers;
}

/* A worker without a task leaves, and does not become a spare. One that serves stays. */
static bool must_leave_locked(const struct creel__pool *pool)
{
	return pool->broken || (creel__pool_serving_locked(pool) > pool->max_workers &&
				(pool->dismissed || pool->closed));
}

/* Follows the last call-in if it may take tasks. Not while the pool is paused, and not if it is one
 * too many: then it has not followed, whatever it did before, and gets none. */
bool creel__worker_follow_locked(struct creel__pool_worker *w)
{
	const struct creel__pool *pool = w->pool;
	bool may = !creel__load(&pool->base.paused, relaxed) && !is_surplus_locked(pool) &&
		   !must_leave_locked(pool);
	w->attended = creel__load(&pool->attention, relaxed) - !may;
	return may;
}

/* It is in flight no longer. Returns whether it was. */
static bool land_locked(struct creel__pool_worker *w)
{
	bool was = w->waking;
	w->waking = false;
	w->pool->waking -= was;
	creel__pool_update_need_locked(w->pool);
	return was;
}

/* Whoever was in flight is about to look, or has: clears its part of WAKING. Returns whether it
 * was. looks: from here on it can be relied on. If it is called in and may take tasks, it follows:
 * what it was woken for must not wait. */
bool creel__worker_arrive(struct creel__pool_worker *w, bool looks)
{
	struct creel__pool *pool = w->pool;
	creel__lock_acquire(&pool->lock);
	bool was = land_locked(w);
	creel__store(&w->base.looking, looks ? CREEL__LOOKS : 0, relaxed);
	(void)creel__worker_follow_locked(w);
	creel__lock_release(&pool->lock);
	return was;
}

void creel__pool_stop_looking(struct creel__worker *worker)
{
	struct creel__pool_worker *w = creel__of(worker, struct creel__pool_worker, base);
	if (creel__xchg(&worker->looking, 0, relaxed) == CREEL__RELIED &&
	    creel__worker_arrive(w, false))
		creel__pool_pass_on(w->pool);
}

/* It has a task. */
static void stop_looking(struct creel__pool_worker *w)
{
	if (creel__load(&w->base.looking, relaxed))
		creel__pool_stop_looking(&w->base);
}

/* The task of a worker that was woken: what it leaves behind is the next one's. */
static creel_task *find_and_pass_on(struct creel__pool_worker *w)
{
	/* Of the queues it would get nothing otherwise, but jobs. */
	bool follows = creel__load(&w->pool->attention, relaxed) == w->attended;
	creel_task *task = follows ? creel__pool_find(w, CREEL__GLANCE) : NULL;
	if (task) {
		stop_looking(w);
		creel__pool_pass_on(w->pool);
	}
	return task;
}

enum verdict {
	SLEEP,
	REST, /* sleep without a look: it may not take tasks now */
	LOOK, /* for tasks, once more; and if there are none, leave */
	LEAVE,
};

/* From here on nobody counts on this worker, and what it had claimed goes back. The decision to
 * leave, and this, are one step: of several that could leave at the same moment each sees the
 * others gone. */
void creel__worker_resign_locked(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	if (w->resigned)
		return;
	w->resigned = true;
	creel__pool_give_back_locked(pool, &w->batch);
	pool->alive--;
	pool->leaving++;
	pool->dismissed -= pool->dismissed > 0;
	pool->no_more_threads = false;
	if (pool->last_woken == w)
		pool->last_woken = NULL;
	creel__store(&w->base.looking, 0, relaxed);
	(void)land_locked(w);
	/* Its tasks have ended: who drains need not wait for the finalizer. */
	creel__cond_broadcast_locked(&pool->changed);
}

/* A closed pool's worker that found no task: false if it is the last,
 * and there is one after all. */
static bool try_resign(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	creel__lock_acquire(&pool->lock);
	bool resigned = creel__pool_serving_locked(pool) > 1 || !creel__pool_has_work_locked(pool);
	if (resigned)
		creel__worker_resign_locked(w);
	creel__lock_release(&pool->lock);
	return resigned;
}

/* What a worker without a task does next. If it is to sleep, it is on the idle list from here on.
 * Who relied on it while it looked queued a task before, and it looks once more; or enough others
 * are awake. */
static enum verdict settle_down(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	enum verdict verdict;
	creel__lock_acquire(&pool->lock);
	creel__store(&w->base.looking, 0, relaxed);
	(void)land_locked(w);
	bool may = creel__worker_follow_locked(w);
	if (must_leave_locked(pool)) {
		verdict = LEAVE;
		creel__worker_resign_locked(w);
	} else if (pool->closed) {
		verdict = LOOK;
	} else {
		verdict = may ? SLEEP : REST;
		creel__store(&w->woken, CREEL__WATCHES, relaxed);
		w->is_idle = true;
		creel__list_append(&pool->idle, &w->idle);
		pool->idle_count++;
		pool->no_more_threads = false;
		creel__pool_update_need_locked(pool);
		creel__cond_broadcast_locked(&pool->changed);
	}
	creel__lock_release(&pool->lock);
	return verdict;
}

static void leave_idle_locked(struct creel__pool_worker *w)
{
	w->is_idle = false;
	creel__list_remove(&w->idle);
	w->pool->idle_count--;
	creel__pool_update_need_locked(w->pool);
}

/* The worker said that it sleeps and then found a task: takes that back. It may have been in flight
 * before, or be again, and others left the rest to it: so it passes on. */
static void stay_awake(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	creel__lock_acquire(&pool->lock);
	if (w->is_idle)
		leave_idle_locked(w);
	creel__lock_release(&pool->lock);
	(void)creel__worker_arrive(w, false);
	creel__pool_pass_on(pool);
}

/* Slept long enough: whether it retires. If not, it need not look at the clock again: what changes
 * that wakes it. The last one goes only once all queues are empty, and whoever filled one wakes it;
 * and not while another one is starting, which wakes it when it is there or does not come. */
static bool retire(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	bool go = false;
	creel__lock_acquire(&pool->lock);
	if (w->is_idle && pool->alive > pool->min_workers) {
		bool last = creel__pool_serving_locked(pool) == 1;
		pool->put_off = last && pool->starting > 0;
		go = !last || (pool->starting == 0 && creel__pool_try_vacate_locked(pool));
		if (go) {
			leave_idle_locked(w);
			creel__worker_resign_locked(w);
		}
	}
	creel__lock_release(&pool->lock);
	return go;
}

/* Sleeps until woken. False: it retires. */
static bool sleep_until_woken(struct creel__pool_worker *w)
{
	if (creel__worker_watch(w))
		return true;
	creel_deadline deadline = w->pool->idle_ns == CREEL_NEVER ? CREEL_FOREVER
								  : creel_in_ns(w->pool->idle_ns);
	/* [WAKE-1] acquire: what the waker did; pairs with the release in wake_locked() */
	while (creel__load(&w->woken, acquire) == CREEL__SLEEPS) {
		if (creel__park_briefly(&w->woken, CREEL__SLEEPS, deadline) != -ETIMEDOUT)
			continue;
		if (retire(w))
			return false;
		deadline = CREEL_FOREVER;
	}
	return true;
}

/* The next task after there was none; NULL: the worker leaves. */
static creel_task *idle(struct creel__pool_worker *w)
{
	for (;;) {
		enum verdict verdict = settle_down(w);
		bool look = verdict == SLEEP || verdict == LOOK;
		creel_task *task = look ? creel__pool_find(w, CREEL__SURE) : NULL;
		if (task) {
			stay_awake(w);
			return task;
		}
		if (verdict == LEAVE || (verdict == LOOK && try_resign(w)))
			return NULL;
		if (verdict == LOOK)
			continue;
		if (!sleep_until_woken(w))
			return NULL;
		creel__worker_arrive(w, true);
		task = find_and_pass_on(w);
		if (task)
			return task;
	}
}

/* Follows a call-in: LOOK if the worker may take tasks. */
static enum verdict check_in(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	creel__lock_acquire(&pool->lock);
	enum verdict verdict = creel__worker_follow_locked(w) ? LOOK : REST;
	if (must_leave_locked(pool)) {
		verdict = LEAVE;
		creel__worker_resign_locked(w);
	} else if (verdict == REST) {
		creel__pool_give_back_locked(pool, &w->batch);
	}
	creel__lock_release(&pool->lock);
	return verdict;
}

struct search {
	struct creel__pool_worker *worker;
	creel_task *found;
};

static bool finds(void *search)
{
	struct search *s = search;
	const struct creel__pool_worker *w = s->worker;
	s->found = creel__pool_find(s->worker, CREEL__GLANCE);
	return s->found || creel__load(&w->pool->attention, relaxed) != w->attended;
}

/* A task that comes before the worker has gone to sleep: LOOKING in threads/pool.h. A call-in ends
 * the look: the queues have nothing for the worker until it has followed. */
static creel_task *look_for_task(struct creel__pool_worker *w)
{
	struct search search = {.worker = w};
	(void)creel__look(creel__looks(), finds, &search);
	return search.found;
}

/* NULL: the worker leaves. */
static creel_task *next_task(struct creel__pool_worker *w)
{
	enum verdict verdict = LOOK;
	if (creel__load(&w->pool->attention, relaxed) != w->attended)
		verdict = check_in(w);
	if (verdict != LOOK)
		return verdict == REST ? idle(w) : NULL;
	creel_task *task = creel__batch_take(&w->batch);
	if (!task)
		task = creel__pool_find(w, CREEL__GLANCE);
	if (!task)
		task = look_for_task(w);
	if (!task)
		return idle(w);
	stop_looking(w);
	return task;
}

void creel__worker_serve(struct creel__pool_worker *w, bool was_woken)
{
	creel_task *task = was_woken ? find_and_pass_on(w) : next_task(w);
	if (was_woken && !task)
		task = idle(w);
	for (; task; task = next_task(w))
		creel__pool_run_found(w, task);
}
