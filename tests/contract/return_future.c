/* SPDX-License-Identifier: MIT */
/*
 * Promises 37 and 55: tasks that end as the future ends that they return. Each takes a reference of
 * the test's over, in its argument.
 */
#include "contract.h"

#include <pthread.h>
#include <stdlib.h>

/* creel_future * -> ends as that. */
static int task_become(creel_task *task, const void *arg, size_t size)
{
	creel_future *f = *(creel_future *const *)arg;
	(void)size;
	int rc = creel_return_future(task, f);
	creel_future_unref(f);
	return rc;
}

/* Of which the task has the reference. */
static creel_future *become(creel_executor *ex, creel_future *f)
{
	return creel_submit(ex, task_become, &f, sizeof f);
}

enum { RESULT, ERROR, CANCELLED, ENDS };

static void end(creel_future *f, int how)
{
	long value = 41;
	if (how == RESULT)
		ct_int(creel_promise_set_result(f, &value, sizeof value), 0);
	else if (how == ERROR)
		ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, -EIO, NULL, 0, "on purpose"), 0);
	else
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
}

static void ended_as(creel_future *g, creel_future *f, int how)
{
	const void *data[2] = {NULL, NULL};
	ct_int(ct_outcome(g), how == RESULT ? 0 : how == ERROR ? CREEL_EFAILED : -ECANCELED);
	ct_int(creel_future_state(g), creel_future_state(f));
	ct_assert(how == CANCELLED || creel_future_error(g) == creel_future_error(f));
	if (how != RESULT)
		return;
	/* Not copied. */
	ct_int(creel_future_view(f, CT_GUARD, &data[0], NULL), 0);
	ct_int(creel_future_view(g, CT_GUARD, &data[1], NULL), 0);
	ct_assert(data[0] == data[1]);
	ct_int(ct_long(g), 41);
}

CASE(c37_a_task_ends_as_the_future_that_it_returns, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	for (int how = 0; how < ENDS; how++)
		for (int before = 0; before < 2; before++) {
			creel_future *f = creel_promise_new();
			if (before)
				end(f, how);
			creel_future *g = become(ex, creel_future_ref(f));
			if (!before)
				end(f, how);
			ended_as(g, f, how);
			creel_future_unref(f);
			creel_future_unref(g);
		}
	ct_close(ex);
}

/* An adaptor waits for their ends: it has forwarded them. */
CASE(c37_a_task_that_has_returned_a_future_has_left_its_worker, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	struct ct_count *freed = ct_count_new(), *ran = ct_count_new();
	enum { N = 20 };
	creel_future *f = creel_promise_new(), *g[N];
	const creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	bool waits = ct_is(CT_OVER);
	for (int i = 0; i < N; i++) {
		creel_future *mine = creel_future_ref(f);
		g[i] = creel_submit_with(ex, task_become, &mine, sizeof mine, &o);
	}
	creel_future_unref(ct_submit_count(ex, ran));
	if (!waits) {
		ct_count_await(ran, 1);
		ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		for (int i = 0; i < N; i++)
			ct_int(creel_future_state(g[i]), CREEL_FUTURE_RUNNING);
		/* The executor may go before. */
		ct_close(ex);
		ct_int(creel_future_result(g[0], CREEL_NOW, NULL, 0), -ETIMEDOUT);
	}
	end(f, RESULT);
	for (int i = 0; i < N; i++)
		ct_int(ct_long_drop(g[i]), 41);
	if (waits)
		ct_close(ex);
	ct_int(ct_count_get(freed), N);
	creel_future_unref(f);
}

CASE(c37_a_cancel_goes_on_to_the_future_that_a_task_has_returned, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	const creel_submit_options o = {.token = token};
	for (int by_token = 0; by_token < 2; by_token++) {
		creel_future *f = creel_promise_new(), *mine = creel_future_ref(f);
		creel_future *g = creel_submit_with(ex, task_become, &mine, sizeof mine,
						    by_token ? &o : NULL);
		ct_await_running(g);
		if (by_token)
			ct_int(creel_token_cancel(token, -EIO, "enough", 0), 0);
		else
			ct_int(creel_future_cancel(g), CREEL_CANCEL_REQUESTED);
		ended_as(g, f, CANCELLED);
		ct_int(creel_future_cancel(g), CREEL_CANCEL_NOW);
		creel_future_unref(f);
		creel_future_unref(g);
	}
	creel_token_unref(token);
	ct_close(ex);
}

