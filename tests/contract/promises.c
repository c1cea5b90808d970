/* SPDX-License-Identifier: MIT */
/* Promises 6 and 7: errors, and the promise side with its truth table in full. */
#include "contract.h"

#include <string.h>

/* Promise 6. */

static int fail_named(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_fail(task, -ENOSPC, "no room for %d of %s", 42, "them");
}

CASE(c06_an_error_says_what_failed_how_and_where, 0)
{
	creel_submit_options o = {.name = "packing"};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit_with(ex, fail_named, NULL, 0, &o);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	ct_int(e->kind, CREEL_KIND_FAILED);
	ct_int(e->code, -ENOSPC);
	ct_int(e->err, ENOSPC);
	ct_int(e->signal, 0);
	ct_int(e->exit_status, 0);
	ct_int(e->pid, 0);
	ct_text(e->task, "packing");
	ct_has(e->message, "no room for 42 of them");
	ct_assert(creel_error_cause(e, 0) == NULL);
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c06_a_future_has_one_error_object_that_outlives_its_executor, 0)
{
	int code = 12345;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_fail, &code, sizeof code);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	ct_assert(e != NULL);
	ct_close(ex);
	for (int i = 0; i < 10; i++)
		ct_assert(creel_future_error(f) == e);
	ct_int(e->code, 12345);
	ct_int(e->err, 0);
	ct_text(e->task, "");
	ct_has(e->message, "on purpose");
	creel_future_unref(f);
}

static int just_return(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return *(const int *)arg;
}

CASE(c06_a_code_alone_makes_an_error_with_a_message, 0)
{
	static const int codes[] = {-EIO,          1,          -1, 255, INT32_MAX, INT32_MIN,
				    CREEL_EFAILED, CREEL_EMPTY};
	creel_executor *ex = ct_executor();
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		creel_future *f = creel_submit(ex, just_return, &codes[i], sizeof codes[i]);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_FAILED);
		ct_int(creel_future_error(f)->code, codes[i]);
		ct_assert(creel_future_error(f)->message[0] != 0);
		creel_future_unref(f);
	}
	ct_close(ex);
}

static int fail_oddly(creel_task *task, const void *arg, size_t size)
{
	char text[5000];
	(void)arg;
	(void)size;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = 0;
	return creel_fail(task, 0, "%s", text);
}

CASE(c06_a_long_message_is_cut_and_a_code_of_zero_still_fails, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, fail_oddly, NULL, 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	ct_int(e->code, CREEL_EFAILED);
	ct_assert(strlen(e->message) >= 100 && strlen(e->message) < 4096);
	if (ct_is(CT_INPROC))
		ct_int(strlen(e->message), 4095);
	ct_has(e->message, "xxxxxxxxxx");
	creel_future_unref(f);
	ct_close(ex);
}

enum words {
	THEN_ZERO,      /* says why it fails, and returns 0 */
	THEN_A_RESULT,  /* says why, and has a result after all */
	THEN_NO_RESULT, /* says why, and the result that follows is refused */
	THEN_A_CODE,    /* says why, and returns another code */
	AFTER_A_RESULT, /* has a result, then says why */
};

static int task_says_why(creel_task *task, const void *arg, size_t size)
{
	enum words words = *(const enum words *)arg;
	int seven = 7;
	(void)size;
	if (words == AFTER_A_RESULT)
		creel_return(task, &seven, sizeof seven);
	creel_fail(task, -EIO, "said so");
	if (words == THEN_A_RESULT)
		return creel_return(task, &seven, sizeof seven);
	if (words == THEN_NO_RESULT)
		return creel_return(task, NULL, 5) == -EINVAL ? 0 : 1;
	return words == THEN_A_CODE ? -EPIPE : 0;
}

CASE(c06_a_task_that_said_why_it_fails_fails_whatever_it_returns, 0)
{
	static const int codes[] = {[THEN_ZERO] = -EIO,
				    [THEN_NO_RESULT] = -EIO,
				    [THEN_A_CODE] = -EPIPE,
				    [AFTER_A_RESULT] = -EIO};
	creel_executor *ex = ct_executor();
	for (enum words words = THEN_ZERO; words <= AFTER_A_RESULT; words++) {
		int r = 0;
		creel_future *f = creel_submit(ex, task_says_why, &words, sizeof words);
		int rc = creel_future_result(f, CT_GUARD, &r, sizeof r);
		if (words == THEN_A_RESULT) {
			ct_int(rc, 0);
			ct_int(r, 7);
		} else {
			ct_int(rc, CREEL_EFAILED);
			ct_int(creel_future_error(f)->code, codes[words]);
			ct_text(creel_future_error(f)->message, "said so");
		}
		creel_future_unref(f);
	}
	ct_close(ex);
}

