/* SPDX-License-Identifier: MIT */
/*
 * Tasks: claiming, running, ending, and what their functions may call.
 *
 * Whoever moves the state word from PENDING to RUNNING runs the task: a worker that takes it from a
 * queue, or a worker of the same pool that waits for it (creel__task_help()). A task that was run
 * by its waiter is still in the queue, with the executor's reference; whoever finds it there drops
 * it. Its waiter runs it with a reference of its own, which counts as a user's until the end.
 */
#include "exec/task.h"
#include "base/alloc.h"
#include "base/cold.h"
#include "exec/executor.h"
#include "exec/return.h"
#include "exec/job.h"
#include "future/argument.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/layers.h"
#include "future/nest.h"
#include "future/release.h"
#include "future/times.h"
#include "future/result.h"
#include "future/stage.h"
#include "future/watch.h"
#include "sync/block.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <creel/task.h>
#include <errno.h>

/* A worker is about to end the task that it took from the queue: it says that it looks for the next
 * one, so that whoever waits for the end can rely on it. Relaxed: the end itself publishes it. */
static void look_next(const creel_future *f)
{
	struct creel__worker *worker = creel__self()->worker;
	if (!worker || worker->dispatched != f)
		return;
	worker->dispatched = NULL;
	if (worker->need && creel__load(worker->need, relaxed))
		creel__store(&worker->looking, CREEL__LOOKS, relaxed);
}

/* All who had a task hear of its end: ex, which ended it, and those that had forwarded it. */
static void tell_ended(creel_executor *ex, bool counted, creel_executor *origin)
{
	if (counted && !creel__executor_foreign(ex))
		ex->class->ended(ex);
	creel__layers_tell(origin, ex);
}

/* The end of a run of a periodic task. */
struct ending {
	creel_future *f;
	struct creel__times *times;
	creel_executor *ex, *origin;
	bool counted, again;
};

static void run_ends(void *arg)
{
	struct ending *e = arg;
	/* Its next run goes through the whole chain again. */
	creel__layers_leave(e->f, false);
	look_next(e->f);
	e->again = e->times->again(e->f, e->times);
}

/* The next one has begun within, or the thread has ended in that. */
static void run_ended(void *arg)
{
	const struct ending *e = arg;
	tell_ended(e->ex, e->counted, e->origin);
}

/* False: it was the last one. */
static bool end_run(creel_future *f, struct creel__times *times, bool counted)
{
	struct ending e = {f, times, f->executor, creel__task_origin(f), counted, false};
	creel__thread_guard(run_ends, run_ended, &e);
	if (e.again)
		run_ended(&e);
	return e.again;
}

/* The end of a task that has options, or whose executor has traits. */
static CREEL__COLD void end_slowly(creel_future *f, unsigned final)
{
	creel_executor *ex = f->executor, *origin = creel__task_origin(f);
	/* The class knows no task that has not its flags, and is through with one that followed. */
	uint64_t s = creel__load(&f->state, relaxed) & (CREEL__SLOW | CREEL__OWNED);
	bool counted = s == CREEL__SLOW && ex->traits & CREEL__COUNTS;
	struct creel__options *options = creel__options_of(f);
	struct creel__times *times = options ? options->times : NULL;
	if (options && options->stage && options->stage->insists)
		final = creel__stage_outcome(f, options->stage, final);
	if (times && times->again && final == CREEL__FINISHED && end_run(f, times, counted))
		return;
	if (options)
		options->cancels = final == CREEL__CANCELLED;
	bool dropped = creel__argument_drop(f);
	if (creel__future_foreign(f))
		return;
	if (!dropped && counted)
		creel__or(&f->state, CREEL__LATE_END, relaxed);
	if (s != (CREEL__SLOW | CREEL__OWNED))
		creel__future_leave(f);
	look_next(f);
	creel__future_settle(f, final, 1);
	if (dropped)
		tell_ended(ex, counted, origin);
}

/* Makes the outcome final. Afterwards the block may be gone. */
static inline void end(creel_future *f, unsigned final)
{
	if (creel__load(&f->state, relaxed) & (CREEL__OPTIONS | CREEL__SLOW)) {
		end_slowly(f, final);
		return;
	}
	creel__argument_free(f);
	look_next(f);
	creel__future_settle(f, final, 1);
}

