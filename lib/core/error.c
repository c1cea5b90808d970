/* SPDX-License-Identifier: MIT */
/*
 * Errors.
 *
 * An error is written before the future (or executor) that carries it is published, and never
 * changes afterwards: readers need no lock. It is freed with its last reference. Where there is no
 * memory for one, a static error of the same kind stands in, which reference counting skips.
 */
#include "core/error.h"
#include "base/alloc.h"
#include "core/block.h"
#include "sync/atomic.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct creel__error {
	creel_error shown;          /* first: a creel_error is its box */
	_Atomic(uint32_t) refs;     /* 0: static */
	const creel_error *beneath; /* a reference, or NULL */
	struct creel__unhandled unhandled;
	char task[CREEL__NAME_MAX];
	char message[CREEL__MESSAGE_MAX];
};

#define STATIC_ERROR(k, c, e, text)                                                                \
	[k] = {.shown = {.kind = k, .code = c, .err = e, .task = "", .message = text}}

/* Indexed by kind. */
static struct creel__error statics[] = {
	STATIC_ERROR(CREEL_KIND_NONE, 0, 0, "no error"),
	STATIC_ERROR(CREEL_KIND_FAILED, CREEL_EFAILED, 0,
		     "the task failed; there was no memory to say how"),
	STATIC_ERROR(CREEL_KIND_CANCELLED, -ECANCELED, ECANCELED, "cancelled before it started"),
	STATIC_ERROR(CREEL_KIND_TIMED_OUT, -ETIMEDOUT, ETIMEDOUT,
		     "the task ran longer than it was allowed to"),
	STATIC_ERROR(CREEL_KIND_EXPIRED, -ETIME, ETIME,
		     "the task waited in the queue longer than it was allowed to"),
	STATIC_ERROR(CREEL_KIND_REJECTED, CREEL_EFAILED, 0,
		     "the submission was rejected; there was no memory to say why"),
	STATIC_ERROR(CREEL_KIND_SHUT_DOWN, -ESHUTDOWN, ESHUTDOWN,
		     "the executor has been shut down: submit before creel_executor_shutdown()"),
	STATIC_ERROR(CREEL_KIND_WORKER_DIED, CREEL_EFAILED, 0,
		     "the worker process died; there was no memory to say how"),
	STATIC_ERROR(CREEL_KIND_KILLED, CREEL_EFAILED, 0, "the worker process was killed"),
	STATIC_ERROR(CREEL_KIND_EXITED, CREEL_EFAILED, 0, "the task ended its worker"),
	STATIC_ERROR(CREEL_KIND_NO_MEMORY, -ENOMEM, ENOMEM, "out of memory"),
	STATIC_ERROR(CREEL_KIND_NOT_TRANSFERABLE, -ENOEXEC, ENOEXEC,
		     "the workers do not have this function or pointer"),
	STATIC_ERROR(CREEL_KIND_BROKEN, CREEL_EFAILED, 0, "the executor is broken"),
};

#define KINDS ((int)(sizeof statics / sizeof statics[0]))

/* The one place where const is cast away: only the maker of an error writes it. */
static struct creel__error *box_of(const creel_error *e)
{
	return (struct creel__error *)(uintptr_t)e;
}

static bool is_static(const creel_error *e)
{
	return creel__load(&box_of(e)->refs, relaxed) == 0;
}

static struct creel__error *new_box(void)
{
	struct creel__error *box = creel__malloc(sizeof *box);
	struct creel__local *local = creel__self();
	if (!box) {
		box = local->reserve;
		local->reserve = NULL;
	}
	return box;
}

void creel__error_fill_reserve(void)
{
	struct creel__local *local = creel__self();
	if (local->reserve)
		return;
	local->reserve = creel__malloc(sizeof(struct creel__error));
	creel__thread_hook();
}

void creel__error_drop_reserve(void)
{
	struct creel__local *local = creel__self();
	creel__free(local->reserve);
	local->reserve = NULL;
}

const creel_error *creel__error_static(int kind)
{
	return &statics[kind > 0 && kind < KINDS ? kind : CREEL_KIND_FAILED].shown;
}

