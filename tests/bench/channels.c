/* SPDX-License-Identifier: MIT */
/*
 * Channels: channels WORKLOAD PEER WORKERS [COUNT], one measurement a process. WORKERS is not used.
 *
 *   alone   one thread puts an item of 8 bytes and gets it, COUNT times
 *   two     one thread puts COUNT items, another one gets them; room for 256, if there is a bound
 *   trip    the same, but each waits for the answer of the other: there and back
 *
 * creel-futures puts and gets by futures where creel uses the calls that take a deadline.
 */
#include "measure.h"

#include <creel/creel.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef BENCH_GLIB
#include <glib.h>
#endif

enum { ROOM = 256 };

struct peer {
	const char *name;
	void *(*open)(void);
	void (*put)(void *q, uint64_t item);
	uint64_t (*get)(void *q);
	void (*close)(void *q);
};

static void *creel_open(void)
{
	return creel_channel_new(&(creel_channel_options){.capacity = ROOM});
}

static void creel_put(void *q, uint64_t item)
{
	if (creel_channel_put_by(q, &item, sizeof item, CREEL_FOREVER))
		give_up("no put");
}

static uint64_t creel_get(void *q)
{
	uint64_t item;
	if (creel_channel_get_by(q, CREEL_FOREVER, &item, sizeof item))
		give_up("no get");
	return item;
}

static void creel_close(void *q)
{
	creel_channel_unref(q);
}

static void futures_put(void *q, uint64_t item)
{
	creel_future *put = creel_channel_put(q, &item, sizeof item);
	if (creel_future_result(put, CREEL_FOREVER, NULL, 0))
		give_up("no put");
	creel_future_unref(put);
}

static uint64_t futures_get(void *q)
{
	uint64_t item;
	creel_future *get = creel_channel_get(q);
	if (creel_future_result(get, CREEL_FOREVER, &item, sizeof item))
		give_up("no get");
	creel_future_unref(get);
	return item;
}

/* What everybody writes: a ring, a mutex and two conditions. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled, emptied;
	uint64_t head, count, items[ROOM];
};

static void *queue_open(void)
{
	struct queue *q = calloc(1, sizeof *q);
	if (!q)
		give_up("no memory");
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->filled, NULL);
	pthread_cond_init(&q->emptied, NULL);
	return q;
}

static void queue_put(void *p, uint64_t item)
{
	struct queue *q = p;
	pthread_mutex_lock(&q->lock);
	while (q->count == ROOM)
		pthread_cond_wait(&q->emptied, &q->lock);
	q->items[(q->head + q->count++) % ROOM] = item;
	pthread_cond_signal(&q->filled);
	pthread_mutex_unlock(&q->lock);
}

static uint64_t queue_get(void *p)
{
	struct queue *q = p;
	pthread_mutex_lock(&q->lock);
	while (q->count == 0)
		pthread_cond_wait(&q->filled, &q->lock);
	uint64_t item = q->items[q->head];
	q->head = (q->head + 1) % ROOM;
	q->count--;
	pthread_cond_signal(&q->emptied);
	pthread_mutex_unlock(&q->lock);
	return item;
}

#ifdef BENCH_GLIB
static void *glib_open(void)
{
	return g_async_queue_new();
}

static void glib_put(void *q, uint64_t item)
{
	g_async_queue_push(q, (gpointer)(uintptr_t)(item + 1));
}

static uint64_t glib_get(void *q)
{
	return (uint64_t)(uintptr_t)g_async_queue_pop(q) - 1;
}

static void glib_close(void *q)
{
	g_async_queue_unref(q);
}
#endif

static const struct peer peers[] = {
	{"creel", creel_open, creel_put, creel_get, creel_close},
	{"creel-futures", creel_open, futures_put, futures_get, creel_close},
	{"queue", queue_open, queue_put, queue_get, free},
#ifdef BENCH_GLIB
	{"glib", glib_open, glib_put, glib_get, glib_close},
#endif
};

static void alone(const struct run *r)
{
	const struct peer *peer = r->peer;
	void *q = peer->open();
	double start = now_ns();
	for (unsigned long i = 0; i < r->count; i++) {
		peer->put(q, i);
		if (peer->get(q) != i)
			give_up("another item");
	}
	printf("alone %.2f ns\n", (now_ns() - start) / (double)r->count);
	peer->close(q);
}

struct there {
	const struct run *run;
	void *to, *back;
};

static void *consume(void *arg)
{
	const struct there *t = arg;
	const struct peer *peer = t->run->peer;
	for (unsigned long i = 0; i < t->run->count; i++) {
		uint64_t item = peer->get(t->to);
		if (item != i)
			give_up("another item");
		if (t->back)
			peer->put(t->back, item);
	}
	return NULL;
}

static double with_another(const struct run *r, bool and_back)
{
	const struct peer *peer = r->peer;
	struct there t = {r, peer->open(), and_back ? peer->open() : NULL};
	pthread_t thread;
	double start = now_ns();
	if (pthread_create(&thread, NULL, consume, &t))
		give_up("no thread");
	for (unsigned long i = 0; i < r->count; i++) {
		peer->put(t.to, i);
		if (and_back && peer->get(t.back) != i)
			give_up("another item");
	}
	pthread_join(thread, NULL);
	double took = (now_ns() - start) / (double)r->count;
	peer->close(t.to);
	if (and_back)
		peer->close(t.back);
	return took;
}

static void two(const struct run *r)
{
	printf("two %.2f ns\n", with_another(r, false));
}

static void trip(const struct run *r)
{
	printf("trip %.2f ns\n", with_another(r, true));
}

static const struct workload workloads[] = {
	{"alone", alone, 5000000}, {"two", two, 2000000}, {"trip", trip, 50000}};

int main(int argc, char **argv)
{
	size_t n = sizeof peers / sizeof peers[0], i = 0;
	if (argc == 2 && strcmp(argv[1], "--peers") == 0) {
		for (; i < n; i++)
			puts(peers[i].name);
		return 0;
	}
	struct run r;
	const struct workload *w = read_arguments(argc, argv, workloads,
						  sizeof workloads / sizeof workloads[0], &r);
	while (i < n && strcmp(peers[i].name, argv[2]) != 0)
		i++;
	if (i == n)
		give_up("no such peer");
	r.peer = &peers[i];
	w->measure(&r);
	return 0;
}
