/* SPDX-License-Identifier: MIT */
/*
 * Promises 1, 2, 15 and 17 as a custom executor sees them: what the library asks of its operations,
 * and what it promises to whoever writes one.
 */
#include "contract.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* An executor that keeps what it gets until the test says what becomes of it. */
struct shelf {
	creel_task *tasks[64];
	unsigned n;
	int refuse; /* what submit says; 0: takes it */
	bool at_once;
	int withdraw_says;
	creel_task *withdrawn[64];
	unsigned withdraws, shutdowns, destroys;
	unsigned shutdown_flags[4];
};

static int shelf_submit(void *self, creel_task *task)
{
	struct shelf *s = self;
	if (s->refuse)
		return s->refuse;
	if (s->at_once) {
		creel_task_run(task);
		return 0;
	}
	s->tasks[s->n++] = task;
	return 0;
}

static int shelf_withdraw(void *self, creel_task *task)
{
	struct shelf *s = self;
	s->withdrawn[s->withdraws++] = task;
	for (unsigned i = 0; s->withdraw_says && i < s->n; i++)
		if (s->tasks[i] == task)
			s->tasks[i] = NULL;
	return s->withdraw_says;
}

static void shelf_shutdown(void *self, unsigned flags)
{
	struct shelf *s = self;
	s->shutdown_flags[s->shutdowns++ % 4] = flags;
}

static void shelf_destroy(void *self)
{
	struct shelf *s = self;
	s->destroys++;
}

static const creel_executor_ops shelf_ops = {.size = sizeof shelf_ops,
					     .submit = shelf_submit,
					     .withdraw = shelf_withdraw,
					     .shutdown = shelf_shutdown,
					     .destroy = shelf_destroy};

static creel_executor *shelf_new(struct shelf *s)
{
	creel_executor_ops ops = shelf_ops;
	memset(s, 0, sizeof *s);
	creel_executor *ex = creel_executor_new(&ops, s);
	/* They were copied. */
	memset(&ops, 0, sizeof ops);
	ct_assert(creel_executor_error(ex) == NULL);
	return ex;
}

CORE_CASE(c15_a_task_runs_when_its_executor_runs_it_and_not_before)
{
	struct shelf s;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = shelf_new(&s);
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(s.n, 1);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_executor_drain(ex, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel_task_run(s.tasks[0]), 0);
	ct_int(ct_long_drop(f), 1);
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	ct_close(ex);
	ct_int(s.destroys, 1);
}

CORE_CASE(c15_what_submit_refuses_is_rejected_with_its_code)
{
	static const int codes[] = {-EAGAIN, -ENOMEM, -EIO, -1};
	struct shelf s;
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *ex = shelf_new(&s);
	for (uint32_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		creel_future *none = NULL;
		s.refuse = codes[i];
		ct_int(creel_try_submit(ex, task_count, &ran, sizeof ran, &o, &none), codes[i]);
		ct_assert(none == NULL);
		ct_int(ct_count_get(freed), i);
		creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		ct_int(creel_future_error(f)->code, codes[i]);
		ct_int(ct_count_get(freed), i + 1);
		creel_future_unref(f);
	}
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
	ct_int(s.destroys, 1);
}

CORE_CASE(c15_a_task_that_is_rejected_fails_with_the_error_given)
{
	struct shelf s;
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	char text[] = "queue burnt down";
	creel_executor *ex = shelf_new(&s);
	creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	creel_future *g = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	creel_task_reject(s.tasks[0], CREEL_KIND_EXPIRED, -ETIME, "%s", text);
	creel_task_reject(s.tasks[1], 77, 0, NULL);
	memset(text, 'x', sizeof text - 1);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXPIRED);
	ct_int(creel_future_error(f)->code, -ETIME);
	ct_text(creel_future_error(f)->message, "queue burnt down");
	ct_int(creel_future_error(g)->kind, CREEL_KIND_REJECTED);
	ct_int(creel_future_error(g)->code, CREEL_EFAILED);
	ct_text(creel_future_error(g)->message, "the executor rejected the task");
	ct_int(ct_count_get(freed), 2);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

