/* SPDX-License-Identifier: MIT */
/* The executors under test, and the tasks and helpers that the cases share. */
#include "adaptor.h"
#include "base/cpus.h"
#include "contract.h"
#include "custom.h"
#include "forker.h"

#ifdef CT_MPI
#include <creel/mpi.h>
#endif
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CT_WIDTH_MAX = 8 };

struct kind {
	int flags;
	int max_workers;
	creel_executor *(*make)(void);
};

static const struct kind *under_test;

static creel_executor *make_custom(void)
{
	return ct_custom_new(false);
}

static creel_executor *make_bare(void)
{
	return ct_custom_new(true);
}

/* One at a time, over one that hands on whatever comes, over a pool. */
static creel_executor *make_over(void)
{
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 2});
	return ct_adaptor_new(ct_adaptor_new(pool, 1000000), 1);
}

static creel_executor *make_over_procs(void)
{
	creel_executor *pool = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 2});
	return ct_adaptor_new(ct_adaptor_new(pool, 1000000), 1);
}

static creel_executor *make_forks(void)
{
	return ct_forker_new(2);
}

/* Takes over the reference to what lies beneath. */
static creel_executor *over(creel_executor *(*make)(creel_executor *), creel_executor *beneath)
{
	creel_executor *ex = make(beneath);
	creel_executor_unref(beneath);
	return ex;
}

static creel_executor *make_semaphore(creel_executor *beneath)
{
	return creel_semaphore_new(beneath, 1000);
}

/* The library's own adaptors. */
static creel_executor *make_over_forks(void)
{
	return over(creel_serial_new, over(make_semaphore, ct_forker_new(2)));
}

static creel_executor *make_default(void)
{
	return creel_thread_pool_new(NULL);
}

static creel_executor *make_pool(void)
{
	return ct_pool((creel_thread_pool_options){0});
}

static creel_executor *make_procs(void)
{
	return creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = under_test->max_workers});
}

#ifdef CT_MPI
static creel_executor *make_mpi(void)
{
	return creel_mpi_pool_new(NULL);
}
#endif

/* Has no reference: it returns when the executor is shut down, or its last reference has gone. */
static void *drive(void *ex)
{
	(void)creel_driven_run(ex, CREEL_FOREVER);
	return NULL;
}

static creel_executor *make_driven(void)
{
	pthread_t thread;
	int ends[2];
	creel_executor *ex = creel_driven_new(NULL);
	ct_int(pthread_create(&thread, NULL, drive, ex), 0);
	pthread_detach(thread);
	/* It is inside once this has ended. */
	ct_int(pipe(ends), 0);
	creel_future *f = creel_ready(ex, ends[1], CREEL_WRITABLE);
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
	creel_future_unref(f);
	close(ends[0]);
	close(ends[1]);
	return ex;
}

static const struct kind kinds[] = {
	[CT_IS_core] = {CT_FLAGS_core, 0, NULL},
	[CT_IS_inline] = {CT_FLAGS_inline, 0, creel_inline_new},
	[CT_IS_custom] = {CT_FLAGS_custom, 1, make_custom},
	[CT_IS_bare] = {CT_FLAGS_bare, 1, make_bare},
	[CT_IS_over] = {CT_FLAGS_over, 1, make_over},
	[CT_IS_over_procs] = {CT_FLAGS_over_procs, 1, make_over_procs},
	[CT_IS_driven] = {CT_FLAGS_driven, 1, make_driven},
	[CT_IS_pool] = {CT_FLAGS_pool, 0, make_default},
	[CT_IS_pool1] = {CT_FLAGS_pool1, 1, make_pool},
	[CT_IS_pool4] = {CT_FLAGS_pool4, 4, make_pool},
	[CT_IS_procs] = {CT_FLAGS_procs, 2, make_procs},
	[CT_IS_procs1] = {CT_FLAGS_procs1, 1, make_procs},
	[CT_IS_forks] = {CT_FLAGS_forks, 2, make_forks},
	[CT_IS_over_forks] = {CT_FLAGS_over_forks, 1, make_over_forks},
#ifdef CT_MPI
	[CT_IS_mpi] = {CT_FLAGS_mpi, 2, make_mpi},
#endif
};

void ct_case(int executor, void (*run)(void))
{
	struct ct_census before;
	under_test = &kinds[executor];
	ct_shared_init();
	ct_census_take(&before);
	run();
	ct_census_same(&before);
	ct_shared_fini();
}

creel_executor *ct_executor(void)
{
	creel_executor *ex = under_test->make();
	ct_assert(ex != NULL);
	ct_assert(creel_executor_error(ex) == NULL);
	return ex;
}

creel_executor *ct_pool(creel_thread_pool_options options)
{
	if (options.max_workers == 0)
		options.max_workers = under_test->max_workers;
	return creel_thread_pool_new(&options);
}

creel_executor *ct_initialized_told(int (*fn)(void *ctx, unsigned worker, void **ret_local),
				    void (*told)(void *ctx, const creel_error *error), void *ctx)
{
	if (ct_is(CT_POOL))
		return ct_pool((creel_thread_pool_options){
			.max_workers = 1, .initializer = fn, .on_unhandled = told, .ctx = ctx});
	return creel_process_pool_new(&(creel_process_pool_options){
		.max_workers = 1, .initializer = fn, .on_unhandled = told, .ctx = ctx});
}

