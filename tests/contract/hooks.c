/* SPDX-License-Identifier: MIT */
/* Hooks of executors: each task is submitted, started and ended once, in that order, and hooks may
 * do what callbacks may. */
#include "contract.h"

#include <limits.h>
#include <string.h>
#include <sys/wait.h>

enum { TASKS = 24 };

/* What the hooks heard of each task, by its number. */
struct heard {
	creel_executor *ex;
	_Atomic unsigned wrong, workers, left;
	struct one {
		_Atomic unsigned submitted, started, ended;
		_Atomic int state, code;
	} task[TASKS + 1];
};

/* The task of an event that is right in itself. */
static struct one *of(struct heard *h, const creel_event *e, const char *name)
{
	bool right = e->executor == h->ex && e->sequence > 0 && e->sequence <= TASKS && e->fn &&
		     e->at.ns > 0 && e->at.ns <= creel_now().ns && strcmp(e->name, name) == 0;
	h->wrong += !right;
	return &h->task[right ? e->sequence : 0];
}

static void on_submitted(void *ctx, const creel_event *e)
{
	struct heard *h = ctx;
	struct one *one = of(h, e, "heard");
	h->wrong += one->submitted++ || one->started || one->ended || e->worker != UINT_MAX;
}

static void on_started(void *ctx, const creel_event *e)
{
	struct heard *h = ctx;
	struct one *one = of(h, e, "heard");
	h->wrong += !one->submitted || one->started++ || one->ended ||
		    (e->worker == UINT_MAX) != (creel_executor_slots(h->ex) == 0);
}

static void on_ended(void *ctx, const creel_event *e)
{
	struct heard *h = ctx;
	struct one *one = of(h, e, "heard");
	one->state = e->state;
	one->code = e->code;
	h->wrong += !one->submitted || one->ended++;
}

static void on_worker(void *ctx, const creel_event *e)
{
	struct heard *h = ctx;
	h->wrong += e->executor != h->ex || e->sequence || e->fn || *e->name ||
		    e->worker >= creel_executor_slots(h->ex);
	h->workers++;
}

static void on_left(void *ctx, const creel_event *e)
{
	struct heard *h = ctx;
	h->wrong += e->executor != h->ex || e->worker >= creel_executor_slots(h->ex);
	h->left++;
}

static struct heard *listen(creel_executor *ex)
{
	struct heard *h = ct_shared(sizeof *h);
	const creel_hooks hooks = {.size = sizeof hooks,
				   .ctx = h,
				   .submitted = on_submitted,
				   .started = on_started,
				   .ended = on_ended,
				   .worker_started = on_worker,
				   .worker_left = on_left};
	h->ex = ex;
	ct_int(creel_executor_watch(ex, &hooks), 0);
	return h;
}

static const creel_submit_options heard = {.name = "heard"};

static void heard_exactly(struct heard *h, unsigned task, unsigned started, int state, int code)
{
	struct one *one = &h->task[task];
	ct_int(one->submitted, 1);
	ct_int(one->started, started);
	ct_int(one->ended, 1);
	ct_int(one->state, state);
	ct_int(one->code, code);
}

/* Tasks that succeed, that fail, that are cancelled while they wait, and that are refused. */
CASE(rule_hooks_hear_of_each_task, 0)
{
	creel_executor *ex = ct_executor();
	struct heard *h = listen(ex);
	creel_future *f[TASKS];
	const int code = -EIO;
	for (unsigned i = 0; i < TASKS - 1; i++)
		f[i] = i % 3 == 2
			       ? creel_submit_with(ex, task_fail, &code, sizeof code, &heard)
			       : creel_submit_with(ex, task_same, &(long){1}, sizeof(long), &heard);
	int cancelled[TASKS] = {0};
	for (unsigned i = 0; i < TASKS - 1; i += 2)
		cancelled[i] = creel_future_cancel(f[i]) == CREEL_CANCEL_NOW;
	ct_int(creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL), 0);
	f[TASKS - 1] = creel_submit_with(ex, task_same, &(long){1}, sizeof(long), &heard);
	for (unsigned i = 0; i < TASKS - 1; i++) {
		/* What was sent ahead counts as started, and is taken back. */
		if (!cancelled[i] && ct_never_ran(f[i]))
			heard_exactly(h, i + 1, 1, CREEL_FUTURE_FINISHED, -ECANCELED);
		else if (cancelled[i])
			heard_exactly(h, i + 1, 0, CREEL_FUTURE_CANCELLED, -ECANCELED);
		else
			heard_exactly(h, i + 1, 1, CREEL_FUTURE_FINISHED, i % 3 == 2 ? code : 0);
	}
	heard_exactly(h, TASKS, 0, CREEL_FUTURE_FINISHED, -ESHUTDOWN);
	for (unsigned i = 0; i < TASKS; i++)
		creel_future_unref(f[i]);
	ct_int(creel_executor_close(ex), 0);
	ct_int(h->wrong, 0);
	ct_int(h->workers, h->left);
	ct_assert(!ct_is(CT_COUNTS) || h->workers > 0);
}

