/* SPDX-License-Identifier: MIT */
/* Promise 9: waiting for several futures, whatever stands among them. */
#include "contract.h"

#include <stdlib.h>

static creel_future *finished(void)
{
	creel_future *f = creel_promise_new();
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	return f;
}

static creel_future *failed(void)
{
	creel_future *f = creel_promise_new();
	ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, 1, NULL, 0, "no"), 0);
	return f;
}

static creel_future *cancelled(void)
{
	creel_future *f = creel_promise_new();
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	return f;
}

static void drop_all(creel_future **futures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		creel_future_unref(futures[i]);
}

static const int modes[] = {CREEL_ALL_COMPLETED, CREEL_FIRST_COMPLETED, CREEL_FIRST_ERROR};

CORE_CASE(c09_waiting_for_nothing_returns_at_once)
{
	for (int i = 0; i < 3; i++) {
		size_t done = 7;
		ct_int(creel_wait(NULL, 0, modes[i], CREEL_FOREVER, &done), 0);
		ct_int(done, 0);
		ct_int(creel_wait(NULL, 0, modes[i], CREEL_NOW, NULL), 0);
	}
}

CORE_CASE(c09_duplicates_are_counted_by_index)
{
	creel_future *a = finished(), *b = creel_promise_new();
	creel_future *list[] = {a, a, b, a, b};
	size_t done = 0;
	ct_int(creel_wait(list, 5, CREEL_ALL_COMPLETED, creel_in_ms(1), &done), -ETIMEDOUT);
	ct_int(done, 3);
	ct_int(creel_promise_set_result(b, NULL, 0), 0);
	ct_int(creel_wait(list, 5, CREEL_ALL_COMPLETED, CREEL_FOREVER, &done), 0);
	ct_int(done, 5);
	creel_future_unref(a);
	creel_future_unref(b);
}

static void *wait_twice(void *f)
{
	creel_future *list[] = {f, f, f};
	size_t done = 0;
	int rc = creel_wait(list, 3, CREEL_ALL_COMPLETED, CREEL_FOREVER, &done);
	return (void *)(intptr_t)(rc ? rc : (int)done);
}

CORE_CASE(c09_duplicates_of_one_that_completes_while_waiting_do_not_block)
{
	creel_future *f = creel_promise_new();
	struct ct_thread *waiter = ct_thread_start(wait_twice, f);
	ct_await_asleep(ct_thread_id(waiter));
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_int((intptr_t)ct_thread_join(waiter), 3);
	creel_future_unref(f);
}

CASE(c09_rejected_futures_count_as_done, 0)
{
	creel_future *list[6];
	size_t done = 0;
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	for (int i = 0; i < 5; i++)
		list[i] = creel_submit(ex, task_nothing, NULL, 0);
	list[5] = creel_promise_new();
	ct_int(creel_wait(list, 5, CREEL_ALL_COMPLETED, CREEL_FOREVER, &done), 0);
	ct_int(done, 5);
	ct_int(creel_wait(list, 6, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done), 0);
	ct_int(done, 5);
	ct_int(creel_wait(list, 6, CREEL_FIRST_ERROR, CREEL_FOREVER, &done), 0);
	ct_int(done, 5);
	drop_all(list, 6);
	ct_close(ex);
}

CASE(c09_a_timeout_is_no_failure_and_says_how_many_are_done, CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_future *list[5];
	size_t done = 99;
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 2; i++) {
		list[i] = ct_submit_count(ex, ran);
		ct_int(ct_outcome(list[i]), 0);
	}
	ct_hold(&hold, ex);
	for (int i = 2; i < 5; i++)
		list[i] = ct_submit_count(ex, ran);
	ct_int(creel_wait(list, 5, CREEL_ALL_COMPLETED, creel_in_ms(3), &done), -ETIMEDOUT);
	ct_int(done, 2);
	ct_int(creel_wait(list, 5, CREEL_FIRST_COMPLETED, CREEL_NOW, &done), 0);
	ct_int(done, 2);
	ct_int(creel_wait(list, 5, CREEL_FIRST_ERROR, CREEL_NOW, &done), -ETIMEDOUT);
	ct_int(done, 2);
	ct_release(&hold);
	ct_int(creel_wait(list, 5, CREEL_ALL_COMPLETED, CT_GUARD, &done), 0);
	ct_int(done, 5);
	drop_all(list, 5);
	ct_close(ex);
}

struct wait_thread {
	creel_future **list;
	size_t n;
	int mode;
	size_t done;
};

