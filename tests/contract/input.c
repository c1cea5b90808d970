/* SPDX-License-Identifier: MIT */
/* What submissions, results, callbacks and counts get for bad input,
 * and the rules that hold everywhere. */
#include "contract.h"

#include <stdio.h>
#include <string.h>

/* Every way of submitting it is refused, in these words. */
static void refuse(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
		   const creel_submit_options *o, const char *says)
{
	creel_future *none = NULL;
	ct_int(creel_try_submit(ex, fn, arg, size, o, &none), -EINVAL);
	ct_assert(none == NULL);
	creel_future *f = creel_submit_with(ex, fn, arg, size, o);
	ct_assert(f != NULL);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_REJECTED);
	ct_int(creel_future_error(f)->code, -EINVAL);
	ct_text(creel_future_error(f)->message, says);
	creel_future_unref(f);
	ct_int(creel_spawn(ex, fn, arg, size, o), -EINVAL);
}

CASE(bad_a_submission_without_a_function_is_rejected, 0)
{
	struct ct_count *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *ex = ct_executor();
	refuse(ex, NULL, NULL, 0, NULL, "submit: the function is NULL");
	refuse(ex, NULL, &freed, sizeof freed, &o, "submit: the function is NULL");
	/* creel_submit_with() and creel_spawn() freed it, creel_try_submit() did not. */
	ct_int(ct_count_get(freed), 2);
	ct_close(ex);
}

CASE(bad_sizes_that_overflow_are_rejected, 0)
{
	char byte = 0;
	creel_executor *ex = ct_executor();
	static const size_t sizes[] = {SIZE_MAX - 1, SIZE_MAX - 16, SIZE_MAX - 128,
				       SIZE_MAX / 2 + 1};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char says[200];
		snprintf(says, sizeof says,
			 "submit: an argument of %zu bytes is larger than any object; "
			 "was a negative number passed as its size?",
			 sizes[i]);
		refuse(ex, task_nothing, &byte, sizes[i], NULL, says);
		refuse(ex, task_nothing, NULL, sizes[i], NULL, says);
	}
	refuse(ex, task_nothing, NULL, 8, NULL,
	       "submit: the argument is NULL but its size is 8; pass size 0 for no argument");
	ct_close(ex);
}

CASE(bad_submit_flags_and_reserved_fields_are_rejected, 0)
{
	creel_executor *ex = ct_executor();
	char says[200];
	for (int bit = 30; bit < 32; bit++) {
		creel_submit_options o = {.flags = 1u << bit};
		snprintf(says, sizeof says,
			 "submit: flags of creel_submit_options is 0x%x; use CREEL_FIXED_RATE, "
			 "CREEL_STAY or 0",
			 o.flags);
		refuse(ex, task_nothing, NULL, 0, &o, says);
	}
	for (size_t i = 0; i < sizeof((creel_submit_options *)0)->reserved / 8; i++) {
		creel_submit_options o = {0};
		o.reserved[i] = 2 + i;
		snprintf(says, sizeof says,
			 "submit: reserved[%zu] of creel_submit_options is %zu, not 0; initialise "
			 "the options with {0} or designated initializers",
			 i, 2 + i);
		refuse(ex, task_nothing, NULL, 0, &o, says);
	}
	creel_submit_options odd = {.overflow = 7};
	refuse(ex, task_nothing, NULL, 0, &odd,
	       "submit: overflow is 7; use 0, CREEL_OVERFLOW_BLOCK, CREEL_OVERFLOW_FAIL or "
	       "CREEL_OVERFLOW_CALLER");
	creel_submit_options rest = {.reserved32 = 7};
	refuse(ex, task_nothing, NULL, 0, &rest,
	       "submit: reserved32 of creel_submit_options is 7, not 0; initialise the options "
	       "with {0} or designated initializers");
	creel_submit_options negative = {.limit_ns = -7};
	refuse(ex, task_nothing, NULL, 0, &negative,
	       "submit: limit_ns is -7; use 0 for none, or a duration");
	ct_close(ex);
}

CASE(bad_a_time_limit_where_nobody_can_be_killed_is_rejected, CT_INPROC)
{
	struct ct_count *ran = ct_count_new();
	creel_submit_options o = {.limit_ns = 1000000000};
	creel_future *none = NULL;
	creel_executor *ex = ct_executor();
	ct_int(creel_try_submit(ex, task_count, &ran, sizeof ran, &o, &none), -ENOTSUP);
	ct_assert(none == NULL);
	creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_REJECTED);
	ct_int(creel_future_error(f)->code, -ENOTSUP);
	ct_text(creel_future_error(f)->message,
		"submit: limit_ns needs a process pool: a thread cannot be stopped from outside");
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

CORE_CASE(bad_no_executor_at_all_is_rejected_and_harmless)
{
	struct ct_count *ran = ct_count_new();
	refuse(NULL, task_count, &ran, sizeof ran, NULL, "submit: the executor is NULL");
	ct_assert(creel_executor_ref(NULL) == NULL);
	creel_executor_unref(NULL);
	ct_int(creel_executor_close(NULL), 0);
	ct_int(ct_count_get(ran), 0);
}

