/* SPDX-License-Identifier: MIT */
/* Why a submission was refused, in words: made from the code, when somebody needs it. */
#include "base/alloc.h"
#include "exec/bound.h"
#include "exec/due.h"
#include "exec/executor.h"
#include "exec/submission.h"
#include "future/layers.h"
#include "future/options.h"
#include "future/token.h"
#include "sync/local.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *name_of(const struct creel__submission *s)
{
	return s->options ? s->options->name : NULL;
}

/* Of continuations. */
static const creel_error *explain_staging(const struct creel__submission *s)
{
	const creel_submit_options *o = s->options;
	if (o->period_ns)
		return creel__error_make(CREEL_KIND_REJECTED, -EINVAL, o->name,
					 "%s: period_ns is %lld; a continuation runs once, use 0",
					 s->staging->call, (long long)o->period_ns);
	return creel__error_make(CREEL_KIND_REJECTED, -EINVAL, o->name,
				 "%s: flags of creel_submit_options is 0x%x; use %s",
				 s->staging->call, o->flags,
				 s->staging->flags & CREEL_RECOVER_CANCELLED
					 ? "CREEL_CANCEL_UPSTREAM, CREEL_RECOVER_CANCELLED or 0"
					 : "CREEL_CANCEL_UPSTREAM or 0");
}

static const creel_error *explain_flags(const struct creel__submission *s)
{
	const creel_submit_options *o = s->options;
	int kind = CREEL_KIND_REJECTED;
	if (s->staging)
		return explain_staging(s);
	if (o->flags & ~(unsigned)(CREEL_FIXED_RATE | CREEL_STAY))
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: flags of creel_submit_options is 0x%x; "
					 "use CREEL_FIXED_RATE, CREEL_STAY or 0",
					 o->flags);
	if (o->flags & CREEL_FIXED_RATE && !o->period_ns)
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: flags has CREEL_FIXED_RATE and period_ns is 0; "
					 "give a period, or use 0");
	return creel__error_make(kind, -EINVAL, o->name,
				 "submit: flags has CREEL_STAY, delay_ns is %lld and period_ns is "
				 "%lld; it is for tasks that have a delay and run once",
				 (long long)o->delay_ns, (long long)o->period_ns);
}

static const creel_error *explain_options(const struct creel__submission *s)
{
	const creel_submit_options *o = s->options;
	int kind = CREEL_KIND_REJECTED;
	if (!creel__flags_make_sense(s))
		return explain_flags(s);
	const uint64_t *word = creel__reserved(o->reserved, sizeof o->reserved / sizeof *word);
	if (o->limit_ns < 0)
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: limit_ns is %lld; use 0 for none, or a duration",
					 (long long)o->limit_ns);
	if (!creel__overflow_is_known(o->overflow))
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: overflow is %d; use 0, CREEL_OVERFLOW_BLOCK, "
					 "CREEL_OVERFLOW_FAIL or CREEL_OVERFLOW_CALLER",
					 o->overflow);
	if (o->reserved32)
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: reserved32 of creel_submit_options is %lu, "
					 "not 0; initialise the options with {0} or designated "
					 "initializers",
					 (unsigned long)o->reserved32);
	if (!creel__band_is_known(o->band))
		return creel__band_refuse(o, -EINVAL);
	if (word)
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: reserved[%d] of creel_submit_options is %llu, "
					 "not 0; initialise the options with {0} or designated "
					 "initializers",
					 (int)(word - o->reserved), (unsigned long long)*word);
	return NULL;
}

static const creel_error *explain_invalid(const struct creel__submission *s)
{
	const char *name = name_of(s);
	int kind = CREEL_KIND_REJECTED;
	if (!s->ex)
		return creel__error_make(kind, -EINVAL, name, "submit: the executor is NULL%s",
					 creel__self()->results
						 ? "; this is a worker process, where globals are "
						   "as they were when the pool was made, and a "
						   "pool of the host's cannot be used"
						 : "");
	if (!s->fn)
		return creel__error_make(kind, -EINVAL, name, "submit: the function is NULL");
	if (s->size != CREEL_BY_REF && s->size > CREEL__SIZE_MAX)
		return creel__error_make(
			kind, -EINVAL, name,
			"submit: an argument of %zu bytes is larger than any object; "
			"was a negative number passed as its size?",
			s->size);
	if (s->size != CREEL_BY_REF && !s->arg && s->size)
		return creel__error_make(kind, -EINVAL, name,
					 "submit: the argument is NULL but its size is %zu; "
					 "pass size 0 for no argument",
					 s->size);
	const creel_error *e = s->options ? explain_options(s) : NULL;
	return e ? e
		 : creel__error_make(kind, -EINVAL, name,
				     "submit: the executor refused the task as invalid");
}

static const creel_error *explain_function(creel_fn fn, const char *name)
{
	Dl_info where = {0};
	void *address = (void *)(uintptr_t)fn;
	if (!dladdr(address, &where))
		where = (Dl_info){0};
	const char *slash = where.dli_fname ? strrchr(where.dli_fname, '/') : NULL;
	return creel__error_make(CREEL_KIND_NOT_TRANSFERABLE, -ENOEXEC, name,
				 "submit: the workers do not have %.48s (%p, %.32s): "
				 "load it before the pool is made, or dlopen it in the task",
				 where.dli_sname ? where.dli_sname : "this function", address,
				 slash ? slash + 1 : "in no library");
}

