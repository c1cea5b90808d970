/* SPDX-License-Identifier: MIT */
/*
 * Workers: from the first instruction of the thread to its last.
 *
 *   start -> initializer -> ( take a task -> run it )* -> sleep -> ... -> finalizer -> leave
 *
 * How sleeping and waking keep from losing a wake-up stands in threads/pool.h.
 *
 * ENDING  A task that ends its thread (pthread_exit) ends as exited; what its worker had claimed
 *         goes back to the queues, and another worker is started in its place. If it was the last
 *         one and the system refuses a thread, the dying one serves the queues to the end itself.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "future/watch.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include "threads/pool.h"
#include <errno.h>

static bool is_surplus_locked(const struct creel__pool *pool)
{
	return pool->alive > pool->max_workers && pool->alive > 1;
}

/* Follows the last call-in, and may take tasks again; not while the pool is paused. */
static void follow_locked(struct creel__pool_worker *w)
{
	if (!creel__load(&w->pool->base.paused, relaxed))
		w->attended = creel__load(&w->pool->attention, relaxed);
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
 * was. looks: from here on it can be relied on. If it is called in and may stay, it follows: what
 * it was woken for must not wait. */
static bool arrive(struct creel__pool_worker *w, bool looks)
{
	struct creel__pool *pool = w->pool;
	creel__lock_acquire(&pool->lock);
	bool was = land_locked(w);
	creel__store(&w->base.looking, looks ? CREEL__LOOKS : 0, relaxed);
	if (!pool->broken && !is_surplus_locked(pool))
		follow_locked(w);
	creel__lock_release(&pool->lock);
	return was;
}

void creel__pool_stop_looking(struct creel__worker *worker)
{
	struct creel__pool_worker *w = creel__of(worker, struct creel__pool_worker, base);
	if (creel__xchg(&worker->looking, 0, relaxed) == CREEL__RELIED && arrive(w, false))
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
	creel_task *task = creel__pool_find(w, CREEL__GLANCE);
	if (task) {
		stop_looking(w);
		creel__pool_pass_on(w->pool);
	}
	return task;
}

enum verdict {
	SLEEP,
	LOOK, /* for tasks, once more; and if there are none, leave */
	LEAVE,
};

/* From here on nobody counts on this worker, and what it had claimed goes back. The decision to
 * leave, and this, are one step: of several that could leave at the same moment each sees the
 * others gone. */
static void resign_locked(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	if (w->resigned)
		return;
	w->resigned = true;
	creel__pool_give_back_locked(pool, &w->batch);
	pool->alive--;
	pool->leaving++;
	pool->no_more_threads = false;
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
	bool resigned = pool->alive > 1 || !creel__pool_has_work_locked(pool);
	if (resigned)
		resign_locked(w);
	creel__lock_release(&pool->lock);
	return resigned;
}

/* What a worker without a task does next. If it is to sleep, it is on the idle list from here on.
 * Who relied on it while it looked queued a task before, and it looks once more. */
static enum verdict settle_down(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	enum verdict verdict = SLEEP;
	creel__lock_acquire(&pool->lock);
	creel__store(&w->base.looking, 0, relaxed);
	(void)land_locked(w);
	follow_locked(w);
	if (pool->broken || is_surplus_locked(pool)) {
		verdict = LEAVE;
		resign_locked(w);
	} else if (pool->closed) {
		verdict = LOOK;
	} else {
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
	(void)arrive(w, false);
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
		bool last = pool->alive == 1;
		pool->put_off = last && pool->starting > 0;
		go = !last || (pool->starting == 0 && creel__pool_try_vacate_locked(pool));
		if (go) {
			leave_idle_locked(w);
			resign_locked(w);
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
		if (creel__park(&w->woken, CREEL__SLEEPS, deadline) != -ETIMEDOUT)
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
		creel_task *task = verdict == LEAVE ? NULL : creel__pool_find(w, CREEL__SURE);
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
		arrive(w, true);
		task = find_and_pass_on(w);
		if (task)
			return task;
	}
}

/* Follows a call-in: whether the worker stays. */
static bool check_in(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	creel__lock_acquire(&pool->lock);
	follow_locked(w);
	bool leave = pool->broken || is_surplus_locked(pool);
	if (leave)
		resign_locked(w);
	creel__lock_release(&pool->lock);
	return !leave;
}

/* NULL: the worker leaves. */
static creel_task *next_task(struct creel__pool_worker *w)
{
	if (creel__load(&w->pool->attention, relaxed) != w->attended && !check_in(w))
		return NULL;
	creel_task *task = creel__batch_take(&w->batch);
	if (!task)
		task = creel__pool_find(w, CREEL__GLANCE);
	if (!task)
		return idle(w);
	stop_looking(w);
	return task;
}

static void serve(struct creel__pool_worker *w, creel_task *task)
{
	for (; task; task = next_task(w))
		creel__pool_run_found(w, task);
}

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
		if (arrive(w, false))
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
	w->attended = creel__load(&pool->attention, relaxed) - 1;
	follow_locked(w);
	if (pool->alive > pool->max_workers)
		creel__pool_call_in_locked(pool);
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
	arrive(w, false);
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
	creel__lock_acquire(&pool->lock);
	resign_locked(w);
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
		arrive(w, true);
		creel_task *task = find_and_pass_on(w);
		serve(w, task ? task : idle(w));
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
	if (!w->resigned && pool->alive == 1 && !pool->broken) {
		pool->starting++;
		replaced = creel__worker_start(pool, false) == 0;
		if (!replaced)
			pool->starting--;
	}
	if (replaced)
		resign_locked(w);
	creel__lock_release(&pool->lock);
	return replaced;
}

/* The thread was ended inside a task, or inside the initializer. */
static void ended(void *arg)
{
	struct creel__pool_worker *w = arg;
	creel__fork_returned(w->pool->base.generation, 0);
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
		serve(w, next_task(w));
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
