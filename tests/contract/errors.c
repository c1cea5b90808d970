/* SPDX-License-Identifier: MIT */
/* Promises 6 and 19: an error says all that was said, wherever the task ran, and names the task. */
#include "contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a task is to say: so many letters, and so many bytes of data. */
struct saying {
	size_t letters, bytes;
	int code;
};

static char letter_at(size_t i)
{
	return (char)('a' + i % 23);
}

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 7 + i / 256);
}

static char *letters_new(size_t n)
{
	char *text = calloc(n + 1, 1);
	for (size_t i = 0; text && i < n; i++)
		text[i] = letter_at(i);
	return text;
}

static int task_say(creel_task *task, const void *arg, size_t size)
{
	struct saying s;
	memcpy(&s, arg, size);
	char *text = letters_new(s.letters);
	unsigned char *data = malloc(s.bytes + 1);
	if (!text || !data)
		return -ENOMEM;
	for (size_t i = 0; i < s.bytes; i++)
		data[i] = byte_at(i);
	int code = creel_fail_with(task, s.code, data, s.bytes, "%s", text);
	free(text);
	free(data);
	return code;
}

static void check_data(const creel_error *e, size_t bytes)
{
	ct_int(e->size, bytes);
	ct_int((uintptr_t)e->data % 16, 0);
	ct_int(e->data == NULL, bytes == 0);
	const unsigned char *data = e->data;
	for (size_t i = 0; i < bytes; i++)
		if (data[i] != byte_at(i))
			ct_fail(__FILE__, __LINE__, "byte %zu of %zu is wrong", i, bytes);
}

static void check_said(creel_executor *ex, const struct saying *s)
{
	char *text = letters_new(s->letters);
	creel_future *f = creel_submit_with(ex, task_say, s, sizeof *s,
					    &(creel_submit_options){.name = "sayer"});
	ct_int(ct_outcome(f), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	ct_int(e->kind, CREEL_KIND_FAILED);
	ct_int(e->code, s->code);
	ct_int(e->err, -s->code);
	ct_text(e->task, "sayer");
	ct_text(e->message, text);
	check_data(e, s->bytes);
	creel_future_unref(f);
	free(text);
}

CASE(c06_what_a_task_says_of_its_failure_arrives_whole, 0)
{
	static const size_t letters[] = {0,   1,   15,  16,  199,  200, 239,
					 240, 254, 255, 256, 1000, 4095};
	static const size_t bytes[] = {0, 1, 16, 17, 224, 240, 256, 5000, 100000};
	creel_executor *ex = ct_executor();
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		for (size_t k = 0; k < sizeof bytes / sizeof bytes[0]; k++)
			check_said(ex, &(struct saying){letters[i], bytes[k], -EIO});
	ct_close(ex);
}

CASE(c06_a_message_that_was_cut_says_so, 0)
{
	static const size_t letters[] = {4096, 4097, 9000};
	creel_executor *ex = ct_executor();
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
		struct saying s = {letters[i], 40, -EIO};
		creel_future *f = creel_submit(ex, task_say, &s, sizeof s);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		const creel_error *e = creel_future_error(f);
		ct_int(strlen(e->message), 4095);
		ct_text(e->message + 4092, "...");
		check_data(e, s.bytes);
		creel_future_unref(f);
	}
	ct_close(ex);
}

static int task_say_last(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	creel_fail_with(task, -EIO, arg, 8, "the first");
	return creel_fail(task, -ENXIO, "the last of %d", 2);
}

CASE(c06_the_last_that_was_said_counts_with_its_data, 0)
{
	char large[3000] = {0};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_say_last, large, sizeof large);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -ENXIO);
	ct_text(creel_future_error(f)->message, "the last of 2");
	check_data(creel_future_error(f), 0);
	creel_future_unref(f);
	ct_close(ex);
}

/* An executor whose initializer may say why it fails. */

