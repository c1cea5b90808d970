/* SPDX-License-Identifier: MIT */
/* Promises 12, 23 and 24, invariants 13 and 15: forks in tasks and of the host, pools in tasks,
 * two pools. */
#include "procs.h"
#include "orphans.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

struct family {
	struct ct_count *started, *gate, *child_up;
	struct pt_ids *ids; /* of the worker, and of its child */
	bool own_session;
	bool waits;
};

/* Forks a child that sits there for ever, in the worker's group or in a session of its own. */
static int task_has_a_child(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct family *f = arg;
	f->ids[0] = (struct pt_ids){getpid(), getppid(), creel_task_worker(task)};
	pid_t child = fork();
	TASK(child >= 0);
	if (child == 0) {
		if (f->own_session)
			setsid();
		f->ids[1].pid = getpid();
		ct_open(f->child_up);
		for (;;)
			pause();
	}
	ct_pass(f->child_up);
	ct_count_add(f->started, 1);
	if (f->waits)
		ct_pass(f->gate);
	return 0;
}

static struct family family(bool own_session, bool waits)
{
	return (struct family){ct_count_new(), ct_count_new(),
			       ct_count_new(), ct_shared(2 * sizeof(struct pt_ids)),
			       own_session,    waits};
}

CASE(nesting, i15_children_of_a_task_in_its_group_die_with_it)
{
	creel_executor *ex = pt_pool(1);
	/* Valgrind may keep a SIGSEGV that comes from outside until the process's next system call,
	 * and that one waits. */
	unsigned ways = CT_MEMCHECK ? 2 : 3;
	for (unsigned way = 0; way < ways; way++) {
		struct family fam = family(false, true);
		creel_future *f = creel_submit(ex, task_has_a_child, &fam, sizeof fam);
		ct_count_await(fam.started, 1);
		int worker = pt_pidfd(fam.ids[0].pid), child = pt_pidfd(fam.ids[1].pid);
		if (way == 0)
			ct_int(creel_future_kill(f, 0), CREEL_CANCEL_REQUESTED);
		else
			pt_kill(worker, way == 1 ? SIGKILL : SIGSEGV);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		pt_await_gone(worker);
		pt_await_gone(child);
		creel_future_unref(f);
	}
	ct_close(ex);
}

/* The task is over and its child is not: at the latest it goes when its worker does. */
CASE(nesting, i15_children_that_outlive_their_task_go_with_the_worker)
{
	creel_executor *ex = pt_pool(1);
	struct family fam = family(false, false);
	creel_future *f = creel_submit(ex, task_has_a_child, &fam, sizeof fam);
	ct_int(ct_outcome(f), 0);
	int child = pt_pidfd(fam.ids[1].pid);
	creel_future_unref(f);
	ct_close(ex);
	pt_await_gone(child);
}

CASE(nesting, i15_a_grandchild_in_its_own_session_goes_with_the_pool)
{
	creel_executor *ex = pt_pool(1);
	struct family fam = family(true, true);
	creel_future *f = creel_submit(ex, task_has_a_child, &fam, sizeof fam);
	ct_count_await(fam.started, 1);
	int child = pt_pidfd(fam.ids[1].pid);
	ct_int(creel_future_kill(f, 0), CREEL_CANCEL_REQUESTED);
	pt_failure(f, CREEL_KIND_KILLED);
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
	pt_await_gone(child);
}

static void host_with_strays(void *arg)
{
	const struct family *fam = arg;
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	creel_future *f = creel_submit(ex, task_has_a_child, fam, sizeof *fam);
	creel_future_unref(f);
	for (;;)
		pause();
}

CASE(nesting, i09_i15_a_grandchild_in_its_own_session_does_not_survive_the_parent)
{
	struct family fam = family(true, true);
	pid_t host = pt_host_start(host_with_strays, &fam);
	ct_count_await(fam.started, 1);
	int child = pt_pidfd(fam.ids[1].pid);
	kill(host, SIGKILL);
	pt_host_end(host);
	pt_await_gone(child);
	ct_int(orphans_await(pt_mark(), CT_GUARD_MS), 0);
}

/* The child returns from the task's function, as if it were the worker: it must not become one. */
static int task_forks_and_both_return(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct ct_count *const *ran = arg;
	fflush(stdout);
	pid_t child = fork();
	TASK(child >= 0);
	long value = (long)ct_count_add(*ran, 1);
	if (child > 0) {
		int status;
		TASK(waitpid(child, &status, 0) == child);
		value = 100;
	}
	return creel_return(task, &value, sizeof value);
}

