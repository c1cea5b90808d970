/* SPDX-License-Identifier: MIT */
/* The thread pool as an executor: making it, submitting, growing, shutting down, letting go. The
 * invariants stand in threads/pool.h, the workers in threads/worker.c, waking them in
 * threads/wake.c. */
#include "threads/pool.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/bound.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void creel__pool_update_need_locked(struct creel__pool *pool)
{
	bool room = creel__pool_awake_locked(pool) + pool->starting < pool->max_workers &&
		    !pool->broken && !creel__load(&pool->base.paused, relaxed);
	bool more = pool->alive + pool->starting < pool->max_threads;
	uint32_t need = 0;
	if (room && (pool->idle_count || (more && !pool->no_more_threads)))
		need = CREEL__NEED;
	else if (room && more)
		need = CREEL__REFUSED;
	if (pool->waking)
		need |= CREEL__WAKING;
	/* [DEQ-3] seq_cst: before a look into the deques; pairs with the load in fork_job() */
	creel__store(&pool->need, need, seq_cst);
}

void creel__pool_set_gates_locked(struct creel__pool *pool, enum creel__gate gate)
{
	for (unsigned i = 0; i < creel__load(&pool->lists, relaxed); i++)
		creel__shard_set_gate(&pool->shard[i], gate);
}

bool creel__pool_try_vacate_locked(struct creel__pool *pool)
{
	unsigned i = 0;
	unsigned lists = creel__load(&pool->lists, relaxed);
	if (creel__pool_may_have_jobs(pool) && creel__pool_has_jobs_locked(pool))
		return false;
	while (i < lists && creel__shard_try_vacate(&pool->shard[i]))
		i++;
	if (i == lists)
		return true;
	while (i--)
		creel__shard_set_gate(&pool->shard[i],
				      pool->closed ? CREEL__GATE_CLOSED : CREEL__GATE_OPEN);
	return false;
}

int creel__pool_start_first_locked(struct creel__pool *pool)
{
	if (pool->alive + pool->starting >= pool->max_threads)
		return -EAGAIN;
	int rc = creel__worker_start(pool, true);
	pool->starting += rc == 0;
	pool->waking += rc == 0;
	return rc;
}

/* The gate of a list of this band has not been opened yet: there was no worker, and this makes the
 * first one; or the band is used for the first time. */
int creel__pool_ensure_worker(struct creel__pool *pool, int band)
{
	int rc = 0;
	creel__lock_acquire(&pool->lock);
	if (band)
		creel__pool_use_bands_locked(pool);
	if (!pool->closed && creel__pool_serving_locked(pool) + pool->starting == 0) {
		rc = creel__pool_start_first_locked(pool);
		if (rc == 0)
			creel__pool_set_gates_locked(pool, CREEL__GATE_OPEN);
		creel__pool_update_need_locked(pool);
	}
	creel__lock_release(&pool->lock);
	/* For what came back from batches. */
	if (band)
		creel__pool_pass_on(pool);
	return rc == 0 || rc == -ENOMEM ? rc : -EAGAIN;
}

int creel__pool_prestart(struct creel__pool *pool, int *ret_count)
{
	int rc = 0, n = 0;
	creel__lock_acquire(&pool->lock);
	creel__pool_set_gates_locked(pool, CREEL__GATE_OPEN);
	while (n < pool->min_workers && (rc = creel__worker_start(pool, false)) == 0) {
		pool->starting++;
		n++;
	}
	if (n == 0)
		creel__pool_set_gates_locked(pool, CREEL__GATE_NO_WORKERS);
	creel__pool_update_need_locked(pool);
	creel__lock_release(&pool->lock);
	*ret_count = n;
	return rc == 0 || rc == -ENOMEM ? rc : -EAGAIN;
}

static inline int push(creel_executor *ex, creel_future *first, creel_future *last, size_t n)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	int band = creel__task_band((creel_task *)first);
	struct creel__shard *shard = creel__pool_list_of(pool, band);
	for (;;) {
		switch (creel__shard_push_list(shard, first, last, n)) {
		case CREEL__GATE_OPEN:
			creel__pool_nudge(pool);
			return 0;
		case CREEL__GATE_CLOSED:
			return -ESHUTDOWN;
		case CREEL__GATE_BROKEN:
			return CREEL_EFAILED;
		case CREEL__GATE_NO_WORKERS:
			break;
		}
		int rc = creel__pool_ensure_worker(pool, band);
		if (rc)
			return rc;
	}
}

static int submit(creel_executor *ex, creel_task *task)
{
	return push(ex, &task->future, &task->future, 1);
}

