/* SPDX-License-Identifier: MIT */
/* Promise 10: the completion queue. */
#include "contract.h"

#include <poll.h>
#include <stdlib.h>

static creel_future *settled(long value)
{
	creel_future *f = creel_promise_new();
	ct_int(creel_promise_set_result(f, &value, sizeof value), 0);
	return f;
}

/* Takes what must be there, and returns its tag. */
static intptr_t take_tag(creel_queue *q)
{
	creel_future *f = NULL;
	void *tag = NULL;
	ct_int(creel_queue_take(q, CREEL_NOW, &f, &tag), 0);
	ct_assert(creel_future_state(f) >= CREEL_FUTURE_FINISHED);
	creel_future_unref(f);
	return (intptr_t)tag;
}

static int try_take(creel_queue *q, creel_deadline deadline)
{
	creel_future *f = NULL;
	int rc = creel_queue_take(q, deadline, &f, NULL);
	ct_assert((rc == 0) == (f != NULL));
	creel_future_unref(f);
	return rc;
}

static bool readable(creel_queue *q)
{
	struct pollfd p = {.fd = creel_queue_fd(q), .events = POLLIN};
	ct_assert(p.fd >= 0);
	return poll(&p, 1, 0) == 1;
}

#define TAG(n) ((void *)(intptr_t)(n))

CORE_CASE(c10_finished_ones_come_first_then_in_order_of_completion_each_once)
{
	enum { N = 6 };
	static const int order[N] = {4, 0, 5, 2, 1, 3};
	creel_future *pending[N], *before = settled(1);
	creel_queue *q = creel_queue_new(NULL);
	for (int i = 0; i < N; i++) {
		pending[i] = creel_promise_new();
		ct_int(creel_queue_add(q, pending[i], TAG(i)), 0);
	}
	ct_int(creel_queue_add(q, before, TAG(100)), 0);
	ct_int(take_tag(q), 100);
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	for (int i = 0; i < N; i++)
		ct_int(creel_promise_set_result(pending[order[i]], NULL, 0), 0);
	for (int i = 0; i < N; i++)
		ct_int(take_tag(q), order[i]);
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	for (int i = 0; i < N; i++)
		creel_future_unref(pending[i]);
	creel_future_unref(before);
	creel_queue_unref(q);
}

CORE_CASE_WITH(c10_an_ordered_queue_hands_out_as_added, CT_SYSTEM)
{
	creel_queue_options o = {.flags = CREEL_ORDERED};
	creel_future *a = creel_promise_new(), *b = creel_promise_new(), *c = creel_promise_new();
	creel_queue *q = creel_queue_new(&o);
	ct_int(creel_queue_add(q, a, TAG(1)), 0);
	ct_int(creel_queue_add(q, b, TAG(2)), 0);
	ct_int(creel_queue_add(q, c, TAG(3)), 0);
	ct_int(creel_future_cancel(c), CREEL_CANCEL_NOW);
	ct_int(creel_promise_set_result(b, NULL, 0), 0);
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	ct_assert(!readable(q));
	ct_int(creel_promise_set_result(a, NULL, 0), 0);
	ct_assert(readable(q));
	for (int i = 1; i <= 3; i++)
		ct_int(take_tag(q), i);
	ct_assert(!readable(q));
	creel_future_unref(a);
	creel_future_unref(b);
	creel_future_unref(c);
	creel_queue_unref(q);
}

CORE_CASE(c10_it_forgets_what_it_has_handed_out)
{
	struct ct_count *freed = ct_count_new();
	creel_buffer buffer = {freed, 1, buffer_free_count, freed};
	creel_future *f = creel_promise_new(), *taken = NULL;
	creel_queue *q = creel_queue_new(NULL);
	ct_int(creel_promise_set_move(f, buffer), 0);
	ct_int(creel_queue_add(q, f, NULL), 0);
	creel_future_unref(f);
	ct_int(ct_count_get(freed), 0);
	ct_int(creel_queue_take(q, CREEL_NOW, &taken, NULL), 0);
	ct_assert(taken == f);
	/* The caller holds the only reference: its last one frees the result, the queue alive. */
	creel_future_unref(taken);
	ct_int(ct_count_get(freed), 1);
	creel_queue_unref(q);
}

