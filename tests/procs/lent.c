/* SPDX-License-Identifier: MIT */
/*
 * Promises 35 and 37: the input of a stage is read where it lies, if that is the memory of its own
 * pool, and is copied once if not. It stays there as long as the stage may read it, and nobody else
 * can: a worker has other workers' results only as the input of the task that it runs.
 */
#include "misdeeds.h"
#include "procs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)
enum { BIG = 100000 };

/* What a stage found, and enough beside it for an extent. */
struct found {
	const unsigned char *data;
	size_t size;
	unsigned char first, last;
	unsigned char rest[BIG];
};

static int task_big(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct found *f = creel_return_reserve(task, sizeof *f);
	TASK(f);
	memset(f, *(const char *)arg, sizeof *f);
	return 0;
}

static int task_look(creel_task *task, const void *arg, size_t size)
{
	const void *data;
	size_t n;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, &data, &n);
	struct found *f = rc ? NULL : creel_return_reserve(task, sizeof *f);
	if (!f)
		return rc ? rc : -ENOMEM;
	const unsigned char *bytes = data;
	*f = (struct found){.data = data, .size = n, .first = bytes[0], .last = bytes[n - 1]};
	return 0;
}

static const struct found *found(creel_future *f)
{
	const void *data;
	size_t size;
	ct_int(creel_future_view(f, CT_GUARD, &data, &size), 0);
	ct_int(size, sizeof(struct found));
	return data;
}

static creel_future *big(creel_executor *ex, char c)
{
	creel_future *f = creel_submit(ex, task_big, &c, 1);
	(void)found(f);
	return f;
}

/* How often the input of g, which is f, was copied on the way. */
static int copies(creel_future *f, creel_future *g)
{
	const void *data;
	size_t size;
	ct_int(creel_future_view(f, CT_GUARD, &data, &size), 0);
	ct_int(found(g)->size, size);
	ct_int(found(g)->first, *(const unsigned char *)data);
	ct_int(found(g)->last, ((const unsigned char *)data)[size - 1]);
	return found(g)->data != data;
}

/* There is no room for a copy of anything. */
CASE(lent, c37_an_input_of_the_same_pool_is_not_copied)
{
	enum { N = 20 };
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 2, .shared_budget = 4 * MIB});
	void *all = creel_shared_alloc(ex, 4 * MIB);
	ct_assert(all);
	creel_future *f = big(ex, 'A');
	int n = 0;
	for (int i = 0; i < N; i++) {
		creel_future *g = creel_then(f, ex, task_look, NULL, 0);
		n += copies(f, g);
		creel_future_unref(f);
		f = g;
	}
	ct_int(n, 0);
	creel_future_unref(f);
	creel_shared_free(ex, all);
	ct_close(ex);
}

/* Through an adaptor, too; and of a result that is passed on. */
CASE(lent, c37_an_adaptor_copies_no_input_either)
{
	creel_executor *pool = pt_pool(2), *ex = creel_semaphore_new(pool, 1);
	creel_future *f = big(ex, 'A'), *p = creel_recover(f, ex, task_look, NULL, 0);
	creel_future *g = creel_then(p, ex, task_look, NULL, 0);
	ct_int(copies(f, g), 0);
	creel_future_unref(f);
	creel_future_unref(p);
	creel_future_unref(g);
	ct_close(ex);
	ct_close(pool);
}

CASE(lent, c37_an_input_of_elsewhere_is_copied_once)
{
	creel_executor *ex = pt_pool(1), *other = pt_pool(1), *t = creel_thread_pool_new(NULL);
	creel_future *inputs[] = {big(other, 'A'), big(t, 'B'), creel_future_of("abc", 3)};
	for (int i = 0; i < 3; i++) {
		creel_future *g = creel_then(inputs[i], ex, task_look, NULL, 0);
		ct_int(copies(inputs[i], g), 1);
		/* That room is given back. */
		void *all = NULL;
		ct_int(creel_executor_drain(ex, CT_GUARD), 0);
		ct_assert((all = creel_shared_alloc(ex, MIB)));
		creel_shared_free(ex, all);
		creel_future_unref(inputs[i]);
		creel_future_unref(g);
	}
	ct_close(ex);
	ct_close(other);
	ct_close(t);
}

