/* SPDX-License-Identifier: MIT */
/* Callbacks registered and removed while the future completes and its last reference goes. */
#include "model.h"
#include <errno.h>

static creel_future *promise;
static int data, calls[2], frees[2], turn[2];

static void setup(void)
{
	data = 0;
	calls[0] = calls[1] = frees[0] = frees[1] = 0;
	promise = creel_promise_new();
}

static void called(creel_future *f, void *arg)
{
	int i = *(const int *)arg;
	int value = 0;
	model_check(f == promise && calls[i] == 0 && frees[i] == 0 && data == 7);
	model_check(creel_future_result(f, CREEL_NOW, &value, sizeof value) == 0 && value == 7);
	calls[i]++;
	turn[i] = model_step();
}

static void free_arg(void *arg)
{
	int i = *(const int *)arg;
	model_check(frees[i] == 0);
	frees[i]++;
}

static int numbers[3] = {0, 1, 2};

static void listen_on(int i, uint64_t *ret_id)
{
	model_check(creel_future_on_done(promise, NULL, called, &numbers[i], free_arg, ret_id) ==
		    0);
}

static void settle(void *arg)
{
	(void)arg;
	data = 7;
	model_check(creel_promise_set_result(promise, &data, sizeof data) == 0);
	creel_future_unref(promise);
}

static void registered(void)
{
	setup();
	creel_future_ref(promise);
	int other = model_spawn(settle, NULL);
	listen_on(0, NULL);
	creel_future_unref(promise);
	model_join(other);
	model_check(calls[0] == 1 && frees[0] == 1);
}

static void two_registered(void)
{
	setup();
	creel_future_ref(promise);
	listen_on(0, NULL);
	int other = model_spawn(settle, NULL);
	uint64_t id;
	listen_on(1, &id);
	creel_future_unref(promise);
	model_join(other);
	model_check(calls[0] == 1 && frees[0] == 1 && calls[1] == 1 && frees[1] == 1);
	/* In order of registration, however late the second one came. */
	model_check(turn[0] < turn[1]);
}

static int inside, order[3], called_so_far, third_called;

/* No two of them at a time: plain data. */
static void one_at_a_time(creel_future *f, void *arg)
{
	(void)f;
	model_check(inside == 0);
	inside = 1;
	(void)model_step();
	order[called_so_far++] = *(const int *)arg;
	if (*(const int *)arg == 2)
		third_called = 1;
	inside = 0;
}

static void add_late(void *arg)
{
	(void)arg;
	model_check(creel_future_on_done(promise, NULL, one_at_a_time, &numbers[1], NULL, NULL) ==
		    0);
	creel_future_unref(promise);
}

/* Two come late, beside the thread that settles and beside each other. */
static void two_late(void)
{
	setup();
	inside = called_so_far = third_called = 0;
	model_check(creel_future_on_done(promise, NULL, one_at_a_time, &numbers[0], NULL, NULL) ==
		    0);
	creel_future_ref(creel_future_ref(promise));
	int other = model_spawn(settle, NULL);
	int late = model_spawn(add_late, NULL);
	uint64_t id;
	model_check(creel_future_on_done(promise, NULL, one_at_a_time, &numbers[2], NULL, &id) ==
		    0);
	/* 0 only if it has run. */
	model_check(id != 0 || third_called);
	creel_future_unref(promise);
	model_join(other);
	model_join(late);
	model_check(called_so_far == 3 && order[0] == 0);
}

/* One that is to be called by an executor, and one that comes while it is handed over. */
static void late_behind_an_executor(void)
{
	setup();
	creel_executor *ex = creel_inline_new();
	inside = called_so_far = 0;
	model_check(creel_future_on_done(promise, ex, one_at_a_time, &numbers[0], NULL, NULL) == 0);
	creel_future_ref(promise);
	int other = model_spawn(settle, NULL);
	add_late(NULL);
	model_join(other);
	model_check(called_so_far == 2 && order[0] == 0);
	creel_executor_unref(ex);
}

static void removed(void)
{
	setup();
	creel_future_ref(promise);
	uint64_t id = 0;
	listen_on(0, &id);
	model_check(id);
	int other = model_spawn(settle, NULL);
	int verdict = creel_future_remove(promise, id);
	creel_future_unref(promise);
	model_join(other);
	model_check(frees[0] == 1);
	model_check(calls[0] == (verdict != CREEL_CALLBACK_REMOVED));
}

/* The future stays linked right to the end: the middle one of a list goes while it is walked. */
static void first_removed(void)
{
	setup();
	creel_future_ref(promise);
	uint64_t id = 0;
	listen_on(0, &id);
	listen_on(1, NULL);
	int other = model_spawn(settle, NULL);
	int verdict = creel_future_remove(promise, id);
	creel_future_unref(promise);
	model_join(other);
	model_check(frees[0] == 1 && frees[1] == 1 && calls[1] == 1);
	model_check(calls[0] == (verdict != CREEL_CALLBACK_REMOVED));
}

static void remove_it(void *arg)
{
	int verdict = creel_future_remove(promise, *(uint64_t *)arg);
	model_check(verdict == CREEL_CALLBACK_REMOVED || verdict == CREEL_CALLBACK_DONE);
	*(uint64_t *)arg = verdict == CREEL_CALLBACK_REMOVED;
}

static void removed_twice(void)
{
	setup();
	uint64_t id = 0;
	listen_on(0, &id);
	uint64_t first = id, second = id;
	int other = model_spawn(remove_it, &first);
	remove_it(&second);
	model_join(other);
	model_check(first + second == 1 && frees[0] == 1 && calls[0] == 0);
	data = 7;
	settle(NULL);
	model_check(calls[0] == 0);
}

static void drop(creel_future *f, void *arg)
{
	(void)arg;
	calls[0]++;
	creel_future_unref(f);
}

/* The callback drops the last reference. */
static void drops_the_last(void)
{
	setup();
	creel_future_ref(creel_future_ref(promise));
	int other = model_spawn(settle, NULL);
	model_check(creel_future_on_done(promise, NULL, drop, NULL, NULL, NULL) == 0);
	creel_future_unref(promise);
	model_join(other);
	model_check(calls[0] == 1);
}

/* As a task of an executor, which is released meanwhile. */
static void on_an_executor(void)
{
	setup();
	creel_executor *ex = creel_inline_new();
	creel_future_ref(promise);
	int other = model_spawn(settle, NULL);
	model_check(creel_future_on_done(promise, ex, called, &numbers[0], free_arg, NULL) == 0);
	creel_executor_unref(ex);
	creel_future_unref(promise);
	model_join(other);
	model_check(calls[0] == 1 && frees[0] == 1);
}

const struct model_scenario model_scenarios[] = {
	{"registered", registered, .preemptions = 3, .spurious = 1, .stale = 1},
	{"two registered", two_registered, .preemptions = 3, .spurious = 1, .stale = 1},
	{"two late", two_late, .preemptions = 2, .spurious = 1, .stale = 1},
	{"late behind an executor", late_behind_an_executor, .preemptions = 2, .spurious = 1,
	 .stale = 1},
	{"removed", removed, .preemptions = 3, .spurious = 1, .stale = 1},
	{"first of two removed", first_removed, .preemptions = 3, .spurious = 1, .stale = 1},
	{"removed twice", removed_twice, .preemptions = 3, .spurious = 1, .stale = 1},
	{"drops the last reference", drops_the_last, .preemptions = 3, .spurious = 1, .stale = 1},
	{"on an executor", on_an_executor, .preemptions = 3, .spurious = 1, .stale = 1},
	{0},
};
