/* SPDX-License-Identifier: MIT */
/* A worker that blocks gives up its slot: against the ends of what it waits for, a submission, a
 * shutdown, a resize, a worker that retires, and threads that cannot be had. */
#include "model.h"
#include <errno.h>

static creel_executor *pool;
static creel_future *promise;
static int running;

static void setup(int workers, int64_t idle_ns)
{
	running = 0;
	promise = NULL;
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = workers, .idle_ns = idle_ns});
	model_name(pool, "pool");
}

static void goes_on(void)
{
	__atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
}

static void stops(void)
{
	__atomic_fetch_sub(&running, 1, __ATOMIC_RELAXED);
}

static int leaf(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	goes_on();
	stops();
	return 0;
}

/* Must not start beside another one that runs: the pool has one worker. */
static int alone(creel_task *self, const void *arg, size_t size)
{
	model_check(__atomic_load_n(&running, __ATOMIC_RELAXED) == 0);
	return leaf(self, arg, size);
}

/* Waits for a task behind it in a way that does not run it. */
static int waits(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	creel_future *f = NULL;
	size_t done;
	goes_on();
	int rc = creel_try_submit(pool, leaf, NULL, 0, NULL, &f);
	if (rc == 0) {
		stops();
		rc = creel_wait(&f, 1, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done);
		goes_on();
		model_check(rc == 0 || (rc == -EAGAIN && model_refused_threads() > 0));
		creel_future_unref(f);
	} else {
		model_check(rc == -ESHUTDOWN);
	}
	stops();
	return 0;
}

static void teardown(void)
{
	model_check(creel_executor_close(pool) == 0);
}

static void check_end(creel_future *f)
{
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(rc == 0 || (rc == CREEL_EFAILED && model_refused_threads() > 0));
	creel_future_unref(f);
}

/* One worker, and a task that waits for the one behind it. */
static void nests(void)
{
	setup(1, CREEL_NEVER);
	check_end(creel_submit(pool, waits, NULL, 0));
	creel_stats stats;
	model_check(creel_executor_stats(pool, &stats, sizeof stats) == 0);
	model_check(stats.blocked == 0);
	teardown();
}

/* The second time there is a spare. */
static void nests_twice(void)
{
	setup(1, CREEL_NEVER);
	check_end(creel_submit(pool, waits, NULL, 0));
	check_end(creel_submit(pool, waits, NULL, 0));
	teardown();
}

/* The last worker that serves shuts the gates while somebody submits; and what was blocked comes
 * back while others are at work. */
static int waits_for_promise(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	int rc = creel_future_result(promise, CREEL_FOREVER, NULL, 0);
	model_check(rc == 0 || (rc == -EAGAIN && model_refused_threads() > 0));
	goes_on();
	stops();
	return rc;
}

static void settle(void *arg)
{
	(void)arg;
	model_check(creel_promise_set_result(promise, NULL, 0) == 0);
}

static void against_submit(void)
{
	setup(1, CREEL_NEVER);
	promise = creel_promise_new();
	creel_future *f = creel_submit(pool, waits_for_promise, NULL, 0), *g;
	int other = model_spawn(settle, NULL);
	g = creel_submit(pool, leaf, NULL, 0);
	check_end(g);
	model_join(other);
	check_end(f);
	creel_future_unref(promise);
	teardown();
}

/* Only the task that it submits settles what the other one waits for. */
static int settles(creel_task *self, const void *arg, size_t size)
{
	settle(NULL);
	return leaf(self, arg, size);
}

/* What is submitted next settles it, or nobody does. */
static void settle_by_another(creel_future *f)
{
	creel_future *g = creel_submit(pool, settles, NULL, 0);
	int rc = creel_future_result(g, CREEL_FOREVER, NULL, 0);
	if (rc)
		settle(NULL);
	model_check(rc == 0 || model_refused_threads() > 0);
	creel_future_unref(g);
	check_end(f);
	creel_future_unref(promise);
	teardown();
}

static void needs_another(void)
{
	setup(1, CREEL_NEVER);
	promise = creel_promise_new();
	settle_by_another(creel_submit(pool, waits_for_promise, NULL, 0));
}

static struct model_gate go, through;

static int waits_when_told(creel_task *self, const void *arg, size_t size)
{
	model_gate_open(&go);
	model_gate_wait(&through);
	return waits_for_promise(self, arg, size);
}

/* The submission asks the system for a second thread while the first one, which had been at work,
 * blocks. */
