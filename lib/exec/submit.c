/* SPDX-License-Identifier: MIT */
/*
 * Submitting: check, make the block, hand it over.
 *
 * Nothing is explained before something is wrong: the checks give a code, and only a caller that
 * needs the failed future has the message made from it.
 */
#include "exec/submit.h"
#include "exec/bound.h"
#include "base/alloc.h"
#include "base/cold.h"
#include "exec/due.h"
#include "exec/executor.h"
#include "exec/task.h"
#include "future/argument.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/nest.h"
#include "future/options.h"
#include "future/release.h"
#include "future/times.h"
#include "future/watch.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <dlfcn.h>
#include <creel/future.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is submitted: the arguments of the public calls, on their way. */
struct submission {
	creel_executor *ex;
	creel_fn fn;
	const void *arg;
	size_t size;
	const creel_submit_options *options;
};

creel_task *creel__task_new(creel_executor *ex, creel_fn fn, const void *arg, size_t size)
{
	creel_future *f = creel__block_new(CREEL__REF | ex->task_flags);
	if (!f)
		return NULL;
	f->fn = fn;
	f->executor = ex;
	/* The caller has seen that it is this process's. */
	f->generation = ex->generation ? ex->generation : creel__fork_generation();
	if (!creel__argument_copy(f, arg, size)) {
		creel__block_free(f);
		return NULL;
	}
	return (creel_task *)f;
}

/* Gives the task to the executor, now or when it is due. Or (here) runs it for the executor; but
 * what is not due exceeds the bound instead. */
static inline int give_now(creel_task *task, bool here, const creel_submit_options *o)
{
	creel_executor *ex = task->future.executor;
	if (here && !(o && o->delay_ns))
		return creel__task_run_here(task);
	return o && creel__times_wanted(o) ? creel__due_submit(task) : ex->class->submit(ex, task);
}

static CREEL__COLD int give_watched(creel_task *task, bool here, const creel_submit_options *o)
{
	if (!creel__watch_submitted(&task->future))
		return -EPERM;
	int rc = give_now(task, here, o);
	if (rc)
		(void)creel__watch_refused(&task->future, rc);
	return rc;
}

/* The same, and tells who watches. */
static inline int give(creel_task *task, bool here, const creel_submit_options *o)
{
	return creel__load(&task->future.executor->watch, relaxed) ? give_watched(task, here, o)
								   : give_now(task, here, o);
}

int creel__executor_submit(creel_executor *ex, creel_task *task)
{
	if (creel__executor_foreign(ex))
		return -EPERM;
	creel__admit_any(ex);
	int rc = give(task, false, NULL);
	if (rc)
		creel__not_admitted(ex);
	return rc;
}

/* Only options that ask for something, and watched executors, need memory. */
static CREEL__COLD int attach_options(creel_future *f, const creel_submit_options *o)
{
	static const creel_submit_options none;
	bool watched = creel__watch_wanted(f->executor);
	o = o ? o : &none;
	if (!o->name && !o->arg_free && !o->limit_ns && !watched && !creel__times_wanted(o))
		return 0;
	size_t n = o->name ? strlen(o->name) : 0;
	if (n > CREEL__NAME_MAX - 1)
		n = CREEL__NAME_MAX - 1;
	struct creel__options *own = creel__malloc(sizeof *own + n + 1);
	if (!own)
		return -ENOMEM;
	own->arg_free = o->arg_free;
	own->arg_ctx = o->arg_ctx;
	own->limit_ns = o->limit_ns;
	own->watched = watched ? creel__watched_new(f->executor, f->fn) : NULL;
	if (watched && !own->watched) {
		creel__free(own);
		return -ENOMEM;
	}
	if (n)
		memcpy(own->name, o->name, n);
	own->name[n] = 0;
	creel__options_attach(f, own);
	own->times = creel__times_wanted(o) ? creel__times_new(f, o) : NULL;
	return creel__times_wanted(o) && !own->times ? -ENOMEM : 0;
}

static CREEL__COLD int check_options(const struct submission *s)
{
	const creel_submit_options *o = s->options;
	if (o->flags || o->limit_ns < 0 || !creel__overflow_is_known(o->overflow) ||
	    creel__reserved(o->reserved, sizeof o->reserved / sizeof o->reserved[0]))
		return -EINVAL;
	if (o->limit_ns && !(s->ex->task_flags & CREEL__REMOTE))
		return creel__load(&s->ex->error, relaxed) ? CREEL_EFAILED : -ENOTSUP;
	if (o->overflow == CREEL_OVERFLOW_CALLER &&
	    (s->ex->traits & (CREEL__BOUNDED | CREEL__ADOPTS)) == CREEL__BOUNDED)
		return -ENOTSUP;
	return creel__times_wanted(o) ? creel__due_check(s->ex, o) : 0;
}

