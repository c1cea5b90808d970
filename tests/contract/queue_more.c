/* SPDX-License-Identifier: MIT */
/* Promise 10, continued: waiting for room, taking many, lengths, cancelling, discarding, tags. */
#include "contract.h"

#include <stdio.h>
#include <string.h>

static creel_future *ready(long value)
{
	return creel_future_of(&value, sizeof value);
}

static void add_ready(creel_queue *q, long value)
{
	creel_future *f = ready(value);
	ct_int(creel_queue_add(q, f, (void *)(intptr_t)value), 0);
	creel_future_unref(f);
}

CORE_CASE(c10_many_are_taken_at_once)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f[4] = {0};
	void *tags[4];
	size_t taken = 77;
	for (long i = 1; i <= 6; i++)
		add_ready(q, i);
	ct_int(creel_queue_take_many(q, CREEL_NOW, 4, f, tags, &taken), 0);
	ct_int(taken, 4);
	for (long i = 0; i < 4; i++) {
		ct_int((intptr_t)tags[i], i + 1);
		ct_int(ct_long_drop(f[i]), i + 1);
	}
	ct_int(creel_queue_take_many(q, CREEL_FOREVER, 4, f, NULL, &taken), 0);
	ct_int(taken, 2);
	ct_int(ct_long_drop(f[0]) + ct_long_drop(f[1]), 11);
	taken = 77;
	ct_int(creel_queue_take_many(q, CREEL_NOW, 4, f, NULL, &taken), -ETIMEDOUT);
	ct_int(creel_queue_close(q), 0);
	ct_int(creel_queue_take_many(q, CREEL_NOW, 4, f, NULL, &taken), CREEL_EMPTY);
	ct_int(taken, 77);
	creel_queue_unref(q);
}

/* A wake ends the take before anything is taken, and nothing is lost. */
CORE_CASE(c10_a_wake_ends_a_take_of_many_and_loses_nothing)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f[2];
	size_t taken = 0;
	add_ready(q, 1);
	if (creel_queue_wake(q) == 0)
		ct_int(creel_queue_take_many(q, CREEL_NOW, 2, f, NULL, &taken), CREEL_WOKEN);
	ct_int(creel_queue_take_many(q, CREEL_NOW, 2, f, NULL, &taken), 0);
	ct_int(taken, 1);
	ct_int(ct_long_drop(f[0]), 1);
	creel_queue_unref(q);
}

CORE_CASE(bad_taking_many_into_nothing)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f;
	size_t taken;
	ct_int(creel_queue_take_many(q, CREEL_NOW, 0, &f, NULL, &taken), -EINVAL);
	ct_int(creel_queue_take_many(q, CREEL_NOW, 1, NULL, NULL, &taken), -EINVAL);
	ct_int(creel_queue_take_many(q, CREEL_NOW, 1, &f, NULL, NULL), -EINVAL);
	ct_int(creel_queue_take_many(NULL, CREEL_NOW, 1, &f, NULL, &taken), -EINVAL);
	ct_int(creel_queue_cancel(q, CREEL_ORDERED), -EINVAL);
	ct_int(creel_queue_cancel(NULL, 0), -EINVAL);
	ct_int(creel_queue_set_capacity(NULL, 1), -EINVAL);
	ct_int(creel_queue_discard(NULL), -EINVAL);
	ct_int(creel_queue_length(NULL, &taken), 0);
	ct_int(taken, 0);
	creel_queue_unref(q);
	creel_queue *odd = creel_queue_new(&(creel_queue_options){.reserved32 = 5});
	ct_text(creel_queue_error(odd)->message,
		"creel_queue_new: reserved32 of the options is 5, not 0; initialise the options "
		"with {0} or designated initializers");
	creel_queue_unref(odd);
}

CORE_CASE(c10_the_length_tells_what_is_in_and_what_is_ready)
{
	for (unsigned ordered = 0; ordered < 2; ordered++) {
		size_t can = 77;
		creel_queue *q = creel_queue_new(
			&(creel_queue_options){.flags = ordered ? CREEL_ORDERED : 0});
		creel_future *p = creel_promise_new(), *f;
		ct_int(creel_queue_length(q, &can), 0);
		ct_int(can, 0);
		ct_int(creel_queue_add(q, p, NULL), 0);
		add_ready(q, 2);
		add_ready(q, 3);
		ct_int(creel_queue_length(q, &can), 3);
		/* In order, the first one holds up those behind it. */
		ct_int(can, ordered ? 0 : 2);
		ct_int(creel_promise_set_result(p, NULL, 0), 0);
		ct_int(creel_queue_length(q, &can), 3);
		ct_int(can, 3);
		ct_int(creel_queue_take(q, CREEL_NOW, &f, NULL), 0);
		creel_future_unref(f);
		ct_int(creel_queue_length(q, NULL), 2);
		ct_int(creel_queue_reset(q), 0);
		ct_int(creel_queue_length(q, &can), 0);
		ct_int(can, 0);
		creel_future_unref(p);
		creel_queue_unref(q);
	}
}

