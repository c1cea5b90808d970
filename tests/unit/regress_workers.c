/* SPDX-License-Identifier: MIT */
/*
 * Regressions: workers that come and go. Accepted tasks were left without a worker, or a worker
 * stayed that should have gone. Two calls of libc's are wrapped, so that a test can stop the
 * library there: pthread_attr_init() begins the creation of a thread, pthread_setcancelstate()
 * the end of a worker.
 */
#include "faults.h"
#include "regress.h"

static struct gate gate, finalizing, creation;
static _Atomic bool stop_creation;
static _Atomic int creation_code;

int __real_pthread_attr_init(pthread_attr_t *attributes);
int __wrap_pthread_attr_init(pthread_attr_t *attributes);

int __wrap_pthread_attr_init(pthread_attr_t *attributes)
{
	if (!atomic_load(&stop_creation) || !atomic_exchange(&stop_creation, false))
		return __real_pthread_attr_init(attributes);
	task_gated(NULL, &creation, 0);
	int code = atomic_load(&creation_code);
	return code ? code : __real_pthread_attr_init(attributes);
}

static struct ct_count met;
static _Atomic int to_meet;
static _Thread_local bool ending;

int __real_pthread_setcancelstate(int state, int *ret_old);
int __wrap_pthread_setcancelstate(int state, int *ret_old);

/* The first to_meet workers that leave wait here for each other. */
int __wrap_pthread_setcancelstate(int state, int *ret_old)
{
	if (ending && atomic_load(&to_meet) > 0 && atomic_fetch_sub(&to_meet, 1) > 0) {
		ct_count_add(&met, 1);
		ct_count_await(&met, 2);
	}
	return __real_pthread_setcancelstate(state, ret_old);
}

static int task_ends_here(creel_task *task, const void *arg, size_t size)
{
	ending = true;
	return task_exits(task, arg, size);
}

static void finalize_gated(void *ctx, void *local)
{
	(void)local;
	task_gated(NULL, ctx, 0);
}

static creel_executor *two_with_slow_finalizers(void)
{
	return creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 2, .finalizer = finalize_gated, .ctx = &finalizing});
}

/* Each of the two saw the other one still there, and none was replaced. */
CT_TEST(regress_workers, two_that_end_at_once_leave_one_for_what_is_queued, 0)
{
	creel_executor *ex = two_with_slow_finalizers();
	creel_future *a = submit_to(ex, task_exits, &gate), *b = submit_to(ex, task_exits, &gate);
	ct_count_await(&gate.started, 2);
	creel_future *queued = creel_submit(ex, task_nothing, NULL, 0);
	ct_open(&gate.open);
	ends_with(queued, 0);
	ends_with(a, CREEL_EFAILED);
	ends_with(b, CREEL_EFAILED);
	ct_open(&finalizing.open);
	close_now(ex);
	ct_assert(ct_count_get(&finalizing.started) >= 3);
}

/* The same when no thread can be had, so that one of the two has to stay: it comes down to the
 * step in which they decide, behind which both stop here. */
CT_TEST(regress_workers, of_two_that_end_at_once_one_stays_if_no_thread_can_be_had, 0)
{
	creel_executor *ex = pool_of(2);
	creel_future *a = submit_to(ex, task_ends_here, &gate),
		     *b = submit_to(ex, task_ends_here, &gate);
	ct_count_await(&gate.started, 2);
	creel_future *queued = creel_submit(ex, task_nothing, NULL, 0);
	atomic_store(&to_meet, 2);
	ct_fault_arm(CT_FAULT_THREAD, 1, true);
	ct_open(&gate.open);
	ends_with(queued, 0);
	ends_with(a, CREEL_EFAILED);
	ends_with(b, CREEL_EFAILED);
	close_now(ex);
	ct_fault_off();
	ct_int(ct_count_get(&met), 2);
}