/* Memory of the user's that workers have. */
CASE(lent, c37_a_promise_in_shared_memory_is_not_copied)
{
	creel_executor *ex = pt_pool(1);
	char *text = creel_shared_alloc(ex, 10);
	memcpy(text, "some text", 10);
	creel_future *f = creel_promise_new(), *g = creel_then(f, ex, task_look, NULL, 0);
	ct_int(creel_promise_set_move(f, (creel_buffer){.data = text, .size = 10}), 0);
	ct_int(copies(f, g), 0);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_shared_free(ex, text);
	ct_close(ex);
}

/* The worker would put the next result into the same place. */
CASE(lent, c37_an_input_stays_until_its_stage_has_ended)
{
	creel_executor *ex = pt_pool(1);
	struct pt_gated gated = pt_gated(1);
	creel_future *f = big(ex, 'A');
	creel_future *gate = pt_submit_gated(ex, &gated);
	ct_count_await(gated.started, 1);
	creel_future *b = creel_submit(ex, task_big, "B", 1);
	creel_future *g = creel_then(f, ex, task_look, NULL, 0);
	creel_future_unref(f);
	ct_open(gated.gate);
	ct_int(found(g)->first, 'A');
	ct_int(found(g)->last, 'A');
	ct_int(found(b)->first, 'B');
	creel_future_unref(b);
	creel_future_unref(g);
	creel_future_unref(gate);
	ct_close(ex);
}

static int task_die(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	raise(SIGKILL);
	return 0;
}

/* The one that wrote it; its successor reads what is out of its reach otherwise. */
CASE(lent, c37_an_input_outlives_the_deaths_of_workers)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = big(ex, 'A'), *g[5];
	for (int i = 0; i < 5; i++)
		g[i] = creel_then(f, ex, i % 2 ? task_look : task_die, NULL, 0);
	for (int i = 0; i < 5; i++) {
		if (i % 2)
			ct_int(copies(f, g[i]), 0);
		else
			(void)pt_failure(g[i], CREEL_KIND_WORKER_DIED);
		creel_future_unref(g[i]);
	}
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
}

CASE(lent, c37_a_shutdown_lets_go_of_inputs)
{
	creel_executor *ex = pt_pool(1);
	struct pt_gated gated = pt_gated(1);
	creel_future *f = big(ex, 'A');
	creel_future *gate = pt_submit_gated(ex, &gated);
	ct_count_await(gated.started, 1);
	creel_future *g = creel_then(f, ex, task_look, NULL, 0);
	creel_future_unref(f);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL | CREEL_SHUTDOWN_KILL, CT_GUARD,
				       NULL),
	       0);
	ct_int(creel_future_result(g, CT_GUARD, NULL, 0), -ECANCELED);
	(void)pt_failure(gate, CREEL_KIND_KILLED);
	creel_future_unref(g);
	creel_future_unref(gate);
	ct_close(ex);
}

static int task_write(creel_task *task, const void *arg, size_t size)
{
	const void *data;
	(void)arg;
	(void)size;
	TASK(creel_task_input(task, &data, NULL) == 0);
	*(char *)(uintptr_t)data = 'X';
	return 0;
}

static int task_read(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long first = **(const unsigned char *const *)arg;
	return creel_return(task, &first, sizeof first);
}

static void crash(creel_future *f)
{
	ct_int(pt_failure(f, CREEL_KIND_WORKER_DIED)->signal, SIGSEGV);
	creel_future_unref(f);
}

