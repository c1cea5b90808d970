/* SPDX-License-Identifier: MIT */
/* Tasks that end otherwise than they meant to: crashes, limits, cancel and kill, shutdowns, ranks
 * that lose their pools. */
#include "job.h"
#include <errno.h>
#include <signal.h>
#include <unistd.h>

static int task_crash(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

static int task_exit(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	exit(7);
}

static void a_crash_costs_one_task(void)
{
	creel_future *f = creel_submit(job_ex, task_crash, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_INT(creel_future_error(f)->signal, SIGSEGV);
	job_must_fail(f, CREEL_KIND_WORKER_DIED, "(on rank ");
	job_must_serve();
}

static void an_exit_costs_one_task(void)
{
	creel_future *f = creel_submit(job_ex, task_exit, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_INT(creel_future_error(f)->exit_status, 7);
	job_must_fail(f, CREEL_KIND_EXITED, "(on rank ");
	job_must_serve();
}

static void a_hang_has_a_limit(void)
{
	struct job_gated g = job_gate(10);
	creel_submit_options options = {.limit_ns = CREEL_MS(50)};
	job_must_fail(creel_submit_with(job_ex, job_gated, &g, sizeof g, &options),
		      CREEL_KIND_TIMED_OUT, "(on rank ");
	job_must_serve();
}

static void a_running_task_is_killed(void)
{
	struct job_gated g = job_gate(11);
	creel_future *f = job_submit_gated(&g);
	job_await_file(g.started);
	CHECK_INT(creel_future_kill(f, 0), CREEL_CANCEL_REQUESTED);
	job_must_fail(f, CREEL_KIND_KILLED, "(on rank ");
	job_must_serve();
}

static void a_running_task_is_asked_to_stop(void)
{
	struct job_gated g = job_gate(12);
	g.heeds = true;
	creel_future *f = job_submit_gated(&g);
	job_await_file(g.started);
	CHECK_INT(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	job_must_fail(f, CREEL_KIND_CANCELLED, "");
}

/* Both ranks are busy: two more are sent ahead, and the others wait on rank 0. */
static void what_has_not_started_is_cancelled(void)
{
	enum { N = 8 };
	struct job_gated a = job_gate(13), b = job_gate(14);
	creel_future *fa = job_submit_gated(&a), *fb = job_submit_gated(&b), *f[N];
	job_await_file(a.started);
	job_await_file(b.started);
	for (long i = 0; i < N; i++)
		f[i] = creel_submit(job_ex, job_square, &i, sizeof i);
	for (int i = 0; i < N; i++)
		CHECK(creel_future_cancel(f[i]) != CREEL_CANCEL_FINAL);
	for (int i = 0; i < N; i++)
		job_must_fail(f[i], CREEL_KIND_CANCELLED, "");
	job_touch(a.gate);
	job_touch(b.gate);
	CHECK_INT(job_long_of(fa) + job_long_of(fb), 27);
}

/* One rank is stuck in its task. What was sent ahead to it has to be run by the other one. */
static void a_rank_that_idles_gets_what_waits_elsewhere(void)
{
	enum { N = 6 };
	struct job_gated a = job_gate(15), b = job_gate(16);
	creel_future *fa = job_submit_gated(&a), *fb = job_submit_gated(&b), *f[N];
	job_await_file(a.started);
	job_await_file(b.started);
	for (long i = 0; i < N; i++)
		f[i] = creel_submit(job_ex, job_square, &i, sizeof i);
	job_touch(a.gate);
	for (long i = 0; i < N; i++)
		CHECK_INT(job_long_of(f[i]), i * i);
	CHECK_INT(creel_future_state(fb), CREEL_FUTURE_RUNNING);
	job_touch(b.gate);
	CHECK_INT(job_long_of(fa) + job_long_of(fb), 31);
}

/* A rank without work gets what the other one has not begun. That one is stopped, and hears of both
 * at once: it is to return a task, and the task is to end. Whether it was so: if rank 0 had not
 * asked for it by then, it is the rank that cancels it, or its pool, and each says that in words of
 * its own. */
static bool crosses(bool kills, long first)
{
	struct job_gated a = job_gate(first), b = job_gate(first + 1), c = job_gate(first + 2),
			 d = job_gate(first + 3);
	creel_future *fa = job_submit_gated(&a), *fb = job_submit_gated(&b), *ahead[2];
	job_await_file(a.started);
	pid_t busy = job_await_rank(b.started);
	ahead[0] = job_submit_gated(&c);
	ahead[1] = job_submit_gated(&d);
	for (int i = 0; i < 2; i++)
		while (creel_future_state(ahead[i]) != CREEL_FUTURE_RUNNING)
			usleep(1000);
	CHECK_INT(kill(busy, SIGSTOP), 0);
	job_touch(c.gate);
	job_touch(d.gate);
	job_touch(a.gate);
	CHECK_INT(job_long_of(fa), first);
	while (creel_future_state(ahead[0]) == CREEL_FUTURE_RUNNING &&
	       creel_future_state(ahead[1]) == CREEL_FUTURE_RUNNING)
		usleep(1000);
	int left = creel_future_state(ahead[0]) == CREEL_FUTURE_RUNNING ? 0 : 1;
	/* By then rank 0 should have asked for it. */
	usleep(20000);
	CHECK_INT(kills ? creel_future_kill(ahead[left], 0) : creel_future_cancel(ahead[left]),
		  CREEL_CANCEL_REQUESTED);
	CHECK_INT(kill(busy, SIGCONT), 0);
	CHECK_INT(creel_future_result(ahead[left], GUARD, NULL, 0), -ECANCELED);
	bool crossed = strcmp(creel_future_error(ahead[left])->message,
			      "the task was cancelled before it started") == 0;
	job_must_fail(ahead[left], CREEL_KIND_CANCELLED, "before it started");
	creel_future_unref(ahead[1 - left]);
	job_touch(b.gate);
	CHECK_INT(job_long_of(fb), first + 1);
	return crossed;
}

static void crosses_once(bool kills, long first)
{
	creel_deadline guard = GUARD;
	while (!crosses(kills, first)) {
		CHECK(creel_now().ns < guard.ns);
		first += 4;
	}
}

static void a_task_on_its_way_back_is_cancelled(void)
{
	crosses_once(false, 1000);
}

static void a_task_on_its_way_back_is_killed(void)
{
	crosses_once(true, 100000);
}

static void a_shutdown_cancels(void)
{
	enum { N = 10 };
	struct job_gated a = job_gate(17), b = job_gate(18);
	creel_executor *first = job_ex;
	creel_future *f[N];
	job_ex = creel_mpi_pool_new(NULL);
	creel_future *fa = job_submit_gated(&a), *fb = job_submit_gated(&b);
	job_await_file(a.started);
	job_await_file(b.started);
	for (long i = 0; i < N; i++)
		f[i] = creel_submit(job_ex, job_square, &i, sizeof i);
	size_t left = 0;
	CHECK_INT(creel_executor_shutdown(job_ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left),
		  -ETIMEDOUT);
	for (int i = 0; i < N; i++)
		job_must_fail(f[i], CREEL_KIND_CANCELLED, "");
	job_touch(a.gate);
	job_touch(b.gate);
	CHECK_INT(job_long_of(fa) + job_long_of(fb), 35);
	CHECK_INT(creel_executor_close(job_ex), 0);
	job_ex = first;
	job_must_serve();
}

static void a_shutdown_kills(void)
{
	struct job_gated a = job_gate(19);
	creel_executor *first = job_ex;
	job_ex = creel_mpi_pool_new(NULL);
	creel_future *f = job_submit_gated(&a);
	job_await_file(a.started);
	CHECK_INT(creel_executor_shutdown(job_ex, CREEL_SHUTDOWN_KILL, GUARD, NULL), 0);
	job_must_fail(f, CREEL_KIND_KILLED, "");
	creel_executor_unref(job_ex);
	job_ex = first;
	job_must_serve();
}

/* It had a long grace, which does not hold up the shutdown. */
static void a_shutdown_kills_what_is_killed(void)
{
	struct job_gated a = job_gate(28);
	creel_executor *first = job_ex;
	job_ex = creel_mpi_pool_new(NULL);
	a.stubborn = true;
	creel_future *f = job_submit_gated(&a);
	job_await_file(a.started);
	CHECK_INT(creel_future_kill(f, CREEL_S(3600)), CREEL_CANCEL_REQUESTED);
	CHECK_INT(creel_executor_shutdown(job_ex, CREEL_SHUTDOWN_KILL, GUARD, NULL), 0);
	job_must_fail(f, CREEL_KIND_KILLED, "");
	creel_executor_unref(job_ex);
	job_ex = first;
	job_must_serve();
}

/* The shorter grace counts, whichever comes first. */
static void a_kill_keeps_the_shorter_grace(void)
{
	struct job_gated a = job_gate(29);
	a.stubborn = true;
	creel_future *f = job_submit_gated(&a);
	job_await_file(a.started);
	CHECK_INT(creel_future_kill(f, 0), CREEL_CANCEL_REQUESTED);
	(void)creel_future_kill(f, CREEL_S(3600));
	(void)creel_future_cancel(f);
	job_must_fail(f, CREEL_KIND_KILLED, "");
	job_must_serve();
}

/* It is not forked anew: MPI does not allow that. The rank is left out. */
static void a_lost_server_takes_the_rank_out(void)
{
	long ids[2];
	creel_future *f = creel_submit(job_ex, job_where, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, ids, sizeof ids), 0);
	creel_future_unref(f);
	CHECK_INT(kill((pid_t)ids[1], SIGKILL), 0);
	creel_stats stats = {.workers = 2};
	for (int i = 0; stats.workers == 2; i++) {
		CHECK(i < 60000);
		f = creel_submit(job_ex, job_where, NULL, 0);
		/* A task that had begun may say that its worker went with the server. */
		if (creel_future_result(f, GUARD, NULL, 0) == CREEL_EFAILED)
			CHECK(creel_future_error(f)->kind == CREEL_KIND_BROKEN ||
			      creel_future_error(f)->kind == CREEL_KIND_WORKER_DIED);
		creel_future_unref(f);
		creel_executor_stats(job_ex, &stats, sizeof stats);
		usleep(1000);
	}
	for (int i = 0; i < 20; i++)
		job_must_serve();
}

static void without_a_rank_all_fails(void)
{
	long ids[2];
	creel_future *f = creel_submit(job_ex, job_where, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, ids, sizeof ids), 0);
	creel_future_unref(f);
	CHECK_INT(kill((pid_t)ids[1], SIGKILL), 0);
	creel_stats stats = {.workers = 1};
	for (int i = 0; stats.workers; i++) {
		CHECK(i < 60000);
		f = creel_submit(job_ex, job_where, NULL, 0);
		(void)creel_future_result(f, GUARD, NULL, 0);
		creel_future_unref(f);
		creel_executor_stats(job_ex, &stats, sizeof stats);
		usleep(1000);
	}
	job_must_fail(creel_submit(job_ex, job_where, NULL, 0), CREEL_KIND_BROKEN,
		      "no rank serves");
	creel_executor *other = creel_mpi_pool_new(NULL);
	CHECK_INT(creel_executor_error(other)->code, -ENXIO);
	creel_executor_unref(other);
}

const struct job_test job_ends[] = {
	JOB_TEST(a_crash_costs_one_task),
	JOB_TEST(an_exit_costs_one_task),
	JOB_TEST(a_hang_has_a_limit),
	JOB_TEST(a_running_task_is_killed),
	JOB_TEST(a_running_task_is_asked_to_stop),
	JOB_TEST(what_has_not_started_is_cancelled),
	JOB_TEST(a_rank_that_idles_gets_what_waits_elsewhere),
	JOB_TEST(a_task_on_its_way_back_is_cancelled),
	JOB_TEST(a_task_on_its_way_back_is_killed),
	JOB_TEST(a_shutdown_cancels),
	JOB_TEST(a_shutdown_kills),
	JOB_TEST(a_shutdown_kills_what_is_killed),
	JOB_TEST(a_kill_keeps_the_shorter_grace),
	JOB_TEST(a_lost_server_takes_the_rank_out),
	JOB_TEST(without_a_rank_all_fails),
	{0},
};
