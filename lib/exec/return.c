/* SPDX-License-Identifier: MIT */
/*
 * What tasks return: a result, or a future as which they end; see future/follow.h.
 *
 * CIRCLE  exec/task.c: which begins this when the function has returned, and ends the task
 */
#include "exec/return.h"
#include "base/alloc.h"
#include "exec/job.h"
#include "exec/task.h"
#include "future/error.h"
#include "future/follow.h"
#include "future/future.h"
#include "future/owned.h"
#include "future/result.h"
#include "future/times.h"
#include "future/token.h"
#include "future/watch.h"
#include "sync/fork.h"
#include "sync/local.h"
#include <creel/error.h>
#include <creel/future.h>
#include <creel/task.h>
#include <errno.h>

/* Whether the task, which is this process's, can have a result: 0 or a code. */
static inline int check_result(const creel_task *task)
{
	if (creel__future_foreign(&task->future))
		return -EPERM;
	return creel__future_is_strand(&task->future) ? -EINVAL : 0;
}

int creel_return(creel_task *task, const void *data, size_t size)
{
	int rc = check_result(task);
	return rc ? rc : creel__result_copy(&task->future, data, size);
}

void *creel_return_reserve(creel_task *task, size_t size)
{
	return check_result(task) ? NULL : creel__result_reserve(&task->future, size);
}

int creel_return_move(creel_task *task, creel_buffer buffer)
{
	int rc = check_result(task);
	return rc ? rc : creel__result_move(&task->future, buffer);
}

static const char leads_back[] = "f is the task's own, or leads back to the task";

/* It was cancelled, as far as it knows, by its token. */
static void name_token(creel_future *f)
{
	const struct creel__enlisted *enlisted = creel__enlisted_of(f);
	const creel_error *why = enlisted ? creel__token_why(enlisted->reg.token) : NULL;
	if (why)
		creel__result_error(f, creel__error_renamed(why, creel__task_name(f)));
}

/* Ends f, which is SETTLING, and which holds its executor. Takes over the source. */
static void finish(creel_future *f, creel_future *source)
{
	creel_executor *ex = f->executor;
	uint16_t generation = f->generation;
	unsigned final = creel__outcome_pass(f, source);
	creel_future_unref(source);
	if (creel__fork_foreign(generation))
		return;
	if (final == CREEL__CANCELLED)
		name_token(f);
	creel__task_end((creel_task *)f, final);
	if (!creel__fork_foreign(generation))
		creel__executor_unhold(ex);
}

static void ended(struct creel__link *link, creel_future *source)
{
	creel_future *f = creel__of(link, struct creel__follow, link)->f;
	creel__task_claim_remote(f);
	finish(f, source);
}

/* From RUNNING to one that follows, HELD. It is nobody's any more who runs on this thread. */
static uint64_t step(creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	/* [FOLLOW-1] seq_cst: says so, before the look at what its source follows; pairs with
	 * hold() of future/follow.c, which it also lets see the link */
	while (!creel__cas(&f->state, &s, (s & ~CREEL__MARKS) | CREEL__OWNED | CREEL__HELD, seq_cst,
			   relaxed))
		;
	return s;
}

/* The executor counts it as ended. */
static void leave(creel_future *f)
{
	struct creel__worker *worker = creel__self()->worker;
	if (worker && worker->dispatched == f)
		worker->dispatched = NULL;
	if (!(creel__load(&f->state, relaxed) & CREEL__SLOW))
		return;
	creel__future_leave(f);
	if (f->executor->traits & CREEL__COUNTS)
		f->executor->class->ended(f->executor);
}

/* Of several that a circle has, each looks after it has said what it follows. */
static void break_circle(creel_future *f)
{
	creel_executor *ex = f->executor;
	uint16_t generation = f->generation;
	creel_future *source = creel__follow_next(f);
	bool circle = source && creel__follow_leads_to(source, f);
	/* A callback of one that ended on the way has forked, and this is the child. */
	if (creel__fork_foreign(generation))
		return;
	creel_future_unref(source);
	source = circle ? creel__follow_cut(f) : NULL;
	if (!source)
		return;
	creel_future_unref(source);
	creel__task_fail_claimed((creel_task *)f,
				 creel__error_make(CREEL_KIND_FAILED, -EDEADLK, creel__task_name(f),
						   "%s", leads_back));
	if (!creel__fork_foreign(generation))
		creel__executor_unhold(ex);
}

void creel__task_follow(creel_future *f)
{
	struct creel__follow *follow = creel__result_follow(f);
	struct creel__options *options = creel__options_of(f);
	creel_future *source = follow->source;
	uint16_t generation = f->generation;
	/* From its step on it may end at any time. */
	creel_future_ref(f);
	creel__executor_hold(f->executor);
	if (options) {
		options->followed = true;
		creel__watch_run_ended(f);
	}
	leave(f);
	if (creel__fork_foreign(generation))
		return;
	follow->source = NULL;
	bool asked = step(f) & CREEL__ASKED;
	bool hangs = creel__link_add(source, &follow->link);
	uint64_t s = creel__future_let_go(f, CREEL__HELD | (hangs ? 0 : CREEL__STATE),
					  hangs ? 0 : CREEL__SETTLING);
	if (hangs) {
		creel_future_unref(source);
		/* Nothing leads back to what nobody hung on: a chain need not be walked for each
		 * task that is put in front of it. */
		if (s & CREEL__HOOKED)
			break_circle(f);
		/* Who asked while the function ran has asked the function alone. */
		if (asked)
			(void)creel_future_cancel(f);
	} else {
		finish(f, source);
	}
	if (!creel__fork_foreign(generation))
		creel_future_unref(f);
}

/* From then on the task fails with that, unless it returns something else. */
static int refuse(creel_task *task, int code, const char *why)
{
	return creel_fail(task, code, "creel_return_future: %s", why);
}

/* Why the task cannot end as f does: 0, or a code and the words for it. */
static int check(creel_task *task, creel_future *f, const char **ret_why)
{
	const struct creel__times *times = creel__times_of(&task->future);
	int code = 0;
	if (!f) {
		*ret_why = "f is NULL";
		code = -EINVAL;
	} else if (creel__future_foreign(f)) {
		*ret_why = "this is a forked child, and f is its parent's";
		code = -EPERM;
	} else if (creel__executor_is_remote(task->future.executor)) {
		*ret_why = "the task runs in a worker process, where no future outlives it; "
			   "continue it with creel_then() in the host";
		code = -ENOTSUP;
	} else if (times && times->period_ns) {
		*ret_why = "the task has a period_ns, and goes on after each run";
		code = -ENOTSUP;
	} else if (f == &task->future ||
		   (creel__load(&task->future.state, relaxed) & CREEL__HOOKED &&
		    creel__follow_leads_to(f, &task->future))) {
		*ret_why = leads_back;
		code = -EDEADLK;
	}
	return code;
}

int creel_return_future(creel_task *task, creel_future *f)
{
	const char *why = NULL;
	int rc = task ? check_result(task) : -EINVAL;
	if (rc)
		return rc;
	rc = check(task, f, &why);
	if (rc)
		return refuse(task, rc, why);
	struct creel__follow *follow = creel__malloc(sizeof *follow);
	if (!follow)
		return -ENOMEM;
	*follow = (struct creel__follow){.f = &task->future, .source = creel_future_ref(f)};
	follow->link.ended = ended;
	creel__result_set_follow(&task->future, follow);
	return 0;
}
