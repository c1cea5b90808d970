/* SPDX-License-Identifier: MIT */
/*
 * Entries of the queues whose tasks have been cancelled, or run by their waiters, elsewhere: they
 * are dead, and keep a block each until a worker comes across them. Where no worker comes, since
 * all are blocked or the pool is paused, they would pile up. So whoever makes one counts it, and
 * looks at every 64th whether those outnumber half of what is queued. If so it takes them all out.
 *
 * BOUND    At most max(64, half of the entries) + 64 are dead, not counting those that a canceller
 *          is still at. Each entry that a sweep passes is paid for by a death: half a pass each.
 * LIFETIME Whoever counts has a task of the pool PINNED or HELD, or is a worker: the pool stays.
 */
#include "future/future.h"
#include "future/release.h"
#include "threads/pool.h"

static size_t count_entries(struct creel__pool *pool)
{
	size_t n = 0;
	for (unsigned i = 0; i < creel__load(&pool->lists, relaxed); i++)
		n += creel__shard_length(&pool->shard[i]);
	return n;
}

/* Returns how many of the list had been cancelled. */
static uint64_t drop_list(creel_future *list)
{
	uint64_t cancelled = 0;
	while (list) {
		creel_future *f = list;
		list = f->next;
		cancelled += creel__future_never_ran(f);
		creel__future_drop_queued(f);
	}
	return cancelled;
}

static void sweep_out(struct creel__pool *pool)
{
	uint64_t cancelled = 0;
	creel__store(&pool->dead, 0, relaxed);
	for (unsigned i = 0; i < creel__load(&pool->lists, relaxed); i++)
		cancelled += drop_list(creel__shard_sweep(&pool->shard[i]));
	creel__lock_acquire(&pool->lock);
	pool->cancelled += cancelled;
	creel__cond_broadcast_locked(&pool->changed);
	creel__lock_release(&pool->lock);
}

void creel__pool_note_dead(struct creel__pool *pool, uint32_t n)
{
	uint32_t dead = creel__add(&pool->dead, n, relaxed) + n;
	if (dead / CREEL__SWEEP != (dead - n) / CREEL__SWEEP && dead > count_entries(pool) / 2)
		sweep_out(pool);
}

/* A task is being cancelled, or expires, which is in a queue or a batch, and stays there. */
enum creel__withdrawn creel__pool_withdraw(creel_executor *ex, creel_task *task,
					   enum creel__purpose purpose)
{
	(void)task;
	(void)purpose;
	creel__pool_note_dead((struct creel__pool *)ex, 1);
	return CREEL__NOT_THERE;
}
