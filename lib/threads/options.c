/* SPDX-License-Identifier: MIT */
/* Making a thread pool: its options checked, its defaults filled in. */
#include "base/alloc.h"
#include "exec/bound.h"
#include "future/options.h"
#include "future/watch.h"
#include "sync/thread.h"
#include "threads/pool.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_IDLE_NS INT64_C(10000000000)

enum {
	SLOTS_LEAST = 16,
	THREADS_MORE = 1024,
	NO_SHARE = 1 << 20, /* so many claim no more than one task each */
};

static const char call[] = "creel_thread_pool_new";

static const creel_error *refuse(const char *field, long long value, const char *advice)
{
	return creel__option_refuse(call, field, value, advice);
}

static const creel_error *check_stack(size_t size)
{
	size_t least = creel__thread_min_stack();
	if (size > CREEL__SIZE_MAX)
		return creel__size_refuse(call, "stack_size", size,
					  "that is larger than any object; use 0 for the system's, "
					  "or bytes: was a negative number passed?");
	if (size && size < least)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: stack_size is %zu; use 0 for the system's, "
					 "or at least %zu bytes",
					 call, size, least);
	return NULL;
}

static const creel_error *check_help(const creel_thread_pool_options *o)
{
	if (o->help < CREEL_HELP_WORKERS || o->help > CREEL_HELP_ANY)
		return refuse("help", o->help,
			      "use CREEL_HELP_WORKERS, CREEL_HELP_NONE or CREEL_HELP_ANY");
	if (o->help == CREEL_HELP_ANY && o->initializer)
		return refuse("help", o->help,
			      "CREEL_HELP_ANY runs tasks on threads that the initializer has not "
			      "prepared; use CREEL_HELP_WORKERS, or no initializer");
	return NULL;
}

static struct creel__bound bound_of(const creel_thread_pool_options *o)
{
	return (struct creel__bound){
		.capacity = o->capacity,
		.overflow = o->overflow,
		.rendezvous = o->flags & CREEL_RENDEZVOUS,
		.no_caller = o->initializer ? "the pool has an initializer, which the threads that "
					      "submit have not run"
					    : NULL,
	};
}

/* What is wrong with the options, or NULL. */
static const creel_error *check(const creel_thread_pool_options *o)
{
	const creel_error *error;
	if (o->max_workers < 0)
		return refuse("max_workers", o->max_workers, "use 0 for the default, or a count");
	if (o->min_workers < 0)
		return refuse("min_workers", o->min_workers, "use 0 for none, or a count");
	if ((error = creel__workers_refuse(call, o->min_workers, o->max_workers)))
		return error;
	if (o->max_threads < 0)
		return refuse("max_threads", o->max_threads, "use 0 for the default, or a count");
	int workers = o->max_workers > o->min_workers ? o->max_workers : o->min_workers;
	if (o->max_threads && o->max_threads < workers)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: max_threads is %d and the pool may have %d workers; "
					 "use 0 for the default, or at least as many as workers",
					 call, o->max_threads, workers);
	if (o->flags &
	    ~(unsigned)(CREEL_KEEP_SIGNALS | CREEL_PRESTART | CREEL_RENDEZVOUS | CREEL_TRACE))
		return refuse("flags", o->flags,
			      "use CREEL_KEEP_SIGNALS, CREEL_PRESTART, CREEL_RENDEZVOUS, "
			      "CREEL_TRACE or 0");
	if (o->flags & CREEL_PRESTART && !o->min_workers)
		return refuse("min_workers", o->min_workers,
			      "with CREEL_PRESTART it says how many workers to start");
	if (o->idle_ns < 0)
		return refuse("idle_ns", o->idle_ns,
			      "use 0 for the default, CREEL_NEVER to keep workers");
	if (o->ageing_ns < 0)
		return refuse("ageing_ns", o->ageing_ns,
			      "use 0 for the default, CREEL_NEVER for bands that do not age");
	if (o->spin_ns < 0)
		return refuse("spin_ns", o->spin_ns, "use 0 for none, or a duration");
	const struct creel__bound bound = bound_of(o);
	if ((error = creel__bound_refuse(call, &bound)) || (error = check_help(o)) ||
	    (error = check_stack(o->stack_size)))
		return error;
	return creel__reserved_refuse(CREEL_KIND_BROKEN, call, o->reserved32, o->reserved,
				      sizeof o->reserved / sizeof o->reserved[0]);
}

/* As many as there can be workers at work, a power of two. One worker has one queue, and so one
 * order. */
static unsigned shards_for(int workers, int cpus)
{
	int want = workers < cpus ? workers : cpus;
	unsigned n = 1;
	while (n < CREEL__SHARDS_MAX && (int)(n * 2) <= want)
		n *= 2;
	return n;
}

int creel__pool_threads_for(const struct creel__pool *pool, int max_workers)
{
	if (pool->threads_asked)
		return pool->threads_asked;
	return max_workers > INT_MAX - THREADS_MORE ? INT_MAX : max_workers + THREADS_MORE;
}

