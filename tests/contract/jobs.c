/* SPDX-License-Identifier: MIT */
/* Promise 43: each forked job runs exactly once, at the latest in its join or at the end of the
 * function that forked it, in every task, without allocation. And posted jobs. */
#include "contract.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

struct fib {
	creel_job job; /* first */
	int n;
	long result;
};

static long fib(creel_task *task, int n);

static void run_fib(creel_job *job, creel_task *task)
{
	struct fib *f = (struct fib *)job;
	f->result = fib(task, f->n);
}

static long fib(creel_task *task, int n)
{
	if (n < 2)
		return n;
	struct fib f = {.job = CREEL_JOB_INIT, .n = n - 1};
	if (creel_job_fork(task, &f.job, run_fib))
		return -1000000;
	long other = fib(task, n - 2);
	return creel_job_join(task, &f.job) ? -1000000 : f.result + other;
}

static int task_fib(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long result = fib(task, (int)*(const long *)arg);
	return creel_return(task, &result, sizeof result);
}

CASE(c43_forks_and_joins_nest_in_every_task, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f[3];
	long n[] = {14, 15, 16}, should[] = {377, 610, 987};
	for (int i = 0; i < 3; i++)
		f[i] = creel_submit(ex, task_fib, &n[i], sizeof n[i]);
	for (int i = 0; i < 3; i++)
		ct_int(ct_long_drop(f[i]), should[i]);
	ct_close(ex);
}

/* More than a worker holds for others. */
enum { MANY = 1100 };
struct many {
	creel_job job; /* first */
	_Atomic int ran;
};

static void run_many(creel_job *job, creel_task *task)
{
	(void)task;
	atomic_fetch_add(&((struct many *)job)->ran, 1);
}

enum order { FIRST_FIRST, LAST_FIRST, NEVER };

/* 0, or how many jobs did not run once. */
static int task_many(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	static struct many jobs[MANY];
	enum order order = *(const enum order *)arg;
	long wrong = 0;
	memset(jobs, 0, sizeof jobs);
	for (int i = 0; i < MANY; i++)
		wrong += creel_job_fork(task, &jobs[i].job, run_many) != 0;
	for (int i = 0; i < MANY && order != NEVER; i++) {
		struct many *m = &jobs[order == FIRST_FIRST ? i : MANY - 1 - i];
		wrong += creel_job_join(task, &m->job) != 0 || m->ran != 1;
	}
	return creel_return(task, &wrong, sizeof wrong);
}

CASE(c43_many_jobs_are_joined_in_any_order, 0)
{
	creel_executor *ex = ct_executor();
	for (enum order order = FIRST_FIRST; order <= LAST_FIRST; order++)
		ct_int(ct_long_drop(creel_submit(ex, task_many, &order, sizeof order)), 0);
	ct_close(ex);
}

struct left {
	creel_job job; /* first */
	struct ct_count *ran;
	int deeper;
};

/* A job that forks another one, and does not join it. */
static void run_left(creel_job *job, creel_task *task)
{
	struct left *left = (struct left *)job;
	if (left->deeper)
		creel_job_fork(task, &left[1].job, run_left);
	ct_count_add(left->ran, 1);
}

static int task_leaves(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct left *left = *(struct left *const *)arg;
	return creel_job_fork(task, &left->job, run_left);
}

CASE(c43_what_is_not_joined_is_joined_at_the_end, 0)
{
	creel_executor *ex = ct_executor();
	struct left *left = ct_shared(4 * sizeof *left);
	struct ct_count *ran = ct_count_new();
	for (int i = 0; i < 4; i++)
		left[i] = (struct left){.ran = ran, .deeper = i < 3};
	creel_future *f = creel_submit(ex, task_leaves, &left, sizeof left);
	ct_int(ct_outcome(f), 0);
	ct_int(ct_count_get(ran), 4);
	creel_future_unref(f);
	ct_close(ex);
}

