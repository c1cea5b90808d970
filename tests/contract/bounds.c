/* SPDX-License-Identifier: MIT */
/* Promise 21: a pool with a capacity has at most max_workers + capacity tasks that have not ended.
 * Submissions that find no place wait, fail, or run the task themselves. */
#include "contract.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A pool of the kind under test, with one worker. */
static creel_executor *bounded_with(int capacity, unsigned flags, int overflow)
{
	if (ct_is(CT_POOL))
		return ct_pool((creel_thread_pool_options){.max_workers = 1,
							   .capacity = capacity,
							   .flags = flags,
							   .overflow = overflow});
	return creel_process_pool_new(&(creel_process_pool_options){
		.max_workers = 1, .capacity = capacity, .flags = flags, .overflow = overflow});
}

static creel_executor *bounded(int capacity)
{
	creel_executor *ex = bounded_with(capacity, capacity ? 0 : CREEL_RENDEZVOUS, 0);
	ct_assert(!creel_executor_error(ex));
	return ex;
}

static creel_stats stats_of(creel_executor *ex)
{
	creel_stats s;
	ct_int(creel_executor_stats(ex, &s, sizeof s), 0);
	return s;
}

static int try_count(creel_executor *ex, struct ct_count *ran, creel_future **ret_future)
{
	return creel_try_submit(ex, task_count, &ran, sizeof ran, NULL, ret_future);
}

static creel_future *submit_count(creel_executor *ex, struct ct_count *ran, int overflow,
				  creel_deadline by)
{
	return creel_submit_with(ex, task_count, &ran, sizeof ran,
				 &(creel_submit_options){.overflow = overflow, .submit_by = by});
}

static void is_busy(creel_future *f)
{
	const creel_error *e = creel_future_error(f);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(e->kind, CREEL_KIND_REJECTED);
	ct_int(e->code, CREEL_BUSY);
	ct_has(e->message, "full");
	creel_future_unref(f);
}

/* A pool with one worker that is busy, and that many tasks pending: it is full. */
struct full {
	creel_executor *ex;
	struct ct_hold hold;
	struct ct_count *ran;
	creel_future *pending[8];
	int capacity;
};

static struct full full_pool(int capacity)
{
	struct full p = {.ex = bounded(capacity), .ran = ct_count_new(), .capacity = capacity};
	ct_hold_n(&p.hold, p.ex, 1);
	for (int i = 0; i < capacity; i++)
		ct_int(try_count(p.ex, p.ran, &p.pending[i]), 0);
	return p;
}

static void let_run(struct full *p)
{
	ct_release(&p->hold);
	for (int i = 0; i < p->capacity; i++)
		if (p->pending[i])
			ct_assert(ct_long_drop(p->pending[i]) > 0);
}

CASE(c21_a_full_pool_refuses_whoever_does_not_wait, CT_COUNTS)
{
	struct full p = full_pool(3);
	creel_future *none = NULL;
	ct_int(try_count(p.ex, p.ran, &none), CREEL_BUSY);
	ct_assert(!none);
	is_busy(submit_count(p.ex, p.ran, CREEL_OVERFLOW_FAIL, (creel_deadline){0}));
	is_busy(submit_count(p.ex, p.ran, CREEL_OVERFLOW_BLOCK, CREEL_NOW));
	is_busy(submit_count(p.ex, p.ran, 0, creel_in_ms(1)));
	creel_submit_options o = {.overflow = CREEL_OVERFLOW_FAIL};
	ct_int(creel_spawn(p.ex, task_count, &p.ran, sizeof p.ran, &o), CREEL_BUSY);
	ct_int(stats_of(p.ex).pending, 3);
	ct_int(stats_of(p.ex).waiting, 0);
	let_run(&p);
	ct_int(ct_count_get(p.ran), 3);
	ct_close(p.ex);
}

