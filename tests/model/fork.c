/* SPDX-License-Identifier: MIT */
/*
 * The fork generation, with the real lib/sync/fork.c: several threads of a fresh child meet the
 * zero word at once, and one of them forks, at any moment.
 *
 * FORK  A fork copies memory and wipes the word. For the thread that calls it, it is a barrier. The
 *       harness takes the copy at the fork, and puts it back when all threads are done: then it is
 *       the grandchild. What the grandchild may have from its parent are objects that were made
 *       before the fork, and their generations.
 */
#include "model.h"
#include "sync/fork.h"

enum {
	THREADS = 3,
	INHERITED = 7, /* the grandparent's */
};

static _Atomic(uint32_t) word;
static _Atomic(uint32_t) objects[THREADS]; /* each thread's object: its generation */

/* What the grandchild has. */
static struct {
	uint32_t inherited;
	uint32_t objects[THREADS];
} copy;

/* This process is a child in which nobody has looked yet. */
static void be_fresh(uint32_t inherited)
{
	creel__store(&word, 0, relaxed);
	creel__store(&creel__fork_word, &word, relaxed);
	creel__store(&creel__fork_inherited, inherited, relaxed);
}

static void setup(void)
{
	be_fresh(INHERITED);
	for (int i = 0; i < THREADS; i++)
		creel__store(&objects[i], 0, relaxed);
}

static void fork_by_hand(void)
{
	creel__load(&word, acquire);
	for (int i = 0; i < THREADS; i++)
		copy.objects[i] = creel__load(&objects[i], acquire);
	copy.inherited = creel__load(&creel__fork_inherited, relaxed);
}

static void grandchild(void)
{
	be_fresh(copy.inherited);
	uint32_t own = creel__fork_look();
	model_check(own != INHERITED && own != 0);
	for (int i = 0; i < THREADS; i++)
		model_check(own != copy.objects[i]);
}

static void make_object(int thread)
{
	creel__store(&objects[thread], creel__fork_look(), release);
}

static void look(void *arg)
{
	make_object(*(const int *)arg);
}

static void look_and_fork(void *arg)
{
	make_object(*(const int *)arg);
	fork_by_hand();
}

static void all_agree(void)
{
	uint32_t here = creel__fork_look();
	model_check(here != INHERITED);
	for (int i = 0; i < THREADS; i++) {
		uint32_t of = creel__load(&objects[i], relaxed);
		model_check(of == here || of == 0);
	}
}

static const int numbers[THREADS] = {0, 1, 2};

static void run(void (*second)(void *arg), int threads, bool at_the_end)
{
	int started[THREADS];
	setup();
	for (int i = 1; i < threads; i++)
		started[i] = model_spawn(i == 1 ? second : look, (void *)(uintptr_t)&numbers[i]);
	make_object(0);
	for (int i = 1; i < threads; i++)
		model_join(started[i]);
	if (at_the_end)
		fork_by_hand();
	all_agree();
	grandchild();
}

static void forks_afterwards(void)
{
	run(look, 3, true);
}

static void forks_in_between(void)
{
	run(look_and_fork, 2, false);
}

static void three_and_a_fork(void)
{
	run(look_and_fork, 3, false);
}

const struct model_scenario model_scenarios[] = {
	{"forks afterwards", forks_afterwards, .preemptions = 3, .stale = 1},
	{"forks in between", forks_in_between, .preemptions = 3, .stale = 2},
	{"three, and one forks", three_and_a_fork, .preemptions = 3, .stale = 1},
	{0},
};
