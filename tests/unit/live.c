/* SPDX-License-Identifier: MIT */
/* The counts of live objects in creel_stats. */
#include "tasks.h"

/* Whether futures are counted: where each is a piece of heap of its own. */
#if defined(CREEL_MEMCHECK) || defined(CREEL_HEAP_BLOCKS)
enum { COUNTED = 1 };
#else
enum { COUNTED = CT_ASAN };
#endif

static creel_stats look(creel_executor *ex)
{
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	return stats;
}

static void differs(creel_executor *ex, const creel_stats *before, int futures, int queues,
		    int executors)
{
	creel_stats now = look(ex);
	ct_int(now.live_futures - before->live_futures, COUNTED ? futures : 0);
	ct_int(now.live_queues - before->live_queues, queues);
	ct_int(now.live_executors - before->live_executors, executors);
}

CT_TEST(live, objects_are_counted_while_they_live, 0)
{
	static const long items[] = {1, 2};
	creel_executor *ex = creel_inline_new();
	creel_stats before = look(ex);
	ct_int(before.live_executors, 1);
	ct_int(before.live_queues, 0);
	ct_int(before.live_futures, 0);

	creel_executor *pool = creel_thread_pool_new(NULL);
	creel_executor *broken = creel_executor_new(NULL, NULL);
	creel_queue *q = creel_queue_new(NULL);
	creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], 2, NULL);
	creel_future *promise = creel_promise_new();
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	differs(ex, &before, 2, 2, 2);

	creel_future_unref(creel_future_ref(f));
	creel_queue_unref(creel_queue_ref(q));
	creel_executor_unref(creel_executor_ref(pool));
	differs(ex, &before, 2, 2, 2);

	creel_future_unref(f);
	creel_future_unref(promise);
	creel_map_end(map);
	creel_queue_unref(q);
	ct_close(broken);
	ct_close(pool);
	differs(ex, &before, 0, 0, 0);
	ct_close(ex);
}
