/* SPDX-License-Identifier: MIT */
/* Promise 4: deadlines poll when past, never overflow, and know nothing of the wall clock. */
#include "contract.h"

static const creel_deadline past[] = {CREEL_NOW_INIT, {0}, {1}, {-2}, {-1000000000}, {INT64_MIN}};
enum { PASTS = sizeof past / sizeof past[0] };

CORE_CASE(c04_a_past_deadline_polls_a_pending_future)
{
	creel_future *f = creel_promise_new(), *taken = f;
	creel_queue *q = creel_queue_new(NULL);
	creel_buffer buffer = {f, 1, NULL, NULL};
	const void *view = f;
	size_t done = 9, size = 9;
	ct_int(creel_queue_add(q, f, NULL), 0);
	for (int i = 0; i < PASTS; i++) {
		long value = 5;
		ct_int(creel_future_result(f, past[i], &value, sizeof value), -ETIMEDOUT);
		ct_int(value, 5);
		ct_int(creel_future_view(f, past[i], &view, &size), -ETIMEDOUT);
		ct_int(creel_future_take(f, past[i], &buffer), -ETIMEDOUT);
		ct_int(creel_queue_take(q, past[i], &taken, NULL), -ETIMEDOUT);
		done = 9;
		ct_int(creel_wait(&f, 1, CREEL_ALL_COMPLETED, past[i], &done), -ETIMEDOUT);
		ct_int(done, 0);
	}
	ct_assert(view == f && size == 9 && buffer.data == f && taken == f);
	creel_queue_unref(q);
	creel_future_unref(f);
}

CORE_CASE(c04_a_past_deadline_gives_what_is_there)
{
	long seven = 7;
	for (int i = 0; i < PASTS; i++) {
		long value = 0;
		size_t done = 0;
		creel_future *f = creel_promise_new(), *taken = NULL;
		creel_queue *q = creel_queue_new(NULL);
		ct_int(creel_promise_set_result(f, &seven, sizeof seven), 0);
		ct_int(creel_queue_add(q, f, NULL), 0);
		ct_int(creel_future_result(f, past[i], &value, sizeof value), 0);
		ct_int(value, 7);
		ct_int(creel_wait(&f, 1, CREEL_ALL_COMPLETED, past[i], &done), 0);
		ct_int(done, 1);
		ct_int(creel_queue_take(q, past[i], &taken, NULL), 0);
		creel_future_unref(taken);
		creel_queue_unref(q);
		creel_future_unref(f);
	}
}

CASE(c04_a_past_deadline_polls_an_executor_and_a_map, CT_ASYNC)
{
	struct ct_hold hold;
	long items[2] = {1, 2};
	size_t left = 0, index = 9;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], 2, NULL);
	for (int i = 0; i < PASTS; i++) {
		creel_future *f = NULL;
		ct_int(creel_executor_drain(ex, past[i]), -ETIMEDOUT);
		ct_int(creel_map_next(map, past[i], &f, &index), -ETIMEDOUT);
		ct_assert(f == NULL && index == 9);
	}
	for (int i = 0; i < PASTS; i++) {
		left = 0;
		ct_int(creel_executor_shutdown(ex, 0, past[i], &left), -ETIMEDOUT);
		ct_assert(left >= hold.n);
	}
	creel_map_end(map);
	ct_release(&hold);
	ct_close(ex);
}

CORE_CASE(c04_a_huge_delay_is_for_ever_and_never_wraps)
{
	ct_int(creel_in_ns(INT64_MAX).ns, CREEL_FOREVER.ns);
	ct_int(creel_in_ms(INT64_MAX).ns, CREEL_FOREVER.ns);
	ct_int(creel_in_ns(INT64_MAX - 1).ns, CREEL_FOREVER.ns);
	ct_int(creel_in_ms(INT64_MAX / 1000).ns, CREEL_FOREVER.ns);
	ct_int(creel_in_ms(INT64_MAX / 1000000 + 1).ns, CREEL_FOREVER.ns);
	int64_t before = ct_now();
	for (int64_t ns = 1; ns > 0 && ns <= INT64_MAX / 2; ns *= 2)
		ct_assert(creel_in_ns(ns).ns > before);
	for (int64_t ms = 1; ms > 0 && ms <= INT64_MAX / 2; ms *= 2)
		ct_assert(creel_in_ms(ms).ns > before);
}

