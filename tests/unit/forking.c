/* SPDX-License-Identifier: MIT */
/*
 * A function of the user's forks, and the child returns from it: for every kind of function that
 * the library calls, with more of them waiting to be called.
 *
 * In the child nothing of the parent's is called any more, and no lock of the parent's is taken:
 * the child marks those that it knows as held, as another thread could have had them at the fork.
 * On a thread of the user's the child returns to the user's code, and exits with RETURNED. On a
 * thread of the library's it ends at once, with 0.
 */
#include "exec/executor.h"
#include "future/hook.h"
#include "future/queue_state.h"
#include "regress.h"
#include "threads/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { MOST = 8, RETURNED = 7, CALLED = 3, MISSED = 4 };

static pid_t parent, child;
static bool forked;

/* What the child marks as locked. */
static creel_future *futures[MOST];
static unsigned future_count;
static creel_queue *queue;
static struct creel__pool *pool;

static creel_future *known(creel_future *f)
{
	return futures[future_count++] = f;
}

static void lock_all(void)
{
	for (unsigned i = 0; i < future_count; i++)
		creel__hooks_lock(futures[i]);
	if (queue)
		creel__lock_acquire(&queue->lock);
	if (pool)
		creel__lock_acquire(&pool->lock);
}

/* Called by each function of the user's. The first one forks. */
static void called(void)
{
	if (getpid() != parent) {
		fprintf(stderr, "a function of the parent's is called in a child\n");
		_exit(CALLED);
	}
	if (forked)
		return;
	forked = true;
	child = fork();
	if (child)
		return;
	alarm(CT_GUARD_MS / 1000);
	lock_all();
}

static void done(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	called();
}

static void dropped(void *arg)
{
	(void)arg;
	called();
}

static void freed(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	(void)ctx;
	called();
}

static void unhandled(void *ctx, const creel_error *error)
{
	(void)ctx;
	(void)error;
	called();
}

/* A destructor that makes others due. */
static void freed_with_more(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	for (creel_future **f = ctx; *f; f++)
		creel_future_unref(*f);
	called();
}

static int task_called(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	called();
	return 0;
}

static void add_callbacks(creel_future *f, creel_executor *ex, int n)
{
	for (int i = 0; i < n; i++)
		ct_int(creel_future_on_done(f, ex, done, NULL, dropped, NULL), 0);
}

static creel_future *promise_with_callbacks(creel_executor *ex)
{
	creel_future *f = known(creel_promise_new());
	add_callbacks(f, ex, 2);
	return f;
}

static creel_future *moved(void (*fn)(void *, size_t, void *), void *ctx)
{
	static int value;
	creel_future *f = known(creel_promise_new());
	creel_buffer buffer = {.data = &value, .size = sizeof value, .free = fn, .ctx = ctx};
	ct_int(creel_promise_set_move(f, buffer), 0);
	return f;
}

/* The places. */

static void in_callback(void)
{
	creel_future *f = promise_with_callbacks(NULL);
	creel_promise_set_result(f, NULL, 0);
	creel_future_unref(f);
}

static void in_callback_of_final(void)
{
	creel_future *f = known(creel_promise_new());
	creel_promise_set_result(f, NULL, 0);
	(void)creel_future_on_done(f, NULL, done, NULL, dropped, NULL);
	creel_future_unref(f);
}

