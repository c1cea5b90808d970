/* SPDX-License-Identifier: MIT */
/* Promises 13, 14, 18 and 22: how many workers a thread pool has, and when. */
#include "contract.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static creel_stats stats_of(creel_executor *ex)
{
	creel_stats s;
	ct_int(creel_executor_stats(ex, &s, sizeof s), 0);
	return s;
}

/* Promise 13. */

CASE(c13_no_worker_is_started_before_there_is_work, CT_POOL)
{
	unsigned before = ct_threads();
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	ct_int(ct_threads(), before);
	ct_int(stats_of(ex).workers, 0);
	/* Of more the first submission may start two: one that finds nothing yet, and another. */
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_int(stats_of(ex).workers, 0);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	ct_int(stats_of(ex).started, 1);
	ct_int(ct_threads(), before + 1);
	ct_close(ex);
}

CASE(c13_an_idle_worker_is_used_before_another_is_started, CT_POOL | CT_SYSTEM)
{
	int tid;
	struct ct_count *ran = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 1, .name = "single"};
	creel_executor *ex = ct_pool(o);
	for (int i = 0; i < 100; i++) {
		ct_int(ct_long_drop(ct_submit_count(ex, ran)), i + 1);
		/* Idle, and done with its last look for work: another one is started for what it
		 * finds in that. */
		ct_until(stats_of(ex).idle == 1);
		ct_int(ct_threads_named("single-", &tid, 1), 1);
		ct_await_asleep(tid);
		ct_int(creel_executor_resize(ex, (int)ct_width()), 0);
	}
	ct_int(stats_of(ex).started, 1);
	ct_close(ex);
}

CASE(c13_as_many_workers_start_as_tasks_are_there_up_to_the_maximum, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 3};
	creel_executor *ex = ct_pool(o);
	creel_future *futures[10];
	for (uint32_t i = 0; i < 10; i++) {
		futures[i] = ct_submit_gated(ex, started, gate, i);
		ct_count_await(started, i < 3 ? i + 1 : 3);
	}
	ct_int(stats_of(ex).workers, 3);
	ct_int(stats_of(ex).running, 3);
	ct_int(stats_of(ex).pending, 7);
	ct_int(ct_count_get(started), 3);
	ct_open(gate);
	for (int i = 0; i < 10; i++)
		ct_int(ct_long_drop(futures[i]), i);
	ct_int(stats_of(ex).started, 3);
	ct_close(ex);
}

CASE(c13_a_task_is_not_stuck_behind_one_that_blocks_its_worker, CT_POOL)
{
	enum { N = 40 };
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new(), *started = ct_count_new(), *gate = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 2};
	creel_executor *ex = ct_pool(o);
	ct_hold_n(&hold, ex, 2);
	creel_future *blocker = ct_submit_gated(ex, started, gate, 1);
	for (int i = 0; i < N; i++)
		creel_future_unref(ct_submit_count(ex, ran));
	ct_release(&hold);
	ct_count_await(started, 1);
	/* Whatever the blocked worker claimed with the blocker, the other one runs it. */
	ct_count_await(ran, N);
	ct_int(creel_future_state(blocker), CREEL_FUTURE_RUNNING);
	ct_open(gate);
	ct_int(ct_long_drop(blocker), 1);
	ct_close(ex);
}

CASE(c13_a_larger_maximum_lets_waiting_tasks_start, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 1};
	creel_executor *ex = ct_pool(o);
	creel_future *futures[4];
	for (int i = 0; i < 4; i++)
		futures[i] = ct_submit_gated(ex, started, gate, i);
	ct_count_await(started, 1);
	ct_int(creel_executor_resize(ex, 4), 0);
	ct_count_await(started, 4);
	/* Surplus workers go after their task. */
	ct_int(creel_executor_resize(ex, 2), 0);
	ct_open(gate);
	for (int i = 0; i < 4; i++)
		ct_int(ct_long_drop(futures[i]), i);
	ct_until(stats_of(ex).workers <= 2);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_until(stats_of(ex).workers <= 1);
	ct_close(ex);
}

/* A finalizer that takes its time. */
static void slow_fini(void *ctx, void *local)
{
	(void)local;
	struct ct_gated *goodbye = ctx;
	ct_count_add(goodbye->started, 1);
	ct_pass(goodbye->gate);
}

