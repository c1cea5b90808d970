/* SPDX-License-Identifier: MIT */
/* Promises 15 and 16: what was accepted runs once and in order, what was rejected never. */
#include "contract.h"

#include <string.h>

/* Promise 15. */

CASE(c15_after_shutdown_every_way_of_submitting_is_refused_as_shut_down, 0)
{
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.name = "late", .arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *ex = ct_executor();
	creel_future *none = NULL;
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);

	creel_future *f = ct_submit_count(ex, ran);
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
	ct_assert(creel_future_error(f)->message[0] != 0);
	creel_future_unref(f);

	/* It took the argument over, so it frees it; try_submit leaves it with the caller. */
	f = creel_submit_with(ex, task_count, &ran, sizeof ran, &o);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_SHUT_DOWN);
	ct_int(ct_count_get(freed), 1);
	creel_future_unref(f);
	ct_int(creel_try_submit(ex, task_count, &ran, sizeof ran, &o, &none), -ESHUTDOWN);
	ct_assert(none == NULL);
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_spawn(ex, task_count, &ran, sizeof ran, &o), -ESHUTDOWN);
	ct_int(ct_count_get(freed), 2);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

struct late {
	creel_executor *ex;
	struct ct_count *started, *gate, *ran;
};

static int submit_late(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct late *l = arg;
	creel_future *f = NULL;
	ct_count_add(l->started, 1);
	ct_pass(l->gate);
	int rc = creel_try_submit(l->ex, task_count, &l->ran, sizeof l->ran, NULL, &f);
	creel_future_unref(f);
	return creel_return(task, &rc, sizeof rc);
}

CASE(c15_a_worker_that_submits_after_shutdown_is_refused_too, CT_ASYNC | CT_INPROC)
{
	struct late l = {ct_executor(), ct_count_new(), ct_count_new(), ct_count_new()};
	int said = 0;
	creel_future *f = creel_submit(l.ex, submit_late, &l, sizeof l);
	ct_count_await(l.started, 1);
	ct_int(creel_executor_shutdown(l.ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_open(l.gate);
	ct_int(creel_future_result(f, CT_GUARD, &said, sizeof said), 0);
	ct_int(said, -ESHUTDOWN);
	creel_future_unref(f);
	ct_close(l.ex);
	ct_int(ct_count_get(l.ran), 0);
}

CASE(c15_a_task_may_submit_to_its_own_executor, CT_INPROC)
{
	struct late l = {ct_executor(), ct_count_new(), ct_count_new(), ct_count_new()};
	int said = 1;
	ct_open(l.gate);
	creel_future *f = creel_submit(l.ex, submit_late, &l, sizeof l);
	ct_int(creel_future_result(f, CT_GUARD, &said, sizeof said), 0);
	ct_int(said, 0);
	creel_future_unref(f);
	ct_close(l.ex);
	ct_int(ct_count_get(l.ran), 1);
}

CORE_CASE(c15_broken_takes_precedence_over_shut_down)
{
	creel_thread_pool_options o = {.max_workers = -3};
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options so = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_future *none = NULL;
	creel_executor *ex = creel_thread_pool_new(&o);
	ct_assert(creel_executor_error(ex) != NULL);
	for (int i = 0; i < 2; i++) {
		creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran, &so);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_BROKEN);
		ct_int(ct_outcome(f), CREEL_EFAILED);
		creel_future_unref(f);
		ct_int(ct_count_get(freed), (unsigned)i + 1);
		ct_int(creel_try_submit(ex, task_count, &ran, sizeof ran, &so, &none),
		       CREEL_EFAILED);
		ct_int(creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL), 0);
	}
	ct_assert(none == NULL);
	ct_close(ex);
	ct_int(ct_count_get(ran), 0);
}

struct race {
	creel_executor *ex;
	struct ct_count *ran, *accepted, *ready;
	bool wrong;
};

static void *submit_until_refused(void *arg)
{
	struct race *r = arg;
	for (;;) {
		creel_future *f = NULL;
		int rc = creel_try_submit(r->ex, task_count, &r->ran, sizeof r->ran, NULL, &f);
		r->wrong |= rc != 0 && rc != -ESHUTDOWN;
		if (rc)
			return NULL;
		ct_count_add(r->accepted, 1);
		ct_count_add(r->ready, 1);
		creel_future_unref(f);
	}
}

CASE(c15_submissions_that_race_with_shutdown_run_or_are_refused, 0)
{
	unsigned rounds = ct_many(ct_scaled(20));
	for (unsigned round = 0; round < rounds; round++) {
		struct race r[3];
		struct ct_thread *threads[3];
		struct ct_count *ran = ct_count_new(), *accepted = ct_count_new();
		struct ct_count *ready = ct_count_new();
		creel_executor *ex = ct_executor();
		for (int i = 0; i < 3; i++) {
			r[i] = (struct race){ex, ran, accepted, ready, false};
			threads[i] = ct_thread_start(submit_until_refused, &r[i]);
		}
		ct_count_await(ready, 20);
		ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
		for (int i = 0; i < 3; i++) {
			ct_thread_join(threads[i]);
			ct_assert(!r[i].wrong);
		}
		ct_close(ex);
		ct_int(ct_count_get(ran), ct_count_get(accepted));
	}
}

