/* SPDX-License-Identifier: MIT */
/* Threads that wait at moodycamel's lock-free queue, with the hand-made future. */
#include "handmade.h"
#include "moodycamel.h"

#include <pthread.h>

static pthread_t *threads;
static unsigned count;

static void *worker(void *arg)
{
	(void)arg;
	for (struct handmade *h; (h = moodycamel_get());)
		handmade_run(h);
	return NULL;
}

static void open_pool(unsigned workers, bool help)
{
	(void)help;
	threads = touched(workers, sizeof *threads);
	for (; count < workers; count++)
		if (pthread_create(&threads[count], NULL, worker, NULL))
			give_up("no thread");
}

static void *submit(enum work work)
{
	struct handmade *h = handmade_new(work);
	if (!moodycamel_put(h))
		give_up("no memory");
	return h;
}

static void close_pool(void)
{
	for (unsigned i = 0; i < count; i++)
		if (!moodycamel_put(NULL))
			give_up("no memory");
	while (count)
		pthread_join(threads[--count], NULL);
	free(threads);
}

const struct peer peer_moodycamel = {"moodycamel", open_pool, submit, handmade_wait, close_pool};