/* What it follows may be a promise that nobody has started, which is cancelled, or that somebody
 * has, which cannot be killed. Nor can the function before it has returned, and only of a pool one
 * can tell when it has: it is drained then. */
CASE(c28_c37_a_kill_goes_on_to_the_future_that_a_task_has_returned, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	for (int started = 0; started < 2; started++) {
		creel_future *f = creel_promise_new();
		if (started)
			ct_int(creel_promise_start(f), 0);
		creel_future *g = become(ex, creel_future_ref(f));
		ct_await_running(g);
		if (ct_is(CT_POOL))
			ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		int rc = creel_future_kill(g, 0);
		ct_assert(rc == (started ? -ENOTSUP : CREEL_CANCEL_REQUESTED) ||
			  (rc == -ENOTSUP && !ct_is(CT_POOL)));
		if (started)
			end(f, RESULT);
		ended_as(g, f, started ? RESULT : CANCELLED);
		ct_int(creel_future_kill(g, 0), started ? CREEL_CANCEL_FINAL : CREEL_CANCEL_NOW);
		creel_future_unref(f);
		creel_future_unref(g);
	}
	ct_close(ex);
}

/* Its destructor runs when it is about to be final, and nobody can kill it any more. */
struct own {
	creel_future *f;
	int rc;
};

static void kill_own(void *arg, size_t size, void *ctx)
{
	struct own *own = ctx;
	(void)arg;
	(void)size;
	own->rc = creel_future_kill(own->f, 0);
}

CASE(c28_c37_a_kill_that_comes_at_the_end_of_what_a_task_has_returned_is_late, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	struct own own = {NULL, 77};
	const creel_submit_options o = {.arg_free = kill_own, .arg_ctx = &own};
	creel_future *f = creel_promise_new(), *mine = creel_future_ref(f);
	own.f = creel_submit_with(ex, task_become, &mine, sizeof mine, &o);
	ct_await_running(own.f);
	end(f, RESULT);
	ct_int(ct_long_drop(own.f), 41);
	ct_int(own.rc, CREEL_CANCEL_FINAL);
	creel_future_unref(f);
	ct_close(ex);
}

/* Asked while its function runs, it passes that on when it has returned. */
static int task_become_when_asked(creel_task *task, const void *arg, size_t size)
{
	while (!creel_task_cancelled(task))
		sched_yield();
	return task_become(task, arg, size);
}

CASE(c37_a_cancel_that_comes_before_goes_on_as_well, CT_INPROC | CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new(), *mine = creel_future_ref(f);
	creel_future *g = creel_submit(ex, task_become_when_asked, &mine, sizeof mine);
	ct_await_running(g);
	ct_int(creel_future_cancel(g), CREEL_CANCEL_REQUESTED);
	ended_as(g, f, CANCELLED);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
}

/* Itself; or the one of two that waits for it. */
static int task_become_itself(creel_task *task, const void *arg, size_t size)
{
	creel_future *own = creel_task_future(task);
	(void)arg;
	(void)size;
	int rc = creel_return_future(task, own);
	creel_future_unref(own);
	return rc == -EDEADLK ? 0 : 77;
}

CASE(c37_a_task_that_would_wait_for_itself_is_told, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_become_itself, NULL, 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EDEADLK);
	ct_has(creel_future_error(f)->message, "leads back to the task");
	creel_future_unref(f);
	ct_close(ex);
}

struct ring {
	struct ct_count *gate;
	creel_future *next;
};

static int task_ring(creel_task *task, const void *arg, size_t size)
{
	const struct ring *r = *(struct ring *const *)arg;
	(void)size;
	ct_pass(r->gate);
	return creel_return_future(task, r->next);
}

