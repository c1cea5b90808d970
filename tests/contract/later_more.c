/* SPDX-License-Identifier: MIT */
/* Promises 21, 40, 46 and 47 where they meet: delayed tasks in bounded, paused and broken pools, at
 * a fork; limits of single runs; waiting for many; and where there is no memory for any of it. */
#include "contract.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOUR CREEL_S(3600)

static creel_executor *pool_of_one(int capacity)
{
	if (ct_is(CT_POOL))
		return ct_pool((creel_thread_pool_options){.max_workers = 1, .capacity = capacity});
	return creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1, .capacity = capacity});
}

static creel_future *submit_later(creel_executor *ex, creel_clock *clock, struct ct_count *ran,
				  int64_t delay_ns)
{
	return creel_submit_with(ex, task_count, &ran, sizeof ran,
				 &(creel_submit_options){.delay_ns = delay_ns, .clock = clock});
}

CASE(c21_a_delayed_task_gives_its_place_back_when_it_is_cancelled, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = pool_of_one(1);
	creel_future *f[2] = {submit_later(ex, clock, ran, HOUR),
			      submit_later(ex, clock, ran, HOUR)};
	creel_future *third = NULL;
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, &third), CREEL_BUSY);
	ct_int(creel_future_cancel(f[1]), CREEL_CANCEL_NOW);
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, &third), 0);
	ct_int(ct_outcome(third), 0);
	creel_future_unref(third);
	ct_int(creel_future_cancel(f[0]), CREEL_CANCEL_NOW);
	for (int i = 0; i < 2; i++)
		creel_future_unref(f[i]);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
	creel_clock_unref(clock);
}

CASE(c47_what_is_due_in_a_paused_pool_waits_for_the_end_of_the_pause, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = pool_of_one(0);
	creel_stats stats;
	ct_int(creel_executor_pause(ex), 0);
	creel_future *f = submit_later(ex, clock, ran, 1);
	ct_until(creel_executor_stats(ex, &stats, sizeof stats) == 0 && stats.pending == 1);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(ct_count_get(ran), 0);
	ct_int(creel_executor_resume(ex), 0);
	ct_int(ct_outcome(f), 0);
	ct_int(ct_count_get(ran), 1);
	creel_future_unref(f);
	ct_close(ex);
	creel_clock_unref(clock);
}

static int fails(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return -5;
}

CASE(c40_what_is_due_in_a_broken_pool_fails_as_broken, CT_POOL)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_initialized(fails, NULL);
	creel_future *f = submit_later(ex, clock, ran, 10);
	creel_future *breaks = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(ct_outcome(breaks), CREEL_EFAILED);
	creel_future_unref(breaks);
	ct_int(creel_clock_advance(clock, 10), 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_BROKEN);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
	creel_clock_unref(clock);
}

/* Runs of a periodic task: the last one hangs. */
struct runs {
	struct ct_count *count;
	int64_t each_ns;
	uint32_t last;
};

static int task_runs(creel_task *task, const void *arg, size_t size)
{
	struct runs r;
	(void)size;
	memcpy(&r, arg, sizeof r);
	uint32_t n = ct_count_add(r.count, 1);
	return creel_task_sleep(task, n < r.last ? creel_in_ns(r.each_ns) : CREEL_FOREVER);
}

/* All runs together take longer than the limit. Where the machine stalls, single ones do: then it
 * is tried again with more time. */
CASE(c40_the_limit_of_a_periodic_task_is_for_each_run, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	creel_executor *ex = pool_of_one(0);
	uint32_t ran = 0;
	for (int64_t ns = CREEL_MS(50); !ct_is(CT_POOL) && ran < 5 && ns < CREEL_S(10); ns *= 2) {
		struct runs r = {ct_count_new(), ns / 2, 5};
		creel_future *f = creel_submit_with(
			ex, task_runs, &r, sizeof r,
			&(creel_submit_options){.period_ns = 1, .limit_ns = ns, .clock = clock});
		ct_int(ct_outcome(f), CREEL_EFAILED);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_TIMED_OUT);
		creel_future_unref(f);
		ran = ct_count_get(r.count);
	}
	ct_int(ran, ct_is(CT_POOL) ? 0 : 5);
	ct_close(ex);
	creel_clock_unref(clock);
}

struct forks {
	creel_clock *clock;
	pid_t parent, child;
};