void creel__task_end(creel_task *task, unsigned final)
{
	end(&task->future, final);
}

static CREEL__COLD void fail(creel_future *f, const creel_error *error)
{
	creel__error_set_unhandled(error, f->executor->unhandled);
	creel__result_error(f, error);
	end(f, CREEL__FAILED);
}

void creel__task_fail_claimed(creel_task *task, const creel_error *error)
{
	fail(&task->future, error);
}

void creel__task_end_remote(creel_task *task, const creel_error *error)
{
	if (error)
		fail(&task->future, error);
	else
		end(&task->future, CREEL__FINISHED);
}

bool creel__task_end_fetched(creel_task *task, const creel_error *error)
{
	creel_future *f = &task->future;
	if (error) {
		creel__error_set_unhandled(error, f->executor->unhandled);
		creel__result_error(f, error);
	}
	/* With nothing of the user's to be called: class->await() saw to that. */
	creel__argument_free(f);
	creel__future_leave(f);
	return creel__future_settle_unhooked(f, error ? CREEL__FAILED : CREEL__FINISHED);
}

void creel__task_end_hooked(creel_task *task)
{
	creel_future *f = &task->future;
	creel__future_settle(f, creel__result_get_error(f) ? CREEL__FAILED : CREEL__FINISHED, 1);
}

static const char ended_its_thread[] = "the task ended its thread (pthread_exit or pthread_cancel)";

/* The task has forked jobs and not joined them, or one of its jobs has ended its thread. */
static CREEL__COLD void join_jobs(creel_task *task, uintptr_t forked, int *ret_code)
{
	creel_future *f = &task->future;
	if (!creel__jobs_join(creel__self(), forked))
		return;
	*ret_code = CREEL_EFAILED;
	creel__result_error(f, creel__error_make(CREEL_KIND_EXITED, CREEL_EFAILED,
						 creel__task_name(f), "%s", ended_its_thread));
}

bool creel__task_call(creel_task *task, int *ret_code)
{
	creel_future *f = &task->future;
	struct creel__local *local = creel__self();
	creel_fn fn = f->fn;
	uintptr_t forked = local->forked;
	f->outer = local->task;
	local->task = task;
	void *data;
	size_t size;
	creel__argument(f, &data, &size);
	bool stayed = creel__user_call(f->generation, *ret_code = fn(task, data, size), *ret_code);
	if (stayed && local->forked != forked)
		join_jobs(task, forked, ret_code);
	local->task = f->outer;
	return stayed;
}

_Static_assert((CREEL__RESULT_FOLLOW | 2) == CREEL__RESULT_ERROR, "they differ in one bit");

/* Its function has not returned a result. */
static CREEL__COLD void end_otherwise(creel_future *f, int code)
{
	if (code || f->result_len == CREEL__RESULT_ERROR)
		fail(f, creel__task_failure(f, code));
	else
		creel__task_follow(f);
}

void creel__task_run_claimed(creel_task *task)
{
	creel_future *f = &task->future;
	int code;
	/* One that somebody watches has options. */
	if (creel__load(&f->state, relaxed) & CREEL__OPTIONS && !creel__watch_started(f))
		return;
	/* In a child: to whoever called (sync/fork.h). */
	if (!creel__task_call(task, &code))
		return;
	/* One look for both: an error, or a future. */
	if (code || (f->result_len | 2) == CREEL__RESULT_ERROR)
		end_otherwise(f, code);
	else
		end(f, CREEL__FINISHED);
}

/* Whether the thread runs it, or what it called. */
static bool is_within(const struct creel__local *local, const creel_task *task)
{
	const creel_task *t = local->task;
	while (t && t != task)
		t = t->future.outer;
	return t;
}

