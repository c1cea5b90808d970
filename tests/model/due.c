/* SPDX-License-Identifier: MIT */
/* Tasks that are not due: their time against cancelling, expiry, shutdown, the join of their scope
 * and the last reference to their executor; and tasks that sleep. */
#include "model.h"
#include <errno.h>

static creel_clock *clock_;
static creel_executor *ex;
static creel_future *f;
static int ran, freed, cancel_code;

static int task(creel_task *self, const void *arg, size_t size)
{
	(void)self;
	(void)arg;
	(void)size;
	ran++;
	return 0;
}

static void free_arg(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	(void)ctx;
	freed++;
}

static void setup(creel_executor *executor, creel_fn fn, creel_submit_options o)
{
	ran = freed = cancel_code = 0;
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	ex = executor;
	model_name(ex, "executor");
	o.clock = clock_;
	o.arg_free = free_arg;
	f = creel_submit_with(ex, fn, NULL, CREEL_BY_REF, &o);
}

static void setup_inline(creel_submit_options o)
{
	setup(creel_inline_new(), task, o);
}

static void advance(void *arg)
{
	(void)arg;
	model_check(creel_clock_advance(clock_, 10) == 0);
}

static void cancel(void *arg)
{
	(void)arg;
	cancel_code = creel_future_cancel(f);
}

static void drop(void *arg)
{
	(void)arg;
	creel_executor_unref(ex);
}

/* It has ended once, and all agree on how. Drops what there is. */
static int outcome(void)
{
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(freed == 1);
	model_check((rc == 0) == (ran > 0));
	model_check((rc == -ECANCELED) == (cancel_code == CREEL_CANCEL_NOW));
	creel_future_unref(f);
	return rc;
}

static void due_against_cancel(void)
{
	setup_inline((creel_submit_options){.delay_ns = 10});
	int other = model_spawn(advance, NULL);
	cancel(NULL);
	model_join(other);
	(void)outcome();
	creel_executor_unref(ex);
	creel_clock_unref(clock_);
}

static void due_against_the_last_unref(void)
{
	setup_inline((creel_submit_options){.delay_ns = 10});
	int other = model_spawn(advance, NULL);
	drop(NULL);
	model_join(other);
	(void)outcome();
	creel_clock_unref(clock_);
}

static void cancel_against_the_last_unref(void)
{
	setup_inline((creel_submit_options){.delay_ns = 10});
	int other = model_spawn(cancel, NULL);
	drop(NULL);
	model_join(other);
	(void)outcome();
	creel_clock_unref(clock_);
}

static void due_cancel_and_the_last_unref(void)
{
	setup_inline((creel_submit_options){.delay_ns = 10});
	int a = model_spawn(advance, NULL), b = model_spawn(cancel, NULL);
	drop(NULL);
	model_join(a);
	model_join(b);
	(void)outcome();
	creel_clock_unref(clock_);
}

static void shut(void *arg)
{
	(void)arg;
	model_check(creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL) == 0);
}

static void due_cancel_and_shutdown(void)
{
	setup_inline((creel_submit_options){.delay_ns = 10, .expiry_ns = 20});
	int a = model_spawn(advance, NULL), b = model_spawn(shut, NULL);
	cancel(NULL);
	model_join(a);
	model_join(b);
	(void)outcome();
	creel_executor_unref(ex);
	creel_clock_unref(clock_);
}

static void drop_the_clock(void *arg)
{
	(void)arg;
	creel_clock_unref(clock_);
}

static void clock_against_cancel_and_unref(void)
{
	setup_inline((creel_submit_options){.delay_ns = 10});
	int other = model_spawn(drop_the_clock, NULL), b = model_spawn(cancel, NULL);
	drop(NULL);
	model_join(other);
	model_join(b);
	(void)outcome();
}

/* On a pool: a worker starts it, or it expires in the queue; and somebody cancels it. */
static void expiry(bool cancels)
{
	setup(creel_thread_pool_new(
		      &(creel_thread_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER}),
	      task, (creel_submit_options){.expiry_ns = 10});
	int other = model_spawn(advance, NULL);
	if (cancels)
		cancel(NULL);
	model_join(other);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(freed == 1 && (rc == 0) == (ran == 1));
	if (rc == CREEL_EFAILED)
		model_check(creel_future_error(f)->kind == CREEL_KIND_EXPIRED);
	creel_future_unref(f);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(clock_);
}

