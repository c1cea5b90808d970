/* SPDX-License-Identifier: MIT */
/*
 * Ending thread pools and process pools while their threads run thread-specific destructors: who
 * waits for them (close), and who never does (unref).
 */
#include "regress.h"

static struct gate gate, other_gate, finalizing;
static struct ct_count gone, returned;
static pthread_key_t key;
static creel_executor *used_by_destructor;

/* What the destructor of a worker does, once its thread has run its last task. */
static void (*at_end)(void *value);

static void run_at_end(void *value)
{
	at_end(value);
	ct_count_add(&gone, 1);
}

static void wait_at_gate(void *value)
{
	task_gated(NULL, value, 0);
}

static int task_leaves_value(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return -pthread_setspecific(key, arg);
}

static void call_leaves_value(creel_future *f, void *arg)
{
	(void)f;
	(void)pthread_setspecific(key, arg);
}

/* A pool all of whose work is done and whose one worker does at_end(value) when it goes. */
static creel_executor *pool_with_end(void (*fn)(void *), void *value)
{
	if (!at_end)
		ct_int(pthread_key_create(&key, run_at_end), 0);
	at_end = fn;
	creel_executor *ex = pool_of(1);
	ends_with(submit_to(ex, task_leaves_value, value), 0);
	return ex;
}

static void *unref_on_thread(void *ex)
{
	creel_executor_unref(ex);
	ct_count_add(&returned, 1);
	return NULL;
}

static void *close_on_thread(void *ex)
{
	int rc = creel_executor_close(ex);
	ct_count_add(&returned, 1);
	return (void *)(intptr_t)rc;
}

/* The last reference goes while the worker waits in a destructor. */
static void unref_beside(creel_executor *ex)
{
	pthread_t thread;
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_count_await(&gate.started, 1);
	on_thread(&thread, unref_on_thread, ex);
	ct_count_await(&returned, 1);
	ct_open(&gate.open);
	pthread_join(thread, NULL);
	ct_count_await(&gone, 1);
}

CT_TEST(ending, c08_unref_does_not_wait_for_the_destructors_of_a_worker, 0)
{
	unref_beside(pool_with_end(wait_at_gate, &gate));
}

static void all_closers_wait(creel_executor *ex)
{
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		on_thread(&threads[i], close_on_thread, creel_executor_ref(ex));
	ct_count_await(&gate.started, 1);
	/* They have nothing to wait for but the destructor: who comes back is wrong. */
	for (int i = 0; i < 50; i++)
		ct_breathe();
	ct_int(ct_count_get(&returned), 0);
	ct_open(&gate.open);
	for (int i = 0; i < 3; i++) {
		void *rc;
		pthread_join(threads[i], &rc);
		ct_int((intptr_t)rc, 0);
		ct_int(ct_count_get(&gone), 1);
	}
	creel_executor_unref(ex);
}

CT_TEST(ending, c17_all_closers_wait_until_the_workers_are_gone, 0)
{
	all_closers_wait(pool_with_end(wait_at_gate, &gate));
}

static struct ct_count said;

static void close_own(void *value)
{
	ct_int(creel_executor_drain(value, CREEL_FOREVER), -EDEADLK);
	ct_int(creel_executor_shutdown(value, 0, CREEL_FOREVER, NULL), 0);
	ct_count_add(&said, (uint32_t)-creel_executor_close(value));
}

/* It took itself out of the pool and joined itself: as success, and never joined. */
CT_TEST(ending, c17_close_in_a_destructor_of_its_own_worker_does_not_wait, 0)
{
	at_end = NULL;
	ct_int(pthread_key_create(&key, run_at_end), 0);
	at_end = close_own;
	creel_executor *ex = pool_of(1);
	ends_with(submit_to(ex, task_leaves_value, creel_executor_ref(ex)), 0);
	close_now(ex);
	ct_int(ct_count_get(&gone), 1);
	ct_int(ct_count_get(&said), EDEADLK);
}

static void unref_own(void *value)
{
	creel_executor_unref(value);
}

CT_TEST(ending, c08_the_last_reference_may_go_in_a_destructor_of_its_own_worker, 0)
{
	creel_executor *ex = pool_with_end(unref_own, NULL);
	ends_with(submit_to(ex, task_leaves_value, creel_executor_ref(ex)), 0);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	creel_executor_unref(ex);
	ct_count_await(&gone, 1);
}

/* Each worker, in its destructor, lets go of the other one's pool. */
static void unref_other(void *value)
{
	task_gated(NULL, &gate, 0);
	creel_executor_unref(value);
}

CT_TEST(ending, c08_two_pools_may_hold_each_others_last_reference, 0)
{
	creel_executor *a = pool_with_end(unref_other, NULL), *b = pool_of(1);
	ends_with(submit_to(a, task_leaves_value, creel_executor_ref(b)), 0);
	ends_with(submit_to(b, task_leaves_value, creel_executor_ref(a)), 0);
	ct_int(creel_executor_shutdown(a, 0, CT_GUARD, NULL), 0);
	ct_int(creel_executor_shutdown(b, 0, CT_GUARD, NULL), 0);
	creel_executor_unref(a);
	creel_executor_unref(b);
	ct_count_await(&gate.started, 2);
	ct_open(&gate.open);
	ct_count_await(&gone, 2);
}

static int task_unrefs_other(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	task_gated(task, &gate, size);
	creel_executor_unref(used_by_destructor);
	return 0;
}

static void callback_unrefs_other(creel_future *f, void *arg)
{
	(void)f;
	task_gated(NULL, &other_gate, 0);
	creel_executor_unref(arg);
}

