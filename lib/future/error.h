/* SPDX-License-Identifier: MIT */
/* Errors: boxes with a reference count behind the public creel_error. */
#ifndef CREEL__FUTURE_ERROR_H
#define CREEL__FUTURE_ERROR_H

#include "sync/local.h"
#include <creel/error.h>
#include <stdarg.h>
#include <stdbool.h>

enum {
	CREEL__MESSAGE_MAX = 4096, /* when there is memory, with the final 0 */
	CREEL__MESSAGE_LEAST = 200,
	CREEL__NAME_MAX = 40,
};

/* Told of a failure that nobody read. */
struct creel__unhandled {
	void (*fn)(void *ctx, const creel_error *error);
	void *ctx;
};

/* What an error is made of, beside its message. */
struct creel__error_parts {
	int kind, code;
	const char *task; /* its name, or NULL */
	const void *data; /* copied */
	size_t size;
};

/*
 * A new error with one reference. Without memory for all of it, it takes the thread's reserve
 * (struct creel__local): the message is then cut, and there is no data. Without a reserve it is the
 * static error of the kind, whose code and text are general. A message that was cut ends in "...".
 * Preserves errno.
 */
const creel_error *creel__error_build(const struct creel__error_parts *parts, const char *format,
				      va_list args);
const creel_error *creel__error_compose(const struct creel__error_parts *parts, const char *format,
					...) CREEL_PRINTF(2, 3);
/* The same with the n bytes at message, whatever they are. They may be changing meanwhile. */
const creel_error *creel__error_copy(const struct creel__error_parts *parts, const char *message,
				     size_t n);
/* The same without data. task may be NULL. */
const creel_error *creel__error_make(int kind, int code, const char *task, const char *format, ...)
	CREEL_PRINTF(4, 5);
const creel_error *creel__error_vmake(int kind, int code, const char *task, const char *format,
				      va_list args);

/* Sees to it that the thread has a reserve, if there is memory; drops it. */
void creel__error_make_reserve(void);
void creel__error_drop_reserve(void);

static inline void creel__error_fill_reserve(void)
{
	if (!creel__self()->reserve)
		creel__error_make_reserve();
}

/* Whether it is one of enum creel_kind, but for CREEL_KIND_NONE. */
bool creel__kind_is_known(int kind);

/* The static error of a kind: no memory needed, reference counting skips it. */
const creel_error *creel__error_static(int kind);

/* Another code, another kind; it must not have been published yet. */
const creel_error *creel__error_recode(const creel_error *e, int code);
void creel__error_set_kind(const creel_error *e, int kind);

/* A copy without data, of a task with that name (or NULL). */
const creel_error *creel__error_renamed(const creel_error *e, const char *task);

/* Sets what is told when the error goes unread, and what lies beneath it (takes over the
 * reference). Both before it is published; static errors take neither. */
void creel__error_set_unhandled(const creel_error *e, struct creel__unhandled unhandled);
struct creel__unhandled creel__error_unhandled(const creel_error *e); /* what was set */
void creel__error_set_cause(const creel_error *e, const creel_error *cause);
/* The same with several causes, in their order. */
void creel__error_set_causes(const creel_error *e, const creel_error *const *causes, size_t n);
void creel__error_tell(const creel_error *e);

/* The process that died; before it is published. */
void creel__error_set_death(const creel_error *e, int64_t pid, int signal, int exit_status);

const creel_error *creel__error_ref(const creel_error *e);
void creel__error_unref(const creel_error *e);

#endif
