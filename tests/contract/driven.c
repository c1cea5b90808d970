/* SPDX-License-Identifier: MIT */
/* Promise 52: a driven executor's tasks run only on a thread inside creel_driven_run(), in order;
 * its descriptor is readable exactly while something can run. driven_ready.c has descriptors. */
#include "driven.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/syscall.h>
#endif

static struct {
	creel_executor *ex;
	pthread_t thread;
	int order[8];
	int n, rc;
	creel_future *other;
	_Atomic int reached;
} seen;

static int task_note(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	seen.thread = pthread_self();
	seen.order[seen.n++] = *(const int *)arg;
	return 0;
}

static void note(creel_executor *ex, int value)
{
	ct_int(creel_spawn(ex, task_note, &value, sizeof value, NULL), 0);
}

static int task_note_and_submit(creel_task *task, const void *arg, size_t size)
{
	int next = *(const int *)arg + 1;
	(void)task_note(task, arg, size);
	return creel_spawn(creel_task_executor(task), task_note, &next, sizeof next, NULL);
}

static int task_stop(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_driven_stop(creel_task_executor(task));
}

CORE_CASE_WITH(c52_tasks_run_inside_run_on_its_thread_in_order, CT_SYSTEM)
{
	creel_executor *ex = driven();
	seen.n = 0;
	for (int i = 0; i < 3; i++)
		note(ex, i);
	ct_int(seen.n, 0);
	run_now(ex);
	ct_int(seen.n, 3);
	for (int i = 0; i < 3; i++)
		ct_int(seen.order[i], i);
	ct_assert(pthread_equal(seen.thread, pthread_self()));
	ct_close(ex);
}

CORE_CASE_WITH(c52_a_run_with_now_runs_what_was_queued_at_entry, CT_SYSTEM)
{
	creel_executor *ex = driven();
	int one = 1;
	seen.n = 0;
	ct_int(creel_spawn(ex, task_note_and_submit, &one, sizeof one, NULL), 0);
	run_now(ex);
	ct_int(seen.n, 1);
	ct_assert(readable(ex));
	run_now(ex);
	ct_int(seen.n, 2);
	ct_assert(!readable(ex));
	ct_close(ex);
}

CORE_CASE_WITH(c52_the_descriptor_is_readable_while_something_can_run, CT_SYSTEM)
{
	creel_executor *ex = driven();
	ct_assert(!readable(ex));
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_assert(readable(ex));
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_assert(!readable(ex));
	creel_future_unref(f);
	note(ex, 1);
	note(ex, 2);
	ct_assert(readable(ex));
	run_now(ex);
	ct_assert(!readable(ex));
	run_now(ex);
	ct_assert(!readable(ex));
	ct_close(ex);
}

#ifdef __linux__
static int edges(int set)
{
	struct epoll_event event;
	return epoll_wait(set, &event, 1, 0);
}

/* A loop that hears of changes alone hears of what a run leaves. */
CORE_CASE(c52_a_loop_that_is_edge_triggered_misses_nothing)
{
	creel_executor *ex = driven();
	int set = epoll_create1(EPOLL_CLOEXEC), one = 1;
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	ct_int(epoll_ctl(set, EPOLL_CTL_ADD, creel_driven_fd(ex), &event), 0);
	ct_int(edges(set), 0);
	seen.n = 0;
	ct_int(creel_spawn(ex, task_note_and_submit, &one, sizeof one, NULL), 0);
	ct_int(edges(set), 1);
	ct_int(edges(set), 0);
	run_now(ex);
	ct_int(edges(set), 1);
	run_now(ex);
	ct_int(edges(set), 0);
	/* A run that was stopped leaves as well. */
	note(ex, 3);
	note(ex, 4);
	ct_int(edges(set), 1);
	ct_int(creel_driven_stop(ex), 0);
	ct_int(creel_driven_run(ex, CREEL_NOW), 0);
	ct_int(edges(set), 1);
	run_now(ex);
	ct_int(seen.n, 4);
	close(set);
	ct_close(ex);
}
#endif