static void expiry_against_start(void)
{
	expiry(false);
}

static void expiry_start_and_cancel(void)
{
	expiry(true);
}

/* The time comes when the task has gone. */
static void expiry_after_the_end(void)
{
	setup_inline((creel_submit_options){.expiry_ns = 10});
	model_check(outcome() == 0);
	advance(NULL);
	creel_executor_unref(ex);
	creel_clock_unref(clock_);
}

/* A time that is too large never comes. */
static void huge(void)
{
	setup_inline((creel_submit_options){.delay_ns = INT64_MAX});
	model_check(creel_future_state(f) == CREEL_FUTURE_PENDING && ran == 0);
	advance(NULL);
	model_check(creel_future_state(f) == CREEL_FUTURE_PENDING && ran == 0);
	cancel(NULL);
	(void)outcome();
	creel_executor_unref(ex);
	creel_clock_unref(clock_);
}

/* Two runs are due; cancelling comes between two, or during one. */
static void series(void (*by)(void *arg))
{
	setup_inline(
		(creel_submit_options){.delay_ns = 5, .period_ns = 5, .flags = CREEL_FIXED_RATE});
	int other = model_spawn(advance, NULL);
	by(NULL);
	model_join(other);
	if (by == cancel)
		creel_executor_unref(ex);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	model_check(freed == 1 && ran <= 2);
	if (cancel_code == CREEL_CANCEL_NOW)
		model_check(rc == -ECANCELED);
	creel_future_unref(f);
	creel_clock_unref(clock_);
}

static void series_against_cancel(void)
{
	series(cancel);
}

static void series_against_the_last_unref(void)
{
	series(drop);
}

static int task_sleep(creel_task *self, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	ran++;
	f = creel_task_future(self);
	cancel_code = creel_task_sleep(self, creel_clock_in(clock_, 10));
	return 0;
}

static creel_executor *scope;

static void cancel_scope(void *arg)
{
	(void)arg;
	model_check(creel_scope_cancel(scope) == 0);
}

static void join_against_cancel(void)
{
	creel_executor *beneath = creel_inline_new();
	scope = creel_scope_new(beneath, 0);
	setup(scope, task, (creel_submit_options){.delay_ns = 10});
	int other = model_spawn(cancel_scope, NULL);
	model_check(creel_scope_join(scope, CREEL_FOREVER) == -ECANCELED);
	model_check(creel_future_state(f) == CREEL_FUTURE_FINISHED);
	model_join(other);
	model_check(outcome() != 0 && ran == 0);
	creel_executor_unref(scope);
	creel_executor_unref(beneath);
	creel_clock_unref(clock_);
}

static creel_future *sleeper;

static void ask(void *arg)
{
	(void)arg;
	(void)creel_future_cancel(sleeper);
}

/* On a pool, whose worker sleeps: asked to stop while the time comes. */
static void sleep_against_ask_and_time(void)
{
	ran = 0;
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	ex = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER});
	sleeper = creel_submit_with(ex, task_sleep, NULL, 0,
				    &(creel_submit_options){.clock = clock_});
	int a = model_spawn(ask, NULL);
	advance(NULL);
	model_join(a);
	int rc = creel_future_result(sleeper, CREEL_FOREVER, NULL, 0);
	model_check((rc == 0) == (ran == 1));
	if (ran) {
		model_check(cancel_code == 0 || cancel_code == -ECANCELED);
		creel_future_unref(f);
	}
	creel_future_unref(sleeper);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(clock_);
}

static int waited_code;

static void wait_for_it(void *arg)
{
	(void)arg;
	waited_code = creel_future_result(f, CREEL_FOREVER, NULL, 0);
}

/* It is due, and the system has no thread; a waiter may run it before it is refused. */
static void due_and_refused(void)
{
	setup(creel_thread_pool_new(
		      &(creel_thread_pool_options){.max_workers = 1, .help = CREEL_HELP_ANY}),
	      task, (creel_submit_options){.delay_ns = 10});
	int other = model_spawn(wait_for_it, NULL);
	advance(NULL);
	model_join(other);
	model_check(freed == 1 && (waited_code == 0) == (ran == 1));
	model_check(waited_code == 0 ||
		    (model_refused_threads() > 0 && creel_future_error(f)->code == -EAGAIN));
	model_check(creel_executor_drain(ex, CREEL_FOREVER) == 0);
	creel_future_unref(f);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(clock_);
}