creel_executor *ct_initialized(int (*fn)(void *ctx, unsigned worker, void **ret_local), void *ctx)
{
	return ct_initialized_told(fn, NULL, ctx);
}

bool ct_is(int flags)
{
	return (under_test->flags & flags) == flags;
}

bool ct_never_ran(creel_future *f)
{
	return creel_future_state(f) == CREEL_FUTURE_CANCELLED ||
	       (ct_is(CT_RANKS) && creel_future_result(f, CREEL_NOW, NULL, 0) == -ECANCELED);
}

unsigned ct_width(void)
{
	if (ct_is(CT_SYNC))
		return 0;
	if (under_test->max_workers > 0)
		return (unsigned)under_test->max_workers;
	return (unsigned)creel__cpus(NULL);
}

unsigned ct_many(unsigned n)
{
	return ct_is(CT_APART) ? n / 25 + 1 : n;
}

static int task_slow(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_task_sleep(task, creel_in_ms(20));
}

void ct_slow_down(creel_executor *ex)
{
	creel_future *slow[CT_WIDTH_MAX];
	if (!ct_is(CT_RANKS))
		return;
	for (unsigned i = 0; i < ct_width(); i++)
		slow[i] = creel_submit(ex, task_slow, NULL, 0);
	for (unsigned i = 0; i < ct_width(); i++) {
		ct_int(ct_outcome(slow[i]), 0);
		creel_future_unref(slow[i]);
	}
}

void ct_hold_n(struct ct_hold *h, creel_executor *ex, unsigned n)
{
	unsigned ahead = ct_is(CT_RANKS) ? ct_width() : 0;
	h->started = ct_count_new();
	h->gate = ct_count_new();
	h->n = n + ahead;
	h->blockers = calloc(h->n + 1, sizeof(creel_future *));
	ct_assert(h->blockers && h->n > 0);
	for (unsigned i = 0; i < h->n; i++)
		h->blockers[i] = ct_submit_gated(ex, h->started, h->gate, (long)i);
	/* All: a blocker that waits, be it behind another one or in a worker's batch, may be
	 * overtaken by what comes. */
	ct_count_await(h->started, n);
	for (unsigned i = 0; ahead && i < h->n; i++)
		ct_await_running(h->blockers[i]);
}

void ct_hold(struct ct_hold *h, creel_executor *ex)
{
	ct_slow_down(ex);
	ct_hold_n(h, ex, ct_width());
}

void ct_release(struct ct_hold *h)
{
	ct_open(h->gate);
	for (unsigned i = 0; i < h->n; i++) {
		/* A shutdown may have cancelled what was only sent ahead. */
		bool gone = ct_is(CT_RANKS) && ct_outcome(h->blockers[i]) == -ECANCELED;
		if (!gone)
			ct_int(ct_long(h->blockers[i]), i);
		creel_future_unref(h->blockers[i]);
	}
	free(h->blockers);
}

struct ct_thread {
	pthread_t thread;
	void *(*fn)(void *);
	void *arg;
	_Atomic int tid;
};

static void *thread_main(void *arg)
{
	struct ct_thread *t = arg;
	atomic_store(&t->tid, (int)syscall(SYS_gettid));
	return t->fn(t->arg);
}

struct ct_thread *ct_thread_start(void *(*fn)(void *arg), void *arg)
{
	struct ct_thread *t = calloc(1, sizeof *t);
	ct_assert(t != NULL);
	t->fn = fn;
	t->arg = arg;
	ct_int(pthread_create(&t->thread, NULL, thread_main, t), 0);
	return t;
}

int ct_thread_id(struct ct_thread *t)
{
	ct_until(atomic_load(&t->tid) != 0);
	return atomic_load(&t->tid);
}

void *ct_thread_join(struct ct_thread *t)
{
	void *result;
	pthread_join(t->thread, &result);
	free(t);
	return result;
}

int task_same(creel_task *task, const void *arg, size_t size)
{
	return size == sizeof(long) ? creel_return(task, arg, size) : -EMSGSIZE;
}

int task_fail(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return creel_fail(task, *(const int *)arg, "on purpose");
}

int task_gated(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct ct_gated *gated = arg;
	ct_count_add(gated->started, 1);
	ct_pass(gated->gate);
	return creel_return(task, &gated->value, sizeof gated->value);
}

creel_future *ct_submit_gated(creel_executor *ex, struct ct_count *started, struct ct_count *gate,
			      long value)
{
	struct ct_gated gated = {started, gate, value};
	return creel_submit(ex, task_gated, &gated, sizeof gated);
}

int task_log(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	const struct ct_logged *logged = arg;
	ct_log_add(logged->log, logged->value);
	return 0;
}

creel_future *ct_submit_log(creel_executor *ex, struct ct_log *log, long value)
{
	struct ct_logged logged = {log, value};
	return creel_submit(ex, task_log, &logged, sizeof logged);
}
