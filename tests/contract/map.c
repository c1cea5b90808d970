/* SPDX-License-Identifier: MIT */
/* Promise 11: maps. */
#include "contract.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct source {
	long next, end; /* end < 0: endless */
	int code;       /* what it says at the end */
	bool allowed;
	int not_allowed; /* how often it was called while it must not be */
};

static int pull(void *ctx, void *item, size_t *size)
{
	struct source *s = ctx;
	if (!s->allowed)
		s->not_allowed++;
	if (s->end >= 0 && s->next >= s->end)
		return s->code;
	if ((uintptr_t)item % 16 || *size < sizeof s->next)
		return -EFAULT;
	memcpy(item, &s->next, sizeof s->next);
	*size = sizeof s->next;
	s->next++;
	return 1;
}

/* The next one must be there and good. */
static long next_value(creel_mapping *map, size_t *ret_index)
{
	creel_future *f = NULL;
	ct_int(creel_map_next(map, CT_GUARD, &f, ret_index), 0);
	return ct_long_drop(f);
}

static int next_code(creel_mapping *map)
{
	creel_future *f = NULL;
	int rc = creel_map_next(map, CT_GUARD, &f, NULL);
	ct_assert(rc == 0 || rc == CREEL_EFAILED || rc == -ECANCELED || f == NULL);
	creel_future_unref(f);
	return rc;
}

CASE(c11_results_come_in_the_order_of_the_items, 0)
{
	enum { N = 1000 };
	long items[N];
	creel_executor *ex = ct_executor();
	for (long i = 0; i < N; i++)
		items[i] = i;
	creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], N, NULL);
	for (long i = 0; i < N; i++) {
		size_t index = SIZE_MAX;
		ct_int(next_value(map, &index), 2 * i);
		ct_int(index, i);
	}
	for (int i = 0; i < 3; i++)
		ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(ex);
}

CASE(c11_as_completed_gives_each_result_once_under_its_index, 0)
{
	enum { N = 500 };
	long items[N];
	unsigned char seen[N] = {0};
	creel_map_options o = {.flags = CREEL_AS_COMPLETED};
	creel_executor *ex = ct_executor();
	for (long i = 0; i < N; i++)
		items[i] = 3 * i;
	creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], N, &o);
	for (long i = 0; i < N; i++) {
		size_t index = SIZE_MAX;
		long value = next_value(map, &index);
		ct_int(value, 6 * (long)index);
		ct_int(seen[index]++, 0);
	}
	ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(ex);
}

CASE(c11_as_completed_does_not_wait_for_a_slow_item, CT_PARALLEL | CT_PROMPT)
{
	struct ct_gated items[3] = {{ct_count_new(), ct_count_new(), 1},
				    {ct_count_new(), ct_count_new(), 2},
				    {ct_count_new(), ct_count_new(), 3}};
	creel_map_options o = {.flags = CREEL_AS_COMPLETED};
	size_t index = 0;
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map(ex, task_gated, items, sizeof items[0], 3, &o);
	ct_open(items[1].gate);
	ct_int(next_value(map, &index), 2);
	ct_int(index, 1);
	ct_open(items[2].gate);
	ct_int(next_value(map, &index), 3);
	ct_open(items[0].gate);
	ct_int(next_value(map, &index), 1);
	ct_int(index, 0);
	ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(ex);
}

CASE(c11_a_map_over_nothing_is_at_its_end, 0)
{
	struct source s = {.end = 0, .allowed = true};
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map(ex, task_double, NULL, sizeof(long), 0, NULL);
	ct_int(next_code(map), CREEL_EMPTY);
	ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	map = creel_map_from(ex, task_double, pull, &s, NULL);
	ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	creel_map_end(NULL);
	ct_close(ex);
}

CASE(c11_items_are_copied_with_their_stride, 0)
{
	struct {
		long value;
		char padding[48];
	} items[10];
	long value = 0;
	creel_executor *ex = ct_executor();
	memset(items, 7, sizeof items);
	for (int i = 0; i < 10; i++)
		items[i].value = 100 + i;
	creel_mapping *map = creel_map(ex, task_echo, items, sizeof items[0], 10, NULL);
	for (int i = 0; i < 10; i++) {
		creel_future *f = NULL;
		const void *view = NULL;
		size_t size = 0;
		ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
		ct_int(creel_future_view(f, CREEL_NOW, &view, &size), 0);
		ct_int(size, sizeof items[0]);
		memcpy(&value, view, sizeof value);
		ct_int(value, 100 + i);
		creel_future_unref(f);
	}
	creel_map_end(map);
	ct_close(ex);
}