CASE(c21_the_policy_of_the_pool_holds_unless_a_call_has_its_own, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	struct ct_hold hold;
	creel_executor *ex = bounded_with(0, CREEL_RENDEZVOUS, CREEL_OVERFLOW_FAIL);
	ct_hold_n(&hold, ex, 1);
	is_busy(ct_submit_count(ex, ran));
	is_busy(submit_count(ex, ran, CREEL_OVERFLOW_BLOCK, creel_in_ms(1)));
	ct_release(&hold);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	ct_close(ex);
}

CASE(c21_who_has_seen_a_task_end_finds_its_place, CT_COUNTS)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = bounded(0);
	for (int i = 0; i < 50; i++) {
		creel_future *f = NULL;
		ct_int(try_count(ex, ran, &f), 0);
		ct_int(ct_long_drop(f), i + 1);
	}
	ct_close(ex);
}

CASE(c21_a_cancelled_task_gives_its_place_back_at_once, CT_COUNTS)
{
	struct full p = full_pool(2);
	for (int i = 0; i < 100; i++) {
		creel_future *f = p.pending[i % 2];
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		creel_future_unref(f);
		ct_int(try_count(p.ex, p.ran, &p.pending[i % 2]), 0);
		creel_future *none;
		ct_int(try_count(p.ex, p.ran, &none), CREEL_BUSY);
	}
	let_run(&p);
	ct_int(ct_count_get(p.ran), 2);
	ct_close(p.ex);
}

/* Threads that submit to a full pool, and say when they are through, and in which order. */
struct submitter {
	creel_executor *ex;
	struct ct_count *ran, *through;
	unsigned place;
	creel_deadline by;
	creel_future *future;
	struct ct_thread *thread;
};

static void *submits(void *arg)
{
	struct submitter *s = arg;
	s->future = submit_count(s->ex, s->ran, 0, s->by);
	s->place = ct_count_add(s->through, 1);
	return NULL;
}

/* They wait in this order. */
static void start_submitters(struct submitter *s, unsigned n, struct full *p, creel_deadline by)
{
	struct ct_count *through = ct_count_new();
	unsigned before = (unsigned)stats_of(p->ex).waiting;
	for (unsigned i = 0; i < n; i++) {
		s[i] = (struct submitter){.ex = p->ex, .ran = p->ran, .through = through, .by = by};
		s[i].thread = ct_thread_start(submits, &s[i]);
		ct_until(stats_of(p->ex).waiting == before + i + 1);
	}
}

CASE(c21_whoever_waits_gets_in_when_a_task_ends, CT_COUNTS)
{
	struct full p = full_pool(1);
	struct submitter s[3];
	start_submitters(s, 3, &p, (creel_deadline){0});
	let_run(&p);
	for (int i = 0; i < 3; i++) {
		ct_thread_join(s[i].thread);
		ct_assert(ct_long_drop(s[i].future) > 0);
	}
	ct_int(ct_count_get(p.ran), 4);
	ct_close(p.ex);
}

CASE(c21_each_cancel_lets_in_the_one_who_has_waited_longest, CT_COUNTS)
{
	struct full p = full_pool(3);
	struct submitter s[3];
	start_submitters(s, 3, &p, (creel_deadline){0});
	for (unsigned i = 0; i < 3; i++) {
		ct_int(creel_future_cancel(p.pending[i]), CREEL_CANCEL_NOW);
		creel_future_unref(p.pending[i]);
		ct_count_await(s[0].through, i + 1);
		ct_thread_join(s[i].thread);
		ct_int(s[i].place, i + 1);
		ct_int(stats_of(p.ex).waiting, 2 - i);
		p.pending[i] = s[i].future;
	}
	let_run(&p);
	ct_close(p.ex);
}

