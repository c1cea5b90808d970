/* SPDX-License-Identifier: MIT */
/* Promises 23 and 24: forks of the host, its exit, and two copies of the library in one process. */
#include "contract.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Waits for a child under the guard, and returns its status. */
static int reap(pid_t child)
{
	int status = -1;
	int64_t start = ct_now();
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (ct_guard_over(start)) {
			kill(child, SIGKILL);
			waitpid(child, NULL, 0);
			ct_fail(__FILE__, __LINE__, "a child hangs");
		}
		ct_breathe();
	}
	return status;
}

static void use_in_child(creel_executor *ex, creel_future *pending, struct ct_count *ran)
{
	creel_stats stats = {.pending = 77};
	creel_future *f = NULL;
	size_t left = 77;
	CHILD(creel_try_submit(ex, task_count, &ran, sizeof ran, NULL, &f) == -EPERM);
	CHILD(f == NULL);
	CHILD(creel_spawn(ex, task_count, &ran, sizeof ran, NULL) == -EPERM);
	f = ct_submit_count(ex, ran);
	CHILD(f != NULL && creel_future_state(f) == CREEL_FUTURE_FINISHED);
	CHILD(creel_future_error(f)->code == -EPERM);
	CHILD(creel_future_result(f, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	creel_future_unref(f);
	CHILD(creel_executor_drain(ex, CREEL_FOREVER) == -EPERM);
	CHILD(creel_executor_resize(ex, 2) == -EPERM);
	CHILD(creel_executor_stats(ex, &stats, sizeof stats) == -EPERM);
	CHILD(stats.pending == 77);
	CHILD(creel_executor_shutdown(ex, 0, CREEL_FOREVER, &left) == -EPERM);
	CHILD(left == 77);
	CHILD(creel_future_result(pending, CREEL_FOREVER, NULL, 0) == -EPERM);
	CHILD(creel_wait(&pending, 1, CREEL_ALL_COMPLETED, CREEL_FOREVER, &left) == -EPERM);
	CHILD(left == 77);
}

CASE(c23_using_a_pool_of_the_parent_in_a_forked_child_is_a_clear_error, CT_POOL)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *pending = ct_submit_gated(ex, started, gate, 5);
	ct_count_await(started, 1);
	pid_t child = fork();
	if (child == 0) {
		use_in_child(ex, pending, ran);
		creel_future_unref(pending);
		CHILD(creel_executor_close(creel_executor_ref(ex)) == -EPERM);
		creel_executor_unref(ex);
		_exit(0);
	}
	ct_int(reap(child), 0);
	/* The parent's is none the worse for it. */
	ct_open(gate);
	ct_int(ct_long_drop(pending), 5);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	ct_close(ex);
}

/* What a child inherits beside the pool. */
struct inherited {
	creel_executor *ex;
	creel_future *pending, *final;
	creel_queue *q;
	int fd;
	creel_mapping *map;
};

static void use_futures_in_child(const struct inherited *i)
{
	struct ct_count told = {0};
	uint64_t id = 7;
	CHILD(creel_future_cancel(i->pending) == -EPERM);
	CHILD(creel_future_kill(i->pending, 0) == -EPERM);
	CHILD(creel_future_on_done(i->pending, NULL, done_count, &told, NULL, &id) == -EPERM);
	CHILD(id == 7 && ct_count_get(&told) == 0);
	CHILD(creel_future_cancel(i->final) == -EPERM);
	CHILD(creel_future_on_done(i->final, NULL, done_count, &told, NULL, NULL) == -EPERM);
	CHILD(ct_count_get(&told) == 0);
	creel_future_unref(i->pending);
	creel_future_unref(i->final);
}

static void use_queue_in_child(const struct inherited *i)
{
	creel_future *taken = NULL;
	CHILD(creel_queue_add(i->q, i->final, NULL) == -EPERM);
	CHILD(creel_queue_submit(i->q, i->ex, task_nothing, NULL, 0, NULL, NULL) == -EPERM);
	CHILD(creel_queue_take(i->q, CREEL_NOW, &taken, NULL) == -EPERM);
	CHILD(creel_queue_fd(i->q) == -EPERM);
	CHILD(creel_queue_wake(i->q) == -EPERM);
	CHILD(creel_queue_close(i->q) == -EPERM);
	CHILD(creel_queue_reset(i->q) == -EPERM);
	CHILD(creel_queue_error(i->q) == NULL);
	CHILD(taken == NULL);
	creel_queue_unref(i->q);
	CHILD(fcntl(i->fd, F_GETFD) < 0);
	creel_map_end(i->map);
}

CASE(c23_futures_and_queues_of_the_parent_are_refused_in_a_forked_child, CT_COUNTS | CT_SYSTEM)
{
	long items[3] = {1, 2, 3};
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct inherited i = {.ex = ct_executor(), .q = creel_queue_new(NULL)};
	creel_future *taken = NULL;
	i.final = creel_submit(i.ex, task_double, items, sizeof items[0]);
	ct_int(ct_long(i.final), 2);
	i.pending = ct_submit_gated(i.ex, started, gate, 5);
	ct_count_await(started, 1);
	i.map = creel_map(i.ex, task_double, items, sizeof items[0], 3, NULL);
	ct_int(creel_queue_add(i.q, i.final, NULL), 0);
	i.fd = creel_queue_fd(i.q);
	ct_assert(i.fd >= 0);
	pid_t child = fork();
	if (child == 0) {
		use_queue_in_child(&i);
		use_futures_in_child(&i);
		_exit(0);
	}
	ct_int(reap(child), 0);
	/* The parent's are none the worse for it. */
	ct_open(gate);
	ct_int(ct_long_drop(i.pending), 5);
	ct_int(creel_queue_take(i.q, CREEL_NOW, &taken, NULL), 0);
	ct_assert(taken == i.final);
	creel_future_unref(taken);
	ct_int(ct_long_drop(i.final), 2);
	creel_queue_unref(i.q);
	creel_map_end(i.map);
	ct_close(i.ex);
}

CASE(c23_a_forked_child_may_ignore_what_it_inherited, CT_FORK)
{
	long six = 6;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_double, &six, sizeof six);
	ct_int(ct_long(f), 12);
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	ct_int(reap(child), 0);
	ct_int(ct_long_drop(f), 12);
	ct_close(ex);
}

