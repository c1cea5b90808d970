/* SPDX-License-Identifier: MIT */
/* Driven executors: the runner. How it goes together with the rest stands in compose/driven.h. */
#include "base/clock.h"
#include "compose/driven.h"
#include "exec/executor.h"
#include "future/future.h"
#include "future/hook.h"
#include "sync/block.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/driven.h>
#include <creel/executor.h>
#include <creel/future.h>
#include <errno.h>

/* A run, on its thread's stack. */
struct run {
	struct creel__hook hook; /* on until */
	struct creel__driven *d;
	creel_future *until; /* or NULL */
	creel_deadline deadline;
	bool drains; /* no descriptors, and it never sleeps */
	bool come;   /* until is final; under d->lock */
	struct creel__drive drive;
	int rc;
};

enum { GO_ON = 1 };

/* Under the hooks' lock: the run is still there. */
static void told(struct creel__hook *hook, creel_future *f)
{
	struct run *r = creel__of(hook, struct run, hook);
	(void)f;
	creel__lock_acquire(&r->d->lock);
	r->come = true;
	creel__driven_show_locked(r->d);
	creel__lock_release(&r->d->lock);
}

/* What the run is to return, or GO_ON. */
static int over_locked(const struct run *r)
{
	const struct creel__driven *d = r->d;
	if (r->drains)
		return d->inflight ? GO_ON : 0;
	if (r->come)
		return 0;
	if (d->stop)
		return r->until ? -ECANCELED : 0;
	return d->closed && d->inflight == 0 ? -ESHUTDOWN : GO_ON;
}

static bool has_turn_locked(const struct creel__driven *d)
{
	return d->first && (intptr_t)(d->fence - *creel__driven_number(d->first)) >= 0;
}

/* Runs or ends what is next in this turn. False: there is nothing, or (in a child) nobody. */
static bool step_locked(struct creel__driven *d)
{
	struct creel__list *node = creel__list_pop(&d->fired);
	creel_task *task = NULL;
	bool stayed = true;
	if (!node && has_turn_locked(d))
		task = creel__driven_pop_locked(d);
	if (!node && !task)
		return false;
	d->running = task;
	creel__lock_release(&d->lock);
	if (task)
		(void)creel_task_run(task);
	else
		stayed = creel__ready_end(d, creel__of(node, struct creel__watch, node));
	if (!stayed || creel__executor_foreign(&d->base))
		return false;
	creel__lock_acquire(&d->lock);
	d->running = false;
	return true;
}

/* Looks for what the turn has to do. If there is nothing it may sleep. */
static int begin_turn_locked(struct run *r)
{
	struct creel__driven *d = r->d;
	int rc = 0;
	if (!r->drains) {
		bool idle = !creel__driven_has_work_locked(d);
		bool sleeps = idle && !creel__deadline_passed(r->deadline);
		if (idle || d->waiting)
			rc = creel__ready_collect_locked(d, sleeps, r->deadline);
	}
	d->fence = d->submitted;
	return rc;
}

/* Turns until it is over. True in this process, and then the lock is held. */
static bool turns_locked(struct run *r)
{
	struct creel__driven *d = r->d;
	r->rc = over_locked(r);
	while (r->rc == GO_ON) {
		int rc = begin_turn_locked(r);
		while ((r->rc = over_locked(r)) == GO_ON && step_locked(d))
			;
		if (creel__executor_foreign(&d->base))
			return false;
		if (r->rc == GO_ON && rc)
			r->rc = rc;
		else if (r->rc == GO_ON && creel__deadline_passed(r->deadline))
			r->rc = -ETIMEDOUT;
		else if (r->rc == GO_ON && r->drains && !d->first)
			break; /* a canceller is about to count the last one */
	}
	/* Under the same lock: a stop that comes now is for the next run. */
	if (!r->drains)
		d->stop = false;
	return true;
}