CORE_CASE_WITH(c10_a_queue_that_goes_drops_what_is_in_it, CT_SYSTEM)
{
	struct ct_count *freed = ct_count_new();
	creel_buffer buffer = {freed, 1, buffer_free_count, freed};
	creel_future *f = creel_promise_new(), *pending = creel_promise_new();
	creel_queue *q = creel_queue_new(NULL);
	ct_int(creel_promise_set_move(f, buffer), 0);
	for (int i = 0; i < 3; i++) {
		ct_int(creel_queue_add(q, f, NULL), 0);
		ct_int(creel_queue_add(q, pending, NULL), 0);
	}
	ct_assert(readable(q));
	creel_future_unref(f);
	ct_assert(creel_queue_ref(q) == q);
	creel_queue_unref(q);
	ct_int(ct_count_get(freed), 0);
	creel_queue_unref(q);
	ct_int(ct_count_get(freed), 1);
	/* It completes later, and nothing of the queue is touched. */
	ct_int(creel_promise_set_result(pending, NULL, 0), 0);
	creel_future_unref(pending);
	creel_queue_unref(NULL);
	ct_assert(creel_queue_ref(NULL) == NULL);
}

CORE_CASE(c10_the_same_future_can_be_added_several_times)
{
	creel_future *f = creel_promise_new();
	creel_queue *q = creel_queue_new(NULL), *other = creel_queue_new(NULL);
	for (int i = 0; i < 3; i++)
		ct_int(creel_queue_add(q, f, TAG(i)), 0);
	ct_int(creel_queue_add(other, f, TAG(9)), 0);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	for (int i = 0; i < 3; i++)
		ct_int(take_tag(q), i);
	ct_int(take_tag(other), 9);
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	creel_future_unref(f);
	creel_queue_unref(q);
	creel_queue_unref(other);
}

CORE_CASE_WITH(c10_the_descriptor_is_readable_exactly_while_a_take_would_return, CT_SYSTEM)
{
	creel_future *a = creel_promise_new(), *b = settled(2);
	creel_queue *q = creel_queue_new(NULL);
	ct_assert(!readable(q));
	int fd = creel_queue_fd(q);
	ct_int(creel_queue_add(q, a, TAG(1)), 0);
	ct_assert(!readable(q));
	ct_int(creel_queue_add(q, b, TAG(2)), 0);
	ct_assert(readable(q));
	ct_int(creel_promise_set_result(a, NULL, 0), 0);
	ct_assert(readable(q));
	ct_int(take_tag(q), 2);
	ct_assert(readable(q));
	ct_int(take_tag(q), 1);
	ct_assert(!readable(q));
	if (CT_WAKES) {
		ct_int(creel_queue_wake(q), 0);
		ct_assert(readable(q));
		ct_int(try_take(q, CREEL_NOW), CREEL_WOKEN);
		ct_assert(!readable(q));
	}
	ct_int(creel_queue_add(q, b, NULL), 0);
	ct_int(creel_queue_reset(q), 0);
	ct_assert(!readable(q));
	ct_int(creel_queue_close(q), 0);
	ct_assert(readable(q));
	ct_int(try_take(q, CREEL_FOREVER), CREEL_EMPTY);
	ct_assert(readable(q));
	ct_int(creel_queue_reset(q), 0);
	ct_assert(!readable(q));
	ct_int(creel_queue_fd(q), fd);
	creel_future_unref(a);
	creel_future_unref(b);
	creel_queue_unref(q);
}

