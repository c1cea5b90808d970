/* SPDX-License-Identifier: MIT */
/*
 * Promises 23 and 25: a function of the user's that forks, and whose child returns, wherever the
 * library calls it. The child is neither manager nor worker: it ends, and the pool goes on.
 */
#include "procs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { TASKS = 60 };

/* What the functions find: in the arena, so that children are seen as well. */
static struct shared {
	_Atomic int ran[TASKS], done[TASKS];
	_Atomic int forks;
	_Atomic pid_t child;
} * shared;

static struct shared *shared_new(void)
{
	return ct_shared(sizeof(struct shared));
}

/* Forks once in a test. The child returns as well, but dies with its parent. */
static void fork_once(void)
{
	if (atomic_fetch_add(&shared->forks, 1))
		return;
	pid_t pid = fork();
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else
		atomic_store(&shared->child, pid);
}

/* The child of the test's process: it ends by itself, with that status. */
static void await_child(int status)
{
	int is = -1;
	ct_until(atomic_load(&shared->child));
	pid_t child = atomic_load(&shared->child);
	pt_await_gone(pt_pidfd(child));
	ct_int(waitpid(child, &is, 0), child);
	ct_assert(WIFEXITED(is));
	ct_int(WEXITSTATUS(is), status);
}

static int task_ran(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long i = *(const long *)arg;
	atomic_fetch_add(&shared->ran[i], 1);
	return creel_return(task, &i, sizeof i);
}

static creel_future *submit_ran(creel_executor *ex, long i)
{
	return creel_submit(ex, task_ran, &i, sizeof i);
}

static void done_fork(creel_future *f, void *arg)
{
	(void)f;
	atomic_fetch_add(&shared->done[(long)(intptr_t)arg], 1);
	if ((long)(intptr_t)arg == 5)
		fork_once();
}

CASE(forks, c23_a_child_that_returns_from_a_callback_is_no_manager)
{
	creel_future *f[TASKS];
	shared = shared_new();
	creel_executor *ex = pt_pool(2);
	for (long i = 0; i < TASKS; i++) {
		f[i] = submit_ran(ex, i);
		ct_int(creel_future_on_done(f[i], NULL, done_fork, (void *)(intptr_t)i, NULL, NULL),
		       0);
	}
	await_child(0);
	for (long i = 0; i < TASKS; i++)
		ct_int(ct_long_drop(f[i]), i);
	pt_works(ex);
	ct_close(ex);
	for (long i = 0; i < TASKS; i++) {
		ct_int(atomic_load(&shared->ran[i]), 1);
		ct_int(atomic_load(&shared->done[i]), 1);
	}
}

static void free_fork(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	fork_once();
}

CASE(forks, c23_a_child_that_returns_from_a_destructor_is_no_manager)
{
	shared = shared_new();
	creel_executor *ex = pt_pool(1);
	long i = 0;
	creel_submit_options o = {.arg_free = free_fork};
	struct ct_count *done = ct_count_new();
	creel_future *f = creel_submit_with(ex, task_ran, &i, sizeof i, &o);
	ct_int(creel_future_on_done(f, NULL, done_count, done, NULL, NULL), 0);
	await_child(0);
	ct_int(ct_long_drop(f), 0);
	pt_works(ex);
	ct_close(ex);
	ct_int(ct_count_get(done), 1);
}

static pid_t home;

/* The child of a thread of the user's goes on here: it has come through the library unharmed. */
static void child_ends(void)
{
	if (getpid() != home)
		_exit(0);
	await_child(0);
}

static void never(creel_token *token, void *arg)
{
	(void)token;
	(void)arg;
}

static void drop_fork(void *arg)
{
	(void)arg;
	fork_once();
}

/* The argument is large: it lies in the pool's memory, which the child does not have. */
CASE(forks, c23_a_child_of_what_goes_with_a_token_leaves_the_task_alone)
{
	char large[5000] = {1};
	struct pt_gated held = pt_gated(7);
	shared = shared_new();
	home = getpid();
	creel_executor *ex = pt_pool(1);
	creel_future *busy = pt_submit_gated(ex, &held);
	ct_count_await(held.started, 1);
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	ct_int(creel_token_on_cancel(token, never, NULL, drop_fork, NULL), 0);
	creel_future *f = creel_submit_with(ex, task_nothing, large, sizeof large,
					    &(creel_submit_options){.token = token});
	creel_token_unref(token);
	int rc = creel_future_cancel(f);
	child_ends();
	ct_int(rc, CREEL_CANCEL_NOW);
	creel_future_unref(f);
	ct_open(held.gate);
	ct_int(ct_long_drop(busy), 7);
	pt_works(ex);
	ct_close(ex);
}

static void hook_fork(void *ctx, const creel_event *e)
{
	(void)ctx;
	(void)e;
	fork_once();
}

/* A submission, and a continuation. */
CASE(forks, c23_a_child_of_a_hook_that_hears_of_a_submission_leaves_it_alone)
{
	char large[5000] = {1};
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_future *input = creel_promise_new();
	home = getpid();
	for (int which = 0; which < 3; which++) {
		const creel_submit_options o = {.token = which == 1 ? token : NULL};
		const creel_hooks hooks = {.size = sizeof hooks, .submitted = hook_fork};
		shared = shared_new();
		creel_executor *ex = pt_pool(1);
		ct_int(creel_executor_watch(ex, &hooks), 0);
		creel_future *f =
			which == 2
				? creel_then_with(input, ex, task_nothing, large, sizeof large, &o)
				: creel_submit_with(ex, task_nothing, large, sizeof large, &o);
		child_ends();
		if (which == 2)
			ct_int(creel_promise_set_result(input, NULL, 0), 0);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
		ct_close(ex);
	}
	creel_future_unref(input);
	creel_token_unref(token);
}

