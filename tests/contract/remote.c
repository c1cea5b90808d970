/* SPDX-License-Identifier: MIT */
/*
 * Promises 1, 2 and 15 as a custom executor sees them whose tasks run elsewhere: what it may say,
 * and when, and what is asked of it. An executor that does run them is support/forker.c.
 */
#include "contract.h"
#include "forker.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

/* An executor that has one task at a time, somewhere. */
struct far {
	creel_task *task;
	_Atomic bool started; /* there: what it says when it is asked */
	_Atomic unsigned asks, withdraws, stops, kills, resizes, awaits, allocs;
	int64_t grace_ns;
};

static int far_submit(void *self, creel_task *task)
{
	struct far *far = self;
	far->task = task;
	return 0;
}

static int far_withdraw(void *self, creel_task *task)
{
	struct far *far = self;
	(void)task;
	far->withdraws++;
	return far->started ? CREEL_WITHDRAW_STARTED : 0;
}

static int far_ask(void *self, creel_task *task)
{
	struct far *far = self;
	(void)task;
	far->asks++;
	return far->started;
}

static void far_stop(void *self, creel_task *task)
{
	struct far *far = self;
	(void)task;
	far->stops++;
}

static int far_kill(void *self, creel_task *task, int64_t grace_ns)
{
	struct far *far = self;
	(void)task;
	far->kills++;
	far->grace_ns = grace_ns;
	return 0;
}

static int far_resize(void *self, int max_workers)
{
	struct far *far = self;
	far->resizes++;
	return max_workers > 4 ? -ENOSPC : 0;
}

static creel_executor *far_new(struct far *far)
{
	static const creel_executor_ops ops = {.size = sizeof ops,
					       .flags = CREEL_EXECUTOR_REMOTE,
					       .submit = far_submit,
					       .withdraw = far_withdraw,
					       .resize = far_resize,
					       .ask = far_ask,
					       .stop = far_stop,
					       .kill = far_kill};
	*far = (struct far){.grace_ns = 0};
	return creel_executor_new(&ops, far);
}

/* Whoever finds out that it has: one who looks, or one who cancels. */
CORE_CASE(c02_what_has_started_elsewhere_is_asked_to_stop_and_not_cancelled)
{
	for (int looks = 0; looks < 2; looks++) {
		struct far far;
		creel_executor *ex = far_new(&far);
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
		ct_assert(creel_task_words(far.task) != NULL);
		far.started = true;
		if (looks)
			ct_int(creel_future_state(f), CREEL_FUTURE_RUNNING);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
		ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
		ct_int(far.stops, 1);
		ct_int(creel_future_kill(f, 5), CREEL_CANCEL_REQUESTED);
		ct_int(far.kills, 1);
		ct_int(far.grace_ns, 5);
		ct_int(far.stops, 1);
		/* It is none that can run here any more. */
		ct_assert(creel_task_words(far.task) == NULL);
		ct_int(creel_task_run(far.task), -EALREADY);
		ct_assert(creel_task_function(far.task) == task_nothing);
		ct_int(creel_task_begin(far.task), 0);
		ct_int(creel_task_begin(far.task), 0);
		ct_assert(creel_task_cancelled(far.task));
		ct_int(creel_task_settle_error(
			       far.task,
			       &(creel_failure){.kind = CREEL_KIND_CANCELLED, .code = -ECANCELED},
			       NULL),
		       0);
		ct_int(ct_outcome(f), -ECANCELED);
		ct_int(creel_future_error(f)->kind, CREEL_KIND_CANCELLED);
		creel_future_unref(f);
		ct_close(ex);
	}
}

/* It insists on running, so its executor is only asked. Once that has said that it has started, it
 * is not told to withdraw it: it may have made another one of it since. */