CORE_CASE_WITH(c10_a_descriptor_made_late_knows_what_is_there, CT_SYSTEM)
{
	creel_future *f = settled(1);
	creel_queue *full = creel_queue_new(NULL), *closed = creel_queue_new(NULL);
	creel_queue *woken = creel_queue_new(NULL);
	ct_int(creel_queue_add(full, f, NULL), 0);
	ct_int(creel_queue_close(closed), 0);
	ct_int(creel_queue_wake(woken), CT_WAKES ? 0 : -ENOTSUP);
	ct_assert(readable(full) && readable(closed) && readable(woken) == CT_WAKES);
	ct_int(take_tag(full), 0);
	ct_assert(!readable(full));
	creel_future_unref(f);
	creel_queue_unref(full);
	creel_queue_unref(closed);
	creel_queue_unref(woken);
}

CORE_CASE(c10_a_queue_at_capacity_refuses_until_something_is_taken)
{
	creel_queue_options o = {.capacity = 2};
	creel_future *f = settled(1), *pending = creel_promise_new();
	creel_queue *q = creel_queue_new(&o);
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_queue_add(q, pending, NULL), 0);
	ct_int(creel_queue_add(q, f, NULL), CREEL_FULL);
	take_tag(q);
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_queue_add(q, f, NULL), CREEL_FULL);
	ct_int(creel_queue_reset(q), 0);
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_queue_add(q, f, NULL), CREEL_FULL);
	creel_queue_unref(q);
	creel_future_unref(f);
	creel_future_unref(pending);
}

static void *take_one(void *q)
{
	creel_future *f = NULL;
	int rc = creel_queue_take(q, CREEL_FOREVER, &f, NULL);
	creel_future_unref(f);
	return (void *)(intptr_t)rc;
}

#if CT_WAKES
CORE_CASE(c10_a_wake_is_for_one_take_and_several_before_it_are_one)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = settled(1);
	for (int i = 0; i < 3; i++)
		ct_int(creel_queue_wake(q), 0);
	ct_int(try_take(q, CREEL_FOREVER), CREEL_WOKEN);
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	struct ct_thread *a = ct_thread_start(take_one, q), *b = ct_thread_start(take_one, q);
	ct_await_asleep(ct_thread_id(a));
	ct_await_asleep(ct_thread_id(b));
	ct_int(creel_queue_wake(q), 0);
	ct_until(!readable(q));
	ct_int(creel_queue_add(q, f, NULL), 0);
	intptr_t sum = (intptr_t)ct_thread_join(a) + (intptr_t)ct_thread_join(b);
	ct_int(sum, CREEL_WOKEN);
	creel_future_unref(f);
	creel_queue_unref(q);
}

#endif

CORE_CASE(c10_a_waiting_take_is_woken_by_whatever_lets_it_return)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = settled(1), *pending = creel_promise_new();
	for (int what = 0; what < 4; what++) {
		if (what == 2 && !CT_WAKES)
			continue;
		static const int says[] = {0, 0, CREEL_WOKEN, CREEL_EMPTY};
		if (what == 1)
			ct_int(creel_queue_add(q, pending, NULL), 0);
		struct ct_thread *taker = ct_thread_start(take_one, q);
		ct_await_asleep(ct_thread_id(taker));
		if (what == 0)
			ct_int(creel_queue_add(q, f, NULL), 0);
		else if (what == 1)
			ct_int(creel_promise_set_result(pending, NULL, 0), 0);
		else if (what == 2)
			ct_int(creel_queue_wake(q), 0);
		else
			ct_int(creel_queue_close(q), 0);
		ct_int((intptr_t)ct_thread_join(taker), says[what]);
	}
	creel_future_unref(f);
	creel_future_unref(pending);
	creel_queue_unref(q);
}

