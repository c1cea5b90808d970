/* SPDX-License-Identifier: MIT */
/*
 * No memory: a small program of everything, in which the n-th allocation fails, for every n.
 * Whatever fails, nothing is NULL, says what it is, hangs or leaks, and the next submission works.
 */
#include "contract.h"

#include <string.h>

/* Whether there was no memory for the executor itself: then it says so from then on. */
static bool broken;

/* What a call may say when there is no memory: it worked, or it says so. */
static void fine(int rc)
{
	if (rc != 0 && rc != -ENOMEM && rc != -EAGAIN && !(broken && rc == CREEL_EFAILED))
		ct_fail(__FILE__, __LINE__, "a call says %s", creel_code_name(rc));
}

/* A future of this program: it worked, or failed for want of memory or of a thread. Drops it. */
static void check_future(creel_future *f)
{
	ct_assert(f != NULL);
	int rc = ct_outcome(f);
	if (rc == 0) {
		ct_assert(creel_future_error(f) == NULL);
	} else {
		const creel_error *e = creel_future_error(f);
		ct_int(rc, CREEL_EFAILED);
		ct_assert(e != NULL && e->message != NULL && e->task != NULL);
		ct_assert(e->message[0] != 0);
		/* CREEL_EFAILED: the one static error of its kind, without any memory. */
		if (e->kind != CREEL_KIND_NO_MEMORY && e->code != -ENOMEM &&
		    e->kind != CREEL_KIND_BROKEN && e->code != -EAGAIN && e->code != CREEL_EFAILED)
			ct_fail(__FILE__, __LINE__, "kind %d, code %d: %s", e->kind, e->code,
				e->message);
	}
	creel_future_unref(f);
}

static int return_large(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	char *p = creel_return_reserve(task, 3000);
	if (!p)
		return -ENOMEM;
	memset(p, 1, 3000);
	char bytes[500];
	memset(bytes, 2, sizeof bytes);
	return creel_return(task, bytes, sizeof bytes);
}

static void submit_some(creel_executor *ex, struct ct_count *freed)
{
	char large[2000] = {0};
	creel_submit_options o = {
		.name = "a task with a name", .arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *f = creel_submit(ex, return_large, large, sizeof large);
	creel_future *g = creel_submit_with(ex, task_echo, large, sizeof large, &o), *h = NULL;
	int rc = creel_try_submit(ex, task_nothing, NULL, 0, NULL, &h);
	fine(rc);
	ct_assert((rc == 0) == (h != NULL));
	fine(creel_spawn(ex, task_nothing, large, 100, &o));
	struct ct_count *done = ct_count_new();
	rc = creel_future_on_done(f, NULL, done_count, done, NULL, NULL);
	fine(rc);
	check_future(f);
	check_future(g);
	if (h)
		check_future(h);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(done), rc == 0);
}

static void fail_some(creel_executor *ex)
{
	int code = -EIO;
	creel_submit_options o = {.name = "fails"};
	creel_future *f = creel_submit_with(ex, task_fail, &code, sizeof code, &o);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_assert(creel_future_error(f) != NULL);
	ct_assert(creel_future_error(f)->kind != CREEL_KIND_NONE);
	creel_future_unref(f);
}

static void wait_for_some(creel_executor *ex)
{
	creel_future *list[4];
	size_t done = 0;
	for (int i = 0; i < 4; i++)
		list[i] = creel_submit(ex, task_nothing, NULL, 0);
	int rc = creel_wait(list, 4, CREEL_ALL_COMPLETED, CT_GUARD, &done);
	fine(rc);
	if (rc == 0)
		ct_int(done, 4);
	for (int i = 0; i < 4; i++)
		check_future(list[i]);
}