static int return_too_much(creel_task *task, const void *arg, size_t size)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 8, SIZE_MAX - 64, SIZE_MAX - 128,
				       SIZE_MAX / 2 + 1};
	long small = 6;
	(void)arg;
	(void)size;
	int rc = creel_return(task, &small, sizeof small);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && rc == 0; i++) {
		if (creel_return_reserve(task, sizes[i]))
			return 1;
		if (creel_return(task, &small, sizes[i]) == 0)
			return 2;
	}
	return rc;
}

CASE(bad_results_whose_size_overflows_leave_the_result_as_it_was, 0)
{
	creel_executor *ex = ct_executor();
	ct_int(ct_long_drop(creel_submit(ex, return_too_much, NULL, 0)), 6);
	ct_close(ex);
}

CORE_CASE(bad_callbacks_are_refused_and_keep_their_argument)
{
	struct ct_count *freed = ct_count_new();
	creel_future *f = creel_promise_new();
	uint64_t id = 44;
	ct_int(creel_future_on_done(NULL, NULL, done_count, freed, free_count, &id), -EINVAL);
	ct_int(creel_future_on_done(f, NULL, NULL, freed, free_count, &id), -EINVAL);
	ct_int(id, 44);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_int(ct_count_get(freed), 0);
	creel_future_unref(f);
}

CASE(bad_stats_without_room_are_refused, 0)
{
	creel_stats stats;
	creel_executor *ex = ct_executor();
	memset(&stats, 0x5a, sizeof stats);
	ct_int(creel_executor_stats(ex, NULL, sizeof stats), -EINVAL);
	ct_int(creel_executor_stats(ex, &stats, 0), -EINVAL);
	ct_assert(stats.pending == UINT64_C(0x5a5a5a5a5a5a5a5a));
	/* A caller that knows fewer fields gets those. */
	ct_int(creel_executor_stats(ex, &stats, sizeof stats.pending), 0);
	ct_int(stats.pending, 0);
	ct_assert(stats.running == UINT64_C(0x5a5a5a5a5a5a5a5a));
	ct_close(ex);
}

CASE(bad_sizes_to_resize_to_are_refused, 0)
{
	creel_executor *ex = ct_executor();
	if (ct_is(CT_RESIZES)) {
		ct_int(creel_executor_resize(ex, 0), -EINVAL);
		ct_int(creel_executor_resize(ex, -1), -EINVAL);
		ct_int(creel_executor_resize(ex, 2), 0);
		ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
		ct_int(creel_executor_resize(ex, 2), -ESHUTDOWN);
	} else {
		ct_int(creel_executor_resize(ex, 2), -ENOTSUP);
	}
	ct_close(ex);
}

CASE(rule_every_call_preserves_errno, 0)
{
	struct ct_count *ran = ct_count_new();
	creel_stats stats;
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(NULL);
	creel_future *pending = creel_promise_new(), *taken = NULL;
	errno = 4242;
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(errno, 4242);
	creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_result(pending, creel_in_ms(1), NULL, 0);
	creel_wait(&pending, 1, CREEL_ALL_COMPLETED, creel_in_ms(1), NULL);
	ct_int(errno, 4242);
	creel_queue_fd(q);
	creel_queue_add(q, f, NULL);
	creel_queue_take(q, CREEL_NOW, &taken, NULL);
	creel_future_unref(taken);
	taken = NULL;
	creel_queue_take(q, creel_in_ms(1), &taken, NULL);
	ct_int(errno, 4242);
	creel_executor_stats(ex, &stats, sizeof stats);
	creel_executor_resize(ex, 2);
	creel_executor_drain(ex, creel_in_ms(1));
	creel_future_cancel(pending);
	ct_int(errno, 4242);
	creel_future_unref(f);
	creel_future_unref(pending);
	creel_queue_unref(q);
	creel_executor_close(ex);
	ct_int(errno, 4242);
}

CASE(rule_counts_are_exact_when_the_executor_is_quiet, CT_COUNTS)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	creel_stats s;
	creel_future *cancelled[5];
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	for (int i = 0; i < 5; i++)
		cancelled[i] = ct_submit_count(ex, ran);
	for (int i = 0; i < 10; i++)
		creel_future_unref(ct_submit_count(ex, ran));
	ct_int(creel_executor_stats(ex, &s, sizeof s), 0);
	ct_int(s.pending + s.running, 15 + hold.n);
	for (int i = 0; i < 5; i++) {
		ct_int(creel_future_cancel(cancelled[i]), CREEL_CANCEL_NOW);
		creel_future_unref(cancelled[i]);
	}
	ct_release(&hold);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(creel_executor_stats(ex, &s, sizeof s), 0);
	ct_int(s.pending, 0);
	ct_int(s.running, 0);
	ct_int(s.done, 15 + hold.n);
	ct_int(s.cancelled, 5);
	ct_int(s.died, 0);
	ct_assert(s.workers >= 1 && s.workers <= ct_width());
	ct_assert(s.started >= s.workers);
	ct_int(ct_count_get(ran), 10);
	ct_close(ex);
}
