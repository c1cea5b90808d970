/* SPDX-License-Identifier: MIT */
/* Promises 11 and 17: shutting down in time with much pending, and ending what runs. */
#include "contract.h"

enum { MANY = 2000 };

struct until {
	struct ct_count *started;
	bool stubborn; /* does not ask whether it is to stop */
};

/* Runs until it is asked to stop. */
static int task_until_cancelled(creel_task *task, const void *arg, size_t size)
{
	const struct until *u = arg;
	(void)size;
	ct_count_add(u->started, 1);
	while (u->stubborn || !creel_task_cancelled(task))
		ct_breathe();
	return creel_return(task, &(long){1}, sizeof(long));
}

struct call {
	creel_executor *ex;
	struct until arg;
};

/* Elsewhere, since an inline executor runs the task in here. */
static void *submit_until_asked(void *arg)
{
	struct call *c = arg;
	return creel_submit(c->ex, task_until_cancelled, &c->arg, sizeof c->arg);
}

/* A task that KILL has ended: killed with its process, or by its own will. */
static void check_ended(creel_future *f)
{
	long one = 0;
	int rc = creel_future_result(f, CT_GUARD, &one, sizeof one);
	if (ct_is(CT_INPROC)) {
		ct_int(rc, 0);
		ct_int(one, 1);
	} else {
		ct_int(rc, CREEL_EFAILED);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_KILLED);
	}
	creel_future_unref(f);
}

CASE(c17_kill_ends_what_runs, 0)
{
	size_t left = 9;
	struct call c = {ct_executor(), {ct_count_new(), !ct_is(CT_INPROC)}};
	struct ct_thread *t = ct_thread_start(submit_until_asked, &c);
	ct_count_await(c.arg.started, 1);
	ct_int(creel_executor_shutdown(c.ex, CREEL_SHUTDOWN_KILL, CT_GUARD, &left), 0);
	ct_int(left, 0);
	check_ended(ct_thread_join(t));
	ct_close(c.ex);
}

CASE(c17_kill_includes_cancel, CT_ASYNC)
{
	creel_future *futures[20];
	struct until u = {ct_count_new(), !ct_is(CT_INPROC)};
	unsigned cancelled = 0, width = ct_width();
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 20; i++)
		futures[i] = creel_submit(ex, task_until_cancelled, &u, sizeof u);
	ct_count_await(u.started, 1);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL, CT_GUARD, NULL), 0);
	for (int i = 0; i < 20; i++) {
		if (ct_never_ran(futures[i])) {
			cancelled++;
			creel_future_unref(futures[i]);
		} else {
			check_ended(futures[i]);
		}
	}
	ct_assert(cancelled >= 20 - width);
	ct_close(ex);
}

CASE(c17_a_second_shutdown_may_add_killing, CT_ASYNC)
{
	struct until u = {ct_count_new(), !ct_is(CT_INPROC)};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_until_cancelled, &u, sizeof u);
	ct_count_await(u.started, 1);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL | CREEL_SHUTDOWN_CANCEL, CT_GUARD,
				       NULL),
	       0);
	check_ended(f);
	ct_close(ex);
}

/* A broken executor takes the flag as it takes the others. */
CORE_CASE(c17_a_broken_executor_can_be_killed)
{
	creel_executor *ex = creel_executor_new(NULL, NULL);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL, CREEL_NOW, NULL), 0);
	ct_int(creel_executor_shutdown(ex, 8, CREEL_NOW, NULL), -EINVAL);
	creel_executor_unref(ex);
}

static unsigned told;

static int ops_submit(void *self, creel_task *task)
{
	(void)self;
	(void)creel_task_run(task);
	return 0;
}

static void ops_shutdown(void *self, unsigned flags)
{
	told = flags;
	creel_executor_shutdown(self, flags, CREEL_NOW, NULL);
}

static void ops_destroy(void *self)
{
	creel_executor_unref(self);
}

/* An adaptor passes the flags on to the executor beneath. */
CASE(c17_operations_of_a_custom_executor_get_both_flags, CT_ASYNC)
{
	static const creel_executor_ops ops = {.size = sizeof ops,
					       .submit = ops_submit,
					       .shutdown = ops_shutdown,
					       .destroy = ops_destroy};
	struct until u = {ct_count_new(), !ct_is(CT_INPROC)};
	creel_executor *beneath = ct_executor();
	creel_executor *ex = creel_executor_new(&ops, creel_executor_ref(beneath));
	creel_future *f = creel_submit(beneath, task_until_cancelled, &u, sizeof u);
	ct_count_await(u.started, 1);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL, CT_GUARD, NULL), 0);
	ct_int(told, CREEL_SHUTDOWN_KILL | CREEL_SHUTDOWN_CANCEL);
	check_ended(f);
	ct_close(ex);
	ct_close(beneath);
}

