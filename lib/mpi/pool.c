/* SPDX-License-Identifier: MIT */
/*
 * The executor on rank 0, by the public table of operations. Its operations only note what is
 * wanted, and wake the progress thread, which does the rest: mpi/root.c.
 *
 * STATES  A task is pending while it is in the queue, and running once a rank has it. The library
 *         is told of that when it asks, not before. A task that came back from a rank is in the
 *         queue again, but whoever was told that it runs goes on believing that: it is known, and
 *         is not withdrawn.
 * FOUND   While a task is pending its words lead to its item. Once the library has been told that
 *         it runs, they do not, and the table of known items does.
 */
#include "failure.h"
#include "world.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct creel__mpi_world *const world = &creel__mpi_world;

static struct creel__mpi_item *item_of(creel_task *task)
{
	void **words = creel_task_words(task);
	return words ? words[0] : NULL;
}

/* Takes a task and fails it: with more to say than a code. */
static int refuse(creel_task *task, struct creel__mpi_item *item, int code, const char *format,
		  size_t value, size_t bound)
{
	creel__mpi_item_free(item);
	creel_task_reject(task, CREEL_KIND_REJECTED, code, format, value, bound);
	return 0;
}

/* Of a continuation: puts the outcome of its input in front of its argument. */
static int add_input(creel_task *task, struct creel__mpi_item *item)
{
	const void *data = NULL;
	size_t size = 0;
	if (creel_task_input(task, &data, &size) == -EINVAL)
		return 0;
	const creel_error *e = creel_task_input_error(task);
	struct creel__mpi_stage head = {e != NULL, e ? creel__mpi_failure_size(e, NULL) : size};
	size_t front = creel__mpi_stage_size((size_t)head.input);
	size_t arg = item->size == CREEL_BY_REF ? 0 : item->size;
	char *p = malloc(front + arg);
	if (!p)
		return -ENOMEM;
	memcpy(p, &head, sizeof head);
	if (e)
		creel__mpi_failure_pack(e, NULL, p + sizeof head);
	else if (size)
		memcpy(p + sizeof head, data, size);
	if (arg)
		memcpy(p + front, item->arg, arg);
	item->stage = p;
	item->arg = p;
	item->size = front + arg;
	return 0;
}

static int look_at(creel_task *task, struct creel__mpi_item *item)
{
	creel_submit_options options = {0};
	creel_fn fn = creel_task_function(task);
	int rc = creel_task_argument(task, &item->arg, &item->size);
	if (rc == 0)
		rc = creel_task_options(task, &options);
	if (rc == 0)
		rc = creel__mpi_number(world, fn, false, &item->fn);
	item->limit_ns = options.limit_ns;
	/* A NULL pointer: vet() has refused all others. */
	if (item->size == CREEL_BY_REF)
		item->arg = NULL;
	return rc ? rc : add_input(task, item);
}

static int enqueue(struct creel__mpi_item *item)
{
	pthread_mutex_lock(&world->lock);
	bool open = world->running && !world->ending;
	if (open) {
		creel_task_words(item->task)[0] = item;
		creel__mpi_append(&world->queue, item);
		world->items++;
		/* It had begun before a shutdown, and the sweep may have been. */
		if (item->pool->flags) {
			item->pool->swept = false;
			world->sweeps = true;
		}
		creel__mpi_wake_locked(world);
	}
	pthread_mutex_unlock(&world->lock);
	if (open)
		return 0;
	creel__mpi_item_free(item);
	return -ESHUTDOWN;
}

static int submit(void *self, creel_task *task)
{
	struct creel__mpi_item *item = calloc(1, sizeof *item);
	if (!item)
		return -ENOMEM;
	item->task = task;
	item->pool = self;
	int rc = look_at(task, item);
	if (rc) {
		creel__mpi_item_free(item);
		return rc;
	}
	if (item->limit_ns && world->options.flags & CREEL_MPI_THREADS)
		return refuse(task, item, -ENOTSUP,
			      "submit: limit_ns needs serving ranks with process pools; this job "
			      "has CREEL_MPI_THREADS",
			      0, 0);
	if (item->size != CREEL_BY_REF && item->size > CREEL__MPI_INLINE &&
	    item->size > world->options.budget)
		return refuse(task, item, -ENOSPC,
			      "submit: an argument of %zu bytes is larger than the budget of a "
			      "serving rank, %zu bytes; raise budget of creel_mpi_options",
			      item->size, world->options.budget);
	return enqueue(item);
}

static int vet(void *self, creel_fn fn, const void *arg, size_t size)
{
	uint32_t number;
	(void)self;
	if (size == CREEL_BY_REF && arg)
		return -EFAULT;
	return creel__mpi_number(world, fn, true, &number);
}

static bool is_started(const struct creel__mpi_item *item)
{
	return item->known || item->place == CREEL__MPI_SENT || item->place == CREEL__MPI_ENDING;
}

static int withdraw(void *self, creel_task *task)
{
	(void)self;
	pthread_mutex_lock(&world->lock);
	struct creel__mpi_item *item = item_of(task);
	bool started = item && is_started(item);
	bool queued = item && !started && item->place == CREEL__MPI_QUEUED;
	if (queued) {
		creel__mpi_remove(&world->queue, item);
		creel__mpi_unask_locked(world, item);
		world->items--;
		if (world->ending)
			creel__mpi_wake_locked(world);
	} else if (started) {
		creel__mpi_know_locked(world, item);
	}
	pthread_mutex_unlock(&world->lock);
	if (queued)
		creel__mpi_item_free(item);
	return queued ? 1 : started ? CREEL_WITHDRAW_STARTED : 0;
}