static int errno_of(int code)
{
	return code < 0 && code > -4096 ? -code : 0;
}

static void set_name(struct creel__error *box, const char *task)
{
	size_t n = task ? strlen(task) : 0;
	if (n >= sizeof box->task)
		n = sizeof box->task - 1;
	if (n)
		memcpy(box->task, task, n);
	box->task[n] = 0;
}

const creel_error *creel__error_vmake(int kind, int code, const char *task, const char *format,
				      va_list args)
{
	int saved = errno;
	struct creel__error *box = new_box();
	if (!box) {
		errno = saved;
		return creel__error_static(kind);
	}
	memset(box, 0, sizeof *box);
	box->shown = (creel_error){.kind = kind,
				   .code = code,
				   .err = errno_of(code),
				   .task = box->task,
				   .message = box->message};
	creel__store(&box->refs, 1, relaxed);
	set_name(box, task);
	vsnprintf(box->message, sizeof box->message, format, args);
	errno = saved;
	return &box->shown;
}

const creel_error *creel__error_make(int kind, int code, const char *task, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const creel_error *e = creel__error_vmake(kind, code, task, format, args);
	va_end(args);
	return e;
}

const creel_error *creel__error_copy(const creel_error *error, int kind)
{
	if (!error)
		return creel__error_static(kind);
	int k = error->kind > 0 && error->kind < KINDS ? error->kind : kind;
	const creel_error *e = creel__error_make(k, error->code, error->task, "%s",
						 error->message ? error->message : "");
	if (!is_static(e)) {
		creel_error *shown = &box_of(e)->shown;
		shown->err = error->err ? error->err : errno_of(error->code);
		shown->signal = error->signal;
		shown->exit_status = error->exit_status;
		shown->pid = error->pid;
	}
	return e;
}

const creel_error *creel__error_recode(const creel_error *e, int code)
{
	if (!is_static(e) && e->code != code) {
		box_of(e)->shown.code = code;
		box_of(e)->shown.err = errno_of(code);
	}
	return e;
}

void creel__error_set_unhandled(const creel_error *e, struct creel__unhandled unhandled)
{
	if (!is_static(e))
		box_of(e)->unhandled = unhandled;
}

void creel__error_set_cause(const creel_error *e, const creel_error *cause)
{
	if (is_static(e))
		creel__error_unref(cause);
	else
		box_of(e)->beneath = cause;
}

void creel__error_set_death(const creel_error *e, int64_t pid, int signal, int exit_status)
{
	if (is_static(e))
		return;
	creel_error *shown = &box_of(e)->shown;
	shown->pid = pid;
	shown->signal = signal;
	shown->exit_status = exit_status;
}

void creel__error_tell(const creel_error *e)
{
	const struct creel__unhandled *u = &box_of(e)->unhandled;
	if (!u->fn)
		return;
	int state = creel__thread_no_cancel();
	uint16_t here = creel__fork_generation();
	u->fn(u->ctx, e);
	creel__fork_returned(here, 0);
	creel__thread_cancel_again(state);
}

const creel_error *creel__error_ref(const creel_error *e)
{
	if (e && !is_static(e))
		creel__add(&box_of(e)->refs, 1, relaxed);
	return e;
}

void creel__error_unref(const creel_error *e)
{
	if (!e || is_static(e))
		return;
	/* [ERR-1] acq_rel: the last one frees after everybody's reads; pairs with itself in the
	 * other threads, release in the earlier ones and acquire in the last */
	if (creel__sub(&box_of(e)->refs, 1, acq_rel) > 1)
		return;
	creel__error_unref(box_of(e)->beneath);
	creel__free(box_of(e));
}

const creel_error *creel_error_cause(const creel_error *e, size_t i)
{
	return e && i == 0 ? box_of(e)->beneath : NULL;
}

const char *creel_kind_name(int kind)
{
	static const char *const names[] = {
		"none",          "failed",           "cancelled",   "timed out", "expired",
		"rejected",      "shut down",        "worker died", "killed",    "exited",
		"out of memory", "not transferable", "broken"};
	return kind >= 0 && kind < (int)(sizeof names / sizeof names[0]) ? names[kind] : "unknown";
}