static int task_fails_with_data(creel_task *task, const void *arg, size_t size)
{
	return creel_fail_with(task, -EIO, arg, size, "%zu bytes", size);
}

CASE(c06_an_error_carries_data, CT_INPROC)
{
	static const size_t sizes[] = {1, 30, 5000};
	creel_executor *ex = ct_executor();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		unsigned char data[5000];
		memset(data, 0x40 + (int)i, sizeof data);
		creel_future *f = creel_submit(ex, task_fails_with_data, data, sizes[i]);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		const creel_error *e = creel_future_error(f);
		ct_int(e->code, -EIO);
		ct_has(e->message, "bytes");
		ct_int(e->size, sizes[i]);
		ct_int((uintptr_t)e->data % 16, 0);
		ct_int(memcmp(e->data, data, sizes[i]), 0);
		creel_future_unref(f);
	}
	ct_close(ex);
}

CASE(c06_there_is_no_error_before_the_end_nor_after_success, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 1);
	ct_assert(creel_future_error(f) == NULL);
	ct_count_await(started, 1);
	ct_assert(creel_future_error(f) == NULL);
	ct_open(gate);
	ct_int(ct_long(f), 1);
	ct_assert(creel_future_error(f) == NULL);
	creel_future_unref(f);
	ct_close(ex);
}

CORE_CASE(c06_names_of_kinds_and_codes_are_never_null)
{
	for (int kind = -1; kind < 40; kind++)
		ct_assert(creel_kind_name(kind) != NULL);
	ct_has(creel_kind_name(CREEL_KIND_FAILED), "failed");
	ct_has(creel_kind_name(CREEL_KIND_WORKER_DIED), "worker died");
	ct_assert(
		strcmp(creel_kind_name(CREEL_KIND_SHUT_DOWN), creel_kind_name(CREEL_KIND_BROKEN)));
	for (int code = -5000; code < 10; code++)
		ct_assert(creel_code_name(code) != NULL);
	ct_text(creel_code_name(-ETIMEDOUT), "ETIMEDOUT");
	ct_text(creel_code_name(-EINVAL), "EINVAL");
	ct_text(creel_code_name(CREEL_EFAILED), "CREEL_EFAILED");
	ct_text(creel_code_name(CREEL_EMPTY), "CREEL_EMPTY");
	ct_text(creel_code_name(0), "0");
	ct_text(creel_version(), "0.1.0");
	ct_assert(creel_error_cause(NULL, 0) == NULL);
	ct_assert(creel_error_cause(NULL, SIZE_MAX) == NULL);
}

/* Promise 7. */

static creel_future *promise_in(int state)
{
	static const long first = 1;
	creel_future *f = creel_promise_new();
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	if (state == CREEL_FUTURE_RUNNING)
		ct_int(creel_promise_start(f), 0);
	if (state == CREEL_FUTURE_FINISHED)
		ct_int(creel_promise_set_result(f, &first, sizeof first), 0);
	if (state == CREEL_FUTURE_CANCELLED)
		ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_int(creel_future_state(f), state);
	return f;
}

static const int all_states[] = {CREEL_FUTURE_PENDING, CREEL_FUTURE_RUNNING, CREEL_FUTURE_FINISHED,
				 CREEL_FUTURE_CANCELLED};

CORE_CASE(c07_set_running_follows_the_truth_table)
{
	static const int says[] = {0, -EALREADY, -EALREADY, -ECANCELED};
	static const int after[] = {CREEL_FUTURE_RUNNING, CREEL_FUTURE_RUNNING,
				    CREEL_FUTURE_FINISHED, CREEL_FUTURE_CANCELLED};
	for (int i = 0; i < 4; i++) {
		creel_future *f = promise_in(all_states[i]);
		ct_int(creel_promise_start(f), says[i]);
		ct_int(creel_future_state(f), after[i]);
		creel_future_unref(f);
	}
}

static const int settle_says[] = {0, 0, -EALREADY, -ECANCELED};
static const int settle_after[] = {CREEL_FUTURE_FINISHED, CREEL_FUTURE_FINISHED,
				   CREEL_FUTURE_FINISHED, CREEL_FUTURE_CANCELLED};

CORE_CASE(c07_set_result_follows_the_truth_table)
{
	long second = 2;
	for (int i = 0; i < 4; i++) {
		creel_future *f = promise_in(all_states[i]);
		ct_int(creel_promise_set_result(f, &second, sizeof second), settle_says[i]);
		ct_int(creel_future_state(f), settle_after[i]);
		if (settle_after[i] == CREEL_FUTURE_FINISHED)
			ct_int(ct_long(f), settle_says[i] == 0 ? 2 : 1);
		creel_future_unref(f);
	}
}