CASE(c13_a_smaller_maximum_leaves_somebody_to_run_what_waits, CT_POOL)
{
	enum { BUSY = 4, N = 20 };
	for (int most = 1; most <= 3; most++) {
		struct ct_count *started = ct_count_new(), *gate = ct_count_new();
		struct ct_count *ran = ct_count_new();
		struct ct_gated goodbye = {ct_count_new(), ct_count_new(), 0};
		creel_thread_pool_options o = {
			.max_workers = BUSY, .finalizer = slow_fini, .ctx = &goodbye};
		creel_executor *ex = ct_pool(o);
		for (uint32_t i = 0; i < BUSY; i++)
			creel_future_unref(ct_submit_gated(ex, started, gate, 0));
		ct_count_await(started, BUSY);
		for (int i = 0; i < N; i++)
			creel_future_unref(ct_submit_count(ex, ran));
		ct_int(creel_executor_resize(ex, most), 0);
		/* All find at once that there are too many of them; as many as may stay do. */
		ct_open(gate);
		ct_count_await(ran, N);
		ct_open(goodbye.gate);
		ct_close(ex);
	}
}

/* Promise 14. */

CASE(c14_the_default_size_respects_the_affinity_of_the_process, CT_POOL | CT_SYSTEM)
{
	cpu_set_t all, one;
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *futures[3];
	ct_int(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	ct_int(sched_setaffinity(0, sizeof one, &one), 0);
	creel_executor *ex = creel_thread_pool_new(NULL);
	for (int i = 0; i < 3; i++)
		futures[i] = ct_submit_gated(ex, started, gate, i);
	ct_count_await(started, 1);
	ct_int(stats_of(ex).workers, 1);
	ct_int(stats_of(ex).pending, 2);
	ct_open(gate);
	for (int i = 0; i < 3; i++)
		ct_int(ct_long_drop(futures[i]), i);
	ct_int(stats_of(ex).started, 1);
	ct_close(ex);
	ct_int(sched_setaffinity(0, sizeof all, &all), 0);
}

CASE(c14_the_default_size_is_at_least_one_and_at_most_the_cpus, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	cpu_set_t all;
	ct_int(sched_getaffinity(0, sizeof all, &all), 0);
	int n = CPU_COUNT(&all) + 2;
	creel_executor *ex = creel_thread_pool_new(NULL);
	for (int i = 0; i < n; i++)
		creel_future_unref(ct_submit_gated(ex, started, gate, i));
	ct_count_await(started, 1);
	creel_stats s = stats_of(ex);
	ct_assert(s.workers >= 1 && s.workers <= (unsigned)CPU_COUNT(&all));
	ct_open(gate);
	ct_close(ex);
}

/* A pool of such options is broken, in these words. */
static void is_refused(const creel_thread_pool_options *o, const char *says)
{
	creel_executor *ex = creel_thread_pool_new(o);
	ct_assert(ex != NULL);
	const creel_error *e = creel_executor_error(ex);
	if (!e)
		ct_fail(__FILE__, __LINE__, "a pool was made, for which it says \"%s\"", says);
	ct_int(e->kind, CREEL_KIND_BROKEN);
	ct_int(e->code, -EINVAL);
	ct_text(e->message, says);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_BROKEN);
	ct_text(creel_future_error(f)->message, says);
	creel_future_unref(f);
	ct_int(creel_executor_drain(ex, CREEL_FOREVER), 0);
	ct_close(ex);
}

#define REFUSED "creel_thread_pool_new: "