static void fork_in_callback(creel_future *f, void *arg)
{
	struct forks *forks = arg;
	forks->child = fork();
	if (forks->child)
		return;
	CHILD(creel_future_state(f) == -EPERM);
	CHILD(creel_clock_advance(forks->clock, 1) == -EPERM);
}

/* In the child the callback returns, and so does the call that moved the clock. */
CORE_CASE_WITH(c40_the_callback_of_a_delayed_task_may_fork, CT_BUSY_FORK)
{
	struct forks forks = {creel_clock_new(CREEL_CLOCK_MANUAL), getpid(), 0};
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = creel_inline_new();
	int status = -1;
	creel_future *f = submit_later(ex, forks.clock, ran, 10);
	creel_future *next = submit_later(ex, forks.clock, ran, 20);
	ct_int(creel_future_on_done(f, NULL, fork_in_callback, &forks, NULL, NULL), 0);
	int rc = creel_clock_advance(forks.clock, 10);
	if (getpid() != forks.parent) {
		CHILD(creel_future_state(next) == -EPERM);
		CHILD(ct_count_get(ran) == 1);
		_exit(0);
	}
	ct_int(rc, 0);
	ct_int(waitpid(forks.child, &status, 0), forks.child);
	ct_int(status, 0);
	ct_int(creel_clock_advance(forks.clock, 10), 0);
	ct_int(ct_outcome(next), 0);
	ct_int(ct_count_get(ran), 2);
	creel_future_unref(f);
	creel_future_unref(next);
	ct_close(ex);
	creel_clock_unref(forks.clock);
}

/* A task that waits for many others of its pool, on one worker. */
enum { MANY = 20 };

static int task_waits_for_many(creel_task *task, const void *arg, size_t size)
{
	creel_executor *ex = *(creel_executor *const *)arg;
	creel_future *f[MANY];
	size_t done = 0;
	(void)task;
	(void)size;
	int codes = 0;
	for (int round = 0; round < 2; round++) {
		creel_deadline by = round ? CT_GUARD : CREEL_FOREVER;
		for (int i = 0; i < MANY; i++)
			f[i] = creel_submit(ex, task_nothing, NULL, 0);
		codes |= creel_wait(f, MANY, CREEL_ALL_COMPLETED, by, &done);
		codes |= done != MANY;
		for (int i = 0; i < MANY; i++) {
			codes |= creel_future_state(f[i]) != CREEL_FUTURE_FINISHED;
			creel_future_unref(f[i]);
		}
	}
	return codes;
}

CASE(c46_a_task_waits_for_many_others_of_its_pool, CT_POOL)
{
	static const int helps[] = {CREEL_HELP_NONE, CREEL_HELP_WORKERS, CREEL_HELP_ANY};
	for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++) {
		creel_executor *ex = ct_pool(
			(creel_thread_pool_options){.max_workers = 1, .help = helps[i]});
		creel_stats stats;
		creel_future *f = creel_submit(ex, task_waits_for_many, &ex, sizeof ex);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
		ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
		ct_int(stats.blocked, 0);
		ct_assert(stats.started <= 2);
		ct_close(ex);
	}
}

/* Nothing is lost, and what failed says so, whichever piece of memory is not to be had. */

static int add_up(creel_task *task, size_t begin, size_t end, void *into, void *context)
{
	(void)task;
	(void)context;
	*(size_t *)into += end - begin;
	return 0;
}

static void add(void *into, const void *from, void *context)
{
	(void)context;
	*(size_t *)into += *(const size_t *)from;
}

struct sum {
	_Atomic size_t ran;
};

static int one_by_one(creel_task *task, size_t begin, size_t end, void *context)
{
	(void)task;
	atomic_fetch_add(&((struct sum *)context)->ran, end - begin);
	return 0;
}

struct step {
	creel_executor *ex;
	creel_clock *clock;
	struct ct_count *freed;
};

static int step_delay(const struct step *s)
{
	creel_future *f = NULL;
	creel_submit_options o = {.delay_ns = 5,
				  .expiry_ns = 50,
				  .clock = s->clock,
				  .name = "later",
				  .arg_free = arg_free_count,
				  .arg_ctx = s->freed};
	uint32_t before = ct_count_get(s->freed);
	int rc = creel_try_submit(s->ex, task_nothing, NULL, CREEL_BY_REF, &o, &f);
	ct_fault_off();
	ct_int(ct_count_get(s->freed), before);
	if (rc == 0) {
		ct_int(creel_clock_advance(s->clock, 5), 0);
		ct_int(ct_outcome(f), 0);
		ct_int(ct_count_get(s->freed), before + 1);
	}
	creel_future_unref(f);
	return rc;
}