CASE(c11_at_most_as_many_as_asked_for_are_in_flight, 0)
{
	struct source s = {.end = -1, .allowed = true};
	for (size_t limit = 1; limit <= 5; limit += 2) {
		creel_executor *ex = ct_executor();
		creel_map_options o = {.in_flight = limit};
		s.next = 0;
		creel_mapping *map = creel_map_from(ex, task_double, pull, &s, &o);
		ct_int(s.next, 0);
		for (long taken = 0; taken < 50; taken++) {
			ct_int(next_value(map, NULL), 2 * taken);
			/* What was pulled and not taken was in flight,
			 * the one just taken included. */
			ct_assert((size_t)(s.next - taken) <= limit);
			ct_assert(s.next > taken);
		}
		creel_map_end(map);
		ct_close(ex);
	}
}

CASE(c11_the_default_bound_is_modest_and_an_endless_source_is_pulled_lazily, 0)
{
	struct source s = {.end = -1};
	cpu_set_t cpus;
	creel_executor *ex = ct_executor();
	ct_int(sched_getaffinity(0, sizeof cpus, &cpus), 0);
	long bound = 4 * CPU_COUNT(&cpus) < 16 ? 16 : 4 * CPU_COUNT(&cpus);
	creel_mapping *map = creel_map_from(ex, task_double, pull, &s, NULL);
	for (long taken = 0; taken < 200; taken++) {
		ct_int(s.not_allowed, 0);
		s.allowed = true;
		ct_int(next_value(map, NULL), 2 * taken);
		s.allowed = false;
		ct_assert(s.next - taken <= bound);
	}
	creel_map_end(map);
	ct_close(ex);
	/* Only ever called inside creel_map_next(). */
	ct_int(s.not_allowed, 0);
}

struct pulled {
	struct source source;
	int tid_ok;
	pid_t tid;
};

static int pull_and_note(void *ctx, void *item, size_t *size)
{
	struct pulled *p = ctx;
	p->tid_ok += gettid() == p->tid;
	return pull(&p->source, item, size);
}

CASE(c11_the_source_is_called_on_the_callers_thread, 0)
{
	struct pulled p = {{.end = 30, .allowed = true}, 0, gettid()};
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map_from(ex, task_double, pull_and_note, &p, NULL);
	for (long i = 0; i < 30; i++)
		ct_int(next_value(map, NULL), 2 * i);
	ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	/* Not called again after it said that it is at its end. */
	ct_int(p.tid_ok, 31);
	ct_close(ex);
}

struct maybe_bad {
	long value;
	int code;
	struct ct_count *ran, *gate;
};

static int fail_if_bad(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct maybe_bad *m = arg;
	ct_count_add(m->ran, 1);
	if (m->gate)
		ct_pass(m->gate);
	if (m->code)
		return creel_fail(task, m->code, "item %ld is bad", m->value);
	return creel_return(task, &m->value, sizeof m->value);
}

static void make_items(struct maybe_bad *items, int n, int bad)
{
	struct ct_count *ran = ct_count_new();
	for (int i = 0; i < n; i++)
		items[i] = (struct maybe_bad){i, i == bad ? -EIO : 0, ran, NULL};
}

CASE(c11_the_first_error_ends_the_map, 0)
{
	enum { N = 100, BAD = 5, FLIGHT = 8 };
	struct maybe_bad items[N];
	creel_future *f = NULL;
	size_t index = 0;
	creel_map_options o = {.in_flight = FLIGHT};
	creel_executor *ex = ct_executor();
	make_items(items, N, BAD);
	creel_mapping *map = creel_map(ex, fail_if_bad, items, sizeof items[0], N, &o);
	for (long i = 0; i < BAD; i++)
		ct_int(next_value(map, NULL), i);
	ct_int(creel_map_next(map, CT_GUARD, &f, &index), CREEL_EFAILED);
	ct_assert(f != NULL);
	ct_int(index, BAD);
	ct_int(creel_future_error(f)->code, -EIO);
	ct_has(creel_future_error(f)->message, "item 5 is bad");
	creel_future_unref(f);
	for (int i = 0; i < 3; i++)
		ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(ex);
	ct_assert(ct_count_get(items[0].ran) <= BAD + FLIGHT);
}