static void queue_some(creel_executor *ex)
{
	creel_queue *q = creel_queue_new(NULL);
	int in = 0;
	ct_assert(q != NULL);
	const creel_error *e = creel_queue_error(q);
	int woken = creel_queue_wake(q);
	ct_int(woken, e ? e->code : CT_WAKES ? 0 : -ENOTSUP);
	ct_int(creel_queue_reset(q), e ? -ENOMEM : 0);
	for (int i = 0; i < 3; i++) {
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		int rc = creel_queue_add(q, f, NULL);
		fine(rc);
		in += rc == 0;
		creel_future_unref(f);
		rc = creel_queue_submit(q, ex, task_nothing, NULL, 0, NULL, NULL);
		fine(rc);
		in += rc == 0;
	}
	if (in > 0) {
		int fd = creel_queue_fd(q);
		ct_assert(fd >= 0 || fd == -ENOMEM || fd == -EMFILE || !CT_LINUX);
	}
	for (; in > 0; in--) {
		creel_future *f = NULL;
		ct_int(creel_queue_take(q, CT_GUARD, &f, NULL), 0);
		check_future(f);
	}
	creel_queue_unref(q);
}

static void map_some(creel_executor *ex)
{
	long items[6] = {0, 1, 2, 3, 4, 5};
	size_t index = 0;
	creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], 6, NULL);
	ct_assert(map != NULL);
	for (;;) {
		creel_future *f = NULL;
		int rc = creel_map_next(map, CT_GUARD, &f, &index);
		if (f)
			check_future(f);
		const creel_error *e = creel_map_error(map);
		ct_assert(e ? e->code == -ENOMEM : rc != -ENOMEM);
		if (rc == CREEL_EMPTY || rc == -ENOMEM)
			break;
		ct_assert(rc == 0 || rc == CREEL_EFAILED);
	}
	creel_map_end(map);
}

/* What is refused has an error, which takes memory: where there is none, a static one. */
static void refuse_some(creel_executor *ex)
{
	creel_queue *q = creel_queue_new(&(creel_queue_options){.flags = CREEL_KEEP_GOING});
	creel_mapping *map = creel_map(ex, NULL, NULL, 0, 0, NULL);
	ct_assert(creel_queue_error(q) && creel_queue_error(q)->message[0] != 0);
	ct_assert(creel_map_error(map) && creel_map_error(map)->message[0] != 0);
	int rc = creel_queue_wake(q);
	ct_assert(rc == -EINVAL || rc == -ENOMEM);
	creel_queue_unref(q);
	creel_map_end(map);
}

static void promise_some(void)
{
	char large[3000] = {0};
	struct ct_count *freed = ct_count_new(), *called = ct_count_new();
	creel_buffer buffer = {large, sizeof large, buffer_free_count, freed};
	creel_future *p[3] = {creel_promise_new(), creel_promise_new(), creel_promise_new()};
	for (int i = 0; i < 3; i++) {
		ct_assert(p[i] != NULL);
		bool alive = creel_future_state(p[i]) == CREEL_FUTURE_PENDING;
		fine(creel_future_on_done(p[i], NULL, done_count, called, NULL, NULL));
		int rc = i == 0   ? creel_promise_set_result(p[i], large, sizeof large)
			 : i == 1 ? creel_promise_set_move(p[i], buffer)
				  : creel_promise_fail(p[i], CREEL_KIND_FAILED, 1, large,
						       sizeof large, "a message that is copied");
		if (rc != 0 && rc != -ENOMEM && (alive || rc != -EALREADY))
			ct_fail(__FILE__, __LINE__, "settling promise %d (%s) says %s", i,
				alive ? "pending" : "failed", creel_code_name(rc));
		/* -ENOMEM leaves the state as it was, and the buffer with us. */
		if (rc == -ENOMEM && alive)
			ct_int(creel_future_state(p[i]), CREEL_FUTURE_PENDING);
		creel_future_unref(p[i]);
		if (i == 1)
			ct_int(ct_count_get(freed), rc == 0);
	}
}

/* The whole program; what it frees of arguments is counted. */
static void small_program(creel_executor *ex)
{
	struct ct_count *freed = ct_count_new();
	submit_some(ex, freed);
	/* Both handed their argument over, whatever became of them. */
	ct_int(ct_count_get(freed), 2);
	fail_some(ex);
	wait_for_some(ex);
	queue_some(ex);
	map_some(ex);
	refuse_some(ex);
	promise_some();
}