/* Nobody was woken or started for what stood behind the one that ended. */
CT_TEST(regress_workers, one_of_two_that_ends_is_replaced_while_the_other_blocks, 0)
{
	static struct gate other;
	creel_executor *ex = pool_of(2);
	creel_future *blocked = hold(ex, &other), *ends = submit_to(ex, task_exits, &gate);
	ct_count_await(&gate.started, 1);
	creel_future *queued = submit_to(ex, task_count, &other.open);
	ct_open(&gate.open);
	ends_with(queued, 0);
	ends_with(blocked, 0);
	ends_with(ends, CREEL_EFAILED);
	close_now(ex);
}

/* Both counted the other one as staying. */
CT_TEST(regress_workers, two_that_a_smaller_maximum_finds_busy_do_not_both_leave, 0)
{
	creel_executor *ex = two_with_slow_finalizers();
	creel_future *a = hold(ex, &gate), *b = hold(ex, &gate);
	creel_future *queued = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_open(&gate.open);
	ends_with(queued, 0);
	ends_with(a, 0);
	ends_with(b, 0);
	ct_open(&finalizing.open);
	close_now(ex);
	ct_int(ct_count_get(&finalizing.started), 2);
}

static creel_future *submitted;

/* Submits; the creation of the thread that this takes stops at its gate. */
static void *submit_and_start(void *ex)
{
	atomic_store(&stop_creation, true);
	submitted = creel_submit(ex, task_nothing, NULL, 0);
	return NULL;
}

/* A task that came while the thread was being made relied on it. It was not made, and the worker
 * that slept by then was not told. */
CT_TEST(regress_workers, a_thread_that_cannot_be_had_is_no_loss_to_one_that_fell_asleep, 0)
{
	pthread_t thread;
	creel_executor *ex = pool_of(2);
	creel_future *busy = hold(ex, &gate);
	atomic_store(&creation_code, EAGAIN);
	on_thread(&thread, submit_and_start, ex);
	ct_count_await(&creation.started, 1);
	ct_open(&gate.open);
	ct_until(stats_of(ex).idle == 1);
	creel_future *late = creel_submit(ex, task_nothing, NULL, 0);
	ct_open(&creation.open);
	ends_with(late, 0);
	pthread_join(thread, NULL);
	ends_with(submitted, 0);
	ends_with(busy, 0);
	close_now(ex);
}

/* Waits until the thread has not been on a CPU for many looks. */
static void await_rest(int tid)
{
	long last = -1;
	unsigned same = 0;
	int64_t start = ct_now();
	while (same < 100) {
		ct_assert(!ct_guard_over(start));
		ct_breathe();
		long switches = ct_thread_status(tid, "voluntary_ctxt_switches") +
				ct_thread_status(tid, "nonvoluntary_ctxt_switches");
		same = switches == last ? same + 1 : 0;
		last = switches;
	}
}

/* The idle time of the last worker is up while another one is being started, with this code. */
static void put_off_until(int code)
{
	pthread_t thread;
	int tid;
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 2, .idle_ns = 100000, .name = "put-off"});
	creel_future *busy = hold(ex, &gate);
	atomic_store(&creation_code, code);
	on_thread(&thread, submit_and_start, ex);
	ct_count_await(&creation.started, 1);
	ct_int(ct_threads_named("put-off", &tid, 1), 1);
	ct_open(&gate.open);
	ends_with(busy, 0);
	await_rest(tid);
	ct_int(stats_of(ex).workers, 1);
	ct_open(&creation.open);
	pthread_join(thread, NULL);
	ends_with(submitted, 0);
	ct_until(stats_of(ex).workers == 0);
	ct_int(stats_of(ex).started, code ? 1 : 2);
	close_now(ex);
}

/* It looked at the clock again each idle time, however short that was. */
CT_TEST(regress_workers, a_last_one_that_may_not_go_yet_rests_until_the_other_one_is_there,
	!CT_LINUX)
{
	put_off_until(0);
}

CT_TEST(regress_workers, a_last_one_that_may_not_go_yet_rests_until_the_other_one_cannot_come,
	!CT_LINUX)
{
	put_off_until(EAGAIN);
}

