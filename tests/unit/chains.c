/* SPDX-License-Identifier: MIT */
/* Chains of callbacks and destructors, 300,000 long, on a thread with a stack of 64 KiB. */
#include "ct.h"
#include "tasks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { LONG = CT_MEMCHECK || CT_ASAN || CT_TSAN ? 20000 : 300000 };

static void run_small(void *(*fn)(void *arg))
{
	pthread_attr_t attr;
	pthread_t thread;
	size_t size = 64 * 1024 * (CT_ASAN ? 4 : 1);
	ct_int(pthread_attr_init(&attr), 0);
	ct_int(pthread_attr_setstacksize(&attr, size), 0);
	ct_int(pthread_create(&thread, &attr, fn, NULL), 0);
	ct_int(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
}

static long steps;
static creel_future *final, **links;

static void step(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	if (++steps < LONG)
		ct_int(creel_future_on_done(final, NULL, step, NULL, NULL, NULL), 0);
}

static void *add_on_final(void *arg)
{
	(void)arg;
	final = creel_promise_new();
	ct_int(creel_promise_set_result(final, NULL, 0), 0);
	step(NULL, NULL);
	creel_future_unref(final);
	return NULL;
}

CT_TEST(chains, a_callback_adds_the_next_to_a_final_future, 0)
{
	run_small(add_on_final);
	ct_int(steps, LONG);
}

static creel_executor *inline_executor;

static void step_inline(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	if (++steps < LONG)
		ct_int(creel_future_on_done(final, inline_executor, step_inline, NULL, NULL, NULL),
		       0);
}

static void *add_inline(void *arg)
{
	(void)arg;
	inline_executor = creel_inline_new();
	final = creel_promise_new();
	ct_int(creel_promise_set_result(final, NULL, 0), 0);
	step_inline(NULL, NULL);
	creel_future_unref(final);
	ct_int(creel_executor_close(inline_executor), 0);
	return NULL;
}

CT_TEST(chains, a_callback_adds_the_next_as_an_inline_task, 0)
{
	run_small(add_inline);
	ct_int(steps, LONG);
}

static void drop_next(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	steps++;
	creel_future_unref(data);
}

static void *drop_results(void *arg)
{
	(void)arg;
	creel_future *last = creel_promise_new();
	ct_int(creel_promise_set_result(last, NULL, 0), 0);
	for (long i = 0; i < LONG; i++) {
		creel_future *p = creel_promise_new();
		ct_int(creel_promise_set_move(
			       p, (creel_buffer){.data = last, .size = 1, .free = drop_next}),
		       0);
		last = p;
	}
	creel_future_unref(last);
	return NULL;
}

CT_TEST(chains, a_result_owns_the_next_future, 0)
{
	run_small(drop_results);
	ct_int(steps, LONG);
}

/* Callback, result, callback, result: each drops the future that owns the other. */
static void settle_next(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	steps++;
	ct_int(creel_promise_set_result(data, NULL, 0), 0);
	creel_future_unref(data);
}

static void drop_from_callback(creel_future *f, void *arg)
{
	(void)f;
	steps++;
	creel_future_unref(arg);
}

static void *mix(void *arg)
{
	(void)arg;
	creel_future *last = creel_promise_new();
	ct_int(creel_promise_set_result(last, NULL, 0), 0);
	for (long i = 0; i < LONG / 2; i++) {
		creel_future *told = creel_promise_new(), *owner = creel_promise_new();
		ct_int(creel_future_on_done(told, NULL, drop_from_callback, last, NULL, NULL), 0);
		ct_int(creel_promise_set_move(
			       owner, (creel_buffer){.data = told, .size = 1, .free = settle_next}),
		       0);
		last = owner;
	}
	creel_future_unref(last);
	return NULL;
}

CT_TEST(chains, results_and_callbacks_take_turns, 0)
{
	run_small(mix);
	ct_int(steps, LONG / 2 * 2);
}

static void cancel_next(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	steps++;
	if (ctx)
		ct_int(creel_future_cancel(ctx), CREEL_CANCEL_NOW);
}

static int keep(void *self, creel_task *task)
{
	creel_task **kept = self;
	*kept = task;
	return 0;
}

static void *cancel_all(void *arg)
{
	(void)arg;
	enum { N = LONG / 4 };
	creel_task *kept = NULL, **tasks = malloc(N * sizeof *tasks);
	links = malloc(N * sizeof *links);
	ct_assert(tasks && links);
	creel_executor *ex = creel_executor_new(
		&(creel_executor_ops){.size = sizeof(creel_executor_ops), .submit = keep}, &kept);
	for (long i = 0; i < N; i++) {
		links[i] = creel_submit_with(
			ex, task_nothing, NULL, 0,
			&(creel_submit_options){.arg_free = cancel_next,
						.arg_ctx = i ? links[i - 1] : NULL});
		tasks[i] = kept;
	}
	ct_int(creel_future_cancel(links[N - 1]), CREEL_CANCEL_NOW);
	ct_int(steps, N);
	for (long i = 0; i < N; i++) {
		ct_int(creel_future_state(links[i]), CREEL_FUTURE_CANCELLED);
		ct_int(creel_task_run(tasks[i]), -ECANCELED);
		creel_future_unref(links[i]);
	}
	ct_int(creel_executor_close(ex), 0);
	free(tasks);
	free(links);
	return NULL;
}

CT_TEST(chains, an_argument_cancels_the_next_task, 0)
{
	run_small(cancel_all);
}

static uint64_t *ids;

static void called(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	ct_fail(__FILE__, __LINE__, "a removed callback was called");
}

/* The oldest is the first in the list: finding it costs nothing. */
static void remove_next(void *arg)
{
	uint64_t *next = (uint64_t *)arg + 1;
	steps++;
	if (*next)
		ct_int(creel_future_remove(final, *next), CREEL_CALLBACK_REMOVED);
}

static void *remove_all(void *arg)
{
	(void)arg;
	enum { N = LONG / 4 };
	ids = calloc(N + 1, sizeof *ids);
	ct_assert(ids);
	final = creel_promise_new();
	for (long i = 0; i < N; i++)
		ct_int(creel_future_on_done(final, NULL, called, &ids[i], remove_next, &ids[i]), 0);
	ct_int(creel_future_remove(final, ids[0]), CREEL_CALLBACK_REMOVED);
	ct_int(steps, N);
	ct_int(creel_promise_set_result(final, NULL, 0), 0);
	creel_future_unref(final);
	free(ids);
	return NULL;
}

CT_TEST(chains, the_free_of_a_removed_callback_removes_the_next, 0)
{
	run_small(remove_all);
}

static creel_executor *shut;

/* Whatever it is told of, it tries again, and is refused again. */
static void spawn_again(void *ctx, const creel_error *error)
{
	(void)ctx;
	(void)error;
	if (++steps < LONG / 4)
		ct_int(creel_spawn(shut, task_nothing, NULL, 0, NULL), -ESHUTDOWN);
}

static void *spawn_refused(void *arg)
{
	(void)arg;
	shut = creel_thread_pool_new(&(creel_thread_pool_options){.on_unhandled = spawn_again});
	ct_int(creel_executor_shutdown(shut, 0, CREEL_FOREVER, NULL), 0);
	ct_int(creel_spawn(shut, task_nothing, NULL, 0, NULL), -ESHUTDOWN);
	ct_close(shut);
	return NULL;
}

CT_TEST(chains, the_hook_for_lost_errors_spawns_onto_a_pool_that_is_shut, 0)
{
	run_small(spawn_refused);
	ct_int(steps, LONG / 4);
}

static int refuse(void *self, creel_task *task)
{
	(void)self;
	(void)task;
	return -EAGAIN;
}

static void drop_beneath(void *self)
{
	steps++;
	creel_executor_unref(self);
}

static void *drop_executors(void *arg)
{
	(void)arg;
	creel_executor *top = NULL;
	for (long i = 0; i < LONG / 4; i++)
		top = creel_executor_new(&(creel_executor_ops){.size = sizeof(creel_executor_ops),
							       .submit = refuse,
							       .destroy = drop_beneath},
					 top);
	creel_executor_unref(top);
	return NULL;
}

CT_TEST(chains, an_executor_owns_the_next_one, 0)
{
	run_small(drop_executors);
	ct_int(steps, LONG / 4);
}

static void drop_queue(void *queue, void *ctx)
{
	(void)ctx;
	steps++;
	creel_queue_unref(queue);
}

static void *drop_queues(void *arg)
{
	(void)arg;
	creel_queue *top = NULL;
	for (long i = 0; i < LONG / 4; i++) {
		creel_queue *q = creel_queue_new(&(creel_queue_options){.tag_free = drop_queue});
		ct_int(creel_queue_add(q, final, top), 0);
		top = q;
	}
	creel_queue_unref(top);
	return NULL;
}

CT_TEST(chains, a_queue_has_the_next_one_as_a_tag, 0)
{
	final = creel_promise_new();
	run_small(drop_queues);
	ct_int(steps, LONG / 4);
	creel_future_unref(final);
}
