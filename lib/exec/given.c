/* SPDX-License-Identifier: MIT */
/* What a custom executor may ask of a task that it was given, and how it ends one that is executed
 * elsewhere. */
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/executor.h"
#include "exec/job.h"
#include "exec/task.h"
#include "future/argument.h"
#include "future/future.h"
#include "future/release.h"
#include "future/result.h"
#include "future/watch.h"
#include <creel/future.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>

/* Whether it is a task that this process's custom executor has. */
static bool is_given(creel_task *task)
{
	return task && !creel__future_foreign(&task->future) &&
	       !creel__future_is_strand(&task->future) && !creel__future_is_final(&task->future);
}

creel_fn creel_task_function(creel_task *task)
{
	if (!is_given(task))
		return NULL;
	uint64_t s = creel__load(&task->future.state, relaxed);
	unsigned state = s & CREEL__STATE;
	/* Where it runs here, what was its function is something else. */
	bool has = state == CREEL__PENDING || state == CREEL__PINNED ||
		   (state == CREEL__RUNNING && s & CREEL__REMOTE);
	return has ? task->future.fn : NULL;
}

int creel_task_argument(creel_task *task, const void **ret_data, size_t *ret_size)
{
	void *data;
	if (!task || !ret_data || !ret_size)
		return -EINVAL;
	if (creel__future_foreign(&task->future))
		return -EPERM;
	if (!is_given(task))
		return -EINVAL;
	creel__argument(&task->future, &data, ret_size);
	*ret_data = data;
	return 0;
}

int creel_task_options(creel_task *task, creel_submit_options *ret_options)
{
	if (!task || !ret_options)
		return -EINVAL;
	if (creel__future_foreign(&task->future))
		return -EPERM;
	if (!is_given(task))
		return -EINVAL;
	const struct creel__options *o = creel__options_of(&task->future);
	*ret_options = (creel_submit_options){.name = ""};
	if (o) {
		ret_options->name = o->name;
		ret_options->limit_ns = o->limit_ns;
		ret_options->band = o->band;
	}
	return 0;
}

/* Once. The task is the caller's. */
static void note_start(creel_future *f)
{
	const struct creel__options *o = creel__options_of(f);
	if (o && o->watched && !o->watched->runs)
		creel__watch_ran(f, creel__now(), UINT_MAX);
}

int creel_task_begin(creel_task *task)
{
	int rc = 0;
	if (!task)
		return -EINVAL;
	/* One who asked its executor may have found that it has started, even just now. */
	if (!is_given(task) || creel__future_peek(&task->future) != CREEL__RUNNING)
		rc = creel__task_claim_custom(task, CREEL__RUNNING);
	if (rc && rc != -EALREADY)
		return rc;
	note_start(&task->future);
	return 0;
}

/* Moves a task that was given to its executor, begun or not, to SETTLING. 0, or -ECANCELED, and
 * then it is gone. */
static int claim_end(creel_task *task)
{
	creel_future *f = &task->future;
	for (;;) {
		if (creel__future_peek(f) == CREEL__RUNNING) {
			creel__task_claim_remote(f);
			return 0;
		}
		/* Who asks whether it has started may move it to RUNNING meanwhile. */
		enum creel__claim claim = creel__task_claim(f, CREEL__SETTLING);
		if (claim == CREEL__CLAIMED)
			return 0;
		if (claim == CREEL__LEFT_TO_CANCELLER)
			return -ECANCELED;
		if (creel__future_peek(f) != CREEL__RUNNING) {
			creel__task_drop_counted(f);
			return -ECANCELED;
		}
	}
}

/* As claim_end(). ran: it has in any case, begun or not. */
static int claim(creel_task *task, bool ran)
{
	ran |= creel__future_peek(&task->future) == CREEL__RUNNING;
	int rc = claim_end(task);
	if (rc == 0 && ran)
		note_start(&task->future);
	return rc;
}

int creel_task_settle(creel_task *task, creel_buffer result)
{
	if (!task || result.size > CREEL__SIZE_MAX || (!result.data && result.size))
		return -EINVAL;
	if (creel__future_foreign(&task->future))
		return -EPERM;
	int rc = claim(task, true);
	if (rc)
		return rc;
	creel_future *f = &task->future;
	const creel_error *error = NULL;
	if (creel__result_move(f, result)) {
		error = creel__error_static(CREEL_KIND_NO_MEMORY);
		creel__buffer_free(result, f->generation);
	}
	creel__task_end_remote(task, error);
	return 0;
}

static const creel_error *make_error(creel_future *f, const creel_failure *failure,
				     const char *format, va_list args)
{
	struct creel__error_parts parts = {
		.kind = CREEL_KIND_FAILED, .code = CREEL_EFAILED, .task = creel__task_name(f)};
	if (failure && creel__kind_is_known(failure->kind))
		parts.kind = failure->kind;
	if (failure && failure->code)
		parts.code = failure->code;
	if (failure) {
		parts.data = failure->data;
		parts.size = failure->size;
	}
	const creel_error *e = creel__error_build(
		&parts, format ? format : "the task failed elsewhere", args);
	if (failure)
		creel__error_set_death(e, failure->pid, failure->signal, failure->exit_status);
	if (failure && failure->cause)
		creel__error_set_cause(e, creel__error_ref(failure->cause));
	bool stopped = parts.kind == CREEL_KIND_FAILED || parts.kind == CREEL_KIND_CANCELLED;
	return stopped ? creel__task_stopped(f, e) : e;
}

int creel_task_settle_error(creel_task *task, const creel_failure *failure, const char *format, ...)
{
	if (!task || (failure && !failure->data && failure->size))
		return -EINVAL;
	if (creel__future_foreign(&task->future))
		return -EPERM;
	int rc = claim(task, false);
	if (rc)
		return rc;
	va_list args;
	va_start(args, format);
	const creel_error *e = make_error(&task->future, failure, format, args);
	va_end(args);
	creel__task_end_remote(task, e);
	return 0;
}

void creel_task_reject(creel_task *task, int kind, int code, const char *format, ...)
{
	creel_future *f = &task->future;
	if (creel__future_foreign(f) || claim_end(task))
		return;
	va_list args;
	va_start(args, format);
	const creel_error *e = creel__error_vmake(
		creel__kind_is_known(kind) ? kind : CREEL_KIND_REJECTED,
		code ? code : CREEL_EFAILED, creel__task_name(f),
		format ? format : "the executor rejected the task", args);
	va_end(args);
	creel__task_fail_claimed(task, e);
}