CORE_CASE(c07_set_move_follows_the_truth_table_and_owns_only_what_it_took)
{
	long second = 2;
	for (int i = 0; i < 4; i++) {
		struct ct_count *freed = ct_count_new();
		creel_buffer buffer = {&second, sizeof second, buffer_free_count, freed};
		creel_future *f = promise_in(all_states[i]);
		ct_int(creel_promise_set_move(f, buffer), settle_says[i]);
		ct_int(creel_future_state(f), settle_after[i]);
		if (settle_after[i] == CREEL_FUTURE_FINISHED)
			ct_int(ct_long(f), settle_says[i] == 0 ? 2 : 1);
		ct_int(ct_count_get(freed), 0);
		creel_future_unref(f);
		ct_int(ct_count_get(freed), settle_says[i] == 0);
	}
}

CORE_CASE(c07_fail_follows_the_truth_table)
{
	for (int i = 0; i < 4; i++) {
		creel_future *f = promise_in(all_states[i]);
		ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, -EIO, NULL, 0, "no"),
		       settle_says[i]);
		ct_int(creel_future_state(f), settle_after[i]);
		if (settle_says[i] == 0) {
			ct_int(ct_outcome(f), CREEL_EFAILED);
			ct_int(creel_future_error(f)->kind, CREEL_KIND_FAILED);
		}
		creel_future_unref(f);
	}
}

CORE_CASE(c07_cancel_follows_the_truth_table)
{
	static const int says[] = {CREEL_CANCEL_NOW, CREEL_CANCEL_REQUESTED, CREEL_CANCEL_FINAL,
				   CREEL_CANCEL_NOW};
	static const int after[] = {CREEL_FUTURE_CANCELLED, CREEL_FUTURE_RUNNING,
				    CREEL_FUTURE_FINISHED, CREEL_FUTURE_CANCELLED};
	for (int i = 0; i < 4; i++) {
		creel_future *f = promise_in(all_states[i]);
		ct_int(creel_promise_cancelled(f), all_states[i] == CREEL_FUTURE_CANCELLED);
		ct_int(creel_future_cancel(f), says[i]);
		ct_int(creel_future_state(f), after[i]);
		ct_int(creel_promise_cancelled(f), all_states[i] != CREEL_FUTURE_FINISHED);
		creel_future_unref(f);
	}
}

CORE_CASE(c07_a_running_promise_can_be_settled_after_a_request_to_cancel)
{
	long done = 3;
	creel_future *f = promise_in(CREEL_FUTURE_RUNNING);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(creel_promise_set_result(f, &done, sizeof done), 0);
	ct_int(ct_long(f), 3);
	creel_future_unref(f);
}

CORE_CASE(c07_an_error_has_what_it_was_made_of)
{
	char text[] = "a message", data[] = "some data";
	creel_future *f = creel_promise_new();
	ct_int(creel_promise_fail(f, CREEL_KIND_TIMED_OUT, -EIO, data, sizeof data, "%s of %d",
				  text, 7),
	       0);
	memset(text, 'x', sizeof text - 1);
	memset(data, 'x', sizeof data - 1);
	const creel_error *e = creel_future_error(f);
	ct_int(e->kind, CREEL_KIND_TIMED_OUT);
	ct_int(e->code, -EIO);
	ct_int(e->err, EIO);
	ct_text(e->task, "");
	ct_text(e->message, "a message of 7");
	ct_int(e->size, sizeof data);
	ct_text(e->data, "some data");
	ct_int((uintptr_t)e->data % 16, 0);
	creel_future_unref(f);
}

CORE_CASE(c07_an_error_without_data_has_none)
{
	creel_future *f = creel_promise_new();
	ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, 0, NULL, 0, "no"), 0);
	ct_assert(creel_future_error(f)->data == NULL);
	ct_int(creel_future_error(f)->size, 0);
	ct_int(creel_future_error(f)->code, CREEL_EFAILED);
	creel_future_unref(f);
}

/* A message is whole up to 4,095 bytes; beyond, it says that it was cut. */
CORE_CASE(c07_a_long_message_is_whole_or_says_that_it_was_cut)
{
	static const int lengths[] = {0, 199, 200, 4095, 4096, 9000};
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		creel_future *f = creel_promise_new();
		ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, 1, NULL, 0, "%*s", lengths[i], ""),
		       0);
		const char *message = creel_future_error(f)->message;
		ct_int(strlen(message), lengths[i] < 4096 ? lengths[i] : 4095);
		ct_int(lengths[i] > 4095, strstr(message, "...") != NULL);
		creel_future_unref(f);
	}
}