CASE(c15_a_spawned_task_runs_without_a_future, 0)
{
	struct ct_count *ran = ct_count_new(), *freed = ct_count_new();
	creel_submit_options o = {.arg_free = arg_free_count, .arg_ctx = freed};
	creel_executor *ex = ct_executor();
	for (int i = 0; i < 100; i++)
		ct_int(creel_spawn(ex, task_count, &ran, sizeof ran, &o), 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(ct_count_get(ran), 100);
	ct_int(ct_count_get(freed), 100);
	ct_close(ex);
}

struct freeing {
	const void *arg;
	size_t size;
	unsigned times;
	struct ct_count *ran;
	uint32_t ran_before;
};

static void note_freed(void *arg, size_t size, void *ctx)
{
	struct freeing *fr = ctx;
	fr->arg = arg;
	fr->size = size;
	fr->times++;
	fr->ran_before = ct_count_get(fr->ran);
}

CASE(c15_an_argument_is_freed_once_after_the_function_and_before_the_end_shows, CT_INPROC)
{
	struct freeing fr = {.ran = ct_count_new()};
	creel_submit_options o = {.arg_free = note_freed, .arg_ctx = &fr};
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit_with(ex, task_count, &fr.ran, sizeof fr.ran, &o);
	ct_int(ct_outcome(f), 0);
	ct_int(fr.times, 1);
	ct_int(fr.ran_before, 1);
	ct_int(fr.size, sizeof fr.ran);
	/* A copy's address. */
	ct_assert(fr.arg != NULL && fr.arg != &fr.ran);
	creel_future_unref(f);
	f = creel_submit_with(ex, task_nothing, &fr, CREEL_BY_REF, &o);
	ct_int(ct_outcome(f), 0);
	ct_int(fr.times, 2);
	ct_assert(fr.arg == &fr);
	ct_assert(fr.size == CREEL_BY_REF);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(fr.times, 2);
}

static int say_current(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int same = creel_task_current() == task;
	return creel_return(task, &same, sizeof same);
}

CASE(c15_the_current_task_is_known_inside_and_only_there, 0)
{
	int same = 0;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, say_current, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &same, sizeof same), 0);
	ct_int(same, 1);
	ct_assert(creel_task_current() == NULL);
	creel_future_unref(f);
	ct_close(ex);
}

/* Promise 16. */

CASE(c16_tasks_of_one_submitter_start_first_in_first_out, CT_STRICT)
{
	enum { N = 1000 };
	struct ct_log *log = ct_log_new(N);
	creel_executor *ex = ct_executor();
	for (long i = 0; i < N; i++)
		creel_future_unref(ct_submit_log(ex, log, i));
	ct_close(ex);
	ct_int(log->n, N);
	for (long i = 0; i < N; i++)
		ct_int(log->entry[i], i);
}

struct submitter {
	creel_executor *ex;
	struct ct_log *log;
	long base;
};

static void *submit_a_series(void *arg)
{
	struct submitter *s = arg;
	for (long i = 0; i < 300; i++)
		creel_future_unref(ct_submit_log(s->ex, s->log, s->base + i));
	return NULL;
}

CASE(c16_tasks_of_several_submitters_keep_each_ones_order, CT_STRICT | CT_ASYNC)
{
	enum { THREADS = 3 };
	struct ct_log *log = ct_log_new(300 * THREADS);
	struct submitter s[THREADS];
	struct ct_thread *threads[THREADS];
	long next[THREADS] = {0};
	creel_executor *ex = ct_executor();
	for (int i = 0; i < THREADS; i++) {
		s[i] = (struct submitter){ex, log, 1000 * i};
		threads[i] = ct_thread_start(submit_a_series, &s[i]);
	}
	for (int i = 0; i < THREADS; i++)
		ct_thread_join(threads[i]);
	ct_close(ex);
	ct_int(log->n, 300 * THREADS);
	for (unsigned i = 0; i < log->n; i++)
		ct_int(log->entry[i] % 1000, next[log->entry[i] / 1000]++);
}

CASE(c16_what_waits_behind_is_not_overtaken_by_what_comes_later, CT_STRICT | CT_ASYNC)
{
	enum { N = 50 };
	struct ct_hold hold;
	struct ct_log *log = ct_log_new(2 * N);
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	for (long i = 0; i < N; i++)
		creel_future_unref(ct_submit_log(ex, log, i));
	ct_release(&hold);
	for (long i = N; i < 2 * N; i++)
		creel_future_unref(ct_submit_log(ex, log, i));
	ct_close(ex);
	ct_int(log->n, 2 * N);
	for (long i = 0; i < 2 * N; i++)
		ct_int(log->entry[i], i);
}

CASE(rule_an_executor_may_be_used_by_any_thread_that_holds_it, CT_ASYNC)
{
	struct ct_log *log = ct_log_new(600);
	struct submitter s[2];
	struct ct_thread *threads[2];
	for (int i = 0; i < 2; i++) {
		s[i] = (struct submitter){ct_executor(), log, 1000 * i};
		threads[i] = ct_thread_start(submit_a_series, &s[i]);
	}
	for (int i = 0; i < 2; i++) {
		ct_thread_join(threads[i]);
		ct_close(s[i].ex);
	}
	ct_int(log->n, 600);
}

/* What the header says of a name: copied, and cut to 39 bytes. */
CASE(c06_a_long_name_of_a_task_is_cut_to_39_bytes_in_its_error, 0)
{
	char name[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
	int code = -EIO;
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit_with(ex, task_fail, &code, sizeof code,
					    &(creel_submit_options){.name = name});
	name[0] = 'x';
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_text(creel_future_error(f)->task, "012345678901234567890123456789012345678");
	creel_future_unref(f);
	ct_close(ex);
}