struct initial {
	struct ct_count *gate; /* opened when the pool has its tasks */
	int returns;
	bool says;
	size_t letters;
};

static int initialize(void *ctx, unsigned worker, void **ret_local)
{
	const struct initial *i = ctx;
	(void)ret_local;
	ct_pass(i->gate);
	if (i->says) {
		char *text = letters_new(i->letters);
		creel_fail_with(NULL, -ENOENT, "ledger", 7, "worker %u: %s", worker, text);
		free(text);
	}
	return i->returns;
}

/* Its first worker has the number 0. */
static void check_initial(const struct initial *i, int code, const char *says)
{
	creel_executor *ex = ct_initialized(initialize, (void *)(uintptr_t)i);
	creel_future *queued = creel_submit(ex, task_nothing, NULL, 0);
	creel_future *named = creel_submit_with(ex, task_nothing, NULL, 0,
						&(creel_submit_options){.name = "entry"});
	ct_open(i->gate);
	ct_int(ct_outcome(queued), CREEL_EFAILED);
	ct_int(ct_outcome(named), CREEL_EFAILED);
	const creel_error *e[] = {creel_future_error(queued), creel_future_error(named),
				  creel_executor_error(ex)};
	for (int k = 0; k < 3; k++) {
		ct_int(e[k]->kind, CREEL_KIND_BROKEN);
		ct_int(e[k]->code, code);
		ct_text(e[k]->message, says);
		ct_text(e[k]->task, k == 1 ? "entry" : "");
		if (i->says)
			ct_text(e[k]->data, "ledger");
		else
			check_data(e[k], 0);
	}
	ct_assert(creel_error_cause(e[1], 0) == e[2]);
	creel_future_unref(queued);
	creel_future_unref(named);
	creel_future *later = creel_submit(ex, task_nothing, NULL, 0);
	ct_text(creel_future_error(later)->message, says);
	ct_int(creel_future_error(later)->code, code);
	creel_future_unref(later);
	ct_close(ex);
}

CASE(c19_an_initializer_says_why_it_failed, CT_COUNTS)
{
	struct initial *i = ct_shared(sizeof *i);
	*i = (struct initial){ct_count_new(), -EIO, true, 3};
	check_initial(i, -EIO, "the initializer of worker 0 failed: worker 0: abc");
}

CASE(c19_an_initializer_that_says_why_has_failed_whatever_it_returns, CT_COUNTS)
{
	struct initial *i = ct_shared(sizeof *i);
	*i = (struct initial){ct_count_new(), 0, true, 1};
	check_initial(i, -ENOENT, "the initializer of worker 0 failed: worker 0: a");
}

CASE(c19_an_initializer_that_only_returns_a_code_fails_with_that, CT_COUNTS)
{
	struct initial *i = ct_shared(sizeof *i);
	*i = (struct initial){ct_count_new(), -ENODEV, false, 0};
	check_initial(i, -ENODEV,
		      "the initializer of worker 0 returned -19 (ENODEV); the pool is of no use "
		      "any more");
}

CASE(c19_what_an_initializer_says_may_be_long, CT_COUNTS)
{
	struct initial *i = ct_shared(sizeof *i);
	*i = (struct initial){ct_count_new(), 0, true, 4000};
	char *text = letters_new(4000);
	char all[4100];
	snprintf(all, sizeof all, "the initializer of worker 0 failed: worker 0: %s", text);
	free(text);
	check_initial(i, -ENOENT, all);
}

/* Nobody hears it, and it does no harm. */
CASE(bad_saying_why_without_a_task_outside_of_an_initializer, 0)
{
	creel_executor *ex = ct_executor();
	ct_int(creel_fail(NULL, -EIO, "nobody"), -EIO);
	ct_int(creel_fail_with(NULL, 0, "x", 1, "nobody"), CREEL_EFAILED);
	long two = 2;
	ct_int(ct_long_drop(creel_submit(ex, task_double, &two, sizeof two)), 4);
	ct_close(ex);
}

