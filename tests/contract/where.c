/* SPDX-License-Identifier: MIT */
/* Where a task is: its executor, its future, its worker's number. Workers that start early. */
#include "contract.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static creel_stats stats_of(creel_executor *ex)
{
	creel_stats stats;
	ct_int(creel_executor_stats(ex, &stats, sizeof stats), 0);
	return stats;
}

CASE(c20_there_are_slots_for_every_worker, 0)
{
	creel_executor *ex = ct_executor();
	unsigned slots = creel_executor_slots(ex), width = ct_width();
	if (ct_is(CT_OVER))
		ct_assert(slots >= 16);
	else if (!ct_is(CT_COUNTS))
		ct_int(slots, 0);
	else if (ct_is(CT_POOL))
		ct_int(slots, 2 * width + 1024);
	else
		ct_int(slots, width < 8 ? 16 : 2 * width);
	ct_close(ex);
}

CORE_CASE(c20_what_has_no_workers_has_no_slots)
{
	creel_executor *broken = creel_executor_new(NULL, NULL);
	ct_int(creel_executor_slots(broken), 0);
	ct_int(creel_executor_slots(NULL), 0);
	ct_close(broken);
}

CASE(c20_resizing_raises_the_slots_of_threads_and_never_lowers_them, CT_POOL)
{
	creel_executor *ex = ct_executor();
	ct_int(creel_executor_resize(ex, 40), 0);
	ct_int(creel_executor_slots(ex), 80 + 1024);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_int(creel_executor_slots(ex), 80 + 1024);
	ct_close(ex);
}

static int adapt(void *self, creel_task *task)
{
	(void)self;
	creel_task_run(task);
	return 0;
}

static creel_executor *beneath(void *self)
{
	return self;
}

CASE(c20_an_executor_over_another_has_the_slots_of_that, 0)
{
	creel_executor *ex = ct_executor();
	creel_executor_ops ops = {.size = sizeof ops, .submit = adapt, .beneath = beneath};
	creel_executor *over = creel_executor_new(&ops, ex),
		       *twice = creel_executor_new(&ops, over);
	ct_int(creel_executor_slots(over), creel_executor_slots(ex));
	ct_int(creel_executor_slots(twice), creel_executor_slots(ex));
	ct_close(twice);
	ct_close(over);
	ct_close(ex);
}

/* The number of a worker, in its initializer and in its tasks. */

struct seen {
	struct ct_count *inits, *started, *gate;
	_Atomic unsigned last_init;
};

static int note_number(void *ctx, unsigned worker, void **ret_local)
{
	struct seen *seen = ctx;
	*ret_local = (void *)(uintptr_t)(worker + 1);
	atomic_store(&seen->last_init, worker);
	ct_count_add(seen->inits, 1);
	return 0;
}

struct number {
	struct seen *seen;
	bool waits, dies;
};

static int task_number(creel_task *task, const void *arg, size_t size)
{
	const struct number *n = arg;
	unsigned worker = creel_task_worker(task);
	(void)size;
	if ((uintptr_t)creel_task_local(task) != worker + 1)
		return creel_fail(task, -EBADE, "initialized under another number");
	ct_count_add(n->seen->started, 1);
	if (n->waits)
		ct_pass(n->seen->gate);
	if (n->dies && getpid() != *(pid_t *)(n->seen + 1))
		_exit(0);
	if (n->dies)
		pthread_exit(NULL);
	return creel_return(task, &worker, sizeof worker);
}

static struct seen *seen_new(void)
{
	struct seen *seen = ct_shared(sizeof *seen + sizeof(pid_t));
	seen->inits = ct_count_new();
	seen->started = ct_count_new();
	seen->gate = ct_count_new();
	*(pid_t *)(seen + 1) = getpid();
	return seen;
}

CASE(c20_workers_have_the_lowest_numbers, CT_COUNTS)
{
	enum { N = 4 };
	struct seen *seen = seen_new();
	struct number n = {seen, true, false};
	creel_future *f[N];
	bool used[N] = {false};
	creel_executor *ex = ct_initialized(note_number, seen);
	ct_int(creel_executor_resize(ex, N), 0);
	for (int i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_number, &n, sizeof n);
	ct_count_await(seen->started, N);
	ct_open(seen->gate);
	for (int i = 0; i < N; i++) {
		unsigned worker;
		ct_int(creel_future_result(f[i], CT_GUARD, &worker, sizeof worker), 0);
		ct_assert(worker < N && !used[worker]);
		used[worker] = true;
		creel_future_unref(f[i]);
	}
	ct_close(ex);
}

