/* SPDX-License-Identifier: MIT */
/* A shard and a batch: producers push, the owner claims and takes, thieves steal. */
#include "model.h"
#include "threads/queues.h"
#include <string.h>

enum { TASKS = 6 };

static struct creel__shard shard, other_shard;
static struct creel__batch batch, other_batch;
static struct creel_task tasks[TASKS], fillers[4];
static int marks[TASKS]; /* plain: written before the push, read by whoever gets the task */
static int taken[TASKS];

static void setup(void)
{
	memset(&shard, 0, sizeof shard);
	memset(&batch, 0, sizeof batch);
	memset(&other_batch, 0, sizeof other_batch);
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
	creel_task *task;
	while (creel__shard_claim(&shard, &batch, 1, 0, &task) == CREEL__CLAIMED_REVIEW)
		creel__store(&shard.lent, false, relaxed);
	return got(task);
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

static void take_back(void *arg)
{
	(void)arg;
	creel__lock_acquire(&shard.out_lock);
	creel__shard_take_back_locked(&shard, &other_batch);
	creel__shard_take_back_locked(&shard, &batch);
	creel__store(&shard.lent, false, relaxed);
	creel__lock_release(&shard.out_lock);
}

static int claim_single(struct creel__batch *own, unsigned sharers)
{
	creel_task *task;
	(void)creel__shard_claim(&shard, own, sharers, 0, &task);
	(void)got(task);
	return task ? (int)(task - tasks) : -1;
}

/* Two batches are put back while their owner and a thief take from them: nothing is lost or
 * doubled, and what came back is handed out in order. */
static void put_back(void)
{
	setup();
	for (int i = 0; i < 6; i++)
		push(i);
	(void)claim_single(&batch, 1);       /* 0, and 1, 2 in the batch */
	(void)claim_single(&other_batch, 1); /* the next one */
	int one = 1, thief = model_spawn(steal, &one), back = model_spawn(take_back, NULL);
	(void)got(creel__batch_take(&batch));
	model_join(back);
	model_join(thief);
	int last = -1;
	struct creel__batch none = {0};
	for (int i; (i = claim_single(&none, 8)) >= 0; last = i)
		model_check(i > last);
	while (got(creel__batch_take(&batch)) || got(creel__batch_take(&other_batch)))
		;
	check_all(6);
}

/* The batch is emptied and filled from another shard while it is taken back into its first. */
static void put_back_elsewhere(void)
{
	setup();
	memset(&other_shard, 0, sizeof other_shard);
	other_shard.gate = CREEL__GATE_OPEN;
	for (int i = 0; i < 4; i++)
		push(i);
	(void)claim(); /* 0, and 1 in the batch */
	int back = model_spawn(take_back, NULL);
	(void)got(creel__batch_take(&batch));
	for (int i = 0; i < 4; i++) {
		creel_task *filler = &fillers[i];
		model_check(creel__shard_push(&other_shard, filler) == CREEL__GATE_OPEN);
	}
	creel_task *first;
	if (creel__batch_is_empty(&batch))
		model_check(creel__shard_claim(&other_shard, &batch, 1, 0, &first) ==
			    CREEL__CLAIMED_BATCH);
	model_join(back);
	/* Whatever the first shard has is its own. */
	struct creel__batch none = {0};
	while (claim_single(&none, 8) >= 0)
		;
	for (creel_task *t; (t = creel__batch_take(&batch));)
		model_check(t > fillers && t < fillers + 4);
	check_all(4);
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
	creel_task *task;
	model_check(creel__shard_claim(&shard, &none, 8, 0, &task) != CREEL__CLAIMED_BATCH);
	(void)got(task);
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
	creel_future *lists[2], *next;
	creel__shard_take_all(&shard, &lists[0], &lists[1]);
	for (int i = 0; i < 2; i++) {
		for (creel_future *f = lists[i]; f; f = next) {
			next = f->next;
			got((creel_task *)f);
		}
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
	{"put back", put_back, .preemptions = 2, .spurious = 0, .stale = 1},
	{"put back elsewhere", put_back_elsewhere, .preemptions = 3, .stale = 1},
	{"producer and consumers", producer_and_consumers, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"taken whole", taken_whole, .preemptions = 3, .spurious = 1, .stale = 1},
	{"vacated", vacated, .preemptions = 4, .spurious = 1, .stale = 1},
	{0},
};