CASE(nesting, i13_a_child_that_returns_from_the_task_is_no_second_worker)
{
	creel_executor *ex = pt_pool(1);
	struct pt_ids before = pt_ids(ex);
	for (unsigned i = 0; i < 10; i++) {
		struct ct_count *ran = ct_count_new();
		creel_future *f = creel_submit(ex, task_forks_and_both_return, &ran, sizeof ran);
		ct_int(ct_long_drop(f), 100);
		ct_int(ct_count_get(ran), 2);
		ct_int(ct_long_drop(ct_submit_count(ex, ran)), 3);
	}
	ct_int(pt_ids(ex).pid, before.pid);
	ct_close(ex);
}

/* The worker does not wait: parent and child come back at the same time. */
static int task_forks_and_forgets(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	pid_t child = fork();
	TASK(child >= 0);
	long value = child == 0;
	return creel_return(task, &value, sizeof value);
}

CASE(nesting, i13_the_child_s_result_never_takes_the_place_of_the_worker_s)
{
	creel_executor *ex = pt_pool(2);
	for (unsigned i = 0; i < ct_scaled(60); i++)
		ct_int(ct_long_drop(creel_submit(ex, task_forks_and_forgets, NULL, 0)), 0);
	ct_close(ex);
}

CASE(nesting, i13_two_pools_do_not_meet)
{
	creel_executor *a = pt_pool(2), *b = pt_pool(2);
	pt_works(a);
	pt_works(b);
	struct pt_gated g = pt_gated(1), h = pt_gated(2);
	creel_future *f = pt_submit_gated(a, &g), *k = pt_submit_gated(b, &h);
	ct_count_await(g.started, 1);
	ct_count_await(h.started, 1);
	ct_assert(g.ids->server != h.ids->server);
	int server = pt_pidfd(g.ids->server);
	pt_kill(server, SIGKILL);
	pt_failure(f, CREEL_KIND_WORKER_DIED);
	pt_await_gone(server);
	ct_open(h.gate);
	ct_int(ct_long_drop(k), 2);
	creel_future_unref(f);
	ct_close(a);
	pt_works(b);
	ct_close(b);
}

/* With the first gone before the second, and the other way round, and many. AddressSanitizer's
 * malloc is not sound in a child that was forked beside a busy thread, as the servers here are. */
CASE_OFF(nesting, i13_pools_come_and_go_in_any_order, CT_ASAN)
{
	creel_executor *ex[6];
	for (unsigned i = 0; i < 6; i++)
		ex[i] = pt_pool(1 + (int)i % 2);
	for (unsigned i = 0; i < 6; i++)
		pt_works(ex[i]);
	ct_close(ex[2]);
	ct_close(ex[0]);
	pt_works(ex[1]);
	ct_close(ex[5]);
	pt_works(ex[3]);
	ct_close(ex[1]);
	ct_close(ex[3]);
	ct_close(ex[4]);
}

/* In a task: ten small tasks of another pool, whose results come to 90, and a large one. */
static int use(creel_task *task, creel_executor *inner)
{
	long sum = 0;
	creel_future *f[10];
	for (long i = 0; i < 10; i++)
		f[i] = creel_submit(inner, task_double, &i, sizeof i);
	for (unsigned i = 0; i < 10; i++) {
		long value;
		TASK(creel_future_result(f[i], CREEL_FOREVER, &value, sizeof value) == 0);
		sum += value;
		creel_future_unref(f[i]);
	}
	unsigned char *data = calloc(1, 50000);
	creel_future *large = creel_submit(inner, task_echo, data, 50000);
	size_t have = 0;
	TASK(creel_future_view(large, CREEL_FOREVER, NULL, &have) == 0 && have == 50000);
	creel_future_unref(large);
	free(data);
	return creel_return(task, &sum, sizeof sum);
}

static int task_uses_threads(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	creel_executor *inner = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 2});
	TASK(!creel_executor_error(inner));
	int rc = use(task, inner);
	TASK(creel_executor_close(inner) == 0);
	return rc;
}

