/* SPDX-License-Identifier: MIT */
/*
 * Functions of the user's within one another: a destructor that shuts its own pool down, callbacks
 * that come late, a source that uses its own map.
 */
#include "contract.h"

#include <stdlib.h>

/* What a destructor does, and when. */
struct dropping {
	creel_executor *ex;
	creel_future *promise; /* or NULL: it shuts the pool down itself */
	struct ct_count *inside, *gate, *freed;
	unsigned company; /* how many destructors have to be at it before it goes on */
	int rc;
	size_t left;
};

static void shut(struct dropping *d)
{
	d->rc = creel_executor_shutdown(d->ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &d->left);
}

static void shut_callback(creel_future *f, void *arg)
{
	(void)f;
	shut(arg);
}

static void shut_within(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	struct dropping *d = ctx;
	ct_count_add(d->inside, 1);
	ct_count_await(d->inside, d->company);
	if (d->promise)
		creel_promise_set_result(d->promise, NULL, 0);
	else
		shut(d);
	ct_count_add(d->freed, 1);
}

static creel_future *submit_dropping(struct dropping *d, void (*arg_free)(void *, size_t, void *))
{
	return creel_submit_with(d->ex, task_nothing, NULL, 0,
				 &(creel_submit_options){.arg_free = arg_free, .arg_ctx = d});
}

static void *cancel(void *f)
{
	ct_assert(creel_future_cancel(f) == CREEL_CANCEL_NOW);
	return NULL;
}

static void check_cancelled(creel_executor *ex, uint64_t cancelled)
{
	creel_stats stats;
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	if (ct_is(CT_COUNTS)) {
		ct_int(stats.cancelled, cancelled);
		ct_int(stats.pending, 0);
	}
}

/* The task that is being cancelled counts as not ended until its destructor has returned. */
static void cancel_and_shut(creel_future *promise)
{
	struct ct_hold hold;
	struct dropping d = {.ex = ct_executor(),
			     .promise = promise,
			     .inside = ct_count_new(),
			     .freed = ct_count_new(),
			     .company = 1,
			     .rc = 77};
	if (promise)
		ct_int(creel_future_on_done(promise, NULL, shut_callback, &d, NULL, NULL), 0);
	ct_hold(&hold, d.ex);
	creel_future *f = submit_dropping(&d, shut_within);
	cancel(f);
	ct_int(d.rc, -ETIMEDOUT);
	ct_assert(d.left >= 2);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_release(&hold);
	check_cancelled(d.ex, 1);
	ct_int(ct_count_get(d.freed), 1);
	creel_future_unref(f);
	ct_close(d.ex);
}

CASE(c17_a_destructor_of_a_cancelled_task_shuts_its_pool_down, CT_ASYNC)
{
	cancel_and_shut(NULL);
}

CASE(c17_a_callback_within_a_destructor_shuts_the_pool_down, CT_ASYNC)
{
	creel_future *promise = creel_promise_new();
	cancel_and_shut(promise);
	creel_future_unref(promise);
}

/* Each meets the other's task, whose destructor waits for its own. */
CASE(c17_two_destructors_shut_the_pool_down_at_once, CT_ASYNC)
{
	struct ct_hold hold;
	struct dropping d[2];
	creel_future *f[2];
	struct ct_thread *thread[2];
	d[0] = (struct dropping){.ex = ct_executor(),
				 .inside = ct_count_new(),
				 .freed = ct_count_new(),
				 .company = 2};
	d[1] = d[0];
	ct_hold(&hold, d[0].ex);
	for (int i = 0; i < 2; i++)
		f[i] = submit_dropping(&d[i], shut_within);
	for (int i = 0; i < 2; i++)
		thread[i] = ct_thread_start(cancel, f[i]);
	for (int i = 0; i < 2; i++) {
		ct_thread_join(thread[i]);
		ct_int(creel_future_state(f[i]), CREEL_FUTURE_CANCELLED);
		creel_future_unref(f[i]);
	}
	ct_int(ct_count_get(d[0].freed), 2);
	ct_release(&hold);
	check_cancelled(d[0].ex, 2);
	ct_close(d[0].ex);
}

static void wait_within(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	struct dropping *d = ctx;
	ct_count_add(d->inside, 1);
	ct_pass(d->gate);
	ct_count_add(d->freed, 1);
}