CASE(c21_a_larger_maximum_lets_in_whoever_waits, CT_COUNTS)
{
	struct full p = full_pool(1);
	struct submitter s[2];
	creel_future *none;
	start_submitters(s, 2, &p, (creel_deadline){0});
	ct_int(creel_executor_resize(p.ex, 3), 0);
	for (int i = 0; i < 2; i++) {
		ct_thread_join(s[i].thread);
		ct_assert(ct_long_drop(s[i].future) > 0);
	}
	ct_assert(ct_long_drop(p.pending[0]) > 0);
	p.pending[0] = NULL;
	/* A smaller one lets nobody in before fewer have not ended. */
	ct_int(creel_executor_resize(p.ex, 1), 0);
	ct_int(try_count(p.ex, p.ran, &p.pending[0]), 0);
	ct_int(try_count(p.ex, p.ran, &none), CREEL_BUSY);
	let_run(&p);
	ct_close(p.ex);
}

CASE(c21_a_shutdown_lets_all_who_wait_go, CT_COUNTS)
{
	struct full p = full_pool(1);
	struct submitter s[3];
	start_submitters(s, 3, &p, (creel_deadline){0});
	ct_int(creel_executor_shutdown(p.ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	for (int i = 0; i < 3; i++) {
		ct_thread_join(s[i].thread);
		ct_int(creel_future_error(s[i].future)->code, -ESHUTDOWN);
		creel_future_unref(s[i].future);
	}
	let_run(&p);
	ct_int(ct_count_get(p.ran), 1);
	ct_close(p.ex);
}

static int fails_when_told(void *ctx, unsigned worker, void **ret_local)
{
	(void)worker;
	(void)ret_local;
	ct_pass(ctx);
	return -5;
}

CASE(c21_a_pool_that_breaks_lets_all_who_wait_go, CT_COUNTS)
{
	struct ct_count *gate = ct_count_new();
	struct full p = {.ran = ct_count_new()};
	struct submitter s[2];
	if (ct_is(CT_POOL))
		p.ex = ct_pool((creel_thread_pool_options){.max_workers = 1,
							   .flags = CREEL_RENDEZVOUS,
							   .initializer = fails_when_told,
							   .ctx = gate});
	else
		p.ex = creel_process_pool_new(
			&(creel_process_pool_options){.max_workers = 1,
						      .flags = CREEL_RENDEZVOUS,
						      .initializer = fails_when_told,
						      .ctx = gate});
	creel_future *f = ct_submit_count(p.ex, p.ran);
	start_submitters(s, 2, &p, (creel_deadline){0});
	ct_open(gate);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	creel_future_unref(f);
	for (int i = 0; i < 2; i++) {
		ct_thread_join(s[i].thread);
		ct_int(ct_outcome(s[i].future), CREEL_EFAILED);
		ct_int(creel_future_error(s[i].future)->kind, CREEL_KIND_BROKEN);
		creel_future_unref(s[i].future);
	}
	ct_close(p.ex);
}

CASE(c21_one_whose_time_is_over_takes_nobodys_turn, CT_COUNTS)
{
	struct full p = full_pool(1);
	struct submitter early, late;
	start_submitters(&late, 1, &p, (creel_deadline){0});
	early = late;
	early.by = creel_in_ms(1);
	submits(&early);
	is_busy(early.future);
	ct_int(stats_of(p.ex).waiting, 1);
	ct_int(creel_future_cancel(p.pending[0]), CREEL_CANCEL_NOW);
	creel_future_unref(p.pending[0]);
	ct_thread_join(late.thread);
	p.pending[0] = late.future;
	let_run(&p);
	ct_close(p.ex);
}

/* Who exceeds. */

static void done_submits(creel_future *f, void *arg)
{
	struct full *p = arg;
	(void)f;
	p->pending[1] = submit_count(p->ex, p->ran, CREEL_OVERFLOW_FAIL, (creel_deadline){0});
}

CASE(c21_callbacks_exceed_the_bound, CT_COUNTS)
{
	struct full p = full_pool(1);
	creel_future *promise = creel_promise_new();
	ct_int(creel_future_on_done(promise, NULL, done_submits, &p, NULL, NULL), 0);
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
	creel_future_unref(promise);
	ct_int(stats_of(p.ex).pending, 2);
	p.capacity = 2;
	let_run(&p);
	ct_int(ct_count_get(p.ran), 2);
	ct_close(p.ex);
}

static void free_submits(void *arg, size_t size, void *ctx)
{
	struct full *p = ctx;
	(void)arg;
	(void)size;
	p->pending[1] = submit_count(p->ex, p->ran, CREEL_OVERFLOW_FAIL, (creel_deadline){0});
}

CASE(c21_destructors_exceed_the_bound, CT_COUNTS)
{
	struct full p = full_pool(1);
	creel_executor *here = creel_inline_new();
	creel_submit_options o = {.arg_free = free_submits, .arg_ctx = &p};
	creel_future_unref(creel_submit_with(here, task_nothing, NULL, 0, &o));
	ct_close(here);
	ct_int(stats_of(p.ex).pending, 2);
	p.capacity = 2;
	let_run(&p);
	ct_int(ct_count_get(p.ran), 2);
	ct_close(p.ex);
}

struct family {
	creel_executor *ex;
	struct ct_count *ran;
};

static int submits_children(creel_task *task, const void *arg, size_t size)
{
	const struct family *family = arg;
	(void)task;
	(void)size;
	creel_future *f[10];
	int rc = 0;
	for (int i = 0; i < 10; i++)
		if (try_count(family->ex, family->ran, &f[i]))
			return -1;
	for (int i = 0; i < 10; i++) {
		rc |= creel_future_result(f[i], CREEL_FOREVER, NULL, 0) == 0 ? 0 : -2;
		creel_future_unref(f[i]);
	}
	return rc;
}

CASE(c21_tasks_of_the_pool_exceed_the_bound, CT_POOL)
{
	struct family family = {bounded(0), ct_count_new()};
	creel_future *f = creel_submit(family.ex, submits_children, &family, sizeof family);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_int(ct_count_get(family.ran), 10);
	ct_close(family.ex);
}

static int submits_elsewhere(creel_task *task, const void *arg, size_t size)
{
	const struct family *family = arg;
	(void)task;
	(void)size;
	return creel_spawn(family->ex, task_count, &family->ran, sizeof family->ran, NULL);
}

CASE(c21_workers_of_other_pools_wait, CT_COUNTS)
{
	struct full p = full_pool(1);
	struct family family = {p.ex, p.ran};
	creel_executor *other = creel_thread_pool_new(NULL);
	creel_future *f = creel_submit(other, submits_elsewhere, &family, sizeof family);
	ct_until(stats_of(p.ex).waiting == 1);
	let_run(&p);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(other);
	ct_close(p.ex);
	ct_int(ct_count_get(p.ran), 2);
}

/* Running in the caller. */

static pthread_t ran_on;

static int says_where(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	ran_on = pthread_self();
	long worker = creel_task_worker(task) == UINT32_MAX ? -1 : (long)creel_task_worker(task);
	return creel_return(task, &worker, sizeof worker);
}

static const creel_submit_options in_caller = {.overflow = CREEL_OVERFLOW_CALLER};

CASE(c21_a_full_pool_may_have_the_caller_run_the_task, CT_POOL)
{
	struct full p = full_pool(1);
	creel_future *f = creel_submit_with(p.ex, says_where, NULL, 0, &in_caller);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(ct_long_drop(f), -1);
	ct_assert(pthread_equal(ran_on, pthread_self()));
	creel_stats s = stats_of(p.ex);
	ct_int(s.running, 1);
	ct_int(s.pending, 1);
	ct_int(s.done, 1);
	/* It never does so in creel_try_submit(), nor while the pool is paused. */
	ct_int(creel_try_submit(p.ex, says_where, NULL, 0, &in_caller, &f), CREEL_BUSY);
	ct_int(creel_executor_pause(p.ex), 0);
	is_busy(creel_submit_with(p.ex, says_where, NULL, 0, &in_caller));
	ct_int(creel_executor_resume(p.ex), 0);
	let_run(&p);
	/* There is room: the pool's. */
	ct_int(ct_long_drop(creel_submit_with(p.ex, says_where, NULL, 0, &in_caller)), 0);
	ct_close(p.ex);
}

/* What is not due exceeds the bound: running it in the caller would be the end of its series. */
CASE(c21_a_periodic_task_of_a_full_pool_is_not_run_by_its_caller, CT_POOL)
{
	struct full p = full_pool(1);
	struct ct_count *ran = ct_count_new();
	creel_submit_options o = in_caller;
	o.period_ns = 10;
	o.clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_future *f = creel_submit_with(p.ex, task_count, &ran, sizeof ran, &o);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	let_run(&p);
	for (uint32_t n = 1; n <= 3; n++) {
		ct_count_await(ran, n);
		ct_until(stats_of(p.ex).delayed == 1);
		ct_int(creel_clock_advance(o.clock, 10), 0);
	}
	(void)creel_future_cancel(f);
	creel_future_unref(f);
	ct_close(p.ex);
	creel_clock_unref(o.clock);
}

struct blocking_job {
	creel_job job;
	struct ct_count *started, *gate, *ended;
};

static void job_blocks(creel_job *job, creel_task *task)
{
	struct blocking_job *j = (struct blocking_job *)job;
	(void)task;
	(void)creel_blocking_begin();
	ct_count_add(j->started, 1);
	ct_count_await(j->gate, 1);
	(void)creel_blocking_end();
	ct_count_add(j->ended, 1);
}

/* It gives back no place that it does not have. */
CASE(c21_a_job_that_blocks_leaves_the_bound_as_it_is, CT_POOL)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = bounded(0);
	struct blocking_job j = {CREEL_JOB_INIT, ct_count_new(), ct_count_new(), ct_count_new()};
	ct_int(creel_job_post(ex, &j.job, job_blocks), 0);
	ct_count_await(j.started, 1);
	for (int i = 0; i < 3; i++) {
		creel_future *f = NULL;
		ct_int(try_count(ex, ran, &f), 0);
		ct_int(ct_long_drop(f), i + 1);
	}
	struct ct_hold hold;
	ct_hold_n(&hold, ex, 1);
	is_busy(submit_count(ex, ran, CREEL_OVERFLOW_FAIL, (creel_deadline){0}));
	ct_release(&hold);
	ct_count_add(j.gate, 1);
	ct_count_await(j.ended, 1);
	creel_future *f = NULL;
	ct_int(try_count(ex, ran, &f), 0);
	ct_int(ct_long_drop(f), 4);
	ct_close(ex);
}

static int submits_one_more(creel_task *task, const void *arg, size_t size)
{
	creel_executor *ex = creel_task_executor(task);
	struct ct_count *ran = *(struct ct_count *const *)arg;
	(void)size;
	if (creel_executor_drain(ex, CREEL_FOREVER) != -EDEADLK)
		return -1;
	creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &in_caller);
	int state = creel_future_state(f);
	creel_future_unref(f);
	return state == CREEL_FUTURE_PENDING ? 0 : -2;
}