CASE(nesting, c34_a_thread_pool_in_a_task)
{
	creel_executor *ex = pt_pool(2);
	for (unsigned i = 0; i < 6; i++)
		ct_int(ct_long_drop(creel_submit(ex, task_uses_threads, NULL, 0)), 90);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static int task_uses_processes(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	creel_executor *inner = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 2});
	const creel_error *e = creel_executor_error(inner);
	if (e)
		return creel_fail(task, e->code, "%s", e->message);
	creel_future *crash = pt_submit_crash(inner, PT_KILL, NULL, NULL, NULL);
	int rc = use(task, inner);
	TASK(creel_future_result(crash, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	creel_future_unref(crash);
	TASK(creel_executor_close(inner) == 0);
	return rc;
}

CASE(nesting, c34_a_process_pool_in_a_task)
{
	creel_executor *ex = pt_pool(2);
	for (unsigned i = 0; i < 4; i++)
		ct_int(ct_long_drop(creel_submit(ex, task_uses_processes, NULL, 0)), 90);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static int task_leaves_a_pool_open(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct pt_gated *g = arg;
	creel_executor *inner = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	TASK(!creel_executor_error(inner));
	creel_future *f = pt_submit_gated(inner, g);
	ct_count_await(g->started, 1);
	creel_future_unref(f);
	raise(SIGKILL);
	return 0;
}

CASE(nesting, i09_a_pool_in_a_task_ends_with_its_worker)
{
	struct pt_gated g = pt_gated(1);
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_leaves_a_pool_open, &g, sizeof g);
	ct_count_await(g.started, 1);
	pt_failure(f, CREEL_KIND_WORKER_DIED);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(orphans_await(pt_mark(), CT_GUARD_MS), 0);
}

/* A promise and an inline executor are used within a task, and what they hold outlives it. */
static creel_future *kept;

static int task_bytes(creel_task *task, const void *arg, size_t size)
{
	unsigned char *out = creel_return_reserve(task, *(const size_t *)arg);
	(void)size;
	TASK(out != NULL);
	for (size_t i = 0; i < *(const size_t *)arg; i++)
		out[i] = (unsigned char)(i + 3);
	return 0;
}

static int task_keeps_a_future(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	creel_executor *inner = creel_inline_new();
	kept = creel_submit(inner, task_bytes, arg, size);
	creel_executor_unref(inner);
	return 0;
}

static int task_reads_the_future(creel_task *task, const void *arg, size_t size)
{
	const void *view;
	(void)size;
	/* A result of its own, in the place where results go. */
	unsigned char *own = creel_return_reserve(task, *(const size_t *)arg);
	TASK(own != NULL);
	for (size_t i = 0; i < *(const size_t *)arg; i++)
		own[i] = 0xaa;
	TASK(creel_future_view(kept, CREEL_NOW, &view, &size) == 0);
	TASK(size == *(const size_t *)arg);
	for (size_t i = 0; i < size; i++)
		TASK(((const unsigned char *)view)[i] == (unsigned char)(i + 3));
	creel_future_unref(kept);
	return 0;
}

CASE(nesting, c34_futures_of_a_task_s_own_outlive_it)
{
	static const size_t some[] = {8, 100, 200, 300, 5000, 50000};
	for (unsigned i = 0; i < 6; i++) {
		creel_executor *ex = pt_pool(1);
		creel_future *f = creel_submit(ex, task_keeps_a_future, &some[i], sizeof some[i]);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
		f = creel_submit(ex, task_reads_the_future, &some[i], sizeof some[i]);
		if (ct_outcome(f))
			ct_fail(__FILE__, __LINE__, "%zu bytes: %s", some[i],
				creel_future_error(f)->message);
		creel_future_unref(f);
		ct_close(ex);
	}
}

static creel_executor *own_pool;

static int task_uses_its_own_pool(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	creel_future *f = NULL;
	creel_stats s;
	TASK(own_pool != NULL);
	TASK(creel_try_submit(own_pool, task_nothing, NULL, 0, NULL, &f) == -EPERM);
	TASK(creel_spawn(own_pool, task_nothing, NULL, 0, NULL) == -EPERM);
	f = creel_submit(own_pool, task_nothing, NULL, 0);
	TASK(creel_future_error(f) && creel_future_error(f)->code == -EPERM);
	creel_future_unref(f);
	TASK(creel_executor_stats(own_pool, &s, sizeof s) == -EPERM);
	TASK(creel_executor_drain(own_pool, CREEL_FOREVER) == -EPERM);
	TASK(creel_executor_resize(own_pool, 2) == -EPERM);
	TASK(creel_executor_shutdown(own_pool, 0, CREEL_FOREVER, NULL) == -EPERM);
	TASK(creel_shared_alloc(own_pool, 100) == NULL);
	TASK(creel_executor_close(own_pool) == -EPERM);
	return 0;
}

static int find_own_pool(void *ctx, unsigned worker, void **ret_local)
{
	(void)worker;
	*ret_local = NULL;
	own_pool = *(creel_executor **)ctx;
	return 0;
}

CASE(nesting, c12_a_pool_s_handle_inside_its_own_worker_is_refused)
{
	creel_executor **handle = ct_shared(sizeof(creel_executor *));
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .initializer = find_own_pool, .ctx = handle});
	*handle = ex;
	creel_future *f = creel_submit(ex, task_uses_its_own_pool, NULL, 0);
	if (ct_outcome(f))
		ct_fail(__FILE__, __LINE__, "%s", creel_future_error(f)->message);
	creel_future_unref(f);
	ct_close(ex);
}

