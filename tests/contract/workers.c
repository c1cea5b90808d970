/* SPDX-License-Identifier: MIT */
/* Promises 19 and 20: what a worker of a thread pool is, from its initializer to its finalizer. */
#include "contract.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static creel_stats stats_of(creel_executor *ex)
{
	creel_stats s;
	ct_int(creel_executor_stats(ex, &s, sizeof s), 0);
	return s;
}

/* As many as a pool of a few workers has slots at least. */
enum { WORKERS = 256 };

struct life {
	struct ct_count *inits, *finis, *ran, *gate;
	_Atomic unsigned fail_from; /* the worker from which on initializers fail */
	int code;
	_Atomic unsigned wrong;
	struct local {
		pthread_t thread;
		unsigned worker;
		_Atomic unsigned used, finalized;
	} locals[WORKERS];
};

static int life_init(void *ctx, unsigned worker, void **ret_local)
{
	struct life *l = ctx;
	ct_count_add(l->inits, 1);
	if (l->gate)
		ct_pass(l->gate);
	if (worker >= WORKERS || l->locals[worker].used++)
		l->wrong++;
	if (worker >= l->fail_from) {
		l->locals[worker].used--;
		return l->code;
	}
	l->locals[worker].finalized = 0;
	l->locals[worker].thread = pthread_self();
	l->locals[worker].worker = worker;
	*ret_local = &l->locals[worker];
	return 0;
}

static void life_fini(void *ctx, void *local)
{
	struct life *l = ctx;
	struct local *mine = local;
	if (!mine || !pthread_equal(mine->thread, pthread_self()) || mine->finalized++)
		l->wrong++;
	/* From here on another worker may have the number, once this one is through. */
	mine->used--;
	ct_count_add(l->finis, 1);
}

static int use_local(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct life *const *l = arg;
	struct local *mine = creel_task_local(task);
	if (!mine || !pthread_equal(mine->thread, pthread_self()) || mine->finalized ||
	    creel_task_worker(task) != mine->worker)
		(*l)->wrong++;
	ct_count_add((*l)->ran, 1);
	return 0;
}

static struct life *life_new(creel_thread_pool_options *ret_options)
{
	struct life *l = ct_shared(sizeof *l);
	l->inits = ct_count_new();
	l->finis = ct_count_new();
	l->ran = ct_count_new();
	l->fail_from = UINT_MAX;
	ret_options->initializer = life_init;
	ret_options->finalizer = life_fini;
	ret_options->ctx = l;
	return l;
}

CASE(c20_the_initializer_runs_first_and_the_finalizer_last_on_every_worker, CT_POOL)
{
	creel_thread_pool_options o = {0};
	struct life *l = life_new(&o);
	creel_executor *ex = ct_pool(o);
	for (int i = 0; i < 300; i++)
		creel_future_unref(creel_submit(ex, use_local, &l, sizeof l));
	ct_close(creel_executor_ref(ex));
	uint64_t started = stats_of(ex).started;
	creel_executor_unref(ex);
	ct_int(l->wrong, 0);
	ct_int(ct_count_get(l->ran), 300);
	ct_int(ct_count_get(l->inits), started);
	ct_int(ct_count_get(l->finis), started);
}

CASE(c20_two_workers_never_have_one_number_at_a_time, CT_POOL)
{
	creel_thread_pool_options o = {.idle_ns = 1, .max_workers = 2};
	struct life *l = life_new(&o);
	creel_executor *ex = ct_pool(o);
	for (int i = 0; i < 20; i++) {
		creel_future *f = creel_submit(ex, use_local, &l, sizeof l);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
		ct_until(stats_of(ex).workers == 0);
	}
	ct_close(ex);
	ct_int(l->wrong, 0);
	ct_assert(ct_count_get(l->inits) >= 20);
	ct_int(ct_count_get(l->inits), ct_count_get(l->finis));
}

/* An initializer, and a finalizer, that waits for a task of its own pool. */
struct waiting {
	creel_executor *pool;
	struct ct_count *begun, *over, *gate;
	bool in_finalizer;
	_Atomic int outcome;
};

