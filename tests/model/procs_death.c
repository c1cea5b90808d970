/* SPDX-License-Identifier: MIT */
/*
 * The process pool: workers that die, killed by others or on request, at any point. Each task ends,
 * once, with what is true; nothing runs twice, nothing that had not begun fails.
 */
#include "procs_world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static creel_executor *pool;
static struct model_gate never, begun;
static int ran[3];
static int asked; /* what the canceller was told */

static int answer(creel_task *self, const void *arg, size_t size)
{
	(void)size;
	int n = *(const int *)arg;
	ran[n]++;
	model_check(ran[n] == 1);
	return creel_return(self, &n, sizeof n);
}

static int hang(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)size;
	int n = *(const int *)arg;
	ran[n]++;
	model_check(ran[n] == 1);
	model_gate_wait(&never);
	return 0;
}

static int begin_and_hang(creel_task *self, const void *arg, size_t size)
{
	model_gate_open(&begun);
	return hang(self, arg, size);
}

static void setup(void)
{
	ran[0] = ran[1] = ran[2] = 0;
	never.open = begun.open = 0;
	world_reset(true);
	pool = creel_process_pool_new(&(creel_process_pool_options){.max_workers = 1,
								    .idle_ns = CREEL_NEVER,
								    .start_ns = CREEL_NEVER,
								    .grace_ns = 1000000,
								    .shared_budget = 1});
	model_name(pool, "pool");
}

static void teardown(void)
{
	model_check(creel_executor_close(pool) == 0);
	world_end();
}

static creel_future *submit(creel_fn fn, int n)
{
	return creel_submit(pool, fn, &n, sizeof n);
}

/* Its result, or its death. */
static int end_of(creel_future *f, int n)
{
	int value = 0, rc = creel_future_result(f, CREEL_FOREVER, &value, sizeof value);
	if (rc == 0)
		model_check(value == n && ran[n] == 1);
	else
		model_check(rc == CREEL_EFAILED);
	return rc ? creel_future_error(f)->kind : 0;
}

/* With a worker that has nothing to do. */
static void setup_warm(void)
{
	setup();
	creel_future *f = submit(answer, 0);
	model_check(end_of(f, 0) == 0);
	creel_future_unref(f);
}

static void kill_from_outside(void *arg)
{
	(void)arg;
	world_kill_worker();
}

/* Its waiter may have the outcome in hand, or just have come to sleep for it. */
static void killed_while_waited_for(void)
{
	setup_warm();
	creel_future *f = submit(answer, 1);
	int killer = model_spawn(kill_from_outside, NULL);
	int kind = end_of(f, 1);
	model_join(killer);
	model_check(!kind || (kind == CREEL_KIND_WORKER_DIED && world_killed() == 1));
	creel_future_unref(f);
	f = submit(answer, 2);
	model_check(end_of(f, 2) == 0);
	creel_future_unref(f);
	teardown();
}

/* One runs, or is about to, and one waits behind it: at most the first may be lost. */
static void one_waits_behind(void)
{
	setup();
	creel_future *a = submit(answer, 1), *b = submit(answer, 2);
	int killer = model_spawn(kill_from_outside, NULL);
	int first = end_of(a, 1), second = end_of(b, 2);
	model_join(killer);
	model_check(!first || !second);
	model_check(first || second ? world_killed() == 1 : world_killed() <= 1);
	creel_future_unref(a);
	creel_future_unref(b);
	teardown();
}

static void cancel_it(void *f)
{
	asked = creel_future_cancel(f);
}

/* One runs until its worker is killed. What waits behind it is cancelled meanwhile, or by the time
 * that it runs elsewhere; it does not fail. */
static void one_behind_is_cancelled(void)
{
	setup();
	creel_future *a = submit(begin_and_hang, 1), *b = submit(answer, 2);
	model_gate_wait(&begun);
	int canceller = model_spawn(cancel_it, b);
	world_kill_worker();
	model_join(canceller);
	if (asked == CREEL_CANCEL_NOW)
		model_check(creel_future_result(b, CREEL_FOREVER, NULL, 0) == -ECANCELED &&
			    !ran[2]);
	else
		model_check(end_of(b, 2) == 0);
	model_check(end_of(a, 1) == CREEL_KIND_WORKER_DIED);
	creel_future_unref(a);
	creel_future_unref(b);
	teardown();
}

/* Killed on request, or faster. */
static void killed_on_request(void)
{
	setup_warm();
	creel_future *f = submit(answer, 1);
	int said = creel_future_kill(f, 0), value = 0;
	int rc = creel_future_result(f, CREEL_FOREVER, &value, sizeof value);
	if (rc == 0)
		model_check(value == 1);
	else if (rc == -ECANCELED)
		model_check(said == CREEL_CANCEL_NOW && !ran[1]);
	else
		model_check(creel_future_error(f)->kind == CREEL_KIND_KILLED &&
			    world_killed() == 1);
	creel_future_unref(f);
	teardown();
}

