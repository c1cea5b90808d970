/* SPDX-License-Identifier: MIT */
/*
 * Executors that forward their tasks to another one: promises 1, 2, 15, 17 and 21 across the
 * layers. That such an executor keeps every promise, the sorts "over" and "over_procs" of this
 * suite show.
 */
#include "adaptor.h"
#include "contract.h"

#include <pthread.h>
#include <string.h>

/* Over an executor of the sort under test: hands on whatever comes. */
static creel_executor *over_one(void)
{
	return ct_adaptor_new(ct_executor(), 1000000);
}

/* An adaptor that notes what it hears, and does nothing else. */
struct spy {
	creel_executor *beneath;
	struct spy *inner; /* the spy beneath, or NULL */
	int bad;           /* nonsense was not -EINVAL */
	_Atomic unsigned ended, early, destroyed;
};

static int spy_submit(void *self, creel_task *task)
{
	struct spy *s = self;
	s->bad |= creel_task_forward(task, NULL) != -EINVAL;
	s->bad |= creel_task_forward(NULL, s->beneath) != -EINVAL;
	s->bad |= creel_task_forward(task, creel_task_executor(task)) != -EINVAL;
	return creel_task_forward(task, s->beneath);
}

/* The spy beneath has heard of it before. */
static void spy_ended(void *self)
{
	struct spy *s = self;
	s->ended++;
	s->early += s->inner && s->inner->ended < s->ended;
}

static creel_executor *spy_beneath(void *self)
{
	return ((struct spy *)self)->beneath;
}

static void spy_destroy(void *self)
{
	((struct spy *)self)->destroyed++;
}

static const creel_executor_ops spy_ops = {.size = sizeof spy_ops,
					   .submit = spy_submit,
					   .destroy = spy_destroy,
					   .beneath = spy_beneath,
					   .ended = spy_ended};

/* Takes over the reference to beneath. */
static creel_executor *spy_new(struct spy *s, creel_executor *beneath, struct spy *inner)
{
	memset(s, 0, sizeof *s);
	s->beneath = beneath;
	s->inner = inner;
	creel_executor *ex = creel_executor_new(&spy_ops, s);
	creel_executor_unref(beneath);
	return ex;
}

CASE(c15_each_layer_is_told_once_and_the_inner_one_first, 0)
{
	struct spy in, out;
	creel_executor *ex = spy_new(&out, spy_new(&in, ct_executor(), NULL), &in);
	int code = -EIO;
	for (long i = 0; i < 20; i++)
		ct_int(ct_long_drop(creel_submit(ex, task_same, &i, sizeof i)), i);
	creel_future *f = creel_submit(ex, task_fail, &code, sizeof code);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EIO);
	creel_future_unref(f);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(in.ended, 21);
	ct_int(out.ended, 21);
	ct_close(ex);
	ct_int(out.early, 0);
	ct_int(in.bad | out.bad, 0);
	ct_until(in.destroyed == 1);
	ct_int(out.destroyed, 1);
}

CASE(c15_a_chain_may_be_32_deep, 0)
{
	creel_executor *ex = ct_executor();
	for (int i = ct_is(CT_LAYERS) ? 2 : 0; i < 32; i++)
		ex = ct_adaptor_new(ex, 2);
	ct_assert(creel_executor_error(ex) == NULL);
	for (long i = 0; i < 4; i++)
		ct_int(ct_long_drop(creel_submit(ex, task_same, &i, sizeof i)), i);
	struct spy s = {.beneath = ex};
	creel_executor *one_more = creel_executor_new(&spy_ops, &s);
	ct_int(creel_executor_error(one_more)->code, -ELOOP);
	ct_text(creel_executor_error(one_more)->message,
		"creel_executor_new: 33 executors would lie beneath this one; at most 32 may");
	ct_close(one_more);
	ct_int(s.destroyed, 0);
	ct_close(ex);
}

CASE(c15_what_is_refused_beneath_is_refused_above, 0)
{
	struct spy s;
	struct ct_count *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *pool = ct_executor();
	creel_executor *ex = spy_new(&s, creel_executor_ref(pool), NULL);
	creel_future *f = NULL;
	long one = 1;
	ct_int(creel_executor_shutdown(pool, 0, CT_GUARD, NULL), 0);
	ct_int(creel_try_submit(ex, task_same, &one, sizeof one, &o, &f), -ESHUTDOWN);
	ct_assert(f == NULL);
	ct_int(ct_count_get(freed), 0);
	f = creel_submit_with(ex, task_same, &one, sizeof one, &o);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	ct_int(s.ended, 0);
	ct_close(ex);
	ct_close(pool);
}