/* The same between a task of one and a callback of the other. */
CT_TEST(ending, c08_a_task_and_a_callback_may_hold_each_others_last_reference, 0)
{
	creel_executor *a = pool_of(1), *b = pool_of(1);
	used_by_destructor = creel_executor_ref(b);
	creel_future *f = submit_to(a, task_unrefs_other, NULL);
	creel_future *g = creel_submit(b, task_gated, &gate, CREEL_BY_REF);
	ct_int(creel_future_on_done(g, NULL, callback_unrefs_other, creel_executor_ref(a), NULL,
				    NULL),
	       0);
	creel_executor_unref(a);
	creel_executor_unref(b);
	ct_count_await(&gate.started, 2);
	ct_open(&gate.open);
	ct_open(&other_gate.open);
	ends_with(f, 0);
	ends_with(g, 0);
}

static void finalize_at_gate(void *ctx, void *local)
{
	(void)ctx;
	(void)local;
	task_gated(NULL, &finalizing, 0);
}

static creel_executor *pool_with_finalizer(int workers)
{
	return creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = workers,
								  .finalizer = finalize_at_gate});
}

static void *drain_on_thread(void *ex)
{
	int rc = creel_executor_drain(ex, CREEL_FOREVER);
	ct_count_add(&returned, 1);
	return (void *)(intptr_t)rc;
}

/* Drains while the task waits, and comes back before the finalizer has. */
static void drained_before_the_finalizer(creel_executor *ex, creel_fn fn, int outcome)
{
	pthread_t thread;
	void *rc;
	creel_future *f = submit_to(ex, fn, &gate);
	ct_count_await(&gate.started, 1);
	if (outcome == 0)
		ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	on_thread(&thread, drain_on_thread, ex);
	ct_until(ct_threads() >= 3);
	for (int i = 0; i < 20; i++)
		ct_breathe();
	ct_open(&gate.open);
	ct_count_await(&finalizing.started, 1);
	ct_count_await(&returned, 1);
	creel_stats stats = stats_of(ex);
	ct_int(stats.pending + stats.running, 0);
	pthread_join(thread, &rc);
	ct_int((intptr_t)rc, 0);
	ct_open(&finalizing.open);
	ends_with(f, outcome);
	close_now(ex);
}

CT_TEST(ending, c17_drain_hears_of_a_task_that_ended_its_thread_before_the_finalizer, 0)
{
	creel_executor *ex = pool_with_finalizer(2);
	creel_future *a = hold(ex, &other_gate), *b = hold(ex, &other_gate);
	ct_open(&other_gate.open);
	ends_with(a, 0);
	ends_with(b, 0);
	/* A second worker idles, so that nobody is started for the one that ends. */
	ct_until(stats_of(ex).idle == 2);
	drained_before_the_finalizer(ex, task_exits, CREEL_EFAILED);
}

CT_TEST(ending, c17_drain_of_a_closed_pool_does_not_wait_for_a_finalizer, 0)
{
	drained_before_the_finalizer(pool_with_finalizer(1), task_gated, 0);
}

/* How many threads of the pool were made and not joined, and whether a join waited. */
static _Atomic int unjoined, waited_for;

int __real_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_join(pthread_t thread, void **ret);

int __wrap_pthread_join(pthread_t thread, void **ret)
{
	int rc = __real_pthread_join(thread, ret);
	atomic_fetch_sub(&unjoined, rc == 0);
	atomic_fetch_add(&waited_for, 1);
	return rc;
}

int __real_pthread_tryjoin_np(pthread_t thread, void **ret);
int __wrap_pthread_tryjoin_np(pthread_t thread, void **ret);

int __wrap_pthread_tryjoin_np(pthread_t thread, void **ret)
{
	int rc = __real_pthread_tryjoin_np(thread, ret);
	atomic_fetch_sub(&unjoined, rc == 0);
	return rc;
}

static int task_exits_at_once(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	atomic_fetch_add(&unjoined, 1);
	pthread_exit(NULL);
}

CT_TEST(ending, dead_workers_are_joined_by_those_that_follow_without_waiting, 0)
{
	creel_executor *ex = pool_of(1);
	for (int i = 0; i < 50; i++)
		ends_with(creel_submit(ex, task_exits_at_once, NULL, 0), CREEL_EFAILED);
	/* One that had not quite ended is the next one's. */
	ct_until((ends_with(creel_submit(ex, task_exits_at_once, NULL, 0), CREEL_EFAILED),
		  atomic_load(&unjoined) <= 2));
	ct_int(atomic_load(&waited_for), 0);
	close_now(ex);
	ct_assert(atomic_load(&unjoined) <= 0);
}

#ifdef __linux__
static int task_passes(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	ct_pass(*(struct ct_count *const *)arg);
	return 0;
}

/* The manager of a process pool runs callbacks, and so the destructors of what they leave. */
static creel_executor *procs_with_end(void)
{
	ct_shared_init();
	ct_int(pthread_key_create(&key, run_at_end), 0);
	at_end = wait_at_gate;
	struct ct_count *pass = ct_count_new();
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	creel_future *f = creel_submit(ex, task_passes, &pass, sizeof pass);
	ct_int(creel_future_on_done(f, NULL, call_leaves_value, &gate, NULL, NULL), 0);
	ct_open(pass);
	ends_with(f, 0);
	return ex;
}

CT_TEST(ending, c08_unref_does_not_wait_for_the_destructors_of_a_manager, 0)
{
	unref_beside(procs_with_end());
}

CT_TEST(ending, c17_all_closers_wait_until_the_manager_is_gone, 0)
{
	all_closers_wait(procs_with_end());
}
#endif
