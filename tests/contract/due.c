/* SPDX-License-Identifier: MIT */
/* Promise 40: tasks that start later, and tasks that expire. Tests that need real time use a clock
 * of their own, whose thread goes with it. */
#include "contract.h"

#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 60 };

#define HOUR CREEL_S(3600)

static creel_clock *manual(void)
{
	return creel_clock_new(CREEL_CLOCK_MANUAL);
}

/* Says in the log when it ran. */
struct ran {
	creel_clock *clock;
	struct ct_log *log;
};

static int task_ran(creel_task *task, const void *arg, size_t size)
{
	struct ran ran;
	(void)task;
	(void)size;
	memcpy(&ran, arg, sizeof ran);
	ct_log_add(ran.log, (long)creel_clock_now(ran.clock).ns);
	return 0;
}

static creel_future *submit_ran(creel_executor *ex, struct ran ran, int64_t delay_ns,
				int64_t expiry_ns)
{
	return creel_submit_with(ex, task_ran, &ran, sizeof ran,
				 &(creel_submit_options){.delay_ns = delay_ns,
							 .expiry_ns = expiry_ns,
							 .clock = ran.clock});
}

static uint64_t delayed(creel_executor *ex)
{
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	return stats.delayed;
}

static void expired(creel_future *f)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXPIRED);
	ct_int(creel_future_error(f)->code, -ETIMEDOUT);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_FINAL);
}

CASE(c40_a_delayed_task_starts_when_it_is_due_and_not_before, CT_INPROC)
{
	struct ran ran = {manual(), ct_log_new(4)};
	creel_executor *ex = ct_executor();
	creel_future *f = submit_ran(ex, ran, 10, 0);
	long due = (long)creel_clock_now(ran.clock).ns + 10;
	ct_int(creel_clock_advance(ran.clock, 9), 0);
	ct_int(delayed(ex), 1);
	/* What is not due, nobody waits for. */
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ran.log->n, 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_clock_advance(ran.clock, 1), 0);
	ct_int(ct_outcome(f), 0);
	ct_int(ran.log->entry[0], due);
	ct_int(delayed(ex), 0);
	creel_future_unref(f);
	ct_close(ex);
	creel_clock_unref(ran.clock);
}