CASE(c02_a_cancel_reaches_a_task_in_every_layer, CT_ASYNC)
{
	struct ct_hold h;
	struct spy s;
	struct ct_count *ran = ct_count_new();
	creel_executor *pool = ct_executor();
	creel_executor *ex = ct_adaptor_new(spy_new(&s, creel_executor_ref(pool), NULL), 1);
	ct_hold(&h, pool);
	/* One waits in the pool, the other with the adaptor. */
	creel_future *in = ct_submit_count(ex, ran), *out = ct_submit_count(ex, ran);
	ct_int(creel_future_state(in), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(out), CREEL_CANCEL_NOW);
	ct_int(s.ended, 0);
	ct_int(creel_future_cancel(in), CREEL_CANCEL_NOW);
	ct_int(s.ended, 1);
	ct_int(creel_future_state(in), CREEL_FUTURE_CANCELLED);
	creel_future_unref(in);
	creel_future_unref(out);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	/* The place is free again. */
	in = ct_submit_count(ex, ran);
	ct_release(&h);
	ct_int(ct_long_drop(in), 1);
	ct_close(ex);
	ct_close(pool);
}

CASE(c17_a_shutdown_cancels_an_adaptors_tasks_and_not_those_beside_them, CT_ASYNC)
{
	struct ct_hold h;
	struct spy s;
	struct ct_count *ran = ct_count_new();
	creel_executor *pool = ct_executor();
	creel_executor *ex = ct_adaptor_new(spy_new(&s, creel_executor_ref(pool), NULL), 2);
	creel_future *mine[4];
	ct_hold(&h, pool);
	creel_future *other = ct_submit_count(pool, ran);
	for (int i = 0; i < 4; i++)
		mine[i] = ct_submit_count(ex, ran);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CT_GUARD, NULL), 0);
	for (int i = 0; i < 4; i++) {
		ct_int(creel_future_state(mine[i]), CREEL_FUTURE_CANCELLED);
		creel_future_unref(mine[i]);
	}
	ct_int(creel_future_state(other), CREEL_FUTURE_PENDING);
	ct_release(&h);
	ct_int(ct_long_drop(other), 1);
	ct_close(ex);
	ct_close(pool);
}

CASE(c17_a_shutdown_that_kills_ends_what_an_adaptor_has_running, CT_ASYNC)
{
	struct ct_count *started = ct_count_new();
	creel_executor *pool = ct_executor();
	creel_executor *ex = ct_adaptor_new(over_one(), 1);
	creel_future *f = creel_submit(ex, task_until_asked, &started, sizeof started);
	ct_count_await(started, 1);
	/* Without that flag nobody asks it. */
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL, CT_GUARD, NULL), 0);
	ct_assert(ct_outcome(f) != 0);
	creel_future_unref(f);
	ct_close(ex);
	ct_close(pool);
}

struct own {
	creel_executor *ex;
	creel_executor *seen;
	int drain, close;
};

static int task_at_home(creel_task *task, const void *arg, size_t size)
{
	struct own *own = *(struct own *const *)arg;
	(void)size;
	own->seen = creel_task_executor(task);
	own->drain = creel_executor_drain(own->ex, CREEL_FOREVER);
	own->close = creel_executor_close(creel_executor_ref(own->ex));
	return 0;
}

CASE(c17_an_adaptors_task_does_not_wait_for_itself, CT_INPROC)
{
	creel_executor *ex = ct_adaptor_new(over_one(), 1);
	struct own own = {.ex = ex}, *at = &own;
	creel_future *f = creel_submit(ex, task_at_home, &at, sizeof at);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_assert(own.seen == ex);
	ct_int(own.drain, -EDEADLK);
	ct_int(own.close, -EDEADLK);
	ct_close(ex);
}