CORE_CASE(bad_failing_a_promise_with_nonsense_is_refused)
{
	static const int kinds[] = {CREEL_KIND_NONE, -1, CREEL_KIND_CLOSED + 1, 12345};
	const char *volatile no_format = NULL; /* the compiler would warn */
	creel_future *p = creel_promise_new();
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		ct_int(creel_promise_fail(p, kinds[i], 1, NULL, 0, "no"), -EINVAL);
	ct_int(creel_promise_fail(p, CREEL_KIND_FAILED, 1, NULL, 3, "no"), -EINVAL);
	ct_int(creel_promise_fail(p, CREEL_KIND_FAILED, 1, &p, SIZE_MAX, "no"), -EINVAL);
	ct_int(creel_promise_fail(p, CREEL_KIND_FAILED, 1, NULL, 0, no_format, 1), -EINVAL);
	ct_int(creel_promise_fail(NULL, CREEL_KIND_FAILED, 1, NULL, 0, "no"), -EINVAL);
	ct_int(creel_future_state(p), CREEL_FUTURE_PENDING);
	ct_int(creel_promise_set_result(p, NULL, 0), 0);
	creel_future_unref(p);
}

CORE_CASE(c07_callbacks_run_within_the_call_that_settles)
{
	struct ct_count *done = ct_count_new();
	creel_future *f = creel_promise_new();
	ct_int(creel_future_on_done(f, NULL, done_count, done, free_count, NULL), 0);
	ct_int(creel_promise_start(f), 0);
	ct_int(ct_count_get(done), 0);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_int(ct_count_get(done), 2);
	creel_future_unref(f);
}

struct contest {
	creel_future *f;
	struct ct_count *ready, *start;
	long value;
	int said;
};

static void *settle(void *arg)
{
	struct contest *c = arg;
	ct_count_add(c->ready, 1);
	ct_pass(c->start);
	if (c->value == 0)
		c->said = creel_future_cancel(c->f) == CREEL_CANCEL_NOW ? 0 : -EALREADY;
	else if (c->value == 1)
		c->said = creel_promise_fail(c->f, CREEL_KIND_FAILED, 1, NULL, 0, "no");
	else
		c->said = creel_promise_set_result(c->f, &c->value, sizeof c->value);
	return NULL;
}

CORE_CASE(c07_of_several_that_settle_at_once_one_wins)
{
	enum { RIVALS = 4 };
	unsigned rounds = ct_scaled(100);
	for (unsigned round = 0; round < rounds; round++) {
		struct ct_count *ready = ct_count_new(), *start = ct_count_new();
		struct ct_count *done = ct_count_new();
		struct contest rivals[RIVALS];
		struct ct_thread *threads[RIVALS];
		creel_future *f = creel_promise_new();
		int winner = -1;
		ct_int(creel_future_on_done(f, NULL, done_count, done, NULL, NULL), 0);
		for (int i = 0; i < RIVALS; i++) {
			rivals[i] = (struct contest){f, ready, start, i, 0};
			threads[i] = ct_thread_start(settle, &rivals[i]);
		}
		ct_count_await(ready, RIVALS);
		ct_open(start);
		for (int i = 0; i < RIVALS; i++) {
			ct_thread_join(threads[i]);
			if (rivals[i].said == 0) {
				ct_int(winner, -1);
				winner = i;
			} else {
				ct_assert(rivals[i].said == -EALREADY ||
					  rivals[i].said == -ECANCELED);
			}
		}
		ct_assert(winner >= 0);
		ct_int(ct_count_get(done), 1);
		ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), winner == 0   ? -ECANCELED
								   : winner == 1 ? CREEL_EFAILED
										 : 0);
		if (winner > 1)
			ct_int(ct_long(f), winner);
		creel_future_unref(f);
	}
}

CASE(c07_what_an_executor_runs_is_not_a_promise, 0)
{
	long value = 4;
	struct ct_count *freed = ct_count_new();
	creel_buffer buffer = {&value, sizeof value, buffer_free_count, freed};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_double, &value, sizeof value);
	for (int i = 0; i < 2; i++) {
		ct_int(creel_promise_start(f), -EINVAL);
		ct_int(creel_promise_set_result(f, &value, sizeof value), -EINVAL);
		ct_int(creel_promise_set_move(f, buffer), -EINVAL);
		ct_int(creel_promise_fail(f, CREEL_KIND_FAILED, 1, NULL, 0, "no"), -EINVAL);
		ct_int(ct_long(f), 8);
	}
	ct_int(ct_count_get(freed), 0);
	creel_future_unref(f);
	ct_close(ex);
}

CORE_CASE(c07_a_waiter_gets_what_another_thread_promises)
{
	unsigned rounds = ct_scaled(200);
	for (unsigned i = 0; i < rounds; i++) {
		struct ct_count *ready = ct_count_new(), *start = ct_count_new();
		struct contest c = {creel_promise_new(), ready, start, 41, 0};
		creel_future *mine = creel_future_ref(c.f);
		struct ct_thread *thread = ct_thread_start(settle, &c);
		ct_open(start);
		ct_int(ct_long(mine), 41);
		creel_future_unref(mine);
		ct_thread_join(thread);
		creel_future_unref(c.f);
	}
}
