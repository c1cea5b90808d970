/* SPDX-License-Identifier: MIT */
/*
 * Workers that left, and the end of the pool: who joins, who detaches, who frees.
 *
 * ZOMBIES  A worker that has run its last function of ours is a zombie. Its thread still runs the
 *          thread-specific destructors of the user, which may take locks of the user's, or use this
 *          pool. So nobody waits for a zombie but creel_executor_close(), and no zombie ever waits
 *          for another one.
 *
 *          A zombie leaves the list in one of three ways: whoever starts or leaves joins it if its
 *          thread has ended (reap); a closer joins it; the last reference detaches it. So dead
 *          threads do not pile up, and each thread is joined or detached exactly once.
 *
 * CLOSERS  join() runs after everything has ended and all workers have become zombies. A closer
 *          marks a zombie as joining, under the lock, and joins it without the lock. The zombie
 *          stays on the list meanwhile: other closers see that it is not gone and wait, and a
 *          destructor that calls close finds its own thread there.
 */
#include "base/alloc.h"
#include "sync/local.h"
#include "sync/thread.h"
#include "threads/pool.h"

bool creel__pool_is_over_locked(struct creel__pool *pool)
{
	return pool->alive + pool->starting + pool->leaving + pool->reserved == 0 &&
	       creel__pool_unfinished_locked(pool) == 0;
}

static struct creel__pool_worker *zombie_of(struct creel__list *node)
{
	return creel__of(node, struct creel__pool_worker, roster);
}

void creel__pool_reap_locked(struct creel__pool *pool)
{
	struct creel__list *next;
	for (struct creel__list *i = pool->zombies.next; i != &pool->zombies; i = next) {
		struct creel__pool_worker *w = zombie_of(i);
		next = i->next;
		if (w->joining || !creel__thread_try_join(w->thread))
			continue;
		creel__list_remove(i);
		creel__free(w);
	}
}

/* A zombie that no closer joins yet, or NULL. */
static struct creel__pool_worker *to_join_locked(struct creel__pool *pool)
{
	for (struct creel__list *i = pool->zombies.next; i != &pool->zombies; i = i->next)
		if (!zombie_of(i)->joining)
			return zombie_of(i);
	return NULL;
}

void creel__pool_join(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__lock_acquire(&pool->lock);
	while (!creel__list_is_empty(&pool->zombies)) {
		struct creel__pool_worker *w = to_join_locked(pool);
		if (!w) {
			creel__cond_wait(&pool->changed, &pool->lock, CREEL_FOREVER);
			continue;
		}
		w->joining = true;
		creel__lock_release(&pool->lock);
		creel__thread_join(w->thread);
		creel__lock_acquire(&pool->lock);
		creel__list_remove(&w->roster);
		creel__free(w);
		creel__cond_broadcast_locked(&pool->changed);
	}
	creel__lock_release(&pool->lock);
}

bool creel__pool_is_thread(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	const void *left = creel__self()->left;
	pthread_t self = creel__thread_self();
	bool found = false;
	if (!left)
		return false;
	creel__lock_acquire(&pool->lock);
	/* Both: ids of threads that were joined are used again, and so are addresses. */
	for (struct creel__list *i = pool->zombies.next; !found && i != &pool->zombies; i = i->next)
		found = zombie_of(i) == left && pthread_equal(zombie_of(i)->thread, self);
	creel__lock_release(&pool->lock);
	return found;
}

/* No task of it follows another future any more, either. */
void creel__pool_destroy(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__pool_free_deques(pool);
	creel__executor_fini(&pool->base);
	creel__free(pool);
}

/* Nobody refers to the pool, and nobody serves it. */
static void let_go(struct creel__pool *pool)
{
	struct creel__list *node;
	while ((node = creel__list_pop(&pool->zombies))) {
		creel__thread_detach(zombie_of(node)->thread);
		creel__free(zombie_of(node));
	}
	creel__executor_unhold(&pool->base);
}

void creel__pool_tell_release(struct creel__pool *pool)
{
	bool last = pool->released && creel__pool_is_over_locked(pool);
	creel__cond_broadcast_locked(&pool->changed);
	creel__lock_release(&pool->lock);
	if (last)
		let_go(pool);
}

void creel__pool_bury(struct creel__pool_worker *w)
{
	struct creel__pool *pool = w->pool;
	creel__self()->left = w;
	creel__lock_acquire(&pool->lock);
	pool->leaving--;
	pool->helpers -= w->is_helper;
	pool->begun += creel__load(&w->base.begun, relaxed);
	pool->ended += creel__load(&w->base.ended, relaxed);
	pool->cancelled += creel__load(&w->base.cancelled, relaxed);
	creel__pool_return_deque_locked(w);
	creel__pool_reap_locked(pool);
	creel__list_remove(&w->roster);
	creel__list_append(&pool->zombies, &w->roster);
	creel__pool_update_need_locked(pool);
	creel__pool_tell_release(pool);
}

/* One was cancelled whose destructor kept it longer than the queue did. */
void creel__pool_ended(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	if (creel__executor_foreign(ex))
		return;
	creel__lock_acquire(&pool->lock);
	pool->cancelled++;
	creel__pool_tell_release(pool);
}

void creel__pool_release(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__pool_shut(pool, 0, CREEL_NOW);
	creel__lock_acquire(&pool->lock);
	pool->released = true;
	bool dead = creel__pool_is_over_locked(pool);
	creel__lock_release(&pool->lock);
	if (dead)
		let_go(pool);
}