/* As many as there are in an adaptor over an executor that runs each at once: no deeper stack. */
CORE_CASE(c37_an_adaptor_over_an_inline_executor_needs_no_stack)
{
	enum { MANY = 20000 };
	struct ct_count *ran = ct_count_new(), *gate = ct_count_new(), *started = ct_count_new();
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1});
	creel_executor *ex = ct_adaptor_new(creel_inline_new(), 1);
	creel_executor *outer = ct_adaptor_new(pool, 1);
	creel_future *held = ct_submit_gated(outer, started, gate, 1);
	for (int i = 0; i < MANY; i++) {
		ct_int(creel_spawn(ex, task_count, &ran, sizeof ran, NULL), 0);
		ct_int(creel_spawn(outer, task_count, &ran, sizeof ran, NULL), 0);
	}
	ct_open(gate);
	ct_int(ct_long_drop(held), 1);
	ct_close(ex);
	ct_close(outer);
	ct_int(ct_count_get(ran), 2 * MANY);
}

CORE_CASE(c21_adaptors_exceed_the_bound_beneath)
{
	creel_thread_pool_options small = {.max_workers = 1, .flags = CREEL_RENDEZVOUS};
	struct ct_count *started = ct_count_new(), *gate = ct_count_new(), *ran = ct_count_new();
	creel_executor *pool = creel_thread_pool_new(&small);
	creel_executor *ex = ct_adaptor_new(creel_executor_ref(pool), 10);
	creel_future *held = ct_submit_gated(ex, started, gate, 1), *none = NULL;
	ct_count_await(started, 1);
	ct_int(creel_try_submit(pool, task_count, &ran, sizeof ran, NULL, &none), CREEL_BUSY);
	creel_future *f = ct_submit_count(ex, ran), *g = ct_submit_count(ex, ran);
	ct_int(creel_future_cancel(g), CREEL_CANCEL_NOW);
	creel_future_unref(g);
	ct_open(gate);
	ct_int(ct_long_drop(held), 1);
	ct_int(ct_long_drop(f), 1);
	/* Every place was given back. */
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	creel_future *last = ct_submit_count(pool, ran);
	ct_int(ct_long_drop(last), 2);
	ct_close(ex);
	ct_close(pool);
}

static int task_five_times(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	struct ct_count *ran = *(struct ct_count *const *)arg;
	ct_count_add(ran, 1);
	return ct_count_get(ran) < 5 ? 0 : -EIO;
}

CASE(c40_a_periodic_task_goes_through_all_layers_each_time, CT_INPROC)
{
	creel_submit_options o = {.period_ns = 1};
	struct spy s;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_adaptor_new(spy_new(&s, ct_executor(), NULL), 1);
	creel_future *f = creel_submit_with(ex, task_five_times, &ran, sizeof ran, &o);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	creel_future_unref(f);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(ran), 5);
	ct_int(s.ended, 5);
	ct_close(ex);
}

#if CT_LINUX
static int task_read(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return creel_return(task, arg, sizeof(long));
}

CORE_CASE(c30_an_adaptor_vets_and_allocates_as_the_lowest_executor)
{
	creel_executor *ex = ct_adaptor_new(
		ct_adaptor_new(
			creel_process_pool_new(&(creel_process_pool_options){.max_workers = 1}), 2),
		2);
	creel_submit_options limited = {.limit_ns = CREEL_S(60)};
	long large[600] = {3};
	long *shared = creel_shared_alloc(ex, sizeof *shared), own = 5;
	creel_future *f = NULL;
	*shared = 7;
	ct_int(creel_try_submit(ex, task_read, &own, CREEL_BY_REF, NULL, &f), -EFAULT);
	ct_int(ct_long_drop(creel_submit(ex, task_read, shared, CREEL_BY_REF)), 7);
	creel_shared_free(ex, shared);
	ct_int(ct_long_drop(creel_submit_with(ex, task_read, large, sizeof large, &limited)), 3);
	ct_close(ex);
}
#endif

/* Runs what it gets at once, and looks whether it is still there. */
struct host {
	creel_executor *beneath;
	creel_task *kept, *withdrawn;
	_Atomic(creel_task *) given;
	_Atomic unsigned early;
	bool destroyed, gone;
	int vetted;
};

static int host_submit(void *self, creel_task *task)
{
	struct host *h = self;
	creel_task_run(task);
	h->gone |= h->destroyed;
	return 0;
}

static void host_destroy(void *self)
{
	((struct host *)self)->destroyed = true;
}

