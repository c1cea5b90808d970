/* SPDX-License-Identifier: MIT */
/*
 * What the shutdowns of pools ask for: rank 0's progress thread cancels what is in the queue, asks
 * the ranks to return what they have not started, and has killed what runs.
 */
#include "root.h"

static struct creel__mpi_world *const world = &creel__mpi_world;

/* A shutdown that cancels: the first item that it is about. It has left the queue. */
static struct creel__mpi_item *take_cancelled(void)
{
	pthread_mutex_lock(&world->lock);
	struct creel__mpi_item *item = world->queue.first;
	while (item && !(item->pool->flags & CREEL_SHUTDOWN_CANCEL))
		item = item->next;
	if (item)
		creel__mpi_leave_locked(item);
	pthread_mutex_unlock(&world->lock);
	return item;
}

/* Of one rank: whether any of its items are of a pool that cancels and has not been swept. Those
 * of one that kills are killed, also if somebody has killed them with a longer grace. */
static bool sweep_peer_locked(int rank)
{
	bool any = false;
	for (struct creel__mpi_item *i = world->peers[rank].list.first; i; i = i->next) {
		if (i->pool->swept || !(i->pool->flags & CREEL_SHUTDOWN_CANCEL))
			continue;
		any = true;
		if (!(i->pool->flags & CREEL_SHUTDOWN_KILL) || i->kill_by_pool)
			continue;
		i->kill_by_pool = true;
		creel__mpi_ask_locked(world, i);
	}
	return any;
}

static void sweep_peers(void)
{
	for (int rank = 1; rank < world->size; rank++) {
		pthread_mutex_lock(&world->lock);
		bool any = sweep_peer_locked(rank);
		pthread_mutex_unlock(&world->lock);
		if (any)
			creel__mpi_recall(rank, UINT32_MAX);
	}
	pthread_mutex_lock(&world->lock);
	/* What came between is looked at by another sweep. */
	for (int rank = 1; rank < world->size && !world->sweeps; rank++)
		for (struct creel__mpi_item *i = world->peers[rank].list.first; i; i = i->next)
			i->pool->swept = true;
	pthread_mutex_unlock(&world->lock);
}

/* What shutdowns ask for. */
void creel__mpi_sweep(void)
{
	pthread_mutex_lock(&world->lock);
	bool wanted = world->sweeps;
	world->sweeps = false;
	pthread_mutex_unlock(&world->lock);
	if (!wanted)
		return;
	for (struct creel__mpi_item *i = take_cancelled(); i; i = take_cancelled())
		creel__mpi_end_cancelled(i);
	sweep_peers();
}