CORE_CASE(c37_a_finally_elsewhere_is_never_withdrawn)
{
	for (int i = 0; i < 4; i++) {
		bool started = i % 2, kills = i / 2;
		struct far far;
		creel_executor *ex = far_new(&far);
		creel_future *first = creel_promise_new();
		creel_future *f = creel_finally(first, ex, task_nothing, NULL, 0);
		ct_int(creel_promise_set_result(first, NULL, 0), 0);
		far.started = started;
		ct_int(kills ? creel_future_kill(f, 5) : creel_future_cancel(f),
		       CREEL_CANCEL_REQUESTED);
		ct_int(far.asks, 1);
		ct_int(far.withdraws, 0);
		ct_int(far.stops, started);
		ct_int(far.kills, started && kills);
		ct_assert((creel_task_words(far.task) == NULL) == started);
		ct_int(creel_task_begin(far.task), 0);
		ct_int(creel_task_cancelled(far.task), started);
		ct_int(creel_task_settle(far.task, (creel_buffer){.size = 0}), 0);
		ct_int(ct_outcome(f), started ? 0 : -ECANCELED);
		creel_future_unref(f);
		creel_future_unref(first);
		ct_close(ex);
	}
}

/* The future that it follows, in the argument. */
static int task_follow(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	return creel_return_future(task, *(creel_future *const *)arg);
}

CORE_CASE(c28_c37_a_kill_of_a_task_that_has_returned_a_future_kills_that_elsewhere)
{
	struct far far;
	creel_executor *ex = far_new(&far), *here = creel_inline_new();
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	creel_future *g = creel_submit(here, task_follow, &f, sizeof f);
	far.started = true;
	ct_int(creel_future_kill(g, 5), CREEL_CANCEL_REQUESTED);
	ct_int(far.kills, 1);
	ct_int(far.grace_ns, 5);
	ct_int(creel_task_begin(far.task), 0);
	ct_int(creel_task_settle_error(
		       far.task, &(creel_failure){.kind = CREEL_KIND_KILLED, .code = CREEL_EFAILED},
		       NULL),
	       0);
	ct_int(ct_outcome(g), CREEL_EFAILED);
	ct_int(creel_future_error(g)->kind, CREEL_KIND_KILLED);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(here);
	ct_close(ex);
}

/* It only says what has started, and cannot take back what has not. */
CORE_CASE(c02_who_cancels_asks_an_executor_that_has_no_withdraw)
{
	for (int started = 0; started < 2; started++) {
		const creel_executor_ops ops = {.size = sizeof ops,
						.flags = CREEL_EXECUTOR_REMOTE,
						.submit = far_submit,
						.ask = far_ask,
						.stop = far_stop};
		struct far far = {.started = started};
		creel_executor *ex = creel_executor_new(&ops, &far);
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		ct_int(creel_future_cancel(f), started ? CREEL_CANCEL_REQUESTED : CREEL_CANCEL_NOW);
		ct_int(far.asks, 1);
		ct_int(far.stops, started);
		ct_int(creel_task_begin(far.task), started ? 0 : -ECANCELED);
		if (started)
			ct_int(creel_task_settle(far.task, (creel_buffer){.size = 0}), 0);
		ct_int(ct_outcome(f), started ? 0 : -ECANCELED);
		creel_future_unref(f);
		ct_close(ex);
	}
}

CORE_CASE(c15_a_task_that_has_begun_elsewhere_may_be_rejected)
{
	for (int found = 0; found < 2; found++) {
		struct far far;
		creel_executor *ex = far_new(&far);
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		far.started = found;
		ct_int(found ? creel_future_state(f) : creel_task_begin(far.task),
		       found ? CREEL_FUTURE_RUNNING : 0);
		creel_task_reject(far.task, CREEL_KIND_REJECTED, -EIO, "no process");
		ct_int(ct_outcome(f), CREEL_EFAILED);
		ct_int(creel_future_error(f)->code, -EIO);
		creel_future_unref(f);
		ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
		ct_close(ex);
	}
}

/* Its waiters do its work: one ends the task that it awaits, if that has started. */
static void far_await(void *self, creel_task *task, creel_deadline deadline)
{
	struct far *far = self;
	(void)deadline;
	far->awaits++;
	if (far->started)
		ct_int(creel_task_settle(task, (creel_buffer){.size = 0}), 0);
}

static void count_call(creel_future *f, void *arg)
{
	(void)f;
	ct_count_add(arg, 1);
}

/* Not before it has awaited, which a wait does that begins before its deadline: so the deadline
 * becomes longer. */
static unsigned await_in_vain(creel_future *f, const struct far *far, bool awaits)
{
	for (int64_t ms = 1, start = ct_now(); !ct_guard_over(start); ms *= 2) {
		ct_int(creel_future_result(f, creel_in_ms(ms), NULL, 0), -ETIMEDOUT);
		if (far->awaits || !awaits)
			return far->awaits;
	}
	return 0;
}