CORE_CASE(c15_an_adaptor_lasts_until_its_forward_has_returned)
{
	creel_executor_ops ops = {
		.size = sizeof ops, .submit = host_submit, .destroy = host_destroy};
	struct host host = {.destroyed = false};
	struct ct_count *ran = ct_count_new();
	creel_executor *in = creel_executor_new(&ops, &host), *ex = creel_semaphore_new(in, 1);
	creel_future *permit = creel_semaphore_acquire(ex), *f = ct_submit_count(ex, ran);
	creel_executor_unref(in);
	creel_executor_unref(ex);
	creel_future_unref(permit);
	ct_int(ct_long_drop(f), 1);
	ct_assert(!host.gone);
	ct_assert(host.destroyed);
}

static int task_leave_thread(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

static void *submit_and_leave(void *ex)
{
	(void)creel_spawn(ex, task_leave_thread, NULL, 0, NULL);
	return NULL;
}

CORE_CASE(c15_a_task_that_ends_its_thread_leaves_its_adaptors)
{
	struct spy s;
	creel_executor *ex = spy_new(&s, creel_inline_new(), NULL);
	(void)ct_thread_join(ct_thread_start(submit_and_leave, ex));
	ct_int(s.ended, 1);
	ct_close(ex);
	ct_int(s.destroyed, 1);
}

static int host_keep(void *self, creel_task *task)
{
	((struct host *)self)->kept = task;
	return 0;
}

static int host_note(void *self, creel_task *task)
{
	((struct host *)self)->given = task;
	return 0;
}

static int host_withdraw(void *self, creel_task *task)
{
	struct host *h = self;
	h->early += h->given != task;
	return 0;
}

static creel_executor *host_beneath(void *self)
{
	return ((struct host *)self)->beneath;
}

struct canceller {
	_Atomic(creel_future *) f;
	_Atomic bool over;
};

static void *cancel_each(void *arg)
{
	struct canceller *c = arg;
	while (!c->over) {
		creel_future *f = c->f;
		if (!f) {
			ct_breathe();
			continue;
		}
		(void)creel_future_cancel(f);
		c->f = NULL;
	}
	return NULL;
}

CORE_CASE(c02_an_adaptor_is_not_asked_for_what_it_was_not_given)
{
	struct host upper = {.kept = NULL}, lower = {.kept = NULL};
	struct ct_count *ran = ct_count_new();
	struct canceller c = {.f = NULL};
	lower.beneath = creel_inline_new();
	creel_executor_ops low = {.size = sizeof low,
				  .submit = host_note,
				  .withdraw = host_withdraw,
				  .beneath = host_beneath};
	creel_executor_ops high = {
		.size = sizeof high, .submit = host_keep, .beneath = host_beneath};
	upper.beneath = creel_executor_new(&low, &lower);
	creel_executor *ex = creel_executor_new(&high, &upper);
	struct ct_thread *t = ct_thread_start(cancel_each, &c);
	for (unsigned i = 0; i < ct_scaled(200); i++) {
		creel_future *f = ct_submit_count(ex, ran);
		lower.given = NULL;
		c.f = f;
		if (creel_task_forward(upper.kept, upper.beneath) == 0)
			(void)creel_task_run(upper.kept);
		ct_until(!c.f);
		creel_future_unref(f);
	}
	c.over = true;
	(void)ct_thread_join(t);
	ct_int(lower.early, 0);
	creel_executor_unref(upper.beneath);
	creel_executor_unref(lower.beneath);
	ct_close(ex);
}

static int host_vet(void *self, creel_fn fn, const void *arg, size_t size)
{
	long value;
	if (fn != task_same || size != sizeof value)
		return -EINVAL;
	memcpy(&value, arg, size);
	((struct host *)self)->vetted++;
	return value == 7 ? 0 : -EINVAL;
}

CORE_CASE(c30_an_operation_vets_the_argument_each_time)
{
	creel_executor_ops ops = {.size = sizeof ops, .submit = host_submit, .vet = host_vet};
	struct host host = {.vetted = 0};
	creel_executor *in = creel_executor_new(&ops, &host), *ex = creel_scope_new(in, 0);
	creel_submit_options later = {.clock = creel_clock_new(CREEL_CLOCK_MANUAL), .delay_ns = 1};
	long seven = 7;
	ct_int(ct_long_drop(creel_submit(ex, task_same, &seven, sizeof seven)), 7);
	ct_int(host.vetted, 2);
	creel_future *f = creel_submit_with(in, task_same, &seven, sizeof seven, &later);
	ct_int(creel_clock_advance(later.clock, 1), 0);
	ct_int(ct_long_drop(f), 7);
	ct_int(host.vetted, 4);
	creel_clock_unref(later.clock);
	ct_close(ex);
	ct_close(in);
}
