/* SPDX-License-Identifier: MIT */
/* A shard and a batch: producers push, the owner claims and takes, thieves steal. */
#include "model.h"
#include "threads/queues.h"
#include <string.h>

enum { TASKS = 6 };

static struct creel__shard shard;
static struct creel__batch batch;
static struct creel_task tasks[TASKS];
static int marks[TASKS]; /* plain: written before the push, read by whoever gets the task */
static int taken[TASKS];

static void setup(void)
{
	memset(&shard, 0, sizeof shard);
	memset(&batch, 0, sizeof batch);
	memset(taken, 0, sizeof taken);
	shard.gate = CREEL__GATE_OPEN;
}

static void push(int i)
{
	marks[i] = 1;
	model_check(creel__shard_push(&shard, &tasks[i]) == CREEL__GATE_OPEN);
}

static bool got(creel_task *task)
{
	if (!task)
		return false;
	int i = (int)(task - tasks);
	model_check(i >= 0 && i < TASKS && marks[i] == 1);
	taken[i]++;
	return true;
}

static void check_all(int n)
{
	for (int i = 0; i < TASKS; i++)
		model_check(taken[i] == (i < n));
}

static void steal(void *arg)
{
	for (int n = *(const int *)arg; n > 0; n--)
		(void)got(creel__batch_take(&batch));
}

static bool claim(void)
{
	bool batched;
	return got(creel__shard_claim(&shard, &batch, 1, &batched));
}

/* Until nothing is left: the owner's way. */
static void own(void)
{
	while (got(creel__batch_take(&batch)) || claim())
		;
}

static void owner_and_thief(void)
{
	setup();
	int two = 2, thief = model_spawn(steal, &two);
	for (int i = 0; i < 6; i++)
		push(i);
	own();
	model_join(thief);
	check_all(6);
}

static void two_thieves(void)
{
	setup();
	for (int i = 0; i < 4; i++)
		push(i);
	int one = 1, a = model_spawn(steal, &one), b = model_spawn(steal, &one);
	own();
	model_join(a);
	model_join(b);
	check_all(4);
}

/* The batch is emptied, filled again and emptied while the thief holds what it read before. */
static void refilled(void)
{
	setup();
	for (int i = 0; i < 4; i++)
		push(i);
	int one = 1, thief = model_spawn(steal, &one);
	own();
	/* The slots are used again from the start. */
	creel__store(&batch.ends, creel__load(&batch.ends, relaxed), relaxed);
	push(4);
	push(5);
	own();
	model_join(thief);
	check_all(6);
}

static void push_two(void *arg)
{
	(void)arg;
	push(0);
	push(1);
}

static void claim_all(void *arg)
{
	(void)arg;
	struct creel__batch none = {0};
	bool batched;
	(void)got(creel__shard_claim(&shard, &none, 8, &batched));
	model_check(!batched);
}

static void producer_and_consumers(void)
{
	setup();
	int producer = model_spawn(push_two, NULL), other = model_spawn(claim_all, NULL);
	claim_all(NULL);
	model_join(producer);
	model_join(other);
	claim_all(NULL);
	claim_all(NULL);
	check_all(2);
	model_check(creel__shard_is_empty(&shard));
}

static void take_everything(void *arg)
{
	(void)arg;
	creel_future *next;
	for (creel_future *f = creel__shard_take_all(&shard); f; f = next) {
		next = f->next;
		got((creel_task *)f);
	}
}

static void taken_whole(void)
{
	setup();
	push(0);
	int a = model_spawn(take_everything, NULL);
	push(1);
	claim_all(NULL);
	model_join(a);
	take_everything(NULL);
	check_all(2);
}

static void vacate(void *arg)
{
	*(bool *)arg = creel__shard_try_vacate(&shard);
}

/* Either the task is in and the gate stays open, or it is refused. */
static void vacated(void)
{
	setup();
	bool vacant = false;
	int a = model_spawn(vacate, &vacant);
	marks[0] = 1;
	enum creel__gate gate = creel__shard_push(&shard, &tasks[0]);
	model_join(a);
	model_check(gate == (vacant ? CREEL__GATE_NO_WORKERS : CREEL__GATE_OPEN));
	model_check(creel__shard_is_empty(&shard) == vacant);
}

const struct model_scenario model_scenarios[] = {
	{"owner and thief", owner_and_thief, .preemptions = 3, .spurious = 1, .stale = 1},
	{"two thieves", two_thieves, .preemptions = 3, .spurious = 1, .stale = 1},
	{"refilled", refilled, .preemptions = 3, .spurious = 1, .stale = 1},
	{"producer and consumers", producer_and_consumers, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"taken whole", taken_whole, .preemptions = 3, .spurious = 1, .stale = 1},
	{"vacated", vacated, .preemptions = 4, .spurious = 1, .stale = 1},
	{0},
};
