/* SPDX-License-Identifier: MIT */
/* Regressions: submissions that a custom executor refuses, with whatever code. */
#include "regress.h"

static int refuse(void *self, creel_task *task)
{
	(void)task;
	return *(const int *)self;
}

/* Refused with code: what a caller sees is seen. The executor stays usable. */
static void is_refused(int code, int seen, int kind)
{
	struct ct_count freed = {0};
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = &freed};
	creel_executor *ex = creel_executor_new(
		&(creel_executor_ops){.size = sizeof(creel_executor_ops), .submit = refuse}, &code);
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0), *none = NULL;
	creel_future *g = creel_submit_with(ex, task_nothing, &freed, CREEL_BY_REF, &o);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_error(f)->kind, kind);
	ct_int(creel_future_error(f)->code, seen);
	ct_has(creel_future_error(f)->message, "the executor refused the task");
	/* Not what a bad argument gets: there was nothing wrong with it. */
	ct_text(creel_future_error(g)->message, creel_future_error(f)->message);
	ct_int(ct_count_get(&freed), 1);
	ct_int(creel_try_submit(ex, task_nothing, NULL, 0, NULL, &none), seen);
	ct_assert(none == NULL);
	ct_int(creel_spawn(ex, task_nothing, NULL, 0, &o), seen);
	ct_int(ct_count_get(&freed), 2);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
	code = 0;
	close_now(ex);
}

/* The explanation looked for what was wrong in options that were not there. */
CT_TEST(regress_submit, one_refused_as_invalid_says_that_the_executor_did_it, 0)
{
	is_refused(-EINVAL, -EINVAL, CREEL_KIND_REJECTED);
}

/* A positive code went out as it came: neither 0 nor negative. */
CT_TEST(regress_submit, one_refused_with_a_positive_code_is_invalid, 0)
{
	is_refused(1, -EINVAL, CREEL_KIND_REJECTED);
	is_refused(EAGAIN, -EINVAL, CREEL_KIND_REJECTED);
}

/* The explanation quoted the error of a broken executor, which this one is not. */
CT_TEST(regress_submit, one_refused_as_if_by_a_broken_executor_has_an_error, 0)
{
	is_refused(CREEL_EFAILED, CREEL_EFAILED, CREEL_KIND_BROKEN);
}

/* An unknown code has no text of its own. */
CT_TEST(regress_submit, one_refused_with_a_code_of_the_users_keeps_it, 0)
{
	is_refused(-123456, -123456, CREEL_KIND_REJECTED);
}

/* The text was that of a pool which gives this code: that there is no thread,
 * no shared memory... */
CT_TEST(regress_submit, one_refused_with_a_code_of_the_pools_has_no_text_of_theirs, 0)
{
	static const int codes[] = {-EAGAIN, -ENOEXEC, -EFAULT, -ENOSPC, -ENOTSUP, -EPERM};
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		is_refused(codes[i], codes[i], CREEL_KIND_REJECTED);
}

/* Without an argument: a pointer passed by reference may be NULL. */
CT_TEST(regress_submit, a_null_by_reference_is_not_what_was_invalid, 0)
{
	int code = -EINVAL;
	creel_executor *ex = creel_executor_new(
		&(creel_executor_ops){.size = sizeof(creel_executor_ops), .submit = refuse}, &code);
	creel_future *f = creel_submit(ex, task_nothing, NULL, CREEL_BY_REF);
	ct_text(creel_future_error(f)->message, "submit: the executor refused the task as invalid");
	creel_future_unref(f);
	close_now(ex);
}

/* A callback whose executor refuses it like that comes on the completing thread. */
CT_TEST(regress_submit, a_callback_refused_with_any_code_is_called_after_all, 0)
{
	static const int codes[] = {-EINVAL, 1, CREEL_EFAILED};
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		struct told told = {{0}, {0}};
		int code = codes[i];
		creel_executor *ex = creel_executor_new(
			&(creel_executor_ops){.size = sizeof(creel_executor_ops), .submit = refuse},
			&code);
		creel_future *p = creel_promise_new();
		ct_int(creel_future_on_done(p, ex, note_call, &told, note_free, NULL), 0);
		ct_int(creel_promise_set_result(p, NULL, 0), 0);
		told_once(&told);
		creel_future_unref(p);
		close_now(ex);
	}
}
