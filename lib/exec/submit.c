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
#include "exec/stage.h"
#include "exec/submission.h"
#include "exec/task.h"
#include "future/argument.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/layers.h"
#include "future/nest.h"
#include "future/options.h"
#include "future/release.h"
#include "future/stage.h"
#include "future/times.h"
#include "future/token.h"
#include "future/watch.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <errno.h>
#include <string.h>

creel_task *creel__task_new(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
			    size_t more)
{
	uint64_t state = CREEL__REF | ex->task_flags;
	creel_future *f = more ? creel__block_new_wide(state, more) : creel__block_new(state);
	if (!f)
		return NULL;
	if (more)
		creel__options_init(f, more);
	f->fn = fn;
	f->executor = ex;
	/* The caller has seen that it is this process's. */
	f->generation = ex->generation ? ex->generation : creel__fork_generation();
	if (!creel__argument_copy(f, arg, size)) {
		creel__future_free(f);
		return NULL;
	}
	return (creel_task *)f;
}

/* Gives the task to the executor, now or when it is due. Or (here) runs it for the executor; but
 * what is not due exceeds the bound instead. */
static inline int give_now(creel_task *task, bool here, const creel_submit_options *o)
{
	creel_executor *ex = task->future.executor;
	if (here && !(o && (o->delay_ns || o->period_ns)))
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

/* The same, and tells who watches. may_forward: that may be one beneath. */
static inline int give(creel_task *task, bool may_forward, bool here, const creel_submit_options *o)
{
	const creel_executor *ex = task->future.executor;
	bool watched = creel__load(&ex->watch, relaxed) || (may_forward && ex->beneath);
	return watched ? give_watched(task, here, o) : give_now(task, here, o);
}

/* A task with a token, and a reference to it, on its way. */
struct giving {
	creel_task *task;
	bool may_forward, here;
	const creel_submit_options *o;
	uint16_t generation;
	int rc;
};

static void give_guarded(void *arg)
{
	struct giving *g = arg;
	g->rc = give(g->task, g->may_forward, g->here, g->o);
}

/* It has been given, or has run within and ended the thread. */
static void given(void *arg)
{
	const struct giving *g = arg;
	creel_future *f = &g->task->future;
	if (creel__fork_foreign(g->generation))
		return;
	if (g->rc == 0)
		creel__enlisted_given(creel__enlisted_of(f), g->o->token);
	if (!creel__fork_foreign(g->generation))
		creel_future_unref(f);
}

/* The same of a task with a token, which may cancel it at any time. */
static CREEL__COLD int give_enlisted(creel_task *task, bool may_forward, bool here,
				     const creel_submit_options *o)
{
	struct giving g = {task, may_forward, here, o, task->future.generation, 0};
	int rc = creel__enlist(creel__enlisted_of(&task->future), o->token);
	if (rc)
		return rc;
	creel_future_ref(&task->future);
	creel__thread_guard(give_guarded, given, &g);
	given(&g);
	return g.rc;
}

int creel__executor_submit(creel_executor *ex, creel_task *task)
{
	if (creel__executor_foreign(ex))
		return -EPERM;
	creel__admit_any(ex);
	int rc = give(task, true, false, NULL);
	if (rc)
		creel__not_admitted(ex);
	return rc;
}

static CREEL__COLD int check_options(const struct creel__submission *s)
{
	const creel_submit_options *o = s->options;
	if (!creel__flags_make_sense(s) || o->limit_ns < 0 ||
	    !creel__overflow_is_known(o->overflow) || !creel__band_is_known(o->band) ||
	    o->reserved32 ||
	    creel__reserved(o->reserved, sizeof o->reserved / sizeof o->reserved[0]))
		return -EINVAL;
	if (creel__cannot_limit(s) || creel__cannot_rank(s) || creel__cannot_stay(s))
		return creel__load(&s->ex->error, relaxed) ? CREEL_EFAILED : -ENOTSUP;
	if (o->overflow == CREEL_OVERFLOW_CALLER &&
	    (s->ex->traits & (CREEL__BOUNDED | CREEL__ADOPTS)) == CREEL__BOUNDED)
		return -ENOTSUP;
	int rc = creel__times_wanted(o) ? creel__due_check(s->ex, o) : 0;
	return rc == 0 && o->token ? creel__submission_token(s) : rc;
}

static inline int check(const struct creel__submission *s)
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

/* A task that nobody else knows leaves without a trace. In a child nothing of it is touched. */
static CREEL__COLD void discard(creel_future *f)
{
	struct creel__enlisted *enlisted = creel__future_foreign(f) ? NULL : creel__enlisted_of(f);
	if (enlisted)
		creel__enlisted_leave(enlisted);
	if (creel__future_foreign(f))
		return;
	creel__argument_free(f);
	creel__future_free(f);
}

enum {
	BULK = 64, /* tasks that are made before they are handed over at once */
};

/* Which of several ways a submission goes. */
struct way {
	unsigned refs;            /* 1: for the executor alone; 2: for the caller as well */
	const creel_deadline *by; /* how long to wait for room; NULL: as the options say */
	bool exceeds;             /* the bound: no room is needed */
};

/* Takes a place of an executor that may be bounded: see creel__admit(). */
static int admit(const struct creel__submission *s, const struct way *way)
{
	const creel_submit_options *o = s->options;
	if (way->exceeds) {
		creel__admit_any(s->ex);
		return 0;
	}
	if (way->by)
		return creel__admit(s->ex, CREEL_OVERFLOW_BLOCK, *way->by);
	bool limited = o && o->submit_by.ns;
	return creel__admit(s->ex, o ? o->overflow : 0, limited ? o->submit_by : CREEL_FOREVER);
}

/* A task that is ready to be given to the executor. may_forward: that may be an adaptor. */
static inline int make(const struct creel__submission *s, unsigned refs, bool may_forward,
		       creel_task **ret_task)
{
	bool asks = s->options || s->staging || s->attempt || creel__load(&s->ex->watch, relaxed) ||
		    (may_forward && s->ex->beneath);
	size_t more = asks ? creel__submission_asks(s) : 0;
	creel_task *task = creel__task_new(s->ex, s->fn, s->arg, s->size, more);
	if (!task)
		return s->size > CREEL__ARG_INLINE && s->size != CREEL_BY_REF &&
				       s->ex->class->shared_alloc
			       ? -ENOSPC
			       : -ENOMEM;
	creel_future *f = &task->future;
	int rc = more ? creel__submission_fill(f, s) : 0;
	if (rc)
		discard(f);
	else
		creel__store(&f->state, creel__load(&f->state, relaxed) + (refs - 1) * CREEL__REF,
			     relaxed);
	*ret_task = task;
	return rc;
}

int creel__stage_make(const struct creel__submission *s, creel_future **ret_future)
{
	creel_task *task;
	int rc = check(s);
	if (rc == 0 && creel__executor_error(s->ex))
		rc = CREEL_EFAILED;
	if (rc == 0)
		rc = make(s, 2, true, &task);
	if (rc)
		return rc;
	creel_future *f = &task->future;
	/* The flags of its executor's tasks it gets when the executor does. Nobody else knows
	 * it. */
	uint64_t state = creel__load(&f->state, relaxed) & ~(uint64_t)s->ex->task_flags;
	creel__store(&f->state, state | CREEL__OWNED | CREEL__HELD, relaxed);
	if (!creel__watch_submitted(f))
		rc = -EPERM;
	if (rc)
		discard(f);
	*ret_future = f;
	return rc;
}

void creel__stage_discard(creel_future *f, int code)
{
	(void)creel__watch_refused(f, code);
	discard(f);
}

static inline int hand_over(const struct creel__submission *s, const struct way *way, bool slow,
			    bool here, creel_future **ret_future)
{
	creel_task *task;
	int rc = make(s, way->refs, slow, &task);
	if (rc)
		return rc;
	rc = s->options && s->options->token ? give_enlisted(task, slow, here, s->options)
					     : give(task, slow, here, s->options);
	if (rc)
		discard(&task->future);
	else if (ret_future)
		*ret_future = &task->future;
	return rc;
}

static int submit_slowly(const struct creel__submission *s, const struct way *way,
			 creel_future **ret_future)
{
	int rc = admit(s, way);
	if (rc < 0)
		return rc;
	rc = hand_over(s, way, true, rc == CREEL__RUN_HERE, ret_future);
	if (rc)
		creel__not_admitted(s->ex);
	return rc;
}

static inline int submit(const struct creel__submission *s, const struct way *way,
			 creel_future **ret_future)
{
	int rc = check(s);
	if (rc)
		return rc;
	if (s->ex->task_flags & CREEL__SLOW)
		return submit_slowly(s, way, ret_future);
	return hand_over(s, way, false, false, ret_future);
}

CREEL__COLD void creel__submission_free_argument(const struct creel__submission *s)
{
	if (!s->options || !s->options->arg_free)
		return;
	void *arg = (void *)(uintptr_t)s->arg;
	uint16_t here = creel__fork_generation();
	creel__destructors_enter();
	(void)creel__user_call(here, s->options->arg_free(arg, s->size, s->options->arg_ctx), 0);
	creel__destructors_leave();
}

/* The future of a submission, or one that has failed; NULL: there was no room until way->by. */
static creel_future *submit_for_future(const struct creel__submission *s, const struct way *way)
{
	creel_future *f;
	int rc = submit(s, way, &f);
	if (rc == 0)
		return f;
	if (rc == CREEL_BUSY && way->by && s->ex->traits & CREEL__BOUNDED)
		return NULL;
	creel__submission_free_argument(s);
	return creel__future_refused(creel__refusal(s, rc));
}

creel_future *creel_submit_with(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
				const creel_submit_options *options)
{
	return submit_for_future(
		&(struct creel__submission){ex, fn, arg, size, options, NULL, NULL},
		&(struct way){.refs = 2});
}

creel_future *creel__submit_by(const struct creel__submission *s, const creel_deadline *by)
{
	return submit_for_future(s, &(struct way){.refs = 2, .by = by, .exceeds = !by});
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
	return submit(&(struct creel__submission){ex, fn, arg, size, options, NULL, NULL},
		      &(struct way){.refs = 2, .by = &now}, ret_future);
}

int creel_spawn(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
		const creel_submit_options *options)
{
	struct creel__submission s = {ex, fn, arg, size, options, NULL, NULL};
	int rc = submit(&s, &(struct way){.refs = 1}, NULL);
	if (rc == 0)
		return 0;
	creel__submission_free_argument(&s);
	/* As if its future were dropped: on_unhandled hears of it, and never within itself. */
	const creel_error *e = creel__refusal(&s, rc);
	creel_future *f = creel__future_failed(creel__error_ref(e));
	if (creel__load(&f->state, relaxed) & CREEL__STATIC && e->kind != CREEL_KIND_CANCELLED)
		creel__error_tell(e);
	creel_future_unref(f);
	creel__error_unref(e);
	return rc;
}

/* Tasks that were made, a list through next. */
struct bulk {
	creel_future *task[BULK];
	size_t n;
};

/* Makes up to n; 0, or why there are fewer. */
static int make_bulk(const struct creel__submission *s, unsigned refs, size_t n, struct bulk *ret)
{
	struct creel__submission item = *s;
	creel_task *task;
	int rc = 0;
	for (ret->n = 0; ret->n < n && (rc = make(&item, refs, false, &task)) == 0; ret->n++) {
		task->future.next = NULL;
		ret->task[ret->n] = &task->future;
		if (ret->n)
			ret->task[ret->n - 1]->next = &task->future;
		item.arg = item.size ? (const unsigned char *)item.arg + item.size : NULL;
	}
	return rc;
}

/* Whether its tasks need nothing that is done one by one. */
static bool takes_bulk(const struct creel__submission *s)
{
	return s->ex->class->submit_list && !creel__load(&s->ex->watch, relaxed) &&
	       !(s->options && (creel__times_wanted(s->options) || s->options->token));
}

/* Submits as many of the next n as go at once; perhaps none, where the policy of a full pool
 * decides. *ret_done is how many. */
static int submit_bulk(const struct creel__submission *s, size_t n, creel_future **ret_futures,
		       size_t *ret_done)
{
	struct bulk bulk = {.n = 0};
	creel_executor *ex = s->ex;
	size_t places = n < BULK ? n : BULK;
	if (ex->traits & CREEL__BOUNDED)
		places = creel__places_try(&ex->places, places);
	int rc = places ? make_bulk(s, ret_futures ? 2 : 1, places, &bulk) : 0;
	int refused = bulk.n ? ex->class->submit_list(ex, bulk.task[0], bulk.task[bulk.n - 1],
						      bulk.n)
			     : 0;
	*ret_done = refused ? 0 : bulk.n;
	for (size_t i = 0; i < bulk.n; i++)
		if (refused)
			discard(bulk.task[i]);
		else if (ret_futures)
			ret_futures[i] = bulk.task[i];
	if (ex->traits & CREEL__BOUNDED && *ret_done < places)
		creel__places_give(&ex->places, places - *ret_done);
	return refused ? refused : rc;
}

/* The first item, with its size; then what all have in common is checked as for one. */
static int check_many(const struct creel__submission *s, size_t n)
{
	if (n && s->size && n > CREEL__SIZE_MAX / s->size)
		return -EINVAL;
	return check(s);
}

int creel_submit_many(creel_executor *ex, creel_fn fn, const void *base, size_t stride, size_t n,
		      const creel_submit_options *options, creel_future **ret_futures,
		      size_t *ret_accepted)
{
	bool bytes = n && stride;
	struct creel__submission s = {ex,   fn,  bytes ? base : NULL, bytes ? stride : 0, options,
				      NULL, NULL};
	const struct way way = {.refs = ret_futures ? 2 : 1};
	size_t done = 0, k;
	int rc = ret_accepted ? check_many(&s, n) : -EINVAL;
	for (; rc == 0 && done < n; done += k) {
		creel_future **futures = ret_futures ? ret_futures + done : NULL;
		k = 0;
		if (takes_bulk(&s))
			rc = submit_bulk(&s, n - done, futures, &k);
		if (rc == 0 && k == 0) {
			rc = submit(&s, &way, futures);
			k = rc == 0;
		}
		if (bytes)
			s.arg = (const unsigned char *)s.arg + k * stride;
	}
	if (ret_accepted)
		*ret_accepted = done;
	return rc;
}