/* A shutdown in a callback does not wait for another thread's destructor, but counts it. */
CASE(c17_nothing_of_a_pool_runs_once_its_shutdown_has_returned, CT_ASYNC)
{
	struct ct_hold hold;
	struct dropping d = {.ex = ct_executor(),
			     .inside = ct_count_new(),
			     .gate = ct_count_new(),
			     .freed = ct_count_new()};
	creel_future *promise = creel_promise_new();
	size_t left = 0;
	ct_int(creel_future_on_done(promise, NULL, shut_callback, &d, NULL, NULL), 0);
	ct_hold(&hold, d.ex);
	creel_future *f = submit_dropping(&d, wait_within);
	struct ct_thread *canceller = ct_thread_start(cancel, f);
	ct_count_await(d.inside, 1);
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
	ct_int(d.rc, -ETIMEDOUT);
	ct_release(&hold);
	ct_int(creel_executor_shutdown(d.ex, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_assert(left >= 1);
	ct_open(d.gate);
	check_cancelled(d.ex, 1);
	ct_int(ct_count_get(d.freed), 1);
	ct_thread_join(canceller);
	creel_future_unref(f);
	creel_future_unref(promise);
	ct_close(d.ex);
}

/* Destructors that are put off, since one is running, count until they have run. */
CASE(c17_a_destructor_that_cancels_many_leaves_none_uncounted, CT_ASYNC)
{
	enum { N = 50 };
	struct ct_hold hold;
	struct dropping d = {.ex = ct_executor(),
			     .inside = ct_count_new(),
			     .freed = ct_count_new(),
			     .company = 1};
	creel_future *f[N];
	ct_hold(&hold, d.ex);
	creel_future *first = submit_dropping(&d, shut_within);
	for (int i = 0; i < N; i++)
		f[i] = creel_submit_with(
			d.ex, task_nothing, NULL, 0,
			&(creel_submit_options){.arg_free = arg_free_count, .arg_ctx = d.freed});
	cancel(first);
	ct_int(d.rc, -ETIMEDOUT);
	/* Some may have been cancelled on another thread meanwhile. */
	ct_assert(d.left + ct_count_get(d.freed) >= N + 1 || !ct_is(CT_COUNTS));
	ct_release(&hold);
	check_cancelled(d.ex, N + 1);
	ct_int(ct_count_get(d.freed), N + 1);
	for (int i = 0; i < N; i++)
		creel_future_unref(f[i]);
	creel_future_unref(first);
	ct_close(d.ex);
}

/* Late callbacks. */

struct late {
	struct ct_count *inside, *gate;
	struct ct_log *log;
	long plain; /* TSan sees if two of them run at once */
};

static void first_called(creel_future *f, void *arg)
{
	(void)f;
	struct late *late = arg;
	late->plain++;
	ct_count_add(late->inside, 1);
	ct_pass(late->gate);
	ct_log_add(late->log, 1);
	late->plain++;
}

static void later_called(creel_future *f, void *arg)
{
	(void)f;
	struct late *late = arg;
	late->plain++;
	ct_log_add(late->log, 2);
	ct_count_add(late->inside, 1);
}

CASE(c05_a_late_callback_waits_for_the_earlier_ones, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct late late = {ct_count_new(), ct_count_new(), ct_log_new(2), 0};
	uint64_t id = 0;
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 1);
	ct_int(creel_future_on_done(f, NULL, first_called, &late, NULL, NULL), 0);
	ct_open(gate);
	ct_count_await(late.inside, 1);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_on_done(f, NULL, later_called, &late, NULL, &id), 0);
	ct_assert(id != 0 && ct_count_get(late.inside) == 1);
	ct_open(late.gate);
	ct_count_await(late.inside, 2);
	ct_close(ex);
	ct_int(late.plain, 3);
	ct_int(late.log->entry[0], 1);
	ct_int(late.log->entry[1], 2);
	creel_future_unref(f);
}

static creel_future *settled_here, *awaited;
static int wait_rc;

static void settle_awaited(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	ct_int(creel_promise_set_result(awaited, NULL, 0), 0);
}

static void settle_and_wait(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	ct_int(creel_promise_set_result(settled_here, NULL, 0), 0);
	wait_rc = creel_future_result(awaited, CREEL_FOREVER, NULL, 0);
}

