/* SPDX-License-Identifier: MIT */
/*
 * Why a task or an initializer failed: what it said with creel_fail(), or what it returned.
 *
 * STOPPED  A task that returns -ECANCELED after it was asked to stop has done what it was asked to:
 *          its error is of kind cancelled, and nobody is told that it went unread. If its token
 *          was cancelled the error is the token's, with what the task said beneath.
 */
#include "exec/job.h"
#include "exec/task.h"
#include "future/future.h"
#include "future/result.h"
#include "future/stage.h"
#include "future/token.h"
#include "sync/local.h"
#include <creel/task.h>
#include <errno.h>
#include <stdio.h>

bool creel__task_was_asked(creel_future *f)
{
	/* In a worker process, also of what a task runs inside itself. */
	const _Atomic(uint32_t) *asked = creel__self()->asked;
	if (asked && creel__load(asked, relaxed) == CREEL__ASKED_STOP)
		return true;
	return creel__load(&f->state, relaxed) & CREEL__ASKED ||
	       creel__load(&f->executor->kills, relaxed);
}

const creel_error *creel__task_stopped(creel_future *f, const creel_error *error)
{
	/* What it was told of lies beneath. */
	const struct creel__stage *stage = creel__stage_of(f);
	const creel_error *input = stage && stage->input ? creel__future_peek_error(stage->input)
							 : NULL;
	if (input && !creel_error_cause(error, 0))
		creel__error_set_cause(error, creel__error_ref(input));
	if (error->code != -ECANCELED || !creel__task_was_asked(f))
		return error;
	creel__error_set_kind(error, CREEL_KIND_CANCELLED);
	struct creel__enlisted *enlisted = creel__enlisted_of(f);
	const creel_error *why = enlisted ? creel__token_why(enlisted->reg.token) : NULL;
	if (!why)
		return error;
	const creel_error *own = creel__error_renamed(why, creel__task_name(f));
	creel__error_set_cause(own, error);
	return own;
}

void creel__failure_text(char *text, size_t size, int code, bool asked)
{
	if (code == -ECANCELED && asked)
		snprintf(text, size, "the task stopped when it was asked to");
	else
		snprintf(text, size, "the task returned %d (%s)", code, creel_code_name(code));
}

const creel_error *creel__task_failure(creel_future *f, int code)
{
	const creel_error *e = creel__result_get_error(f);
	if (e) {
		f->result_len = 0;
		if (code)
			creel__error_recode(e, code);
	} else {
		char text[80];
		bool asked = creel__task_was_asked(f);
		/* Without memory it is the static one of the kind. */
		int kind = code == -ECANCELED && asked ? CREEL_KIND_CANCELLED : CREEL_KIND_FAILED;
		creel__failure_text(text, sizeof text, code, asked);
		e = creel__error_make(kind, code, creel__task_name(f), "%s", text);
	}
	return creel__task_stopped(f, e);
}

/* An initializer has no task. Elsewhere there is nobody to hear it. */
static void fail_worker(const struct creel__error_parts *parts, const char *format, va_list args)
{
	struct creel__worker *worker = creel__self()->worker;
	if (!worker || !worker->initializing)
		return;
	creel__error_unref(worker->said);
	worker->said = creel__error_build(parts, format, args);
}

static int say_why(creel_task *task, int code, const void *data, size_t size, const char *format,
		   va_list args)
{
	creel_future *f = task ? &task->future : NULL;
	const struct creel__error_parts parts = {.kind = CREEL_KIND_FAILED,
						 .code = code ? code : CREEL_EFAILED,
						 .task = f ? creel__task_name(f) : NULL,
						 .data = data,
						 .size = size};
	if (f && creel__future_foreign(f))
		return -EPERM;
	if (f && creel__future_is_strand(f))
		return -EINVAL;
	if (f)
		creel__result_error(f, creel__error_build(&parts, format, args));
	else
		fail_worker(&parts, format, args);
	return parts.code;
}

const creel_error *creel__initializer_error(unsigned worker, int code, const creel_error *said)
{
	if (!said)
		return creel__error_make(
			CREEL_KIND_BROKEN, code, NULL,
			"the initializer of worker %u returned %d (%s); the pool is "
			"of no use any more",
			worker, code, creel_code_name(code));
	const struct creel__error_parts parts = {.kind = CREEL_KIND_BROKEN,
						 .code = code ? code : said->code,
						 .data = said->data,
						 .size = said->size};
	const creel_error *e = creel__error_compose(
		&parts, "the initializer of worker %u failed: %s", worker, said->message);
	creel__error_set_cause(e, said);
	return e;
}

int creel_fail(creel_task *task, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	code = say_why(task, code, NULL, 0, format, args);
	va_end(args);
	return code;
}

int creel_fail_with(creel_task *task, int code, const void *data, size_t size, const char *format,
		    ...)
{
	va_list args;
	va_start(args, format);
	code = say_why(task, code, data, size, format, args);
	va_end(args);
	return code;
}