CASE(c40_tasks_start_in_the_order_of_their_due_times, CT_INPROC | CT_STRICT)
{
	creel_clock *clock = manual();
	struct ct_log *log = ct_log_new(MANY);
	creel_executor *ex = ct_executor();
	creel_future *f[MANY];
	unsigned seed = 7;
	for (long i = 0; i < MANY; i++) {
		seed = seed * 1664525 + 1013904223;
		const struct ct_logged arg = {log, (long)(seed >> 8) % 7 * 1000 + i};
		f[i] = creel_submit_with(
			ex, task_log, &arg, sizeof arg,
			&(creel_submit_options){.delay_ns = 1 + arg.value / 1000, .clock = clock});
	}
	ct_int(creel_clock_advance(clock, 10), 0);
	for (int i = 0; i < MANY; i++) {
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	ct_int(log->n, MANY);
	for (int i = 1; i < MANY; i++)
		ct_assert(log->entry[i - 1] < log->entry[i]);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c40_by_the_real_clock_too_no_task_starts_before_it_is_due, 0)
{
	creel_clock *clock = creel_clock_new(0);
	struct ran ran = {NULL, ct_log_new(1)};
	creel_executor *ex = ct_executor();
	creel_deadline before = creel_now();
	creel_future *f = creel_submit_with(
		ex, task_ran, &ran, sizeof ran,
		&(creel_submit_options){.delay_ns = CREEL_MS(3), .clock = clock});
	ct_int(ct_outcome(f), 0);
	ct_assert((int64_t)ran.log->entry[0] - (long)before.ns >= CREEL_MS(3));
	creel_future_unref(f);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c40_cancelling_a_delayed_task_gives_all_back_at_once, 0)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *freed = ct_count_new(), *done = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit_with(ex, task_nothing, NULL, CREEL_BY_REF,
					    &(creel_submit_options){.delay_ns = HOUR,
								    .expiry_ns = 2 * HOUR,
								    .clock = clock,
								    .name = "later",
								    .arg_free = arg_free_count,
								    .arg_ctx = freed});
	ct_int(creel_future_on_done(f, NULL, done_count, done, NULL, NULL), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(ct_count_get(freed), 1);
	ct_int(ct_count_get(done), 1);
	ct_int(delayed(ex), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(ct_outcome(f), -ECANCELED);
	ct_text(creel_future_error(f)->task, "later");
	creel_future_unref(f);
	/* Its thread goes, since there is no timer left. */
	creel_clock_unref(clock);
	ct_close(ex);
}

CASE(c40_killing_a_delayed_task_cancels_it, 0)
{
	creel_clock *clock = creel_clock_new(0);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit_with(
		ex, task_nothing, NULL, 0,
		&(creel_submit_options){.delay_ns = HOUR, .clock = clock});
	ct_int(creel_future_kill(f, 0), CREEL_CANCEL_NOW);
	ct_int(ct_outcome(f), -ECANCELED);
	creel_future_unref(f);
	creel_clock_unref(clock);
	ct_close(ex);
}

CASE(c40_a_task_expires_at_its_time_while_no_worker_is_free, CT_ASYNC | CT_INPROC)
{
	struct ran ran = {manual(), ct_log_new(1)};
	struct ct_count *freed = ct_count_new();
	struct ct_hold hold;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = creel_submit_with(ex, task_ran, &ran, sizeof ran,
					    &(creel_submit_options){.expiry_ns = 100,
								    .clock = ran.clock,
								    .arg_free = arg_free_count,
								    .arg_ctx = freed});
	creel_future *both = submit_ran(ex, ran, 50, 100);
	ct_int(creel_clock_advance(ran.clock, 99), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_future_state(both), CREEL_FUTURE_PENDING);
	ct_int(creel_clock_advance(ran.clock, 1), 0);
	ct_int(ct_count_get(freed), 1);
	expired(f);
	expired(both);
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ran.log->n, 0);
	creel_future_unref(f);
	creel_future_unref(both);
	ct_close(ex);
	creel_clock_unref(ran.clock);
}

CASE(c40_by_the_real_clock_too_a_task_expires, CT_ASYNC)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *ran = ct_count_new(), *done = ct_count_new();
	struct ct_hold hold;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = creel_submit_with(
		ex, task_count, &ran, sizeof ran,
		&(creel_submit_options){.expiry_ns = CREEL_MS(1), .clock = clock});
	ct_int(creel_future_on_done(f, NULL, done_count, done, NULL, NULL), 0);
	ct_count_await(done, 1);
	expired(f);
	ct_release(&hold);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
	creel_clock_unref(clock);
}

CASE(c40_what_has_started_does_not_expire, CT_ASYNC)
{
	/* The second one expires: so the time of the first is over. */
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *gate = ct_count_new(), *started = ct_count_new();
	const struct ct_gated arg = {started, gate, 5};
	creel_executor *ex = ct_executor();
	ct_slow_down(ex);
	creel_future *f = creel_submit_with(
		ex, task_gated, &arg, sizeof arg,
		&(creel_submit_options){.expiry_ns = HOUR, .clock = clock});
	ct_count_await(started, 1);
	/* Every worker is busy then. */
	struct ct_hold hold = {.n = 0};
	if (ct_width() > 1)
		ct_hold_n(&hold, ex, ct_width() - 1);
	creel_future *second = creel_submit_with(
		ex, task_nothing, NULL, 0,
		&(creel_submit_options){.expiry_ns = CREEL_MS(1), .clock = clock});
	expired(second);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	if (hold.n)
		ct_release(&hold);
	ct_open(gate);
	ct_int(ct_long_drop(f), 5);
	creel_future_unref(second);
	ct_close(ex);
	creel_clock_unref(clock);
}

