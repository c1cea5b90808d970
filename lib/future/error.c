/* SPDX-License-Identifier: MIT */
/*
 * Errors.
 *
 * An error is written before the future (or executor) that carries it is published, and never
 * changes afterwards: readers need no lock. It is freed with its last reference. Where there is no
 * memory for one, a static error of the same kind stands in, which reference counting skips.
 *
 * LAYOUT  One piece of memory: struct creel__error, the message, and at the next multiple of 16 the
 *         data.
 */
#include "future/error.h"
#include "base/alloc.h"
#include "base/code.h"
#include "future/nest.h"
#include "future/release.h"
#include "sync/atomic.h"
#include "sync/fork.h"
#include "sync/local.h"
#include <stdio.h>
#include <string.h>

/* The causes behind the first one. */
struct more_causes {
	size_t n;
	const creel_error *at[]; /* references */
};

struct creel__error {
	creel_error shown;          /* first: a creel_error is its box */
	_Atomic(uint32_t) refs;     /* 0: static */
	const creel_error *beneath; /* a reference, or NULL */
	struct more_causes *more;   /* or NULL */
	struct creel__error *dead;  /* the next one that is to be freed */
	struct creel__unhandled unhandled;
	char task[CREEL__NAME_MAX];
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
	STATIC_ERROR(CREEL_KIND_CLOSED, CREEL_EMPTY, 0,
		     "the channel is closed, and everything in it was taken"),
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

/* What a thread keeps in reserve has room for a short message. */
#define RESERVE_SIZE (sizeof(struct creel__error) + CREEL__MESSAGE_LEAST)

static char *message_of(struct creel__error *box)
{
	return (char *)(box + 1);
}

/* Where the data starts behind a message of n bytes. */
static size_t data_offset(size_t n)
{
	return (sizeof(struct creel__error) + n + 15) & ~(size_t)15;
}

static struct creel__error *take_reserve(void)
{
	struct creel__local *local = creel__self();
	struct creel__error *box = local->reserve;
	local->reserve = NULL;
	return box;
}

void creel__error_make_reserve(void)
{
	creel__self()->reserve = creel__malloc(RESERVE_SIZE);
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

bool creel__kind_is_known(int kind)
{
	return kind > CREEL_KIND_NONE && kind < KINDS;
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

/* The message did not fit in room bytes. */
static void mark_cut(struct creel__error *box, size_t room)
{
	memcpy(message_of(box) + room - 4, "...", 4);
}

/* Writes the message into room bytes, of which one is for the final 0. */
static void set_message(struct creel__error *box, size_t room, const char *format, va_list args)
{
	int n = vsnprintf(message_of(box), room, format, args);
	if (n < 0)
		message_of(box)[0] = 0;
	else if ((size_t)n >= room)
		mark_cut(box, room);
}

static void set_data(struct creel__error *box, size_t room, const void *data, size_t size)
{
	unsigned char *copy = (unsigned char *)box + data_offset(room);
	memcpy(copy, data, size);
	box->shown.data = copy;
	box->shown.size = size;
}

/* How many bytes the message takes, with the final 0 and within the limit. */
static size_t message_room(const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	return n < 0 ? 1 : n >= CREEL__MESSAGE_MAX ? CREEL__MESSAGE_MAX : (size_t)n + 1;
}

/* All but the message, for which there are *room bytes. Without memory it is the thread's reserve,
 * which has less room, and no data. NULL: there is no reserve either. */
static struct creel__error *box_new(const struct creel__error_parts *parts, size_t *room)
{
	size_t size = parts->data ? parts->size : 0;
	struct creel__error *box = NULL;
	if (size < CREEL__SIZE_MAX - data_offset(*room))
		box = creel__malloc_data(data_offset(*room) + size);
	if (!box) {
		box = take_reserve();
		*room = CREEL__MESSAGE_LEAST;
		size = 0;
	}
	if (!box)
		return NULL;
	memset(box, 0, sizeof *box);
	box->shown = (creel_error){.kind = parts->kind,
				   .code = parts->code,
				   .err = errno_of(parts->code),
				   .task = box->task,
				   .message = message_of(box)};
	creel__store(&box->refs, 1, relaxed);
	set_name(box, parts->task);
	if (size)
		set_data(box, *room, parts->data, size);
	return box;
}

const creel_error *creel__error_build(const struct creel__error_parts *parts, const char *format,
				      va_list args)
{
	int saved = errno;
	size_t room = message_room(format, args);
	struct creel__error *box = box_new(parts, &room);
	if (box)
		set_message(box, room, format, args);
	errno = saved;
	return box ? &box->shown : creel__error_static(parts->kind);
}

const creel_error *creel__error_copy(const struct creel__error_parts *parts, const char *message,
				     size_t n)
{
	int saved = errno;
	size_t room = n + 1;
	struct creel__error *box = box_new(parts, &room);
	if (box) {
		size_t taken = n < room ? n : room - 1;
		memcpy(message_of(box), message, taken);
		message_of(box)[taken] = 0;
		if (taken < n)
			mark_cut(box, room);
	}
	errno = saved;
	return box ? &box->shown : creel__error_static(parts->kind);
}

const creel_error *creel__error_compose(const struct creel__error_parts *parts, const char *format,
					...)
{
	va_list args;
	va_start(args, format);
	const creel_error *e = creel__error_build(parts, format, args);
	va_end(args);
	return e;
}

const creel_error *creel__error_vmake(int kind, int code, const char *task, const char *format,
				      va_list args)
{
	const struct creel__error_parts parts = {.kind = kind, .code = code, .task = task};
	return creel__error_build(&parts, format, args);
}

const creel_error *creel__error_make(int kind, int code, const char *task, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const creel_error *e = creel__error_vmake(kind, code, task, format, args);
	va_end(args);
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

void creel__error_set_kind(const creel_error *e, int kind)
{
	if (!is_static(e))
		box_of(e)->shown.kind = kind;
}

const creel_error *creel__error_renamed(const creel_error *e, const char *task)
{
	return creel__error_make(e->kind, e->code, task, "%s", e->message);
}

void creel__error_set_unhandled(const creel_error *e, struct creel__unhandled unhandled)
{
	if (!is_static(e))
		box_of(e)->unhandled = unhandled;
}

struct creel__unhandled creel__error_unhandled(const creel_error *e)
{
	return box_of(e)->unhandled;
}

void creel__error_set_cause(const creel_error *e, const creel_error *cause)
{
	if (is_static(e))
		creel__error_unref(cause);
	else
		box_of(e)->beneath = cause;
}

/* Without memory for them all only the first one is kept. */
void creel__error_set_causes(const creel_error *e, const creel_error *const *causes, size_t n)
{
	struct more_causes *more = NULL;
	if (n > 1 && !is_static(e))
		more = creel__malloc(sizeof *more + (n - 1) * sizeof *causes);
	for (size_t i = 1; i < n; i++)
		if (more)
			more->at[i - 1] = causes[i];
		else
			creel__error_unref(causes[i]);
	if (more) {
		more->n = n - 1;
		box_of(e)->more = more;
	}
	if (n)
		creel__error_set_cause(e, causes[0]);
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
	uint16_t here = creel__fork_generation();
	creel__destructors_enter();
	(void)creel__user_call(here, u->fn(u->ctx, e), 0);
	creel__destructors_leave();
}

const creel_error *creel__error_ref(const creel_error *e)
{
	if (e && !is_static(e))
		creel__add(&box_of(e)->refs, 1, relaxed);
	return e;
}

/* Drops a reference. The last one: it goes on the list of those that are to be freed. */
static void drop(const creel_error *e, struct creel__error **dead)
{
	if (!e || is_static(e))
		return;
	/* [ERR-1] acq_rel: the last one frees after everybody's reads; pairs with itself in the
	 * other threads, release in the earlier ones and acquire in the last */
	if (creel__sub(&box_of(e)->refs, 1, acq_rel) > 1)
		return;
	box_of(e)->dead = *dead;
	*dead = box_of(e);
}

/* Causes have causes: a list, for constant stack. */
void creel__error_unref(const creel_error *e)
{
	struct creel__error *dead = NULL;
	drop(e, &dead);
	while (dead) {
		struct creel__error *box = dead;
		dead = box->dead;
		drop(box->beneath, &dead);
		for (size_t i = 0; box->more && i < box->more->n; i++)
			drop(box->more->at[i], &dead);
		creel__free(box->more);
		creel__free(box);
	}
}

const creel_error *creel_error_cause(const creel_error *e, size_t i)
{
	if (!e || i == 0)
		return e ? box_of(e)->beneath : NULL;
	const struct more_causes *more = box_of(e)->more;
	return more && i <= more->n ? more->at[i - 1] : NULL;
}

const char *creel_kind_name(int kind)
{
	static const char *const names[] = {
		"none",          "failed",           "cancelled",   "timed out", "expired",
		"rejected",      "shut down",        "worker died", "killed",    "exited",
		"out of memory", "not transferable", "broken",      "closed"};
	return kind >= 0 && kind < (int)(sizeof names / sizeof names[0]) ? names[kind] : "unknown";
}