/* In a forked job: what its handle says. 0 is right. */
struct asked {
	creel_job job; /* first */
	creel_task *outer;
	long wrong;
	unsigned slots;
};

static void run_asked(creel_job *job, creel_task *task)
{
	struct asked *a = (struct asked *)job;
	int value = 1;
	creel_buffer buffer = {.data = &value, .size = sizeof value};
	unsigned worker = creel_task_worker(task);
	a->wrong = creel_return(task, &value, sizeof value) != -EINVAL;
	a->wrong += 2 * (creel_return_reserve(task, 8) != NULL);
	a->wrong += 4 * (creel_return_move(task, buffer) != -EINVAL);
	a->wrong += 8 * (creel_fail(task, -EIO, "no") != -EINVAL);
	a->wrong += 16 * (creel_task_future(task) != NULL);
	a->wrong += 32 * (creel_task_executor(task) != creel_task_executor(a->outer));
	a->wrong += 64 * (a->slots ? worker >= a->slots : worker != UINT_MAX);
	a->wrong += 128 * creel_task_cancelled(task);
	a->wrong += 256 * (creel_task_words(task) != NULL);
	a->wrong += 512 * (creel_job_join(task, job) != -EINVAL);
	a->wrong += 1024 * (creel_fail_with(task, -EIO, &value, sizeof value, "no") != -EINVAL);
}

static int task_asks(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct asked a = {.job = CREEL_JOB_INIT, .outer = task, .slots = *(const unsigned *)arg};
	int rc = creel_job_fork(task, &a.job, run_asked);
	if (rc == 0)
		rc = creel_job_join(task, &a.job);
	return rc ? rc : creel_return(task, &a.wrong, sizeof a.wrong);
}

CASE(c43_a_job_has_a_handle_and_no_result, 0)
{
	creel_executor *ex = ct_executor();
	/* That of the pool with one worker in which a rank runs it. */
	unsigned slots = ct_is(CT_RANKS) ? 1 : creel_executor_slots(ex);
	ct_int(ct_long_drop(creel_submit(ex, task_asks, &slots, sizeof slots)), 0);
	ct_close(ex);
}

static int task_bad_input(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	struct many a = {.job = CREEL_JOB_INIT}, b = {.job = CREEL_JOB_INIT};
	long wrong = creel_job_fork(NULL, &a.job, run_many) != -EINVAL;
	wrong += 2 * (creel_job_fork(task, NULL, run_many) != -EINVAL);
	wrong += 4 * (creel_job_fork(task, &a.job, NULL) != -EINVAL);
	wrong += 8 * (creel_job_join(task, &a.job) != -EINVAL);
	wrong += 16 * (creel_job_join(NULL, &a.job) != -EINVAL);
	wrong += 32 * (creel_job_join(task, NULL) != -EINVAL);
	wrong += 64 * (creel_job_fork(task, &a.job, run_many) != 0);
	wrong += 128 * (creel_job_fork(task, &a.job, run_many) != -EBUSY);
	wrong += 256 * (creel_job_cancel(&a.job) != -EBUSY);
	wrong += 512 * (creel_job_join(task, &a.job) != 0 || a.ran != 1);
	wrong += 1024 * (creel_job_join(task, &a.job) != -EINVAL);
	/* Again with the same job. */
	wrong += 2048 * (creel_job_fork(task, &a.job, run_many) != 0);
	wrong += 4096 * (creel_job_fork(task, &b.job, run_many) != 0);
	wrong += 8192 * (creel_job_join(task, &a.job) != 0 || a.ran != 2);
	wrong += 16384 * (creel_job_join(task, &b.job) != 0 || b.ran != 1);
	return creel_return(task, &wrong, sizeof wrong);
}

CASE(bad_forks_and_joins_are_refused, 0)
{
	creel_executor *ex = ct_executor();
	ct_int(ct_long_drop(creel_submit(ex, task_bad_input, NULL, 0)), 0);
	ct_close(ex);
}