CORE_CASE(c10_a_closed_queue_takes_no_more_and_hands_out_what_it_has)
{
	creel_future *f = settled(1), *pending = creel_promise_new();
	creel_queue *q = creel_queue_new(NULL);
	ct_int(creel_queue_add(q, f, TAG(1)), 0);
	ct_int(creel_queue_add(q, pending, TAG(2)), 0);
	ct_int(creel_queue_close(q), 0);
	ct_int(creel_queue_close(q), 0);
	ct_int(creel_queue_add(q, f, NULL), -ESHUTDOWN);
	ct_int(take_tag(q), 1);
	/* Not empty yet: one is still to come. */
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_promise_set_result(pending, NULL, 0), 0);
	ct_int(take_tag(q), 2);
	for (int i = 0; i < 3; i++)
		ct_int(try_take(q, CREEL_FOREVER), CREEL_EMPTY);
	ct_int(creel_queue_reset(q), 0);
	ct_int(creel_queue_add(q, f, TAG(3)), 0);
	ct_int(take_tag(q), 3);
	creel_future_unref(f);
	creel_future_unref(pending);
	creel_queue_unref(q);
}

CORE_CASE(c10_close_wakes_everyone_once_the_last_one_is_taken)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = creel_promise_new();
	struct ct_thread *takers[3];
	int empty = 0, got = 0;
	ct_int(creel_queue_add(q, f, NULL), 0);
	for (int i = 0; i < 3; i++)
		takers[i] = ct_thread_start(take_one, q);
	for (int i = 0; i < 3; i++)
		ct_await_asleep(ct_thread_id(takers[i]));
	ct_int(creel_queue_close(q), 0);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	for (int i = 0; i < 3; i++) {
		int rc = (int)(intptr_t)ct_thread_join(takers[i]);
		empty += rc == CREEL_EMPTY;
		got += rc == 0;
	}
	ct_int(empty, 2);
	ct_int(got, 1);
	creel_future_unref(f);
	creel_queue_unref(q);
}

CORE_CASE(c10_reset_forgets_what_is_in_a_wake_and_a_close)
{
	creel_future *f = settled(1), *pending = creel_promise_new();
	creel_queue *q = creel_queue_new(NULL);
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_queue_add(q, pending, NULL), 0);
	ct_int(creel_queue_wake(q), CT_WAKES ? 0 : -ENOTSUP);
	ct_int(creel_queue_reset(q), 0);
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_promise_set_result(pending, NULL, 0), 0);
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	creel_future_unref(f);
	creel_future_unref(pending);
	creel_queue_unref(q);
}

CASE(c10_tasks_come_out_as_they_complete_with_their_tags, 0)
{
	enum { N = 500 };
	unsigned char seen[N] = {0};
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(NULL);
	for (long i = 0; i < N; i++)
		ct_int(creel_queue_submit(q, ex, task_same, &i, sizeof i, NULL, TAG(i)), 0);
	ct_int(creel_queue_close(q), 0);
	for (int i = 0; i < N; i++) {
		creel_future *f = NULL;
		void *tag = NULL;
		ct_int(creel_queue_take(q, CT_GUARD, &f, &tag), 0);
		ct_int(ct_long_drop(f), (intptr_t)tag);
		ct_int(seen[(intptr_t)tag]++, 0);
	}
	ct_int(try_take(q, CREEL_FOREVER), CREEL_EMPTY);
	creel_queue_unref(q);
	ct_close(ex);
}

CASE(c10_a_task_that_is_slow_comes_after_those_that_are_not, CT_PARALLEL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(NULL);
	creel_future *slow = ct_submit_gated(ex, started, gate, 1);
	ct_int(creel_queue_add(q, slow, TAG(1)), 0);
	ct_int(creel_queue_submit(q, ex, task_count, &ran, sizeof ran, NULL, TAG(2)), 0);
	for (int tag = 2; tag >= 1; tag--) {
		creel_future *f = NULL;
		void *got = NULL;
		ct_int(creel_queue_take(q, CT_GUARD, &f, &got), 0);
		ct_int((intptr_t)got, tag);
		creel_future_unref(f);
		ct_open(gate);
	}
	creel_future_unref(slow);
	creel_queue_unref(q);
	ct_close(ex);
}

