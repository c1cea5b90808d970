/* SPDX-License-Identifier: MIT */
/* Promise 37 in worker processes: the inputs of continuations travel, and are given back. */
#include "procs.h"

#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

/* The first byte of the input, and its size. */
static int task_first(creel_task *task, const void *arg, size_t size)
{
	const unsigned char *data;
	size_t n;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, (const void **)&data, &n);
	long result = rc ? 0 : (long)n + data[0];
	return rc ? rc : creel_return(task, &result, sizeof result);
}

static creel_future *made_of(size_t size, unsigned char first)
{
	unsigned char *data = malloc(size);
	ct_assert(data);
	memset(data, first, size);
	creel_future *f = creel_future_of(data, size);
	free(data);
	return f;
}

CASE(inputs, c37_an_input_gives_its_room_back)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	creel_future *f = made_of(MIB / 2, 3);
	/* All of them together have no room. */
	for (int i = 0; i < 20; i++)
		ct_int(ct_long_drop(creel_then(f, ex, task_first, NULL, 0)), MIB / 2 + 3);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(inputs, c37_an_input_that_never_fits_is_refused)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	creel_future *f = made_of(16 * MIB, 3);
	creel_future *g = creel_then(f, ex, task_first, NULL, 0);
	const creel_error *e = pt_failure(g, CREEL_KIND_REJECTED);
	ct_int(e->code, -ENOSPC);
	ct_has(e->message, "16777216 bytes");
	creel_future_unref(f);
	creel_future_unref(g);
	pt_works(ex);
	ct_close(ex);
}

/* A stage that is sent to another worker, since its own has died, has its input there. */
static int task_die(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	abort();
}

CASE(inputs, c37_what_waits_behind_a_death_keeps_its_input)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_promise_new(), *g[3];
	g[0] = creel_then(f, ex, task_die, NULL, 0);
	for (int i = 1; i < 3; i++)
		g[i] = creel_then(f, ex, task_first, NULL, 0);
	ct_int(creel_promise_set_result(f, "abc", 3), 0);
	(void)pt_failure(g[0], CREEL_KIND_WORKER_DIED);
	for (int i = 1; i < 3; i++)
		ct_int(ct_long(g[i]), 3 + 'a');
	for (int i = 0; i < 3; i++)
		creel_future_unref(g[i]);
	creel_future_unref(f);
	ct_close(ex);
}

/* From one pool into another, and back. */
CASE(inputs, c37_a_result_goes_from_pool_to_pool)
{
	creel_executor *ex[] = {pt_pool(1), pt_pool(1), creel_thread_pool_new(NULL)};
	creel_future *f = made_of(70000, 9);
	for (int i = 0; i < 6; i++) {
		creel_future *g = creel_then(f, ex[i % 3], task_first, NULL, 0);
		if (i == 0)
			ct_int(ct_long(g), 70009);
		else
			ct_assert(ct_long(g) >= 8);
		creel_future_unref(f);
		f = g;
	}
	creel_future_unref(f);
	for (int i = 0; i < 3; i++)
		ct_close(ex[i]);
}

static creel_future *all_of_two(creel_executor *ex)
{
	creel_future *inputs[] = {creel_submit(ex, task_nothing, NULL, 0), made_of(3, 1)};
	creel_future *f = creel_all(inputs, 2, 0);
	creel_future_unref(inputs[0]);
	creel_future_unref(inputs[1]);
	return f;
}

static void refused_as_an_array(creel_future *g, const char *call)
{
	const creel_error *e = pt_failure(g, CREEL_KIND_NOT_TRANSFERABLE);
	ct_int(e->code, -EFAULT);
	ct_has(e->message, call);
	ct_has(e->message, "an array of futures of this process");
	creel_future_unref(g);
}

/* Pointers into the host: refused when the stage is made, be it final or not. */
CASE(inputs, c36_the_array_of_an_aggregate_does_not_travel)
{
	creel_executor *ex = pt_pool(1), *over = creel_serial_new(ex);
	creel_future *f = all_of_two(ex);
	refused_as_an_array(creel_then(f, ex, task_first, NULL, 0), "creel_then: ");
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	refused_as_an_array(creel_then(f, ex, task_first, NULL, 0), "creel_then: ");
	refused_as_an_array(creel_then(f, over, task_first, NULL, 0), "creel_then: ");
	refused_as_an_array(creel_finally(f, ex, task_first, NULL, 0), "creel_finally: ");
	/* What others pass on shows when it has ended. */
	creel_future *p = creel_promise_new(), *late = creel_all(&p, 1, 0);
	creel_future *any = creel_any(&late, 1, 0), *g = creel_then(any, ex, task_first, NULL, 0);
	ct_int(creel_future_state(g), CREEL_FUTURE_PENDING);
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	refused_as_an_array(g, "continuation: ");
	creel_future *const rest[] = {any, late, p, f};
	for (int i = 0; i < 4; i++)
		creel_future_unref(rest[i]);
	pt_works(ex);
	ct_close(over);
	ct_close(ex);
}

/* What it fails with does, and so does the result of one that has no array. */
CASE(inputs, c36_what_an_aggregate_fails_with_travels)
{
	creel_executor *ex = pt_pool(1);
	creel_future *inputs[] = {creel_future_failed(CREEL_KIND_FAILED, -EIO, "no"),
				  made_of(3, 1)};
	creel_future *all = creel_all(inputs, 2, 0), *any = creel_any(inputs, 2, 0);
	creel_future *f = creel_recover(all, ex, task_nothing, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	ct_int(ct_long_drop(creel_then(any, ex, task_first, NULL, 0)), 4);
	creel_future *const mine[] = {inputs[0], inputs[1], all, any, f};
	for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++)
		creel_future_unref(mine[i]);
	ct_close(ex);
}

/* An adaptor in whose submit the token is cancelled, and the task starts in its worker. */
struct late {
	creel_executor *beneath;
	creel_token *token;
	struct ct_count *started;
};

static int forward_late(void *arg, creel_task *task)
{
	struct late *l = arg;
	creel_future *f = creel_task_future(task);
	ct_int(creel_token_cancel(l->token, -EIO, "late", 0), 0);
	int rc = creel_task_forward(task, l->beneath);
	ct_count_await(l->started, 1);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	creel_future_unref(f);
	return rc;
}

static creel_executor *beneath_late(void *arg)
{
	struct late *l = arg;
	return l->beneath;
}

CASE(inputs, c49_a_worker_beneath_an_adaptor_hears_of_a_token_in_any_case)
{
	struct late late = {pt_pool(1), creel_token_new(NULL, NULL, CREEL_FOREVER), ct_count_new()};
	static const creel_executor_ops ops = {
		.size = sizeof ops, .submit = forward_late, .beneath = beneath_late};
	creel_executor *ex = creel_executor_new(&ops, &late);
	const creel_submit_options o = {.token = late.token};
	creel_future *f = creel_submit_with(ex, task_until_asked, &late.started,
					    sizeof late.started, &o);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), -ECANCELED);
	creel_future_unref(f);
	ct_close(ex);
	ct_close(late.beneath);
	creel_token_unref(late.token);
}