CASE(c11_an_error_cancels_what_is_pending, CT_STRICT | CT_ASYNC)
{
	enum { N = 8 };
	struct maybe_bad items[N];
	struct ct_count *bad = ct_count_new(), *gate = ct_count_new(), *freed = ct_count_new();
	creel_submit_options so = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_map_options o = {.in_flight = N, .submit = &so};
	creel_executor *ex = ct_executor();
	creel_future *f = NULL;
	make_items(items, N, 0);
	items[0].gate = bad;
	items[1].gate = gate;
	creel_mapping *map = creel_map(ex, fail_if_bad, items, sizeof items[0], N, &o);
	/* The error is seen only when the second runs. */
	ct_int(creel_map_next(map, CREEL_NOW, &f, NULL), -ETIMEDOUT);
	ct_open(bad);
	ct_count_await(items[0].ran, 2);
	ct_int(next_code(map), CREEL_EFAILED);
	/* The second holds the only thread: the others were pending, and are freed unrun. */
	ct_assert(ct_count_get(freed) >= N - 1);
	ct_int(next_code(map), CREEL_EMPTY);
	ct_open(gate);
	creel_map_end(map);
	ct_close(ex);
	ct_int(ct_count_get(items[0].ran), 2);
	ct_int(ct_count_get(freed), N);
}

CASE(c11_asked_to_keep_going_it_yields_errors_under_their_index, 0)
{
	enum { N = 60 };
	struct maybe_bad items[N];
	static const unsigned flags[] = {CREEL_KEEP_GOING, CREEL_KEEP_GOING | CREEL_AS_COMPLETED,
					 CREEL_KEEP_GOING | CREEL_ORDERED};
	creel_executor *ex = ct_executor();
	for (int round = 0; round < 3; round++) {
		creel_map_options o = {.flags = flags[round]};
		make_items(items, N, 0);
		for (int i = 0; i < N; i += 7)
			items[i].code = -EIO;
		creel_mapping *map = creel_map(ex, fail_if_bad, items, sizeof items[0], N, &o);
		for (size_t i = 0; i < N; i++) {
			creel_future *f = NULL;
			size_t index = SIZE_MAX;
			ct_int(creel_map_next(map, CT_GUARD, &f, &index), 0);
			ct_assert(index < N && (round == 1 || index == i));
			ct_int(creel_future_result(f, CREEL_NOW, NULL, 0),
			       index % 7 == 0 ? CREEL_EFAILED : 0);
			creel_future_unref(f);
		}
		ct_int(next_code(map), CREEL_EMPTY);
		creel_map_end(map);
		ct_int(ct_count_get(items[0].ran), N);
	}
	ct_close(ex);
}

CASE(c11_ending_early_cancels_what_is_pending, CT_ASYNC)
{
	struct ct_hold hold;
	struct maybe_bad items[20];
	struct ct_count *freed = ct_count_new();
	creel_submit_options so = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_map_options o = {.in_flight = 10, .submit = &so};
	creel_future *f = NULL;
	creel_executor *ex = ct_executor();
	make_items(items, 20, -1);
	ct_hold(&hold, ex);
	creel_mapping *map = creel_map(ex, fail_if_bad, items, sizeof items[0], 20, &o);
	ct_int(creel_map_next(map, CREEL_NOW, &f, NULL), -ETIMEDOUT);
	creel_map_end(map);
	/* Before anything of it could have run. */
	ct_int(ct_count_get(freed), 10);
	ct_release(&hold);
	ct_close(ex);
	ct_int(ct_count_get(items[0].ran), 0);
	ct_int(ct_count_get(freed), 10);
}

