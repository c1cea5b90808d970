/* SPDX-License-Identifier: MIT */
/*
 * Jobs on a thread pool: the workers' deques, where idle workers steal, and the queue of posted
 * jobs. JOBS in threads/pool.h says why no wake-up is lost.
 *
 * DEQUES  A worker borrows one for its life. They are freed with the pool: a thief may look into a
 *         deque that nobody owns any more, and finds it empty. Only those that somebody has forked
 *         into are in the list that thieves walk. Pools without jobs pay one look at a flag.
 */
#include "base/alloc.h"
#include "threads/pool.h"
#include <errno.h>

/* Without memory for one, jobs run in their joins. */
void creel__pool_lend_deque_locked(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	struct creel__deque *d = pool->deques;
	while (d && d->owned)
		d = d->next_owned;
	if (!d && (d = creel__malloc_aligned(64, sizeof *d))) {
		creel__store(&d->top, 0, relaxed);
		creel__store(&d->bottom, 0, relaxed);
		d->limit = 0;
		d->next_owned = pool->deques;
		pool->deques = d;
	}
	if (d)
		d->owned = true;
	w->base.deque = d;
}

void creel__pool_return_deque_locked(struct creel__pool_worker *w)
{
	if (w->base.deque)
		w->base.deque->owned = false;
}

void creel__pool_free_deques(struct creel__pool *pool)
{
	for (struct creel__deque *d; (d = pool->deques);) {
		pool->deques = d->next_owned;
		creel__free(d);
	}
}

void creel__pool_use_deque(struct creel__worker *worker)
{
	struct creel__pool *pool = (struct creel__pool *)worker->executor;
	struct creel__deque *d = worker->deque, *first = creel__load(&pool->used, relaxed);
	do {
		creel__store(&d->next_used, first, relaxed);
		/* [DEQ-3] seq_cst: before the first push into it; pairs with the loads of those who
		 * look into the deques */
	} while (!creel__cas(&pool->used, &first, d, seq_cst, relaxed));
	/* [DEQ-3] seq_cst: as above */
	creel__store(&pool->jobs, true, seq_cst);
}

void creel__pool_forked(creel_executor *ex)
{
	creel__pool_nudge((struct creel__pool *)ex);
}

static bool has_forked(struct creel__pool *pool)
{
	/* [DEQ-3] seq_cst: pairs with the swap in creel__pool_use_deque() */
	struct creel__deque *d = creel__load(&pool->used, seq_cst);
	while (d && creel__deque_is_empty(d))
		d = creel__load(&d->next_used, relaxed);
	return d;
}

bool creel__pool_has_jobs_locked(struct creel__pool *pool)
{
	return !creel__list_is_empty(&pool->posted_jobs) || has_forked(pool);
}

/* From the first deque on, up to last. */
static struct creel__job *steal(struct creel__deque *first, const struct creel__deque *last)
{
	struct creel__job *job = NULL;
	for (; !job && first != last; first = creel__load(&first->next_used, relaxed))
		while (!creel__deque_is_empty(first) && !(job = creel__deque_steal(first)))
			;
	return job;
}

/* Each worker begins behind its own, so that they do not all steal from the same one. */
static struct creel__job *steal_any(struct creel__pool_worker *w)
{
	struct creel__deque *own = w->base.deque;
	/* [DEQ-3] seq_cst: as above */
	struct creel__deque *first = creel__load(&w->pool->used, seq_cst);
	struct creel__job *job = NULL;
	if (own && own->limit)
		job = steal(creel__load(&own->next_used, relaxed), NULL);
	else
		own = NULL;
	return job ? job : steal(first, own);
}

static void take_out_locked(struct creel__pool *pool, struct creel__job *job)
{
	creel__list_remove(&job->queue);
	creel__store(&pool->posted, creel__load(&pool->posted, relaxed) - 1, relaxed);
	creel__store(&job->state, CREEL__JOB_IDLE, relaxed);
}

static struct creel__job *first_posted_locked(struct creel__pool *pool)
{
	if (creel__list_is_empty(&pool->posted_jobs))
		return NULL;
	struct creel__job *job = creel__of(pool->posted_jobs.next, struct creel__job, queue);
	take_out_locked(pool, job);
	return job;
}

static struct creel__job *take_posted(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	struct creel__job *job = NULL;
	creel__lock_acquire(&pool->lock);
	if (creel__load(&pool->attention, relaxed) == w->attended)
		job = first_posted_locked(pool);
	creel__lock_release(&pool->lock);
	return job;
}

bool creel__pool_find_job(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	w->job = steal_any(w);
	w->posted = !w->job && creel__load(&pool->posted, relaxed);
	if (w->posted)
		w->job = take_posted(w);
	return w->job;
}

/* Under the lock there is a worker, or there will be, that looks at the queue before it goes. */
static int enqueue(struct creel__pool *pool, struct creel__job *job)
{
	int rc = 0;
	creel__lock_acquire(&pool->lock);
	if (pool->broken) {
		rc = CREEL_EFAILED;
	} else if (pool->closed) {
		rc = -ESHUTDOWN;
	} else if (creel__pool_serving_locked(pool) + pool->starting == 0) {
		rc = -EAGAIN;
	} else {
		creel__list_append(&pool->posted_jobs, &job->queue);
		creel__store(&pool->posted, creel__load(&pool->posted, relaxed) + 1, relaxed);
		creel__store(&job->state, CREEL__JOB_POSTED, relaxed);
		creel__store(&pool->jobs, true, relaxed);
		pool->ever_posted++;
	}
	creel__lock_release(&pool->lock);
	return rc;
}

int creel__pool_post(creel_executor *ex, struct creel__job *job)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	int rc;
	while ((rc = enqueue(pool, job)) == -EAGAIN)
		if ((rc = creel__pool_ensure_worker(pool, 0)))
			return rc;
	if (rc == 0)
		creel__pool_nudge(pool);
	return rc;
}

bool creel__pool_unpost(creel_executor *ex, struct creel__job *job)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__lock_acquire(&pool->lock);
	bool found = creel__load(&job->state, relaxed) == CREEL__JOB_POSTED;
	if (found) {
		take_out_locked(pool, job);
		pool->unposted++;
		creel__cond_broadcast_locked(&pool->changed);
	}
	creel__lock_release(&pool->lock);
	return found;
}

static struct creel__job *take_from_broken(struct creel__pool *pool)
{
	creel__lock_acquire(&pool->lock);
	struct creel__job *job = first_posted_locked(pool);
	creel__lock_release(&pool->lock);
	return job;
}

void creel__pool_run_posted_here(struct creel__pool *pool)
{
	for (struct creel__job *job; (job = take_from_broken(pool));) {
		creel__job_run_here(&pool->base, job);
		if (creel__executor_foreign(&pool->base))
			return;
		creel__lock_acquire(&pool->lock);
		pool->unposted++;
		creel__cond_broadcast_locked(&pool->changed);
		creel__lock_release(&pool->lock);
	}
}

int creel__pool_loop(creel_executor *ex, unsigned *ret_width, bool *ret_initializes)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__lock_acquire(&pool->lock);
	int rc = pool->broken ? CREEL_EFAILED : pool->closed ? -ESHUTDOWN : 0;
	*ret_width = (unsigned)pool->max_workers;
	*ret_initializes = pool->initializer;
	creel__lock_release(&pool->lock);
	return rc;
}
