/* SPDX-License-Identifier: MIT */
/* moodycamel's queue for peer_moodycamel.c, which is in C as what it puts into it is. */
#include "moodycamel.h"

#include <concurrentqueue/blockingconcurrentqueue.h>

static moodycamel::BlockingConcurrentQueue<void *> queue;

bool moodycamel_put(void *item)
{
	return queue.enqueue(item);
}

void *moodycamel_get(void)
{
	void *item = nullptr;
	queue.wait_dequeue(item);
	return item;
}
