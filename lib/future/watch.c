/* SPDX-License-Identifier: MIT */
/* What watchers of an executor are told; see future/watch.h. */
#include "future/watch.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "future/nest.h"
#include "future/result.h"
#include <creel/future.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
	SETTING = 1,
	SET = 2,
};

/* The executor's watch, made by the first that asks for it. NULL without memory. */
static struct creel__watcher *make(creel_executor *ex)
{
	struct creel__watcher *watch = creel__watch_of(ex), *none = NULL;
	if (watch)
		return watch;
	watch = creel__zalloc(sizeof *watch);
	/* [WATCH-1] acq_rel: publishes it, or sees another's; pairs with the acquire in
	 * creel__watch_of(), and with itself */
	if (!watch || creel__cas(&ex->watch, &none, watch, acq_rel, acquire))
		return watch;
	creel__free(watch);
	return none;
}

int creel__watch_trace(creel_executor *ex)
{
	struct creel__watcher *watch = make(ex);
	struct creel__trace *trace = creel__malloc_aligned(64, sizeof *trace);
	if (!watch || !trace) {
		creel__free(trace);
		return -ENOMEM;
	}
	*trace = (struct creel__trace){0};
	watch->trace = trace;
	return 0;
}

void creel__watch_free(creel_executor *ex)
{
	struct creel__watcher *watch = creel__load(&ex->watch, relaxed);
	if (watch)
		creel__free(watch->trace);
	creel__free(watch);
}

int creel_executor_histogram(creel_executor *ex, int which, creel_histogram *ret_histogram,
			     size_t size)
{
	if (!ex || !ret_histogram || size == 0 || which < CREEL_HISTOGRAM_WAITING ||
	    which > CREEL_HISTOGRAM_RUNNING)
		return -EINVAL;
	if (creel__fork_foreign(ex->generation))
		return -EPERM;
	if (!creel__watch_traces(ex))
		return -ENOTSUP;
	creel_histogram histogram;
	creel__trace_read(creel__watch_of(ex)->trace, which, &histogram);
	memset(ret_histogram, 0, size);
	memcpy(ret_histogram, &histogram, size < sizeof histogram ? size : sizeof histogram);
	return 0;
}

int creel_executor_watch(creel_executor *ex, const creel_hooks *hooks)
{
	if (!ex || !hooks || hooks->size < offsetof(creel_hooks, submitted) ||
	    hooks->size > sizeof *hooks || hooks->size % sizeof(void *))
		return -EINVAL;
	if (creel__fork_foreign(ex->generation))
		return -EPERM;
	/* It stands in where there was no memory, for all. */
	struct creel__watcher *watch = ex->is_static ? NULL : make(ex);
	uint32_t none = 0;
	if (!watch)
		return -ENOMEM;
	if (!creel__cas(&watch->hooked, &none, SETTING, relaxed, relaxed))
		return -EALREADY;
	memcpy(&watch->hooks, hooks, hooks->size);
	/* [WATCH-2] release: the hooks are written; pairs with the acquire in hooks_of() */
	creel__store(&watch->hooked, SET, release);
	return 0;
}

/* NULL: there are none, or not yet. */
static const creel_hooks *hooks_of(struct creel__watcher *watch)
{
	/* [WATCH-2] acquire: as above */
	return creel__load(&watch->hooked, acquire) == SET ? &watch->hooks : NULL;
}

/* Calls a hook, which may be NULL. False: this is a child. */
static bool tell(const creel_hooks *hooks, creel_hook_fn hook, const creel_event *event)
{
	struct creel__local *local = creel__self();
	if (!hook)
		return true;
	creel__worker_is_busy();
	creel__callbacks_enter();
	local->hooks++;
	bool stayed = creel__user_call(event->executor->generation, hook(hooks->ctx, event), 0);
	local->hooks--;
	creel__callbacks_leave();
	return stayed;
}

struct creel__watched *creel__watched_new(creel_executor *ex, creel_fn fn)
{
	struct creel__watched *w = creel__malloc(sizeof *w);
	if (w)
		*w = (struct creel__watched){
			.executor = ex, .by = creel__watch_of(ex), .fn = fn, .worker = UINT_MAX};
	return w;
}

static creel_event event_of(const struct creel__options *options, int64_t at)
{
	const struct creel__watched *w = options->watched;
	return (creel_event){.executor = w->executor,
			     .sequence = w->sequence,
			     .fn = w->fn,
			     .name = options->name,
			     .at = {at},
			     .worker = w->worker};
}

/* The options of a task that somebody watches, or NULL. */
static struct creel__options *watched_of(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	return options && options->watched ? options : NULL;
}

bool creel__watch_submitted(creel_future *f)
{
	struct creel__options *options = watched_of(f);
	if (!options)
		return true;
	struct creel__watched *w = options->watched;
	const creel_hooks *hooks = hooks_of(w->by);
	w->told = hooks != NULL;
	w->submitted = creel__now();
	w->sequence = creel__add(&w->by->sequence, 1, relaxed) + 1;
	if (!hooks)
		return true;
	creel_event event = event_of(options, w->submitted);
	return tell(hooks, hooks->submitted, &event);
}