static void needs_one_being_made(void)
{
	setup(2, CREEL_NEVER);
	go.open = through.open = 0;
	promise = creel_promise_new();
	creel_future *f = creel_submit(pool, waits_when_told, NULL, 0);
	if (model_refused_threads() == 0)
		model_gate_wait(&go);
	model_gate_open(&through);
	settle_by_another(f);
}

/* Retiring: the last worker that serves goes while another one is blocked, and comes back. */
static void against_retire(void)
{
	setup(1, 1000);
	promise = creel_promise_new();
	creel_future *f = creel_submit(pool, waits_for_promise, NULL, 0);
	check_end(creel_submit(pool, leaf, NULL, 0));
	settle(NULL);
	check_end(creel_submit(pool, leaf, NULL, 0));
	check_end(f);
	creel_future_unref(promise);
	teardown();
}

static void against_shutdown(void)
{
	setup(1, CREEL_NEVER);
	promise = creel_promise_new();
	creel_future *f = creel_submit(pool, waits_for_promise, NULL, 0);
	model_check(creel_spawn(pool, settles, NULL, 0, NULL) == 0);
	model_check(creel_executor_shutdown(pool, 0, CREEL_FOREVER, NULL) == 0);
	check_end(f);
	creel_future_unref(promise);
	teardown();
}

static void shut_down(void *arg)
{
	(void)arg;
	int rc = creel_executor_shutdown(pool, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	model_check(rc == 0 || rc == -ETIMEDOUT);
}

static void against_cancelling(void)
{
	setup(1, CREEL_NEVER);
	creel_future *f = creel_submit(pool, waits, NULL, 0);
	shut_down(NULL);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(rc == 0 || rc == -ECANCELED);
	creel_future_unref(f);
	teardown();
}

/* Two workers become one while one of them is blocked. */
static void against_resize(void)
{
	setup(2, CREEL_NEVER);
	promise = creel_promise_new();
	creel_future *f = creel_submit(pool, waits_for_promise, NULL, 0);
	creel_future *g = creel_submit(pool, leaf, NULL, 0);
	model_check(creel_executor_resize(pool, 1) == 0);
	creel_future *h = creel_submit(pool, settles, NULL, 0);
	check_end(h);
	check_end(g);
	check_end(f);
	creel_future_unref(promise);
	teardown();
}

/* Once a task that was blocked goes on, what is submitted does not start beside it, although the
 * other worker, which has lost its place, may be on its way to the queue. */
static creel_future *next;

static int comes_back(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	model_check(creel_blocking_begin() == 0);
	model_gate_wait(&go);
	model_check(creel_blocking_end() == 0);
	goes_on();
	next = creel_submit(pool, alone, NULL, 0);
	model_gate_wait(&through);
	stops();
	return 0;
}

static int lets_go(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	model_gate_open(&go);
	return 0;
}

static void comes_back_alone(void)
{
	setup(1, CREEL_NEVER);
	go.open = through.open = 0;
	creel_future *f = creel_submit(pool, comes_back, NULL, 0);
	check_end(creel_submit(pool, lets_go, NULL, 0));
	model_gate_open(&through);
	check_end(f);
	check_end(next);
	teardown();
}

const struct model_scenario model_scenarios[] = {
	/* One preemption: with two, the nesting ones take many minutes. */
	{"nests", nests, .preemptions = 1, .spurious = 1, .cpus = 1},
	{"nests twice", nests_twice, .preemptions = 1, .cpus = 1},
	{"against submit", against_submit, .preemptions = 1, .cpus = 1},
	{"needs another", needs_another, .preemptions = 1, .spurious = 1, .cpus = 1},
	{"needs another, refused", needs_another, .preemptions = 1, .thread_failures = 1,
	 .cpus = 1},
	{"needs one that is being made, refused", needs_one_being_made, .preemptions = 1,
	 .thread_failures = 2, .cpus = 1},
	{"nests, refused", nests, .preemptions = 1, .thread_failures = 2, .cpus = 1},
	{"against retire", against_retire, .preemptions = 1, .early_timeouts = 2, .cpus = 1},
	{"against shutdown", against_shutdown, .preemptions = 1, .spurious = 1, .cpus = 1},
	{"against a cancelling shutdown", against_cancelling, .preemptions = 1, .cpus = 1},
	{"against resize", against_resize, .preemptions = 1, .cpus = 1},
	{"comes back", comes_back_alone, .preemptions = 1, .cpus = 1},
	{0},
};