CORE_CASE_WITH(c52_a_stop_is_for_one_run, CT_SYSTEM)
{
	creel_executor *ex = driven();
	seen.n = 0;
	note(ex, 1);
	ct_int(creel_driven_stop(ex), 0);
	ct_int(creel_driven_stop(ex), 0);
	ct_int(creel_driven_run(ex, CREEL_FOREVER), 0);
	ct_int(seen.n, 0);
	ct_int(creel_spawn(ex, task_stop, NULL, 0, NULL), 0);
	note(ex, 2);
	ct_int(creel_driven_run(ex, CREEL_FOREVER), 0);
	ct_int(seen.n, 1);
	run_now(ex);
	ct_int(seen.n, 2);
	ct_close(ex);
}

CORE_CASE_WITH(c52_a_stop_wakes_a_runner_that_sleeps, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ct_thread *t = ct_thread_start(run_forever, ex);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	creel_future_unref(f);
	ct_int(creel_driven_stop(ex), 0);
	ct_int((intptr_t)ct_thread_join(t), 0);
	ct_close(ex);
}

CORE_CASE_WITH(c52_a_shutdown_ends_a_run, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ct_thread *t = ct_thread_start(run_forever, ex);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	creel_future_unref(f);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int((intptr_t)ct_thread_join(t), -ESHUTDOWN);
	ct_int(creel_driven_run(ex, CREEL_FOREVER), -ESHUTDOWN);
	ct_close(ex);
}

static int task_run_again(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	creel_executor *ex = creel_task_executor(task);
	seen.rc = creel_driven_run(ex, CREEL_NOW);
	return creel_driven_run_until(ex, seen.other, CREEL_NOW) == -EBUSY ? 0 : -EIO;
}

CORE_CASE_WITH(c52_a_second_or_nested_run_is_refused, CT_SYSTEM)
{
	creel_executor *ex = driven();
	seen.other = creel_submit(ex, task_run_again, NULL, 0);
	ct_int(creel_driven_run_until(ex, seen.other, CT_GUARD), 0);
	ct_int(creel_future_result(seen.other, CREEL_NOW, NULL, 0), 0);
	ct_int(seen.rc, -EBUSY);
	creel_future_unref(seen.other);

	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_thread *t = ct_thread_start(run_forever, ex);
	creel_future *f = ct_submit_gated(ex, started, gate, 1);
	ct_count_await(started, 1);
	ct_int(creel_driven_run(ex, CREEL_FOREVER), -EBUSY);
	ct_open(gate);
	ct_int(ct_long_drop(f), 1);
	ct_close(ex);
	ct_int((intptr_t)ct_thread_join(t), -ESHUTDOWN);
}

static int task_wait(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	size_t done = 0;
	seen.rc = creel_future_result(seen.other, CREEL_FOREVER, NULL, 0);
	if (creel_wait(&seen.other, 1, CREEL_ALL_COMPLETED, CT_GUARD, &done) != -EDEADLK)
		return -EIO;
	return creel_wait(&seen.other, 1, CREEL_FIRST_COMPLETED, CT_GUARD, &done) == -EDEADLK
		       ? 0
		       : -EIO;
}

CORE_CASE_WITH(c52_a_task_that_waits_for_a_later_one_is_told, CT_SYSTEM)
{
	creel_executor *ex = driven(), *inner = driven();
	creel_future *f = creel_submit(ex, task_wait, NULL, 0);
	seen.other = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_driven_run_until(ex, f, CT_GUARD), 0);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	ct_int(seen.rc, -EDEADLK);
	ct_int(creel_driven_run_until(ex, seen.other, CT_GUARD), 0);
	creel_future_unref(f);
	creel_future_unref(seen.other);
	/* Nobody is inside that one. */
	f = creel_submit(inner, task_nothing, NULL, 0);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ETIMEDOUT);
	creel_future_unref(f);
	ct_close(inner);
	ct_close(ex);
}

static int task_wait_for_another(creel_task *task, const void *arg, size_t size)
{
	creel_future *both[] = {seen.other, *(creel_future *const *)arg};
	(void)task;
	(void)size;
	seen.rc = creel_wait(both, 2, CREEL_FIRST_COMPLETED, CT_GUARD, NULL);
	/* Of this one all are waited for, unless the other fails. */
	both[1] = creel_promise_new();
	int rc = creel_wait(both, 2, CREEL_FIRST_ERROR, CT_GUARD, NULL);
	creel_future_unref(both[1]);
	return rc == -EDEADLK ? 0 : -EIO;
}