struct item {
	struct until until;
	bool fails;
};

static int task_item(creel_task *task, const void *arg, size_t size)
{
	const struct item *i = arg;
	if (!i->fails)
		return task_until_cancelled(task, &i->until, size);
	ct_count_await(i->until.started, 1);
	return -EIO;
}

static void start_map(struct item items[2], creel_executor *ex, creel_mapping **ret_map,
		      unsigned flags)
{
	struct until u = {ct_count_new(), !ct_is(CT_INPROC)};
	items[0] = (struct item){u, false};
	items[1] = (struct item){u, true};
	*ret_map = creel_map(ex, task_item, items, sizeof items[0], 2,
			     &(creel_map_options){.flags = CREEL_KILL_REST | flags});
}

CASE(c11_kill_rest_ends_the_items_that_run_when_one_fails, CT_PARALLEL)
{
	struct item items[2];
	creel_mapping *map;
	creel_future *f = NULL;
	size_t index = 9;
	creel_executor *ex = ct_executor();
	start_map(items, ex, &map, CREEL_AS_COMPLETED);
	ct_int(creel_map_next(map, CT_GUARD, &f, &index), CREEL_EFAILED);
	ct_int(index, 1);
	creel_future_unref(f);
	/* Nobody has the other one's future. */
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	creel_map_end(map);
	ct_close(ex);
}

CASE(c11_kill_rest_ends_the_items_that_run_when_the_map_ends, CT_PARALLEL)
{
	struct item items[2];
	creel_mapping *map;
	creel_future *f = NULL;
	creel_executor *ex = ct_executor();
	start_map(items, ex, &map, CREEL_AS_COMPLETED | CREEL_KEEP_GOING);
	ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
	creel_future_unref(f);
	creel_map_end(map);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_close(ex);
}

struct slow {
	struct ct_count *gate, *freed;
	unsigned waits_at;
};

/* The first one takes a while, and the one in the middle as long as the gate is shut. */
static void free_slowly(void *data, size_t size, void *ctx)
{
	struct slow *s = ctx;
	(void)data;
	(void)size;
	uint32_t nth = ct_count_add(s->freed, 1);
	/* Longer than a shutdown whose time is over goes on by itself. */
	creel_deadline over = creel_in_ms(nth == 1 ? 3 : 0);
	while (nth == 1 && creel_now().ns <= over.ns)
		ct_breathe();
	if (nth == s->waits_at)
		ct_pass(s->gate);
}

static void submit_many(creel_executor *ex, struct slow *s, creel_future **futures)
{
	creel_submit_options options = {.arg_free = free_slowly, .arg_ctx = s};
	for (long i = 0; i < MANY; i++)
		futures[i] = creel_submit_with(ex, task_same, &i, sizeof i, &options);
}

static void all_cancelled(creel_future **futures)
{
	for (int i = 0; i < MANY; i++) {
		ct_int(creel_future_result(futures[i], CT_GUARD, NULL, 0), -ECANCELED);
		creel_future_unref(futures[i]);
	}
}

/* It would wait at the gate if it cancelled all of them itself. */
CASE(c17_a_shutdown_whose_time_is_over_leaves_the_rest_to_another_thread, CT_COUNTS)
{
	struct ct_hold hold;
	static creel_future *futures[MANY];
	struct slow s = {ct_count_new(), ct_count_new(), MANY - 10};
	size_t left = 0;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	submit_many(ex, &s, futures);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), -ETIMEDOUT);
	ct_assert(left > hold.n);
	ct_open(s.gate);
	all_cancelled(futures);
	ct_int(ct_count_get(s.freed), MANY);
	ct_release(&hold);
	ct_close(ex);
}

CASE(c17_the_last_reference_may_go_while_the_rest_is_cancelled, CT_COUNTS)
{
	struct ct_hold hold;
	static creel_future *futures[MANY];
	struct slow s = {ct_count_new(), ct_count_new(), MANY - 10};
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	submit_many(ex, &s, futures);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	creel_executor_unref(ex);
	ct_open(s.gate);
	all_cancelled(futures);
	ct_release(&hold);
}

CASE(c17_without_a_thread_for_the_rest_shutdown_cancels_it_itself, CT_POOL)
{
	struct ct_hold hold;
	static creel_future *futures[MANY];
	struct slow s = {ct_count_new(), ct_count_new(), 0};
	size_t left = 0;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	submit_many(ex, &s, futures);
	ct_fault_arm(CT_FAULT_THREAD, 1, true);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), -ETIMEDOUT);
	ct_assert(ct_fault_failed() > 0);
	ct_fault_off();
	ct_int(left, hold.n);
	ct_int(ct_count_get(s.freed), MANY);
	all_cancelled(futures);
	ct_release(&hold);
	ct_close(ex);
}