static void unhandled_fork(void *ctx, const creel_error *error)
{
	(void)ctx;
	(void)error;
	fork_once();
}

CASE(forks, c23_a_child_that_returns_from_on_unhandled_is_no_manager)
{
	shared = shared_new();
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .on_unhandled = unhandled_fork});
	struct pt_crash crash = {.how = PT__EXIT_7};
	ct_int(creel_spawn(ex, task_crash, &crash, sizeof crash, NULL), 0);
	await_child(0);
	pt_works(ex);
	ct_close(ex);
}

static int init_fork(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	fork_once();
	return 0;
}

/* All tasks end, each was run once, and by the worker. */
static void run_all(creel_executor *ex)
{
	for (long i = 0; i < TASKS; i++)
		ct_int(ct_long_drop(submit_ran(ex, i)), i);
	for (long i = 0; i < TASKS; i++)
		ct_int(atomic_load(&shared->ran[i]), 1);
}

CASE(forks, c25_a_child_that_returns_from_the_initializer_is_no_worker)
{
	shared = shared_new();
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .initializer = init_fork});
	run_all(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static void on_signal(int signal)
{
	(void)signal;
	fork_once();
}

static int task_handle(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	signal(SIGUSR1, on_signal);
	struct pt_ids ids = {getpid(), getppid(), 0};
	return creel_return(task, &ids, sizeof ids);
}

/* Between two tasks, where no function of the user's is on the stack. */
CASE(forks, c25_a_child_of_a_signal_handler_is_no_worker)
{
	struct pt_ids ids;
	shared = shared_new();
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_handle, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &ids, sizeof ids), 0);
	creel_future_unref(f);
	ct_int(kill(ids.pid, SIGUSR1), 0);
	ct_until(atomic_load(&shared->child));
	run_all(ex);
	ct_int(pt_ids(ex).pid, ids.pid);
	ct_close(ex);
}

/* What the child of a task finds, as its exit status. */
static int try_to_return(creel_task *task)
{
	char byte = 'x';
	char *place = creel_return_reserve(task, 64);
	if (place)
		memset(place, byte, 64);
	place = creel_return_reserve(task, 100000);
	if (place)
		memset(place, byte, 100000);
	return place ? 1 : 42;
}

static int task_fork_and_return(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	int status = 0, big = *(const int *)arg;
	size_t n = big ? 50000 : 64;
	char *place = creel_return_reserve(task, n);
	TASK(place != NULL);
	memset(place, 'p', n);
	pid_t pid = fork();
	if (pid == 0)
		_exit(try_to_return(task));
	TASK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	TASK(WEXITSTATUS(status) == 42);
	return 0;
}

CASE(forks, c25_a_child_of_a_task_gets_no_memory_for_a_result)
{
	creel_executor *ex = pt_pool(1);
	for (int big = 0; big < 2; big++) {
		const void *data = NULL;
		size_t size = 0;
		creel_future *f = creel_submit(ex, task_fork_and_return, &big, sizeof big);
		ct_int(creel_future_view(f, CT_GUARD, &data, &size), 0);
		for (size_t i = 0; i < size; i++)
			ct_int(((const char *)data)[i], 'p');
		creel_future_unref(f);
	}
	ct_close(ex);
}

static int task_child_returns(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		return 37;
	TASK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	TASK(WEXITSTATUS(status) == 37);
	return 0;
}

/* As from main(). */
CASE(forks, c25_a_child_that_returns_from_a_task_ends_with_what_it_returned)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_child_returns, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	pt_works(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static void result_fork(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	fork_once();
	free(data);
}

static int task_moves(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	void *data = calloc(1, 1000);
	TASK(data != NULL);
	return creel_return_move(task,
				 (creel_buffer){.data = data, .size = 1000, .free = result_fork});
}

CASE(forks, c25_a_child_that_returns_from_the_free_of_a_result_is_no_worker)
{
	shared = shared_new();
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_moves, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_int(atomic_load(&shared->forks), 1);
	run_all(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static void fork_in_callback(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	if (atomic_fetch_add(&shared->done[0], 1) == 0)
		fork_once();
}

/* On a thread of the host's the child returns to the host's code, past the pool. */
static void cancel_all(void *arg)
{
	(void)arg;
	creel_future *f[TASKS];
	pid_t self = getpid();
	creel_executor *ex = pt_pool(1);
	struct pt_gated gated = pt_gated(1);
	creel_future *running = pt_submit_gated(ex, &gated);
	ct_pass(gated.started);
	for (long i = 0; i < TASKS; i++) {
		f[i] = submit_ran(ex, i);
		creel_future_on_done(f[i], NULL, fork_in_callback, NULL, NULL, NULL);
	}
	size_t left;
	int rc = creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left);
	if (getpid() != self)
		_exit(rc == -EPERM ? 42 : 43);
	HOST(rc == -ETIMEDOUT);
	int is = 0;
	HOST(waitpid(shared->child, &is, 0) == shared->child);
	HOST(WIFEXITED(is) && WEXITSTATUS(is) == 42);
	ct_open(gated.gate);
	HOST(ct_long_drop(running) == 1);
	for (long i = 0; i < TASKS; i++)
		creel_future_unref(f[i]);
	HOST(creel_executor_close(ex) == 0);
}

CASE(forks, c23_a_child_that_returns_from_a_callback_of_shutdown_gets_an_error)
{
	shared = shared_new();
	ct_int(pt_host(cancel_all, NULL), 0);
	ct_int(atomic_load(&shared->done[0]), TASKS);
}