/* A task that is running when its time comes. */
CASE(c40_a_running_task_is_not_asked_to_stop_by_its_expiry, CT_ASYNC | CT_INPROC)
{
	creel_clock *clock = manual();
	struct ct_count *gate = ct_count_new(), *started = ct_count_new();
	const struct ct_gated arg = {started, gate, 5};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit_with(
		ex, task_gated, &arg, sizeof arg,
		&(creel_submit_options){.expiry_ns = 10, .clock = clock});
	ct_count_await(started, 1);
	ct_int(creel_clock_advance(clock, 10), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	ct_open(gate);
	ct_int(ct_long_drop(f), 5);
	ct_close(ex);
	creel_clock_unref(clock);
}

static void shut_down(creel_future *f)
{
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
	ct_int(creel_future_error(f)->code, -ESHUTDOWN);
	creel_future_unref(f);
}

static creel_future *submit_hour(creel_executor *ex, creel_clock *clock, struct ct_count *freed)
{
	return creel_submit_with(ex, task_nothing, NULL, CREEL_BY_REF,
				 &(creel_submit_options){.delay_ns = HOUR,
							 .clock = clock,
							 .arg_free = arg_free_count,
							 .arg_ctx = freed});
}

CASE(c40_shutdown_fails_what_is_not_due, 0)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *freed = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f[3], *late;
	for (int i = 0; i < 3; i++)
		f[i] = submit_hour(ex, clock, freed);
	size_t left = 1;
	(void)creel_executor_shutdown(ex, 0, CREEL_NOW, &left);
	ct_int(ct_count_get(freed), 3);
	for (int i = 0; i < 3; i++)
		shut_down(f[i]);
	late = submit_hour(ex, clock, freed);
	ct_int(ct_count_get(freed), 4);
	shut_down(late);
	ct_close(ex);
	creel_clock_unref(clock);
}

CASE(c40_the_last_reference_fails_what_is_not_due, 0)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *freed = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = submit_hour(ex, clock, freed);
	creel_executor *second = creel_executor_ref(ex);
	creel_executor_unref(ex);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	creel_executor_unref(second);
	ct_int(ct_count_get(freed), 1);
	shut_down(f);
	creel_clock_unref(clock);
}

CASE(c40_what_is_due_still_runs_after_shutdown, CT_ASYNC | CT_INPROC)
{
	struct ran ran = {manual(), ct_log_new(1)};
	struct ct_hold hold;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = submit_ran(ex, ran, 10, 0);
	ct_int(creel_clock_advance(ran.clock, 10), 0);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_release(&hold);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
	creel_clock_unref(ran.clock);
}

static void told_count(void *ctx, const creel_error *error)
{
	ct_int(error->kind, CREEL_KIND_SHUT_DOWN);
	ct_count_add(ctx, 1);
}

CASE(c40_a_spawned_task_that_is_not_due_is_told_of_at_shutdown, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *told = ct_count_new();
	creel_executor *ex = ct_initialized_told(NULL, told_count, told);
	ct_int(creel_spawn(ex, task_nothing, NULL, 0,
			   &(creel_submit_options){.delay_ns = HOUR, .clock = clock}),
	       0);
	ct_int(ct_count_get(told), 0);
	ct_close(ex);
	ct_int(ct_count_get(told), 1);
	creel_clock_unref(clock);
}

static void told_expired(void *ctx, const creel_error *error)
{
	ct_int(error->kind, CREEL_KIND_EXPIRED);
	ct_count_add(ctx, 1);
}

CASE(c40_a_spawned_task_that_expires_is_told_of, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	struct ct_count *told = ct_count_new();
	struct ct_hold hold;
	creel_executor *ex = ct_initialized_told(NULL, told_expired, told);
	ct_hold_n(&hold, ex, 1);
	ct_int(creel_spawn(ex, task_nothing, NULL, 0,
			   &(creel_submit_options){.expiry_ns = 1, .clock = clock}),
	       0);
	ct_release(&hold);
	ct_close(ex);
	ct_int(ct_count_get(told), 1);
	creel_clock_unref(clock);
}

CASE(c40_a_clock_that_is_dropped_breaks_what_waits_for_it, CT_INPROC)
{
	struct ran ran = {manual(), ct_log_new(1)};
	creel_executor *ex = ct_executor();
	creel_future *f = submit_ran(ex, ran, 10, 0), *expiring = submit_ran(ex, ran, 0, 10);
	creel_clock_unref(ran.clock);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_BROKEN);
	/* One that merely could have expired goes on. */
	ct_int(ct_outcome(expiring), 0);
	creel_future_unref(f);
	creel_future_unref(expiring);
	ct_close(ex);
}

/* Waits for a delayed task of its own executor: another worker runs that, once it is due. */
struct nested {
	creel_future *f;
	int tid;
	struct ct_count *known;
};

static int task_wait(creel_task *task, const void *arg, size_t size)
{
	struct nested *n;
	(void)task;
	(void)size;
	memcpy(&n, arg, sizeof n);
	n->tid = (int)syscall(SYS_gettid);
	ct_open(n->known);
	return creel_future_result(n->f, CREEL_FOREVER, NULL, 0);
}