CASE(c10_a_refused_submission_leaves_the_argument_with_the_caller, 0)
{
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_queue_options one = {.capacity = 1};
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(&one), *closed = creel_queue_new(NULL);
	ct_int(creel_queue_close(closed), 0);
	ct_int(creel_queue_submit(closed, ex, task_count, &ran, sizeof ran, &o, NULL), -ESHUTDOWN);
	ct_int(creel_queue_submit(q, ex, NULL, &ran, sizeof ran, &o, NULL), -EINVAL);
	ct_int(creel_queue_submit(q, ex, task_count, &ran, sizeof ran, &o, NULL), 0);
	ct_int(creel_queue_submit(q, ex, task_count, &ran, sizeof ran, &o, NULL), CREEL_FULL);
	ct_int(try_take(q, CT_GUARD), 0);
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_queue_submit(q, ex, task_count, &ran, sizeof ran, &o, NULL), -ESHUTDOWN);
	/* What was refused takes no place. */
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	creel_future *f = settled(1);
	ct_int(creel_queue_add(q, f, NULL), 0);
	creel_future_unref(f);
	creel_queue_unref(q);
	creel_queue_unref(closed);
	ct_close(ex);
	ct_int(ct_count_get(ran), 1);
	ct_int(ct_count_get(freed), 1);
}

struct crowd {
	creel_executor *ex;
	creel_queue *q;
	struct ct_count *taken;
	struct ct_count *seen;
	unsigned each;
};

static void *feed(void *arg)
{
	struct crowd *c = arg;
	for (unsigned i = 0; i < c->each; i++) {
		long n = (long)ct_count_add(c->seen, 1) - 1;
		creel_submit_options o = {0};
		if (creel_queue_submit(c->q, c->ex, task_same, &n, sizeof n, &o, TAG(n)))
			return arg;
	}
	return NULL;
}

static void *consume(void *arg)
{
	struct crowd *c = arg;
	for (;;) {
		creel_future *f = NULL;
		void *tag = NULL;
		long value = -1;
		int rc = creel_queue_take(c->q, CREEL_FOREVER, &f, &tag);
		if (rc == CREEL_EMPTY)
			return NULL;
		if (rc || creel_future_result(f, CREEL_NOW, &value, sizeof value) ||
		    value != (intptr_t)tag)
			return arg;
		creel_future_unref(f);
		ct_count_add(&c->taken[value], 1);
	}
}

CASE(c10_adding_while_taking_from_several_threads_loses_nothing, 0)
{
	enum { FEEDERS = 2, EATERS = 3 };
	unsigned many = ct_many(ct_scaled(1500)), each = many > 100000 ? 100000 : many;
	unsigned n = FEEDERS * each;
	struct crowd c = {ct_executor(), creel_queue_new(NULL), NULL, ct_count_new(), each};
	struct ct_thread *feeders[FEEDERS], *eaters[EATERS];
	c.taken = ct_shared(n * sizeof *c.taken);
	for (int i = 0; i < EATERS; i++)
		eaters[i] = ct_thread_start(consume, &c);
	for (int i = 0; i < FEEDERS; i++)
		feeders[i] = ct_thread_start(feed, &c);
	for (int i = 0; i < FEEDERS; i++)
		ct_assert(ct_thread_join(feeders[i]) == NULL);
	ct_int(creel_queue_close(c.q), 0);
	for (int i = 0; i < EATERS; i++)
		ct_assert(ct_thread_join(eaters[i]) == NULL);
	for (unsigned i = 0; i < n; i++)
		ct_int(ct_count_get(&c.taken[i]), 1);
	creel_queue_unref(c.q);
	ct_close(c.ex);
}