static inline int check(const struct submission *s)
{
	if (!s->ex || !s->fn)
		return -EINVAL;
	if (creel__executor_foreign(s->ex))
		return -EPERM;
	if (s->size != CREEL_BY_REF && (s->size > CREEL__SIZE_MAX || (!s->arg && s->size)))
		return -EINVAL;
	int rc = s->options ? check_options(s) : 0;
	if (rc)
		return rc;
	return s->ex->class->vet ? s->ex->class->vet(s->ex, s->fn, s->arg, s->size) : 0;
}

/* A task that was not accepted, and that nobody else knows: it leaves without a trace. */
static CREEL__COLD void discard(creel_future *f)
{
	creel__argument_free(f);
	creel__options_free(creel__options_of(f));
	creel__block_free(f);
}

/* Which of several ways a submission goes. */
struct way {
	unsigned refs;            /* 1: for the executor alone; 2: for the caller as well */
	const creel_deadline *by; /* how long to wait for room; NULL: as the options say */
};

/* Takes a place of an executor that may be bounded: see creel__admit(). */
static int admit(const struct submission *s, const struct way *way)
{
	const creel_submit_options *o = s->options;
	if (way->by)
		return creel__admit(s->ex, CREEL_OVERFLOW_BLOCK, *way->by);
	bool limited = o && o->submit_by.ns;
	return creel__admit(s->ex, o ? o->overflow : 0, limited ? o->submit_by : CREEL_FOREVER);
}

static inline int hand_over(const struct submission *s, const struct way *way, bool here,
			    creel_future **ret_future)
{
	int rc = 0;
	creel_task *task = creel__task_new(s->ex, s->fn, s->arg, s->size);
	if (!task)
		return s->size > CREEL__ARG_INLINE && s->size != CREEL_BY_REF &&
				       s->ex->class->shared_alloc
			       ? -ENOSPC
			       : -ENOMEM;
	creel_future *f = &task->future;
	bool watched = creel__load(&s->ex->watch, relaxed);
	if (s->options || watched)
		rc = attach_options(f, s->options);
	if (rc == 0) {
		creel__store(&f->state,
			     creel__load(&f->state, relaxed) + (way->refs - 1) * CREEL__REF,
			     relaxed);
		rc = give(task, here, s->options);
	}
	if (rc)
		discard(f);
	else if (ret_future)
		*ret_future = f;
	return rc;
}

static int submit_slowly(const struct submission *s, const struct way *way,
			 creel_future **ret_future)
{
	int rc = admit(s, way);
	if (rc < 0)
		return rc;
	rc = hand_over(s, way, rc == CREEL__RUN_HERE, ret_future);
	if (rc)
		creel__not_admitted(s->ex);
	return rc;
}

static inline int submit(const struct submission *s, const struct way *way,
			 creel_future **ret_future)
{
	int rc = check(s);
	if (rc)
		return rc;
	if (s->ex->task_flags & CREEL__SLOW)
		return submit_slowly(s, way, ret_future);
	return hand_over(s, way, false, ret_future);
}

static const char *name_of(const struct submission *s)
{
	return s->options ? s->options->name : NULL;
}

static const creel_error *explain_options(const creel_submit_options *o)
{
	int kind = CREEL_KIND_REJECTED;
	const uint64_t *word = creel__reserved(o->reserved, sizeof o->reserved / sizeof *word);
	if (o->limit_ns < 0)
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: limit_ns is %lld; use 0 for none, or a duration",
					 (long long)o->limit_ns);
	if (o->flags)
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: flags of creel_submit_options is 0x%x; "
					 "this version knows none; use 0",
					 o->flags);
	if (!creel__overflow_is_known(o->overflow))
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: overflow is %d; use 0, CREEL_OVERFLOW_BLOCK, "
					 "CREEL_OVERFLOW_FAIL or CREEL_OVERFLOW_CALLER",
					 o->overflow);
	if (word)
		return creel__error_make(kind, -EINVAL, o->name,
					 "submit: reserved[%d] of creel_submit_options is %llu, "
					 "not 0; initialise the options with {0} or designated "
					 "initializers",
					 (int)(word - o->reserved), (unsigned long long)*word);
	return NULL;
}