/* Not if that has a callback, which may need a lock that the waiter holds. */
CORE_CASE(c09_who_awaits_a_task_elsewhere_may_do_the_work)
{
	const creel_executor_ops ops = {.size = sizeof ops,
					.flags = CREEL_EXECUTOR_REMOTE,
					.submit = far_submit,
					.await = far_await};
	for (int called = 0; called < 2; called++) {
		struct far far = {.started = false};
		struct ct_count *calls = ct_count_new();
		creel_executor *ex = creel_executor_new(&ops, &far);
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		if (called)
			ct_int(creel_future_on_done(f, NULL, count_call, calls, NULL, NULL), 0);
		ct_int(await_in_vain(f, &far, !called), !called);
		far.started = true;
		if (called)
			ct_int(creel_task_settle(far.task, (creel_buffer){.size = 0}), 0);
		ct_int(ct_outcome(f), 0);
		ct_int(far.awaits, called ? 0 : 2);
		ct_int(ct_count_get(calls), called);
		creel_future_unref(f);
		ct_close(ex);
	}
}

static void *far_alloc(void *self, size_t size)
{
	struct far *far = self;
	far->allocs++;
	return aligned_alloc(64, (size + 63) / 64 * 64);
}

static void far_free(void *self, void *p)
{
	(void)self;
	free(p);
}

/* It sends the input itself, from where that is. */
CORE_CASE(c37_the_input_of_a_task_elsewhere_is_not_copied)
{
	enum { SIZE = 1000 };
	const creel_executor_ops ops = {.size = sizeof ops,
					.flags = CREEL_EXECUTOR_REMOTE,
					.submit = far_submit,
					.alloc = far_alloc,
					.free = far_free};
	struct far far = {.started = false};
	static const char zeros[SIZE];
	const void *data, *input;
	size_t size;
	creel_executor *ex = creel_executor_new(&ops, &far);
	creel_future *first = creel_promise_new();
	creel_future *f = creel_then(first, ex, task_nothing, NULL, 0);
	ct_int(creel_promise_set_result(first, zeros, SIZE), 0);
	ct_int(creel_future_view(first, CREEL_NOW, &data, &size), 0);
	ct_int(creel_task_begin(far.task), 0);
	ct_int(creel_task_input(far.task, &input, &size), 0);
	ct_assert(input == data && size == SIZE);
	ct_int(far.allocs, 0);
	ct_int(creel_task_settle(far.task, (creel_buffer){.size = 0}), 0);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	creel_future_unref(first);
	ct_close(ex);
}

struct asker {
	_Atomic(creel_future *) f;
	_Atomic bool over;
	bool cancels;
};

static void *ask_on(void *arg)
{
	struct asker *a = arg;
	while (!a->over) {
		creel_future *f = a->f;
		if (!f) {
			sched_yield();
			continue;
		}
		(void)creel_future_state(f);
		if (a->cancels)
			(void)creel_future_cancel(f);
		a->f = NULL;
	}
	return NULL;
}

/* A race, which is repeated: somebody finds out that it has started while its executor says so. */
CORE_CASE(c01_what_begins_while_it_is_asked_about_ends_once)
{
	for (int cancels = 0; cancels < 2; cancels++) {
		struct far far;
		struct asker a = {.cancels = cancels};
		creel_executor *ex = far_new(&far);
		struct ct_thread *asker = ct_thread_start(ask_on, &a);
		int64_t begin = ct_now();
		for (unsigned i = 0; ct_again(i, CT_MEMCHECK ? 20 : 100, begin); i++) {
			creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
			far.started = true;
			a.f = f;
			for (volatile unsigned k = i % 64; k > 0; k--)
				;
			ct_int(creel_task_begin(far.task), 0);
			ct_int(creel_task_settle(far.task, (creel_buffer){.size = 0}), 0);
			ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
			for (int64_t start = ct_now(); a.f; sched_yield())
				ct_assert(!ct_guard_over(start));
			far.started = false;
			creel_future_unref(f);
		}
		a.over = true;
		ct_thread_join(asker);
		ct_int(creel_executor_drain(ex, CREEL_NOW), 0);
		ct_close(ex);
	}
}