CASE(c37_a_circle_of_tasks_is_broken, CT_INPROC | CT_PARALLEL)
{
	enum { N = 2 };
	creel_executor *ex = ct_executor();
	for (int round = 0; round < 50; round++) {
		struct ring rings[N];
		struct ct_count *gate = ct_count_new();
		creel_future *f[N];
		for (int i = 0; i < N; i++) {
			struct ring *r = &rings[i];
			r->gate = gate;
			f[i] = creel_submit(ex, task_ring, &r, sizeof r);
		}
		for (int i = 0; i < N; i++)
			rings[i].next = f[(i + 1) % N];
		ct_open(gate);
		for (int i = 0; i < N; i++) {
			ct_int(ct_outcome(f[i]), CREEL_EFAILED);
			ct_int(creel_future_error(f[i])->code, -EDEADLK);
		}
		for (int i = 0; i < N; i++)
			creel_future_unref(f[i]);
	}
	ct_close(ex);
}

CASE(c55_a_returned_promise_that_is_dropped_ends_the_task, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	creel_future *g = become(ex, f);
	ct_int(ct_outcome(g), CREEL_EFAILED);
	ct_int(creel_future_error(g)->kind, CREEL_KIND_BROKEN);
	creel_future_unref(g);
	ct_close(ex);
}

/* then and recover give what the returned future gives; finally waits for it. */
CASE(c37_continuations_may_return_futures, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	static const struct {
		creel_future *(*make)(creel_future *f, creel_executor *ex, creel_fn fn,
				      const void *arg, size_t size);
		bool fails;
		long value;
	} table[] = {{creel_then, false, 41}, {creel_recover, true, 41}, {creel_finally, false, 7}};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		long seven = 7;
		creel_future *input = table[i].fails
					      ? creel_future_failed(CREEL_KIND_FAILED, -EIO, "no")
					      : creel_future_of(&seven, sizeof seven);
		creel_future *f = creel_promise_new(), *mine = creel_future_ref(f);
		creel_future *g = table[i].make(input, ex, task_become, &mine, sizeof mine);
		ct_await_running(g);
		end(f, RESULT);
		ct_int(ct_long_drop(g), table[i].value);
		creel_future_unref(input);
		creel_future_unref(f);
	}
	ct_close(ex);
}

/* On its worker, which may run the one that it waits for. */
static int task_wait_for(creel_task *task, const void *arg, size_t size)
{
	creel_future *f = **(creel_future * *const *)arg;
	long value = 0;
	(void)size;
	int rc = creel_future_result(f, CREEL_FOREVER, &value, sizeof value);
	return rc ? rc : creel_return(task, &value, sizeof value);
}

CASE(c37_who_waits_for_a_task_waits_for_the_future_that_it_returns, CT_INPROC | CT_POOL)
{
	creel_executor *ex = ct_executor();
	struct ct_hold hold;
	creel_future *f = creel_promise_new(), *g = NULL, **at = &g;
	ct_hold(&hold, ex);
	creel_future *w = creel_submit(ex, task_wait_for, &at, sizeof at);
	g = become(ex, creel_future_ref(f));
	ct_release(&hold);
	ct_await_running(w);
	ct_await_running(g);
	end(f, RESULT);
	ct_int(ct_long_drop(w), 41);
	ct_int(ct_long_drop(g), 41);
	creel_future_unref(f);
	ct_close(ex);
}

/* What the function does after it has returned a future counts. */
static int task_change_of_mind(creel_task *task, const void *arg, size_t size)
{
	creel_future *f = creel_promise_new();
	long value = *(const long *)arg;
	(void)size;
	int rc = creel_return_future(task, f);
	creel_future_unref(f);
	if (rc)
		return rc;
	return value < 0 ? (int)value : creel_return(task, &value, sizeof value);
}