CORE_CASE(c15_a_task_may_run_within_submit)
{
	struct shelf s;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = shelf_new(&s);
	s.at_once = true;
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(ct_long_drop(f), 1);
	ct_close(ex);
}

CORE_CASE(c02_a_cancelled_task_is_withdrawn_and_never_comes_back)
{
	struct shelf s;
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *ex = shelf_new(&s);
	creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	creel_task *task = s.tasks[0];
	s.withdraw_says = 1;
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(s.withdraws, 1);
	ct_assert(s.withdrawn[0] == task);
	ct_int(ct_count_get(freed), 1);
	/* The library dropped it: nothing is in flight. */
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(s.destroys, 1);
	ct_int(ct_count_get(ran), 0);
}

CORE_CASE(c02_a_cancelled_task_that_cannot_be_withdrawn_is_found_cancelled)
{
	struct shelf s;
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *ex = shelf_new(&s);
	creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	creel_future *g = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(creel_future_cancel(g), CREEL_CANCEL_NOW);
	ct_int(s.withdraws, 2);
	creel_future_unref(f);
	ct_int(creel_task_run(s.tasks[0]), -ECANCELED);
	/* Rejecting changes nothing of what was cancelled. */
	creel_task_reject(s.tasks[1], 77, 0, NULL);
	ct_int(creel_future_state(g), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_error(g)->kind, CREEL_KIND_CANCELLED);
	creel_future_unref(g);
	ct_int(ct_count_get(freed), 2);
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

CORE_CASE(c02_a_task_that_has_ended_is_not_withdrawn)
{
	struct shelf s;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = shelf_new(&s);
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(creel_task_run(s.tasks[0]), 0);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_FINAL);
	ct_int(s.withdraws, 0);
	creel_future_unref(f);
	ct_close(ex);
}

CORE_CASE(c17_shutdown_is_passed_on_once_for_each_new_set_of_flags)
{
	struct shelf s;
	creel_executor *ex = shelf_new(&s);
	for (int i = 0; i < 3; i++)
		ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), 0);
	ct_int(s.shutdowns, 1);
	ct_int(s.shutdown_flags[0], 0);
	for (int i = 0; i < 3; i++)
		ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), 0);
	ct_int(s.shutdowns, 2);
	ct_assert(s.shutdown_flags[1] & CREEL_SHUTDOWN_CANCEL);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), 0);
	ct_int(s.shutdowns, 2);
	ct_close(ex);
	ct_int(s.shutdowns, 2);
	ct_int(s.destroys, 1);
}

CORE_CASE(c17_destroy_comes_once_after_the_last_task_and_the_last_reference)
{
	struct shelf s;
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = shelf_new(&s);
	creel_future *f = ct_submit_count(ex, ran), *g = ct_submit_count(ex, ran);
	creel_executor_unref(ex);
	ct_int(s.shutdowns, 1);
	ct_int(s.destroys, 0);
	ct_int(creel_task_run(s.tasks[0]), 0);
	ct_int(s.destroys, 0);
	ct_int(creel_task_run(s.tasks[1]), 0);
	ct_int(s.destroys, 1);
	ct_int(ct_long_drop(f), 1);
	ct_int(ct_long_drop(g), 2);
	ct_int(s.destroys, 1);
}

CORE_CASE(c17_a_shutdown_that_cancels_ends_what_a_custom_executor_holds)
{
	struct shelf s;
	struct ct_count *ran = ct_count_new();
	size_t left = 9;
	creel_executor *ex = shelf_new(&s);
	creel_future *f = ct_submit_count(ex, ran);
	int rc = creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left);
	ct_int(rc, left ? -ETIMEDOUT : 0);
	/* The executor itself has done nothing about it: it finds the task cancelled. */
	ct_int(creel_task_run(s.tasks[0]), -ECANCELED);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

