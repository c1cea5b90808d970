/* SPDX-License-Identifier: MIT */
/*
 * Arguments and results where they are kept: each size around the limits of what fits into a block,
 * with each other. Tasks run on the inline executor, so that all of it happens in one place.
 */
#include "future/block.h"
#include "ct.h"
#include "faults.h"

#include <creel/creel.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum way { RETURN, RESERVE, MOVE, REPLACE_SMALL, REPLACE_LARGE, REPLACE_OWN, WAYS };

static const size_t arg_sizes[] = {0, 1, 8, 15, 16, 17, 31, 32, 33, 48, 1000, CREEL_BY_REF};
static const size_t result_sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 1000};

static struct {
	size_t arg_size, size; /* what was submitted, what is to be the result */
	enum way way;
	const void *arg;
	void *moved;
	unsigned ran, freed, arg_freed;
} job;

static unsigned char byte_at(size_t i, unsigned salt)
{
	return (unsigned char)(i * 7 + salt);
}

static void write_pattern(void *to, size_t size, unsigned salt)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)to)[i] = byte_at(i, salt);
}

static void has_pattern(const void *data, size_t size, unsigned salt)
{
	for (size_t i = 0; i < size; i++)
		ct_int(((const unsigned char *)data)[i], byte_at(i, salt));
}

static void free_moved(void *data, size_t size, void *ctx)
{
	ct_assert(data == job.moved && size == job.size && ctx == &job);
	job.freed++;
	free(data);
}

static int move_result(creel_task *task)
{
	job.moved = malloc(job.size + 1);
	write_pattern(job.moved, job.size, 2);
	creel_buffer buffer = {job.moved, job.size, free_moved, &job};
	return creel_return_move(task, buffer);
}

static int reserve_result(creel_task *task)
{
	unsigned char *to = creel_return_reserve(task, job.size);
	ct_assert(to != NULL);
	ct_int((uintptr_t)to % 64, 0);
	write_pattern(to, job.size, 2);
	return 0;
}

/* What is replaced is what the new result is copied from. */
static int replace_by_its_own(creel_task *task)
{
	unsigned char *to = creel_return_reserve(task, job.size + 3);
	ct_assert(to != NULL);
	write_pattern(to + 3, job.size, 2);
	return creel_return(task, to + 3, job.size);
}

static void check_argument(const void *arg, size_t size)
{
	ct_int(size, job.arg_size);
	if (size == CREEL_BY_REF) {
		ct_assert(arg == job.arg);
	} else if (size == 0) {
		ct_assert(arg == NULL);
	} else {
		ct_assert(arg != job.arg);
		ct_int((uintptr_t)arg % 16, 0);
		has_pattern(arg, size, 1);
	}
}

static int task_fn(creel_task *task, const void *arg, size_t size)
{
	unsigned char result[1000];
	static const unsigned char other[1000];
	int rc = 0;
	job.ran++;
	check_argument(arg, size);
	write_pattern(result, job.size, 2);
	switch (job.way) {
	case RESERVE:
		rc = reserve_result(task);
		break;
	case MOVE:
		rc = move_result(task);
		break;
	case REPLACE_OWN:
		rc = replace_by_its_own(task);
		break;
	case REPLACE_SMALL:
	case REPLACE_LARGE:
		rc = creel_return(task, other, job.way == REPLACE_SMALL ? 1 : sizeof other);
		ct_int(rc, 0);
		/* fall through */
	default:
		rc = creel_return(task, result, job.size);
	}
	/* The result must not lie over the argument. */
	check_argument(arg, size);
	return rc;
}

static void arg_freed(void *arg, size_t size, void *ctx)
{
	ct_assert(ctx == &job);
	check_argument(arg, size);
	job.arg_freed++;
}

static creel_future *submit(creel_executor *ex, size_t arg_size, size_t size, enum way way)
{
	static unsigned char arg[1000];
	write_pattern(arg, sizeof arg, 1);
	memset(&job, 0, sizeof job);
	job.arg_size = arg_size;
	job.size = size;
	job.way = way;
	job.arg = arg_size ? arg : NULL;
	creel_submit_options options = {.arg_free = arg_freed, .arg_ctx = &job};
	creel_future *f = creel_submit_with(ex, task_fn, job.arg, arg_size, &options);
	ct_int(job.ran, 1);
	ct_int(job.arg_freed, 1);
	return f;
}

/* Reads it in every way that leaves it where it is. */
static void check_result(creel_future *f)
{
	unsigned char copy[1001];
	const void *data = &copy;
	size_t size = 77;
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	ct_int(creel_future_view(f, CREEL_NOW, &data, &size), 0);
	ct_int(size, job.size);
	has_pattern(data, size, 2);
	if (size == 0)
		ct_assert(data == NULL);
	else if (job.way == MOVE)
		ct_assert(data == job.moved);
	memset(copy, 0, sizeof copy);
	if (size)
		ct_int(creel_future_result(f, CREEL_NOW, copy, size), 0);
	has_pattern(copy, size, 2);
	memset(copy, 0, sizeof copy);
	ct_int(creel_future_result(f, CREEL_NOW, copy, size + 1), -EMSGSIZE);
	ct_int(copy[0], 0);
}

static void check_take(creel_future *f)
{
	creel_buffer buffer = {0};
	creel_future_ref(f);
	ct_int(creel_future_take(f, CREEL_NOW, &buffer), -EBUSY);
	creel_future_unref(f);
	ct_int(creel_future_take(f, CREEL_NOW, &buffer), 0);
	ct_int(buffer.size, job.size);
	has_pattern(buffer.data, buffer.size, 2);
	ct_int(job.freed, 0);
	if (buffer.free)
		buffer.free(buffer.data, buffer.size, buffer.ctx);
	size_t size = 77;
	ct_int(creel_future_view(f, CREEL_NOW, NULL, &size), 0);
	ct_int(size, 0);
}

