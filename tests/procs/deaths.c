/* SPDX-License-Identifier: MIT */
/* Promise 25, invariants 2, 4, 5 and 6: a worker dies, one task fails, and the rest goes on. */
#include "procs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cause {
	enum pt_how how;
	const char *name;
	int signal, status;
};

static const struct cause causes[] = {
	{PT_SEGV, "segv", SIGSEGV, 0},     {PT_ABORT, "abort", SIGABRT, 0},
	{PT_KILL, "kill", SIGKILL, 0},     {PT_FPE, "fpe", SIGFPE, 0},
	{PT_BUS, "bus", SIGBUS, 0},        {PT_TERM, "term", SIGTERM, 0},
	{PT_EXIT_0, "exit 0", 0, 0},       {PT_EXIT_3, "exit 3", 0, 3},
	{PT__EXIT_0, "_exit 0", 0, 0},     {PT__EXIT_7, "_exit 7", 0, 7},
	{PT_PTHREAD_EXIT, "thread", 0, 0},
};
enum { CAUSES = sizeof causes / sizeof causes[0] };

static void check_cause(creel_executor *ex, const struct cause *c)
{
	char text[64];
	struct pt_ids *ids = ct_shared(sizeof *ids);
	creel_future *f = pt_submit_crash(ex, c->how, c->name, ids, NULL);
	const creel_error *e = pt_failure(f,
					  c->signal ? CREEL_KIND_WORKER_DIED : CREEL_KIND_EXITED);
	ct_int(e->signal, c->signal);
	ct_int(e->exit_status, c->status);
	ct_int(e->pid, ids->pid);
	ct_text(e->task, c->name);
	snprintf(text, sizeof text, "pid %d", (int)ids->pid);
	ct_has(e->message, text);
	snprintf(text, sizeof text, c->signal ? "signal %d" : "exit status %d",
		 c->signal ? c->signal : c->status);
	ct_has(e->message, text);
	creel_future_unref(f);
}

CASE(deaths, c25_i05_every_cause_fails_its_task_and_says_what_it_was)
{
	creel_executor *ex = pt_pool(2);
	pid_t server = pt_ids(ex).server;
	for (unsigned i = 0; i < CAUSES; i++) {
		check_cause(ex, &causes[i]);
		ct_int(pt_ids(ex).server, server);
	}
	creel_stats s = pt_stats(ex);
	ct_int(s.died, CAUSES);
	ct_int(s.killed, 0);
	ct_close(ex);
}

CASE(deaths, c25_i05_a_worker_killed_from_outside_is_not_said_to_be_killed_by_the_pool)
{
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	creel_future *f = creel_submit_with(ex, task_gated, &g, sizeof g,
					    &(creel_submit_options){.name = "victim"});
	ct_count_await(g.started, 1);
	int fd = pt_pidfd(g.ids->pid);
	pt_kill(fd, SIGKILL);
	const creel_error *e = pt_failure(f, CREEL_KIND_WORKER_DIED);
	ct_int(e->signal, SIGKILL);
	ct_int(e->pid, g.ids->pid);
	ct_text(e->task, "victim");
	ct_has(e->message, "not by the pool");
	creel_future_unref(f);
	pt_await_gone(fd);
	pt_works(ex);
	ct_close(ex);
}

CASE(deaths, c25_i02_queued_tasks_run_and_none_runs_twice)
{
	enum { N = 120 };
	struct ct_count *ran[N];
	creel_future *f[N];
	creel_executor *ex = pt_pool(2);
	for (unsigned i = 0; i < N; i++) {
		ran[i] = ct_count_new();
		f[i] = i % 10 == 3 ? pt_submit_crash(ex, causes[i / 10 % CAUSES].how, "crash", NULL,
						     ran[i])
				   : ct_submit_count(ex, ran[i]);
	}
	for (unsigned i = 0; i < N; i++) {
		if (i % 10 == 3)
			ct_int(ct_outcome(f[i]), CREEL_EFAILED);
		else
			ct_int(ct_long(f[i]), 1);
		creel_future_unref(f[i]);
	}
	for (unsigned i = 0; i < N; i++)
		ct_int(ct_count_get(ran[i]), 1);
	ct_close(ex);
}

