/* SPDX-License-Identifier: MIT */
/* Regressions: cancelling, and shutdowns that cancel. */
#include "regress.h"

static struct gate gate, freeing;
static creel_executor *ex;

static void *cancel(void *f)
{
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	return NULL;
}

static void *shut_down_cancelling(void *arg)
{
	(void)arg;
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
	return NULL;
}

static creel_future *submit_slow_to_free(void)
{
	creel_submit_options o = {.arg_free = arg_free_gated, .arg_ctx = &freeing};
	return creel_submit_with(ex, task_nothing, &freeing, CREEL_BY_REF, &o);
}

/* As soon as the workers were gone it said 0, with two left. */
CT_TEST(regress_cancel, a_shutdown_waits_for_what_another_one_is_still_cancelling, 0)
{
	pthread_t thread;
	size_t left = 99;
	ex = pool_of(1);
	creel_future *busy = hold(ex, &gate), *f = submit_slow_to_free();
	creel_future *behind = creel_submit(ex, task_nothing, NULL, 0);
	on_thread(&thread, shut_down_cancelling, NULL);
	ct_count_await(&freeing.started, 1);
	ct_open(&gate.open);
	ct_until(stats_of(ex).workers == 0);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, 2);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_open(&freeing.open);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, &left), 0);
	ct_int(left, 0);
	pthread_join(thread, NULL);
	ends_with(f, -ECANCELED);
	ends_with(behind, -ECANCELED);
	ends_with(busy, 0);
	close_now(ex);
}

/* The future that a canceller has pinned, while the pool shuts down, cancels, and goes. */
static struct {
	creel_future *f;
	_Atomic int tid;
	_Atomic bool over;
} pinned;

static void *cancel_and_close(void *own)
{
	atomic_store(&pinned.tid, (int)syscall(SYS_gettid));
	ct_int(creel_executor_shutdown(own, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
	ct_int(creel_future_state(pinned.f), CREEL_FUTURE_CANCELLED);
	ct_int(creel_executor_close(own), 0);
	atomic_store(&pinned.over, true);
	return NULL;
}

/* The shutdown counted it as ended while it was not: the pool could go while the canceller used
 * it. */
CT_TEST(regress_cancel, a_shutdown_that_cancels_waits_for_a_canceller_inside_a_destructor, 0)
{
	static struct ct_count taken;
	pthread_t canceller, closer;
	ex = pool_of(1);
	creel_future *busy = hold(ex, &gate);
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = &taken};
	ct_int(creel_spawn(ex, task_nothing, NULL, 0, &o), 0);
	pinned.f = submit_slow_to_free();
	on_thread(&canceller, cancel, pinned.f);
	ct_count_await(&freeing.started, 1);
	on_thread(&closer, cancel_and_close, creel_executor_ref(ex));
	/* The first one is cancelled: so both have been taken out of the queue, and the worker
	 * will not see them. */
	ct_count_await(&taken, 1);
	ct_open(&gate.open);
	ends_with(busy, 0);
	ct_until(stats_of(ex).workers == 0);
	ct_await_asleep(atomic_load(&pinned.tid));
	ct_assert(!atomic_load(&pinned.over));
	ct_open(&freeing.open);
	pthread_join(canceller, NULL);
	pthread_join(closer, NULL);
	ends_with(pinned.f, -ECANCELED);
	close_now(ex);
}

static _Atomic bool cancelling;
static _Atomic unsigned started, late;

static int count_late(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	*(bool *)(uintptr_t)arg = true;
	atomic_fetch_add(&started, 1);
	if (atomic_load(&cancelling))
		atomic_fetch_add(&late, 1);
	return 0;
}

static void note_cancelled(void *ran, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	if (!*(const bool *)ran)
		atomic_store(&cancelling, true);
}

/* Batches were emptied before the queues: what moved from these to those in between still ran. A
 * race, with no event in the middle: it is won by repeating. */
CT_TEST(regress_cancel, a_shutdown_that_cancels_reaches_what_is_moving_to_a_worker, 0)
{
	enum { TASKS = 400 };
	static bool ran[TASKS];
	creel_submit_options o = {.arg_free = note_cancelled};
	for (unsigned i = ct_scaled(300); i > 0; i--) {
		atomic_store(&cancelling, false);
		atomic_store(&started, 0);
		atomic_store(&late, 0);
		ex = pool_of(1);
		for (int k = 0; k < TASKS; k++) {
			ran[k] = false;
			ct_int(creel_spawn(ex, count_late, &ran[k], CREEL_BY_REF, &o), 0);
		}
		for (int64_t start = ct_now(); atomic_load(&started) < i % 64 + 1;)
			ct_assert(!ct_guard_over(start));
		creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
		close_now(ex);
		/* When the first is cancelled all have been taken; one may be on its way into the
		 * function. */
		ct_assert(atomic_load(&late) <= 1);
	}
}

/* What its destructors got from waiting for the future itself, and for another one. */
static struct {
	creel_future *own, *other;
	_Atomic int own_code, other_code;
} waits;

static void arg_free_waits(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	atomic_store(&waits.own_code, creel_future_result(waits.own, CREEL_FOREVER, NULL, 0));
	atomic_store(&waits.other_code, creel_future_result(waits.other, CREEL_FOREVER, NULL, 0));
}

/* A destructor did not count as code that must not block: it waited for ever, and so did
 * everybody who waited for the task. */
CT_TEST(regress_cancel, a_destructor_that_waits_is_told_that_it_would_wait_for_ever, 0)
{
	creel_submit_options o = {.arg_free = arg_free_waits};
	waits.other = creel_promise_new();
	ex = pool_of(1);
	waits.own = creel_submit_with(ex, task_gated, &gate, CREEL_BY_REF, &o);
	ct_open(&gate.open);
	ct_int(creel_future_result(waits.own, CT_GUARD, NULL, 0), 0);
	ct_int(atomic_load(&waits.own_code), -EDEADLK);
	ct_int(atomic_load(&waits.other_code), -EDEADLK);
	creel_future_unref(waits.own);
	/* And on a canceller. */
	gate = (struct gate){{0}, {0}};
	creel_future *busy = hold(ex, &gate);
	waits.own = creel_submit_with(ex, task_nothing, NULL, 0, &o);
	atomic_store(&waits.own_code, 0);
	ct_int(creel_future_cancel(waits.own), CREEL_CANCEL_NOW);
	ct_int(atomic_load(&waits.own_code), -EDEADLK);
	ct_open(&gate.open);
	ends_with(waits.own, -ECANCELED);
	ends_with(busy, 0);
	close_now(ex);
	creel_future_unref(waits.other);
}
