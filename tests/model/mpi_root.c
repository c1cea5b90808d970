/* SPDX-License-Identifier: MIT */
/*
 * Rank 0 of an MPI job: the real executor and progress thread over ranks of the model. Each task
 * ends exactly once, with its result if a rank has run it, and nothing is left anywhere.
 */
#include "mpi_world.h"
#include <creel/mpi.h>
#include <errno.h>

enum { TASKS = 3 };

static creel_executor *ex;
static creel_future *f[TASKS];

static int task_run(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	model_fail("assertion", "rank 0 runs a task");
}

static void begin(const struct world_rules *rules)
{
	world_begin(rules);
	ex = creel_mpi_pool_new(NULL);
	const creel_error *e = creel_executor_error(ex);
	model_check(!e || e->code == -ENOMEM);
}

static void submit(long i)
{
	f[i] = creel_submit(ex, task_run, &i, sizeof i);
}

/* Of the task of that number. */
static void cancel(void *arg)
{
	(void)creel_future_cancel(f[*(int *)arg]);
}

static void kill_it(void *arg)
{
	(void)creel_future_kill(f[*(int *)arg], 0);
}

/* Ends it. It has its result if a rank has run it, and must have if nothing is against it. */
static void check(int i, bool must_run)
{
	long got = -1;
	int rc = creel_future_result(f[i], CREEL_FOREVER, &got, sizeof got);
	model_check(rc == 0 || !must_run);
	model_check(rc ? world_ran(i) == 0 : world_ran(i) == 1 && got == i);
	creel_future_unref(f[i]);
}

static void end(void)
{
	model_check(creel_executor_close(ex) == 0);
	world_stop();
	world_end();
}

static void submit_against_cancel(void)
{
	int first = 0;
	begin(&(struct world_rules){.ranks = 1, .delays = 1});
	submit(0);
	int other = model_spawn(cancel, &first);
	submit(1);
	model_join(other);
	check(0, false);
	check(1, true);
	end();
}

static void two_cancel(void)
{
	int first = 0;
	begin(&(struct world_rules){.ranks = 1, .delays = 1});
	submit(0);
	int other = model_spawn(cancel, &first);
	kill_it(&first);
	model_join(other);
	check(0, false);
	end();
}

/* The first rank has two tasks, the second has none soon, and gets one of them. It is cancelled
 * wherever it is. (Rank 0 balances when it has looked twice for nothing: two delays.) */
static void taken_back(void (*stop)(void *arg))
{
	int last = 2;
	begin(&(struct world_rules){.ranks = 2, .delays = 2, .interval_ns = CREEL_MS(10)});
	for (int i = 0; i < 3; i++)
		submit(i);
	int other = model_spawn(stop, &last);
	check(0, true);
	check(1, true);
	model_join(other);
	check(2, false);
	end();
}

static void taken_back_against_cancel(void)
{
	taken_back(cancel);
}

static void taken_back_against_kill(void)
{
	taken_back(kill_it);
}

static void shut_down(void *arg)
{
	unsigned flags = *(unsigned *)arg;
	model_check(creel_executor_shutdown(ex, flags, CREEL_FOREVER, NULL) == 0);
}

/* The rank has two tasks, and rank 0 one. */
static void a_shutdown(unsigned flags)
{
	int last = 2;
	begin(&(struct world_rules){.ranks = 1});
	for (int i = 0; i < 3; i++)
		submit(i);
	int other = model_spawn(shut_down, &flags);
	cancel(&last);
	model_join(other);
	for (int i = 0; i < 3; i++)
		check(i, false);
	end();
}

static void a_shutdown_that_cancels(void)
{
	a_shutdown(CREEL_SHUTDOWN_CANCEL);
}

static void a_shutdown_that_kills(void)
{
	a_shutdown(CREEL_SHUTDOWN_KILL);
}

static void stop_job(void *arg)
{
	(void)arg;
	world_stop();
}

/* It is killed, or comes too late. */
static void submit_against_a_shutdown(void)
{
	unsigned flags = CREEL_SHUTDOWN_KILL;
	begin(&(struct world_rules){.ranks = 1, .hangs = true});
	int other = model_spawn(shut_down, &flags);
	submit(0);
	model_join(other);
	check(0, false);
	end();
}

/* What was accepted has its result. */
static void submit_against_the_end(void)
{
	begin(&(struct world_rules){.ranks = 1});
	submit(0);
	int other = model_spawn(stop_job, NULL);
	submit(1);
	check(0, true);
	int rc = creel_future_result(f[1], CREEL_FOREVER, NULL, 0);
	model_check((rc == 0) == world_ran(1));
	model_check(rc == 0 || creel_future_error(f[1])->code == -ESHUTDOWN);
	creel_future_unref(f[1]);
	model_check(creel_executor_close(ex) == 0);
	model_join(other);
	world_end();
}

/* The only rank loses its pool: what it has fails, and what waits for it. */
static void a_pool_that_is_lost(void)
{
	int last = 2;
	begin(&(struct world_rules){.ranks = 1, .loses = true});
	for (int i = 0; i < 3; i++)
		submit(i);
	cancel(&last);
	for (int i = 0; i < 3; i++)
		check(i, false);
	end();
}

/* An argument and a result that travel on their own. There may be no memory for the result. */
static void large_ones(void)
{
	static char argument[WORLD_LARGE];
	int first = 0;
	begin(&(struct world_rules){.ranks = 1, .delays = 1, .large = true});
	f[0] = creel_submit(ex, task_run, argument, sizeof argument);
	int other = model_spawn(cancel, &first);
	size_t size = 0;
	int rc = creel_future_view(f[0], CREEL_FOREVER, NULL, &size);
	model_check(rc == 0 ? world_ran(0) == 1 && size == WORLD_LARGE : world_ran(0) <= 1);
	model_join(other);
	creel_future_unref(f[0]);
	end();
}

/* Wherever there is none: a task that rank 0 cannot take, or a result. */
static void no_memory(void)
{
	begin(&(struct world_rules){.ranks = 1});
	for (int i = 0; i < 2; i++)
		submit(i);
	for (int i = 0; i < 2; i++) {
		int rc = creel_future_result(f[i], CREEL_FOREVER, NULL, 0);
		model_check(rc ? creel_future_error(f[i])->code == -ENOMEM : world_ran(i) == 1);
		creel_future_unref(f[i]);
	}
	end();
}

const struct model_scenario model_scenarios[] = {
	{"submit against cancel", submit_against_cancel, .preemptions = 2},
	{"two cancel", two_cancel, .preemptions = 2},
	{"taken back against cancel", taken_back_against_cancel, .preemptions = 1},
	{"taken back against kill", taken_back_against_kill, .preemptions = 1},
	{"a shutdown that cancels", a_shutdown_that_cancels, .preemptions = 2},
	{"a shutdown that kills", a_shutdown_that_kills, .preemptions = 1},
	{"submit against a shutdown", submit_against_a_shutdown, .preemptions = 2},
	{"submit against the end", submit_against_the_end, .preemptions = 1},
	{"a pool that is lost", a_pool_that_is_lost, .preemptions = 2},
	{"large ones", large_ones, .preemptions = 2},
	{"no memory", no_memory, .preemptions = 1, .malloc_failures = 1},
	{0},
};