/* One wake-up: who is woken passes on. */
static int submit_list(creel_executor *ex, creel_future *first, creel_future *last, size_t n)
{
	return push(ex, first, last, n);
}

struct totals {
	uint64_t submitted, begun, ended, cancelled, failed;
};

/* What ended is read before what was submitted: if the two are equal then, for that moment, nothing
 * was pending or running. */
static struct totals totals_locked(struct creel__pool *pool)
{
	struct totals t = {.submitted = pool->ever_posted - pool->unposted,
			   .ended = pool->ended + creel__pool_lent_ended(pool),
			   .cancelled = pool->cancelled,
			   .failed = pool->failed,
			   .begun = pool->begun};
	for (struct creel__list *i = pool->roster.next; i != &pool->roster; i = i->next) {
		struct creel__worker *w = &creel__of(i, struct creel__pool_worker, roster)->base;
		/* [COUNT-1] acquire: pairs with the release where a worker counts */
		t.ended += creel__load(&w->ended, acquire);
		t.begun += creel__load(&w->begun, relaxed);
		/* [COUNT-1] acquire: as above */
		t.cancelled += creel__load(&w->cancelled, acquire);
	}
	/* A task may be lent by way of another list than it was submitted to: what was lent is read
	 * first. */
	unsigned lists = creel__load(&pool->lists, relaxed);
	for (unsigned i = 0; i < 2 * lists; i++) {
		struct creel__shard *shard = &pool->shard[i % lists];
		creel__lock_acquire(&shard->in_lock);
		if (i < lists)
			t.begun += shard->lent_out;
		else
			t.submitted += creel__load(&shard->submitted, relaxed);
		creel__lock_release(&shard->in_lock);
	}
	return t;
}

uint64_t creel__pool_unfinished_locked(struct creel__pool *pool)
{
	struct totals t = totals_locked(pool);
	return t.submitted - t.ended - t.cancelled - t.failed;
}

uint64_t creel__pool_pending_locked(struct creel__pool *pool)
{
	struct totals t = totals_locked(pool);
	return t.submitted - t.begun - t.cancelled - t.failed;
}

static int drain(creel_executor *ex, creel_deadline deadline)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	int rc = 0;
	creel__lock_acquire(&pool->lock);
	creel__pool_await_lent_locked(pool);
	while (rc == 0 && creel__pool_unfinished_locked(pool)) {
		if (creel__deadline_passed(deadline))
			rc = -ETIMEDOUT;
		else if (creel__cond_wait(&pool->changed, &pool->lock, deadline) == -EAGAIN)
			rc = -EAGAIN;
	}
	creel__lock_release(&pool->lock);
	return rc;
}

static void owe(creel_executor *ex, int n)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__lock_acquire(&pool->lock);
	pool->failed -= (uint64_t)(int64_t)n;
	creel__cond_broadcast_locked(&pool->changed);
	creel__lock_release(&pool->lock);
}

void creel__pool_kick_all_locked(struct creel__pool *pool)
{
	while (!creel__list_is_empty(&pool->idle))
		creel__pool_kick_locked(
			pool, creel__of(pool->idle.next, struct creel__pool_worker, idle));
}

void creel__pool_shut(struct creel__pool *pool, unsigned flags, creel_deadline deadline)
{
	struct creel__taken taken = {{NULL}};
	creel__lock_acquire(&pool->lock);
	if (!pool->closed) {
		creel__pool_set_gates_locked(pool, CREEL__GATE_CLOSED);
		pool->closed = true;
		creel__store(&pool->base.paused, false, relaxed);
		creel__bound_open_locked(&pool->base);
		creel__pool_update_need_locked(pool);
		creel__pool_await_lent_locked(pool);
	}
	if (flags & CREEL_SHUTDOWN_CANCEL) {
		creel__store(&pool->base.cancels, true, relaxed);
		creel__pool_take_all_locked(pool, &taken);
	}
	creel__pool_kick_all_locked(pool);
	creel__lock_release(&pool->lock);
	if (flags & CREEL_SHUTDOWN_CANCEL)
		creel__pool_cancel(pool, &taken, deadline);
}