CASE(c11_ending_early_lets_go_of_what_runs, CT_ASYNC)
{
	struct ct_gated item = {ct_count_new(), ct_count_new(), 1};
	creel_future *f = NULL;
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map(ex, task_gated, &item, sizeof item, 1, NULL);
	ct_int(creel_map_next(map, CREEL_NOW, &f, NULL), -ETIMEDOUT);
	ct_count_await(item.started, 1);
	creel_map_end(map);
	ct_open(item.gate);
	ct_close(ex);
}

CASE(c11_a_code_of_the_source_ends_it_after_what_came_before, 0)
{
	struct source s = {.end = 10, .code = -EPROTO, .allowed = true};
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map_from(ex, task_double, pull, &s, NULL);
	for (long i = 0; i < 10; i++)
		ct_int(next_value(map, NULL), 2 * i);
	ct_int(next_code(map), -EPROTO);
	ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(ex);
}

CASE(c11_a_timeout_loses_nothing, CT_ASYNC)
{
	struct ct_hold hold;
	long items[3] = {1, 2, 3};
	creel_future *f = NULL;
	size_t index = 77;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], 3, NULL);
	for (int i = 0; i < 4; i++)
		ct_int(creel_map_next(map, i % 2 ? CREEL_NOW : creel_in_ms(1), &f, &index),
		       -ETIMEDOUT);
	ct_assert(f == NULL && index == 77);
	ct_release(&hold);
	for (long i = 0; i < 3; i++) {
		ct_int(next_value(map, &index), 2 * items[i]);
		ct_int(index, i);
	}
	ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(ex);
}

static int pull_big(void *ctx, void *item, size_t *size)
{
	size_t *most = ctx;
	*most = *size;
	memset(item, 'b', *size);
	return 1;
}

CASE(c11_items_of_a_source_may_be_as_large_as_max_item_says, 0)
{
	static const size_t asked[] = {0, 1, 100000};
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 3; i++) {
		creel_map_options o = {.max_item = asked[i], .in_flight = 2};
		creel_future *f = NULL;
		size_t most = 0, size = 0;
		creel_mapping *map = creel_map_from(ex, task_echo, pull_big, &most, &o);
		ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
		ct_int(most, asked[i] ? asked[i] : 4096);
		ct_int(creel_future_view(f, CREEL_NOW, NULL, &size), 0);
		ct_int(size, most);
		creel_future_unref(f);
		creel_map_end(map);
	}
	ct_close(ex);
}

CASE(c11_the_options_of_a_submission_hold_for_every_item, 0)
{
	enum { N = 20 };
	struct maybe_bad items[N];
	struct ct_count *freed = ct_count_new();
	creel_submit_options so = {.name = "an item", .arg_free = arg_free_count, .arg_ctx = freed};
	creel_map_options o = {.flags = CREEL_KEEP_GOING, .submit = &so};
	creel_executor *ex = ct_executor();
	make_items(items, N, 13);
	creel_mapping *map = creel_map(ex, fail_if_bad, items, sizeof items[0], N, &o);
	for (int i = 0; i < N; i++) {
		creel_future *f = NULL;
		ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
		if (i == 13)
			ct_text(creel_future_error(f)->task, "an item");
		creel_future_unref(f);
	}
	creel_map_end(map);
	ct_close(ex);
	ct_int(ct_count_get(freed), N);
}

struct ends_map {
	creel_mapping *map;
	struct ct_count *gate, *freed;
};

static void end_the_map(void *arg, size_t size, void *ctx)
{
	struct ends_map *e = ctx;
	(void)size;
	if (*(int *)arg == 2) {
		creel_map_end(e->map);
		ct_open(e->gate);
	}
	ct_count_add(e->freed, 1);
}

static struct ends_map ends_map;

/* The first item fails, the second occupies the worker, the third is cancelled. */
static int fail_then_wait(creel_task *task, const void *arg, size_t size)
{
	int item = *(const int *)arg;
	(void)task;
	(void)size;
	if (item)
		ct_pass(ends_map.gate);
	return item ? 0 : -EDOM;
}