/* valgrind reports the access. */
CASE_OFF(lent, c35_an_input_can_be_read_and_only_then, CT_MEMCHECK)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = big(ex, 'A'), *g;
	const void *data = found(f);
	creel_future_unref(pt_submit_crash(ex, PT_KILL, NULL, NULL, NULL));
	ct_int(copies(f, g = creel_then(f, ex, task_look, NULL, 0)), 0);
	crash(creel_submit(ex, task_read, &data, sizeof data));
	crash(creel_then(f, ex, task_write, NULL, 0));
	ct_int(found(f)->last, 'A');
	creel_future_unref(f);
	creel_future_unref(g);
	pt_works(ex);
	ct_close(ex);
}

/* All memory that arguments and inputs are copied to. */
static int task_scribble(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	memset(*(void *const *)arg, 0xff, MIB / 2);
	return 0;
}

static int task_size(creel_task *task, const void *arg, size_t size)
{
	const creel_error *e = creel_task_input_error(task);
	size_t n = 0;
	(void)arg;
	(void)size;
	if (!e)
		TASK(creel_task_input(task, NULL, &n) == 0);
	return e ? creel_return(task, e->message, strlen(e->message) + 1)
		 : creel_return(task, &n, sizeof n);
}

/* What it is and how large it is stands elsewhere. */
CASE(lent, c35_who_spoils_an_input_spoils_its_bytes_alone)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = MIB});
	void *base = creel_shared_alloc(ex, 256);
	struct pt_gated gated = pt_gated(1);
	creel_future *f = creel_promise_new(), *bad = creel_promise_new();
	creel_future *gate = pt_submit_gated(ex, &gated);
	ct_count_await(gated.started, 1);
	creel_future *s = creel_submit(ex, task_scribble, &base, sizeof base);
	static const char bytes[5000];
	ct_int(creel_promise_set_result(f, bytes, sizeof bytes), 0);
	ct_int(creel_promise_fail(bad, CREEL_KIND_FAILED, -EIO, NULL, 0, "a message"), 0);
	creel_future *g = creel_then(f, ex, task_size, NULL, 0);
	creel_future *h = creel_recover(bad, ex, task_size, NULL, 0);
	ct_open(gated.gate);
	const void *text;
	ct_int(ct_long(g), sizeof bytes);
	ct_int(creel_future_view(h, CT_GUARD, &text, NULL), 0);
	ct_text(text, "another task has overwritten why the input failed");
	creel_future *const all[] = {f, bad, gate, s, g, h};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		creel_future_unref(all[i]);
	creel_shared_free(ex, base);
	pt_works(ex);
	ct_close(ex);
}

/* In the slots of its own worker. */
static int task_misplace(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct pt_gated gated = *(const struct pt_gated *)arg;
	struct misdeed_place p;
	TASK(misdeed_find(task, &p));
	ct_count_add(gated.started, 1);
	ct_pass(gated.gate);
	for (unsigned i = 0; i < CREEL__DEPTH; i++)
		if (&p.control->slots[i] != p.slot)
			p.control->slots[i].input = (struct creel__parcel){CREEL__PARCEL_RESULT, &p,
									   (size_t)gated.value};
	return 0;
}

CASE(lent, c35_an_input_that_is_nowhere_is_not_read)
{
	static const long sizes[] = {1, 100, LONG_MAX};
	creel_executor *ex = pt_pool(1);
	for (int i = 0; i < 3; i++) {
		struct pt_gated gated = pt_gated(sizes[i]);
		creel_future *f = creel_submit(ex, task_misplace, &gated, sizeof gated);
		ct_count_await(gated.started, 1);
		creel_future *g = creel_submit(ex, task_size, NULL, 0);
		ct_open(gated.gate);
		const creel_error *e = pt_failure(g, CREEL_KIND_FAILED);
		ct_int(e->code, -EFAULT);
		ct_text(e->message,
			"an earlier task of this worker has overwritten where the input is");
		creel_future_unref(f);
		creel_future_unref(g);
	}
	pt_works(ex);
	ct_close(ex);
}
