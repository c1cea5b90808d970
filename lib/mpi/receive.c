/* SPDX-License-Identifier: MIT */
/* What comes in on rank 0, by its progress thread. */
#include "root.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RECEIVES = 64, /* messages between two looks at the queue */
	ENDS = 256,    /* of items between two looks at it */
};

static struct creel__mpi_world *const world = &creel__mpi_world;

/* For a result, as creel_task_settle() wants it. */
static void *aligned(uint64_t size)
{
	enum { LINE = 64 };
	return size > SIZE_MAX - LINE
		       ? NULL
		       : aligned_alloc(LINE, ((size_t)size + LINE - 1) / LINE * LINE);
}

static void large_is_here(void *arg)
{
	struct creel__mpi_item *item = arg;
	void *data = item->incoming;
	if (item->fails) {
		creel__mpi_end_failed(item, data, (size_t)item->incoming_size);
		free(data);
	} else {
		creel__mpi_end_well(item, data, (size_t)item->incoming_size);
	}
}

/* There is memory for it, or there is not, and the rank drops it. */
static void fetch(struct creel__mpi_item *item, const struct creel__mpi_record *r)
{
	int peer = item->rank;
	item->fails = r->kind == CREEL__MPI_FAILURE;
	item->incoming_size = r->size;
	item->incoming = aligned(r->size);
	bool there = item->incoming && creel__port_receive(&world->port, peer, item->incoming,
							   r->size, large_is_here, item) == 0;
	creel__mpi_say(peer,
		       &(struct creel__mpi_record){
			       .kind = there ? CREEL__MPI_FETCH : CREEL__MPI_DROP, .id = r->id},
		       NULL);
	if (there)
		return;
	free(item->incoming);
	creel__mpi_end_without_memory(item);
}

static void take_result(struct creel__mpi_item *item, const struct creel__mpi_record *r,
			const void *data)
{
	if (r->size > CREEL__MPI_INLINE) {
		fetch(item, r);
		return;
	}
	if (r->kind == CREEL__MPI_FAILURE) {
		creel__mpi_end_failed(item, data, (size_t)r->size);
		return;
	}
	void *copy = r->size ? aligned(r->size) : NULL;
	if (r->size && !copy) {
		creel__mpi_end_without_memory(item);
		return;
	}
	if (copy)
		memcpy(copy, data, (size_t)r->size);
	creel__mpi_end_well(item, copy, (size_t)r->size);
}

/* In front: it came before all that waits. What it was asked for after the rank had let go of it
 * has been told to nobody who has it: it is looked at here. */
static void queue_again(struct creel__mpi_item *item)
{
	pthread_mutex_lock(&world->lock);
	struct creel__mpi_peer *p = &world->peers[item->rank];
	creel__mpi_remove(&p->list, item);
	p->items--;
	item->pool->sent--;
	item->place = CREEL__MPI_QUEUED;
	item->before = NULL;
	item->next = world->queue.first;
	if (item->next)
		item->next->before = item;
	else
		world->queue.last = item;
	world->queue.first = item;
	if (item->stop)
		creel__mpi_ask_locked(world, item);
	world->sweeps |= item->pool->flags != 0;
	pthread_mutex_unlock(&world->lock);
}

/* It has no pool any more. What it has fails, by records of its own. */
static void peer_is_out(int rank, const struct creel__mpi_record *r, const void *data)
{
	pthread_mutex_lock(&world->lock);
	world->peers[rank].out = true;
	world->live_peers--;
	snprintf(world->out, sizeof world->out, "rank %d: %.*s", rank, (int)r->size,
		 (const char *)data);
	pthread_mutex_unlock(&world->lock);
}

static struct creel__mpi_item *item_at(uint64_t id)
{
	return (struct creel__mpi_item *)(uintptr_t)id;
}

static void argument_is_sent(void *arg)
{
	(void)arg;
}

static void send_argument(struct creel__mpi_item *item)
{
	/* It lies there until the task has ended, and that is until the rank has it. */
	if (creel__port_send(&world->port, item->rank, item->arg, item->size, argument_is_sent,
			     NULL))
		creel__mpi_abort(world, "no memory to send an argument to rank %d", item->rank);
}

/* Whether an item has ended. */
static bool read_record(int rank, const struct creel__mpi_record *r, const void *data)
{
	switch (r->kind) {
	case CREEL__MPI_RESULT:
	case CREEL__MPI_FAILURE:
		take_result(item_at(r->id), r, data);
		return true;
	case CREEL__MPI_FETCH:
		send_argument(item_at(r->id));
		return false;
	case CREEL__MPI_RETURNED:
		queue_again(item_at(r->id));
		return false;
	case CREEL__MPI_RECALLED:
		/* What has nothing to return has not until something happens there. */
		world->peers[rank].recalling = r->number == 0;
		return false;
	case CREEL__MPI_OUT:
		peer_is_out(rank, r, data);
		return false;
	default:
		creel__mpi_abort(world, "rank %d sent a record of kind %u", rank, r->kind);
	}
}

static void note_ends(struct creel__mpi_peer *p, unsigned n)
{
	int64_t now = creel__mpi_now();
	int64_t interval = (now - p->last) / n;
	p->interval = p->interval ? (3 * p->interval + interval) / 4 : interval;
	if (p->interval < 1)
		p->interval = 1;
	p->last = now;
	p->recalling = false;
}

bool creel__mpi_receive(void)
{
	int rank;
	size_t size;
	const unsigned char *data;
	bool any = creel__port_progress(&world->port);
	unsigned ends = 0;
	for (int i = 0; i < RECEIVES && ends < ENDS; i++) {
		struct creel__mpi_record r;
		const void *payload;
		unsigned n = 0;
		if (!creel__port_next(&world->port, &rank, &data, &size))
			break;
		while (creel__mpi_record_next(&data, &size, &r, &payload))
			n += read_record(rank, &r, payload);
		if (n)
			note_ends(&world->peers[rank], n);
		ends += n;
		any = true;
	}
	return any;
}