static int see_local(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_task_local(task) ? 0 : creel_fail(task, -ENODATA, "no local value");
}

static void wait_for_own_pool(struct waiting *w)
{
	ct_count_add(w->begun, 1);
	creel_future *f = creel_submit(w->pool, see_local, NULL, 0);
	creel_future_result(f, CREEL_FOREVER, NULL, 0);
	const creel_error *e = creel_future_error(f);
	w->outcome = e ? e->code : 0;
	creel_future_unref(f);
	ct_count_add(w->over, 1);
}

static int waiting_init(void *ctx, unsigned worker, void **ret_local)
{
	struct waiting *w = ctx;
	if (worker == 1 && !w->in_finalizer)
		wait_for_own_pool(w);
	else if (worker == 1)
		ct_pass(w->gate);
	*ret_local = w;
	return 0;
}

static void waiting_fini(void *ctx, void *local)
{
	struct waiting *w = ctx;
	(void)local;
	if (w->in_finalizer && ct_count_get(w->begun) == 0)
		wait_for_own_pool(w);
}

static struct waiting *waiting_new(creel_thread_pool_options *o, bool in_finalizer)
{
	struct waiting *w = ct_shared(sizeof *w);
	w->begun = ct_count_new();
	w->over = ct_count_new();
	w->gate = ct_count_new();
	w->in_finalizer = in_finalizer;
	w->outcome = 1;
	o->initializer = waiting_init;
	o->finalizer = waiting_fini;
	o->ctx = w;
	w->pool = ct_pool(*o);
	return w;
}

/* A moment in which who waits could run the task itself: nobody else can, with the gate shut. */
static void waiting_end(struct waiting *w)
{
	ct_count_await(w->begun, 1);
	for (int ms = 0; ms < 20 && ct_count_get(w->over) == 0; ms++)
		ct_breathe();
	ct_open(w->gate);
	ct_count_await(w->over, 1);
	ct_int(w->outcome, 0);
	ct_close(w->pool);
}

CASE(c20_an_initializer_that_waits_runs_no_task_without_its_local_value, CT_POOL)
{
	struct ct_count *started = ct_count_new();
	creel_thread_pool_options o = {.max_workers = 2};
	struct waiting *w = waiting_new(&o, false);
	creel_future *busy = ct_submit_gated(w->pool, started, w->gate, 5);
	ct_count_await(started, 1);
	creel_future *behind = creel_submit(w->pool, see_local, NULL, 0);
	waiting_end(w);
	ct_int(ct_long_drop(busy), 5);
	ct_int(ct_outcome(behind), 0);
	creel_future_unref(behind);
}

CASE(c20_a_finalizer_that_waits_runs_no_task_without_its_local_value, CT_POOL)
{
	creel_thread_pool_options o = {.max_workers = 1, .idle_ns = 1};
	struct waiting *w = waiting_new(&o, true);
	creel_future *f = creel_submit(w->pool, see_local, NULL, 0);
	waiting_end(w);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
}

static int say_worker(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	unsigned long said[2] = {creel_task_worker(task), creel_task_local(task) != NULL};
	return creel_return(task, said, sizeof said);
}

