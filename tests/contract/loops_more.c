/* SPDX-License-Identifier: MIT */
/* Promises 44 and 45: loops within loops hear of the end of the outer one; loops of nothing; how
 * many tasks a loop submits; those that would wait for their caller. And what jobs have to do with
 * the bound of a pool. */
#include "contract.h"

#include <errno.h>

struct nest {
	creel_executor *ex;
	struct ct_count *outer, *inner;
	bool fails; /* the first index of the outer loop */
	_Atomic int code, codes;
};

/* Ends only when it is asked to. */
static int until_asked(creel_task *task, size_t begin, size_t end, void *context)
{
	struct nest *n = context;
	(void)begin;
	(void)end;
	ct_count_add(n->inner, 1);
	ct_until(creel_task_cancelled(task));
	return 0;
}

/* Two of these run at once, so one of them on a helper. */
static int nested(creel_task *task, size_t begin, size_t end, void *context)
{
	struct nest *n = context;
	(void)task;
	(void)end;
	ct_count_add(n->outer, 1);
	ct_count_await(n->outer, 2);
	if (n->fails && begin == 0) {
		ct_count_await(n->inner, 1);
		return -EDOM;
	}
	int rc = creel_parallel_for(n->ex, 0, 1000, until_asked, n,
				    &(creel_loop_options){.grain = 1});
	n->code = rc;
	n->codes++;
	return rc;
}

static int task_nest(creel_task *task, const void *arg, size_t size)
{
	struct nest *n = *(struct nest *const *)arg;
	(void)task;
	(void)size;
	return creel_parallel_for(n->ex, 0, 2, nested, n, &(creel_loop_options){.grain = 1});
}

CASE(c44_a_cancel_reaches_loops_within_bodies_of_helpers, CT_POOL | CT_PARALLEL)
{
	struct nest n = {ct_executor(), ct_count_new(), ct_count_new(), false, 1, 0}, *pn = &n;
	creel_future *f = creel_submit(n.ex, task_nest, &pn, sizeof pn);
	ct_count_await(n.inner, 2);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(ct_outcome(f), -ECANCELED);
	ct_int(n.codes, 2);
	ct_int(n.code, -ECANCELED);
	creel_future_unref(f);
	ct_close(n.ex);
}

CASE(c44_the_end_of_a_loop_ends_the_loops_within, CT_POOL | CT_PARALLEL)
{
	struct nest n = {ct_executor(), ct_count_new(), ct_count_new(), true, 1, 0}, *pn = &n;
	creel_future *f = creel_submit(n.ex, task_nest, &pn, sizeof pn);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EDOM);
	ct_int(n.codes, 1);
	ct_int(n.code, -ECANCELED);
	creel_future_unref(f);
	ct_close(n.ex);
}

/* The loop around has nothing to do with what a task that is run meanwhile does. */
static int waits(creel_task *task, size_t begin, size_t end, void *context)
{
	struct nest *n = context;
	(void)task;
	(void)begin;
	(void)end;
	creel_future *f = creel_submit(n->ex, task_nothing, NULL, 0);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_unref(f);
	return rc;
}

CASE(c44_bodies_may_wait_for_tasks, CT_INPROC)
{
	struct nest n = {.ex = ct_executor()};
	if (ct_is(CT_POOL) || ct_is(CT_SYNC))
		ct_int(creel_parallel_for(n.ex, 0, 50, waits, &n, NULL), 0);
	ct_close(n.ex);
}

static int never(creel_task *task, size_t begin, size_t end, void *context)
{
	(void)task;
	(void)begin;
	(void)end;
	(void)context;
	abort();
}

CASE(c44_a_loop_of_nothing_is_0_even_after_a_shutdown, CT_REFS)
{
	creel_executor *ex = ct_executor();
	ct_int(creel_parallel_for(ex, 5, 5, never, NULL, NULL), 0);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_parallel_for(ex, 5, 5, never, NULL, NULL), 0);
	ct_int(creel_parallel_for(ex, 5, 6, never, NULL, NULL), -ESHUTDOWN);
	ct_close(ex);
}

/* An executor of ours, whose tasks run on the workers of a pool, or so it says. */
struct counting {
	creel_executor *pool;
	int submitted;
};