static void *drains(void *arg)
{
	struct full *p = arg;
	return creel_executor_drain(p->ex, CREEL_NOW) == -ETIMEDOUT ? p : NULL;
}

CASE(c21_what_runs_in_the_caller_exceeds_instead_of_nesting, CT_POOL)
{
	struct full p = full_pool(0);
	creel_future *f = creel_submit_with(p.ex, submits_one_more, &p.ran, sizeof p.ran,
					    &in_caller);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_int(stats_of(p.ex).pending, 1);
	ct_assert(drains(&p));
	let_run(&p);
	ct_int(creel_executor_drain(p.ex, CT_GUARD), 0);
	ct_int(ct_count_get(p.ran), 1);
	ct_close(p.ex);
}

static int ends_its_thread(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

static void *spawns_in_caller(void *ex)
{
	creel_spawn(ex, ends_its_thread, NULL, 0, &in_caller);
	return ex;
}

CASE(c21_a_task_in_the_caller_may_end_its_thread, CT_POOL)
{
	struct full p = full_pool(0);
	pthread_t thread;
	void *ret;
	ct_int(pthread_create(&thread, NULL, spawns_in_caller, p.ex), 0);
	ct_int(pthread_join(thread, &ret), 0);
	ct_assert(ret == NULL);
	ct_int(stats_of(p.ex).done, 1);
	let_run(&p);
	ct_close(p.ex);
}

static int no_initializer(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return 0;
}

CASE(bad_running_in_the_caller_is_refused_where_tasks_need_a_worker, CT_COUNTS)
{
	creel_executor *ex;
	if (ct_is(CT_POOL))
		ex = ct_pool((creel_thread_pool_options){.capacity = 1,
							 .overflow = CREEL_OVERFLOW_CALLER,
							 .initializer = no_initializer});
	else
		ex = bounded_with(1, 0, CREEL_OVERFLOW_CALLER);
	ct_int(creel_executor_error(ex)->code, -ENOTSUP);
	ct_has(creel_executor_error(ex)->message, "CREEL_OVERFLOW_CALLER");
	ct_close(ex);
	if (ct_is(CT_POOL))
		ex = ct_pool(
			(creel_thread_pool_options){.capacity = 1, .initializer = no_initializer});
	else
		ex = bounded(1);
	creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0, &in_caller);
	ct_int(creel_future_error(f)->code, -ENOTSUP);
	ct_has(creel_future_error(f)->message, "CREEL_OVERFLOW_CALLER");
	creel_future_unref(f);
	ct_close(ex);
}

