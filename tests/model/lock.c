/* SPDX-License-Identifier: MIT */
/* The real lock and conditions of lib/sync/lock.c. Every other harness has a modelled
 * lock instead. */
#include "model.h"
#include "sync/lock.h"
#include <errno.h>

static struct creel__lock lock;
static struct creel__cond cond;
static int inside, count, items;

static void setup(void)
{
	creel__store(&lock.word, 0, relaxed);
	cond = (struct creel__cond){0};
	inside = count = items = 0;
}

/* The counter is plain: exclusion must also order. */
static void add_one(void *arg)
{
	(void)arg;
	creel__lock_acquire(&lock);
	model_check(inside++ == 0);
	count++;
	inside--;
	creel__lock_release(&lock);
}

static void two_threads(void)
{
	setup();
	int a = model_spawn(add_one, NULL);
	add_one(NULL);
	add_one(NULL);
	model_join(a);
	model_check(count == 3);
}

static void three_threads(void)
{
	setup();
	int a = model_spawn(add_one, NULL), b = model_spawn(add_one, NULL);
	add_one(NULL);
	model_join(a);
	model_join(b);
	model_check(count == 3);
}

static void put(void *arg)
{
	(void)arg;
	creel__lock_acquire(&lock);
	items++;
	creel__cond_broadcast_locked(&cond);
	creel__lock_release(&lock);
}

static void get(void *arg)
{
	(void)arg;
	creel__lock_acquire(&lock);
	while (items == 0)
		model_check(creel__cond_wait(&cond, &lock, CREEL_FOREVER) == 0);
	items--;
	creel__lock_release(&lock);
}

static void one_sleeps(void)
{
	setup();
	int a = model_spawn(put, NULL);
	get(NULL);
	model_join(a);
	model_check(items == 0 && cond.sleepers == 0);
}

static void two_sleep(void)
{
	setup();
	int a = model_spawn(get, NULL), b = model_spawn(get, NULL);
	put(NULL);
	put(NULL);
	model_join(a);
	model_join(b);
	model_check(items == 0 && cond.sleepers == 0);
}

static void gives_up(void)
{
	setup();
	int a = model_spawn(put, NULL), rc = 0;
	creel__lock_acquire(&lock);
	while (items == 0 && rc == 0)
		rc = creel__cond_wait(&cond, &lock, (creel_deadline){5000});
	model_check(items == 1 || rc == -ETIMEDOUT);
	creel__lock_release(&lock);
	model_join(a);
}

void *creel__model_malloc(size_t size);
void creel__model_free(void *p);

struct shared {
	struct creel__lock lock;
	int holders;
};

/* Whoever finds himself the last one frees what the lock stands in, right after he released it. */
static void leave(void *arg)
{
	struct shared *s = arg;
	creel__lock_acquire(&s->lock);
	bool last = --s->holders == 0;
	creel__lock_release(&s->lock);
	if (last)
		creel__model_free(s);
}

static void freed_after_release(void)
{
	struct shared *s = creel__model_malloc(sizeof *s);
	creel__store(&s->lock.word, 0, relaxed);
	s->holders = 2;
	int a = model_spawn(leave, s);
	leave(s);
	model_join(a);
}

const struct model_scenario model_scenarios[] = {
	{"two threads", two_threads, .preemptions = 4, .spurious = 1},
	{"three threads", three_threads, .preemptions = 3, .spurious = 1},
	{"one sleeps", one_sleeps, .preemptions = 4, .spurious = 1},
	{"two sleep", two_sleep, .preemptions = 2, .spurious = 1},
	{"gives up", gives_up, .preemptions = 3, .spurious = 1, .early_timeouts = 1},
	{"freed after release", freed_after_release, .preemptions = 4, .spurious = 1},
	{0},
};