CORE_CASE_WITH(c52_a_task_may_wait_for_the_first_of_its_executors_and_another, CT_SYSTEM)
{
	creel_executor *ex = driven(), *pool = creel_thread_pool_new(NULL);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *f = ct_submit_gated(pool, started, gate, 1),
		     *waits = creel_submit(ex, task_wait_for_another, &f, sizeof f);
	seen.other = creel_submit(ex, task_nothing, NULL, 0);
	ct_count_await(started, 1);
	struct ct_thread *t = ct_thread_start(run_forever, ex);
	ct_open(gate);
	ct_int(creel_future_result(waits, CT_GUARD, NULL, 0), 0);
	ct_int(seen.rc, 0);
	ct_int(ct_long_drop(f), 1);
	creel_future_unref(waits);
	creel_future_unref(seen.other);
	ct_close(ex);
	ct_int((intptr_t)ct_thread_join(t), -ESHUTDOWN);
	ct_close(pool);
}

static int next_of(creel_executor *ex, creel_deadline deadline)
{
	creel_mapping *map = creel_map(ex, task_nothing, "abc", 1, 3, NULL);
	creel_future *f;
	int rc = creel_map_next(map, deadline, &f, NULL);
	if (rc == 0)
		creel_future_unref(f);
	creel_map_end(map);
	return rc;
}

static int task_map(creel_task *task, const void *arg, size_t size)
{
	creel_executor *ex = creel_task_executor(task), *pool = *(creel_executor *const *)arg;
	(void)size;
	creel_executor *serial = creel_serial_new(ex);
	int told = next_of(ex, CT_GUARD), polled = next_of(ex, CREEL_NOW);
	int beneath = next_of(serial, CT_GUARD);
	creel_executor_unref(serial);
	return told == -EDEADLK && polled == -ETIMEDOUT && beneath == -EDEADLK &&
			       next_of(pool, CT_GUARD) == 0
		       ? 0
		       : -EIO;
}

CORE_CASE_WITH(c52_a_task_that_maps_over_its_executor_is_told, CT_SYSTEM)
{
	creel_executor *ex = driven(), *pool = creel_thread_pool_new(NULL);
	creel_future *f = creel_submit(ex, task_map, &pool, sizeof pool);
	ct_int(creel_driven_run_until(ex, f, CT_GUARD), 0);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(f);
	ct_close(pool);
	ct_close(ex);
}

CORE_CASE_WITH(c52_run_until_waits_for_any_future, CT_SYSTEM)
{
	creel_executor *ex = driven(), *pool = creel_thread_pool_new(NULL);
	long seven = 7;
	creel_future *f = creel_submit(pool, task_double, &seven, sizeof seven);
	ct_int(creel_driven_run_until(ex, f, CT_GUARD), 0);
	ct_int(creel_driven_run_until(ex, f, CREEL_NOW), 0);
	ct_int(ct_long_drop(f), 14);
	f = creel_promise_new();
	ct_int(creel_driven_run_until(ex, f, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_driven_run_until(ex, f, creel_in_ms(1)), -ETIMEDOUT);
	ct_int(creel_driven_stop(ex), 0);
	ct_int(creel_driven_run_until(ex, f, CREEL_FOREVER), -ECANCELED);
	creel_future_unref(f);
	ct_close(pool);
	ct_close(ex);
}

/* On the thread that closes or drains. */
CORE_CASE_WITH(c52_close_and_drain_run_what_is_left, CT_SYSTEM)
{
	creel_executor *ex = driven();
	size_t left = 0;
	seen.n = 0;
	note(ex, 1);
	ct_int(creel_executor_drain(ex, CREEL_NOW), -ETIMEDOUT);
	ct_int(seen.n, 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(seen.n, 1);
	note(ex, 2);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, 1);
	ct_int(creel_executor_close(ex), 0);
	ct_int(seen.n, 2);
	ct_assert(pthread_equal(seen.thread, pthread_self()));
}

CORE_CASE_WITH(c52_a_shutdown_cancels_what_nobody_drives, CT_SYSTEM)
{
	creel_executor *ex = driven();
	size_t left = 9;
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), 0);
	ct_int(left, 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	creel_future_unref(f);
	ct_close(ex);
}