CASE(c11_a_destructor_that_ends_the_map_takes_the_result_with_it, CT_POOL | CT_STRICT)
{
	static const int items[] = {0, 1, 2};
	creel_executor *ex = ct_executor();
	ends_map = (struct ends_map){NULL, ct_count_new(), ct_count_new()};
	creel_submit_options so = {.arg_free = end_the_map, .arg_ctx = &ends_map};
	creel_future *f = NULL;
	size_t index = 77;
	ends_map.map = creel_map(ex, fail_then_wait, items, sizeof items[0], 3,
				 &(creel_map_options){.submit = &so});
	ct_int(creel_map_next(ends_map.map, CT_GUARD, &f, &index), CREEL_EMPTY);
	ct_assert(f == NULL && index == 77);
	ct_close(ex);
	ct_int(ct_count_get(ends_map.freed), 3);
}

CASE(c11_a_map_holds_its_executor, 0)
{
	long items[3] = {1, 2, 3};
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], 3, NULL);
	creel_executor_unref(ex);
	for (long i = 0; i < 3; i++)
		ct_int(next_value(map, NULL), 2 * items[i]);
	creel_map_end(map);
}

CASE(c11_a_map_on_an_executor_that_was_shut_down_ends_with_an_error, 0)
{
	long items[3] = {1, 2, 3};
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], 3, NULL);
	int rc = next_code(map);
	ct_assert(rc < 0 && rc != CREEL_EMPTY && rc != -ETIMEDOUT);
	ct_int(next_code(map), CREEL_EMPTY);
	creel_map_end(map);
	ct_close(ex);
}

/* It says -EINVAL once, and why in these words. */
static void is_refused(creel_mapping *map, const char *says)
{
	creel_future *f = NULL;
	size_t index = 5;
	ct_assert(map != NULL);
	for (int i = 0; i < 2; i++) {
		const creel_error *e = creel_map_error(map);
		if (!e)
			ct_fail(__FILE__, __LINE__, "a map was made, for which it says \"%s\"",
				says);
		ct_int(e->kind, CREEL_KIND_REJECTED);
		ct_int(e->code, -EINVAL);
		ct_int(e->err, EINVAL);
		ct_text(e->message, says);
		ct_int(creel_map_next(map, CREEL_FOREVER, &f, &index), i ? CREEL_EMPTY : -EINVAL);
	}
	ct_assert(f == NULL && index == 5);
	creel_map_end(map);
}

CASE(bad_map_arguments_are_named_with_their_value, 0)
{
	long items[3] = {1, 2, 3};
	struct source s = {.end = 3, .allowed = true};
	creel_map_options bad[3] = {{.flags = 16 | CREEL_KEEP_GOING}, {.flags = 3}, {0}};
	creel_map_options large = {.max_item = SIZE_MAX};
	char text[200];
	creel_executor *ex = ct_executor();
	bad[2].reserved[2] = 7;
	is_refused(creel_map(NULL, task_double, items, sizeof items[0], 3, NULL),
		   "creel_map: the executor is NULL");
	is_refused(creel_map(ex, NULL, items, sizeof items[0], 3, NULL),
		   "creel_map: the function is NULL");
	is_refused(creel_map(ex, task_double, NULL, sizeof items[0], 3, NULL),
		   "creel_map: base is NULL and n is 3; use n 0 for no items");
	is_refused(creel_map(ex, task_double, items, 0, 3, NULL),
		   "creel_map: stride is 0 and n is 3; pass the size of an item");
	snprintf(text, sizeof text,
		 "creel_map: 3 items of %zu bytes are larger than any object; "
		 "was a negative number passed as n or stride?",
		 SIZE_MAX / 2);
	is_refused(creel_map(ex, task_double, items, SIZE_MAX / 2, 3, NULL), text);
	is_refused(creel_map(ex, task_double, items, sizeof items[0], 3, &bad[0]),
		   "creel_map: flags has 0x10, which a map does not know; use CREEL_ORDERED or "
		   "CREEL_AS_COMPLETED, CREEL_KEEP_GOING, CREEL_KILL_REST");
	is_refused(creel_map(ex, task_double, items, sizeof items[0], 3, &bad[1]),
		   "creel_map: flags is 0x3, both CREEL_ORDERED and CREEL_AS_COMPLETED; "
		   "use one of them");
	is_refused(creel_map(ex, task_double, items, sizeof items[0], 3, &bad[2]),
		   "creel_map: reserved[2] of the options is 7, not 0; "
		   "initialise the options with {0} or designated initializers");
	is_refused(creel_map_from(NULL, task_double, pull, &s, NULL),
		   "creel_map_from: the executor is NULL");
	is_refused(creel_map_from(ex, NULL, pull, &s, NULL),
		   "creel_map_from: the function is NULL");
	is_refused(creel_map_from(ex, task_double, NULL, NULL, NULL),
		   "creel_map_from: the source is NULL");
	snprintf(text, sizeof text,
		 "creel_map_from: max_item is %zu, larger than any object; "
		 "was a negative number passed?",
		 SIZE_MAX);
	is_refused(creel_map_from(ex, task_double, pull, &s, &large), text);
	ct_int(s.next, 0);
	ct_close(ex);
}