CASE(c43_forking_allocates_nothing, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	long n = 12;
	creel_future *f = creel_submit(ex, task_fib, &n, sizeof n);
	ct_int(ct_long_drop(f), 144);
	ct_fault_arm(CT_FAULT_MEMORY | CT_FAULT_THREAD, UINT_MAX, false);
	f = creel_submit(ex, task_fib, &n, sizeof n);
	ct_int(ct_long_drop(f), 144);
	unsigned calls = ct_fault_calls();
	ct_fault_off();
	/* Another worker may have been started for the jobs, and each may fill its reserve for
	 * errors; not one call for each job. */
	ct_assert(calls < 40);
	ct_close(ex);
}

/* Stays in its fork until another worker has its job. */
struct gated {
	creel_job job; /* first */
	struct ct_count *started, *gate;
	bool cancelled, exits;
};

static void run_gated(creel_job *job, creel_task *task)
{
	struct gated *g = (struct gated *)job;
	ct_open(g->started);
	ct_pass(g->gate);
	g->cancelled = creel_task_cancelled(task);
	if (g->exits)
		pthread_exit(NULL);
}

/* Joins while the thief runs it; the value says what the join said. */
static int task_stolen(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct gated *g = *(struct gated *const *)arg;
	int rc = creel_job_fork(task, &g->job, run_gated);
	ct_pass(g->started);
	if (rc == 0)
		rc = creel_job_join(task, &g->job);
	ct_assert(rc == (g->exits ? CREEL_EFAILED : 0));
	return 0;
}

static struct gated *gated_new(bool exits)
{
	struct gated *g = ct_shared(sizeof *g);
	*g = (struct gated){.started = ct_count_new(), .gate = ct_count_new(), .exits = exits};
	return g;
}

CASE(c43_an_idle_worker_steals_and_sees_the_forkers_cancel, CT_POOL | CT_PARALLEL)
{
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 3; i++) {
		struct gated *g = gated_new(false);
		creel_future *f = creel_submit(ex, task_stolen, &g, sizeof g);
		ct_pass(g->started);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
		ct_open(g->gate);
		ct_int(ct_outcome(f), 0);
		ct_assert(g->cancelled);
		creel_future_unref(f);
	}
	ct_close(ex);
}

CASE(c43_a_stolen_job_that_ends_its_thread_fails_its_task, CT_POOL | CT_PARALLEL)
{
	creel_executor *ex = ct_executor();
	struct gated *g = gated_new(true);
	long n = 10;
	creel_future *f = creel_submit(ex, task_stolen, &g, sizeof g);
	ct_pass(g->started);
	ct_open(g->gate);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
	creel_future_unref(f);
	ct_int(ct_long_drop(creel_submit(ex, task_fib, &n, sizeof n)), 55);
	ct_close(ex);
}

static int task_exits_in_join(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct gated *g = *(struct gated *const *)arg;
	return creel_job_fork(task, &g->job, run_gated);
}

CASE(c43_a_job_that_ends_the_thread_of_its_task_fails_it, CT_POOL)
{
	creel_executor *ex = ct_executor();
	struct gated *g = gated_new(true);
	long n = 10;
	ct_open(g->gate);
	creel_future *f = creel_submit(ex, task_exits_in_join, &g, sizeof g);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
	creel_future_unref(f);
	ct_int(ct_long_drop(creel_submit(ex, task_fib, &n, sizeof n)), 55);
	ct_close(ex);
}

/* Posted. */
struct post {
	creel_job job; /* first */
	struct ct_count *ran;
	bool cancelled;
};

static void run_post(creel_job *job, creel_task *task)
{
	struct post *p = (struct post *)job;
	p->cancelled = creel_task_cancelled(task);
	ct_count_add(p->ran, 1);
}

