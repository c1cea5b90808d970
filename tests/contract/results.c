/* SPDX-License-Identifier: MIT */
/* Promise 3: arguments go in and results come out whole, to any thread, as often as it likes. */
#include "contract.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void fill(unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 31 + size);
}

/* The sizes around everything that may be inline, and some that are not. */
static const size_t sizes[] = {0,   1,   7,   8,   15,   16,   17,   23,   24,    31,     32,
			       33,  40,  47,  48,  49,   63,   64,   65,   96,    127,    128,
			       129, 255, 256, 257, 1000, 4095, 4096, 4097, 65536, 100001, 1 << 20};

CASE(c03_arguments_and_results_of_every_size_arrive_whole, 0)
{
	unsigned char *bytes = malloc(1 << 20), *back = malloc(1 << 20);
	creel_executor *ex = ct_executor();
	ct_assert(bytes && back);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		const void *view = bytes;
		size_t size = 1;
		fill(bytes, sizes[i]);
		creel_future *f = creel_submit(ex, task_echo, sizes[i] ? bytes : NULL, sizes[i]);
		memset(bytes, 0, sizes[i]);
		ct_int(creel_future_view(f, CT_GUARD, &view, &size), 0);
		ct_int(size, sizes[i]);
		ct_int(creel_future_result(f, CREEL_NOW, back, size), 0);
		fill(bytes, size);
		ct_assert(size == 0 ? view == NULL : memcmp(view, bytes, size) == 0);
		ct_assert(memcmp(back, bytes, size) == 0);
		creel_future_unref(f);
	}
	ct_close(ex);
	free(bytes);
	free(back);
}

static int say_alignment(creel_task *task, const void *arg, size_t size)
{
	int off = (int)((uintptr_t)arg % 16);
	int seen[2] = {off, (int)size};
	return creel_return(task, seen, sizeof seen);
}

CASE(c03_a_copied_argument_is_16_byte_aligned, 0)
{
	char odd[300] = {0};
	creel_executor *ex = ct_executor();
	for (int size = 1; size < 299; size += 7) {
		int seen[2] = {-1, -1};
		creel_future *f = creel_submit(ex, say_alignment, odd + 1, (size_t)size);
		ct_int(creel_future_result(f, CT_GUARD, seen, sizeof seen), 0);
		ct_int(seen[0], 0);
		ct_int(seen[1], size);
		creel_future_unref(f);
	}
	ct_close(ex);
}

struct reference {
	const void *arg;
	size_t size;
};

static int say_reference(creel_task *task, const void *arg, size_t size)
{
	struct reference seen = {arg, size};
	return creel_return(task, &seen, sizeof seen);
}

CASE(c03_an_argument_by_reference_is_the_pointer_itself, CT_INPROC)
{
	static int thing;
	struct reference seen = {NULL, 0};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, say_reference, &thing, CREEL_BY_REF);
	ct_int(creel_future_result(f, CT_GUARD, &seen, sizeof seen), 0);
	ct_assert(seen.arg == &thing);
	ct_assert(seen.size == CREEL_BY_REF);
	creel_future_unref(f);
	f = creel_submit(ex, say_reference, NULL, CREEL_BY_REF);
	ct_int(creel_future_result(f, CT_GUARD, &seen, sizeof seen), 0);
	ct_assert(seen.arg == NULL);
	creel_future_unref(f);
	f = creel_submit(ex, say_reference, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &seen, sizeof seen), 0);
	ct_int(seen.size, 0);
	creel_future_unref(f);
	ct_close(ex);
}

static int reserve_alignment(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	size_t wanted = *(const size_t *)arg;
	unsigned char *p = creel_return_reserve(task, wanted);
	if (!p)
		return -ENOMEM;
	if ((uintptr_t)p % 64)
		return 64;
	fill(p, wanted);
	return 0;
}

CASE(c03_a_reserved_result_is_64_byte_aligned_and_written_in_place, 0)
{
	unsigned char *should = malloc(1 << 20);
	creel_executor *ex = ct_executor();
	ct_assert(should != NULL);
	for (size_t i = 1; i < sizeof sizes / sizeof sizes[0]; i++) {
		const void *view = NULL;
		size_t size = 0;
		creel_future *f = creel_submit(ex, reserve_alignment, &sizes[i], sizeof sizes[i]);
		ct_int(creel_future_view(f, CT_GUARD, &view, &size), 0);
		ct_int(size, sizes[i]);
		fill(should, size);
		ct_assert(memcmp(view, should, size) == 0);
		creel_future_unref(f);
	}
	ct_close(ex);
	free(should);
}