/* What the executor is broken by lies beneath. */
static const creel_error *explain_broken(const struct creel__submission *s)
{
	const creel_error *why = creel__executor_error(s->ex);
	const creel_error *e = creel__error_make(
		CREEL_KIND_BROKEN, why ? why->code : CREEL_EFAILED, name_of(s), "%s",
		why ? why->message : "submit: the executor refused the task");
	creel__error_set_cause(e, creel__error_ref(why));
	return e;
}

/* What a custom executor returned: what it means by that, only it knows. */
static bool is_users_own(const struct creel__submission *s, int code)
{
	/* An adaptor says what the one beneath said. */
	bool custom = s->ex->traits & CREEL__COUNTS && !s->ex->beneath;
	/* So one that vets says what the library vets, too. */
	bool vetted = s->ex->class->vet && (code == -ENOEXEC || code == -EFAULT);
	bool ours = code == -ENOTSUP &&
		    (creel__cannot_limit(s) || creel__cannot_rank(s) || creel__cannot_stay(s));
	return custom && code != -ENOMEM && code != -ESHUTDOWN && !ours && !vetted;
}

/* The codes that say all. What %s stands for is the size of the argument, of -EFAULT its address,
 * of CREEL_BUSY how many tasks there may be. */
static const struct reason {
	int code, kind;
	const char *format;
} reasons[] = {
	{-ENOMEM, CREEL_KIND_NO_MEMORY, "submit: no memory for a task with %s bytes of argument"},
	{-ESHUTDOWN, CREEL_KIND_SHUT_DOWN,
	 "submit: the executor has been shut down; "
	 "submit before creel_executor_shutdown() or _close()"},
	{-EPERM, CREEL_KIND_REJECTED,
	 "submit: this is a forked child and the pool is its parent's; "
	 "make a pool of its own after the fork"},
	{-EFAULT, CREEL_KIND_NOT_TRANSFERABLE,
	 "submit: the pointer %s is not in the pool's shared memory; "
	 "pass the value, or memory of creel_shared_alloc()"},
	{-ENOSPC, CREEL_KIND_REJECTED,
	 "submit: an argument of %s bytes does not fit in the pool's shared_budget"},
	{CREEL_BUSY, CREEL_KIND_REJECTED,
	 "submit: the pool is full: it has %s tasks that have not ended, max_workers + capacity; "
	 "wait for some, raise capacity, or wait longer (overflow, submit_by)"},
	{-EAGAIN, CREEL_KIND_REJECTED,
	 "submit: the system gives the pool no thread to run it; "
	 "raise the limits on threads or memory, or try again later"},
};

static const creel_error *explain_unsupported(const struct creel__submission *s)
{
	if (!creel__cannot_limit(s) && creel__cannot_rank(s))
		return creel__band_refuse(s->options, -ENOTSUP);
	if (!creel__cannot_limit(s) && creel__cannot_stay(s))
		return creel__error_make(
			CREEL_KIND_REJECTED, -ENOTSUP, name_of(s),
			"submit: flags has CREEL_STAY, which needs a pool: other executors take "
			"nothing after their shutdown");
	return creel__error_make(
		CREEL_KIND_REJECTED, -ENOTSUP, name_of(s), "submit: %s",
		creel__cannot_limit(s)
			? "limit_ns needs a process pool: a thread cannot be stopped from outside"
			: "overflow is CREEL_OVERFLOW_CALLER, which needs a thread pool without an "
			  "initializer; use CREEL_OVERFLOW_BLOCK or CREEL_OVERFLOW_FAIL");
}

static const creel_error *explain_code(const struct creel__submission *s, int code)
{
	char value[32];
	if (code == -EFAULT)
		snprintf(value, sizeof value, "%p", s->arg);
	else if (code == CREEL_BUSY)
		snprintf(value, sizeof value, "%zu", creel__places_count(&s->ex->places).taken);
	else
		snprintf(value, sizeof value, "%zu", s->size == CREEL_BY_REF ? 0 : s->size);
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].code == code && !is_users_own(s, code))
			return creel__error_make(reasons[i].kind, code, name_of(s),
						 reasons[i].format, value);
	return creel__error_make(CREEL_KIND_REJECTED, code, name_of(s),
				 "submit: the executor refused the task with code %d (%s)", code,
				 creel_code_name(code));
}

/* NULL: it is not for the token. */
static const creel_error *explain_token(const creel_submit_options *o, int code)
{
	if (!o->token || creel__token_check(o->token) != code || code == 0)
		return NULL;
	if (code == -EPERM)
		return creel__error_make(CREEL_KIND_REJECTED, code, o->name,
					 "submit: the token is the parent's, and this is a forked "
					 "child; make one here");
	return creel__error_renamed(creel__token_reason(o->token), o->name);
}

static const creel_error *explain_any(const struct creel__submission *s, int code)
{
	const creel_error *e = s->ex && s->options ? creel__due_explain(s->ex, s->options, code)
						   : NULL;
	if (e)
		return e;
	if (code == -EINVAL)
		return explain_invalid(s);
	e = s->options ? explain_token(s->options, code) : NULL;
	if (e)
		return e;
	if (code == CREEL_EFAILED)
		return explain_broken(s);
	if (code == -ENOTSUP && !is_users_own(s, code))
		return explain_unsupported(s);
	if (code == -ENOEXEC && !is_users_own(s, code))
		return explain_function(s->fn, name_of(s));
	return explain_code(s, code);
}

/* The error for a rejection. Its hook is the executor's, so that a dropped rejection
 * is not silent. */
const creel_error *creel__refusal(const struct creel__submission *s, int code)
{
	const creel_error *e = explain_any(s, code);
	if (s->ex && !creel__executor_foreign(s->ex))
		creel__error_set_unhandled(e, s->ex->unhandled);
	return e;
}