/* A race, which is repeated: somebody looks at what its clock ends. */
CORE_CASE(c40_a_task_elsewhere_expires_while_somebody_looks)
{
	struct far far;
	creel_executor *ex = far_new(&far);
	int64_t begin = ct_now();
	for (unsigned i = 0; ct_again(i, CT_MEMCHECK ? 20 : 200, begin); i++) {
		creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0,
						    &(creel_submit_options){.expiry_ns = 200000});
		for (int64_t start = ct_now(); creel_future_state(f) != CREEL_FUTURE_FINISHED;)
			ct_assert(!ct_guard_over(start));
		ct_int(creel_future_error(f)->kind, CREEL_KIND_EXPIRED);
		/* Unless it had expired before it was given. */
		if (far.task)
			creel_task_reject(far.task, CREEL_KIND_REJECTED, -EIO, "late");
		far.task = NULL;
		creel_future_unref(f);
	}
	ct_close(ex);
}

CORE_CASE(rule_a_custom_executor_is_not_resized_after_its_shutdown)
{
	struct far far;
	creel_executor *ex = far_new(&far);
	ct_int(creel_executor_resize(ex, 2), 0);
	ct_int(creel_executor_resize(ex, 5), -ENOSPC);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), 0);
	ct_int(creel_executor_resize(ex, 2), -ESHUTDOWN);
	ct_int(far.resizes, 2);
	ct_close(ex);
}

/* Hooks hear of the start of what a custom executor settles, whichever way it runs. */
static void count_started(void *ctx, const creel_event *e)
{
	struct ct_count *started = ctx;
	ct_assert(e->at.ns > 0);
	ct_count_add(started, 1);
}

CORE_CASE(rule_hooks_hear_of_what_ran_elsewhere)
{
	for (int how = 0; how < 3; how++) {
		struct far far;
		struct ct_count *started = ct_count_new();
		creel_executor *ex = far_new(&far);
		creel_hooks hooks = {
			.size = sizeof hooks, .ctx = started, .started = count_started};
		ct_int(creel_executor_watch(ex, &hooks), 0);
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		if (how == 1)
			ct_int(creel_task_begin(far.task), 0);
		if (how == 2)
			creel_task_reject(far.task, CREEL_KIND_REJECTED, -EIO, "no process");
		else
			ct_int(creel_task_settle(far.task, (creel_buffer){.size = 0}), 0);
		ct_int(ct_count_get(started), how < 2);
		creel_future_unref(f);
		ct_close(ex);
	}
}

/* Outlasts every guard, and says once that it is asked to stop. */
static int task_never_stops(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *asked = *(struct ct_count *const *)arg;
	(void)size;
	bool told = false;
	for (int i = 0; i < 2; i++)
		for (int64_t start = ct_now(); !ct_guard_over(start); ct_breathe())
			if (!told && creel_task_cancelled(task)) {
				ct_count_add(asked, 1);
				told = true;
			}
	return 0;
}

/* With processes of two executors, each of which was forked beside the others, half of them asked
 * to stop. */
static _Noreturn void die_in_the_midst(void)
{
	enum { N = 6 };
	creel_executor *ex[2] = {ct_forker_new(N), ct_forker_new(N)};
	struct ct_count *asked = ct_count_new();
	creel_future *f[N];
	for (int i = 0; i < N; i++)
		f[i] = creel_submit(ex[i % 2], task_never_stops, &asked, sizeof asked);
	for (int i = 0; i < N; i++)
		while (creel_future_state(f[i]) != CREEL_FUTURE_RUNNING)
			ct_breathe();
	for (int i = 0; i < N / 2; i++)
		CHILD(creel_future_cancel(f[i]) == CREEL_CANCEL_REQUESTED);
	ct_count_await(asked, N / 2);
	(void)kill(getpid(), SIGKILL);
	_exit(1);
}

/* The executor of these tests sees to it. */
CORE_CASE_WITH(rule_nothing_outlives_the_process_that_forked_it, CT_BUSY_FORK)
{
	int lives[2], status = 0;
	char none;
	ct_int(pipe(lives), 0);
	pid_t child = fork();
	if (child == 0)
		die_in_the_midst();
	close(lives[1]);
	ct_int(waitpid(child, &status, 0), child);
	ct_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	struct pollfd all = {.fd = lives[0], .events = POLLIN};
	ct_int(poll(&all, 1, CT_GUARD_MS), 1);
	ct_int(read(lives[0], &none, 1), 0);
	close(lives[0]);
}