/* It was in no count that the resize looked at, and stayed as long as there was work. */
CT_TEST(regress_workers, one_that_starts_while_the_maximum_shrinks_goes_after_one_task, 0)
{
	enum { N = 8 };
	creel_future *f[N];
	pthread_t thread;
	unsigned ran = 0;
	creel_executor *ex = pool_of(2);
	creel_future *busy = hold(ex, &gate);
	on_thread(&thread, submit_and_start, ex);
	ct_count_await(&creation.started, 1);
	for (int i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_open(&creation.open);
	pthread_join(thread, NULL);
	ct_until(stats_of(ex).started == 2 && stats_of(ex).workers == 1);
	for (int i = 0; i < N; i++)
		ran += creel_future_state(f[i]) != CREEL_FUTURE_PENDING;
	ct_assert(ran + (creel_future_state(submitted) != CREEL_FUTURE_PENDING) <= 1);
	ct_open(&gate.open);
	for (int i = 0; i < N; i++)
		ends_with(f[i], 0);
	ends_with(submitted, 0);
	ends_with(busy, 0);
	close_now(ex);
}

/* Worker 1 waits for a task that was queued after it was started. */
static int wait_for_task(void *ctx, unsigned worker, void **ret_local)
{
	(void)ret_local;
	if (worker == 1)
		task_gated(NULL, ctx, 0);
	return 0;
}

/* It counted as on its way to the queues: nobody else was woken. */
CT_TEST(regress_workers, an_initializer_may_wait_for_a_task_while_another_worker_idles, 0)
{
	static struct gate initializing;
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 2, .initializer = wait_for_task, .ctx = &initializing});
	creel_future *busy = hold(ex, &gate), *first = creel_submit(ex, task_nothing, NULL, 0);
	ct_count_await(&initializing.started, 1);
	ct_open(&gate.open);
	ends_with(first, 0);
	ct_until(stats_of(ex).idle == 1);
	ends_with(submit_to(ex, task_count, &initializing.open), 0);
	ends_with(busy, 0);
	close_now(ex);
}

static creel_executor *own_pool;

static void finalize_submits(void *ctx, void *local)
{
	static _Atomic bool done;
	(void)local;
	if (atomic_exchange(&done, true))
		return;
	submitted = creel_submit(own_pool, task_nothing, NULL, 0);
	ct_open(ctx);
}

/* It looked for ever for the worker that it was itself the last moment of. */
CT_TEST(regress_workers, the_finalizer_of_the_last_one_may_submit, 0)
{
	static struct ct_count did;
	own_pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .idle_ns = 1000000, .finalizer = finalize_submits, .ctx = &did});
	ends_with(creel_submit(own_pool, task_nothing, NULL, 0), 0);
	ct_pass(&did);
	ends_with(submitted, 0);
	close_now(own_pool);
}

/* Submitters span until the finalizer was over. */
CT_TEST(regress_workers, a_task_does_not_wait_for_the_finalizer_of_the_last_one, 0)
{
	creel_executor *ex = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1,
					     .idle_ns = 1000000,
					     .finalizer = finalize_gated,
					     .ctx = &finalizing});
	ends_with(creel_submit(ex, task_nothing, NULL, 0), 0);
	ct_count_await(&finalizing.started, 1);
	ends_with(creel_submit(ex, task_nothing, NULL, 0), 0);
	ct_open(&finalizing.open);
	close_now(ex);
}

static unsigned plain;

static int add_one(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	plain++;
	return 0;
}

/* Nothing ordered the task's writes before a drain that did not have to wait: seen by
 * ThreadSanitizer. */
CT_TEST(regress_workers, what_tasks_did_comes_before_the_return_of_drain, 0)
{
	unsigned rounds = ct_scaled(300);
	creel_executor *ex = pool_of(1);
	for (unsigned i = 0; i < rounds; i++) {
		ct_int(creel_spawn(ex, add_one, NULL, 0, NULL), 0);
		/* Without a rest in between: the worker's way to sleep would order the two. */
		int64_t start = ct_now();
		while (creel_executor_drain(ex, CREEL_NOW))
			ct_assert(!ct_guard_over(start));
		ct_int(plain, i + 1);
	}
	close_now(ex);
}