/* False: this is a child. */
static bool leave(struct run *r)
{
	struct creel__driven *d = r->d;
	creel__self()->drive = r->drive.outer;
	if (creel__executor_foreign(&d->base))
		return false;
	if (r->until)
		creel__hooks_leave(r->until, &r->hook);
	creel__lock_acquire(&d->lock);
	d->runner = NULL;
	d->running = false;
	d->until = NULL;
	/* Another edge, for those who have seen the last. If nothing is ready the bell is hushed
	 * again. */
	bool has_work = creel__driven_has_work_locked(d);
	if ((has_work && d->rings) || (d->waiting && d->unseen)) {
		creel__poller_ring(&d->poller);
		d->rings = true;
	}
	creel__driven_show_locked(d);
	creel__cond_broadcast_locked(&d->changed);
	bool orphaned = d->released;
	creel__lock_release(&d->lock);
	if (orphaned)
		creel__driven_abandon(d);
	creel__driven_drop(d);
	return true;
}

static void run_guarded(void *arg)
{
	struct run *r = arg;
	creel__lock_acquire(&r->d->lock);
	if (turns_locked(r))
		creel__lock_release(&r->d->lock);
}

/* A task has ended the thread. */
static void exited(void *arg)
{
	struct run *r = arg;
	/* Before leave(): the executor may go there. */
	if (r->drains)
		creel__executor_wait_ends(&r->d->base);
	(void)leave(r);
}

/* The caller becomes the runner; false if there is one. */
static bool enter_locked(struct run *r)
{
	r->d->unseen = true;
	if (r->d->runner)
		return false;
	r->d->runner = creel__self();
	r->d->held++;
	r->d->until = &r->come;
	r->drive = (struct creel__drive){&r->d->base, &r->d->owner, creel__self()->drive};
	creel__self()->drive = &r->drive;
	return true;
}

static int run(struct run *r)
{
	struct creel__driven *d = r->d;
	if (creel__self()->callbacks)
		return -EDEADLK;
	creel__lock_acquire(&d->lock);
	bool mine = enter_locked(r);
	creel__lock_release(&d->lock);
	if (!mine)
		return -EBUSY;
	r->hook = (struct creel__hook){.notify = told};
	if (r->until && !creel__hooks_listen(r->until, &r->hook))
		r->come = true;
	creel__thread_guard(run_guarded, exited, r);
	return leave(r) ? r->rc : -EPERM;
}

int creel_driven_run(creel_executor *driven, creel_deadline deadline)
{
	int rc = creel__driven_check(driven);
	if (rc)
		return rc;
	struct run r = {.d = (struct creel__driven *)driven, .deadline = deadline};
	return run(&r);
}

int creel_driven_run_until(creel_executor *driven, creel_future *f, creel_deadline deadline)
{
	int rc = creel__driven_check(driven);
	if (rc == 0 && !f)
		rc = -EINVAL;
	if (rc == 0 && creel__future_foreign(f))
		rc = -EPERM;
	if (rc)
		return rc;
	struct run r = {.d = (struct creel__driven *)driven, .until = f, .deadline = deadline};
	return run(&r);
}

int creel_driven_stop(creel_executor *driven)
{
	int rc = creel__driven_check(driven);
	if (rc)
		return rc;
	struct creel__driven *d = (struct creel__driven *)driven;
	creel__lock_acquire(&d->lock);
	d->stop = true;
	creel__driven_show_locked(d);
	creel__lock_release(&d->lock);
	return 0;
}

/* 0, GO_ON, or why it may wait no longer. */
static int await_change_locked(struct creel__driven *d, creel_deadline deadline)
{
	if (d->inflight == 0)
		return 0;
	if (creel__deadline_passed(deadline))
		return -ETIMEDOUT;
	/* If nobody is inside there is something to run, or a canceller has the rest. */
	if (!d->runner && d->first)
		return GO_ON;
	int rc = creel__cond_wait(&d->changed, &d->lock, deadline);
	return rc == -EAGAIN ? rc : GO_ON;
}

int creel__driven_drain(struct creel__driven *d, creel_deadline deadline)
{
	int rc = GO_ON;
	while (rc == GO_ON) {
		struct run r = {.d = d, .deadline = deadline, .drains = true};
		creel__lock_acquire(&d->lock);
		bool mine = d->first && !creel__deadline_passed(deadline) && enter_locked(&r);
		if (!mine)
			rc = await_change_locked(d, deadline);
		creel__lock_release(&d->lock);
		if (!mine)
			continue;
		creel__thread_guard(run_guarded, exited, &r);
		if (!leave(&r))
			return -EPERM;
		rc = r.rc == -ETIMEDOUT ? r.rc : GO_ON;
	}
	return rc;
}