/* What waits in the slots of a worker that dies runs elsewhere, in its turn. */
CASE(deaths, c25_i02_what_waits_behind_a_task_whose_worker_dies_runs_elsewhere)
{
	enum { N = 6 };
	struct ct_count *ran[N];
	creel_future *f[N];
	creel_executor *ex = pt_pool(1);
	for (unsigned round = 0; round < 5; round++) {
		struct pt_gated g = pt_gated(1);
		creel_future *first = pt_submit_gated(ex, &g);
		ct_count_await(g.started, 1);
		for (unsigned i = 0; i < N; i++)
			f[i] = ct_submit_count(ex, ran[i] = ct_count_new());
		int fd = pt_pidfd(g.ids->pid);
		pt_kill(fd, SIGKILL);
		ct_int(pt_failure(first, CREEL_KIND_WORKER_DIED)->pid, g.ids->pid);
		creel_future_unref(first);
		for (unsigned i = 0; i < N; i++)
			ct_int(ct_long_drop(f[i]), 1);
		pt_await_gone(fd);
	}
	ct_close(ex);
}

static void block_manager(creel_future *f, void *arg)
{
	const struct pt_gated *g = arg;
	(void)f;
	ct_count_add(g->started, 1);
	ct_pass(g->gate);
}

/* The manager is held up in a callback while a worker finishes one task and dies in the next. */
CASE(deaths, c25_i04_a_result_from_before_the_death_is_delivered_intact)
{
	static const size_t sizes[] = {0, 8, 200, 100000};
	creel_executor *ex = pt_pool(1);
	for (unsigned n = 0; n < 4; n++) {
		struct pt_gated hold = pt_gated(0), first = pt_gated(7);
		struct pt_ids *ids = ct_shared(sizeof *ids);
		struct ct_count *ran = ct_count_new();
		unsigned char *data = malloc(sizes[n] + 1);
		memset(data, (int)n + 1, sizes[n] + 1);
		creel_future *holder = pt_submit_gated(ex, &first);
		ct_count_await(first.started, 1);
		ct_int(creel_future_on_done(holder, NULL, block_manager, &hold, NULL, NULL), 0);
		ct_open(first.gate);
		ct_count_await(hold.started, 1);
		creel_future *a = creel_submit(ex, task_echo, data, sizes[n]);
		creel_future *b = pt_submit_crash(ex, PT_KILL, "b", ids, ran);
		ct_count_await(ran, 1);
		ct_open(hold.gate);
		const void *view;
		size_t size;
		ct_int(ct_outcome(a), 0);
		ct_int(creel_future_view(a, CREEL_NOW, &view, &size), 0);
		ct_int(size, sizes[n]);
		ct_assert(size == 0 || memcmp(view, data, size) == 0);
		ct_int(pt_failure(b, CREEL_KIND_WORKER_DIED)->pid, ids->pid);
		ct_assert(ct_count_get(ran) == 1);
		creel_future_unref(a);
		creel_future_unref(b);
		creel_future_unref(holder);
		free(data);
	}
	ct_close(ex);
}

/* Its only worker, as a task without a limit says. */
static pid_t pid_of_one(creel_executor *ex)
{
	struct pt_ids ids;
	creel_future *f = creel_submit_with(ex, task_ids, NULL, 0,
					    &(creel_submit_options){.limit_ns = CREEL_NEVER});
	ct_int(creel_future_result(f, CT_GUARD, &ids, sizeof ids), 0);
	creel_future_unref(f);
	return ids.pid;
}

/* One that stops itself, and one that hangs: a limit ends them. It may be over before the task has
 * done anything. */