static int ask(void *self, creel_task *task)
{
	(void)self;
	pthread_mutex_lock(&world->lock);
	struct creel__mpi_item *item = item_of(task);
	bool started = item && is_started(item);
	if (started)
		creel__mpi_know_locked(world, item);
	pthread_mutex_unlock(&world->lock);
	return started;
}

/* Notes that the rank has to be told. A grace below 0: that of the rank's pool. False: it is
 * ending, or has. */
static bool note(creel_task *task, bool kill, int64_t grace_ns)
{
	pthread_mutex_lock(&world->lock);
	struct creel__mpi_item *item = creel__mpi_known_locked(world, task);
	if (item) {
		item->stop = true;
		if (kill && grace_ns < 0) {
			item->kill_by_pool = true;
		} else if (kill) {
			bool least = !item->kill || grace_ns < item->grace_ns;
			item->grace_ns = least ? grace_ns : item->grace_ns;
			item->kill = true;
		}
		creel__mpi_ask_locked(world, item);
		creel__mpi_wake_locked(world);
	}
	pthread_mutex_unlock(&world->lock);
	return item;
}

static void stop(void *self, creel_task *task)
{
	(void)self;
	(void)note(task, false, 0);
}

static int kill_task(void *self, creel_task *task, int64_t grace_ns)
{
	(void)self;
	return note(task, true, grace_ns) ? 0 : CREEL_CANCEL_FINAL;
}

static void shut_down(void *self, unsigned flags)
{
	struct creel__mpi_pool *pool = self;
	pthread_mutex_lock(&world->lock);
	pool->flags |= flags;
	pool->swept = false;
	world->sweeps = true;
	if (flags)
		creel__mpi_wake_locked(world);
	pthread_mutex_unlock(&world->lock);
}

static void add_stats(void *self, creel_stats *stats)
{
	const struct creel__mpi_pool *pool = self;
	pthread_mutex_lock(&world->lock);
	uint64_t sent = pool->sent < stats->pending ? pool->sent : stats->pending;
	stats->pending -= sent;
	stats->running += sent;
	for (int i = 1; i < world->size; i++)
		stats->workers += world->peers[i].out ? 0 : world->peers[i].workers;
	pthread_mutex_unlock(&world->lock);
}

static const creel_executor_ops ops = {
	.size = sizeof ops,
	.submit = submit,
	.withdraw = withdraw,
	.shutdown = shut_down,
	.destroy = free,
	.stats = add_stats,
	.flags = CREEL_EXECUTOR_REMOTE | CREEL_EXECUTOR_QUEUES,
	.vet = vet,
	.ask = ask,
	.stop = stop,
	.kill = kill_task,
};

static creel_executor *refuse_pool(const void *options)
{
	if (creel__mpi_is_child(world))
		return creel_executor_failed(CREEL_KIND_BROKEN, -EPERM,
					     "creel_mpi_pool_new: only rank 0 itself has this "
					     "executor; this is a worker process, or a child");
	if (!world->initialized)
		return creel_executor_failed(CREEL_KIND_BROKEN, -ENXIO,
					     "creel_mpi_pool_new: call creel_mpi_init() first");
	if (world->rank != 0)
		return creel_executor_failed(CREEL_KIND_BROKEN, -EPERM,
					     "creel_mpi_pool_new: only rank 0 has this executor; "
					     "this is a thread of rank %d",
					     world->rank);
	if (options)
		return creel_executor_failed(CREEL_KIND_BROKEN, -EINVAL,
					     "creel_mpi_pool_new: options is %p; there are none "
					     "yet, use NULL",
					     options);
	if (!world->running || world->ending)
		return creel_executor_failed(CREEL_KIND_BROKEN, -ESHUTDOWN,
					     "creel_mpi_pool_new: the job is over: creel_mpi_end() "
					     "or MPI_Finalize() was called");
	if (world->size == 1)
		return creel_executor_failed(CREEL_KIND_BROKEN, -ENXIO,
					     "creel_mpi_pool_new: no rank serves; start the "
					     "program with mpirun -n 2 or more");
	if (world->live_peers == 0)
		return creel_executor_failed(CREEL_KIND_BROKEN, -ENXIO,
					     "creel_mpi_pool_new: no rank serves any more: %s",
					     world->out);
	return NULL;
}

creel_executor *creel_mpi_pool_new(const void *options)
{
	pthread_mutex_lock(&world->lock);
	creel_executor *broken = refuse_pool(options);
	pthread_mutex_unlock(&world->lock);
	if (broken)
		return broken;
	struct creel__mpi_pool *pool = calloc(1, sizeof *pool);
	if (!pool)
		return creel_executor_failed(CREEL_KIND_NO_MEMORY, -ENOMEM,
					     "creel_mpi_pool_new: no memory");
	creel_executor_ops mine = ops;
	if (world->options.flags & CREEL_MPI_THREADS)
		mine.kill = NULL;
	creel_executor *ex = creel_executor_new(&mine, pool);
	if (creel_executor_error(ex))
		free(pool);
	return ex;
}
