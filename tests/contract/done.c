/* SPDX-License-Identifier: MIT */
/* Promise 5, of callbacks with options: those that run on their executor or not at all. */
#include "contract.h"

static void note_task(creel_future *f, void *arg)
{
	(void)f;
	ct_log_add(arg, creel_task_current() != NULL);
}

static struct ct_count *freed;

static void count_freed(void *arg)
{
	(void)arg;
	ct_count_add(freed, 1);
}

static const creel_done_options never_inline = {.flags = CREEL_NEVER_INLINE, .free = count_freed};

CASE(c05_a_callback_that_is_never_inline_runs_on_its_executor, CT_INPROC)
{
	struct ct_log *log = ct_log_new(4);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	uint64_t id = 0;
	freed = ct_count_new();
	ct_int(creel_future_on_done_with(f, ex, note_task, log, &never_inline, &id), 0);
	ct_assert(id != 0);
	ct_int(creel_future_on_done_with(f, ex, note_task, log, NULL, NULL), 0);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_close(ex);
	ct_int(log->n, 2);
	ct_int(log->entry[0], 1);
	ct_int(log->entry[1], 1);
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
}

CASE(c05_a_callback_that_is_never_inline_does_not_run_where_its_executor_refuses_it, CT_INPROC)
{
	struct ct_log *log = ct_log_new(4);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	uint64_t id = 0;
	freed = ct_count_new();
	ct_int(creel_future_on_done_with(f, ex, note_task, log, &never_inline, &id), 0);
	/* What comes behind it is called all the same. */
	ct_int(creel_future_on_done(f, NULL, note_task, log, NULL, NULL), 0);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_int(log->n, 1);
	ct_int(log->entry[0], 0);
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_future_remove(f, id), CREEL_CALLBACK_DONE);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c05_a_callback_that_is_never_inline_does_not_run_where_its_task_is_cancelled,
     CT_INPROC | CT_ASYNC)
{
	struct ct_log *log = ct_log_new(4);
	struct ct_hold hold;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	freed = ct_count_new();
	ct_hold(&hold, ex);
	ct_int(creel_future_on_done_with(f, ex, note_task, log, &never_inline, NULL), 0);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	(void)creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	ct_release(&hold);
	ct_close(ex);
	ct_int(log->n, 0);
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
}

CASE(bad_options_of_callbacks_are_refused_and_keep_their_argument, CT_INPROC)
{
	struct ct_log *log = ct_log_new(4);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	uint64_t id = 44;
	freed = ct_count_new();
	creel_done_options flags = {.flags = 2, .free = count_freed};
	creel_done_options rest = {.reserved32 = 7, .free = count_freed};
	creel_done_options last = {.free = count_freed};
	last.reserved[3] = 1;
	ct_int(creel_future_on_done_with(f, ex, note_task, log, &flags, &id), -EINVAL);
	ct_int(creel_future_on_done_with(f, ex, note_task, log, &rest, &id), -EINVAL);
	ct_int(creel_future_on_done_with(f, ex, note_task, log, &last, &id), -EINVAL);
	ct_int(creel_future_on_done_with(f, NULL, note_task, log, &never_inline, &id), -EINVAL);
	ct_int(creel_future_on_done_with(NULL, ex, note_task, log, NULL, &id), -EINVAL);
	ct_int(creel_future_on_done_with(f, ex, NULL, log, NULL, &id), -EINVAL);
	ct_int(id, 44);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_close(ex);
	ct_int(log->n, 0);
	ct_int(ct_count_get(freed), 0);
	creel_future_unref(f);
}

static void refuses_callbacks(creel_executor *ex, creel_future *f)
{
	struct ct_log *log = ct_log_new(4);
	uint64_t id = 44;
	ct_assert(creel_executor_error(ex) != NULL);
	ct_int(creel_future_on_done(f, ex, note_task, log, count_freed, &id), CREEL_EFAILED);
	ct_int(creel_future_on_done_with(f, ex, note_task, log, &never_inline, &id), CREEL_EFAILED);
	ct_int(id, 44);
	ct_int(log->n, 0);
	ct_close(ex);
}

/* It might be a driven one, whose callbacks run on its thread or not at all. */
CASE(bad_executors_that_could_not_be_made_take_no_callbacks, CT_INPROC)
{
	creel_executor *ex = ct_executor(), *bad;
	creel_future *f = creel_future_of(NULL, 0);
	creel_driven_options o = {0};
	freed = ct_count_new();
	o.reserved[0] = 1;
	bad = creel_driven_new(&o);
	refuses_callbacks(creel_serial_new(bad), f);
	refuses_callbacks(bad, f);
	refuses_callbacks(creel_semaphore_new(ex, 0), f);
	ct_int(ct_count_get(freed), 0);
	creel_future_unref(f);
	ct_close(ex);
}
