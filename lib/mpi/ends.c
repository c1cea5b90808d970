/* SPDX-License-Identifier: MIT */
/*
 * How a task ends on rank 0.
 *
 * An item that is about to end is ENDING or LEAVING first, with the lock, and no longer known: from
 * then on no operation of the executor changes anything about it. What a rank has only this thread
 * takes away from there. What is in the queue can be withdrawn as soon as the lock is free: whoever
 * finds it there to end it lets it leave before he releases that.
 *
 * A pool may go with its last task.
 */
#include "failure.h"
#include "root.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct creel__mpi_world *const world = &creel__mpi_world;

/* It is on no list, and nobody finds it any more. Nothing, if that was so before. */
void creel__mpi_leave_locked(struct creel__mpi_item *item)
{
	if (item->place == CREEL__MPI_ENDING || item->place == CREEL__MPI_LEAVING)
		return;
	if (item->place == CREEL__MPI_SENT) {
		struct creel__mpi_peer *p = &world->peers[item->rank];
		creel__mpi_remove(&p->list, item);
		p->items--;
		item->pool->sent--;
		item->place = CREEL__MPI_ENDING;
	} else {
		creel__mpi_remove(&world->queue, item);
		/* To whoever was told that it runs it has not left without having started. */
		item->place = item->known ? CREEL__MPI_ENDING : CREEL__MPI_LEAVING;
	}
	creel__mpi_unask_locked(world, item);
	creel__mpi_forget_locked(world, item);
}

static void begin_end(struct creel__mpi_item *item)
{
	pthread_mutex_lock(&world->lock);
	creel__mpi_leave_locked(item);
	pthread_mutex_unlock(&world->lock);
}

static void ended(struct creel__mpi_item *item)
{
	creel__mpi_item_free(item);
	pthread_mutex_lock(&world->lock);
	world->items--;
	pthread_mutex_unlock(&world->lock);
}

static void buffer_free(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	free(data);
}

/* Takes over the memory. */
void creel__mpi_end_well(struct creel__mpi_item *item, void *data, size_t size)
{
	creel_buffer result = {data, size, data ? buffer_free : NULL, NULL};
	begin_end(item);
	if (creel_task_settle(item->task, result))
		free(data);
	ended(item);
}

void creel__mpi_end_badly(struct creel__mpi_item *item, int kind, int code, const char *what)
{
	begin_end(item);
	(void)creel_task_settle_error(item->task, &(creel_failure){.kind = kind, .code = code},
				      "%s", what);
	ended(item);
}

void creel__mpi_end_without_memory(struct creel__mpi_item *item)
{
	creel__mpi_end_badly(item, CREEL_KIND_NO_MEMORY, -ENOMEM,
			     "no memory for the result of the task");
}

/* In the queue, where it is again: whoever was told that it runs asks it to stop. */
void creel__mpi_end_asked(struct creel__mpi_item *item)
{
	creel__mpi_end_badly(item, CREEL_KIND_CANCELLED, -ECANCELED,
			     "the task was cancelled before it started");
}

/* Cancelled by a shutdown; it has left the queue. */
void creel__mpi_end_cancelled(struct creel__mpi_item *item)
{
	if (item->place == CREEL__MPI_ENDING) {
		creel__mpi_end_asked(item);
		return;
	}
	/* The executor has been shut down so that this cancels it. */
	(void)creel_task_run(item->task);
	ended(item);
}

void creel__mpi_end_failed(struct creel__mpi_item *item, const void *data, size_t size)
{
	int rank = item->rank;
	begin_end(item);
	(void)creel__mpi_failure_settle(item->task, data, size, rank);
	ended(item);
}

/* Without a rank that serves nothing of the queue will run. */
void creel__mpi_fail_queue(void)
{
	for (;;) {
		char what[sizeof world->out + 64];
		pthread_mutex_lock(&world->lock);
		struct creel__mpi_item *item = world->live_peers ? NULL : world->queue.first;
		if (item)
			creel__mpi_leave_locked(item);
		snprintf(what, sizeof what, "no rank serves any more: %s", world->out);
		pthread_mutex_unlock(&world->lock);
		if (!item)
			return;
		creel__mpi_end_badly(item, CREEL_KIND_BROKEN, CREEL_EFAILED, what);
	}
}