CASE(c03_a_buffer_of_the_wrong_size_gets_nothing, 0)
{
	long value = 21, small = 77;
	long two[2] = {77, 77};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_double, &value, sizeof value);
	ct_int(ct_outcome(f), 0);
	ct_int(creel_future_result(f, CREEL_NOW, &small, sizeof small - 1), -EMSGSIZE);
	ct_int(creel_future_result(f, CREEL_NOW, two, sizeof two), -EMSGSIZE);
	ct_int(creel_future_result(f, CREEL_NOW, &small, 0), -EMSGSIZE);
	ct_int(small, 77);
	ct_int(two[0], 77);
	ct_int(ct_long_drop(f), 42);
	f = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(ct_outcome(f), 0);
	ct_int(creel_future_result(f, CREEL_NOW, &small, sizeof small), -EMSGSIZE);
	ct_int(small, 77);
	creel_future_unref(f);
	ct_close(ex);
}

static int return_twice(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct ct_count *const *freed = arg;
	creel_buffer buffer = {*freed, 8, buffer_free_count, *freed};
	long last = 2;
	int rc = creel_return(task, "a first result that is longer than what is inline: 48", 54);
	void *p = creel_return_reserve(task, 5000);
	if (rc || !p)
		return -ENOMEM;
	memset(p, 1, 5000);
	rc = creel_return_move(task, buffer);
	return rc ? rc : creel_return(task, &last, sizeof last);
}

CASE(c03_a_second_result_replaces_the_first, CT_INPROC)
{
	struct ct_count *freed = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, return_twice, &freed, sizeof freed);
	ct_int(ct_long(f), 2);
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(freed), 1);
}

static int return_and_fail(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct ct_count *const *freed = arg;
	creel_buffer buffer = {*freed, 8, buffer_free_count, *freed};
	int rc = creel_return_move(task, buffer);
	return rc ? rc : 17;
}

CASE(c03_a_task_that_fails_has_no_result, CT_INPROC)
{
	struct ct_count *freed = ct_count_new();
	creel_buffer taken = {NULL, 0, NULL, NULL};
	const void *view = freed;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, return_and_fail, &freed, sizeof freed);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, 17);
	ct_int(creel_future_view(f, CREEL_NOW, &view, NULL), CREEL_EFAILED);
	ct_assert(view == freed);
	ct_int(creel_future_take(f, CREEL_NOW, &taken), CREEL_EFAILED);
	ct_assert(taken.data == NULL);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(freed), 1);
}

static int move_out(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct ct_count *const *freed = arg;
	creel_buffer buffer = {*freed, sizeof **freed, buffer_free_count, *freed};
	return creel_return_move(task, buffer);
}

CASE(c03_taking_moves_the_result_out_for_the_sole_holder, CT_INPROC)
{
	struct ct_count *freed = ct_count_new();
	creel_buffer buffer = {NULL, 0, NULL, NULL};
	const void *view = NULL;
	size_t size = 1;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, move_out, &freed, sizeof freed);
	ct_int(ct_outcome(f), 0);
	creel_future_ref(f);
	ct_int(creel_future_take(f, CREEL_NOW, &buffer), -EBUSY);
	ct_assert(buffer.data == NULL);
	ct_int(creel_future_view(f, CREEL_NOW, &view, NULL), 0);
	ct_assert(view == freed);
	creel_future_unref(f);
	ct_int(creel_future_take(f, CREEL_NOW, &buffer), 0);
	ct_assert(buffer.data == freed);
	ct_int(buffer.size, sizeof *freed);
	ct_int(creel_future_view(f, CREEL_NOW, &view, &size), 0);
	ct_assert(view == NULL);
	ct_int(size, 0);
	creel_future_unref(f);
	ct_int(ct_count_get(freed), 0);
	buffer.free(buffer.data, buffer.size, buffer.ctx);
	ct_int(ct_count_get(freed), 1);
	ct_close(ex);
}

CASE(c03_results_of_every_size_can_be_taken, 0)
{
	unsigned char *bytes = malloc(1 << 20);
	creel_executor *ex = ct_executor();
	ct_assert(bytes != NULL);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		creel_buffer buffer = {bytes, 1, NULL, NULL};
		fill(bytes, sizes[i]);
		creel_future *f = creel_submit(ex, task_echo, sizes[i] ? bytes : NULL, sizes[i]);
		ct_int(creel_future_take(f, CT_GUARD, &buffer), 0);
		creel_future_unref(f);
		ct_int(buffer.size, sizes[i]);
		ct_assert(buffer.size == 0 || memcmp(buffer.data, bytes, buffer.size) == 0);
		if (buffer.free)
			buffer.free(buffer.data, buffer.size, buffer.ctx);
	}
	ct_close(ex);
	free(bytes);
}