static const creel_error *explain_invalid(const struct submission *s)
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
	const creel_error *e = s->options ? explain_options(s->options) : NULL;
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
static const creel_error *explain_broken(const struct submission *s)
{
	/* [EX-1] acquire: the error is complete; pairs with the release in
	 * creel__executor_set_error() */
	const creel_error *why = creel__load(&s->ex->error, acquire);
	const creel_error *e = creel__error_make(
		CREEL_KIND_BROKEN, why ? why->code : CREEL_EFAILED, name_of(s), "%s",
		why ? why->message : "submit: the executor refused the task");
	creel__error_set_cause(e, creel__error_ref(why));
	return e;
}

/* What a custom executor returned: what it means by that, only it knows. */
static bool is_users_own(const struct submission *s, int code)
{
	bool custom = s->ex->traits & CREEL__COUNTS;
	bool limited = s->options && s->options->limit_ns;
	return custom && code != -ENOMEM && code != -ESHUTDOWN && !(code == -ENOTSUP && limited);
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

static const creel_error *explain_unsupported(const struct submission *s)
{
	bool limited = s->options->limit_ns;
	return creel__error_make(
		CREEL_KIND_REJECTED, -ENOTSUP, name_of(s), "submit: %s",
		limited ? "limit_ns needs a process pool: a thread cannot be stopped from outside"
			: "overflow is CREEL_OVERFLOW_CALLER, which needs a thread pool without an "
			  "initializer; use CREEL_OVERFLOW_BLOCK or CREEL_OVERFLOW_FAIL");
}

static const creel_error *explain_code(const struct submission *s, int code)
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

static const creel_error *explain_any(const struct submission *s, int code)
{
	const creel_error *e = s->ex && s->options ? creel__due_explain(s->ex, s->options, code)
						   : NULL;
	if (e)
		return e;
	if (code == -EINVAL)
		return explain_invalid(s);
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
static CREEL__COLD const creel_error *explain(const struct submission *s, int code)
{
	const creel_error *e = explain_any(s, code);
	if (s->ex && !creel__executor_foreign(s->ex))
		creel__error_set_unhandled(e, s->ex->unhandled);
	return e;
}

/* The submission was rejected and with it goes what it handed over. */
static CREEL__COLD void free_argument(const struct submission *s)
{
	if (!s->options || !s->options->arg_free)
		return;
	void *arg = (void *)(uintptr_t)s->arg;
	uint16_t here = creel__fork_generation();
	creel__destructors_enter();
	(void)creel__user_call(here, s->options->arg_free(arg, s->size, s->options->arg_ctx), 0);
	creel__destructors_leave();
}

creel_future *creel_submit_with(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
				const creel_submit_options *options)
{
	struct submission s = {ex, fn, arg, size, options};
	creel_future *f;
	int rc = submit(&s, &(struct way){.refs = 2}, &f);
	if (rc == 0)
		return f;
	free_argument(&s);
	return creel__future_failed(explain(&s, rc));
}

creel_future *creel__submit_by(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
			       const creel_submit_options *options, creel_deadline by)
{
	struct submission s = {ex, fn, arg, size, options};
	creel_future *f;
	int rc = submit(&s, &(struct way){.refs = 2, .by = &by}, &f);
	if (rc == 0)
		return f;
	if (rc == CREEL_BUSY && ex->traits & CREEL__BOUNDED)
		return NULL;
	free_argument(&s);
	return creel__future_failed(explain(&s, rc));
}

creel_future *creel_submit(creel_executor *ex, creel_fn fn, const void *arg, size_t size)
{
	return creel_submit_with(ex, fn, arg, size, NULL);
}

int creel_try_submit(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
		     const creel_submit_options *options, creel_future **ret_future)
{
	if (!ret_future)
		return -EINVAL;
	static const creel_deadline now = CREEL_NOW_INIT;
	return submit(&(struct submission){ex, fn, arg, size, options},
		      &(struct way){.refs = 2, .by = &now}, ret_future);
}

int creel_spawn(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
		const creel_submit_options *options)
{
	struct submission s = {ex, fn, arg, size, options};
	int rc = submit(&s, &(struct way){.refs = 1}, NULL);
	if (rc == 0)
		return 0;
	free_argument(&s);
	/* As if its future were dropped: on_unhandled hears of it, and never within itself. */
	const creel_error *e = explain(&s, rc);
	creel_future *f = creel__future_failed(creel__error_ref(e));
	if (creel__load(&f->state, relaxed) & CREEL__STATIC)
		creel__error_tell(e);
	creel_future_unref(f);
	creel__error_unref(e);
	return rc;
}