static creel_task *shelf;

static int keep(void *self, creel_task *task_)
{
	(void)self;
	shelf = task_;
	return 0;
}

/* Whoever cancels a finally only asks it; meanwhile it expires. */
static void a_finally_asked_and_expired(void)
{
	const creel_executor_ops ops = {.size = sizeof ops, .submit = keep};
	ran = 0;
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	ex = creel_executor_new(&ops, NULL);
	creel_future *input = creel_future_of(NULL, 0);
	f = creel_finally_with(input, ex, task, NULL, 0,
			       &(creel_submit_options){.clock = clock_, .expiry_ns = 10});
	int other = model_spawn(cancel, NULL);
	advance(NULL);
	model_join(other);
	(void)creel_task_run(shelf);
	model_check(ran == 0);
	model_check(creel_future_error(f)->kind == CREEL_KIND_EXPIRED);
	creel_future_unref(f);
	creel_future_unref(input);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(clock_);
}

static struct model_gate kept;

static int keep_and_tell(void *self, creel_task *task_)
{
	(void)keep(self, task_);
	model_gate_open(&kept);
	return 0;
}

static void run_kept(void *arg)
{
	(void)arg;
	model_gate_wait(&kept);
	advance(NULL);
	(void)creel_task_run(shelf);
}

/* A run of a series ends, and the next one is due, while its giver is still at it. */
static void a_giver_against_the_next_run(void)
{
	const creel_executor_ops ops = {.size = sizeof ops, .submit = keep_and_tell};
	ran = freed = 0;
	kept.open = 0;
	clock_ = creel_clock_new(CREEL_CLOCK_MANUAL);
	ex = creel_executor_new(&ops, NULL);
	int other = model_spawn(run_kept, NULL);
	f = creel_submit_with(ex, task, NULL, 0,
			      &(creel_submit_options){.clock = clock_,
						      .flags = CREEL_FIXED_RATE,
						      .period_ns = 10,
						      .arg_free = free_arg});
	model_join(other);
	/* The second run was due when the first one ended. */
	model_check(ran == 1);
	(void)creel_task_run(shelf);
	model_check(ran == 2);
	model_check(creel_future_cancel(f) == CREEL_CANCEL_NOW);
	model_check(freed == 1);
	creel_future_unref(f);
	model_check(creel_executor_close(ex) == 0);
	creel_clock_unref(clock_);
}

const struct model_scenario model_scenarios[] = {
	{"due against cancel", due_against_cancel, .preemptions = 3, .spurious = 1, .stale = 1},
	{"due against the last unref", due_against_the_last_unref, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"cancel against the last unref", cancel_against_the_last_unref, .preemptions = 3,
	 .spurious = 1, .stale = 1},
	{"due, cancel and the last unref", due_cancel_and_the_last_unref, .preemptions = 2},
	{"due, cancel and shutdown", due_cancel_and_shutdown, .preemptions = 2},
	{"the clock, cancel and the last unref", clock_against_cancel_and_unref, .preemptions = 2},
	{"expiry against the start", expiry_against_start, .preemptions = 2},
	{"expiry, start and cancel", expiry_start_and_cancel, .preemptions = 1},
	{"expiry after the end", expiry_after_the_end, .preemptions = 0},
	{"a huge delay", huge, .preemptions = 0},
	{"a series against cancel", series_against_cancel, .preemptions = 2},
	{"a series against the last unref", series_against_the_last_unref, .preemptions = 2},
	{"due, and no thread", due_and_refused, .preemptions = 2, .thread_failures = 1},
	{"a join against the cancel of its scope", join_against_cancel, .preemptions = 2},
	{"a sleep, asked and over", sleep_against_ask_and_time, .preemptions = 2},
	{"a finally, asked and expired", a_finally_asked_and_expired, .preemptions = 2},
	{"a giver against the next run", a_giver_against_the_next_run, .preemptions = 2},
	{0},
};