static void *wait_in_thread(void *arg)
{
	struct wait_thread *w = arg;
	return (void *)(intptr_t)creel_wait(w->list, w->n, w->mode, CREEL_FOREVER, &w->done);
}

static int settle_one_of_three(int mode, int which)
{
	creel_future *list[] = {creel_promise_new(), creel_promise_new(), creel_promise_new()};
	struct wait_thread w = {list, 3, mode, 99};
	struct ct_thread *waiter = ct_thread_start(wait_in_thread, &w);
	ct_await_asleep(ct_thread_id(waiter));
	if (which == 0)
		ct_int(creel_promise_set_result(list[1], NULL, 0), 0);
	else if (which == 1)
		ct_int(creel_promise_fail(list[1], CREEL_KIND_FAILED, 1, NULL, 0, "no"), 0);
	else
		ct_int(creel_future_cancel(list[1]), CREEL_CANCEL_NOW);
	ct_int((intptr_t)ct_thread_join(waiter), 0);
	ct_int(creel_future_state(list[0]), CREEL_FUTURE_PENDING);
	drop_all(list, 3);
	return (int)w.done;
}

CORE_CASE(c09_first_completed_wakes_on_a_result_an_error_and_a_cancel)
{
	for (int which = 0; which < 3; which++)
		ct_int(settle_one_of_three(CREEL_FIRST_COMPLETED, which), 1);
}

CORE_CASE(c09_first_error_wakes_on_an_error_and_on_a_cancelled_one)
{
	ct_int(settle_one_of_three(CREEL_FIRST_ERROR, 1), 1);
	ct_int(settle_one_of_three(CREEL_FIRST_ERROR, 2), 1);
}

CORE_CASE(c09_first_error_without_an_error_waits_for_all)
{
	creel_future *list[] = {creel_promise_new(), finished(), creel_promise_new()};
	struct wait_thread w = {list, 3, CREEL_FIRST_ERROR, 99};
	struct ct_thread *waiter = ct_thread_start(wait_in_thread, &w);
	ct_await_asleep(ct_thread_id(waiter));
	ct_int(creel_promise_set_result(list[0], NULL, 0), 0);
	ct_await_asleep(ct_thread_id(waiter));
	ct_int(creel_promise_set_result(list[2], NULL, 0), 0);
	ct_int((intptr_t)ct_thread_join(waiter), 0);
	ct_int(w.done, 3);
	drop_all(list, 3);
}

CORE_CASE(c09_what_is_final_already_satisfies_each_mode_at_once)
{
	creel_future *list[] = {creel_promise_new(), finished(), failed(), cancelled()};
	size_t done = 0;
	ct_int(creel_wait(list, 4, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done), 0);
	ct_int(done, 3);
	ct_int(creel_wait(list, 4, CREEL_FIRST_ERROR, CREEL_FOREVER, &done), 0);
	ct_int(done, 3);
	ct_int(creel_wait(list, 2, CREEL_FIRST_ERROR, CREEL_NOW, &done), -ETIMEDOUT);
	ct_int(done, 1);
	ct_int(creel_wait(list + 1, 3, CREEL_ALL_COMPLETED, CREEL_FOREVER, &done), 0);
	ct_int(done, 3);
	drop_all(list, 4);
}

CASE(c09_a_hundred_that_finish_while_it_registers_are_never_missed, 0)
{
	enum { N = 100 };
	unsigned rounds = ct_many(ct_scaled(100));
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	for (unsigned round = 0; round < rounds; round++) {
		creel_future *list[N];
		size_t done = 0;
		for (int i = 0; i < N; i++)
			list[i] = ct_submit_count(ex, ran);
		int mode = modes[round % 3];
		ct_int(creel_wait(list, N, mode, CT_GUARD, &done), 0);
		ct_assert(mode == CREEL_FIRST_COMPLETED ? done >= 1 : done == N);
		drop_all(list, N);
	}
	ct_close(ex);
	ct_int(ct_count_get(ran), N * rounds);
}

