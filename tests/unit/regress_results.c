/* SPDX-License-Identifier: MIT */
/* Regressions: taking results. */
#include "future/result.h"
#include "regress.h"

#include <stdlib.h>

static int own_tid(void)
{
	return (int)syscall(SYS_gettid);
}

static int take(creel_future *f)
{
	creel_buffer buffer = {0};
	int rc = creel_future_take(f, CREEL_FOREVER, &buffer);
	if (rc == 0 && buffer.free)
		buffer.free(buffer.data, buffer.size, buffer.ctx);
	creel_future_unref(f);
	return rc;
}

/* Takes from a task that it has to run itself: it is the only worker. */
static int take_helped(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int rc = take(creel_submit(*(creel_executor *const *)arg, task_nothing, NULL, 0));
	return creel_return(task, &rc, sizeof rc);
}

/* The reference of the queue, in which the task still stood, counted. */
CT_TEST(regress_results, a_sole_holder_that_ran_the_task_itself_may_take, 0)
{
	int rc = 1;
	creel_executor *ex = pool_of(1);
	creel_future *f = creel_submit(ex, take_helped, &ex, sizeof ex);
	ct_int(creel_future_result(f, CT_GUARD, &rc, sizeof rc), 0);
	ct_int(rc, 0);
	creel_future_unref(f);
	close_now(ex);
}

static int task_awaits_sleeper(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	ct_await_asleep(*(const int *)arg);
	return 0;
}

/* The worker's reference went a moment after it woke those who waited. A race: won by repeating. */
CT_TEST(regress_results, a_sole_holder_that_waited_may_take, 0)
{
	int tid = own_tid();
	creel_executor *ex = pool_of(1);
	for (unsigned i = ct_scaled(200); i > 0; i--)
		ct_int(take(creel_submit(ex, task_awaits_sleeper, &tid, sizeof tid)), 0);
	for (unsigned i = ct_scaled(1000); i > 0; i--)
		ct_int(take(creel_submit(ex, task_nothing, NULL, 0)), 0);
	close_now(ex);
}

/* The same for the reference of whoever tells the queue. */
CT_TEST(regress_results, a_sole_holder_that_got_it_from_a_queue_may_take, 0)
{
	int tid = own_tid();
	creel_executor *ex = pool_of(1);
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = NULL;
	for (unsigned i = ct_scaled(1000); i > 0; i--) {
		creel_fn fn = i % 4 ? task_nothing : task_awaits_sleeper;
		ct_int(creel_queue_submit(q, ex, fn, &tid, sizeof tid, NULL, NULL), 0);
		ct_int(creel_queue_take(q, CT_GUARD, &f, NULL), 0);
		ct_int(take(f), 0);
	}
	creel_queue_unref(q);
	close_now(ex);
}

static struct ct_count freed;

static void free_mine(void *data, size_t size, void *ctx)
{
	(void)data;
	ct_int(size, 1);
	ct_assert(ctx == (void *)&freed);
	ct_count_add(&freed, 1);
}

/* Where malloc() hands out again what was freed last: the place behind the next box. Nobody looks
 * there. */
static void *behind_box(void)
{
	void *box = malloc(sizeof(struct creel__box));
	uintptr_t behind = (uintptr_t)box + 64;
	free(box);
	return (void *)behind;
}

static int return_behind_box(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_return_move(task, (creel_buffer){behind_box(), 1, free_mine, &freed});
}

/* Data of the user's that lies where a copy would lie, right behind the box, was taken for a
 * copy: its free was never called. Where malloc() behaves otherwise this shows nothing. */
CT_TEST(regress_results, a_moved_buffer_behind_its_box_is_freed_by_its_own_free, 0)
{
	creel_executor *ex = creel_inline_new();
	creel_future *f = creel_promise_new();
	ct_int(creel_promise_set_move(f, (creel_buffer){behind_box(), 1, free_mine, &freed}), 0);
	ct_int(take(f), 0);
	ct_int(ct_count_get(&freed), 1);
	ct_int(take(creel_submit(ex, return_behind_box, NULL, 0)), 0);
	ct_int(ct_count_get(&freed), 2);
	close_now(ex);
}

/* Nothing was copied from NULL: undefined all the same, and seen by UndefinedBehaviorSanitizer. */
CT_TEST(regress_results, an_empty_result_can_be_asked_for_with_a_place_of_no_bytes, 0)
{
	char place = 'x';
	creel_future *p = creel_promise_new();
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	ct_int(creel_future_result(p, CREEL_NOW, &place, 0), 0);
	ct_int(place, 'x');
	creel_future_unref(p);
}