static void in_callback_that_is_a_task(void)
{
	creel_executor *ex = creel_inline_new();
	creel_future *f = promise_with_callbacks(ex);
	creel_promise_set_result(f, NULL, 0);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

/* Settles others, whose callbacks are put off. */
static void done_settles(creel_future *f, void *arg)
{
	(void)f;
	for (creel_future **other = arg; *other; other++)
		creel_promise_set_result(*other, NULL, 0);
	called();
}

static void with_callbacks_put_off(void)
{
	creel_executor *ex = creel_inline_new();
	creel_future *first = known(creel_promise_new());
	creel_future *others[] = {promise_with_callbacks(NULL), promise_with_callbacks(ex), NULL};
	ct_int(creel_future_on_done(first, NULL, done_settles, others, NULL, NULL), 0);
	creel_promise_set_result(first, NULL, 0);
	creel_future_unref(first);
	creel_future_unref(others[0]);
	creel_future_unref(others[1]);
	creel_executor_unref(ex);
}

static void in_removed_callback(void)
{
	uint64_t id;
	creel_future *f = known(creel_promise_new());
	ct_int(creel_future_on_done(f, NULL, done, NULL, dropped, &id), 0);
	(void)creel_future_remove(f, id);
	creel_promise_set_result(f, NULL, 0);
	creel_future_unref(f);
}

static void in_result(void)
{
	creel_future_unref(moved(freed, NULL));
}

static void with_destructors_put_off(void)
{
	creel_future *others[] = {moved(freed, NULL), moved(freed, NULL), NULL};
	creel_future_unref(moved(freed_with_more, others));
}

static void in_dropped_promise(void)
{
	creel_future_unref(promise_with_callbacks(NULL));
}

static void in_inline_task(void)
{
	creel_submit_options o = {.arg_free = freed};
	creel_executor *ex = creel_inline_new();
	long value = 1;
	creel_future *f = creel_submit_with(ex, task_called, &value, sizeof value, &o);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

/* A custom executor whose operations fork, if they are the ones that are asked to. */
static struct {
	bool submits, withdraws, shuts_down;
	int destroys;         /* how often it is asked for before one forks */
	creel_executor *next; /* dropped by the first destroy */
	creel_task *task, *running;
} ops;

static int op_submit(void *self, creel_task *task)
{
	(void)self;
	ops.task = task;
	if (ops.submits)
		called();
	return ops.submits ? -EIO : 0;
}

static int op_withdraw(void *self, creel_task *task)
{
	(void)self;
	if (ops.withdraws)
		called();
	return task != ops.running;
}

static void op_shutdown(void *self, unsigned flags)
{
	(void)self;
	(void)flags;
	if (ops.shuts_down)
		called();
}

static void op_destroy(void *self)
{
	(void)self;
	creel_executor *next = ops.next;
	ops.next = NULL;
	creel_executor_unref(next);
	if (ops.destroys)
		called();
}

static creel_executor *custom(void)
{
	static const creel_executor_ops table = {.size = sizeof table,
						 .submit = op_submit,
						 .withdraw = op_withdraw,
						 .shutdown = op_shutdown,
						 .destroy = op_destroy};
	return creel_executor_new(&table, NULL);
}

static creel_future *pending_on(creel_executor *ex)
{
	creel_submit_options o = {.arg_free = freed};
	long value = 1;
	return known(creel_submit_with(ex, task_called, &value, sizeof value, &o));
}

static void in_submit(void)
{
	creel_executor *ex = custom();
	ops.submits = true;
	creel_future_unref(creel_submit(ex, task_called, NULL, 0));
	ops.submits = false;
	creel_executor_unref(ex);
}

static void in_submit_of_callback(void)
{
	creel_executor *ex = custom();
	creel_future *f = promise_with_callbacks(ex);
	ops.submits = true;
	creel_promise_set_result(f, NULL, 0);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

static void in_withdraw(void)
{
	creel_executor *ex = custom();
	creel_future *f = pending_on(ex);
	add_callbacks(f, NULL, 1);
	ops.withdraws = true;
	(void)creel_future_cancel(f);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

static void in_withdraw_of_run(void)
{
	creel_executor *ex = custom();
	creel_future *f = pending_on(ex);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	ops.withdraws = true;
	ops.running = ops.task;
	(void)creel_task_run(ops.task);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

static void in_shutdown(void)
{
	creel_executor *ex = custom();
	creel_future *f = pending_on(ex);
	ops.shuts_down = true;
	(void)creel_executor_shutdown(ex, 0, CREEL_NOW, NULL);
	creel_task_run(ops.task);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

static void in_destroy(void)
{
	creel_executor *ex = custom();
	ops.next = custom();
	ops.destroys = 1;
	creel_executor_unref(ex);
}

/* The destructor of a callback's argument ends the callback's task, which was rejected. */
static void in_rejected_callback(void)
{
	creel_executor *ex = custom();
	creel_future *f = known(creel_promise_new());
	add_callbacks(f, ex, 1);
	creel_promise_set_result(f, NULL, 0);
	creel_task_reject(ops.task, CREEL_KIND_REJECTED, -EIO, "no");
	creel_future_unref(f);
	creel_executor_unref(ex);
}

static void in_argument_of_rejected(void)
{
	creel_executor *ex = creel_executor_new(NULL, NULL);
	creel_submit_options o = {.arg_free = freed};
	long value = 1;
	creel_future *f = creel_submit_with(ex, task_called, &value, sizeof value, &o);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	creel_future_unref(f);
	creel_executor_unref(ex);
}

static void tag_freed(void *tag, void *ctx)
{
	(void)tag;
	(void)ctx;
	called();
}

static void in_tag(void)
{
	queue = creel_queue_new(&(creel_queue_options){.tag_free = tag_freed});
	creel_future *f[] = {known(creel_promise_new()), known(creel_promise_new())};
	for (int i = 0; i < 2; i++)
		ct_int(creel_queue_add(queue, f[i], NULL), 0);
	(void)creel_queue_discard(queue);
	creel_queue_unref(queue);
	creel_future_unref(f[0]);
	creel_future_unref(f[1]);
	queue = NULL;
}

static void in_cancelled_queue(void)
{
	creel_executor *ex = custom();
	queue = creel_queue_new(NULL);
	creel_future *f[] = {pending_on(ex), pending_on(ex)};
	for (int i = 0; i < 2; i++)
		ct_int(creel_queue_add(queue, f[i], NULL), 0);
	(void)creel_queue_cancel(queue, CREEL_KILL_REST);
	creel_queue_unref(queue);
	creel_future_unref(f[0]);
	creel_future_unref(f[1]);
	creel_executor_unref(ex);
	queue = NULL;
}

static int source(void *ctx, void *item, size_t *size)
{
	(void)ctx;
	(void)item;
	called();
	*size = 1;
	return 1;
}

static int next_of(creel_mapping *map)
{
	creel_future *f = NULL;
	int rc = creel_map_next(map, CREEL_NOW, &f, NULL);
	if (rc == 0)
		creel_future_unref(f);
	if (getpid() != parent && (rc != -EPERM || creel_map_error(map)))
		_exit(MISSED);
	return rc;
}

static void in_source(void)
{
	creel_executor *ex = creel_inline_new();
	creel_mapping *map = creel_map_from(ex, task_nothing, source, NULL, NULL);
	(void)next_of(map);
	creel_map_end(map);
	creel_executor_unref(ex);
}

static void in_task_of_map(void)
{
	static const char items[4];
	creel_executor *ex = creel_inline_new();
	creel_mapping *map = creel_map(ex, task_called, items, 1, sizeof items, NULL);
	(void)next_of(map);
	creel_map_end(map);
	creel_executor_unref(ex);
}

static void in_shutdown_of_pool(void)
{
	static struct gate gate;
	gate = (struct gate){0};
	creel_executor *ex = pool_of(1);
	creel_future *held = hold(ex, &gate);
	creel_future *f[] = {pending_on(ex), pending_on(ex)};
	pool = (struct creel__pool *)ex;
	int rc = creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	if (getpid() != parent && rc != -EPERM)
		_exit(MISSED);
	ct_open(&gate.open);
	creel_future_unref(held);
	creel_future_unref(f[0]);
	creel_future_unref(f[1]);
	(void)creel_executor_close(ex);
	pool = NULL;
}

static void in_unhandled(void)
{
	static struct gate gate = {.open = {1}};
	creel_executor *ex = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .on_unhandled = unhandled});
	creel_future *f = hold(ex, &gate);
	ends_with(f, 0);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL), 0);
	creel_future_unref(creel_submit(ex, task_nothing, NULL, 0));
	creel_executor_unref(ex);
}

/* How a place is tried. */

static void begin(void)
{
	parent = getpid();
	child = 0;
	forked = false;
	future_count = 0;
	memset(&ops, 0, sizeof ops);
}

/* What the child of the place ended with. */
static int status_of_child(void)
{
	int status = -1;
	if (child <= 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int task_at(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	begin();
	(*(void (*const *)(void))arg)();
	if (getpid() != parent)
		_exit(RETURNED);
	int status = status_of_child();
	return creel_return(task, &status, sizeof status);
}

/* On the user's own thread, and on a worker. */
static void both(void (*place)(void))
{
	int status = -1;
	begin();
	place();
	if (getpid() != parent)
		_exit(RETURNED);
	ct_int(status_of_child(), RETURNED);
	creel_executor *ex = pool_of(1);
	creel_future *f = creel_submit(ex, task_at, &place, sizeof place);
	ct_int(creel_future_result(f, CT_GUARD, &status, sizeof status), 0);
	ct_int(status, 0);
	creel_future_unref(f);
	close_now(ex);
}

#define FORKS(place)                                                                               \
	CT_TEST(forking, place, 0)                                                                 \
	{                                                                                          \
		both(place);                                                                       \
	}

FORKS(in_callback)
FORKS(in_callback_of_final)
FORKS(in_callback_that_is_a_task)
FORKS(with_callbacks_put_off)
FORKS(in_removed_callback)
FORKS(in_result)
FORKS(with_destructors_put_off)
FORKS(in_dropped_promise)
FORKS(in_inline_task)
FORKS(in_submit)
FORKS(in_submit_of_callback)
FORKS(in_withdraw)
FORKS(in_withdraw_of_run)
FORKS(in_shutdown)
FORKS(in_destroy)
FORKS(in_rejected_callback)
FORKS(in_argument_of_rejected)
FORKS(in_tag)
FORKS(in_cancelled_queue)
FORKS(in_source)
FORKS(in_task_of_map)
FORKS(in_shutdown_of_pool)
FORKS(in_unhandled)