static void *read_many_times(void *arg)
{
	creel_future *f = arg;
	for (int i = 0; i < 200; i++) {
		const void *view = NULL;
		long value = 0;
		if (creel_future_result(f, CREEL_FOREVER, &value, sizeof value) || value != 99)
			return arg;
		if (creel_future_view(f, CREEL_FOREVER, &view, NULL) || *(const long *)view != 99)
			return arg;
		creel_future_unref(creel_future_ref(f));
	}
	return NULL;
}

CASE(c03_a_result_is_read_by_any_thread_any_number_of_times, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_thread *readers[4];
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 99);
	for (int i = 0; i < 4; i++)
		readers[i] = ct_thread_start(read_many_times, f);
	for (int i = 0; i < 4; i++)
		ct_await_asleep(ct_thread_id(readers[i]));
	ct_open(gate);
	for (int i = 0; i < 4; i++)
		ct_assert(ct_thread_join(readers[i]) == NULL);
	creel_future_unref(f);
	ct_close(ex);
}

struct notes {
	long *plain;
	long value;
};

/* Writes with no synchronisation of its own: only the future's completion orders it. */
static int write_plainly(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	const struct notes *n = arg;
	*n->plain = n->value;
	return 0;
}

static void check_plain(creel_future *f, void *arg)
{
	(void)f;
	long *plain = arg;
	*plain += 1000;
}

CASE(c03_what_a_task_wrote_is_visible_to_whoever_sees_it_done, 0)
{
	enum { N = 300 };
	long *plain = ct_shared(N * sizeof *plain);
	creel_executor *ex = ct_executor();
	creel_queue *q = creel_queue_new(NULL);
	for (long i = 0; i < N; i++) {
		struct notes n = {&plain[i], i};
		creel_future *f = creel_submit(ex, write_plainly, &n, sizeof n), *taken = NULL;
		size_t done = 0;
		switch (i % 4) {
		case 0:
			ct_int(ct_outcome(f), 0);
			break;
		case 1:
			while (creel_future_state(f) != CREEL_FUTURE_FINISHED)
				ct_breathe();
			break;
		case 2:
			ct_int(creel_wait(&f, 1, CREEL_FIRST_COMPLETED, CT_GUARD, &done), 0);
			break;
		default:
			ct_int(creel_queue_add(q, f, NULL), 0);
			ct_int(creel_queue_take(q, CT_GUARD, &taken, NULL), 0);
			ct_assert(taken == f);
			creel_future_unref(taken);
		}
		ct_int(plain[i], i);
		ct_int(creel_future_on_done(f, NULL, check_plain, &plain[i], NULL, NULL), 0);
		ct_int(plain[i], i + 1000);
		creel_future_unref(f);
	}
	creel_queue_unref(q);
	ct_close(ex);
}

static int read_plainly(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const long *const *plain = arg;
	return creel_return(task, *plain, sizeof **plain);
}

CASE(c03_what_the_submitter_wrote_is_visible_to_the_task, 0)
{
	enum { N = 300 };
	long *plain = ct_shared(N * sizeof *plain);
	creel_executor *ex = ct_executor();
	for (long i = 0; i < N; i++) {
		const long *cell = &plain[i];
		plain[i] = i * i;
		ct_int(ct_long_drop(creel_submit(ex, read_plainly, &cell, sizeof cell)), i * i);
	}
	ct_close(ex);
}

struct verdict {
	int code;
	bool with_words;
};

static int task_verdict(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct verdict *v = arg;
	return v->with_words ? creel_fail(task, v->code, "%d it is", v->code) : v->code;
}

/* What a task says of itself never passes for what the library says of it. */
CASE(c03_whatever_code_a_task_returns_it_has_failed, 0)
{
	static const int codes[] = {-ENOMEM, -ENOSPC,     -EPERM,  -ETIMEDOUT, -ECANCELED,
				    -EIO,    -ESHUTDOWN,  -EAGAIN, -ENOEXEC,   CREEL_EFAILED,
				    17,      CREEL_EMPTY, INT_MAX};
	creel_executor *ex = ct_executor();
	for (unsigned i = 0; i < 2 * sizeof codes / sizeof codes[0]; i++) {
		struct verdict v = {codes[i / 2], i % 2};
		creel_submit_options o = {.name = "judge"};
		creel_future *f = creel_submit_with(ex, task_verdict, &v, sizeof v, &o);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		const creel_error *e = creel_future_error(f);
		ct_int(e->kind, CREEL_KIND_FAILED);
		ct_int(e->code, v.code);
		ct_int(e->err, v.code < 0 && v.code > -4096 ? -v.code : 0);
		ct_text(e->task, "judge");
		creel_future_unref(f);
	}
	ct_close(ex);
}