CORE_CASE(bad_operations_make_a_broken_executor_and_self_is_left_alone)
{
	struct shelf s;
	creel_executor_ops good = shelf_ops;
	creel_executor_ops none = good, small = good, large = good, zero = good, odd = good;
	none.submit = NULL;
	small.size = sizeof(size_t);
	large.size = sizeof good + 4096;
	zero.size = 0;
	/* Half of a pointer would be called. */
	odd.size = offsetof(creel_executor_ops, withdraw) + sizeof(void *) / 2;
	const creel_executor_ops *bad[] = {NULL, &none, &small, &large, &zero, &odd};
	static const char form[] = "creel_executor_new: size of the operations is %zu; "
				   "set it to sizeof(creel_executor_ops)";
	static const char *const says[] = {"creel_executor_new: the operations are NULL",
					   "creel_executor_new: submit of the operations is NULL; "
					   "an executor has to have it"};
	char text[200];
	memset(&s, 0, sizeof s);
	for (int i = 0; i < 6; i++) {
		creel_executor *ex = creel_executor_new(bad[i], &s);
		ct_assert(ex != NULL);
		ct_assert(creel_executor_error(ex) != NULL);
		ct_int(creel_executor_error(ex)->code, -EINVAL);
		if (i >= 2)
			snprintf(text, sizeof text, form, bad[i]->size);
		ct_text(creel_executor_error(ex)->message, i < 2 ? says[i] : text);
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_BROKEN);
		creel_future_unref(f);
		ct_close(ex);
	}
	ct_int(s.destroys, 0);
	ct_int(s.shutdowns, 0);
}

/* What becomes of an executor whose last user has gone. */
struct orphan {
	creel_task *task;
	creel_future *f;
	unsigned destroys, gone;
	int withdraw_says;
};

static int orphan_submit(void *self, creel_task *task)
{
	((struct orphan *)self)->task = task;
	return 0;
}

static int orphan_withdraw(void *self, creel_task *task)
{
	(void)task;
	return ((struct orphan *)self)->withdraw_says;
}

static void orphan_await(void *self, creel_task *task, creel_deadline deadline)
{
	struct orphan *o = self;
	(void)deadline;
	(void)creel_task_settle(task, (creel_buffer){.data = NULL});
	o->gone += o->destroys;
}

static void orphan_destroy(void *self)
{
	((struct orphan *)self)->destroys++;
}

static const creel_executor_ops orphan_ops = {.size = sizeof orphan_ops,
					      .submit = orphan_submit,
					      .withdraw = orphan_withdraw,
					      .destroy = orphan_destroy};

CORE_CASE(c15_an_executor_lasts_until_its_await_has_returned)
{
	struct orphan o = {.destroys = 0};
	struct ct_count *ran = ct_count_new();
	creel_executor_ops ops = orphan_ops;
	ops.flags = CREEL_EXECUTOR_REMOTE;
	ops.await = orphan_await;
	creel_executor *ex = creel_executor_new(&ops, &o);
	creel_future *f = ct_submit_count(ex, ran);
	creel_executor_unref(ex);
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), 0);
	creel_future_unref(f);
	ct_int(o.gone, 0);
	ct_int(o.destroys, 1);
}

static void cancel_in_destructor(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	ct_int(creel_future_cancel(((struct orphan *)ctx)->f), CREEL_CANCEL_NOW);
}

CORE_CASE(c15_an_executor_goes_once_when_a_destructor_cancels_its_last_task)
{
	struct orphan o = {.withdraw_says = 1};
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_submit_options timed = {
		.arg_free = arg_free_count, .arg_ctx = freed, .expiry_ns = 1, .clock = clock};
	creel_submit_options outer = {.arg_free = cancel_in_destructor, .arg_ctx = &o};
	creel_executor *ex = creel_executor_new(&orphan_ops, &o), *in = creel_inline_new();
	o.f = creel_submit_with(ex, task_count, &ran, sizeof ran, &timed);
	creel_executor_unref(ex);
	creel_future_unref(creel_submit_with(in, task_count, &ran, sizeof ran, &outer));
	creel_future_unref(o.f);
	ct_int(ct_count_get(freed), 1);
	ct_int(o.destroys, 1);
	ct_close(in);
	creel_clock_unref(clock);
}