/* Every size of argument with every size of result, left in the future or taken out. */
static void all_sizes(enum way way)
{
	creel_executor *ex = creel_inline_new();
	for (size_t i = 0; i < sizeof arg_sizes / sizeof arg_sizes[0]; i++)
		for (size_t j = 0; j < 2 * sizeof result_sizes / sizeof result_sizes[0]; j++) {
			creel_future *f = submit(ex, arg_sizes[i], result_sizes[j / 2], way);
			check_result(f);
			if (j % 2)
				check_take(f);
			creel_future_unref(f);
			ct_int(job.freed, way == MOVE);
		}
	creel_executor_close(ex);
}

CT_TEST(result, returned_of_every_size, 0)
{
	all_sizes(RETURN);
}

CT_TEST(result, reserved_of_every_size, 0)
{
	all_sizes(RESERVE);
}

CT_TEST(result, moved_of_every_size, 0)
{
	all_sizes(MOVE);
}

CT_TEST(result, replacing_a_small_one, 0)
{
	all_sizes(REPLACE_SMALL);
}

CT_TEST(result, replacing_a_large_one, 0)
{
	all_sizes(REPLACE_LARGE);
}

CT_TEST(result, replacing_what_it_is_a_part_of, 0)
{
	all_sizes(REPLACE_OWN);
}

/* What fits needs no memory: 32 bytes of argument, and what is left of 48 for the result. */
CT_TEST(result, small_ones_need_no_memory, CT_NO_BLOCKS)
{
	static const size_t fits[][2] = {{0, 48}, {1, 32}, {16, 32}, {17, 16}, {32, 16}};
	creel_executor *ex = creel_inline_new();
	creel_future_unref(submit(ex, 0, 0, RETURN));
	for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++)
		for (int more = 0; more < 2; more++) {
			memset(&job, 0, sizeof job);
			job.arg_size = fits[i][0];
			job.size = fits[i][1] + (size_t)more;
			unsigned char arg[32];
			write_pattern(arg, sizeof arg, 1);
			long before = ct_live_blocks();
			creel_future *f = creel_submit(ex, task_fn, fits[i][0] ? arg : NULL,
						       fits[i][0]);
			/* Under AddressSanitizer the block itself is one. */
			long block = ct_live_blocks() - before - more;
			ct_assert(block == 0 || block == 1);
			check_result(f);
			creel_future_unref(f);
			ct_int(ct_live_blocks(), before);
		}
	creel_executor_close(ex);
}

static int fails_to_replace(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	static const unsigned char large[1000];
	job.size = 5;
	unsigned char small[5];
	write_pattern(small, sizeof small, 2);
	ct_int(creel_return(task, small, sizeof small), 0);
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	ct_int(creel_return(task, large, sizeof large), -ENOMEM);
	ct_assert(creel_return_reserve(task, 100) == NULL);
	ct_assert(creel_return_reserve(task, SIZE_MAX) == NULL);
	ct_int(creel_return_move(task, (creel_buffer){small, 5, NULL, NULL}), -ENOMEM);
	ct_fault_off();
	ct_assert(creel_return_reserve(task, SIZE_MAX) == NULL);
	ct_int(creel_return(task, NULL, 3), -EINVAL);
	return 0;
}

CT_TEST(result, without_memory_the_old_one_stays, 0)
{
	creel_executor *ex = creel_inline_new();
	memset(&job, 0, sizeof job);
	creel_future *f = creel_submit(ex, fails_to_replace, NULL, 0);
	check_result(f);
	creel_buffer buffer;
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	ct_int(creel_future_take(f, CREEL_NOW, &buffer), -ENOMEM);
	ct_fault_off();
	check_result(f);
	creel_future_unref(f);
	creel_executor_close(ex);
}

static int returns_then_fails(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	job.size = 100;
	ct_int(move_result(task), 0);
	return -EIO;
}

CT_TEST(result, of_a_task_that_fails_is_freed, 0)
{
	creel_executor *ex = creel_inline_new();
	memset(&job, 0, sizeof job);
	creel_future *f = creel_submit(ex, returns_then_fails, NULL, 0);
	ct_int(job.freed, 1);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, -EIO);
	creel_future_unref(f);
	creel_executor_close(ex);
}

static void freed_interior(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	job.freed++;
	free(ctx);
}

/* Wherever a moved buffer lies in memory, behind the library's own as well:
 * it is freed by its free. */
CT_TEST(result, a_moved_buffer_next_to_the_library_s_own_is_freed_by_its_owner, 0)
{
	char *held[200], *last = malloc(64);
	for (int i = 0; i < 200; i++) {
		held[i] = last;
		last = malloc(32);
	}
	memset(&job, 0, sizeof job);
	creel_future *f = creel_promise_new();
	/* The place in front of it is the next that malloc() gives, with many an allocator. */
	free(held[199]);
	creel_buffer buffer = {last + 16, 8, freed_interior, last}, taken = {0};
	ct_int(creel_promise_set_move(f, buffer), 0);
	ct_int(creel_future_take(f, CREEL_NOW, &taken), 0);
	ct_assert(taken.free == freed_interior && taken.ctx == last && taken.data == last + 16);
	taken.free(taken.data, taken.size, taken.ctx);
	ct_int(job.freed, 1);
	creel_future_unref(f);
	for (int i = 0; i < 199; i++)
		free(held[i]);
}
