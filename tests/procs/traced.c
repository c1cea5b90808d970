/* SPDX-License-Identifier: MIT */
/* Promise 25: workers that are traced, by the server or by somebody who never lets go, die as
 * others do, and are told of. */
#include "procs.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void on_signal(int signal)
{
	handled = signal;
}

/* Signals that the task handles stop it for its tracer, and must reach it all the same. */
static int task_traced_by_parent(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	long result = 5;
	signal(SIGUSR1, on_signal);
	TASK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	TASK(raise(SIGUSR1) == 0);
	TASK(handled == SIGUSR1);
	return creel_return(task, &result, sizeof result);
}

CASE(traced, c25_a_handled_signal_does_not_end_a_task_that_asked_to_be_traced)
{
	creel_executor *ex = pt_pool(1);
	for (int i = 0; i < 3; i++)
		ct_int(ct_long_drop(creel_submit(ex, task_traced_by_parent, NULL, 0)), 5);
	pt_works(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static int task_traced_and_aborts(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	TASK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	abort();
}

/* valgrind stops a traced process itself, by SIGSTOP, when it crashes. */
CASE_OFF(traced, c25_a_crash_of_a_task_that_asked_to_be_traced_is_told_with_its_signal, CT_MEMCHECK)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_traced_and_aborts, NULL, 0);
	ct_int(pt_failure(f, CREEL_KIND_WORKER_DIED)->signal, SIGABRT);
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
}

struct tracing {
	struct ct_count *seized;
	bool away; /* in a session of its own: it survives the worker's group */
	enum pt_how how;
};

/* A tracer that stops the worker at its every signal, and never lets it go on. */
static void trace_for_ever(pid_t worker, const struct tracing *t)
{
	if (t->away)
		setsid();
	if (ptrace(PTRACE_SEIZE, worker, NULL, NULL))
		_exit(1);
	ct_open(t->seized);
	for (;;)
		pause();
}

static int task_seized(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct tracing *t = arg;
	pid_t worker = getpid();
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	pid_t tracer = fork();
	if (tracer == 0)
		trace_for_ever(worker, t);
	TASK(tracer > 0);
	ct_pass(t->seized);
	struct pt_crash crash = {.how = t->how};
	return task_crash(task, &crash, sizeof crash);
}

/* It ends by itself, or is killed at the end of its limit. */
static void seized(enum pt_how how, int kind)
{
	for (int away = 0; away < 2; away++) {
		creel_executor *ex = pt_pool(1);
		struct tracing t = {ct_count_new(), away, how};
		creel_submit_options o = {.limit_ns = kind == CREEL_KIND_TIMED_OUT ? 100 * PT_MS
										   : 0};
		creel_future *f = creel_submit_with(ex, task_seized, &t, sizeof t, &o);
		const creel_error *e = pt_failure(f, kind);
		if (kind == CREEL_KIND_EXITED)
			ct_int(e->exit_status, 7);
		creel_future_unref(f);
		pt_works(ex);
		ct_close(ex);
	}
}

CASE(traced, c25_a_death_that_only_a_tracer_may_reap_is_told)
{
	seized(PT__EXIT_7, CREEL_KIND_EXITED);
}

CASE(traced, c27_a_limit_ends_a_task_that_its_tracer_has_stopped)
{
	seized(PT_ABORT, CREEL_KIND_TIMED_OUT);
}