CASE(c09_several_threads_wait_for_the_same_futures, CT_ASYNC)
{
	enum { N = 20, WAITERS = 4 };
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *list[N];
	struct wait_thread w[WAITERS];
	struct ct_thread *waiters[WAITERS];
	creel_executor *ex = ct_executor();
	for (int i = 0; i < N; i++)
		list[i] = ct_submit_gated(ex, started, gate, i);
	for (int i = 0; i < WAITERS; i++) {
		w[i] = (struct wait_thread){list, N, modes[i % 3], 0};
		waiters[i] = ct_thread_start(wait_in_thread, &w[i]);
		ct_await_asleep(ct_thread_id(waiters[i]));
	}
	ct_open(gate);
	for (int i = 0; i < WAITERS; i++) {
		ct_int((intptr_t)ct_thread_join(waiters[i]), 0);
		ct_assert(modes[i % 3] == CREEL_FIRST_COMPLETED ? w[i].done >= 1 : w[i].done == N);
	}
	drop_all(list, N);
	ct_close(ex);
}

CASE(c09_ten_thousand_futures_are_waited_for_at_once, 0)
{
	const unsigned n = ct_many(10000);
	struct ct_count *ran = ct_count_new();
	creel_future **list = calloc(n, sizeof(creel_future *));
	size_t done = 0;
	ct_assert(list != NULL);
	creel_executor *ex = ct_executor();
	for (unsigned i = 0; i < n; i++)
		list[i] = ct_submit_count(ex, ran);
	ct_int(creel_wait(list, n, CREEL_ALL_COMPLETED, CT_GUARD, &done), 0);
	ct_int(done, n);
	drop_all(list, n);
	free(list);
	ct_close(ex);
}

CORE_CASE(c09_waiting_again_and_again_leaves_nothing_behind)
{
	creel_future *list[] = {creel_promise_new(), creel_promise_new()};
	long before = 0;
	for (int i = 0; i < 3000; i++) {
		if (i == 1000)
			before = ct_live_blocks();
		ct_int(creel_wait(list, 2, modes[i % 3], creel_in_ns(1000), NULL), -ETIMEDOUT);
	}
	ct_assert(ct_live_blocks() <= before + 8);
	drop_all(list, 2);
}

CORE_CASE(bad_wait_arguments_are_refused_and_change_nothing)
{
	creel_future *list[] = {finished(), NULL, finished()};
	size_t done = 55;
	ct_int(creel_wait(list, 1, -1, CREEL_NOW, &done), -EINVAL);
	ct_int(creel_wait(list, 1, 3, CREEL_NOW, &done), -EINVAL);
	ct_int(creel_wait(list, 1, INT32_MAX, CREEL_NOW, &done), -EINVAL);
	for (int i = 0; i < 3; i++)
		ct_int(creel_wait(list, 3, modes[i], CREEL_NOW, &done), -EINVAL);
	ct_int(creel_wait(NULL, 1, CREEL_ALL_COMPLETED, CREEL_NOW, &done), -EINVAL);
	ct_int(done, 55);
	drop_all(list, 3);
}

struct own {
	struct ct_count *known;
	creel_future *_Atomic self;
	creel_future *other; /* that never ends */
};

static int wait_for_itself(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct own *const *own = arg;
	ct_pass((*own)->known);
	creel_future *pair[2] = {(*own)->self, (*own)->self}, *taken = NULL;
	creel_future *last[2] = {(*own)->other, (*own)->self};
	creel_buffer buffer;
	size_t done = 55;
	int said[6] = {
		creel_future_result(pair[0], CREEL_FOREVER, NULL, 0),
		creel_future_view(pair[0], creel_in_ms(CT_GUARD_MS), NULL, NULL),
		creel_future_take(pair[0], CREEL_FOREVER, &buffer),
		creel_wait(pair, 2, CREEL_ALL_COMPLETED, CREEL_FOREVER, &done),
		/* Whatever stands before it. */
		creel_wait(last, 2, CREEL_ALL_COMPLETED, CREEL_NOW, &done),
		creel_wait(last, 2, CREEL_ALL_COMPLETED, creel_in_ms(1), &done),
	};
	(void)taken;
	return done == 55 ? creel_return(task, said, sizeof said) : 1;
}

CASE(bad_a_task_that_waits_for_itself_is_told_at_once, CT_ASYNC | CT_INPROC)
{
	struct own *own = ct_shared(sizeof *own);
	int said[6] = {0};
	creel_executor *ex = ct_executor();
	own->known = ct_count_new();
	creel_future *f = creel_submit(ex, wait_for_itself, &own, sizeof own);
	own->self = f;
	own->other = creel_promise_new();
	ct_open(own->known);
	ct_int(creel_future_result(f, CT_GUARD, said, sizeof said), 0);
	for (int i = 0; i < 6; i++)
		ct_int(said[i], -EDEADLK);
	creel_future_unref(own->other);
	creel_future_unref(f);
	ct_close(ex);
}