static struct {
	struct ct_count *began, *gate;
} freeing;

static void free_gated(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	ct_count_add(freeing.began, 1);
	ct_count_await(freeing.gate, 1);
}

static void *cancel_it(void *f)
{
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	return NULL;
}

static void *drain(void *ex)
{
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	return NULL;
}

/* A canceller has the only task when it begins: there is nothing to run, and then there is. */
CORE_CASE_WITH(c52_a_drain_runs_what_is_submitted_meanwhile, CT_SYSTEM)
{
	creel_executor *ex = driven();
	int one = 1;
	freeing.began = ct_count_new();
	freeing.gate = ct_count_new();
	creel_future *f = creel_submit_with(ex, task_note, &one, sizeof one,
					    &(creel_submit_options){.arg_free = free_gated}),
		     *later;
	struct ct_thread *canceller = ct_thread_start(cancel_it, f), *drainer;
	ct_count_await(freeing.began, 1);
	drainer = ct_thread_start(drain, ex);
	later = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_result(later, CT_GUARD, NULL, 0), 0);
	ct_open(freeing.gate);
	ct_thread_join(canceller);
	ct_thread_join(drainer);
	creel_future_unref(f);
	creel_future_unref(later);
	ct_close(ex);
}

static int task_unref(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int two = 2, rc = creel_spawn(creel_task_executor(task), task_note, &two, sizeof two, NULL);
	creel_executor_unref(creel_task_executor(task));
	return rc;
}

CORE_CASE_WITH(c52_the_last_reference_leaves_the_rest_to_the_runner, CT_SYSTEM)
{
	creel_executor *ex = driven();
	seen.n = 0;
	ct_int(creel_spawn(ex, task_unref, NULL, 0, NULL), 0);
	ct_int(creel_driven_run(ex, CREEL_FOREVER), -ESHUTDOWN);
	ct_int(seen.n, 1);
	/* Or to nobody. */
	ex = driven();
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	creel_executor_unref(ex);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
	creel_future_unref(f);
}