/* Cancelled while it waits behind others, by its canceller or by the shutdown. */
CASE(rule_hooks_hear_of_what_never_starts, CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	struct ct_hold hold;
	ct_hold(&hold, ex);
	struct heard *h = listen(ex);
	creel_future *f = creel_submit_with(ex, task_same, &(long){1}, sizeof(long), &heard);
	creel_future *g = creel_submit_with(ex, task_same, &(long){1}, sizeof(long), &heard);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	heard_exactly(h, 1, 0, CREEL_FUTURE_CANCELLED, -ECANCELED);
	const creel_submit_options expires = {.name = "heard", .expiry_ns = 1};
	creel_future *e = creel_submit_with(ex, task_same, &(long){1}, sizeof(long), &expires);
	ct_int(creel_future_result(e, CREEL_FOREVER, NULL, 0), CREEL_EFAILED);
	heard_exactly(h, 3, 0, CREEL_FUTURE_FINISHED, -ETIMEDOUT);
	creel_future_unref(e);
	ct_int(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL), -ETIMEDOUT);
	ct_release(&hold);
	ct_int(creel_future_result(g, CREEL_FOREVER, NULL, 0), -ECANCELED);
	heard_exactly(h, 2, 0, CREEL_FUTURE_CANCELLED, -ECANCELED);
	ct_int(h->wrong, 0);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_int(creel_executor_close(ex), 0);
}

struct busy {
	creel_executor *ex;
	creel_future *victim;
	_Atomic unsigned calls, wrong;
};

/* Everything that a callback may do; and waiting, which it must not. */
static void do_much(void *ctx, const creel_event *e)
{
	struct busy *b = ctx;
	creel_stats stats;
	b->calls++;
	b->wrong += creel_spawn(b->ex, task_same, &(long){1}, sizeof(long), NULL) != 0;
	b->wrong += creel_executor_stats(b->ex, &stats, sizeof stats) != 0;
	b->wrong += creel_future_cancel(b->victim) != CREEL_CANCEL_NOW;
	b->wrong += creel_executor_drain(b->ex, CREEL_FOREVER) != -EDEADLK;
	b->wrong += e->executor != b->ex;
}

CASE(rule_hooks_may_do_what_callbacks_may, 0)
{
	creel_executor *ex = ct_executor();
	struct busy b = {.ex = ex, .victim = creel_promise_new()};
	const creel_hooks hooks = {.size = sizeof hooks,
				   .ctx = &b,
				   .submitted = do_much,
				   .started = do_much,
				   .ended = do_much};
	ct_int(creel_executor_watch(ex, &hooks), 0);
	creel_future *f = creel_submit(ex, task_same, &(long){1}, sizeof(long));
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), 0);
	creel_future_unref(f);
	ct_int(creel_executor_close(ex), 0);
	/* What the hooks have submitted is not watched. */
	ct_int(b.calls, 3);
	ct_int(b.wrong, 0);
	creel_promise_drop(b.victim);
}

struct forks {
	pid_t home, child;
};

/* Returns in both. */
static void fork_once(void *ctx, const creel_event *e)
{
	struct forks *forks = ctx;
	(void)e;
	if (!forks->child && getpid() == forks->home)
		forks->child = fork();
}

#if !CT_TSAN
/* The child ends with its thread if that is the library's, and else returns to the test. */
CASE(rule_hooks_may_fork, CT_FORK)
{
	/* The thread of the test's own executor would go on there. */
	int hooks_here = ct_is(CT_ASYNC) && !ct_is(CT_COUNTS) ? 1 : 3;
	for (int which = 0; which < hooks_here; which++) {
		creel_executor *ex = ct_executor();
		struct forks of_mine = {0}, *forks = &of_mine; /* not shared with the child */
		forks->home = getpid();
		const creel_hooks hooks = {.size = sizeof hooks,
					   .ctx = forks,
					   .submitted = which == 0 ? fork_once : NULL,
					   .started = which == 1 ? fork_once : NULL,
					   .ended = which == 2 ? fork_once : NULL};
		ct_int(creel_executor_watch(ex, &hooks), 0);
		creel_future *f = creel_submit(ex, task_same, &(long){1}, sizeof(long));
		if (getpid() != forks->home)
			_exit(0);
		ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), 0);
		creel_future_unref(f);
		ct_int(creel_executor_close(ex), 0);
		int status = -1;
		ct_int(waitpid(forks->child, &status, 0), forks->child);
		ct_int(status, 0);
	}
}
#endif

CASE(bad_hooks_are_refused, 0)
{
	creel_executor *ex = ct_executor();
	creel_hooks hooks = {.size = sizeof hooks};
	ct_int(creel_executor_watch(NULL, &hooks), -EINVAL);
	ct_int(creel_executor_watch(ex, NULL), -EINVAL);
	const size_t sizes[] = {0, sizeof(size_t), sizeof hooks - 1, sizeof hooks + sizeof(void *)};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		hooks.size = sizes[i];
		ct_int(creel_executor_watch(ex, &hooks), -EINVAL);
	}
	hooks.size = sizeof hooks;
	ct_int(creel_executor_watch(ex, &hooks), 0);
	ct_int(creel_executor_watch(ex, &hooks), -EALREADY);
	creel_future *f = creel_submit(ex, task_same, &(long){1}, sizeof(long));
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), 0);
	creel_future_unref(f);
	ct_int(creel_executor_close(ex), 0);
}
