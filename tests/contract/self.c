/* SPDX-License-Identifier: MIT */
/*
 * Promises 8 and 17: a destructor that uses the very task and pool that it belongs to, and results
 * that a task waits for and drops.
 */
#include "contract.h"

#include <stdlib.h>
#include <string.h>

enum { N = 100 }; /* more than all workers are sent ahead */

/* A destructor that asks about its own future and its neighbours, while it is being cancelled. */
struct asking {
	creel_executor *ex;
	creel_future *f[N];
	unsigned self[N];
	unsigned shuts; /* the task whose destructor shuts the pool down; N: none */
	creel_deadline until;
	struct ct_count *freed;
};

static struct asking *asking;

static bool in(int is, int a, int b)
{
	return is == a || is == b;
}

static void ask(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	unsigned i = *(unsigned *)ctx;
	creel_future *f = asking->f[i], *next = asking->f[(i + 1) % N];
	size_t left;
	ct_assert(in(creel_future_state(f), CREEL_FUTURE_PENDING, CREEL_FUTURE_CANCELLED));
	ct_assert(creel_future_cancel(f) == CREEL_CANCEL_NOW);
	ct_assert(creel_future_kill(f, 0) == CREEL_CANCEL_NOW);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	ct_assert(in(rc, -EDEADLK, -ECANCELED));
	ct_assert(in(creel_future_state(next), CREEL_FUTURE_PENDING, CREEL_FUTURE_CANCELLED));
	if (i == asking->shuts)
		creel_executor_shutdown(asking->ex, CREEL_SHUTDOWN_CANCEL, asking->until, &left);
	ct_assert(creel_future_cancel(next) == CREEL_CANCEL_NOW);
	ct_count_add(asking->freed, 1);
}

/* Whichever place the task has: on its way to a worker, or in the queue. */
static void cancel_each(unsigned shuts, creel_deadline until)
{
	struct ct_hold hold;
	struct asking a = {
		.ex = ct_executor(), .shuts = shuts, .until = until, .freed = ct_count_new()};
	asking = &a;
	ct_hold(&hold, a.ex);
	for (unsigned i = 0; i < N; i++) {
		a.self[i] = i;
		creel_submit_options o = {.arg_free = ask, .arg_ctx = &a.self[i]};
		a.f[i] = creel_submit_with(a.ex, task_nothing, NULL, 0, &o);
	}
	unsigned first = shuts < N ? shuts : 0;
	ct_int(creel_future_cancel(a.f[first]), CREEL_CANCEL_NOW);
	for (unsigned i = 0; i < N; i++) {
		ct_int(creel_future_cancel(a.f[i]), CREEL_CANCEL_NOW);
		ct_int(ct_outcome(a.f[i]), -ECANCELED);
		creel_future_unref(a.f[i]);
	}
	ct_release(&hold);
	size_t left;
	ct_int(creel_executor_shutdown(a.ex, 0, CT_GUARD, &left), 0);
	ct_int(left, 0);
	ct_int(ct_count_get(a.freed), N);
	creel_stats stats;
	ct_int(creel_executor_drain(a.ex, CT_GUARD), 0);
	ct_int(creel_executor_stats(a.ex, &stats, sizeof stats), 0);
	if (ct_is(CT_COUNTS)) {
		ct_int(stats.pending, 0);
		ct_int(stats.cancelled, N);
	}
	ct_close(a.ex);
}

CASE(c17_a_destructor_asks_about_the_task_that_is_being_cancelled, CT_ASYNC)
{
	cancel_each(N, CREEL_NOW);
}

CASE(c17_a_destructor_shuts_its_pool_down_wherever_its_task_is, CT_ASYNC)
{
	for (unsigned i = 0; i < N; i += N / 4)
		cancel_each(i, i % (N / 2) ? CREEL_NOW : CREEL_FOREVER);
}

static void shut(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	creel_executor_shutdown(asking->ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	ct_count_add(ctx, 1);
}

/* The shutdown meets the task in the queue, leaves the end to the canceller, and counts it. */
CASE(c17_a_destructor_shuts_its_pool_down_that_has_nothing_else, CT_ASYNC)
{
	struct ct_hold hold;
	struct asking a = {.ex = ct_executor(), .freed = ct_count_new()};
	creel_stats stats;
	asking = &a;
	ct_hold(&hold, a.ex);
	for (unsigned i = 0; i < N; i++) {
		creel_submit_options o = {.arg_free = i == N - 1 ? shut : NULL, .arg_ctx = a.freed};
		a.f[i] = creel_submit_with(a.ex, task_nothing, NULL, 0, &o);
	}
	for (unsigned i = 0; i < N; i++) {
		ct_int(creel_future_cancel(a.f[i]), CREEL_CANCEL_NOW);
		creel_future_unref(a.f[i]);
	}
	ct_int(ct_count_get(a.freed), 1);
	ct_release(&hold);
	ct_int(creel_executor_shutdown(a.ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_executor_stats(a.ex, &stats, sizeof stats), 0);
	if (ct_is(CT_COUNTS)) {
		ct_int(stats.pending, 0);
		ct_int(stats.cancelled, N);
	}
	ct_close(a.ex);
}

/* Large results of tasks that their waiter may have run itself. */
static struct {
	creel_executor *ex;
	long alive, most, freed;
} large;

static void free_large(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	__atomic_sub_fetch(&large.alive, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&large.freed, 1, __ATOMIC_RELAXED);
	free(data);
}

static int task_large(creel_task *task, const void *arg, size_t size)
{
	const size_t mebi = 1 << 20;
	(void)arg;
	(void)size;
	void *data = malloc(mebi);
	if (!data)
		return -ENOMEM;
	memset(data, 1, mebi);
	__atomic_add_fetch(&large.alive, 1, __ATOMIC_RELAXED);
	int rc = creel_return_move(task, (creel_buffer){data, mebi, free_large, NULL});
	if (rc)
		free_large(data, mebi, NULL);
	return rc;
}

/* The number of results that were alive at once, at most. */
static int task_awaits_large(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long n = *(const long *)arg, most = 0;
	for (long i = 0; i < n; i++) {
		creel_future *f = creel_submit(large.ex, task_large, NULL, 0);
		if (creel_future_result(f, CREEL_FOREVER, NULL, 0) != -EMSGSIZE &&
		    creel_future_view(f, CREEL_NOW, NULL, NULL))
			return creel_fail(task, -EIO, "the result is not there");
		long alive = __atomic_load_n(&large.alive, __ATOMIC_RELAXED);
		most = alive > most ? alive : most;
		creel_future_unref(f);
		if (__atomic_load_n(&large.freed, __ATOMIC_RELAXED) != i + 1)
			return creel_fail(task, -EIO, "result %ld outlives its user", i);
	}
	return creel_return(task, &most, sizeof most);
}

/* Kept until a worker reached the queue, 300 of them took 300 MiB. */
CASE(c08_results_that_a_task_waits_for_go_with_their_user, CT_POOL)
{
	long n = 300;
	memset(&large, 0, sizeof large);
	large.ex = ct_executor();
	creel_future *f = creel_submit(large.ex, task_awaits_large, &n, sizeof n);
	ct_int(ct_long_drop(f), 1);
	ct_int(large.freed, n);
	ct_close(large.ex);
	ct_int(large.alive, 0);
}
