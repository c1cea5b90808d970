/* SPDX-License-Identifier: MIT */
/*
 * Promise 30 over a change of the fork server: libraries come and go, at the same address, and a
 * new server has what is loaded by then. The wrong function never runs.
 */
#include "procs.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void *open_late(const char *path, const char *name, void *ret_fn)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		ct_fail(__FILE__, __LINE__, "%s", dlerror());
	void *symbol = dlsym(library, name);
	ct_assert(symbol != NULL);
	memcpy(ret_fn, &symbol, sizeof symbol);
	return library;
}

/* The server dies, and its workers with it; the next one is forked from what is loaded now. */
static void lose_server(creel_executor *ex)
{
	struct pt_ids ids = pt_ids(ex);
	int server = pt_pidfd(ids.server), worker = pt_pidfd(ids.pid);
	pt_kill(server, SIGKILL);
	pt_await_gone(worker);
	pt_await_gone(server);
	ct_assert(pt_ids(ex).server != ids.server);
}

/* What the function returned in the worker, as the code of a failure; or -ENOEXEC. */
static int code_of(creel_executor *ex, creel_fn fn)
{
	creel_future *f = creel_submit(ex, fn, NULL, 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	int code = e->code;
	if (e->kind != CREEL_KIND_FAILED)
		ct_int(e->kind, CREEL_KIND_NOT_TRANSFERABLE);
	creel_future_unref(f);
	return code;
}

/* A, of which the first server has the code, is closed; with B in its place, or nothing, the server
 * is replaced; then A is opened again. */
static void replaced(const char *between)
{
	creel_fn fn;
	void *a = open_late(PT_LATE1, "late_task", &fn), *b = NULL;
	creel_executor *ex = pt_pool(1);
	ct_int(code_of(ex, fn), 1111);
	dlclose(a);
	if (between) {
		b = open_late(between, "late_task", &fn);
		lose_server(ex);
		ct_int(code_of(ex, fn), 2222);
		dlclose(b);
	} else {
		lose_server(ex);
		pt_works(ex);
	}
	a = open_late(PT_LATE1, "late_task", &fn);
	/* At another address it may be that the workers have nothing. They never have B for A. */
	for (int i = 0; i < 3; i++)
		ct_int(code_of(ex, fn), -ENOEXEC);
	pt_works(ex);
	ct_close(ex);
	dlclose(a);
}

CASE(stale, c30_a_library_that_the_new_server_has_another_one_for_is_refused)
{
	replaced(PT_LATE2);
}

CASE(stale, c30_a_library_that_the_new_server_does_not_have_is_refused)
{
	replaced(NULL);
}

/* It was queued for a server that had it, and meets one that has not. */
static void queued(const char *between)
{
	creel_fn fn, other;
	void *a = open_late(PT_LATE1, "late_task", &fn), *b = NULL;
	creel_executor *ex = pt_pool(1);
	struct pt_ids ids = pt_ids(ex);
	struct pt_gated gated = pt_gated(1);
	creel_future *running = pt_submit_gated(ex, &gated);
	ct_pass(gated.started);
	creel_future *late[4], *own[4];
	for (long i = 0; i < 4; i++) {
		late[i] = creel_submit(ex, fn, NULL, 0);
		own[i] = creel_submit(ex, task_double, &i, sizeof i);
	}
	dlclose(a);
	if (between)
		b = open_late(between, "late_task", &other);
	int server = pt_pidfd(ids.server);
	pt_kill(server, SIGKILL);
	pt_await_gone(server);
	pt_failure(running, CREEL_KIND_WORKER_DIED);
	for (long i = 0; i < 4; i++) {
		const creel_error *e = pt_failure(late[i], CREEL_KIND_NOT_TRANSFERABLE);
		ct_int(e->code, -ENOEXEC);
		ct_has(e->message, "late1");
		ct_int(ct_long_drop(own[i]), 2 * i);
		creel_future_unref(late[i]);
	}
	creel_future_unref(running);
	ct_close(ex);
	if (b)
		dlclose(b);
}

CASE(stale, c30_a_queued_task_does_not_run_another_function_in_the_new_server)
{
	queued(PT_LATE2);
}

CASE(stale, c30_a_queued_task_fails_if_the_new_server_does_not_have_its_function)
{
	queued(NULL);
}

/* Its library is gone when the second server is forked: no worker can be initialized. */
CASE(stale, c30_a_server_is_not_replaced_without_the_initializer)
{
	int (*initializer)(void *ctx, unsigned worker, void **ret_local);
	void *a = open_late(PT_LATE1, "late_initializer", &initializer);
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .initializer = initializer});
	pt_works(ex);
	struct pt_ids ids = pt_ids(ex);
	int server = pt_pidfd(ids.server);
	dlclose(a);
	pt_kill(server, SIGKILL);
	pt_await_gone(server);
	ct_until(creel_executor_error(ex));
	ct_int(creel_executor_error(ex)->kind, CREEL_KIND_BROKEN);
	ct_has(creel_executor_error(ex)->message, "initializer");
	ct_close(ex);
}