static int task_exit(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

/* The next runner goes on. */
CORE_CASE_WITH(c52_a_task_may_end_the_runners_thread, CT_SYSTEM)
{
	creel_executor *ex = driven();
	seen.n = 0;
	creel_future *f = creel_submit(ex, task_exit, NULL, 0);
	note(ex, 1);
	ct_thread_join(ct_thread_start(run_forever, ex));
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
	creel_future_unref(f);
	ct_assert(readable(ex));
	run_now(ex);
	ct_int(seen.n, 1);
	ct_close(ex);
}

static int report(char *text, size_t room)
{
	FILE *file = tmpfile();
	ct_assert(file != NULL);
	ct_int(creel_report(fileno(file)), 0);
	ssize_t n = pread(fileno(file), text, room - 1, 0);
	ct_assert(n > 0);
	text[n] = 0;
	fclose(file);
	return strstr(text, "drain it") != NULL;
}

static int task_report(creel_task *task, const void *arg, size_t size)
{
	static char text[16 * 1024];
	(void)task;
	(void)arg;
	(void)size;
	seen.rc = report(text, sizeof text);
	return 0;
}

CORE_CASE_WITH(c52_a_task_may_end_the_thread_that_drains, CT_SYSTEM)
{
	creel_executor *ex = driven();
	creel_future *first = creel_submit(ex, task_report, NULL, 0),
		     *f = creel_submit(ex, task_exit, NULL, 0);
	ct_thread_join(ct_thread_start(drain, ex));
	ct_int(seen.rc, 1);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	creel_future_unref(f);
	creel_future_unref(first);
	f = creel_submit(ex, task_report, NULL, 0);
	run_now(ex);
	ct_int(seen.rc, 0);
	creel_future_unref(f);
	ct_close(ex);
}

enum { MANY = 500 };

static struct ct_count *counted;

static void *submit_many(void *ex)
{
	for (int i = 0; i < MANY; i++)
		ct_int(creel_spawn(ex, task_count, &counted, sizeof counted, NULL), 0);
	return NULL;
}

/* Each submission may find the runner asleep. */
CORE_CASE_WITH(c52_no_submission_is_overlooked, CT_SYSTEM)
{
	creel_executor *ex = driven();
	/* It may come late. */
	creel_executor_ref(ex);
	struct ct_thread *t[2], *runner = ct_thread_start(run_forever, ex);
	counted = ct_count_new();
	for (int i = 0; i < MANY; i++) {
		creel_future *f = ct_submit_count(ex, counted);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
	}
	for (int i = 0; i < 2; i++)
		t[i] = ct_thread_start(submit_many, ex);
	for (int i = 0; i < 2; i++)
		ct_thread_join(t[i]);
	ct_close(ex);
	ct_int((intptr_t)ct_thread_join(runner), -ESHUTDOWN);
	creel_executor_unref(ex);
	ct_int(ct_count_get(counted), 3 * MANY);
}

/* A delayed task is given to it when it is due. */
CORE_CASE_WITH(c52_delayed_tasks_run_inside_run, CT_SYSTEM)
{
	creel_executor *ex = driven();
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	int one = 1;
	seen.n = 0;
	ct_int(creel_spawn(ex, task_note, &one, sizeof one,
			   &(creel_submit_options){.delay_ns = 10, .clock = clock}),
	       0);
	run_now(ex);
	ct_int(seen.n, 0);
	ct_int(creel_clock_advance(clock, 10), 0);
	ct_int(seen.n, 0);
	ct_assert(readable(ex));
	run_now(ex);
	ct_int(seen.n, 1);
	creel_clock_unref(clock);
	ct_close(ex);
}

static void done_note(creel_future *f, void *arg)
{
	(void)f;
	seen.thread = pthread_self();
	++*(int *)arg;
}

/* Callbacks of what a pool runs, on the loop's thread. */
CORE_CASE_WITH(c52_callbacks_are_called_inside_run, CT_SYSTEM)
{
	creel_executor *ex = driven(), *pool = creel_thread_pool_new(NULL);
	int called = 0;
	creel_future *f = creel_submit(pool, task_nothing, NULL, 0);
	ct_int(creel_future_on_done(f, ex, done_note, &called, NULL, NULL), 0);
	while (!called)
		ct_int(creel_driven_run(ex, creel_in_ms(1)), -ETIMEDOUT);
	ct_assert(pthread_equal(seen.thread, pthread_self()));
	creel_future_unref(f);
	ct_close(pool);
	ct_close(ex);
}

CORE_CASE_WITH(bad_driven_calls, CT_SYSTEM)
{
	creel_executor *ex = creel_inline_new(), *bad;
	creel_future *f = creel_promise_new();
	ct_int(creel_driven_run(NULL, CREEL_NOW), -EINVAL);
	ct_int(creel_driven_run(ex, CREEL_NOW), -EINVAL);
	ct_int(creel_driven_run_until(ex, f, CREEL_NOW), -EINVAL);
	ct_int(creel_driven_stop(ex), -EINVAL);
	ct_int(creel_driven_stop(NULL), -EINVAL);
	ct_int(creel_driven_fd(ex), -EINVAL);
	ct_int(creel_driven_fd(NULL), -EINVAL);
	ct_close(ex);
	ex = driven();
	ct_int(creel_driven_run_until(ex, NULL, CREEL_NOW), -EINVAL);
	ct_int(creel_executor_resize(ex, 2), -ENOTSUP);
	ct_int(creel_executor_pause(ex), -ENOTSUP);
	ct_close(ex);
	creel_driven_options o = {0};
	o.reserved[2] = 5;
	bad = creel_driven_new(&o);
	ct_int(creel_executor_error(bad)->code, -EINVAL);
	ct_has(creel_executor_error(bad)->message, "5");
	ct_int(creel_driven_run(bad, CREEL_NOW), CREEL_EFAILED);
	ct_int(creel_driven_fd(bad), CREEL_EFAILED);
	ct_close(bad);
	creel_future_unref(f);
}
