/* SPDX-License-Identifier: MIT */
/*
 * Shutting down with CREEL_SHUTDOWN_CANCEL: everything is taken out of the queues at once, and then
 * cancelled.
 *
 * ON TIME  With millions of tasks pending, taking them costs a few pointers: nobody walks a list
 *          under a lock. The caller cancels in slices until its deadline. What is left goes to a
 *          helper: one thread more, which counts as a leaving worker. So shutdown waits for it, the
 *          pool stays until it is through, and close joins it. If no thread can be had the caller
 *          cancels the rest itself.
 */
#include "base/alloc.h"
#include "sync/local.h"
#include "sync/thread.h"
#include "threads/pool.h"

struct helper {
	struct creel__pool_worker w; /* first: creel__pool_bury() frees it */
	struct creel__taken taken;
};

/* What leaves a shard before it is emptied is in a batch afterwards. */
void creel__pool_take_all_locked(struct creel__pool *pool, struct creel__taken *ret_taken)
{
	creel_future **list = ret_taken->list;
	*ret_taken = (struct creel__taken){{NULL}};
	for (unsigned i = 0; i < creel__load(&pool->lists, relaxed); i++)
		creel__shard_take_all(&pool->shard[i], &list[2 * i], &list[2 * i + 1]);
	creel_future **end = &list[CREEL__LISTS - 1];
	for (struct creel__list *i = pool->roster.next; i != &pool->roster; i = i->next) {
		struct creel__batch *batch =
			&creel__of(i, struct creel__pool_worker, roster)->batch;
		for (creel_task *task; (task = creel__batch_take(batch)); end = &task->future.next)
			*end = &task->future;
	}
	*end = NULL;
}

/* True if nothing is left. */
static bool cancel_until(struct creel__pool *pool, struct creel__taken *taken,
			 creel_deadline deadline)
{
	uint64_t cancelled = 0, later; /* the latter count in ended() */
	unsigned i = 0;
	while (i < CREEL__LISTS) {
		cancelled += creel__cancel_until(&pool->base, &taken->list[i], deadline, &later);
		if (taken->list[i])
			break;
		i++;
	}
	/* A callback has forked, and this is the child. */
	if (creel__executor_foreign(&pool->base))
		return true;
	creel__lock_acquire(&pool->lock);
	pool->cancelled += cancelled;
	creel__cond_broadcast_locked(&pool->changed);
	creel__lock_release(&pool->lock);
	return i == CREEL__LISTS;
}

static void help(void *arg)
{
	struct helper *h = arg;
	(void)cancel_until(h->w.pool, &h->taken, CREEL_FOREVER);
	creel__error_drop_reserve();
	creel__pool_bury(&h->w);
}

/* A destructor or a callback ended the thread: the rest all the same. */
static void ended(void *arg)
{
	creel__task_exited(NULL);
	help(arg);
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;
	(void)creel__thread_no_cancel();
	creel__self()->own = true;
	h->w.thread = creel__thread_self();
	/* Behind the workers' numbers. */
	creel__thread_set_name(h->w.pool->name, creel__load(&h->w.pool->slots, relaxed));
	creel__thread_inherit(&h->w.pool->heritage);
	creel__error_fill_reserve();
	creel__thread_guard(help, ended, h);
	return NULL;
}

static struct helper *helper_new(struct creel__pool *pool, const struct creel__taken *taken)
{
	struct helper *h = creel__malloc_aligned(64, sizeof *h);
	if (!h)
		return NULL;
	*h = (struct helper){.w = {.pool = pool, .is_helper = true}, .taken = *taken};
	h->w.base.executor = &pool->base;
	creel__list_init(&h->w.roster);
	creel__list_init(&h->w.idle);
	return h;
}

static void count_helper(struct creel__pool *pool, int n)
{
	creel__lock_acquire(&pool->lock);
	pool->leaving += n;
	pool->helpers += n;
	creel__lock_release(&pool->lock);
}

/* False if no thread can be had. */
static bool hand_over(struct creel__pool *pool, const struct creel__taken *taken)
{
	pthread_t thread; /* it stores its own */
	struct helper *h = helper_new(pool, taken);
	if (!h)
		return false;
	/* The pool must not go before the helper has. */
	count_helper(pool, 1);
	if (creel__thread_create(&thread, helper_main, h, pool->stack_size) == 0)
		return true;
	count_helper(pool, -1);
	creel__free(h);
	return false;
}

void creel__pool_cancel(struct creel__pool *pool, struct creel__taken *taken,
			creel_deadline deadline)
{
	if (!cancel_until(pool, taken, creel__cancel_by(deadline)) && !hand_over(pool, taken))
		(void)cancel_until(pool, taken, CREEL_FOREVER);
}