CASE(deaths, c25_i06_tasks_that_stop_or_hang_are_ended_by_the_limit)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .idle_ns = CREEL_NEVER, .limit_ns = 100 * PT_MS});
	for (enum pt_how how = PT_STOP; how <= PT_HANG; how++) {
		pid_t pid = pid_of_one(ex);
		creel_future *f = pt_submit_crash(ex, how, "endless", NULL, NULL);
		const creel_error *e = pt_failure(f, CREEL_KIND_TIMED_OUT);
		ct_int(e->pid, pid);
		ct_int(e->signal, SIGKILL);
		ct_text(e->task, "endless");
		ct_has(e->message, "limit");
		creel_future_unref(f);
	}
	ct_int(pt_stats(ex).killed, 2);
	ct_close(ex);
}

CASE(deaths, c25_a_crash_loop_is_slowed_down_and_the_pool_survives_it)
{
	enum { N = 12 };
	creel_executor *ex = pt_pool(1);
	int64_t start = ct_now();
	for (unsigned i = 0; i < N; i++) {
		creel_future *f = pt_submit_crash(ex, PT__EXIT_7, "again", NULL, NULL);
		ct_int(pt_failure(f, CREEL_KIND_EXITED)->exit_status, 7);
		creel_future_unref(f);
	}
	/* At least so long, however fast the machine is. */
	ct_assert(ct_now() - start > 50 * PT_MS);
	pt_works(ex);
	ct_int(pt_stats(ex).died, N);
	ct_close(ex);
}

CASE(deaths, c25_a_flag_makes_the_first_death_break_the_pool)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .flags = CREEL_PROCESS_BREAK_ON_DEATH});
	struct ct_count *ran = ct_count_new();
	pt_works(ex);
	struct pt_gated g = pt_gated(0);
	creel_future *first = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	creel_future *crash = pt_submit_crash(ex, PT_ABORT, "breaker", NULL, NULL);
	creel_future *queued[8];
	for (unsigned i = 0; i < 8; i++)
		queued[i] = ct_submit_count(ex, ran);
	ct_open(g.gate);
	ct_int(ct_long_drop(first), 0);
	ct_int(pt_failure(crash, CREEL_KIND_WORKER_DIED)->signal, SIGABRT);
	for (unsigned i = 0; i < 8; i++) {
		pt_failure(queued[i], CREEL_KIND_BROKEN);
		creel_future_unref(queued[i]);
	}
	ct_assert(creel_executor_error(ex) != NULL);
	creel_future *late = ct_submit_count(ex, ran);
	pt_failure(late, CREEL_KIND_BROKEN);
	creel_future_unref(late);
	creel_future_unref(crash);
	ct_int(ct_count_get(ran), 0);
	ct_close(ex);
}

CASE(deaths, c25_that_flag_also_breaks_it_when_an_idle_worker_dies)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .idle_ns = CREEL_NEVER, .flags = CREEL_PROCESS_BREAK_ON_DEATH});
	pid_t pid = pt_ids(ex).pid;
	int fd = pt_pidfd(pid);
	pt_kill(fd, SIGKILL);
	pt_await_gone(fd);
	ct_until(creel_executor_error(ex) != NULL);
	const creel_error *e = creel_executor_error(ex);
	ct_int(e->kind, CREEL_KIND_BROKEN);
	ct_has(e->message, "between two tasks, by signal 9");
	creel_future *late = creel_submit(ex, task_nothing, NULL, 0);
	pt_failure(late, CREEL_KIND_BROKEN);
	creel_future_unref(late);
	ct_close(ex);
}

/* One that the pool itself ends does not break it. */
CASE(deaths, c25_that_flag_does_not_mind_workers_that_retire)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .tasks_per_worker = 1, .flags = CREEL_PROCESS_BREAK_ON_DEATH});
	for (int i = 0; i < 3; i++)
		pt_works(ex);
	ct_assert(!creel_executor_error(ex));
	ct_close(ex);
}

struct news {
	creel_executor *ex;
	int accepted;
	bool broken;
	struct ct_count *told;
};