/* Maps. */

CASE(c21_a_map_goes_as_fast_as_a_full_pool_lets_it, CT_COUNTS)
{
	enum { N = 60 };
	long items[N];
	for (long i = 0; i < N; i++)
		items[i] = i;
	creel_executor *ex = bounded(1);
	creel_mapping *map = creel_map(ex, task_same, items, sizeof *items, N,
				       &(creel_map_options){.in_flight = 8});
	for (long i = 0; i < N; i++) {
		creel_future *f;
		ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
		ct_int(ct_long_drop(f), i);
	}
	creel_future *f;
	ct_int(creel_map_next(map, CT_GUARD, &f, NULL), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(ex);
}

static int pulled;

static int three_items(void *ctx, void *item, size_t *size)
{
	(void)ctx;
	if (pulled == 3)
		return 0;
	memcpy(item, &(long){++pulled}, sizeof(long));
	*size = sizeof(long);
	return 1;
}

CASE(c21_a_map_keeps_the_item_that_a_full_pool_does_not_take, CT_COUNTS)
{
	struct full p = full_pool(1);
	creel_future *f;
	pulled = 0;
	creel_mapping *map = creel_map_from(p.ex, task_same, three_items, NULL, NULL);
	ct_int(creel_map_next(map, CREEL_NOW, &f, NULL), -ETIMEDOUT);
	ct_int(creel_map_next(map, creel_in_ms(1), &f, NULL), -ETIMEDOUT);
	ct_int(pulled, 1);
	let_run(&p);
	for (long i = 1; i <= 3; i++) {
		size_t index;
		ct_int(creel_map_next(map, CT_GUARD, &f, &index), 0);
		ct_int(index, i - 1);
		ct_int(ct_long_drop(f), i);
	}
	ct_int(creel_map_next(map, CT_GUARD, &f, NULL), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(p.ex);
}

/* Memory. */

CASE(c21_a_fast_producer_never_has_more_than_the_bound_in_the_pool, CT_COUNTS)
{
	enum { CAPACITY = 5, N = 300 };
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = bounded(CAPACITY);
	for (int i = 0; i < N; i++) {
		ct_int(creel_spawn(ex, task_count, &ran, sizeof ran, NULL), 0);
		ct_assert(i + 1 - (int)ct_count_get(ran) <= CAPACITY + 1);
	}
	ct_close(ex);
	ct_int(ct_count_get(ran), N);
}

/* What was cancelled counts as pending until the pool comes across it. */
static void submits_and_cancels(creel_executor *ex, unsigned n, unsigned most)
{
	struct ct_count *ran = ct_count_new();
	for (unsigned i = 0; i < n; i++) {
		creel_future *f = ct_submit_count(ex, ran);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
		creel_future_unref(f);
		if (i % 16 == 0)
			ct_assert(stats_of(ex).pending <= most);
	}
	ct_int(ct_count_get(ran), 0);
}

CASE(c21_memory_stays_flat_where_all_is_cancelled_and_nothing_runs, CT_COUNTS)
{
	enum { N = 2000, LIVE = 400 };
	struct ct_count *ran = ct_count_new();
	creel_future *live[LIVE];
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_pause(ex), 0);
	submits_and_cancels(ex, N, 200);
	/* With others that wait. None of them is lost, nor is their order. */
	for (int i = 0; i < LIVE; i++) {
		live[i] = ct_submit_count(ex, ran);
		if (i % 40 == 0)
			submits_and_cancels(ex, N / 10, 2 * LIVE + 200);
	}
	ct_int(creel_executor_resume(ex), 0);
	for (int i = 0; i < LIVE; i++)
		if (ct_is(CT_STRICT))
			ct_int(ct_long_drop(live[i]), i + 1);
		else
			ct_assert(ct_long_drop(live[i]) > 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(ran), LIVE);
	ct_int(stats_of(ex).pending, 0);
	ct_close(ex);
}

/* Waits for child after child: runs each itself, while its entry stays in the queue. */
static int runs_its_children(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *ran = *(struct ct_count *const *)arg;
	creel_executor *ex = creel_task_executor(task);
	(void)size;
	for (int i = 0; i < 2000; i++) {
		creel_future *f = ct_submit_count(ex, ran);
		int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
		creel_future_unref(f);
		creel_stats s = {0};
		creel_executor_stats(ex, &s, sizeof s);
		if (rc || s.live_futures > 300)
			return -1;
	}
	return 0;
}

CASE(c21_memory_stays_flat_where_a_task_runs_its_children_itself, CT_POOL)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = bounded(0);
	creel_future *f = creel_submit(ex, runs_its_children, &ran, sizeof ran);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_int(ct_count_get(ran), 2000);
	ct_close(ex);
}

/* Bad input. */

static void is_broken(creel_executor *ex, const char *says)
{
	ct_int(creel_executor_error(ex)->code, -EINVAL);
	ct_has(creel_executor_error(ex)->message, says);
	ct_close(ex);
}

CASE(bad_bounds_are_refused, CT_COUNTS)
{
	is_broken(bounded_with(-1, 0, 0), "capacity is -1");
	is_broken(bounded_with(5, CREEL_RENDEZVOUS, 0), "capacity is 5 beside CREEL_RENDEZVOUS");
	is_broken(bounded_with(5, 0, 4), "overflow is 4");
	is_broken(bounded_with(5, 0, -1), "overflow is -1");
}

/* An overflow means nothing where nothing is ever full. */
CASE(c21_executors_without_a_bound_are_never_full, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	for (int overflow = 1; overflow <= 3; overflow++)
		ct_int(ct_long_drop(submit_count(ex, ran, overflow, CREEL_NOW)), overflow);
	ct_int(stats_of(ex).waiting, 0);
	ct_close(ex);
}