CASE(c37_the_last_word_of_a_task_counts, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	long values[] = {5, -EIO};
	ct_int(ct_long_drop(creel_submit(ex, task_change_of_mind, &values[0], sizeof(long))), 5);
	creel_future *f = creel_submit(ex, task_change_of_mind, &values[1], sizeof(long));
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EIO);
	creel_future_unref(f);
	ct_close(ex);
}

/* A scope is over when they are, and a semaphore has its place back. */
CASE(c50_a_scope_waits_for_returned_futures, CT_INPROC)
{
	creel_executor *ex = ct_executor(), *scope = creel_scope_new(ex, 0);
	creel_future *f = creel_promise_new(), *g = become(scope, creel_future_ref(f));
	ct_await_running(g);
	ct_int(creel_scope_join(scope, CREEL_NOW), -ETIMEDOUT);
	end(f, RESULT);
	ct_int(creel_scope_join(scope, CT_GUARD), 0);
	ct_int(ct_long_drop(g), 41);
	creel_future_unref(f);
	creel_executor_unref(scope);
	ct_close(ex);
}

enum { LINKS = 5000 };

static void *run_chain(void *arg)
{
	creel_future **f = arg;
	end(f[0], f[1] ? RESULT : CANCELLED);
	return NULL;
}

static void *cancel_chain(void *arg)
{
	creel_future **f = arg;
	ct_int(creel_future_cancel(f[1]), CREEL_CANCEL_REQUESTED);
	return NULL;
}

static void on_small_stack(void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t small;
	pthread_t thread;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 256 << 10);
	ct_int(pthread_create(&thread, &small, fn, arg), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&small);
}

CORE_CASE(c37_a_chain_of_returned_futures_needs_the_stack_of_one)
{
	creel_executor *ex = creel_inline_new();
	for (int cancel = 0; cancel < 2; cancel++) {
		creel_future *ends[2] = {creel_promise_new(), NULL};
		ends[1] = creel_future_ref(ends[0]);
		for (int i = 0; i < LINKS; i++)
			ends[1] = become(ex, ends[1]);
		on_small_stack(cancel ? cancel_chain : run_chain, ends);
		ended_as(ends[1], ends[0], cancel ? CANCELLED : RESULT);
		creel_future_unref(ends[0]);
		creel_future_unref(ends[1]);
	}
	ct_close(ex);
}

static int task_become_nothing(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	(void)creel_return_future(task, NULL);
	return 0;
}

CASE(bad_returning_no_future_fails_the_task, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_become_nothing, NULL, 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EINVAL);
	ct_text(creel_future_error(f)->message, "creel_return_future: f is NULL");
	creel_future_unref(f);
	ct_int(creel_return_future(NULL, NULL), -EINVAL);
	ct_close(ex);
}

static int task_become_a_result(creel_task *task, const void *arg, size_t size)
{
	long value = 4;
	(void)arg;
	(void)size;
	creel_future *f = creel_future_of(&value, sizeof value);
	int rc = creel_return_future(task, f);
	creel_future_unref(f);
	return rc;
}

/* A worker process has no futures of the host's, and its own end with it. A forked child runs the
 * function by an executor of its own, and may. */
CASE(bad_a_worker_process_returns_no_future, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_become_a_result, NULL, 0);
	if (ct_is(CT_INPROC) || (ct_is(CT_APART) && !ct_is(CT_RANKS))) {
		ct_int(ct_long(f), 4);
	} else {
		ct_int(ct_outcome(f), CREEL_EFAILED);
		ct_int(creel_future_error(f)->code, -ENOTSUP);
		ct_has(creel_future_error(f)->message, "runs in a worker process");
	}
	creel_future_unref(f);
	ct_close(ex);
}

CASE(bad_a_periodic_task_returns_no_future, CT_INPROC)
{
	creel_executor *ex = ct_executor();
	const creel_submit_options o = {.period_ns = 1};
	creel_future *f = creel_submit_with(ex, task_become_a_result, NULL, 0, &o);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -ENOTSUP);
	ct_has(creel_future_error(f)->message, "period_ns");
	creel_future_unref(f);
	ct_close(ex);
}
