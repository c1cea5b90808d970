/* SPDX-License-Identifier: MIT */
/*
 * The pool that one writes by hand: a list under a mutex, and a condition variable that is
 * signalled only when a worker sleeps, after the mutex was given back.
 */
#include "handmade.h"

#include <pthread.h>
#include <stdbool.h>

enum { WORKERS_MAX = 64 };

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct handmade *first, **end;
	unsigned sleepers, workers;
	bool closed;
	pthread_t thread[WORKERS_MAX];
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static struct handmade *take(void)
{
	pthread_mutex_lock(&pool.mutex);
	while (!pool.first && !pool.closed) {
		pool.sleepers++;
		pthread_cond_wait(&pool.filled, &pool.mutex);
		pool.sleepers--;
	}
	struct handmade *h = pool.first;
	if (h) {
		pool.first = h->next;
		if (!pool.first)
			pool.end = &pool.first;
	}
	pthread_mutex_unlock(&pool.mutex);
	return h;
}

static void *worker(void *arg)
{
	(void)arg;
	for (struct handmade *h; (h = take());)
		handmade_run(h);
	return NULL;
}

static void open_pool(unsigned workers, bool help)
{
	(void)help;
	pool.end = &pool.first;
	if (workers > WORKERS_MAX)
		give_up("too many workers");
	for (; pool.workers < workers; pool.workers++)
		if (pthread_create(&pool.thread[pool.workers], NULL, worker, NULL))
			give_up("no thread");
}

static void *submit(enum work work)
{
	struct handmade *h = handmade_new(work);
	h->next = NULL;
	pthread_mutex_lock(&pool.mutex);
	*pool.end = h;
	pool.end = &h->next;
	bool wake = pool.sleepers > 0;
	pthread_mutex_unlock(&pool.mutex);
	if (wake)
		pthread_cond_signal(&pool.filled);
	return h;
}

static void close_pool(void)
{
	pthread_mutex_lock(&pool.mutex);
	pool.closed = true;
	pthread_cond_broadcast(&pool.filled);
	pthread_mutex_unlock(&pool.mutex);
	while (pool.workers)
		pthread_join(pool.thread[--pool.workers], NULL);
}

const struct peer peer_queue = {"queue", open_pool, submit, handmade_wait, close_pool};
