/* SPDX-License-Identifier: MIT */
/*
 * Watched executors: who is told of what becomes of a task.
 *
 * An executor that is watched has a struct creel__watcher. Each of its tasks then has options, and
 * in them a struct creel__watched. So nobody else pays: only a submission looks at the executor,
 * and a task without options starts and ends as ever (exec/task.c).
 *
 * ORDER  submitted, on the submitter, before the executor has the task. started, by whoever has
 *        claimed it, before its function is called. ended, before its argument's destructor, by
 *        whoever ends or cancels it, or has it refused. The one that has the task has what is
 *        watched of it: it is plain data.
 * TRACE  A traced executor is watched from birth. Its tasks are counted in histograms, and its
 *        workers show what they run: future/sight.h.
 * HOOKS  are set once and never change, so that whoever finds them may call them. They are called
 *        with no lock held, as callbacks: future/nest.h. What a hook submits is not watched.
 */
#ifndef CREEL__FUTURE_WATCH_H
#define CREEL__FUTURE_WATCH_H

#include "future/class.h"
#include "future/hook.h"
#include "future/trace.h"
#include <creel/watch.h>

struct creel__watcher {
	_Atomic(uint64_t) sequence; /* of the task that was submitted last */
	_Atomic(uint32_t) hooked;   /* 0, being set, set */
	creel_hooks hooks;          /* read once they are set */
	struct creel__trace *trace; /* of a pool with CREEL_TRACE; or NULL; set at birth */
};

struct creel__watched {
	creel_executor *executor; /* that is watched */
	struct creel__watcher *by;
	creel_fn fn;
	uint64_t sequence;
	int64_t submitted, started; /* 0: not */
	unsigned worker;            /* that started it */
	bool told;                  /* submitted: so the rest is told, too */
	bool runs;                  /* it has started, and that run is not counted yet */
	bool later;                 /* that it started is told with its end */
};

/* NULL: nobody watches the executor. */
static inline struct creel__watcher *creel__watch_of(const creel_executor *ex)
{
	/* [WATCH-1] acquire: it is complete; pairs with the release in make() of future/watch.c */
	return creel__load(&ex->watch, acquire);
}

/* The executor is being made: it is traced. 0 or -ENOMEM. */
int creel__watch_trace(creel_executor *ex);
void creel__watch_free(creel_executor *ex);

static inline bool creel__watch_traces(const creel_executor *ex)
{
	struct creel__watcher *watch = creel__watch_of(ex);
	return watch && watch->trace;
}

/* Who watches the tasks that the calling thread submits to the executor: it, or the next of those
 * that lie beneath it; NULL: nobody. */
static inline creel_executor *creel__watch_wanted(creel_executor *ex)
{
	while (ex && !creel__load(&ex->watch, relaxed))
		ex = ex->beneath;
	return creel__self()->hooks ? NULL : ex;
}

/* Whether somebody watches the task. */
static inline bool creel__is_watched(creel_future *f)
{
	const struct creel__options *options = creel__options_of(f);
	return options && options->watched;
}

/* For the options of a task; NULL without memory. */
struct creel__watched *creel__watched_new(creel_executor *ex, creel_fn fn);

/* All: false if a hook has forked, and this is the child. */
bool creel__watch_submitted(creel_future *f);
bool creel__watch_started(creel_future *f);
/* It was handed over and is the executor's no more: refused, with that code, or about to end. */
bool creel__watch_refused(creel_future *f, int code);
bool creel__watch_ended(creel_future *f, struct creel__options *options);
/* A run of a periodic task has ended; or the next one is due, and is about to be handed over. */
void creel__watch_run_ended(creel_future *f);
void creel__watch_due(creel_future *f);
/* A task that runs elsewhere has its outcome: it had started then, there. */
void creel__watch_ran(creel_future *f, int64_t started, unsigned worker);

/* A worker started, or (left) is gone. */
bool creel__watch_worker(creel_executor *ex, unsigned worker, bool left);

#endif