CASE(c20_without_an_initializer_there_is_no_local_value, 0)
{
	unsigned long said[2] = {9, 9};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, say_worker, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, said, sizeof said), 0);
	bool worker = ct_is(CT_COUNTS) || ct_is(CT_OVER) || ct_is(CT_RANKS);
	ct_assert(said[0] == (worker ? 0 : UINT_MAX));
	ct_int(said[1], 0);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c19_a_failing_initializer_breaks_the_pool_and_nothing_hangs, CT_POOL)
{
	creel_thread_pool_options o = {0};
	struct life *l = life_new(&o);
	struct ct_count *freed = ct_count_new();
	creel_submit_options so = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *futures[20], *none = NULL;
	l->fail_from = 0;
	l->code = -ENODEV;
	l->gate = ct_count_new();
	creel_executor *ex = ct_pool(o);
	for (int i = 0; i < 20; i++)
		futures[i] = creel_submit_with(ex, use_local, &l, sizeof l, &so);
	ct_open(l->gate);
	for (int i = 0; i < 20; i++) {
		ct_int(ct_outcome(futures[i]), CREEL_EFAILED);
		ct_int(creel_future_error(futures[i])->kind, CREEL_KIND_BROKEN);
		ct_int(creel_future_error(futures[i])->code, -ENODEV);
		creel_future_unref(futures[i]);
	}
	ct_int(ct_count_get(freed), 20);
	ct_assert(creel_executor_error(ex) != NULL);
	ct_int(creel_executor_error(ex)->code, -ENODEV);
	ct_has(creel_executor_error(ex)->message, "initializer");
	creel_future *later = creel_submit(ex, use_local, &l, sizeof l);
	ct_int(creel_future_error(later)->kind, CREEL_KIND_BROKEN);
	ct_int(creel_future_error(later)->code, -ENODEV);
	creel_future_unref(later);
	ct_int(creel_try_submit(ex, use_local, &l, sizeof l, NULL, &none), CREEL_EFAILED);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_close(ex);
	ct_int(ct_count_get(l->ran), 0);
	/* A finalizer is for a worker whose initializer succeeded. */
	ct_int(ct_count_get(l->finis), 0);
}

CASE(c19_an_initializer_that_fails_on_a_later_worker_breaks_the_pool_too, CT_POOL)
{
	creel_thread_pool_options o = {.max_workers = 2};
	struct life *l = life_new(&o);
	struct ct_gated gated = {ct_count_new(), ct_count_new(), 8};
	l->fail_from = 1;
	l->code = 77;
	creel_executor *ex = ct_pool(o);
	creel_future *running = creel_submit(ex, task_gated, &gated, sizeof gated);
	ct_count_await(gated.started, 1);
	creel_future *second = creel_submit(ex, use_local, &l, sizeof l);
	creel_future *third = creel_submit(ex, use_local, &l, sizeof l);
	ct_int(ct_outcome(second), CREEL_EFAILED);
	ct_int(ct_outcome(third), CREEL_EFAILED);
	ct_int(creel_future_error(third)->code, 77);
	ct_open(gated.gate);
	/* What runs ends as it would have. */
	ct_int(ct_long_drop(running), 8);
	creel_future_unref(second);
	creel_future_unref(third);
	ct_close(ex);
	ct_int(ct_count_get(l->finis), 1);
	ct_int(l->wrong, 0);
}

/* Promise 20: names, masks, stacks. */

static int say_name(creel_task *task, const void *arg, size_t size)
{
	char name[16] = {0};
	(void)arg;
	(void)size;
	pthread_getname_np(pthread_self(), name, sizeof name);
	return creel_return(task, name, sizeof name);
}

static void name_is(creel_executor *ex, const char *should)
{
	char name[16];
	creel_future *f = creel_submit(ex, say_name, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, name, sizeof name), 0);
	ct_text(name, should);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c20_workers_are_named, CT_POOL | CT_SYSTEM)
{
	char name[] = "netmap";
	name_is(ct_executor(), "creel-0");
	creel_thread_pool_options o = {.name = name};
	creel_executor *ex = ct_pool(o);
	/* The name was copied. */
	memset(name, 'x', sizeof name - 1);
	name_is(ex, "netmap-0");
}

CASE(c20_a_name_that_is_too_long_is_cut_and_keeps_the_pool_working, CT_POOL | CT_SYSTEM)
{
	char name[16];
	creel_thread_pool_options o = {.name = "a-name-that-no-system-takes-as-a-whole"};
	creel_executor *ex = ct_pool(o);
	creel_future *f = creel_submit(ex, say_name, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, name, sizeof name), 0);
	ct_int(strncmp(name, "a-name-that", 11), 0);
	creel_future_unref(f);
	ct_close(ex);
}

static int say_mask(creel_task *task, const void *arg, size_t size)
{
	sigset_t mask;
	(void)arg;
	(void)size;
	sigemptyset(&mask);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	return creel_return(task, &mask, sizeof mask);
}