CASE(rule_posted_jobs_run_once_and_can_be_taken_back, CT_POOL)
{
	enum { N = 200 };
	creel_executor *ex = ct_executor();
	struct ct_count *ran = ct_count_new();
	struct post posts[N], back = {.job = CREEL_JOB_INIT, .ran = ran};
	struct ct_hold hold;
	for (int i = 0; i < N; i++) {
		posts[i] = (struct post){.job = CREEL_JOB_INIT, .ran = ran};
		ct_int(creel_job_post(ex, &posts[i].job, run_post), 0);
	}
	ct_count_await(ran, N);
	ct_hold(&hold, ex);
	ct_int(creel_job_cancel(&back.job), -EBUSY);
	ct_int(creel_job_post(ex, &back.job, run_post), 0);
	ct_int(creel_job_post(ex, &back.job, run_post), -EBUSY);
	ct_int(creel_job_cancel(&back.job), 0);
	ct_int(creel_job_cancel(&back.job), -EBUSY);
	ct_int(creel_job_post(ex, &back.job, run_post), 0);
	pid_t child = fork();
	if (child == 0) {
		CHILD(creel_job_cancel(&back.job) == -EPERM);
		_exit(0);
	}
	int status;
	ct_int(waitpid(child, &status, 0), child);
	ct_int(status, 0);
	ct_release(&hold);
	ct_count_await(ran, N + 1);
	ct_close(ex);
	ct_int(ct_count_get(ran), N + 1);
	ct_assert(!back.cancelled);
}

CASE(rule_a_shutdown_runs_what_was_posted, CT_POOL)
{
	creel_executor *ex = ct_executor();
	struct ct_count *ran = ct_count_new();
	struct post first = {.job = CREEL_JOB_INIT, .ran = ran}, late = first;
	struct ct_hold hold;
	size_t left = 0;
	ct_hold(&hold, ex);
	ct_int(creel_job_post(ex, &first.job, run_post), 0);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), -ETIMEDOUT);
	ct_assert(left >= 2);
	ct_int(creel_job_post(ex, &late.job, run_post), -ESHUTDOWN);
	ct_release(&hold);
	ct_close(ex);
	ct_int(ct_count_get(ran), 1);
	ct_assert(first.cancelled);
}

static int refuse_to_start(void *ctx, unsigned worker, void **ret_local)
{
	(void)worker;
	(void)ret_local;
	ct_pass(ctx);
	return -EIO;
}

CASE(rule_a_pool_that_breaks_runs_what_was_posted, CT_POOL)
{
	struct ct_count *ran = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_initialized(refuse_to_start, gate);
	struct post p = {.job = CREEL_JOB_INIT, .ran = ran};
	ct_int(creel_job_post(ex, &p.job, run_post), 0);
	ct_open(gate);
	ct_count_await(ran, 1);
	ct_until(creel_job_post(ex, &p.job, run_post) == CREEL_EFAILED);
	ct_close(ex);
	ct_int(ct_count_get(ran), 1);
}

CASE(bad_posts_are_refused, 0)
{
	creel_executor *ex = ct_executor(), *broken = creel_executor_new(NULL, NULL);
	struct post p = {.job = CREEL_JOB_INIT, .ran = ct_count_new()};
	ct_int(creel_job_post(NULL, &p.job, run_post), -EINVAL);
	ct_int(creel_job_post(ex, NULL, run_post), -EINVAL);
	ct_int(creel_job_post(ex, &p.job, NULL), -EINVAL);
	ct_int(creel_job_post(broken, &p.job, run_post), CREEL_EFAILED);
	ct_int(creel_job_cancel(NULL), -EINVAL);
	ct_int(creel_job_cancel(&p.job), -EBUSY);
	if (!ct_is(CT_POOL))
		ct_int(creel_job_post(ex, &p.job, run_post), -ENOTSUP);
	creel_executor_unref(broken);
	ct_close(ex);
	ct_int(ct_count_get(p.ran), 0);
}