CASE(c40_a_worker_that_waits_for_a_task_does_not_run_it_before_it_is_due,
     CT_INPROC | CT_PARALLEL | CT_LINUX * CT_SYSTEM)
{
	struct ran ran = {manual(), ct_log_new(1)};
	creel_executor *ex = ct_executor();
	struct nested n = {submit_ran(ex, ran, 10, 0), 0, ct_count_new()}, *pn = &n;
	creel_future *f = creel_submit(ex, task_wait, &pn, sizeof pn);
	ct_pass(n.known);
	ct_await_asleep(n.tid);
	ct_int(ran.log->n, 0);
	ct_int(creel_clock_advance(ran.clock, 10), 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	creel_future_unref(n.f);
	ct_close(ex);
	creel_clock_unref(ran.clock);
}

CORE_CASE_WITH(c40_a_forked_child_has_nothing_of_a_delayed_task, CT_BUSY_FORK)
{
	creel_clock *clock = manual();
	creel_executor *ex = creel_inline_new();
	struct ct_count *freed = ct_count_new();
	creel_future *f = submit_hour(ex, clock, freed);
	pid_t pid = fork();
	ct_assert(pid >= 0);
	if (pid == 0) {
		CHILD(creel_future_state(f) == -EPERM);
		CHILD(creel_future_cancel(f) == -EPERM);
		CHILD(creel_clock_advance(clock, HOUR) == -EPERM);
		creel_executor *own = creel_inline_new();
		creel_future *refused = submit_hour(own, clock, freed);
		CHILD(creel_future_error(refused)->code == -EPERM);
		CHILD(strstr(creel_future_error(refused)->message, "clock"));
		creel_future_unref(refused);
		creel_executor_unref(own);
		creel_future_unref(f);
		creel_executor_unref(ex);
		creel_clock_unref(clock);
		_exit(ct_count_get(freed) != 1);
	}
	int status = 0;
	ct_int(waitpid(pid, &status, 0), pid);
	ct_int(status, 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	creel_executor_unref(ex);
	shut_down(f);
	creel_clock_unref(clock);
}

static void refused(creel_executor *ex, creel_submit_options o, int code, const char *says)
{
	struct ct_count *freed = ct_count_new();
	creel_future *f = NULL;
	o.arg_free = arg_free_count;
	o.arg_ctx = freed;
	ct_int(creel_try_submit(ex, task_nothing, NULL, CREEL_BY_REF, &o, &f), code);
	ct_int(ct_count_get(freed), 0);
	f = creel_submit_with(ex, task_nothing, NULL, CREEL_BY_REF, &o);
	ct_int(creel_future_error(f)->code, code);
	ct_has(creel_future_error(f)->message, says);
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
}

CASE(bad_times_are_refused_and_named, 0)
{
	creel_executor *ex = ct_executor();
	creel_clock *wrong = creel_clock_new(1u << 30), *clock = manual();
	refused(ex, (creel_submit_options){.delay_ns = -5}, -EINVAL, "delay_ns is -5");
	refused(ex, (creel_submit_options){.expiry_ns = -1}, -EINVAL, "expiry_ns is -1");
	refused(ex, (creel_submit_options){.delay_ns = 7, .expiry_ns = 7}, -EINVAL,
		"expiry_ns is 7 and delay_ns is 7");
	refused(ex, (creel_submit_options){.delay_ns = 1, .clock = wrong}, -EINVAL, "flags");
	if (!ct_is(CT_INPROC))
		refused(ex, (creel_submit_options){.delay_ns = 1, .clock = clock}, -ENOTSUP,
			"manual");
	creel_clock_unref(wrong);
	creel_clock_unref(clock);
	ct_close(ex);
}

/* A time too large for a clock never comes, and is not "now". */
CASE(c40_a_huge_delay_is_not_over_at_once, 0)
{
	static const int64_t huge[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
	creel_clock *clock = creel_clock_new(0);
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 3; i++) {
		creel_submit_options o = {.delay_ns = huge[i], .clock = clock};
		creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0, &o);
		ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		creel_future_unref(f);
		o = (creel_submit_options){.expiry_ns = huge[i], .clock = clock};
		f = creel_submit_with(ex, task_nothing, NULL, 0, &o);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
	}
	ct_close(ex);
	creel_clock_unref(clock);
}