/* That sanitizer does not follow threads made after a fork of a process with threads. */
#if !CT_TSAN
CASE(c23_a_forked_child_may_make_pools_of_its_own, CT_INPROC)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();
		if (child == 0) {
			creel_executor *own = ct_executor();
			for (int k = 0; k < 20; k++) {
				long value = 0;
				creel_future *f = ct_submit_count(own, ran);
				CHILD(creel_future_result(f, CT_GUARD, &value, sizeof value) == 0);
				CHILD(value > 1);
				creel_future_unref(f);
			}
			CHILD(creel_executor_close(own) == 0);
			_exit(0);
		}
		ct_int(reap(child), 0);
	}
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 102);
	ct_close(ex);
}

/* gcc 12's AddressSanitizer forks with the locks of its malloc as they are. */
#if !CT_ASAN
CASE(c23_forking_beside_busy_threads_never_hangs_the_child, CT_INPROC | CT_ASYNC)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	unsigned forks = ct_scaled(15);
	for (unsigned i = 0; i < forks; i++) {
		for (int k = 0; k < 200; k++)
			creel_future_unref(ct_submit_count(ex, ran));
		pid_t child = fork();
		if (child == 0) {
			creel_executor *own = ct_executor();
			creel_future *f = creel_submit(own, task_nothing, NULL, 0);
			CHILD(creel_future_result(f, CT_GUARD, NULL, 0) == 0);
			creel_future_unref(f);
			CHILD(creel_executor_close(own) == 0);
			creel_executor_unref(ex);
			_exit(0);
		}
		ct_int(reap(child), 0);
	}
	ct_close(ex);
	ct_int(ct_count_get(ran), 200 * forks);
}
#endif
#endif