CASE(c10_an_event_loop_on_the_descriptor_misses_nothing, CT_ASYNC | CT_SYSTEM)
{
	const long n = ct_many(1000);
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(NULL);
	int fd = creel_queue_fd(q), taken = 0;
	ct_assert(fd >= 0);
	for (long i = 0; i < n; i++)
		ct_int(creel_queue_submit(q, ex, task_same, &i, sizeof i, NULL, NULL), 0);
	while (taken < n) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ct_int(poll(&p, 1, CT_GUARD_MS), 1);
		/* Readable: this thread alone takes, so one must be there. */
		ct_int(try_take(q, CREEL_NOW), 0);
		taken++;
	}
	ct_assert(!readable(q));
	creel_queue_unref(q);
	ct_close(ex);
}

CASE(c10_a_queue_may_go_while_its_tasks_run, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_gated gated = {started, gate, 1};
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 20; i++) {
		creel_queue *q = creel_queue_new(NULL);
		ct_int(creel_queue_submit(q, ex, task_gated, &gated, sizeof gated, NULL, NULL), 0);
		ct_int(creel_queue_submit(q, ex, task_gated, &gated, sizeof gated, NULL, NULL), 0);
		creel_queue_unref(q);
	}
	ct_open(gate);
	ct_close(ex);
	ct_int(ct_count_get(started), 40);
}

CORE_CASE(bad_queue_options_make_a_broken_queue)
{
	creel_queue_options bad[3] = {
		{.flags = CREEL_AS_COMPLETED | CREEL_ORDERED}, {.flags = 1u << 31}, {0}};
	static const char *const says[3] = {
		"creel_queue_new: flags has 0x2, which a queue does not know; "
		"use CREEL_ORDERED or 0",
		"creel_queue_new: flags has 0x80000000, which a queue does not know; "
		"use CREEL_ORDERED or 0",
		"creel_queue_new: reserved[3] of the options is 1, not 0; "
		"initialise the options with {0} or designated initializers"};
	creel_future *f = settled(1);
	bad[2].reserved[3] = 1;
	for (int i = 0; i < 3; i++) {
		creel_queue *q = creel_queue_new(&bad[i]);
		ct_assert(q != NULL && creel_queue_error(q) != NULL);
		ct_int(creel_queue_error(q)->kind, CREEL_KIND_REJECTED);
		ct_int(creel_queue_error(q)->code, -EINVAL);
		ct_text(creel_queue_error(q)->message, says[i]);
		ct_int(creel_queue_add(q, f, NULL), -EINVAL);
		ct_int(try_take(q, CREEL_FOREVER), -EINVAL);
		ct_int(creel_queue_fd(q), -EINVAL);
		ct_int(creel_queue_wake(q), -EINVAL);
		ct_int(creel_queue_close(q), -EINVAL);
		ct_int(creel_queue_reset(q), -EINVAL);
		ct_assert(creel_queue_ref(q) == q);
		creel_queue_unref(q);
		creel_queue_unref(q);
	}
	creel_future_unref(f);
}

CORE_CASE(bad_queue_arguments_are_refused)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = settled(1);
	ct_assert(creel_queue_error(q) == NULL && creel_queue_error(NULL) == NULL);
	ct_int(creel_queue_close(NULL), -EINVAL);
	ct_int(creel_queue_add(q, NULL, NULL), -EINVAL);
	ct_int(try_take(q, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_queue_take(q, CREEL_NOW, NULL, NULL), -EINVAL);
	ct_int(try_take(q, CREEL_NOW), 0);
	creel_future_unref(f);
	creel_queue_unref(q);
}

CORE_CASE(bad_a_queue_without_a_descriptor_says_so_and_still_works)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = settled(1);
	ct_fault_arm(CT_FAULT_FD, 1, true);
	int fd = creel_queue_fd(q);
	unsigned failed = ct_fault_failed();
	ct_fault_off();
	if (failed == 0)
		ct_skip("the descriptor comes from a call that is not wrapped");
	ct_int(fd, -EMFILE);
	ct_int(creel_queue_add(q, f, TAG(4)), 0);
	ct_assert(readable(q));
	ct_int(take_tag(q), 4);
	creel_future_unref(f);
	creel_queue_unref(q);
}
