/* SPDX-License-Identifier: MIT */
/* Driven executors: making, submitting, ending. How they work stands in compose/driven.h. */
#include "compose/driven.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/executor.h"
#include "exec/look.h"
#include "exec/task.h"
#include "future/options.h"
#include "sync/local.h"
#include <creel/driven.h>
#include <errno.h>

static int submit(creel_executor *ex, creel_task *task)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	creel__lock_acquire(&d->lock);
	bool open = !d->closed;
	if (open) {
		creel__driven_append_locked(d, &task->future);
		d->inflight++;
		d->held++;
		creel__driven_show_locked(d);
		/* Who drains runs it, if nobody else does. */
		if (!d->runner)
			creel__cond_broadcast_locked(&d->changed);
	}
	creel__lock_release(&d->lock);
	return open ? 0 : -ESHUTDOWN;
}

static enum creel__withdrawn withdraw(creel_executor *ex, creel_task *task,
				      enum creel__purpose purpose)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	(void)purpose;
	creel__lock_acquire(&d->lock);
	bool queued = *creel__driven_number(&task->future) != 0;
	if (queued) {
		creel__driven_unlink_locked(d, &task->future);
		creel__driven_show_locked(d);
	}
	creel__lock_release(&d->lock);
	return queued ? CREEL__WITHDRAWN : CREEL__NOT_THERE;
}

static void owe(creel_executor *ex, int n)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	if (n < 0) {
		creel__driven_leave(d, true, false);
		return;
	}
	creel__lock_acquire(&d->lock);
	d->inflight++;
	d->held++;
	creel__lock_release(&d->lock);
}

static void ended(creel_executor *ex)
{
	creel__driven_leave((struct creel__driven *)ex, true, true);
}

/* No submission follows. False: this is a child. */
static bool close_submissions(struct creel__driven *d, bool cancels)
{
	creel__lock_acquire(&d->lock);
	d->closed = true;
	if (cancels)
		creel__store(&d->base.cancels, true, relaxed);
	creel__driven_show_locked(d);
	creel__lock_release(&d->lock);
	return creel__ready_close(d);
}

/* Once base.cancels is set, creel_task_run() cancels. */
static void cancel_queued(struct creel__driven *d, creel_deadline deadline)
{
	creel_deadline until = creel__cancel_by(deadline);
	creel_task *task;
	while (!creel__executor_foreign(&d->base) && !creel__deadline_passed(until) &&
	       (task = creel__driven_pop(d)))
		(void)creel_task_run(task);
}

static int shutdown(creel_executor *ex, unsigned flags, creel_deadline deadline, bool may_wait,
		    size_t *ret_left)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	bool cancels = flags & CREEL_SHUTDOWN_CANCEL;
	if (!close_submissions(d, cancels))
		return -EPERM;
	if (cancels)
		cancel_queued(d, deadline);
	int rc = may_wait ? creel__driven_drain(d, deadline) : 0;
	if (creel__executor_foreign(ex))
		return -EPERM;
	creel__lock_acquire(&d->lock);
	*ret_left = (size_t)d->inflight;
	if (!may_wait && d->inflight)
		rc = creel__deadline_passed(deadline) ? -ETIMEDOUT : -EDEADLK;
	creel__lock_release(&d->lock);
	return rc;
}

static int drain(creel_executor *ex, creel_deadline deadline)
{
	return creel__driven_drain((struct creel__driven *)ex, deadline);
}

static void stats_locked(const struct creel__driven *d, creel_stats *ret_stats)
{
	ret_stats->running = d->running && d->inflight;
	ret_stats->pending = d->inflight - ret_stats->running;
	ret_stats->done = d->done;
}

static void stats(creel_executor *ex, creel_stats *ret_stats)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	creel__lock_acquire(&d->lock);
	stats_locked(d, ret_stats);
	creel__lock_release(&d->lock);
}

static enum creel__looked overview(creel_executor *ex, struct creel__overview *ret_overview)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	if (!creel__lock_try(&d->lock))
		return CREEL__LOOKED_IN_VAIN;
	stats_locked(d, &ret_overview->stats);
	ret_overview->closed = d->closed;
	creel__lock_release(&d->lock);
	return CREEL__LOOKED;
}

/* A runner that is inside runs what is left. */
static void release(creel_executor *ex)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	creel__lock_acquire(&d->lock);
	d->held++;
	d->released = true;
	creel__lock_release(&d->lock);
	if (!close_submissions(d, false))
		return;
	creel__lock_acquire(&d->lock);
	bool inside = d->runner;
	creel__lock_release(&d->lock);
	if (!inside)
		creel__driven_abandon(d);
	creel__driven_drop(d);
}

static void let_go(creel_executor *ex)
{
	creel__poller_close(&((struct creel__driven *)ex)->poller);
}

static const struct creel__executor_class class = {
	.name = "driven",
	.submit = submit,
	.owe = owe,
	.withdraw = withdraw,
	.shutdown = shutdown,
	.drain = drain,
	.stats = stats,
	.overview = overview,
	.ended = ended,
	.is_thread = creel__driven_is_thread,
	.release = release,
	.destroy = creel__driven_destroy,
	.let_go = let_go,
};

int creel_driven_fd(creel_executor *driven)
{
	int rc = creel__driven_check(driven);
	return rc ? rc : ((struct creel__driven *)driven)->poller.set;
}

static const creel_error *open_error(int rc)
{
	if (rc == -ENOTSUP)
		return creel__error_make(CREEL_KIND_BROKEN, rc, NULL,
					 "creel_driven_new: this system has no epoll; use a thread "
					 "pool of one worker");
	return creel__error_make(CREEL_KIND_BROKEN, rc, NULL,
				 "creel_driven_new: no descriptor for the epoll set or its eventfd "
				 "(%s)",
				 creel_code_name(rc));
}

static void init(struct creel__driven *d, const creel_driven_options *o)
{
	struct creel__poller poller = d->poller;
	creel__executor_init(&d->base, &class);
	creel__executor_add_traits(&d->base, CREEL__COUNTS | CREEL__CONFINES);
	d->base.queues = true;
	d->poller = poller;
	d->owner = (struct creel__owner){.what = "the descriptor",
					 .withdraw = creel__ready_withdraw,
					 .cancelled = creel__ready_cancelled};
	d->base.unhandled = (struct creel__unhandled){o->on_unhandled, o->ctx};
	creel__list_init(&d->fired);
	creel__list_init(&d->gone);
}

creel_executor *creel_driven_new(const creel_driven_options *options)
{
	static const creel_driven_options defaults;
	const creel_driven_options *o = options ? options : &defaults;
	const creel_error *wrong = creel__reserved_refuse(
		CREEL_KIND_BROKEN, "creel_driven_new", 0, o->reserved,
		sizeof o->reserved / sizeof o->reserved[0]);
	if (wrong)
		return creel__executor_broken(wrong);
	struct creel__driven *d = creel__zalloc(sizeof *d);
	if (!d)
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	int rc = creel__poller_open(&d->poller);
	if (rc) {
		creel__free(d);
		return creel__executor_broken(open_error(rc));
	}
	init(d, o);
	creel__executor_made(&d->base);
	return &d->base;
}