CASE(c20_workers_block_all_signals_but_the_synchronous_ones, CT_POOL)
{
	static const int open[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,
				   SIGSYS,  SIGABRT, SIGPROF, SIGKILL, SIGSTOP};
	sigset_t mask, mine, after;
	ct_int(pthread_sigmask(SIG_BLOCK, NULL, &mine), 0);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, say_mask, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &mask, sizeof mask), 0);
	for (int s = 1; s <= SIGRTMAX; s++) {
		bool should = s <= 31 || s >= SIGRTMIN;
		for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
			should &= s != open[i];
		if ((s <= 31 || s >= SIGRTMIN) && sigismember(&mask, s) != should)
			ct_fail(__FILE__, __LINE__, "signal %d is %s", s,
				should ? "not blocked" : "blocked");
	}
	ct_int(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
	for (int s = 1; s <= SIGRTMAX; s++)
		ct_int(sigismember(&after, s), sigismember(&mine, s));
	creel_future_unref(f);
	ct_close(ex);
}

static int say_stack(creel_task *task, const void *arg, size_t size)
{
	pthread_attr_t attributes;
	size_t stack = 0;
	(void)arg;
	(void)size;
	if (pthread_getattr_np(pthread_self(), &attributes))
		return 1;
	pthread_attr_getstacksize(&attributes, &stack);
	pthread_attr_destroy(&attributes);
	return creel_return(task, &stack, sizeof stack);
}

CASE(c20_workers_have_the_stack_that_was_asked_for, CT_POOL)
{
	/* Less and more than any default. The small one first: a system may use stacks again. */
	static const size_t sizes[] = {256 << 10, 48 << 20};
	for (int i = 0; i < 2; i++) {
		creel_thread_pool_options o = {.stack_size = sizes[i]};
		size_t stack = 0;
		creel_executor *ex = ct_pool(o);
		ct_assert(creel_executor_error(ex) == NULL);
		creel_future *f = creel_submit(ex, say_stack, NULL, 0);
		ct_int(creel_future_result(f, CT_GUARD, &stack, sizeof stack), 0);
		ct_assert(stack + 65536 >= sizes[i] && stack <= sizes[i] + (1 << 20));
		creel_future_unref(f);
		ct_close(ex);
	}
}

CASE(c20_a_stack_size_that_is_no_multiple_of_anything_will_do, CT_POOL)
{
	creel_thread_pool_options o = {.stack_size = (1 << 20) + 12345};
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_pool(o);
	ct_int(ct_long_drop(ct_submit_count(ex, ran)), 1);
	ct_close(ex);
}

/* on_unhandled: a failure that nobody looked at. */

struct told {
	struct ct_count *times;
	int code;
	char message[64];
};

static void note_unhandled(void *ctx, const creel_error *error)
{
	struct told *t = ctx;
	t->code = error->code;
	snprintf(t->message, sizeof t->message, "%s", error->message);
	ct_count_add(t->times, 1);
}

CASE(rule_a_failure_that_nobody_looked_at_goes_to_the_hook, CT_POOL)
{
	struct told t = {.times = ct_count_new()};
	creel_thread_pool_options o = {.on_unhandled = note_unhandled, .ctx = &t};
	int code = 31;
	creel_executor *ex = ct_pool(o);
	ct_int(creel_spawn(ex, task_fail, &code, sizeof code, NULL), 0);
	ct_count_await(t.times, 1);
	ct_int(t.code, 31);
	ct_has(t.message, "on purpose");
	creel_future *f = creel_submit(ex, task_fail, &code, sizeof code);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(t.times), 1);
	creel_future_unref(f);
	ct_count_await(t.times, 2);
	/* Read, cancelled or good: no news. */
	f = creel_submit(ex, task_fail, &code, sizeof code);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_assert(creel_future_error(f) != NULL);
	creel_future_unref(f);
	creel_future_unref(creel_submit(ex, task_nothing, NULL, 0));
	ct_close(ex);
	ct_int(ct_count_get(t.times), 2);
}