static int shutdown(creel_executor *ex, unsigned flags, creel_deadline deadline, bool may_wait,
		    size_t *ret_left)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	int rc = 0;
	uint64_t left = 0;
	creel__pool_shut(pool, flags, deadline);
	/* A callback or a destructor has forked, and this is the child. */
	if (creel__executor_foreign(ex))
		return -EPERM;
	creel__lock_acquire(&pool->lock);
	while (rc == 0 && !creel__pool_is_over_locked(pool)) {
		/* Counted once: the code and the count tell of the same moment. */
		left = creel__pool_unfinished_locked(pool) + (unsigned)pool->reserved;
		if (creel__deadline_passed(deadline))
			rc = left ? -ETIMEDOUT : 1;
		else if (!may_wait)
			rc = -EDEADLK;
		else if (creel__cond_wait(&pool->changed, &pool->lock, deadline) == -EAGAIN)
			rc = -EAGAIN;
	}
	*ret_left = rc < 0 ? (size_t)left : 0;
	creel__lock_release(&pool->lock);
	/* 1: all tasks have ended, though not yet all threads. */
	return rc > 0 ? 0 : rc;
}

static int resize(creel_executor *ex, int max_workers)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	int rc = 0;
	creel__lock_acquire(&pool->lock);
	if (pool->broken) {
		rc = CREEL_EFAILED;
	} else if (pool->closed) {
		rc = -ESHUTDOWN;
	} else if (pool->threads_asked && max_workers > pool->threads_asked) {
		rc = -ENOSPC;
	} else {
		pool->max_workers = max_workers;
		pool->max_threads = creel__pool_threads_for(pool, max_workers);
		pool->min_workers = max_workers < pool->min_asked ? max_workers : pool->min_asked;
		creel__store(&pool->sharers, creel__pool_sharers_for(pool, max_workers), relaxed);
		creel__bound_resize_locked(ex, max_workers);
		unsigned slots = creel__pool_slots_for(pool, max_workers);
		if (creel__load(&pool->slots, relaxed) < slots)
			creel__store(&pool->slots, slots, relaxed);
		pool->no_more_threads = false;
		int surplus = creel__pool_serving_locked(pool) - max_workers;
		int threads = pool->alive + pool->starting;
		pool->dismissed = threads > max_workers ? threads - max_workers : 0;
		creel__pool_call_in_locked(pool);
		while (surplus-- > 0 && !creel__list_is_empty(&pool->idle))
			creel__pool_kick_locked(
				pool, creel__of(pool->idle.next, struct creel__pool_worker, idle));
		creel__pool_update_need_locked(pool);
	}
	creel__lock_release(&pool->lock);
	/* What waits in the queues may have more workers now. */
	if (rc == 0)
		creel__pool_pass_on(pool);
	return rc;
}

void creel__pool_stats_locked(struct creel__pool *pool, creel_stats *ret_stats)
{
	struct totals t = totals_locked(pool);
	*ret_stats = (creel_stats){
		.pending = t.submitted - t.begun - t.cancelled - t.failed,
		.running = t.begun - t.ended,
		.done = t.ended + t.cancelled + t.failed,
		.cancelled = t.cancelled,
		.workers = (uint64_t)(pool->alive + pool->leaving - pool->helpers),
		.idle = pool->idle_count,
		.started = pool->started,
		.died = pool->died,
		.blocked = (uint64_t)pool->blocked,
	};
}

static void stats(creel_executor *ex, creel_stats *ret_stats)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__lock_acquire(&pool->lock);
	creel__pool_stats_locked(pool, ret_stats);
	creel__lock_release(&pool->lock);
}

static const struct creel__executor_class thread_pool_class = {
	.name = "thread pool",
	.submit = submit,
	.submit_list = submit_list,
	.reserve = creel__pool_reserve,
	.submit_reserved = creel__pool_submit_reserved,
	.owe = owe,
	.withdraw = creel__pool_withdraw,
	.help = creel__pool_help,
	.lend = creel__pool_lend,
	.adopt = creel__pool_adopt,
	.lent_ended = creel__pool_count_lent,
	.awaited = creel__pool_awaited,
	.stop_looking = creel__pool_stop_looking,
	.use_deque = creel__pool_use_deque,
	.forked = creel__pool_forked,
	.post = creel__pool_post,
	.unpost = creel__pool_unpost,
	.loop = creel__pool_loop,
	.ended = creel__pool_ended,
	.shutdown = shutdown,
	.drain = drain,
	.resize = resize,
	.pause = creel__pool_pause,
	.slots = creel__pool_slots,
	.width = creel__pool_width,
	.stats = stats,
	.overview = creel__pool_overview,
	.look = creel__pool_look,
	.is_thread = creel__pool_is_thread,
	.release = creel__pool_release,
	.destroy = creel__pool_destroy,
	.join = creel__pool_join,
};

const struct creel__executor_class *creel__thread_pool_class(void)
{
	return &thread_pool_class;
}