/* Of a worker's own pool: what others see it run. NULL: nothing. */
static void show(creel_executor *ex, creel_future *f)
{
	struct creel__worker *worker = creel__self()->worker;
	if (!worker || worker->executor != ex)
		return;
	const struct creel__options *options = f ? watched_of(f) : NULL;
	if (!options || f->executor != ex) {
		creel__sight_show(&worker->sight, NULL);
		return;
	}
	const struct creel__watched *w = options->watched;
	struct creel__seen seen = {
		.task = f, .sequence = w->sequence, .fn = w->fn, .since = w->started};
	snprintf(seen.name, sizeof seen.name, "%.*s", CREEL__SEEN_NAME - 1, options->name);
	creel__sight_show(&worker->sight, &seen);
}

/* The task is off the thread's stack: it shows the one that it was run within, if any. */
static void trace_end(creel_future *f, struct creel__watched *w)
{
	struct creel__trace *trace = w->by->trace;
	if (!trace || !w->runs)
		return;
	w->runs = false;
	creel__trace_count(trace, CREEL_HISTOGRAM_RUNNING, w->worker, creel__now() - w->started);
	if (!(f->executor->task_flags & CREEL__REMOTE)) {
		creel_task *outer = creel__self()->task;
		show(f->executor, outer ? &outer->future : NULL);
	}
}

bool creel__watch_started(creel_future *f)
{
	struct creel__options *options = watched_of(f);
	if (!options)
		return true;
	struct creel__watched *w = options->watched;
	const creel_hooks *hooks = w->told ? hooks_of(w->by) : NULL;
	const struct creel__worker *worker = creel__self()->worker;
	bool first = !w->started; /* a periodic task starts once, and runs several times */
	w->started = creel__now();
	w->runs = true;
	w->worker = worker ? worker->index : UINT_MAX;
	if (w->by->trace)
		creel__trace_count(w->by->trace, CREEL_HISTOGRAM_WAITING, w->worker,
				   w->started - w->submitted);
	if (w->by->trace)
		show(f->executor, f);
	if (!hooks || !first)
		return true;
	creel_event event = event_of(options, w->started);
	return tell(hooks, hooks->started, &event);
}

void creel__watch_run_ended(creel_future *f)
{
	struct creel__options *options = watched_of(f);
	if (options)
		trace_end(f, options->watched);
}

void creel__watch_due(creel_future *f)
{
	struct creel__options *options = watched_of(f);
	if (options && options->watched->started)
		options->watched->submitted = creel__now();
}

void creel__watch_ran(creel_future *f, int64_t started, unsigned worker)
{
	struct creel__options *options = watched_of(f);
	if (!options)
		return;
	struct creel__watched *w = options->watched;
	/* A worker's word, where that can be true. */
	w->started = started < w->submitted || started > creel__now() ? w->submitted : started;
	w->worker = worker;
	w->runs = true;
	w->later = true;
	if (w->by->trace)
		creel__trace_count(w->by->trace, CREEL_HISTOGRAM_WAITING, worker,
				   w->started - w->submitted);
}

/* Of one that ran elsewhere, only now: that it started. */
static bool tell_ended(struct creel__options *options, int state, int code)
{
	struct creel__watched *w = options->watched;
	const creel_hooks *hooks = hooks_of(w->by);
	if (!w->told)
		return true;
	w->told = false;
	if (w->later) {
		creel_event event = event_of(options, w->started);
		if (!tell(hooks, hooks->started, &event))
			return false;
	}
	creel_event event = event_of(options, creel__now());
	event.state = state;
	event.code = code;
	return tell(hooks, hooks->ended, &event);
}

bool creel__watch_ended(creel_future *f, struct creel__options *options)
{
	trace_end(f, options->watched);
	bool dropped = (creel__load(&f->state, relaxed) & CREEL__STATE) == CREEL__DROPPING;
	if (options->cancels || (dropped && !creel__future_expired(f)))
		return tell_ended(options, CREEL_FUTURE_CANCELLED, -ECANCELED);
	/* Dropped with an error: it has expired. */
	const creel_error *error = dropped ? options->cancelled : creel__result_get_error(f);
	return tell_ended(options, CREEL_FUTURE_FINISHED, error ? error->code : 0);
}

bool creel__watch_refused(creel_future *f, int code)
{
	struct creel__options *options = watched_of(f);
	return !options || tell_ended(options, CREEL_FUTURE_FINISHED, code);
}

bool creel__watch_worker(creel_executor *ex, unsigned worker, bool left)
{
	struct creel__watcher *watch = creel__watch_of(ex);
	const creel_hooks *hooks = watch ? hooks_of(watch) : NULL;
	if (!hooks)
		return true;
	const creel_event event = {
		.executor = ex, .name = "", .at = {creel__now()}, .worker = worker};
	return tell(hooks, left ? hooks->worker_left : hooks->worker_started, &event);
}