/* The stack of those that ran is gone: all that is needed stands in their blocks. */
void creel__task_exited(const creel_task *last)
{
	struct creel__local *local = creel__self();
	/* One may have ended before what its end called has ended the thread. */
	const creel_task *ended = last && !is_within(local, last) ? last : NULL;
	local->callbacks = local->destructors = local->hushed = 0;
	local->draining = local->destroying = false;
	local->hooks = 0;
	local->forgetting = NULL;
	/* They may have lain on that stack. */
	local->forked = 0;
	while (local->task && (!last || ended != last)) {
		creel_future *f = &local->task->future;
		ended = local->task;
		local->task = f->outer;
		fail(f, creel__error_make(CREEL_KIND_EXITED, CREEL_EFAILED, creel__task_name(f),
					  "%s", ended_its_thread));
	}
	local->strand = NULL;
	/* What it had put off until a callback returned that never will. */
	if (local->deferred || local->dying) {
		creel__destructors_enter();
		creel__destructors_leave();
	}
}

static void run_counted(struct creel__worker *worker, creel_task *task)
{
	creel__error_fill_reserve();
	creel__bump(&worker->begun, 1);
	creel__task_run_claimed(task);
	if (creel__self()->blocked)
		creel__blocking_restore(0);
	/* [COUNT-1] release: who sees the count sees what the task did; pairs with the acquire in
	 * the pool's totals_locked() */
	creel__store(&worker->ended, creel__load(&worker->ended, relaxed) + 1, release);
}

/* The queue handed out what somebody else has claimed. */
static void drop_dispatched(struct creel__worker *worker, creel_future *f)
{
	if (creel__future_never_ran(f))
		/* [COUNT-1] release: as above */
		creel__store(&worker->cancelled, creel__load(&worker->cancelled, relaxed) + 1,
			     release);
	creel__future_drop_queued(f);
}

void creel__task_dispatch(struct creel__worker *worker, creel_task *task)
{
	creel_future *f = &task->future;
	enum creel__claim claim = creel__task_claim(f, CREEL__RUNNING | creel__runner_mark());
	if (claim == CREEL__CLAIMED) {
		worker->dispatched = f;
		run_counted(worker, task);
	} else if (claim == CREEL__TAKEN) {
		drop_dispatched(worker, f);
	}
}

/* It was claimed for that. */
static enum creel__cancelled cancel_claimed(creel_future *f)
{
	creel_executor *ex = f->executor, *origin = creel__task_origin(f);
	bool dropped = creel__argument_drop(f);
	if (creel__future_foreign(f))
		return CREEL__NOT_OURS;
	if (!dropped)
		creel__or(&f->state, CREEL__LATE_END, relaxed);
	creel__future_cancelled(f);
	if (dropped)
		creel__layers_tell(origin, ex);
	return dropped ? CREEL__IS_CANCELLED : CREEL__ENDS_LATER;
}

enum creel__cancelled creel__task_cancel(creel_task *task)
{
	creel_future *f = &task->future;
	bool remote = creel__load(&f->state, relaxed) & CREEL__REMOTE;
	enum creel__claim claim = creel__task_claim(f, CREEL__DROPPING);
	if (claim == CREEL__CLAIMED)
		return cancel_claimed(f);
	/* A process pool counts it: class->ended() tells it only that the canceller is through. */
	if (claim == CREEL__LEFT_TO_CANCELLER)
		return remote ? CREEL__IS_CANCELLED : CREEL__NOT_OURS;
	bool cancelled = creel__future_never_ran(f);
	creel__future_drop_queued(f);
	return cancelled ? CREEL__IS_CANCELLED : CREEL__NOT_OURS;
}

bool creel__task_help(struct creel__worker *worker, creel_task *task)
{
	creel_future *f = &task->future;
	if (creel__task_claim(f, CREEL__REF + (CREEL__RUNNING | CREEL__QUEUED |
					       creel__runner_mark())) != CREEL__CLAIMED)
		return false;
	run_counted(worker, task);
	return true;
}

/* A task that is run on a thread which is no worker. Its executor is there until it has been told
 * of the end. */
struct lent {
	creel_task *task;
	creel_executor *ex;
};

static void tell_lender(creel_executor *ex)
{
	if (!creel__executor_foreign(ex))
		ex->class->lent_ended(ex);
}

static void run_lent(void *arg)
{
	const struct lent *l = arg;
	creel__task_run_claimed(l->task);
	tell_lender(l->ex);
}

static void lent_exited(void *arg)
{
	const struct lent *l = arg;
	creel__task_exited(l->task);
	tell_lender(l->ex);
}