CORE_CASE(bad_pool_options_make_a_broken_pool_that_names_field_and_value)
{
	static const struct {
		creel_thread_pool_options o;
		const char *says;
	} bad[] = {
		{{.max_workers = -1}, "max_workers is -1; use 0 for the default, or a count"},
		{{.max_workers = INT_MIN},
		 "max_workers is -2147483648; use 0 for the default, or a count"},
		{{.min_workers = -7}, "min_workers is -7; use 0 for none, or a count"},
		{{.max_workers = 2, .min_workers = 3},
		 "min_workers is 3 and max_workers is 2; raise max_workers, or lower min_workers "
		 "to it"},
		{{.flags = 4},
		 "flags is 4; use CREEL_KEEP_SIGNALS, "
		 "CREEL_PRESTART, CREEL_RENDEZVOUS, CREEL_TRACE or 0"},
		{{.flags = UINT_MAX},
		 "flags is 4294967295; use CREEL_KEEP_SIGNALS, CREEL_PRESTART, CREEL_RENDEZVOUS, "
		 "CREEL_TRACE or 0"},
		{{.idle_ns = -5},
		 "idle_ns is -5; use 0 for the default, CREEL_NEVER to keep workers"},
		{{.help = 3},
		 "help is 3; use CREEL_HELP_WORKERS, CREEL_HELP_NONE or CREEL_HELP_ANY"},
		{{.help = -1},
		 "help is -1; use CREEL_HELP_WORKERS, CREEL_HELP_NONE or CREEL_HELP_ANY"},
		{{.spin_ns = -5}, "spin_ns is -5; use 0 for none, or a duration"},
		{{.max_threads = -3}, "max_threads is -3; use 0 for the default, or a count"},
		{{.max_workers = 3, .max_threads = 2},
		 "max_threads is 2 and the pool may have 3 workers; "
		 "use 0 for the default, or at least as many as workers"},
		{{.min_workers = 2, .max_threads = 1},
		 "max_threads is 1 and the pool may have 2 workers; "
		 "use 0 for the default, or at least as many as workers"},
		{{.reserved32 = 3},
		 "reserved32 of the options is 3, not 0; "
		 "initialise the options with {0} or designated initializers"},
		{{.ageing_ns = -5},
		 "ageing_ns is -5; use 0 for the default, CREEL_NEVER for bands that do not age"},
		{{.reserved = {0, 0, 1}},
		 "reserved[2] of the options is 1, not 0; "
		 "initialise the options with {0} or designated initializers"},
		{{.reserved = {0, 0, 0, 0, 0, 0, 0, UINT64_MAX}},
		 "reserved[7] of the options is 18446744073709551615, not 0; "
		 "initialise the options with {0} or designated initializers"},
	};
	char says[200];
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(says, sizeof says, REFUSED "%s", bad[i].says);
		is_refused(&bad[i].o, says);
	}
}

CORE_CASE(bad_sizes_of_stacks_are_named_and_what_they_may_be)
{
	long least = sysconf(_SC_THREAD_STACK_MIN);
	char says[200];
	snprintf(says, sizeof says,
		 REFUSED "stack_size is %ld; use 0 for the system's, or at least %ld bytes",
		 least - 1, least);
	is_refused(&(creel_thread_pool_options){.stack_size = (size_t)least - 1}, says);
	snprintf(says, sizeof says,
		 REFUSED "stack_size is %zu; that is larger than any object; use 0 for the "
			 "system's, or bytes: was a negative number passed?",
		 SIZE_MAX);
	is_refused(&(creel_thread_pool_options){.stack_size = SIZE_MAX}, says);
}

/* Promise 18. */

CASE(c18_without_any_worker_a_submission_is_rejected_and_the_pool_stays_usable, CT_POOL)
{
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *none = NULL;
	creel_executor *ex = ct_executor();
	ct_fault_arm(CT_FAULT_THREAD, 1, true);
	ct_int(creel_try_submit(ex, task_count, &ran, sizeof ran, &o, &none), -EAGAIN);
	ct_assert(none == NULL);
	ct_int(ct_count_get(freed), 0);
	creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	ct_fault_off();
	ct_assert(ct_fault_failed() >= 2);
	ct_int(ct_count_get(freed), 1);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_REJECTED);
	ct_int(creel_future_error(f)->code, -EAGAIN);
	ct_int(creel_future_error(f)->err, EAGAIN);
	ct_has(creel_future_error(f)->message, "thread");
	creel_future_unref(f);
	ct_assert(creel_executor_error(ex) == NULL);
	/* It never ran, and nothing of it is left: the next one is the first. */
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	ct_close(ex);
}

CASE(c18_with_a_worker_alive_a_thread_that_cannot_be_had_is_no_failure, CT_POOL)
{
	for (unsigned n = 2; n <= 4; n++) {
		struct ct_count *started = ct_count_new(), *gate = ct_count_new();
		creel_thread_pool_options o = {.max_workers = 4};
		creel_future *futures[12];
		creel_executor *ex = ct_pool(o);
		ct_fault_arm(CT_FAULT_THREAD, n, true);
		for (uint32_t i = 0; i < 12; i++) {
			futures[i] = ct_submit_gated(ex, started, gate, i);
			ct_assert(creel_future_error(futures[i]) == NULL);
			ct_count_await(started, i + 1 < n ? i + 1 : n - 1);
		}
		ct_assert(ct_fault_failed() >= 1);
		ct_int(stats_of(ex).workers, n - 1);
		ct_fault_off();
		ct_open(gate);
		for (int i = 0; i < 12; i++)
			ct_int(ct_long_drop(futures[i]), i);
		ct_close(ex);
	}
}