static int step_period(const struct step *s)
{
	creel_future *f = NULL;
	creel_submit_options o = {.delay_ns = 5, .period_ns = 5, .clock = s->clock};
	int rc = creel_try_submit(s->ex, task_nothing, NULL, 0, &o, &f);
	ct_fault_off();
	if (rc == 0) {
		ct_int(creel_clock_advance(s->clock, 20), 0);
		ct_int(creel_future_cancel(f) >= 0, 1);
	}
	creel_future_unref(f);
	return rc;
}

static int step_loop(const struct step *s)
{
	struct sum sum = {0};
	int rc = creel_parallel_for(s->ex, 0, 100, one_by_one, &sum, NULL);
	ct_fault_off();
	ct_int(sum.ran, rc == 0 ? 100 : 0);
	return rc;
}

static int step_reduce(const struct step *s)
{
	size_t zero = 0, sum = 7;
	int rc = creel_reduce(s->ex, 0, 1000, &zero, sizeof zero, add_up, add, NULL, &sum,
			      &(creel_loop_options){.grain = 10});
	ct_fault_off();
	ct_int(sum, rc == 0 ? 1000 : 7);
	return rc;
}

static int step_many(const struct step *s)
{
	creel_future *f[10];
	size_t accepted = 99;
	int rc = creel_submit_many(s->ex, task_nothing, NULL, 0, 10,
				   &(creel_submit_options){.name = "bulk"}, f, &accepted);
	ct_fault_off();
	ct_int(accepted == 10, rc == 0);
	for (size_t i = 0; i < accepted; i++) {
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	return rc;
}

static int step_watch(const struct step *s)
{
	creel_executor *ex = creel_inline_new();
	const creel_hooks hooks = {.size = sizeof hooks};
	int rc = creel_executor_error(ex) ? -ENOMEM : creel_executor_watch(ex, &hooks);
	creel_future *f = NULL;
	int watched = rc ? rc : creel_try_submit(ex, task_nothing, NULL, 0, NULL, &f);
	ct_fault_off();
	(void)s;
	creel_future_unref(f);
	ct_close(ex);
	return watched;
}

static int step_bounded(const struct step *s)
{
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .capacity = 1, .flags = CREEL_TRACE});
	creel_future *f = NULL;
	int rc = creel_executor_error(ex) ? -ENOMEM
					  : creel_try_submit(ex, task_nothing, NULL, 0, NULL, &f);
	ct_fault_off();
	(void)s;
	if (rc == 0)
		ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
	return rc;
}

struct posted {
	creel_job job; /* first */
	struct ct_count *ran;
};

static void count_job(creel_job *job, creel_task *task)
{
	(void)task;
	ct_count_add(((struct posted *)(void *)job)->ran, 1);
}

static int step_post(const struct step *s)
{
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 1});
	struct posted p = {CREEL_JOB_INIT, ct_count_new()};
	int rc = creel_executor_error(ex) ? -ENOMEM : creel_job_post(ex, &p.job, count_job);
	ct_fault_off();
	(void)s;
	ct_close(ex);
	ct_int(ct_count_get(p.ran), rc == 0);
	return rc;
}

/* Each of its first calls for memory fails once. */
static void starve(int (*step)(const struct step *s), const struct step *s)
{
	bool failed = true;
	for (unsigned n = 1; failed; n++) {
		ct_fault_arm(CT_FAULT_MEMORY, n, false);
		int rc = step(s);
		failed = ct_fault_failed() > 0;
		ct_assert(rc == 0 ||
			  (failed && (rc == -ENOMEM || rc == -ENOSPC || rc == CREEL_EFAILED)));
		ct_assert(n < 100);
	}
}

CORE_CASE(rule_no_memory_for_what_is_scheduled_loses_nothing)
{
	struct step s = {creel_inline_new(), creel_clock_new(CREEL_CLOCK_MANUAL), ct_count_new()};
	starve(step_delay, &s);
	starve(step_period, &s);
	starve(step_loop, &s);
	starve(step_reduce, &s);
	starve(step_many, &s);
	starve(step_watch, &s);
	starve(step_bounded, &s);
	starve(step_post, &s);
	ct_close(s.ex);
	creel_clock_unref(s.clock);
}