CORE_CASE(c04_no_delay_or_a_negative_one_is_now)
{
	static const int64_t none[] = {0, -1, -1000, INT64_MIN};
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		ct_int(creel_in_ns(none[i]).ns, CREEL_NOW.ns);
		ct_int(creel_in_ms(none[i]).ns, CREEL_NOW.ns);
	}
}

CORE_CASE(c04_a_deadline_counts_nanoseconds_of_the_monotonic_clock)
{
	int64_t before = ct_now();
	creel_deadline ns = creel_in_ns(5000000000), ms = creel_in_ms(5000);
	int64_t after = ct_now();
	ct_assert(ns.ns >= before + 5000000000 && ns.ns <= after + 5000000000);
	ct_assert(ms.ns >= before + 5000000000 && ms.ns <= after + 5000000000);
}

struct waiting {
	creel_future *f;
	creel_deadline deadline;
};

static void *wait_until(void *arg)
{
	struct waiting *w = arg;
	long value = 0;
	int rc = creel_future_result(w->f, w->deadline, &value, sizeof value);
	return (void *)(intptr_t)(rc ? rc : value);
}

CORE_CASE(c04_a_far_deadline_does_not_time_out)
{
	static const creel_deadline far[] = {CREEL_FOREVER_INIT,
					     {INT64_MAX - 1},
					     {INT64_MAX / 2},
					     {INT64_C(4611686018427387904)},
					     {(int64_t)1 << 60}};
	long nine = 9;
	for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
		struct waiting w = {creel_promise_new(), far[i]};
		struct ct_thread *waiter = ct_thread_start(wait_until, &w);
		ct_await_asleep(ct_thread_id(waiter));
		ct_int(creel_promise_set_result(w.f, &nine, sizeof nine), 0);
		ct_int((intptr_t)ct_thread_join(waiter), 9);
		creel_future_unref(w.f);
	}
}

CORE_CASE(c04_a_wait_that_times_out_has_waited_that_long)
{
	creel_future *f = creel_promise_new(), *taken = NULL;
	creel_queue *q = creel_queue_new(NULL);
	for (int ms = 1; ms <= 16; ms *= 4) {
		creel_deadline at = creel_in_ms(ms);
		ct_int(creel_future_result(f, at, NULL, 0), -ETIMEDOUT);
		ct_assert(ct_now() >= at.ns);
		at = creel_in_ms(ms);
		ct_int(creel_wait(&f, 1, CREEL_FIRST_COMPLETED, at, NULL), -ETIMEDOUT);
		ct_assert(ct_now() >= at.ns);
		at = creel_in_ms(ms);
		ct_int(creel_queue_take(q, at, &taken, NULL), -ETIMEDOUT);
		ct_assert(ct_now() >= at.ns);
	}
	creel_queue_unref(q);
	creel_future_unref(f);
}

CASE(c04_a_wait_that_times_out_leaves_the_task_going, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 31);
	ct_count_await(started, 1);
	ct_int(creel_future_result(f, creel_in_ms(2), NULL, 0), -ETIMEDOUT);
	ct_int(creel_executor_drain(ex, creel_in_ms(2)), -ETIMEDOUT);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	ct_open(gate);
	ct_int(ct_long_drop(f), 31);
	ct_close(ex);
}

CASE(c04_time_never_comes_from_the_wall_clock, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_queue *q = creel_queue_new(NULL);
	creel_future *taken = NULL;
	unsigned before = ct_realtime_reads();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 31);
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_future_result(f, creel_in_ms(2), NULL, 0), -ETIMEDOUT);
	ct_int(creel_wait(&f, 1, CREEL_ALL_COMPLETED, creel_in_ms(2), NULL), -ETIMEDOUT);
	ct_int(creel_queue_take(q, creel_in_ms(2), &taken, NULL), -ETIMEDOUT);
	ct_int(creel_executor_drain(ex, creel_in_ms(2)), -ETIMEDOUT);
	ct_int(creel_executor_shutdown(ex, 0, creel_in_ms(2), NULL), -ETIMEDOUT);
	ct_open(gate);
	ct_int(ct_long(f), 31);
	ct_close(ex);
	ct_int(ct_realtime_reads(), before);
	creel_queue_unref(q);
	creel_future_unref(f);
}