static int run_at_once(void *self, creel_task *task)
{
	struct counting *c = self;
	c->submitted++;
	creel_task_run(task);
	return 0;
}

static creel_executor *beneath(void *self)
{
	return ((struct counting *)self)->pool;
}

static int nothing(creel_task *task, size_t begin, size_t end, void *context)
{
	(void)task;
	(void)begin;
	(void)end;
	(void)context;
	return 0;
}

CORE_CASE(c44_a_loop_submits_no_more_tasks_than_can_run_at_once)
{
	static const creel_executor_ops ops = {
		.size = sizeof ops, .submit = run_at_once, .beneath = beneath};
	struct counting c = {creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 3}),
			     0};
	creel_executor *ex = creel_executor_new(&ops, &c);
	ct_assert(creel_executor_slots(ex) > 3);
	ct_int(creel_parallel_for(ex, 0, 10000, nothing, NULL, &(creel_loop_options){.grain = 1}),
	       0);
	ct_int(c.submitted, 3);
	ct_close(ex);
	ct_close(c.pool);
}

struct posted {
	creel_job job; /* first */
	struct ct_count *ran;
};

static void count_job(creel_job *job, creel_task *task)
{
	(void)task;
	ct_count_add(((struct posted *)(void *)job)->ran, 1);
}

CASE(c21_a_job_takes_no_place_of_a_bounded_pool, CT_POOL)
{
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 1, .capacity = 1});
	struct posted p[3];
	struct ct_count *ran = ct_count_new();
	struct ct_hold hold;
	ct_hold_n(&hold, ex, 1);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0), *none = NULL;
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, &none), CREEL_BUSY);
	for (int i = 0; i < 3; i++) {
		p[i] = (struct posted){CREEL_JOB_INIT, ran};
		ct_int(creel_job_post(ex, &p[i].job, count_job), 0);
	}
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, &none), CREEL_BUSY);
	ct_release(&hold);
	ct_count_await(ran, 3);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
}

/* A task whose loops would start only when it has ended. */
struct too_late {
	creel_executor *adaptor;
	int loop, loops, sum;
	_Atomic int bodies;
};

static int body_too_late(creel_task *task, size_t begin, size_t end, void *context)
{
	struct too_late *late = context;
	(void)task;
	(void)begin;
	(void)end;
	late->bodies++;
	return 0;
}

static int sum_too_late(creel_task *task, size_t begin, size_t end, void *into, void *context)
{
	(void)into;
	return body_too_late(task, begin, end, context);
}

static void combine_nothing(void *into, const void *from, void *context)
{
	(void)into;
	(void)from;
	(void)context;
}

static int task_too_late(creel_task *task, const void *arg, size_t size)
{
	struct too_late *late = *(struct too_late *const *)arg;
	long none = 0, ret;
	(void)task;
	(void)size;
	late->loop = creel_parallel_for(late->adaptor, 0, 8, body_too_late, late,
					&(creel_loop_options){.grain = 8});
	late->loops = creel_parallel_for(late->adaptor, 0, 8, body_too_late, late,
					 &(creel_loop_options){.grain = 1});
	late->sum = creel_reduce(late->adaptor, 0, 8, &none, sizeof none, sum_too_late,
				 combine_nothing, late, &ret, NULL);
	return 0;
}

static void is_told(creel_executor *ex, creel_executor *adaptor)
{
	struct too_late late = {.adaptor = adaptor}, *p = &late;
	creel_future *f = creel_submit(ex, task_too_late, &p, sizeof p);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_int(late.loop, -EDEADLK);
	ct_int(late.loops, -EDEADLK);
	ct_int(late.sum, -EDEADLK);
	ct_int(creel_executor_drain(adaptor, CT_GUARD), 0);
	ct_int(late.bodies, 0);
	ct_close(adaptor);
}

CASE(c44_a_loop_that_would_wait_for_its_caller_is_refused, CT_INPROC)
{
	creel_executor *ex = ct_executor(), *serial = creel_serial_new(ex);
	creel_executor *scope = creel_scope_new(serial, 0);
	is_told(serial, creel_semaphore_new(serial, 1));
	is_told(serial, creel_semaphore_new(serial, 4));
	is_told(scope, creel_semaphore_new(serial, 4));
	ct_close(scope);
	ct_close(serial);
	ct_close(ex);
}