struct inherited {
	creel_executor *ex;
	creel_future *pending, *ended;
	void *shared;
	bool by_exit;
};

static void use_what_was_inherited(void *arg)
{
	struct inherited *in = arg;
	creel_stats s;
	creel_future *f = NULL;
	HOST(creel_try_submit(in->ex, task_nothing, NULL, 0, NULL, &f) == -EPERM);
	f = creel_submit(in->ex, task_nothing, NULL, 0);
	HOST(creel_future_error(f)->code == -EPERM);
	creel_future_unref(f);
	HOST(creel_executor_stats(in->ex, &s, sizeof s) == -EPERM);
	HOST(creel_executor_drain(in->ex, CREEL_FOREVER) == -EPERM);
	HOST(creel_executor_shutdown(in->ex, 0, CREEL_FOREVER, NULL) == -EPERM);
	HOST(creel_shared_alloc(in->ex, 64) == NULL);
	creel_shared_free(in->ex, in->shared);
	HOST(creel_future_result(in->pending, CREEL_FOREVER, NULL, 0) == -EPERM);
	long value = 0;
	HOST(creel_future_result(in->ended, CREEL_NOW, &value, sizeof value) == -EPERM);
	creel_future_unref(in->pending);
	creel_future_unref(in->ended);
	HOST(creel_executor_close(in->ex) == -EPERM);
	/* And it may have a pool of its own. */
	creel_executor *own = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	long six = 6;
	f = creel_submit(own, task_double, &six, sizeof six);
	HOST(creel_future_result(f, CREEL_FOREVER, &value, sizeof value) == 0 && value == 12);
	creel_future_unref(f);
	HOST(creel_executor_close(own) == 0);
	if (in->by_exit)
		exit(0);
}

CASE(nesting, c23_a_forked_child_of_the_host_is_refused_and_exits_clean)
{
	long six = 6;
	creel_executor *ex = pt_pool(2);
	struct pt_gated g = pt_gated(1);
	struct inherited in = {ex, pt_submit_gated(ex, &g),
			       creel_submit(ex, task_double, &six, sizeof six),
			       creel_shared_alloc(ex, 64), false};
	ct_int(ct_long(in.ended), 12);
	ct_count_await(g.started, 1);
	for (unsigned i = 0; i < 2; i++) {
		in.by_exit = i;
		ct_int(pt_host(use_what_was_inherited, &in), 0);
	}
	ct_open(g.gate);
	ct_int(ct_long_drop(in.pending), 1);
	creel_future_unref(in.ended);
	creel_shared_free(ex, in.shared);
	pt_works(ex);
	ct_close(ex);
}

static void cancel_and_kill(void *arg)
{
	creel_future *f = arg;
	/* Whatever they say: the parent's task does not notice. */
	(void)creel_future_cancel(f);
	(void)creel_future_kill(f, 0);
}

CASE(nesting, c23_a_forked_child_cannot_end_the_parent_s_tasks)
{
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	creel_future *f = pt_submit_gated(ex, &g), *waiting = ct_submit_count(ex, g.gate);
	ct_count_await(g.started, 1);
	ct_int(pt_host(cancel_and_kill, f), 0);
	ct_int(pt_host(cancel_and_kill, waiting), 0);
	ct_open(g.gate);
	ct_int(ct_long_drop(f), 1);
	ct_int(ct_long_drop(waiting), 2);
	ct_close(ex);
}
