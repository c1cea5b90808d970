/* SPDX-License-Identifier: MIT */
/* Promise 23: in a forked child every call on an object of the parent's says -EPERM. */
#include "contract.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child: calls with objects of the parent's. A lint sees to it that every function of the
 * public headers stands in one of these. */
#define REFUSED(call, ...) CHILD(call(__VA_ARGS__) == -EPERM)
#define GIVES(what, call, ...) CHILD(call(__VA_ARGS__) == (what))
#define IGNORED(call, ...) call(__VA_ARGS__)

/* A child that hangs is ended by its own alarm, and its status tells. */
static pid_t fork_guarded(void)
{
	pid_t child = fork();
	if (child == 0)
		alarm(CT_GUARD_MS / 1000);
	return child;
}

static int status_of(pid_t child)
{
	int status = -1;
	ct_assert(child > 0);
	ct_int(waitpid(child, &status, 0), child);
	return status;
}

static void never(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	fprintf(stderr, "a callback of the parent's runs in a child\n");
	_exit(3);
}

static void never_free(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	(void)ctx;
	fprintf(stderr, "a destructor of the parent's runs in a child\n");
	_exit(4);
}

/* A submission that gives a future gives one that failed. */
static void failed_with_eperm(creel_future *f)
{
	CHILD(creel_future_result(f, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	CHILD(creel_future_error(f)->code == -EPERM);
	creel_future_unref(f);
}

/* A map over it fails with its first item. */
static void fails_with_eperm(creel_mapping *map)
{
	creel_future *f = NULL;
	CHILD(creel_map_next(map, CREEL_FOREVER, &f, NULL) == CREEL_EFAILED);
	failed_with_eperm(f);
	creel_map_end(map);
}

static int pulled;

static int source(void *ctx, void *item, size_t *size)
{
	(void)ctx;
	pulled++;
	memset(item, 0, sizeof(long));
	*size = sizeof(long);
	return 1;
}

static void never_job(creel_job *job, creel_task *task)
{
	(void)job;
	(void)task;
	_exit(1);
}

static int never_body(creel_task *task, size_t begin, size_t end, void *context)
{
	(void)task;
	(void)begin;
	(void)end;
	(void)context;
	_exit(1);
}

static int never_reduce(creel_task *task, size_t begin, size_t end, void *into, void *context)
{
	(void)into;
	return never_body(task, begin, end, context);
}

static void never_combine(void *into, const void *from, void *context)
{
	(void)into;
	(void)from;
	(void)context;
	_exit(1);
}

/* Every call on an executor. p is memory of the executor's, or NULL. */
static void refuses_executor(creel_executor *ex, void *p)
{
	creel_stats stats = {.pending = 77};
	creel_queue *own = creel_queue_new(NULL);
	creel_future *promise = creel_promise_new(), *f = NULL;
	const creel_error *error = creel_executor_error(ex);
	creel_map_options o = {.max_item = sizeof(long)};
	long one = 1;
	size_t left = 77, none = 0;
	REFUSED(creel_try_submit, ex, task_same, &one, sizeof one, NULL, &f);
	REFUSED(creel_spawn, ex, task_same, &one, sizeof one, NULL);
	REFUSED(creel_submit_many, ex, task_same, &one, sizeof one, 1, NULL, &f, &none);
	failed_with_eperm(IGNORED(creel_submit, ex, task_same, &one, sizeof one));
	failed_with_eperm(IGNORED(creel_submit_with, ex, task_same, &one, sizeof one, NULL));
	failed_with_eperm(IGNORED(creel_then, promise, ex, task_same, &one, sizeof one));
	failed_with_eperm(IGNORED(creel_then_with, promise, ex, task_same, &one, sizeof one, NULL));
	failed_with_eperm(IGNORED(creel_recover, promise, ex, task_same, &one, sizeof one));
	failed_with_eperm(
		IGNORED(creel_recover_with, promise, ex, task_same, &one, sizeof one, NULL));
	failed_with_eperm(IGNORED(creel_finally, promise, ex, task_same, &one, sizeof one));
	failed_with_eperm(
		IGNORED(creel_finally_with, promise, ex, task_same, &one, sizeof one, NULL));
	REFUSED(creel_queue_submit, own, ex, task_same, &one, sizeof one, NULL, NULL);
	REFUSED(creel_queue_submit_by, own, ex, task_same, &one, sizeof one, NULL, NULL,
		CREEL_FOREVER, &f);
	fails_with_eperm(IGNORED(creel_map, ex, task_same, &one, sizeof one, 1, NULL));
	fails_with_eperm(IGNORED(creel_map_from, ex, task_same, source, NULL, &o));
	CHILD(!f);
	REFUSED(creel_executor_drain, ex, CREEL_FOREVER);
	REFUSED(creel_scope_join, ex, CREEL_FOREVER);
	REFUSED(creel_scope_cancel, ex);
	GIVES(NULL, creel_scope_error, ex);
	GIVES(NULL, creel_scope_token, ex);
	creel_executor_unref(IGNORED(creel_scope_new_with, ex, NULL));
	creel_executor *scope = IGNORED(creel_scope_new, ex, 0);
	CHILD(creel_executor_error(scope)->code == -EPERM);
	IGNORED(creel_scope_leave, &scope);
	REFUSED(creel_executor_resize, ex, 2);
	creel_job job = CREEL_JOB_INIT;
	REFUSED(creel_job_post, ex, &job, never_job);
	REFUSED(creel_parallel_for, ex, 0, 1, never_body, NULL, NULL);
	double sum = 77;
	REFUSED(creel_reduce, ex, 0, 1, &sum, sizeof sum, never_reduce, never_combine, NULL, &sum,
		NULL);
	CHILD(sum == 77);
	/* One that the parent has posted: jobs.c. */
	GIVES(-EBUSY, creel_job_cancel, &job);
	REFUSED(creel_executor_pause, ex);
	REFUSED(creel_executor_resume, ex);
	creel_histogram histogram;
	REFUSED(creel_executor_histogram, ex, CREEL_HISTOGRAM_RUNNING, &histogram,
		sizeof histogram);
	REFUSED(creel_executor_watch, ex, &(creel_hooks){.size = sizeof(creel_hooks)});
	GIVES(0u, creel_executor_slots, ex);
	REFUSED(creel_executor_stats, ex, &stats, sizeof stats);
	REFUSED(creel_executor_shutdown, ex, 0, CREEL_FOREVER, &left);
	REFUSED(creel_executor_shutdown, ex, CREEL_SHUTDOWN_KILL, CREEL_NOW, &left);
	CHILD(stats.pending == 77 && left == 77);
	/* Errors are never changed: what the parent saw can be read. */
	GIVES(error, creel_executor_error, ex);
	GIVES(NULL, creel_error_cause, error, 0);
	GIVES(NULL, creel_shared_alloc, ex, 8);
	IGNORED(creel_shared_free, ex, p);
	REFUSED(creel_future_on_done, promise, ex, never, NULL, NULL, NULL);
	REFUSED(creel_future_on_done_with, promise, ex, never, NULL, NULL, NULL);
	GIVES(ex, creel_executor_ref, ex);
	REFUSED(creel_executor_close, ex);
	IGNORED(creel_executor_unref, ex);
	creel_future_unref(promise);
	creel_queue_unref(own);
}

/* Every call on a future, whatever its state. */
static void refuses_future(creel_future *f)
{
	creel_buffer buffer;
	creel_queue *own = creel_queue_new(NULL);
	const void *data = NULL;
	size_t size = 77;
	uint64_t id = 77;
	REFUSED(creel_future_state, f);
	REFUSED(creel_future_result, f, CREEL_FOREVER, NULL, 0);
	REFUSED(creel_future_result, f, CREEL_NOW, NULL, 0);
	REFUSED(creel_future_view, f, CREEL_NOW, &data, &size);
	CHILD(!data && size == 77);
	REFUSED(creel_future_take, f, CREEL_NOW, &buffer);
	REFUSED(creel_future_cancel, f);
	REFUSED(creel_future_kill, f, 0);
	creel_executor *here = creel_inline_new();
	failed_with_eperm(IGNORED(creel_then, f, here, task_same, &size, sizeof size));
	failed_with_eperm(IGNORED(creel_timeout, f, NULL, CREEL_FOREVER, 0));
	creel_executor_unref(here);
	REFUSED(creel_future_on_done, f, NULL, never, NULL, NULL, &id);
	REFUSED(creel_future_on_done_with, f, NULL, never, NULL, NULL, &id);
	REFUSED(creel_future_remove, f, 1);
	for (int mode = CREEL_ALL_COMPLETED; mode <= CREEL_FIRST_ERROR; mode++) {
		REFUSED(creel_wait, &f, 1, mode, CREEL_FOREVER, &size);
		REFUSED(creel_wait, &f, 1, mode, CREEL_NOW, &size);
	}
	CHILD(size == 77 && id == 77);
	REFUSED(creel_queue_add, own, f, NULL);
	REFUSED(creel_queue_add_by, own, f, NULL, CREEL_FOREVER);
	/* The error that the parent saw, or none. */
	const creel_error *error = creel_future_error(f);
	GIVES(error, creel_future_error, f);
	CHILD(IGNORED(creel_future_message, f, -EMSGSIZE));
	CHILD(IGNORED(creel_future_message, f, CREEL_EFAILED));
	GIVES(f, creel_future_ref, f);
	IGNORED(creel_future_unref, f);
	IGNORED(creel_future_unref, f);
	creel_queue_unref(own);
}

static void refuses_promise(creel_future *promise)
{
	int value = 1;
	creel_buffer buffer = {.data = &value, .size = sizeof value, .free = never_free};
	REFUSED(creel_promise_start, promise);
	REFUSED(creel_promise_set_result, promise, &value, sizeof value);
	REFUSED(creel_promise_set_move, promise, buffer);
	REFUSED(creel_promise_fail, promise, CREEL_KIND_FAILED, -EIO, NULL, 0, "no");
	GIVES(false, creel_promise_cancelled, promise);
	REFUSED(creel_promise_drop, creel_future_ref(promise));
	refuses_future(promise);
}

#ifdef __linux__
static void refuses_driven(creel_executor *ex)
{
	creel_future *own = creel_promise_new();
	REFUSED(creel_driven_run, ex, CREEL_FOREVER);
	REFUSED(creel_driven_run_until, ex, own, CREEL_FOREVER);
	REFUSED(creel_driven_stop, ex);
	REFUSED(creel_driven_fd, ex);
	failed_with_eperm(IGNORED(creel_ready, ex, 0, CREEL_READABLE));
	creel_future_unref(own);
}

/* The child drops the descriptors and leaves the parent's epoll set as it is. */
CORE_CASE(c23_a_child_is_refused_driven_executors_of_the_parents)
{
	creel_executor *ex = creel_driven_new(NULL);
	int ends[2], fd = creel_driven_fd(ex);
	ct_int(pipe(ends), 0);
	creel_future *ready = creel_ready(ex, ends[0], CREEL_READABLE);
	creel_future *task = creel_submit(ex, task_nothing, NULL, 0);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_driven(ex);
		refuses_future(ready);
		refuses_future(task);
		REFUSED(creel_executor_close, ex);
		CHILD(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(write(ends[1], "x", 1), 1);
	ct_int(creel_driven_run(ex, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_future_result(ready, CREEL_NOW, NULL, 0), 0);
	ct_int(creel_future_result(task, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(ready);
	creel_future_unref(task);
	close(ends[0]);
	close(ends[1]);
	ct_close(ex);
}
#endif

static void refuses_channel(creel_channel *ch)
{
	long value = 77;
	creel_buffer buffer = {.data = &value, .size = sizeof value, .free = never_free};
	REFUSED(creel_channel_put_by, ch, &value, sizeof value, CREEL_FOREVER);
	REFUSED(creel_channel_put_move_by, ch, buffer, CREEL_FOREVER);
	REFUSED(creel_channel_get_by, ch, CREEL_FOREVER, &value, sizeof value);
	REFUSED(creel_channel_take_by, ch, CREEL_FOREVER, &buffer);
	REFUSED(creel_channel_try_put, ch, &value, sizeof value);
	REFUSED(creel_channel_try_put_move, ch, buffer);
	REFUSED(creel_channel_try_get, ch, &value, sizeof value);
	REFUSED(creel_channel_close, ch, NULL);
	REFUSED(creel_channel_cancel, ch);
	failed_with_eperm(IGNORED(creel_channel_put, ch, &value, sizeof value));
	failed_with_eperm(IGNORED(creel_channel_get, ch));
	/* The child's own buffer, which it gave away. */
	buffer.free = NULL;
	failed_with_eperm(IGNORED(creel_channel_put_move, ch, buffer));
	GIVES(NULL, creel_channel_error, ch);
	GIVES(ch, creel_channel_ref, ch);
	IGNORED(creel_channel_unref, ch);
	IGNORED(creel_channel_unref, ch);
	CHILD(value == 77);
}

static void refuses_queue(creel_queue *q, int fd)
{
	creel_future *taken = NULL, *f = creel_promise_new();
	void *tag = NULL;
	size_t n = 77;
	REFUSED(creel_queue_add, q, f, NULL);
	REFUSED(creel_queue_take, q, CREEL_NOW, &taken, NULL);
	REFUSED(creel_queue_take, q, CREEL_FOREVER, &taken, NULL);
	REFUSED(creel_queue_take_many, q, CREEL_FOREVER, 1, &taken, &tag, &n);
	CHILD(!taken && n == 77);
	GIVES(0, creel_queue_length, q, &n);
	CHILD(n == 0);
	REFUSED(creel_queue_set_capacity, q, 1);
	REFUSED(creel_queue_cancel, q, CREEL_KILL_REST);
	REFUSED(creel_queue_fd, q);
	REFUSED(creel_queue_wake, q);
	REFUSED(creel_queue_close, q);
	REFUSED(creel_queue_discard, q);
	REFUSED(creel_queue_reset, q);
	GIVES(NULL, creel_queue_error, q);
	GIVES(q, creel_queue_ref, q);
	/* A loop that polls it can let go of it, whoever else referred to it in the parent. */
	IGNORED(creel_queue_unref, q);
	CHILD(fd < 0 || (fcntl(fd, F_GETFD) < 0 && errno == EBADF));
	creel_future_unref(f);
}

static void refuses_map(creel_mapping *map)
{
	creel_future *f = NULL;
	int before = pulled;
	for (int i = 0; i < 2; i++)
		REFUSED(creel_map_next, map, CREEL_FOREVER, &f, NULL);
	REFUSED(creel_map_then, map, NULL, task_same, NULL);
	CHILD(pulled == before && !f);
	GIVES(NULL, creel_map_error, map);
	IGNORED(creel_map_end, map);
}

/* The calls that are for the function of a task. */
static void refuses_task(creel_task *task)
{
	int value = 1;
	creel_buffer buffer = {.data = &value, .size = sizeof value, .free = never_free};
	char large[4096] = {0};
	REFUSED(creel_return, task, &value, sizeof value);
	REFUSED(creel_return, task, large, sizeof large);
	GIVES(NULL, creel_return_reserve, task, 8);
	GIVES(NULL, creel_return_reserve, task, 1 << 20);
	REFUSED(creel_return_move, task, buffer);
	REFUSED(creel_return_future, task, creel_task_future(task));
	REFUSED(creel_fail, task, -EIO, "no");
	REFUSED(creel_fail_with, task, -EIO, &value, sizeof value, "no");
	GIVES(false, creel_task_cancelled, task);
	REFUSED(creel_task_input, task, NULL, NULL);
	GIVES(NULL, creel_task_input_error, task);
	GIVES(-EPERM, creel_task_sleep, task, CREEL_FOREVER);
	/* Of the worker that it was, which it has a copy of. */
	GIVES(creel_task_worker(task), creel_task_worker, task);
	GIVES(creel_task_local(task), creel_task_local, task);
	GIVES(NULL, creel_task_executor, task);
	GIVES(NULL, creel_task_future, task);
	/* Those of a custom executor. */
	GIVES(NULL, creel_task_words, task);
	REFUSED(creel_task_run, task);
	creel_job job = CREEL_JOB_INIT;
	REFUSED(creel_job_fork, task, &job, never_job);
	REFUSED(creel_job_join, task, &job);
	IGNORED(creel_task_reject, task, CREEL_KIND_FAILED, -EIO, "no");
	REFUSED(creel_task_forward, task, creel_inline_new());
	const void *data = NULL;
	size_t size = 0;
	creel_submit_options options;
	GIVES(NULL, creel_task_function, task);
	REFUSED(creel_task_argument, task, &data, &size);
	REFUSED(creel_task_options, task, &options);
	REFUSED(creel_task_begin, task);
	REFUSED(creel_task_settle, task, buffer);
	REFUSED(creel_task_settle_error, task, NULL, "no");
}

CASE(c23_a_child_is_refused_an_executor_of_the_parents, CT_FORK)
{
	creel_executor *ex = ct_executor(), *broken = creel_executor_new(NULL, NULL);
	long six = 6;
	void *p = creel_shared_alloc(ex, 100);
	ct_assert(p);
	ct_int(ct_long_drop(creel_submit(ex, task_same, &six, sizeof six)), 6);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_executor(ex, p);
		refuses_executor(broken, NULL);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(ct_long_drop(creel_submit(ex, task_same, &six, sizeof six)), 6);
	ct_int(creel_spawn(broken, task_same, &six, sizeof six, NULL), CREEL_EFAILED);
	creel_executor_unref(broken);
	creel_shared_free(ex, p);
	ct_close(ex);
}

CASE(c23_a_child_is_refused_what_the_parents_executor_made, 0)
{
	creel_executor *ex = ct_executor();
	long six = 6;
	int code = -EIO;
	creel_map_options o = {.max_item = sizeof(long)};
	creel_future *final = creel_submit(ex, task_same, &six, sizeof six);
	creel_future *failed = creel_submit(ex, task_fail, &code, sizeof code);
	creel_mapping *unused = creel_map_from(ex, task_same, source, NULL, &o);
	creel_mapping *used = creel_map_from(ex, task_same, source, NULL, &o);
	creel_future *f = NULL;
	ct_int(creel_map_next(used, CT_GUARD, &f, NULL), 0);
	creel_future_unref(f);
	ct_int(ct_long(final), 6);
	ct_int(creel_future_result(failed, CT_GUARD, NULL, 0), CREEL_EFAILED);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_future(final);
		refuses_future(failed);
		refuses_map(unused);
		refuses_map(used);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(ct_long_drop(final), 6);
	creel_future_unref(failed);
	creel_map_end(unused);
	creel_map_end(used);
	ct_close(ex);
}

CORE_CASE(c23_a_child_is_refused_promises_and_queues_of_the_parents)
{
	creel_future *promise = creel_promise_new(), *started = creel_promise_new();
	creel_future *cancelled = creel_promise_new(), *moved = creel_promise_new();
	creel_queue *q = creel_queue_new(NULL), *held = creel_queue_ref(q);
	struct ct_count told = {0};
	int value = 5;
	creel_buffer buffer = {.data = &value, .size = sizeof value, .free = never_free};
	ct_int(creel_promise_start(started), 0);
	ct_int(creel_future_cancel(cancelled), CREEL_CANCEL_NOW);
	ct_int(creel_promise_set_move(moved, buffer), 0);
	ct_int(creel_queue_add(q, promise, NULL), 0);
	ct_int(creel_future_on_done(started, NULL, done_count, &told, NULL, NULL), 0);
	int fd = creel_queue_fd(q);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_promise(promise);
		refuses_promise(started);
		refuses_promise(cancelled);
		refuses_future(moved);
		refuses_queue(q, fd);
		CHILD(ct_count_get(&told) == 0);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(creel_future_take(moved, CREEL_NOW, &buffer), 0);
	creel_future_unref(moved);
	creel_future_unref(promise);
	creel_future_unref(started);
	ct_int(ct_count_get(&told), 1);
	creel_future_unref(cancelled);
	creel_queue_unref(q);
	creel_queue_unref(held);
}

/* A child frees no item, and ends no get or put, that is the parent's. */
CORE_CASE(c23_a_child_is_refused_channels_of_the_parents)
{
	long value = 5;
	creel_buffer buffer = {.data = &value, .size = sizeof value, .free = never_free};
	creel_channel *full = creel_channel_new(&(creel_channel_options){.capacity = 1});
	creel_channel *empty = creel_channel_new(NULL);
	creel_future *put[2], *get = creel_channel_get(empty);
	put[0] = creel_channel_put_move(full, buffer);
	put[1] = creel_channel_put_move(full, buffer);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_channel(full);
		refuses_channel(empty);
		refuses_future(put[1]);
		refuses_future(get);
		/* One of its own serves it. */
		creel_channel *own = creel_channel_new(NULL);
		CHILD(creel_channel_try_put(own, &value, sizeof value) == CREEL_FULL);
		creel_channel_unref(own);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	for (int i = 0; i < 2; i++) {
		ct_int(creel_channel_take_by(full, CREEL_NOW, &buffer), 0);
		ct_assert(buffer.data == &value);
		ct_int(ct_outcome(put[i]), 0);
		creel_future_unref(put[i]);
	}
	ct_int(creel_channel_try_put(empty, &value, sizeof value), 0);
	ct_int(ct_long_drop(get), 5);
	creel_channel_unref(full);
	creel_channel_unref(empty);
}

static void never_asked(creel_token *token, void *arg)
{
	(void)token;
	(void)arg;
	_exit(3);
}

static void refuses_token(creel_token *token, uint64_t id)
{
	uint64_t own = 77;
	creel_executor *ex = creel_inline_new();
	const creel_submit_options o = {.token = token};
	REFUSED(creel_token_cancel, token, 0, NULL, 0);
	REFUSED(creel_token_on_cancel, token, never_asked, NULL, NULL, &own);
	REFUSED(creel_token_remove, token, id);
	CHILD(own == 77);
	GIVES(NULL, creel_token_reason, token);
	failed_with_eperm(IGNORED(creel_token_future, token));
	failed_with_eperm(creel_submit_with(ex, task_nothing, NULL, 0, &o));
	CHILD(creel_spawn(ex, task_nothing, NULL, 0, &o) == -EPERM);
	creel_token *child = IGNORED(creel_token_new, token, NULL, CREEL_FOREVER);
	CHILD(creel_token_reason(child)->code == -EPERM);
	creel_token_unref(child);
	creel_executor *scope = IGNORED(creel_scope_new_with, ex,
					&(creel_scope_options){.token = token});
	CHILD(creel_executor_error(scope)->code == -EPERM);
	creel_executor_unref(scope);
	creel_executor *retry = creel_retry_new(
		ex, &(creel_retry_options){.attempts = 1, .token = token});
	CHILD(creel_executor_error(retry)->code == -EPERM);
	creel_executor_unref(retry);
	const creel_loop_options loop = {.token = token};
	CHILD(creel_parallel_for(ex, 0, 1, never_body, NULL, &loop) == -EPERM);
	creel_channel *ch = creel_channel_new(&(creel_channel_options){.token = token});
	CHILD(creel_channel_error(ch)->code == -EPERM);
	creel_channel_unref(ch);
	GIVES(NULL, creel_task_token, creel_task_current());
	GIVES(token, creel_token_ref, token);
	IGNORED(creel_token_unref, token);
	IGNORED(creel_token_unref, token);
	creel_executor_close(ex);
}

CORE_CASE(c23_a_child_is_refused_tokens_of_the_parents)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_token *token = creel_token_new(NULL, clock, creel_clock_in(clock, 1));
	uint64_t id = 0;
	ct_int(creel_token_on_cancel(token, never_asked, NULL, NULL, &id), 0);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_token(token, id);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(creel_token_remove(token, id), CREEL_CALLBACK_REMOVED);
	ct_int(creel_token_cancel(token, 0, NULL, 0), 0);
	creel_token_unref(token);
	creel_clock_unref(clock);
}

/* Aggregates of the child's own with an input of the parent's. */
static void refuses_as_input(creel_future *f)
{
	failed_with_eperm(IGNORED(creel_all, &f, 1, 0));
	failed_with_eperm(IGNORED(creel_all_settled, &f, 1, 0));
	failed_with_eperm(IGNORED(creel_any, &f, 1, 0));
	failed_with_eperm(IGNORED(creel_race, &f, 1, CREEL_CANCEL_REST));
}

CORE_CASE(c23_a_child_is_refused_aggregates_of_the_parents)
{
	creel_future *promise = creel_promise_new();
	creel_future *pending = creel_race(&promise, 1, 0), *done = creel_all(NULL, 0, 0);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_as_input(promise);
		refuses_as_input(done);
		REFUSED(creel_race_index, pending);
		refuses_future(pending);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
	ct_int(creel_future_result(pending, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(promise);
	creel_future_unref(pending);
	creel_future_unref(done);
}

/* An adaptor of the child's own over an executor of the parent's. */
static void is_broken(creel_executor *ex)
{
	CHILD(creel_executor_error(ex)->code == -EPERM);
	CHILD(creel_executor_close(ex) == 0);
}

CORE_CASE(c23_a_child_is_refused_adaptors_of_the_parents)
{
	creel_executor *ex = creel_inline_new(), *sem = creel_semaphore_new(ex, 1);
	const creel_rate_options o = {.n = 1, .per_ns = CREEL_S(3600)};
	creel_executor *rate = creel_rate_limit_new(ex, &o);
	creel_future *held = creel_semaphore_acquire(sem), *waits = creel_semaphore_acquire(sem);
	pid_t child = fork_guarded();
	if (child == 0) {
		is_broken(IGNORED(creel_retry_new, ex, &(creel_retry_options){.attempts = 2}));
		is_broken(IGNORED(creel_serial_new, ex));
		is_broken(IGNORED(creel_semaphore_new, ex, 1));
		is_broken(IGNORED(creel_rate_limit_new, ex, &o));
		failed_with_eperm(IGNORED(creel_semaphore_acquire, sem));
		failed_with_eperm(IGNORED(creel_rate_acquire, rate));
		refuses_future(waits);
		/* The permit stays the parent's. */
		creel_future_unref(held);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(creel_future_state(waits), CREEL_FUTURE_PENDING);
	creel_future_unref(held);
	ct_int(creel_future_state(waits), CREEL_FUTURE_FINISHED);
	creel_future_unref(waits);
	ct_close(rate);
	ct_close(sem);
	ct_close(ex);
}

/* Every call on a clock. It shows its time still: that of the fork. */
static void refuses_clock(creel_clock *clock, int64_t now)
{
	failed_with_eperm(IGNORED(creel_after, clock, CREEL_NOW));
	failed_with_eperm(IGNORED(creel_after, clock, CREEL_FOREVER));
	REFUSED(creel_clock_advance, clock, 1);
	CHILD(IGNORED(creel_clock_now, clock).ns == now);
	CHILD(IGNORED(creel_clock_in, clock, 5).ns == now + 5);
	GIVES(clock, creel_clock_ref, clock);
	IGNORED(creel_clock_unref, clock);
	IGNORED(creel_clock_unref, clock);
}

CORE_CASE(c23_a_child_is_refused_clocks_and_timers_of_the_parents)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	uint64_t id = 0;
	creel_future *f = creel_after(clock, creel_clock_in(clock, 1));
	ct_int(creel_future_on_done(f, NULL, never, NULL, NULL, &id), 0);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_clock(clock, creel_clock_now(clock).ns);
		refuses_future(f);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_future_remove(f, id), CREEL_CALLBACK_REMOVED);
	creel_future_unref(f);
	creel_clock_unref(clock);
}

/* A child's own are as good as its parent's, broken ones too. */
CORE_CASE(c23_a_child_makes_broken_executors_of_its_own)
{
	creel_executor *theirs = creel_executor_new(NULL, NULL);
	creel_stats stats;
	pid_t child = fork_guarded();
	if (child == 0) {
		creel_executor *own = creel_executor_new(NULL, NULL);
		CHILD(creel_spawn(theirs, task_same, NULL, 0, NULL) == -EPERM);
		CHILD(creel_spawn(own, task_same, NULL, 0, NULL) == CREEL_EFAILED);
		CHILD(creel_executor_resize(theirs, 1) == -EPERM);
		CHILD(creel_executor_resize(own, 1) == CREEL_EFAILED);
		CHILD(creel_executor_stats(own, &stats, sizeof stats) == 0);
		CHILD(creel_executor_drain(own, CREEL_FOREVER) == 0);
		CHILD(creel_executor_error(own)->code == -EINVAL);
		CHILD(creel_executor_close(theirs) == -EPERM);
		CHILD(creel_executor_close(own) == 0);
		_exit(0);
	}
	ct_int(status_of(child), 0);
	ct_int(creel_executor_close(theirs), 0);
}

/* Dropping the last reference to a promise that nobody settled calls those who wait for it. */
CORE_CASE(c23_a_child_that_drops_a_promise_of_the_parents_calls_nobody)
{
	creel_future *promise = creel_promise_new();
	pid_t parent = getpid();
	struct ct_count told = {0};
	ct_int(creel_future_on_done(promise, NULL, done_count, &told, NULL, NULL), 0);
	pid_t child = fork_guarded();
	if (child == 0) {
		creel_future_unref(promise);
		_exit(ct_count_get(&told) || getpid() == parent);
	}
	ct_int(status_of(child), 0);
	ct_int(ct_count_get(&told), 0);
	creel_future_unref(promise);
	ct_int(ct_count_get(&told), 1);
}

static int task_fork(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	pid_t *ret_child = *(pid_t *const *)arg;
	*ret_child = fork_guarded();
	if (*ret_child == 0)
		return 7;
	return creel_return(task, ret_child, sizeof *ret_child);
}

/* What a child of a task may not do; its exit status says whether all was refused. Not ct_...(),
 * since this may be a worker process. */
static int task_refuses(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int status = -1;
	long before = 8;
	int rc = creel_return(task, &before, sizeof before);
	pid_t child = fork_guarded();
	if (child == 0) {
		refuses_task(task);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status)
		return creel_fail(task, -EIO, "the child ended with status 0x%x", status);
	return rc;
}

CASE(c23_a_child_of_a_task_is_refused_the_task, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_refuses, NULL, 0);
	ct_int(ct_long_drop(f), 8);
	ct_close(ex);
}

static int task_in_parent(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return getpid() == *(const pid_t *)arg ? 0 : 9;
}

/* On a thread of the library's nothing is left to return to. */
CASE(c23_a_child_that_returns_from_a_task_serves_no_queue, CT_POOL)
{
	creel_executor *ex = ct_executor();
	pid_t child = -1, here = getpid(), *to = &child;
	creel_future *f = creel_submit(ex, task_fork, &to, sizeof to), *rest[20];
	for (int i = 0; i < 20; i++)
		rest[i] = creel_submit(ex, task_in_parent, &here, sizeof here);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	int status = status_of(child);
	ct_assert(WIFEXITED(status));
	ct_int(WEXITSTATUS(status), 7);
	creel_future_unref(f);
	for (int i = 0; i < 20; i++) {
		ct_int(creel_future_result(rest[i], CT_GUARD, NULL, 0), 0);
		creel_future_unref(rest[i]);
	}
	ct_close(ex);
}

/* On the user's own thread the child returns to the user's code. */
CASE(c23_a_child_that_returns_from_an_inline_task_returns_to_its_caller, CT_SYNC)
{
	creel_executor *ex = ct_executor();
	pid_t child = -1, *to = &child;
	creel_future *f = creel_submit(ex, task_fork, &to, sizeof to);
	if (child == 0) {
		CHILD(creel_future_result(f, CREEL_FOREVER, NULL, 0) == -EPERM);
		creel_future_unref(f);
		CHILD(creel_executor_close(ex) == -EPERM);
		_exit(5);
	}
	int status = status_of(child);
	ct_assert(WIFEXITED(status));
	ct_int(WEXITSTATUS(status), 5);
	creel_future_unref(f);
	ct_close(ex);
}

#ifdef __linux__
/* Inside run, in a task and in a callback: the child returns to whoever called run. */
static void fork_here(creel_future *f, void *to)
{
	(void)f;
	*(pid_t *)to = fork_guarded();
}

CORE_CASE(c23_a_child_of_a_driven_task_or_callback_returns_from_run)
{
	for (int i = 0; i < 2; i++) {
		creel_executor *ex = creel_driven_new(NULL);
		int ends[2];
		pid_t child = -1, *to = &child;
		ct_int(pipe(ends), 0);
		creel_future *f = i ? creel_ready(ex, ends[1], CREEL_WRITABLE)
				    : creel_submit(ex, task_fork, &to, sizeof to);
		if (i)
			ct_int(creel_future_on_done(f, NULL, fork_here, to, NULL, NULL), 0);
		int rc = creel_driven_run(ex, CREEL_NOW);
		if (child == 0) {
			CHILD(rc == -EPERM);
			CHILD(creel_executor_close(ex) == -EPERM);
			_exit(5);
		}
		ct_int(rc, -ETIMEDOUT);
		ct_int(WEXITSTATUS(status_of(child)), 5);
		creel_future_unref(f);
		close(ends[0]);
		close(ends[1]);
		ct_close(ex);
	}
}
#endif

CASE(c23_a_child_of_an_inline_task_of_a_queue_leaves_the_queue_alone, CT_SYNC)
{
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = NULL;
	pid_t child = -1, *to = &child;
	int rc = creel_queue_submit_by(q, ex, task_fork, &to, sizeof to, NULL, NULL, CREEL_NOW, &f);
	if (child == 0) {
		CHILD(rc == -EPERM && !f);
		_exit(5);
	}
	ct_int(rc, 0);
	int status = status_of(child);
	ct_assert(WIFEXITED(status));
	ct_int(WEXITSTATUS(status), 5);
	creel_future_unref(f);
	creel_queue_unref(q);
	ct_close(ex);
}