CORE_CASE(c15_only_a_remote_executor_says_that_a_task_has_started)
{
	struct orphan o = {.withdraw_says = CREEL_WITHDRAW_STARTED};
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = creel_executor_new(&orphan_ops, &o);
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	/* As after a 0: it still has the task. */
	ct_int(creel_task_run(o.task), -ECANCELED);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(o.destroys, 1);
}

static int task_looks_at_itself(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return creel_task_function(task) || creel_task_function(*(creel_task *const *)arg) ? -EIO
											   : 0;
}

static int task_holds_another(creel_task *task, const void *arg, size_t size)
{
	creel_executor *in = creel_inline_new();
	(void)arg;
	(void)size;
	creel_future *f = creel_submit(in, task_looks_at_itself, &task, sizeof task);
	int rc = ct_outcome(f);
	creel_future_unref(f);
	creel_executor_unref(in);
	return rc;
}

CORE_CASE(c15_a_task_that_runs_here_has_no_function)
{
	creel_executor *in = creel_inline_new();
	creel_future *f = creel_submit(in, task_holds_another, NULL, 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(in);
}

CORE_CASE(bad_operations_that_would_never_be_called)
{
	struct orphan o = {.destroys = 0};
	creel_executor_ops ops = orphan_ops;
	ops.await = orphan_await;
	creel_executor *ex = creel_executor_new(&ops, &o);
	ct_int(creel_executor_error(ex)->code, -EINVAL);
	ct_has(creel_executor_error(ex)->message, "set CREEL_EXECUTOR_REMOTE");
	ct_close(ex);
	ct_int(o.destroys, 0);
}

CORE_CASE(bad_flags_of_operations)
{
	struct orphan o = {.destroys = 0};
	creel_executor_ops ops = orphan_ops;
	ops.flags = 4;
	creel_executor *ex = creel_executor_new(&ops, &o);
	ct_int(creel_executor_error(ex)->code, -EINVAL);
	ct_has(creel_executor_error(ex)->message, "flags of the operations is 0x4");
	ct_close(ex);
}

CORE_CASE(c15_a_constructor_of_ones_own_says_why_it_fails)
{
	creel_executor *ex = creel_executor_failed(CREEL_KIND_NO_MEMORY, -ENOMEM, "no %s for %d",
						   "room", 3);
	ct_int(creel_executor_error(ex)->kind, CREEL_KIND_NO_MEMORY);
	ct_int(creel_executor_error(ex)->code, -ENOMEM);
	ct_text(creel_executor_error(ex)->message, "no room for 3");
	creel_future *f = creel_submit(ex, task_same, NULL, 0);
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), CREEL_EFAILED);
	ct_has(creel_future_error(f)->message, "no room for 3");
	creel_future_unref(f);
	ct_close(ex);
	ex = creel_executor_failed(-7, 0, NULL);
	ct_int(creel_executor_error(ex)->kind, CREEL_KIND_BROKEN);
	ct_int(creel_executor_error(ex)->code, CREEL_EFAILED);
	ct_text(creel_executor_error(ex)->message, "the executor could not be made");
	ct_close(ex);
}

static int vet_pointers(void *self, creel_fn fn, const void *arg, size_t size)
{
	(void)self;
	if (fn == task_fail)
		return -ENOEXEC;
	return size == CREEL_BY_REF && arg ? -EFAULT : 0;
}

CORE_CASE(bad_what_vet_refuses_is_said_as_a_pool_says_it)
{
	struct orphan o = {.destroys = 0};
	creel_executor_ops ops = orphan_ops;
	ops.vet = vet_pointers;
	creel_executor *ex = creel_executor_new(&ops, &o);
	creel_future *f = creel_submit(ex, task_same, &o, CREEL_BY_REF);
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_NOT_TRANSFERABLE);
	ct_has(creel_future_error(f)->message, "is not in the pool's shared memory");
	creel_future_unref(f);
	f = creel_submit(ex, task_fail, NULL, 0);
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -ENOEXEC);
	ct_has(creel_future_error(f)->message, "submit: the workers do not have");
	creel_future_unref(f);
	ct_close(ex);
	ct_int(o.destroys, 1);
}
