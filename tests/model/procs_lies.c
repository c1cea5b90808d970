/* SPDX-License-Identifier: MIT */
/*
 * The process pool: a worker whose task writes any word of its slots, at any time, and then ends,
 * dies or hangs. Its own future ends, it does not run again and again, and what waits behind it
 * runs once and brings its own result: the table of procs/layout.h.
 */
#include "procs_pool.h"
#include "procs/pool.h"

#include <errno.h>
#include <unistd.h>

static int ran_lying, ran_behind;

static void write_any_word(void)
{
	struct creel__procs *p = (struct creel__procs *)pool;
	struct creel__control *c = creel__space_control(p->space, 0);
	struct creel__slot *slot = &c->slots[model_choose(CREEL__DEPTH)];
	uint64_t seq = creel__load(&slot->state, relaxed) >> 8;
	/* Any state of the task that is there, EMPTY and nonsense included. */
	uint64_t state = (uint64_t)model_choose(CREEL__SLOT_NONSENSE + 1);
	creel__store(&slot->began, 0, relaxed);
	creel__store(&slot->state, CREEL__SLOT(seq, state), relaxed);
}

static int lie_and_die(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	ran_lying++;
	model_check(ran_lying <= CREEL__ATTEMPTS);
	/* Again and again is one schedule; the others are about once. */
	if (ran_lying == 1)
		write_any_word();
	_exit(1);
}

static int answer_once(creel_task *self, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int n = 7;
	model_check(++ran_behind == 1);
	return creel_return(self, &n, sizeof n);
}

static void one_lies_and_dies(void)
{
	ran_lying = ran_behind = 0;
	pool_setup_with(CREEL_NEVER, true);
	creel_future *a = creel_submit(pool, lie_and_die, NULL, 0);
	creel_future *b = creel_submit(pool, answer_once, NULL, 0);
	int value = 0, rc = creel_future_result(b, CREEL_FOREVER, &value, sizeof value);
	model_check(rc == 0 && value == 7 && ran_behind == 1);
	/* It may have said that it was done. */
	rc = creel_future_result(a, CREEL_FOREVER, NULL, 0);
	model_check(rc == 0 || rc == CREEL_EFAILED);
	model_check(ran_lying <= 2);
	creel_future_unref(a);
	creel_future_unref(b);
	pool_teardown();
}

const struct model_scenario model_scenarios[] = {
	{"one lies and dies", one_lies_and_dies, .preemptions = 1},
	{0},
};