/* One run of the program with the n-th allocation failing, on a new executor. Returns whether there
 * were fewer than n allocations. */
static bool run_with_fault(unsigned n, bool for_ever)
{
	creel_thread_pool_options o = {.name = "nomem"};
	bool pool = ct_is(CT_POOL);
	creel_executor *ex = pool ? NULL : ct_executor();
	ct_fault_arm(CT_FAULT_MEMORY, n, for_ever);
	if (pool)
		ex = ct_pool(o);
	ct_assert(ex != NULL);
	broken = creel_executor_error(ex) != NULL;
	if (broken)
		ct_int(creel_executor_error(ex)->code, -ENOMEM);
	small_program(ex);
	bool none = ct_fault_failed() == 0;
	ct_fault_off();
	if (!creel_executor_error(ex)) {
		long three = 3;
		ct_int(ct_long_drop(creel_submit(ex, task_double, &three, sizeof three)), 6);
	}
	ct_close(ex);
	return none;
}

/* threads: how many there were before the first run. */
static long live_after_a_clean_run(unsigned threads)
{
	ct_assert(run_with_fault(1000000, false));
	/* A custom executor's thread, of this run or of one before, frees what it holds when it
	 * goes. */
	ct_until(ct_threads() <= threads);
	return ct_live_blocks();
}

CASE(bad_no_memory_at_the_nth_allocation_is_a_clear_error_for_every_n, CT_INPROC)
{
	unsigned n = 1, threads = ct_threads();
	live_after_a_clean_run(threads);
	long before = live_after_a_clean_run(threads);
	while (!run_with_fault(n, false))
		n++;
	ct_assert(n > 5);
	/* Caches may hold a few blocks; a leak in one of the n failures would add up
	 * or show here. */
	ct_assert(live_after_a_clean_run(threads) <= before + 2);
}

CASE(bad_no_memory_from_the_nth_allocation_on_never_hangs, CT_INPROC)
{
	unsigned threads = ct_threads();
	live_after_a_clean_run(threads);
	long before = live_after_a_clean_run(threads);
	for (unsigned n = 1; n < 60; n++)
		run_with_fault(n, true);
	ct_assert(live_after_a_clean_run(threads) <= before + 2);
}

CASE(bad_an_error_needs_no_memory_to_keep_its_code, CT_INPROC)
{
	int code = -EIO;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	creel_future *g = creel_submit(ex, task_fail, &code, sizeof code);
	ct_assert(g != NULL);
	ct_int(ct_outcome(g), CREEL_EFAILED);
	ct_fault_off();
	ct_assert(creel_future_error(g) != NULL);
	ct_assert(creel_future_error(g)->message[0] != 0);
	/* Rejected for want of memory, or failed with the code that it said. */
	if (creel_future_error(g)->kind == CREEL_KIND_FAILED)
		ct_int(creel_future_error(g)->code, -EIO);
	else
		ct_int(creel_future_error(g)->kind, CREEL_KIND_NO_MEMORY);
	creel_future_unref(g);
	ct_close(ex);
}

static int fail_without_memory(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	int code = creel_fail(task, -EIO, "disk %d", 7);
	ct_fault_off();
	return code;
}

/* What a worker keeps for that is filled up again when memory is back. */
CASE(bad_an_error_without_memory_is_whole_each_time, 0)
{
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 4; i++) {
		creel_submit_options o = {.name = "saver"};
		creel_future *f = creel_submit_with(ex, fail_without_memory, NULL, 0, &o);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		const creel_error *e = creel_future_error(f);
		ct_int(e->kind, CREEL_KIND_FAILED);
		ct_int(e->code, -EIO);
		ct_text(e->message, "disk 7");
		ct_text(e->task, "saver");
		creel_future_unref(f);
	}
	ct_close(ex);
}

CASE(rule_nothing_is_leaked_over_many_rounds, CT_INPROC)
{
	long before = 0;
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 60; i++) {
		if (i == 20)
			before = ct_live_blocks();
		small_program(ex);
	}
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	/* A leak of one block a round would make forty. */
	ct_assert(ct_live_blocks() <= before + 30);
	ct_close(ex);
}
