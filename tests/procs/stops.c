/* SPDX-License-Identifier: MIT */
/* Promises 25 to 28: a worker that somebody stops keeps nothing that it has not started, and holds
 * nobody up. */
#include "procs.h"

#include <pthread.h>
#include <stdio.h>

static int task_none(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static void runs(creel_executor *ex)
{
	creel_future *f = creel_submit(ex, task_none, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	creel_future_unref(f);
}

/* A pool of n workers, all of which have started. */
static creel_executor *pool_of(int n)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = n, .min_workers = n});
	struct pt_gated g = pt_gated(1);
	creel_future *f[8];
	for (int i = 0; i < n; i++)
		f[i] = pt_submit_gated(ex, &g);
	ct_count_await(g.started, n);
	ct_open(g.gate);
	for (int i = 0; i < n; i++)
		ct_int(ct_long_drop(f[i]), 1);
	return ex;
}

CASE(stops, c26_a_worker_that_was_stopped_keeps_nothing)
{
	creel_executor *ex = pt_pool(1);
	struct pt_ids ids = pt_ids(ex);
	ct_int(kill(ids.pid, SIGSTOP), 0);
	creel_future *f = creel_submit(ex, task_none, NULL, 0),
		     *g = creel_submit(ex, task_none, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	ct_int(creel_future_result(g, CT_GUARD, NULL, 0), 0);
	creel_future_unref(f);
	creel_future_unref(g);
	pt_works(ex);
	ct_close(ex);
}

static void *stops(void *gate)
{
	ct_pass(gate);
	raise(SIGSTOP);
	return NULL;
}

/* Leaves a thread behind that stops the worker when it runs nothing. */
static int task_stops_later(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	pthread_t thread;
	pid_t self = getpid();
	TASK(pthread_create(&thread, NULL, stops, *(void *const *)arg) == 0);
	return creel_return(task, &self, sizeof self);
}

/* Or gone. */
static bool is_stopped(pid_t pid)
{
	char path[64], state = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	bool stopped = !file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1 || state == 'T';
	if (file)
		fclose(file);
	return stopped;
}

/* Idle ones, and one that was sent more than it has started, with limits and without. */
CASE(stops, c25_c26_a_task_that_stops_its_worker_later_harms_no_other)
{
	for (int n = 1; n <= 2; n++) {
		creel_executor *ex = pool_of(n);
		for (int round = 0; round < 3; round++) {
			struct ct_count *gate = ct_count_new();
			creel_future *f = creel_submit(ex, task_stops_later, &gate, sizeof gate);
			pid_t pid = 0;
			ct_int(creel_future_result(f, CT_GUARD, &pid, sizeof pid), 0);
			creel_future_unref(f);
			ct_open(gate);
			/* Or it stops in the middle of another task, which then is stopped, too. */
			ct_until(is_stopped(pid));
			for (int i = 0; i < 20; i++)
				runs(ex);
		}
		ct_close(ex);
	}
}

/* While another one idles nobody needs its place. */
CASE(stops, c25_c26_a_worker_that_goes_on_loses_nothing_and_runs_again)
{
	creel_executor *ex = pool_of(2);
	struct pt_ids ids = pt_ids(ex);
	for (int round = 0; round < 3; round++) {
		ct_int(kill(ids.pid, SIGSTOP), 0);
		for (int i = 0; i < 20; i++)
			runs(ex);
		ct_int(kill(ids.pid, SIGCONT), 0);
		/* It comes first when it idles. */
		ct_until(pt_ids(ex).pid == ids.pid);
	}
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

/* Whoever is stopped when, no task runs twice, none fails. */
CASE(stops, c26_tasks_of_workers_that_are_stopped_and_go_on_run_once)
{
	enum { ROUNDS = 50, BURST = 8 };
	creel_executor *ex = pool_of(2);
	struct ct_count *ran = ct_count_new();
	for (int round = 0; round < ROUNDS; round++) {
		creel_future *f[BURST];
		int worker = pt_pidfd(pt_ids(ex).pid);
		for (int i = 0; i < BURST; i++) {
			if (i == BURST / 4)
				pt_kill(worker, SIGSTOP);
			if (i == BURST / 2 && round % 2)
				pt_kill(worker, SIGCONT);
			f[i] = ct_submit_count(ex, ran);
		}
		/* One of them may be in a task. */
		pt_kill(worker, SIGCONT);
		for (int i = 0; i < BURST; i++)
			(void)ct_long_drop(f[i]);
		close(worker);
	}
	ct_int(ct_count_get(ran), ROUNDS * BURST);
	ct_close(ex);
}

CASE(stops, c27_c28_a_task_that_stops_itself_is_killed_on_time_and_on_request)
{
	creel_executor *ex = pt_pool(1);
	struct ct_count *ran = ct_count_new();
	struct pt_crash stop = {PT_STOP, NULL, ran};
	creel_future *f = creel_submit_with(ex, task_crash, &stop, sizeof stop,
					    &(creel_submit_options){.limit_ns = 50 * PT_MS});
	creel_future *behind = creel_submit(ex, task_none, NULL, 0);
	(void)pt_failure(f, CREEL_KIND_TIMED_OUT);
	ct_int(creel_future_result(behind, CT_GUARD, NULL, 0), 0);
	creel_future_unref(behind);
	creel_future_unref(f);
	/* The limit may have been over before it said that it ran. */
	unsigned before = ct_count_get(ran);
	f = creel_submit(ex, task_crash, &stop, sizeof stop);
	ct_count_await(ran, before + 1);
	ct_int(creel_future_kill(f, 0), CREEL_CANCEL_REQUESTED);
	(void)pt_failure(f, CREEL_KIND_KILLED);
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
}

/* Told to leave, by a shrink and by the end. */
CASE(stops, c18_c28_a_stopped_worker_leaves_with_the_others)
{
	creel_executor *ex = pool_of(3);
	struct pt_ids ids = pt_ids(ex);
	int first = pt_pidfd(ids.pid);
	pt_kill(first, SIGSTOP);
	ct_until(pt_ids(ex).pid != ids.pid);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_until(pt_stats(ex).workers == 1);
	int last = pt_pidfd(pt_ids(ex).pid);
	pt_kill(last, SIGSTOP);
	ct_close(ex);
	pt_await_gone(first);
	pt_await_gone(last);
}