CASE(bad_calls_on_a_map_change_nothing, 0)
{
	long item = 4;
	creel_future *f = NULL;
	creel_executor *ex = ct_executor();
	creel_mapping *map = creel_map(ex, task_double, &item, sizeof item, 1, NULL);
	ct_int(creel_map_next(NULL, CREEL_FOREVER, &f, NULL), -EINVAL);
	ct_int(creel_map_next(map, CREEL_FOREVER, NULL, NULL), -EINVAL);
	ct_assert(creel_map_error(map) == NULL && creel_map_error(NULL) == NULL);
	ct_int(next_value(map, NULL), 8);
	ct_int(next_code(map), CREEL_EMPTY);
	/* The end is nothing wrong. */
	ct_assert(creel_map_error(map) == NULL);
	creel_map_end(map);
	ct_close(ex);
}

/* Gives two items, then does what it is asked to. */
struct odd_source {
	long next;
	int returns;
	size_t size;
};

static int pull_oddly(void *ctx, void *item, size_t *size)
{
	struct odd_source *s = ctx;
	if (s->next < 2) {
		memcpy(item, &s->next, sizeof s->next);
		*size = sizeof s->next;
		s->next++;
		return 1;
	}
	s->next++;
	*size = s->size;
	return s->returns;
}

CASE(bad_a_source_that_breaks_the_rules_is_told_which_after_what_came_before, 0)
{
	static const struct {
		int returns;
		size_t size;
		int code;
		const char *says;
	} bad[] = {
		{2, 8, -EINVAL,
		 "creel_map_from: the source returned 2 at item 2; return 1 for an item, 0 at the "
		 "end, a negative code to fail"},
		{EIO, 8, -EINVAL,
		 "creel_map_from: the source returned 5 at item 2; return 1 for an item, 0 at the "
		 "end, a negative code to fail"},
		/* Even where it wrote too much. */
		{INT_MAX, 65, -EINVAL,
		 "creel_map_from: the source returned 2147483647 at item 2; return 1 for an item, "
		 "0 at the end, a negative code to fail"},
		{1, 65, -EMSGSIZE,
		 "creel_map_from: the source gave item 2 65 bytes, and max_item is 64; raise "
		 "creel_map_options.max_item"},
		{-EPROTO, 0, -EPROTO,
		 "creel_map_from: the source ended the map at item 2 with code -71 (EPROTO)"},
		{-ETIMEDOUT, 0, -ETIMEDOUT,
		 "creel_map_from: the source ended the map at item 2 with code -110 (ETIMEDOUT)"},
	};
	creel_executor *ex = ct_executor();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct odd_source s = {0, bad[i].returns, bad[i].size};
		creel_map_options o = {.max_item = 64};
		creel_mapping *map = creel_map_from(ex, task_double, pull_oddly, &s, &o);
		ct_assert(creel_map_error(map) == NULL);
		for (long item = 0; item < 2; item++)
			ct_int(next_value(map, NULL), 2 * item);
		ct_int(next_code(map), bad[i].code);
		ct_int(creel_map_error(map)->kind, CREEL_KIND_FAILED);
		ct_int(creel_map_error(map)->code, bad[i].code);
		ct_text(creel_map_error(map)->message, bad[i].says);
		ct_int(next_code(map), CREEL_EMPTY);
		/* Not asked again. */
		ct_int(s.next, 3);
		creel_map_end(map);
	}
	ct_close(ex);
}
