/* SPDX-License-Identifier: MIT */
/*
 * What goes out from rank 0, by its progress thread: tasks, and what becomes of them.
 *
 * SCHEDULING  A rank has as many tasks as it has workers, and a few ahead: as many as it ends in
 *             AHEAD_NS, so that it never waits for rank 0 while tasks are short, and one if they
 *             are long. When a rank has workers to spare and the queue is empty, the one that will
 *             be busy for longest is asked to return some; it returns those that have not started.
 */
#include "root.h"

#define AHEAD_NS CREEL_MS(2)
#define RECALL_NS CREEL_MS(2)

enum {
	AHEAD_MAX = 1024,
	SENDS = 512, /* tasks between two looks for messages */
};

static struct creel__mpi_world *const world = &creel__mpi_world;

static unsigned room_of(const struct creel__mpi_peer *p)
{
	int64_t ahead = p->interval > 0 ? AHEAD_NS / p->interval : p->workers;
	ahead = ahead < 1 ? 1 : ahead > AHEAD_MAX ? AHEAD_MAX : ahead;
	return p->workers + (unsigned)ahead;
}

/* The functions that the rank has not been told of, up to this one. */
static void define(int rank, uint32_t fn)
{
	struct creel__mpi_peer *p = &world->peers[rank];
	while (p->defined <= fn) {
		pthread_mutex_lock(&world->fns_lock);
		struct creel__mpi_identity identity = world->fns[p->defined].identity;
		pthread_mutex_unlock(&world->fns_lock);
		creel__mpi_say(rank,
			       &(struct creel__mpi_record){.kind = CREEL__MPI_DEFINE,
							   .fn = p->defined,
							   .size = sizeof identity},
			       &identity);
		p->defined++;
	}
}

static void send_task(const struct creel__mpi_item *item)
{
	struct creel__mpi_record r = {.kind = item->stage ? CREEL__MPI_STAGE : CREEL__MPI_TASK,
				      .fn = item->fn,
				      .id = (uint64_t)(uintptr_t)item,
				      .number = item->limit_ns,
				      .size = item->size == CREEL_BY_REF ? 0 : item->size};
	define(item->rank, item->fn);
	creel__mpi_say(item->rank, &r, item->arg);
}

/* The next rank with an idle worker; or, unless only idle ones are wanted, with room. 0: none. */
static int find_peer(bool idle)
{
	for (int i = 1; i < world->size; i++) {
		int rank = world->next_peer + i;
		rank = rank >= world->size ? rank - world->size + 1 : rank;
		const struct creel__mpi_peer *p = &world->peers[rank];
		if (p->out || p->items >= (idle ? p->workers : room_of(p)))
			continue;
		world->next_peer = rank;
		return rank;
	}
	return 0;
}

static void assign_locked(struct creel__mpi_item *item, int rank)
{
	struct creel__mpi_peer *p = &world->peers[rank];
	creel__mpi_remove(&world->queue, item);
	item->rank = rank;
	item->place = CREEL__MPI_SENT;
	item->pool->sent++;
	creel__mpi_append(&p->list, item);
	p->recalling = false;
	if (p->items++ == 0)
		p->last = creel__mpi_now();
}

/* The task may not end before its item has, so what it is about may be read without the lock. */
bool creel__mpi_dispatch(void)
{
	struct creel__mpi_item *chosen[SENDS];
	int n = 0;
	bool idle = true;
	pthread_mutex_lock(&world->lock);
	while (n < SENDS && world->queue.first) {
		int rank = find_peer(idle);
		if (!rank && !idle)
			break;
		idle = idle && rank;
		if (!rank)
			continue;
		chosen[n] = world->queue.first;
		assign_locked(chosen[n++], rank);
	}
	pthread_mutex_unlock(&world->lock);
	for (int i = 0; i < n; i++)
		send_task(chosen[i]);
	return n > 0;
}

/* A copy of what was asked for. A rank may hear of a kill twice: the shorter grace counts. */
static void tell(const struct creel__mpi_item *asked, uint64_t id)
{
	struct creel__mpi_record r = {.kind = CREEL__MPI_CANCEL, .id = id};
	if (asked->kill) {
		r.kind = CREEL__MPI_KILL;
		r.number = asked->grace_ns;
		creel__mpi_say(asked->rank, &r, NULL);
	}
	if (asked->kill_by_pool) {
		r.kind = CREEL__MPI_KILL;
		r.number = -1;
	}
	if (asked->kill_by_pool || !asked->kill)
		creel__mpi_say(asked->rank, &r, NULL);
}

/* Passes on who is to stop. */
bool creel__mpi_tell_asked(void)
{
	bool any = false;
	for (;;) {
		pthread_mutex_lock(&world->lock);
		struct creel__mpi_item *item = world->asked, asked = {0};
		if (item) {
			creel__mpi_unask_locked(world, item);
			asked = *item;
		}
		pthread_mutex_unlock(&world->lock);
		if (!item)
			return any;
		any = true;
		if (asked.place == CREEL__MPI_SENT)
			tell(&asked, (uint64_t)(uintptr_t)item);
		else if (asked.stop)
			creel__mpi_end_asked(item);
	}
}

void creel__mpi_recall(int rank, unsigned n)
{
	world->peers[rank].recalling = true;
	creel__mpi_say(rank, &(struct creel__mpi_record){.kind = CREEL__MPI_RECALL, .number = n},
		       NULL);
}

/* How long a rank will be busy with what it has not started, if it goes on as it does. */
static int64_t surplus_ns(const struct creel__mpi_peer *p, int64_t now)
{
	if (p->out || p->recalling || p->items <= p->workers)
		return 0;
	int64_t since = now - p->last;
	int64_t interval = since > p->interval ? since : p->interval;
	return interval * (int64_t)(p->items - p->workers);
}

/* Only with an empty queue: a rank without enough to do gets what another has not begun. */
void creel__mpi_balance(void)
{
	unsigned idle = 0;
	int from = 0;
	pthread_mutex_lock(&world->lock);
	bool queued = world->queue.first;
	pthread_mutex_unlock(&world->lock);
	if (queued)
		return;
	int64_t most = RECALL_NS, now = creel__mpi_now();
	for (int rank = 1; rank < world->size; rank++) {
		const struct creel__mpi_peer *p = &world->peers[rank];
		int64_t surplus = surplus_ns(p, now);
		if (surplus > most) {
			most = surplus;
			from = rank;
		}
		if (!p->out && p->items < p->workers)
			idle += p->workers - p->items;
	}
	if (!idle || !from)
		return;
	const struct creel__mpi_peer *p = &world->peers[from];
	unsigned surplus = p->items - p->workers;
	creel__mpi_recall(from, surplus < idle ? surplus : idle);
}