/* Names. */

CASE(c06_the_error_of_a_cancelled_task_names_it, CT_ASYNC)
{
	char large[200] = {0};
	struct ct_hold hold;
	creel_submit_options named = {.name = "cancelled one"}, unnamed = {.name = NULL};
	struct ct_count *freed = ct_count_new();
	creel_submit_options owned = {
		.name = "owner", .arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f[] = {
		creel_submit_with(ex, task_nothing, NULL, 0, &named),
		creel_submit_with(ex, task_echo, large, sizeof large, &named),
		creel_submit_with(ex, task_nothing, NULL, 0, &unnamed),
		creel_submit_with(ex, task_echo, large, 32, &owned),
	};
	const char *names[] = {"cancelled one", "cancelled one", "", "owner"};
	for (int i = 0; i < 4; i++) {
		ct_int(creel_future_cancel(f[i]), CREEL_CANCEL_NOW);
		const creel_error *e = creel_future_error(f[i]);
		ct_int(e->kind, CREEL_KIND_CANCELLED);
		ct_int(e->code, -ECANCELED);
		ct_int(e->err, ECANCELED);
		ct_text(e->task, names[i]);
		ct_text(e->message, "cancelled before it started");
		ct_assert(creel_future_error(f[i]) == e);
		ct_int(creel_future_result(f[i], CREEL_NOW, NULL, 0), -ECANCELED);
		creel_future_unref(f[i]);
	}
	ct_int(ct_count_get(freed), 1);
	ct_release(&hold);
	ct_close(ex);
}

CASE(c17_a_shutdown_that_cancels_names_the_tasks, CT_ASYNC)
{
	struct ct_hold hold;
	creel_submit_options named = {.name = "waiting"};
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0, &named);
	(void)creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	ct_release(&hold);
	ct_int(ct_outcome(f), -ECANCELED);
	ct_text(creel_future_error(f)->task, "waiting");
	creel_future_unref(f);
	ct_close(ex);
}

/* The hook of a pool hears of queued tasks that fail because the pool breaks. */

static void count_unread(void *ctx, const creel_error *error)
{
	const struct initial *i = ctx;
	(void)error;
	ct_count_add(i->gate, 1);
}

CASE(c19_failures_of_a_broken_pool_that_nobody_reads_are_told, CT_COUNTS)
{
	struct initial *i = ct_shared(sizeof *i);
	*i = (struct initial){ct_count_new(), -EIO, true, 3};
	creel_executor *ex = ct_initialized_told(initialize, count_unread, i);
	ct_int(creel_spawn(ex, task_nothing, NULL, 0, NULL), 0);
	ct_int(creel_spawn(ex, task_nothing, NULL, 0, &(creel_submit_options){.name = "b"}), 0);
	ct_open(i->gate);
	ct_count_await(i->gate, 3);
	ct_close(ex);
}

/* Maps. */

static int task_refuse_odd(creel_task *task, const void *arg, size_t size)
{
	long n;
	memcpy(&n, arg, sizeof n);
	if (n % 2)
		return creel_fail_with(task, -EDOM, &n, sizeof n, "%ld is odd", n);
	return creel_return(task, arg, size);
}

CASE(c11_a_map_tells_the_error_of_the_item_that_it_gave_last, 0)
{
	static const long items[] = {0, 1, 2, 3, 4};
	creel_submit_options named = {.name = "item"};
	creel_map_options o = {.flags = CREEL_KEEP_GOING, .submit = &named};
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map(ex, task_refuse_odd, items, sizeof items[0], 5, &o);
	for (long i = 0; i < 5; i++) {
		creel_future *f;
		ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
		creel_future_unref(f);
		const creel_error *e = creel_map_error(map);
		ct_int(e != NULL, i % 2);
		if (!e)
			continue;
		ct_text(e->message, i == 1 ? "1 is odd" : "3 is odd");
		ct_text(e->task, "item");
		ct_int(e->code, -EDOM);
		ct_int(*(const long *)e->data, i);
	}
	creel_future *none = NULL;
	ct_int(creel_map_next(map, CT_GUARD, &none, NULL), CREEL_EMPTY);
	ct_assert(creel_map_error(map) == NULL);
	creel_map_end(map);
	ct_close(ex);
}