/* On request and from outside at once. */
static void killed_twice(void)
{
	setup();
	creel_future *f = submit(hang, 1);
	int killer = model_spawn(kill_from_outside, NULL);
	int said = creel_future_kill(f, 0), rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_join(killer);
	if (rc == -ECANCELED) {
		model_check(said == CREEL_CANCEL_NOW && !ran[1]);
	} else {
		model_check(creel_future_error(f)->kind == (said == CREEL_CANCEL_REQUESTED
								    ? CREEL_KIND_KILLED
								    : CREEL_KIND_WORKER_DIED));
	}
	creel_future_unref(f);
	teardown();
}

/* On request, while the manager hears that it is dead: what is said and what is told agree. */
static void killed_when_dead(void)
{
	setup();
	creel_future *f = submit(begin_and_hang, 1);
	model_gate_wait(&begun);
	world_kill_worker();
	int said = creel_future_kill(f, 0);
	model_check(end_of(f, 1) ==
		    (said == CREEL_CANCEL_REQUESTED ? CREEL_KIND_KILLED : CREEL_KIND_WORKER_DIED));
	creel_future_unref(f);
	teardown();
}

/* A limit passes while nothing else can happen, and the next task is not harmed. */
static void over_its_limit(void)
{
	int n = 1;
	creel_future *a = creel_submit_with(pool, hang, &n, sizeof n,
					    &(creel_submit_options){.limit_ns = 1000000});
	creel_future *b = submit(answer, 2);
	model_check(end_of(a, 1) == CREEL_KIND_TIMED_OUT);
	model_check(end_of(b, 2) == 0);
	model_check(world_killed() == 1 && world_born() == 2);
	creel_future_unref(a);
	creel_future_unref(b);
	teardown();
}

static void first_over_its_limit(void)
{
	setup();
	over_its_limit();
}

/* The manager sleeps, and is told that there is a limit. */
static void later_over_its_limit(void)
{
	setup_warm();
	over_its_limit();
}

/* It passes at any step of the worker's, also where it has said that it begins and has not begun:
 * that is no lie, so the kill has its grace; and what waits behind is not begun any more. (With
 * two preemptions this finds a worker that goes on behind its fence.) */
static void over_its_limit_at_any_step(void)
{
	int n = 1;
	setup_warm();
	creel_future *a = creel_submit_with(pool, answer, &n, sizeof n,
					    &(creel_submit_options){.limit_ns = 1000000});
	creel_future *b = submit(answer, 2);
	int kind = end_of(a, 1);
	model_check(!kind || kind == CREEL_KIND_TIMED_OUT);
	model_check(!kind || creel_future_error(a)->signal == SIGTERM);
	model_check(end_of(b, 2) == 0);
	creel_future_unref(a);
	creel_future_unref(b);
	teardown();
}

static void look_at(creel_future *f, void *next)
{
	(void)f;
	(void)creel_future_state(next);
}

/* At any step of the worker's, and while the manager is at what that had finished, somebody looks
 * at the next task. Nobody has lied. */
static void looked_at_when_dead(void)
{
	setup_warm();
	creel_future *a = submit(answer, 1), *b = submit(answer, 2);
	model_check(creel_future_on_done(a, NULL, look_at, b, NULL, NULL) == 0);
	int killer = model_spawn(kill_from_outside, NULL);
	(void)end_of(a, 1);
	if (end_of(b, 2)) {
		const creel_error *e = creel_future_error(b);
		model_check(e->kind == CREEL_KIND_WORKER_DIED && !strstr(e->message, "nonsense"));
	}
	model_join(killer);
	creel_future_unref(a);
	creel_future_unref(b);
	teardown();
}

static void close_the_pool(void *arg)
{
	(void)arg;
	teardown();
}

static void closed_while_one_dies(void)
{
	setup_warm();
	creel_future *f = submit(answer, 1);
	int closer = model_spawn(close_the_pool, NULL);
	world_kill_worker();
	int kind = end_of(f, 1);
	model_join(closer);
	model_check(!kind || kind == CREEL_KIND_WORKER_DIED);
	creel_future_unref(f);
}

const struct model_scenario model_scenarios[] = {
	{"killed on request", killed_on_request, .preemptions = 1},
	{"the first over its limit", first_over_its_limit, .preemptions = 1},
	{"a later one over its limit", later_over_its_limit, .preemptions = 1},
	{"over its limit at any step", over_its_limit_at_any_step, .preemptions = 1,
	 .early_timeouts = 1},
	{"looked at when dead", looked_at_when_dead, .preemptions = 1},
	{"closed while one dies", closed_while_one_dies, .preemptions = 0},
	{"one waits behind", one_waits_behind, .preemptions = 1},
	{"one behind is cancelled", one_behind_is_cancelled, .preemptions = 1},
	{"killed when dead", killed_when_dead, .preemptions = 1},
	{"killed twice", killed_twice, .preemptions = 1},
	{"killed while waited for", killed_while_waited_for, .preemptions = 1},
	{0},
};