/* Its own thread would have to call the callback that it waits for. */
CORE_CASE(c05_a_callback_on_an_inline_executor_must_not_block)
{
	creel_executor *ex = creel_inline_new();
	creel_future *first = creel_promise_new();
	settled_here = creel_promise_new();
	awaited = creel_promise_new();
	ct_int(creel_future_on_done(settled_here, NULL, settle_awaited, NULL, NULL, NULL), 0);
	ct_int(creel_future_on_done(first, ex, settle_and_wait, NULL, NULL, NULL), 0);
	ct_int(creel_promise_set_result(first, NULL, 0), 0);
	ct_int(wait_rc, -EDEADLK);
	ct_int(creel_future_result(awaited, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(first);
	creel_future_unref(settled_here);
	creel_future_unref(awaited);
	ct_close(ex);
}

/* Maps. */

enum { ITEMS = 20 };

struct nested {
	creel_mapping *map;
	long next, end_at;
	int next_rc, calls;
};

/* To be called by whatever the map calls: the map must say no, or end later. */
static void use_own_map(struct nested *n)
{
	creel_future *f = NULL;
	n->calls++;
	int rc = creel_map_next(n->map, CREEL_FOREVER, &f, NULL);
	if (rc != -EDEADLK)
		n->next_rc = rc;
	creel_future_unref(f);
	if (n->next == n->end_at)
		creel_map_end(n->map);
}

static int pull_nested(void *ctx, void *item, size_t *size)
{
	struct nested *n = ctx;
	if (n->next == ITEMS)
		return 0;
	*(long *)item = n->next++;
	*size = sizeof(long);
	use_own_map(n);
	return 1;
}

CASE(c11_a_source_that_uses_its_own_map_breaks_nothing, 0)
{
	struct nested n = {.end_at = -1};
	creel_executor *ex = ct_executor();
	n.map = creel_map_from(ex, task_same, pull_nested, &n,
			       &(creel_map_options){.in_flight = 4});
	for (long i = 0; i < ITEMS; i++) {
		creel_future *f = NULL;
		size_t index = SIZE_MAX;
		ct_int(creel_map_next(n.map, CT_GUARD, &f, &index), 0);
		ct_int(index, i);
		ct_int(ct_long_drop(f), i);
	}
	creel_future *none = NULL;
	ct_int(creel_map_next(n.map, CT_GUARD, &none, NULL), CREEL_EMPTY);
	ct_int(n.next_rc, 0);
	creel_map_end(n.map);
	ct_close(ex);
}

CASE(c11_a_source_that_ends_its_own_map_ends_it, 0)
{
	struct nested n = {.end_at = 3};
	creel_future *f = NULL;
	creel_executor *ex = ct_executor();
	n.map = creel_map_from(ex, task_same, pull_nested, &n,
			       &(creel_map_options){.in_flight = 9});
	ct_int(creel_map_next(n.map, CT_GUARD, &f, NULL), CREEL_EMPTY);
	ct_assert(f == NULL);
	ct_int(n.calls, 3);
	ct_close(ex);
}

static struct nested of_task;

static int task_nested(creel_task *task, const void *arg, size_t size)
{
	use_own_map(&of_task);
	of_task.next++;
	return creel_return(task, arg, size);
}

/* Its tasks run within creel_map_next(). */
CASE(c11_a_task_that_uses_its_own_map_breaks_nothing, CT_SYNC)
{
	long items[ITEMS];
	for (long i = 0; i < ITEMS; i++)
		items[i] = i;
	of_task = (struct nested){.end_at = ITEMS - 1};
	creel_executor *ex = ct_executor();
	of_task.map = creel_map(ex, task_nested, items, sizeof items[0], ITEMS,
				&(creel_map_options){.in_flight = 4});
	for (long i = 0; i < ITEMS - 4; i++) {
		creel_future *f = NULL;
		ct_int(creel_map_next(of_task.map, CT_GUARD, &f, NULL), 0);
		ct_int(ct_long_drop(f), i);
	}
	creel_future *f = NULL;
	ct_int(creel_map_next(of_task.map, CT_GUARD, &f, NULL), CREEL_EMPTY);
	ct_int(of_task.next_rc, 0);
	ct_int(of_task.calls, ITEMS);
	ct_close(ex);
}