CASE(c11_the_error_that_ends_a_map_is_told_by_it, 0)
{
	static const long items[] = {0, 1, 2};
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map(ex, task_refuse_odd, items, sizeof items[0], 3, NULL);
	creel_future *f;
	ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
	creel_future_unref(f);
	ct_assert(creel_map_error(map) == NULL);
	ct_int(creel_map_next(map, CT_GUARD, &f, NULL), CREEL_EFAILED);
	creel_future_unref(f);
	ct_text(creel_map_error(map)->message, "1 is odd");
	ct_close(ex);
	ct_text(creel_map_error(map)->message, "1 is odd");
	creel_map_end(map);
}

/* Promise 54: stopping on request. */

struct stopping {
	struct ct_count *started;
	bool says;
	int code;
};

static int task_stop_when_asked(creel_task *task, const void *arg, size_t size)
{
	const struct stopping *s = arg;
	(void)size;
	ct_open(s->started);
	while (!creel_task_cancelled(task))
		ct_breathe();
	return s->says ? creel_fail(task, s->code, "stopped at item 5") : s->code;
}

/* Returns the future of a task that has stopped. */
static creel_future *stopped(creel_executor *ex, bool says, int code)
{
	struct stopping s = {ct_count_new(), says, code};
	creel_future *f = creel_submit_with(ex, task_stop_when_asked, &s, sizeof s,
					    &(creel_submit_options){.name = "stopper"});
	ct_pass(s.started);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	(void)ct_outcome(f);
	return f;
}

CASE(c54_a_task_that_stops_when_asked_ends_as_cancelled, CT_ASYNC)
{
	static const char *const words[] = {"the task stopped when it was asked to",
					    "stopped at item 5"};
	creel_executor *ex = ct_executor();
	for (int says = 0; says < 2; says++) {
		creel_future *f = stopped(ex, says, -ECANCELED);
		ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
		ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ECANCELED);
		ct_int(creel_future_view(f, CREEL_NOW, NULL, NULL), -ECANCELED);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_CANCELLED);
		ct_int(creel_future_error(f)->code, -ECANCELED);
		ct_text(creel_future_error(f)->task, "stopper");
		ct_text(creel_future_message(f, -ECANCELED), words[says]);
		creel_future_unref(f);
	}
	ct_close(ex);
}

CASE(c54_another_code_is_a_failure_and_so_is_stopping_unasked, CT_ASYNC)
{
	int code = -ECANCELED;
	creel_executor *ex = ct_executor();
	creel_future *f = stopped(ex, false, -EINTR);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_FAILED);
	creel_future_unref(f);
	f = creel_submit(ex, task_fail, &code, sizeof code);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_FAILED);
	ct_text(creel_future_error(f)->message, "on purpose");
	creel_future_unref(f);
	ct_close(ex);
}

static int initialize_nothing(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return 0;
}

CASE(c54_nobody_is_told_of_a_task_that_stopped_when_asked, CT_COUNTS)
{
	struct initial *i = ct_shared(sizeof *i);
	*i = (struct initial){ct_count_new(), 0, false, 0};
	creel_executor *ex = ct_initialized_told(initialize_nothing, count_unread, i);
	for (int says = 0; says < 2; says++) {
		struct stopping s = {ct_count_new(), says, says ? -ECANCELED : -EINTR};
		creel_future *f = creel_submit(ex, task_stop_when_asked, &s, sizeof s);
		ct_pass(s.started);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
		creel_future_unref(f);
		ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	}
	ct_close(ex);
	ct_int(ct_count_get(i->gate), 1);
}