struct adder {
	creel_queue *q;
	creel_deadline deadline;
	int said;
};

static void *add_one(void *arg)
{
	struct adder *a = arg;
	creel_future *f = ready(9);
	a->said = creel_queue_add_by(a->q, f, NULL, a->deadline);
	creel_future_unref(f);
	return NULL;
}

enum way { BY_TAKING, BY_CAPACITY, BY_RESET, BY_CLOSING, BY_DISCARDING, WAYS };

static void make_room(creel_queue *q, enum way way)
{
	creel_future *f;
	switch (way) {
	case BY_TAKING:
		ct_int(creel_queue_take(q, CREEL_NOW, &f, NULL), 0);
		creel_future_unref(f);
		break;
	case BY_CAPACITY:
		ct_int(creel_queue_set_capacity(q, 2), 0);
		break;
	case BY_RESET:
		ct_int(creel_queue_reset(q), 0);
		break;
	case BY_CLOSING:
		ct_int(creel_queue_close(q), 0);
		break;
	default:
		ct_int(creel_queue_discard(q), 0);
	}
}

CORE_CASE(c10_an_add_waits_for_room)
{
	for (enum way way = 0; way < WAYS; way++) {
		creel_queue *q = creel_queue_new(&(creel_queue_options){.capacity = 1});
		add_ready(q, 1);
		struct adder a = {q, CREEL_FOREVER, 77};
		struct ct_thread *thread = ct_thread_start(add_one, &a);
		ct_await_asleep(ct_thread_id(thread));
		make_room(q, way);
		ct_thread_join(thread);
		ct_int(a.said, way < BY_CLOSING ? 0 : -ESHUTDOWN);
		creel_queue_unref(q);
	}
}

/* Each place that becomes free lets one in, and none waits beside a free place. */
CORE_CASE(c10_all_who_wait_for_room_get_in_as_places_become_free)
{
	enum { N = 8 };
	creel_queue *q = creel_queue_new(&(creel_queue_options){.capacity = 2});
	struct adder a[N];
	struct ct_thread *threads[N];
	for (int i = 0; i < N; i++) {
		a[i] = (struct adder){q, CREEL_FOREVER, 77};
		threads[i] = ct_thread_start(add_one, &a[i]);
	}
	for (int i = 0; i < N; i++) {
		creel_future *f;
		ct_int(creel_queue_take(q, CT_GUARD, &f, NULL), 0);
		creel_future_unref(f);
	}
	for (int i = 0; i < N; i++) {
		ct_thread_join(threads[i]);
		ct_int(a[i].said, 0);
	}
	creel_queue_unref(q);
}

CORE_CASE(c10_an_add_waits_until_its_deadline_only)
{
	creel_queue *q = creel_queue_new(&(creel_queue_options){.capacity = 1});
	creel_future *f = ready(1);
	add_ready(q, 1);
	ct_int(creel_queue_add_by(q, f, NULL, CREEL_NOW), CREEL_FULL);
	ct_int(creel_queue_add_by(q, f, NULL, creel_in_ms(5)), CREEL_FULL);
	ct_int(creel_queue_length(q, NULL), 1);
	creel_future_unref(f);
	creel_queue_unref(q);
}

static void add_in_callback(creel_future *f, void *arg)
{
	struct adder *a = arg;
	a->said = creel_queue_add_by(a->q, f, NULL, CREEL_FOREVER);
}

CORE_CASE(c10_waiting_for_room_in_a_callback_is_refused)
{
	struct adder a = {creel_queue_new(&(creel_queue_options){.capacity = 1}), CREEL_NOW, 77};
	creel_future *f = ready(1);
	add_ready(a.q, 1);
	ct_int(creel_future_on_done(f, NULL, add_in_callback, &a, NULL, NULL), 0);
	ct_int(a.said, -EDEADLK);
	creel_future_unref(f);
	creel_queue_unref(a.q);
}

CASE(c10_a_submission_into_a_queue_gives_the_future_too, 0)
{
	long value = 4;
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(&(creel_queue_options){.capacity = 1});
	creel_future *mine = NULL, *f = NULL, *none = (creel_future *)&value;
	ct_int(creel_queue_submit_by(q, ex, task_double, &value, sizeof value, NULL, NULL,
				     CREEL_FOREVER, &mine),
	       0);
	ct_int(ct_long(mine), 8);
	ct_int(creel_queue_submit_by(q, ex, task_double, &value, sizeof value, NULL, NULL,
				     creel_in_ms(2), &none),
	       CREEL_FULL);
	ct_assert(none == (creel_future *)&value);
	ct_int(creel_queue_take(q, CT_GUARD, &f, NULL), 0);
	ct_assert(f == mine);
	creel_future_unref(f);
	creel_future_unref(mine);
	creel_queue_unref(q);
	ct_close(ex);
}