/* libc sets errno when it has no memory for a stack; as support/faults.c does. */
CASE(c18_a_thread_that_cannot_be_had_leaves_errno_alone, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 1});
	ct_fault_arm(CT_FAULT_THREAD, 1, false);
	errno = 4242;
	creel_future *refused = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(errno, 4242);
	ct_int(ct_fault_failed(), 1);
	ct_int(ct_outcome(refused), CREEL_EFAILED);
	creel_future *f = ct_submit_gated(ex, started, gate, 1);
	ct_count_await(started, 1);
	ct_int(creel_executor_resize(ex, 2), 0);
	ct_fault_arm(CT_FAULT_THREAD, 1, false);
	errno = 4242;
	creel_future *g = ct_submit_gated(ex, started, gate, 2);
	ct_int(errno, 4242);
	ct_int(ct_fault_failed(), 1);
	ct_fault_off();
	ct_open(gate);
	ct_int(ct_long_drop(f), 1);
	ct_int(ct_long_drop(g), 2);
	creel_future_unref(refused);
	ct_close(ex);
}

CASE(c18_once_threads_can_be_had_again_the_pool_grows, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new(), *ran = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 1};
	creel_executor *ex = ct_pool(o);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	ct_until(stats_of(ex).idle == 1);
	creel_future_unref(ct_submit_gated(ex, started, gate, 0));
	ct_count_await(started, 1);
	ct_int(creel_executor_resize(ex, 3), 0);
	ct_fault_arm(CT_FAULT_THREAD, 1, true);
	creel_future_unref(ct_submit_gated(ex, started, gate, 0));
	ct_assert(ct_fault_failed() >= 1);
	ct_fault_off();
	ct_open(gate);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_until(stats_of(ex).idle == 1);
	/* At the latest once a worker was idle: three at once need three workers. */
	gate = ct_count_new();
	for (int i = 0; i < 3; i++)
		creel_future_unref(ct_submit_gated(ex, started, gate, 0));
	ct_count_await(started, 5);
	ct_int(stats_of(ex).workers, 3);
	ct_open(gate);
	ct_close(ex);
}

CASE(c18_a_task_accepted_while_the_last_workers_retire_still_runs, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new(), *ran = ct_count_new();
	struct ct_gated goodbye = {ct_count_new(), ct_count_new(), 0};
	creel_thread_pool_options o = {
		.max_workers = 2, .idle_ns = 1, .finalizer = slow_fini, .ctx = &goodbye};
	creel_future *f = NULL;
	creel_executor *ex = ct_pool(o);
	for (int i = 0; i < 2; i++)
		creel_future_unref(ct_submit_gated(ex, started, gate, 0));
	ct_count_await(started, 2);
	ct_open(gate);
	ct_count_await(goodbye.started, 2);
	ct_fault_arm(CT_FAULT_THREAD, 1, true);
	int rc = creel_try_submit(ex, task_count, &ran, sizeof ran, NULL, &f);
	ct_fault_off();
	ct_open(goodbye.gate);
	/* Both are on their way out. Refused, or accepted and run: nothing between. */
	ct_assert(rc == 0 || rc == -EAGAIN);
	if (rc == 0)
		ct_int(ct_long_drop(f), 1);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(ran), rc == 0);
	ct_close(ex);
}

/* Promise 22. */

CASE(c22_idle_workers_sleep_and_stay_asleep, CT_POOL | CT_SYSTEM)
{
	int tids[16];
	long switches[16];
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 4, .idle_ns = CREEL_NEVER, .name = "lazy"};
	creel_executor *ex = ct_pool(o);
	for (int i = 0; i < 4; i++)
		creel_future_unref(ct_submit_gated(ex, started, gate, i));
	ct_count_await(started, 4);
	ct_open(gate);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_until(stats_of(ex).idle == 4);
	unsigned n = ct_threads_named("lazy-", tids, 16);
	ct_int(n, 4);
	/* They count as idle before they have looked for tasks once more, and locked for that. */
	ct_await_all_asleep(tids, n, switches);
	for (unsigned i = 0; i < n; i++)
		ct_assert(switches[i] > 0);
	/* That nothing happens is what is looked at: here a span of time is the event. */
	for (int ms = 0; ms < 150; ms++)
		ct_breathe();
	for (unsigned i = 0; i < n; i++)
		ct_int(ct_thread_status(tids[i], "voluntary_ctxt_switches"), switches[i]);
	ct_close(ex);
}

