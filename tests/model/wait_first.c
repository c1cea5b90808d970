/* SPDX-License-Identifier: MIT */
/* creel_wait() for the first of several: its hooks, on its stack, against completions. */
#include "model.h"
#include <errno.h>

static creel_future *both[2];
static int data[2];

static void setup(void)
{
	for (int i = 0; i < 2; i++) {
		both[i] = creel_promise_new();
		data[i] = 0;
	}
}

static void drop(void)
{
	creel_future_unref(both[0]);
	creel_future_unref(both[1]);
}

static void settle(void *arg)
{
	int i = *(const int *)arg;
	data[i] = 7;
	model_check(creel_promise_set_result(both[i], &data[i], sizeof data[i]) == 0);
}

static void fail(void *arg)
{
	int i = *(const int *)arg;
	data[i] = 7;
	model_check(creel_promise_fail(both[i], CREEL_KIND_FAILED, -5, NULL, 0, "no") == 0);
}

static void cancel(void *arg)
{
	int i = *(const int *)arg;
	model_check(creel_future_cancel(both[i]) == CREEL_CANCEL_NOW);
}

static int numbers[2] = {0, 1};

static size_t count_final(void)
{
	size_t n = 0;
	for (int i = 0; i < 2; i++)
		if (creel_future_state(both[i]) == CREEL_FUTURE_FINISHED) {
			n++;
			model_check(data[i] == 7);
		}
	return n;
}

/* One completes; the other never does while the wait goes on. */
static void one_of_two(void)
{
	setup();
	int other = model_spawn(settle, &numbers[1]);
	size_t done = 0;
	model_check(creel_wait(both, 2, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done) == 0);
	model_check(done == 1 && data[1] == 7);
	model_join(other);
	creel_promise_set_result(both[0], NULL, 0);
	drop();
}

static void either_of_two(void)
{
	setup();
	int a = model_spawn(settle, &numbers[0]), b = model_spawn(settle, &numbers[1]);
	size_t done = 0;
	model_check(creel_wait(both, 2, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done) == 0);
	model_check(done >= 1 && count_final() >= done);
	model_join(a);
	model_join(b);
	drop();
}

static void gives_up(void)
{
	setup();
	int other = model_spawn(settle, &numbers[0]);
	size_t done = 9;
	int rc = creel_wait(both, 2, CREEL_FIRST_COMPLETED, creel_in_ms(1), &done);
	model_check(rc == 0 ? done == 1 && data[0] == 7 : rc == -ETIMEDOUT && done <= 1);
	model_join(other);
	cancel(&numbers[1]);
	drop();
}

/* A success is not the end of a wait for the first error; a failure is,
 * and so is a cancellation. */
static void first_error(void)
{
	setup();
	int a = model_spawn(settle, &numbers[0]);
	int b = model_spawn(model_choose(2) ? cancel : fail, &numbers[1]);
	size_t done = 0;
	model_check(creel_wait(both, 2, CREEL_FIRST_ERROR, CREEL_FOREVER, &done) == 0);
	model_check(done >= 1 && creel_future_result(both[1], CREEL_NOW, NULL, 0) != 0 &&
		    creel_future_result(both[1], CREEL_NOW, NULL, 0) != -ETIMEDOUT);
	model_join(a);
	model_join(b);
	drop();
}

/* The same one twice. */
static void duplicates(void)
{
	setup();
	creel_future *twice[2] = {both[0], both[0]};
	int other = model_spawn(settle, &numbers[0]);
	size_t done = 0;
	model_check(creel_wait(twice, 2, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done) == 0);
	model_check(done == 2);
	model_join(other);
	cancel(&numbers[1]);
	drop();
}

const struct model_scenario model_scenarios[] = {
	{"one of two", one_of_two, .preemptions = 2, .spurious = 1, .stale = 1},
	{"either of two", either_of_two, .preemptions = 2, .spurious = 1},
	{"gives up", gives_up, .preemptions = 2, .spurious = 1, .stale = 1, .early_timeouts = 1},
	{"first error", first_error, .preemptions = 2, .spurious = 1},
	{"duplicates", duplicates, .preemptions = 2, .spurious = 1, .stale = 1},
	{"one of two, with a look", one_of_two, .preemptions = 2, .spurious = 1, .stale = 1,
	 .looks = 1},
	{"either of two, with a look", either_of_two, .preemptions = 2, .looks = 1},
	{"gives up, with a look", gives_up, .preemptions = 2, .spurious = 1, .stale = 1,
	 .early_timeouts = 1, .looks = 1},
	{"one of two, three preemptions", one_of_two, .preemptions = 3, .spurious = 1},
	{0},
};