CASE(c20_numbers_stay_below_the_slots_however_many_workers_come_and_go, CT_COUNTS)
{
	enum { LIVES = 40 };
	struct seen *seen = seen_new();
	struct number dying = {seen, false, true}, living = {seen, false, false};
	creel_executor *ex = ct_initialized(note_number, seen);
	for (int i = 0; i < LIVES; i++) {
		unsigned worker;
		creel_future *f = creel_submit(ex, task_number, &dying, sizeof dying);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
		creel_future_unref(f);
		f = creel_submit(ex, task_number, &living, sizeof living);
		ct_int(creel_future_result(f, CT_GUARD, &worker, sizeof worker), 0);
		ct_assert(worker < creel_executor_slots(ex));
		ct_int(worker, atomic_load(&seen->last_init));
		creel_future_unref(f);
	}
	ct_assert(ct_count_get(seen->inits) > LIVES);
	ct_close(ex);
}

/* A finalizer that takes its time keeps the number. */

static int start_slowly(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	*ret_local = (void *)(uintptr_t)(worker + 1);
	return 0;
}

static void end_slowly(void *ctx, void *local)
{
	struct seen *seen = ctx;
	if (local != (void *)1)
		return;
	ct_open(seen->started);
	ct_pass(seen->gate);
}

static int task_own_number(creel_task *task, const void *arg, size_t size)
{
	unsigned worker = creel_task_worker(task);
	(void)arg;
	(void)size;
	return creel_return(task, &worker, sizeof worker);
}

static unsigned number_of(creel_executor *ex)
{
	unsigned worker = UINT_MAX;
	creel_future *f = creel_submit(ex, task_own_number, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &worker, sizeof worker), 0);
	creel_future_unref(f);
	return worker;
}

CASE(c20_a_number_is_free_again_when_its_finalizer_has_returned, CT_POOL)
{
	struct seen *seen = seen_new();
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 1,
								 .idle_ns = 1,
								 .initializer = start_slowly,
								 .finalizer = end_slowly,
								 .ctx = seen});
	ct_int(number_of(ex), 0);
	ct_pass(seen->started);
	ct_int(number_of(ex), 1);
	ct_until(stats_of(ex).workers == 1);
	ct_open(seen->gate);
	ct_until(stats_of(ex).workers == 0);
	ct_int(number_of(ex), 0);
	ct_close(ex);
}

/* The executor and the future of a task, as it sees them. */

struct sight {
	creel_executor *ex;
	creel_future *f;
};

static int task_look_around(creel_task *task, const void *arg, size_t size)
{
	struct sight s = {creel_task_executor(task), creel_task_future(task)};
	(void)arg;
	(void)size;
	if (creel_task_executor(NULL) || creel_task_future(NULL))
		return creel_fail(task, -EBADE, "NULL has something");
	return creel_return(task, &s, sizeof s);
}

CASE(c03_a_task_knows_its_executor_and_its_future, 0)
{
	struct sight s;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_look_around, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &s, sizeof s), 0);
	if (ct_is(CT_APART) && !ct_is(CT_RANKS)) {
		ct_assert(s.ex && s.f);
		s.f = NULL;
	} else {
		ct_assert(s.ex == (ct_is(CT_INPROC) ? ex : NULL));
		ct_assert(s.f == (ct_is(CT_INPROC) ? f : NULL));
	}
	creel_future_unref(f);
	if (s.f) {
		struct sight again;
		ct_int(creel_future_result(s.f, CREEL_NOW, &again, sizeof again), 0);
		ct_assert(again.f == s.f);
	}
	creel_future_unref(s.f);
	ct_close(ex);
}

/* A spawned task hands its future to whoever wants to wait for it. */
struct handed {
	creel_future *f;
	struct ct_count *there, *gate;
};

static int task_hand_over(creel_task *task, const void *arg, size_t size)
{
	struct handed *h = *(struct handed *const *)arg;
	long seven = 7;
	(void)size;
	h->f = creel_task_future(task);
	ct_open(h->there);
	if (h->gate)
		ct_pass(h->gate);
	return creel_return(task, &seven, sizeof seven);
}

CASE(c03_a_spawned_task_can_give_its_future_away, CT_INPROC)
{
	struct handed h = {NULL, ct_count_new(), ct_is(CT_SYNC) ? NULL : ct_count_new()}, *at = &h;
	creel_executor *ex = ct_executor();
	ct_int(creel_spawn(ex, task_hand_over, &at, sizeof at, NULL), 0);
	ct_pass(h.there);
	if (h.gate) {
		ct_int(creel_future_state(h.f), CREEL_FUTURE_RUNNING);
		ct_open(h.gate);
	}
	ct_int(ct_long_drop(h.f), 7);
	ct_close(ex);
}

/* The words of custom executors: a stack that is linked through them. */

struct stack {
	creel_task *top;
	unsigned n;
};