/* In the first moment in which anybody can know of the death. */
static void find_broken(creel_future *f, void *arg)
{
	struct news *n = arg;
	creel_future *late = NULL;
	(void)f;
	n->broken = creel_executor_error(n->ex) != NULL;
	n->accepted = creel_try_submit(n->ex, task_nothing, NULL, 0, NULL, &late);
	creel_future_unref(late);
	ct_open(n->told);
}

CASE(deaths, c25_whoever_hears_of_a_death_that_breaks_the_pool_finds_it_broken)
{
	for (unsigned round = 0; round < ct_scaled(30); round++) {
		creel_executor *ex = pt_pool_with((creel_process_pool_options){
			.max_workers = 2, .flags = CREEL_PROCESS_BREAK_ON_DEATH});
		struct news n = {ex, 0, false, ct_count_new()};
		struct pt_gated g = pt_gated(1);
		creel_future *late = NULL, *f = pt_submit_gated(ex, &g);
		ct_count_await(g.started, 1);
		if (round & 1)
			ct_int(creel_future_on_done(f, NULL, find_broken, &n, NULL, NULL), 0);
		ct_int(kill(g.ids->pid, SIGKILL), 0);
		ct_int(creel_future_result(f, CT_GUARD, NULL, 0), CREEL_EFAILED);
		ct_assert(creel_executor_error(ex) != NULL);
		ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, &late), CREEL_EFAILED);
		if (round & 1) {
			ct_pass(n.told);
			ct_assert(n.broken);
			ct_int(n.accepted, CREEL_EFAILED);
		}
		creel_future_unref(f);
		ct_close(ex);
	}
}

CASE(deaths, c25_the_argument_is_given_back_once_when_the_worker_dies)
{
	creel_executor *ex = pt_pool(1);
	for (unsigned big = 0; big < 2; big++) {
		struct ct_count *freed = ct_count_new();
		unsigned char arg[5000] = {0};
		struct pt_crash crash = {PT_SEGV, NULL, NULL};
		memcpy(arg, &crash, sizeof crash);
		creel_future *f = creel_submit_with(
			ex, task_crash, arg, big ? sizeof arg : sizeof crash,
			&(creel_submit_options){.arg_free = arg_free_count, .arg_ctx = freed});
		pt_failure(f, CREEL_KIND_WORKER_DIED);
		ct_int(ct_count_get(freed), 1);
		creel_future_unref(f);
	}
	ct_close(ex);
}

static void unhandled(void *ctx, const creel_error *e)
{
	if (e->kind == CREEL_KIND_WORKER_DIED && e->signal == SIGABRT)
		ct_count_add(ctx, 1);
}

CASE(deaths, c25_a_death_that_nobody_looks_at_goes_to_the_hook)
{
	struct ct_count *told = ct_count_new();
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .on_unhandled = unhandled, .ctx = told});
	struct pt_crash crash = {PT_ABORT, NULL, NULL};
	ct_int(creel_spawn(ex, task_crash, &crash, sizeof crash, NULL), 0);
	ct_count_await(told, 1);
	ct_close(ex);
	ct_int(ct_count_get(told), 1);
}

static int task_fail_deep(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	char text[1000];
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = 0;
	return creel_fail(task, -EIO, "first words, then %s", text);
}

CASE(deaths, c25_a_task_that_fails_by_itself_keeps_its_worker_and_its_words)
{
	creel_executor *ex = pt_pool(1);
	struct pt_ids before = pt_ids(ex);
	creel_future *f = creel_submit_with(ex, task_fail_deep, NULL, 0,
					    &(creel_submit_options){.name = "deep"});
	const creel_error *e = pt_failure(f, CREEL_KIND_FAILED);
	ct_int(e->code, -EIO);
	ct_int(e->err, EIO);
	ct_has(e->message, "first words, then xxx");
	ct_text(e->task, "deep");
	ct_int(pt_ids(ex).pid, before.pid);
	creel_future_unref(f);
	ct_close(ex);
}