/* Promise 24. */

#ifdef CT_EXITS
static int run_exits(const char *how)
{
	char path[] = CT_EXITS, what[32];
	char *args[] = {path, what, NULL};
	pid_t child;
	snprintf(what, sizeof what, "%s", how);
	ct_int(posix_spawn(&child, path, NULL, NULL, args, environ), 0);
	return reap(child);
}

CORE_CASE(c24_a_program_may_exit_while_tasks_run_and_wait)
{
	ct_int(run_exits("busy"), 0);
	ct_int(run_exits("queued"), 0);
}

CORE_CASE(c24_a_program_may_exit_with_an_idle_pool_and_its_handle_dropped)
{
	ct_int(run_exits("idle"), 0);
	ct_int(run_exits("dropped"), 0);
	ct_int(run_exits("unused"), 0);
}

CORE_CASE(c24_a_program_may_exit_from_a_task_and_from_a_callback)
{
	ct_int(run_exits("task"), 0);
	ct_int(run_exits("callback"), 0);
}

CORE_CASE(c24_a_pool_outlives_the_main_thread)
{
	ct_int(run_exits("main-thread"), 0);
}
#endif

#ifdef CT_SHARED_LIBRARY
/* One copy of the library, loaded under a name of its own. */
struct copy {
	void *handle;
	creel_executor *(*pool_new)(const creel_thread_pool_options *);
	creel_future *(*submit)(creel_executor *, creel_fn, const void *, size_t);
	int (*result)(creel_future *, creel_deadline, void *, size_t);
	void (*unref)(creel_future *);
	int (*close)(creel_executor *);
	creel_task *(*current)(void);
	int (*give)(creel_task *, const void *, size_t);
};

static void load(struct copy *c, const char *path)
{
	c->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!c->handle)
		ct_fail(__FILE__, __LINE__, "%s", dlerror());
	*(void **)&c->pool_new = dlsym(c->handle, "creel_thread_pool_new");
	*(void **)&c->submit = dlsym(c->handle, "creel_submit");
	*(void **)&c->result = dlsym(c->handle, "creel_future_result");
	*(void **)&c->unref = dlsym(c->handle, "creel_future_unref");
	*(void **)&c->close = dlsym(c->handle, "creel_executor_close");
	*(void **)&c->current = dlsym(c->handle, "creel_task_current");
	*(void **)&c->give = dlsym(c->handle, "creel_return");
	ct_assert(c->pool_new && c->submit && c->result && c->unref && c->close && c->current);
	ct_assert(c->pool_new != creel_thread_pool_new);
}

static int see_currents(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct copy *const *c = arg;
	int right = (*c)->current() == task && creel_task_current() == NULL;
	return (*c)->give(task, &right, sizeof right);
}

CORE_CASE(c24_two_copies_of_the_library_do_not_meet)
{
	struct copy copy, *c = &copy;
	struct ct_count *ran = ct_count_new();
	int right = 0;
	load(c, CT_SHARED_LIBRARY);
	creel_executor *theirs = c->pool_new(NULL), *ours = creel_thread_pool_new(NULL);
	for (int i = 0; i < 50; i++) {
		creel_future *f = c->submit(theirs, see_currents, &c, sizeof c);
		creel_future *g = ct_submit_count(ours, ran);
		ct_int(c->result(f, CT_GUARD, &right, sizeof right), 0);
		ct_int(right, 1);
		ct_int(ct_long_drop(g), i + 1);
		c->unref(f);
	}
	ct_int(c->close(theirs), 0);
	ct_int(ct_long_drop(ct_submit_count(ours, ran)), 51);
	ct_close(ours);
	dlclose(c->handle);
}
#endif