CASE(c10_cancelling_a_queue_cancels_what_is_in_it, CT_ASYNC)
{
	enum { N = 150 };
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(NULL);
	ct_hold(&hold, ex);
	for (int i = 0; i < N; i++)
		ct_int(creel_queue_submit(q, ex, task_count, &ran, sizeof ran, NULL, NULL), 0);
	add_ready(q, 5);
	ct_int(creel_queue_cancel(q, 0), 0);
	for (int i = 0; i < N + 1; i++) {
		creel_future *f;
		void *tag;
		ct_int(creel_queue_take(q, CREEL_NOW, &f, &tag), 0);
		ct_int(ct_outcome(f), tag ? 0 : -ECANCELED);
		creel_future_unref(f);
	}
	ct_release(&hold);
	creel_queue_unref(q);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

/* A callback that puts another future into the queue for each that is cancelled, while it lasts. */
static bool adds;

static void add_another(creel_future *f, void *q)
{
	(void)f;
	if (!adds)
		return;
	creel_future *p = creel_promise_new();
	ct_int(creel_future_on_done(p, NULL, add_another, q, NULL, NULL), 0);
	ct_int(creel_queue_add(q, p, NULL), 0);
	creel_future_unref(p);
}

CORE_CASE(c10_a_cancel_ends_although_its_callbacks_add_more)
{
	enum { N = 200 };
	for (unsigned ordered = 0; ordered < 2; ordered++) {
		creel_queue *q = creel_queue_new(
			&(creel_queue_options){.flags = ordered ? CREEL_ORDERED : 0});
		creel_future *f;
		size_t cancelled = 99;
		adds = true;
		for (int i = 0; i < N; i++)
			add_another(NULL, q);
		ct_int(creel_queue_cancel(q, CREEL_KILL_REST), 0);
		/* Each once: with CREEL_KILL_REST it goes through the queue twice. */
		ct_int(creel_queue_length(q, &cancelled), 3 * N);
		ct_int(cancelled, 2 * N);
		for (int i = 0; i < 2 * N; i++) {
			ct_int(creel_queue_take(q, CREEL_NOW, &f, NULL), 0);
			ct_int(ct_outcome(f), -ECANCELED);
			creel_future_unref(f);
		}
		adds = false;
		creel_queue_unref(q);
	}
}

static void *take_one(void *arg)
{
	struct adder *a = arg;
	creel_future *f;
	a->said = creel_queue_take(a->q, CREEL_FOREVER, &f, NULL);
	return NULL;
}

CORE_CASE(c10_discarding_ends_every_take)
{
	enum { N = 5 };
	creel_queue *q = creel_queue_new(NULL);
	creel_future *p = creel_promise_new();
	struct adder a[N];
	struct ct_thread *threads[N];
	ct_int(creel_queue_add(q, p, NULL), 0);
	for (int i = 0; i < N; i++) {
		a[i] = (struct adder){.q = q, .said = 77};
		threads[i] = ct_thread_start(take_one, &a[i]);
		ct_await_asleep(ct_thread_id(threads[i]));
	}
	ct_int(creel_queue_discard(q), 0);
	for (int i = 0; i < N; i++) {
		ct_thread_join(threads[i]);
		ct_int(a[i].said, CREEL_EMPTY);
	}
	ct_int(creel_queue_add(q, p, NULL), -ESHUTDOWN);
	creel_future_unref(p);
	creel_queue_unref(q);
}

static void free_tag(void *tag, void *freed)
{
	ct_assert(tag == freed);
	ct_count_add(freed, 1);
}

CORE_CASE(c10_tags_of_what_a_queue_forgets_are_freed)
{
	struct ct_count *freed = ct_count_new();
	creel_queue *q = creel_queue_new(
		&(creel_queue_options){.tag_free = free_tag, .tag_ctx = freed});
	creel_future *p = creel_promise_new(), *f;
	void *tag = NULL;
	for (int i = 0; i < 2; i++) {
		ct_int(creel_queue_add(q, p, freed), 0);
		f = ready(1);
		ct_int(creel_queue_add(q, f, freed), 0);
		creel_future_unref(f);
		ct_int(creel_queue_take(q, CREEL_NOW, &f, &tag), 0);
		ct_assert(tag == freed);
		creel_future_unref(f);
		ct_int(ct_count_get(freed), i);
		ct_int(i ? creel_queue_discard(q) : creel_queue_reset(q), 0);
		ct_int(ct_count_get(freed), i + 1);
	}
	ct_int(creel_queue_reset(q), 0);
	ct_int(creel_queue_add(q, p, freed), 0);
	creel_queue_unref(q);
	ct_int(ct_count_get(freed), 3);
	creel_future_unref(p);
}