void creel__task_run_held(creel_task *task, bool queued)
{
	creel_future *f = &task->future;
	struct lent l = {task, f->executor};
	creel__error_fill_reserve();
	if (queued)
		creel_future_ref(f);
	creel__future_let_go(f, CREEL__HELD,
			     CREEL__RUNNING | (queued ? CREEL__QUEUED : 0) | creel__runner_mark());
	creel__thread_guard(run_lent, lent_exited, &l);
}

int creel__task_run_here(creel_task *task)
{
	creel_executor *ex = task->future.executor;
	int rc = ex->class->adopt(ex);
	if (rc)
		return rc;
	/* Nobody else knows it. */
	creel__or(&task->future.state, CREEL__HELD, relaxed);
	creel__task_run_held(task, false);
	return 0;
}

/* An error that several tasks may have, for this one: it names the task if that has a name. Takes
 * over the reference. */
static const creel_error *named(creel_future *f, const creel_error *error)
{
	const char *name = creel__task_name(f);
	if (!name || !*name || *error->task)
		return error;
	const struct creel__error_parts parts = {.kind = error->kind,
						 .code = error->code,
						 .task = name,
						 .data = error->data,
						 .size = error->size};
	const creel_error *own = creel__error_compose(&parts, "%s", error->message);
	creel__error_set_unhandled(own, f->executor->unhandled);
	creel__error_set_cause(own, error);
	return own;
}

unsigned creel__task_fail(creel_task *task, const creel_error *error)
{
	creel_future *f = &task->future;
	enum creel__claim claim = creel__task_claim(f, CREEL__SETTLING);
	if (claim == CREEL__CLAIMED) {
		creel__result_error(f, named(f, error));
		end(f, CREEL__FAILED);
		return CREEL__FAILED;
	}
	creel__error_unref(error);
	if (claim == CREEL__LEFT_TO_CANCELLER)
		return CREEL__DROPPING;
	/* Its waiter counts what it ran, whatever came of that. */
	unsigned state = creel__future_never_ran(f) ? CREEL__CANCELLED : CREEL__RUNNING;
	creel__future_drop_queued(f);
	return state;
}

void creel__task_drop_counted(creel_future *f)
{
	creel_executor *ex = f->executor;
	bool counted = ex->traits & CREEL__COUNTS;
	creel__future_drop_queued(f);
	if (counted)
		ex->class->ended(ex);
}

static void run_guarded(void *task)
{
	creel__task_run_claimed(task);
}

static void exited(void *task)
{
	creel__task_exited(task);
}

int creel__task_claim_custom(creel_task *task, uint64_t add)
{
	if (creel__future_foreign(&task->future))
		return -EPERM;
	if (creel__load(&task->future.executor->cancels, relaxed)) {
		(void)creel_future_cancel(&task->future);
		/* A callback or an operation has forked, and this is the child. */
		if (creel__future_foreign(&task->future))
			return -EPERM;
	}
	enum creel__claim claim = creel__task_claim(&task->future, add);
	if (claim == CREEL__TAKEN && creel__future_peek(&task->future) == CREEL__RUNNING)
		return -EALREADY;
	if (claim == CREEL__TAKEN)
		creel__task_drop_counted(&task->future);
	return claim == CREEL__CLAIMED ? 0 : -ECANCELED;
}

int creel_task_run(creel_task *task)
{
	int rc = creel__task_claim_custom(task, CREEL__RUNNING | creel__runner_mark());
	if (rc)
		return rc;
	creel__error_fill_reserve();
	unsigned open = creel__self()->blocked;
	creel__thread_guard(run_guarded, exited, task);
	if (creel__self()->blocked != open)
		creel__blocking_restore(open);
	return 0;
}

bool creel_task_cancelled(const creel_task *task)
{
	const _Atomic(uint32_t) *asked = creel__self()->asked;
	if (creel__future_foreign(&task->future))
		return false;
	if (asked && creel__load(asked, relaxed) == CREEL__ASKED_STOP)
		return true;
	if (creel__future_is_strand(&task->future))
		return creel__strand_was_asked((const struct creel__strand *)task);
	return creel__load(&task->future.state, relaxed) & CREEL__ASKED ||
	       creel__load(&task->future.executor->kills, relaxed);
}