CASE(c22_idle_workers_retire_down_to_the_minimum, CT_POOL)
{
	struct ct_count *ran = ct_count_new();
	unsigned before = ct_threads();
	for (int least = 0; least <= 2; least++) {
		struct ct_count *started = ct_count_new(), *gate = ct_count_new();
		creel_thread_pool_options o = {
			.max_workers = 4, .min_workers = least, .idle_ns = 2000000};
		creel_executor *ex = ct_pool(o);
		for (uint32_t i = 0; i < 4; i++)
			creel_future_unref(ct_submit_gated(ex, started, gate, i));
		ct_count_await(started, 4);
		ct_open(gate);
		ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		ct_until(stats_of(ex).workers <= (unsigned)least);
		ct_until(ct_threads() == before + (unsigned)least);
		/* Far longer than the idle time: those that stay do stay. */
		for (int ms = 0; ms < 20; ms++)
			ct_breathe();
		ct_int(stats_of(ex).workers, least);
		/* And it works on. */
		ct_int(ct_long_drop(ct_submit_count(ex, ran)), least + 1);
		ct_close(ex);
	}
}

CASE(c22_a_smaller_maximum_does_not_lower_the_minimum_for_good, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 4, .min_workers = 3, .idle_ns = 2000000};
	creel_executor *ex = ct_pool(o);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_int(creel_executor_resize(ex, 4), 0);
	for (uint32_t i = 0; i < 4; i++)
		creel_future_unref(ct_submit_gated(ex, started, gate, i));
	ct_count_await(started, 4);
	ct_open(gate);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_until(stats_of(ex).workers <= 3);
	/* Far longer than the idle time: those that stay do stay. */
	for (int ms = 0; ms < 20; ms++)
		ct_breathe();
	ct_int(stats_of(ex).workers, 3);
	ct_int(creel_executor_resize(ex, 2), 0);
	ct_until(stats_of(ex).workers <= 2);
	for (int ms = 0; ms < 20; ms++)
		ct_breathe();
	ct_int(stats_of(ex).workers, 2);
	ct_close(ex);
}

static int end_the_thread(creel_task *task, const void *arg, size_t size)
{
	task_gated(task, arg, size);
	pthread_exit(NULL);
}

CASE(c01_a_task_accepted_while_tasks_end_their_workers_still_runs, CT_POOL)
{
	struct ct_gated gated = {ct_count_new(), ct_count_new(), 0};
	struct ct_gated goodbye = {ct_count_new(), ct_count_new(), 0};
	struct ct_count *ran = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 2, .finalizer = slow_fini, .ctx = &goodbye};
	creel_executor *ex = ct_pool(o);
	for (int i = 0; i < 2; i++)
		creel_future_unref(creel_submit(ex, end_the_thread, &gated, sizeof gated));
	ct_count_await(gated.started, 2);
	ct_open(gated.gate);
	ct_count_await(goodbye.started, 2);
	creel_future *f = ct_submit_count(ex, ran);
	ct_open(goodbye.gate);
	ct_int(ct_long_drop(f), 1);
	ct_close(ex);
}

CASE(c22_workers_that_retire_together_leave_the_minimum, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_gated goodbye = {ct_count_new(), ct_count_new(), 0};
	creel_thread_pool_options o = {.max_workers = 2,
				       .min_workers = 2,
				       .idle_ns = 1,
				       .finalizer = slow_fini,
				       .ctx = &goodbye};
	creel_executor *ex = ct_pool(o);
	/* One worker a task: a third that came too early would go at once. */
	for (int i = 0; i < 4; i++) {
		ct_int(creel_executor_resize(ex, i < 2 ? 2 : i + 1), 0);
		creel_future_unref(ct_submit_gated(ex, started, gate, 0));
		ct_count_await(started, (uint32_t)i + 1);
	}
	ct_open(gate);
	ct_count_await(goodbye.started, 2);
	/* Longer than the idle time: those that would go too have the time to. */
	for (int ms = 0; ms < 20; ms++)
		ct_breathe();
	ct_int(ct_count_get(goodbye.started), 2);
	ct_open(goodbye.gate);
	ct_until(stats_of(ex).workers <= 2);
	ct_int(stats_of(ex).workers, 2);
	ct_close(ex);
}

static int refuse_to_start(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return -EIO;
}

CASE(c15_a_broken_pool_that_is_shut_down_still_says_that_it_is_broken, CT_POOL)
{
	creel_executor *ex = ct_pool((creel_thread_pool_options){.initializer = refuse_to_start});
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	creel_future_unref(f);
	for (int round = 0; round < 2; round++) {
		ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, &f), CREEL_EFAILED);
		ct_int(creel_executor_resize(ex, 2), CREEL_EFAILED);
		ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	}
	ct_close(ex);
}