static int stack_push(void *self, creel_task *task)
{
	struct stack *s = self;
	void **words = creel_task_words(task);
	words[0] = s->top;
	words[1] = s;
	s->top = task;
	s->n++;
	return 0;
}

static creel_task *stack_pop(struct stack *s)
{
	creel_task *task = s->top;
	if (!task)
		return NULL;
	ct_assert(creel_task_words(task)[1] == s);
	s->top = creel_task_words(task)[0];
	return task;
}

static int task_without_words(creel_task *task, const void *arg, size_t size)
{
	if (creel_task_words(task))
		return creel_fail(task, -EBADE, "it has words while it runs");
	return creel_return(task, arg, size);
}

CORE_CASE(c02_words_survive_a_cancel_that_nobody_withdraws)
{
	enum { SIZES = 6 };
	static const size_t sizes[SIZES] = {0, 8, 16, 31, 32, 5000};
	unsigned char data[5000];
	struct stack s = {NULL, 0};
	creel_executor_ops ops = {.size = sizeof ops, .submit = stack_push};
	creel_submit_options named = {.name = "card"};
	memset(data, 0x5a, sizeof data);
	creel_executor *ex = creel_executor_new(&ops, &s);
	creel_future *kept[SIZES], *cancelled[SIZES];
	for (int i = 0; i < SIZES; i++) {
		kept[i] = creel_submit_with(ex, task_without_words, sizes[i] ? data : NULL,
					    sizes[i], i % 2 ? &named : NULL);
		cancelled[i] = creel_submit_with(ex, task_without_words, sizes[i] ? data : NULL,
						 sizes[i], i % 2 ? NULL : &named);
		ct_int(creel_future_cancel(cancelled[i]), CREEL_CANCEL_NOW);
		if (i % 3 == 0) {
			creel_future_unref(cancelled[i]);
			cancelled[i] = NULL;
		}
	}
	unsigned n = 0;
	for (creel_task *task; (task = stack_pop(&s)); n++)
		(void)creel_task_run(task);
	ct_int(n, s.n);
	ct_int(n, 2 * SIZES);
	for (int i = 0; i < SIZES; i++) {
		const void *seen;
		size_t size;
		ct_int(creel_future_view(kept[i], CREEL_NOW, &seen, &size), 0);
		ct_int(size, sizes[i]);
		ct_assert(size == 0 || memcmp(seen, data, size) == 0);
		creel_future_unref(kept[i]);
		if (cancelled[i])
			ct_text(creel_future_error(cancelled[i])->task, i % 2 ? "" : "card");
		creel_future_unref(cancelled[i]);
	}
	ct_close(ex);
}

CASE(bad_asking_for_words_of_a_task_that_has_none, 0)
{
	long five = 5;
	creel_executor *ex = ct_executor();
	ct_assert(creel_task_words(NULL) == NULL);
	ct_int(ct_long_drop(creel_submit(ex, task_without_words, &five, sizeof five)), 5);
	ct_close(ex);
}

/* CREEL_PRESTART. */

CASE(c13_workers_start_early_if_asked_for, CT_POOL)
{
	struct seen *seen = seen_new();
	creel_executor *ex = ct_pool((creel_thread_pool_options){.max_workers = 5,
								 .min_workers = 3,
								 .flags = CREEL_PRESTART,
								 .initializer = note_number,
								 .ctx = seen});
	ct_assert(creel_executor_error(ex) == NULL);
	ct_count_await(seen->inits, 3);
	ct_until(stats_of(ex).idle == 3);
	ct_int(stats_of(ex).started, 3);
	struct number n = {seen, false, false};
	unsigned worker;
	creel_future *f = creel_submit(ex, task_number, &n, sizeof n);
	ct_int(creel_future_result(f, CT_GUARD, &worker, sizeof worker), 0);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(seen->inits), 3);
}

CASE(c18_a_pool_that_cannot_start_early_is_broken, CT_POOL)
{
	for (unsigned n = 1; n <= 3; n++) {
		ct_fault_arm(CT_FAULT_THREAD, n, true);
		creel_executor *ex = ct_pool((creel_thread_pool_options){
			.max_workers = 4, .min_workers = 3, .flags = CREEL_PRESTART});
		ct_fault_off();
		ct_int(creel_executor_error(ex)->code, -EAGAIN);
		ct_has(creel_executor_error(ex)->message, "CREEL_PRESTART");
		ct_has(creel_executor_error(ex)->message, "3 threads of min_workers");
		ct_close(ex);
	}
}

CASE(bad_starting_no_worker_early_is_refused, CT_POOL)
{
	creel_executor *ex = ct_pool((creel_thread_pool_options){.flags = CREEL_PRESTART});
	ct_int(creel_executor_error(ex)->code, -EINVAL);
	ct_has(creel_executor_error(ex)->message, "min_workers is 0");
	ct_close(ex);
}