unsigned creel__pool_slots_for(const struct creel__pool *pool, int max_workers)
{
	unsigned n = (unsigned)creel__pool_threads_for(pool, max_workers) + (unsigned)max_workers;
	return n < SLOTS_LEAST ? SLOTS_LEAST : n;
}

/* A traced pool claims no batches: its oldest task stands in front of a shard, where a report may
 * look at it. */
unsigned creel__pool_sharers_for(const struct creel__pool *pool, int max_workers)
{
	return creel__watch_traces(&pool->base) ? NO_SHARE : (unsigned)max_workers;
}

static void apply(struct creel__pool *pool, const creel_thread_pool_options *o)
{
	pool->min_workers = pool->min_asked = o->min_workers;
	int cpus = creel__executor_cpus(&pool->base);
	pool->max_workers = o->max_workers ? o->max_workers : cpus;
	if (pool->max_workers < pool->min_workers)
		pool->max_workers = pool->min_workers;
	pool->threads_asked = o->max_threads;
	if (o->max_threads && pool->max_workers > o->max_threads)
		pool->max_workers = o->max_threads;
	pool->max_threads = creel__pool_threads_for(pool, pool->max_workers);
	pool->idle_ns = o->idle_ns ? o->idle_ns : DEFAULT_IDLE_NS;
	pool->stack_size = o->stack_size;
	pool->initializer = o->initializer;
	pool->finalizer = o->finalizer;
	pool->ctx = o->ctx;
	pool->base.unhandled = (struct creel__unhandled){o->on_unhandled, o->ctx};
	snprintf(pool->name, sizeof pool->name, "%s", o->name ? o->name : "creel");
	creel__thread_bequeath(&pool->heritage, o->flags & CREEL_KEEP_SIGNALS);
	pool->shards = shards_for(pool->max_workers, cpus);
	creel__store(&pool->lists, pool->shards, relaxed);
	pool->second = cpus > 1;
	pool->spin_ns = cpus > 1 ? o->spin_ns : 0;
	pool->help = o->help;
	const struct creel__bound bound = bound_of(o);
	creel__bound_apply(&pool->base, &bound, pool->max_workers);
	pool->ageing_ns = creel__ageing(o->ageing_ns);
	pool->base.bands = pool->base.queues = true;
	creel__store(&pool->sharers, creel__pool_sharers_for(pool, pool->max_workers), relaxed);
	creel__store(&pool->slots, creel__pool_slots_for(pool, pool->max_workers), relaxed);
}

/* Those that could be started leave by themselves. */
static creel_executor *refuse_prestart(struct creel__pool *pool, int started, int code)
{
	int wanted = pool->min_workers;
	creel_executor_unref(&pool->base);
	return creel__executor_broken(creel__error_make(
		CREEL_KIND_BROKEN, code, NULL,
		"%s: CREEL_PRESTART: the system gives %d of the %d threads of min_workers (%s); "
		"raise the limits on threads or memory, or lower min_workers",
		call, started, wanted, creel_code_name(code)));
}

static creel_executor *make(const creel_thread_pool_options *o)
{
	const creel_error *error = check(o);
	if (error)
		return creel__executor_broken(error);
	struct creel__pool *pool = creel__malloc_aligned(64, sizeof *pool);
	if (!pool)
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	*pool = (struct creel__pool){0};
	creel__executor_init(&pool->base, creel__thread_pool_class());
	if (o->flags & CREEL_TRACE && creel__watch_trace(&pool->base)) {
		creel__executor_fini(&pool->base);
		creel__free(pool);
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	}
	apply(pool, o);
	creel__list_init(&pool->roster);
	creel__list_init(&pool->idle);
	creel__list_init(&pool->zombies);
	creel__list_init(&pool->posted_jobs);
	creel__pool_update_need_locked(pool);
	creel__executor_made(&pool->base);
	int started, rc = o->flags & CREEL_PRESTART ? creel__pool_prestart(pool, &started) : 0;
	return rc ? refuse_prestart(pool, started, rc) : &pool->base;
}

/* It reads files: a thread that is to be cancelled is not before it has its pool. */
creel_executor *creel_thread_pool_new(const creel_thread_pool_options *options)
{
	static const creel_thread_pool_options defaults;
	int state = creel__thread_no_cancel();
	creel_executor *ex = make(options ? options : &defaults);
	creel__thread_cancel_again(state);
	return ex;
}

unsigned creel__pool_slots(creel_executor *ex)
{
	return creel__load(&((struct creel__pool *)ex)->slots, relaxed);
}

unsigned creel__pool_width(creel_executor *ex)
{
	struct creel__pool *pool = (struct creel__pool *)ex;
	creel__lock_acquire(&pool->lock);
	unsigned n = (unsigned)pool->max_workers;
	creel__lock_release(&pool->lock);
	return n;
}
