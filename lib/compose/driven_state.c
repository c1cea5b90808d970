/* SPDX-License-Identifier: MIT */
/* Driven executors: the queue, the bell, and who keeps the executor. How it goes together stands in
 * compose/driven.h. */
#include "base/alloc.h"
#include "compose/driven.h"
#include "exec/executor.h"
#include "sync/local.h"
#include <errno.h>

static creel_future **before(creel_future *f)
{
	return (creel_future **)(void *)&creel_task_words((creel_task *)f)[0];
}

void creel__driven_append_locked(struct creel__driven *d, creel_future *f)
{
	if (++d->submitted == 0)
		d->submitted = 1;
	*creel__driven_number(f) = d->submitted;
	*before(f) = d->last;
	f->next = NULL;
	if (d->last)
		d->last->next = f;
	else
		d->first = f;
	d->last = f;
}

void creel__driven_unlink_locked(struct creel__driven *d, creel_future *f)
{
	creel_future *b = *before(f);
	if (b)
		b->next = f->next;
	else
		d->first = f->next;
	if (f->next)
		*before(f->next) = b;
	else
		d->last = b;
	*creel__driven_number(f) = 0;
}

creel_task *creel__driven_pop_locked(struct creel__driven *d)
{
	creel_future *f = d->first;
	if (f)
		creel__driven_unlink_locked(d, f);
	return (creel_task *)f;
}

/* Whether the runner, if it slept, would have a reason to wake up. */
static bool is_called_locked(struct creel__driven *d)
{
	return d->stop || (d->until && *d->until) || (d->closed && d->inflight == 0);
}

void creel__driven_show_locked(struct creel__driven *d)
{
	if (d->runner && !d->asleep)
		return;
	bool rings = creel__driven_has_work_locked(d) || (d->asleep && is_called_locked(d));
	if (rings == d->rings)
		return;
	d->rings = rings;
	if (rings)
		creel__poller_ring(&d->poller);
	else
		creel__poller_hush(&d->poller);
}

void creel__driven_destroy(creel_executor *ex)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	creel__poller_close(&d->poller);
	for (size_t i = 0; i < d->pieces; i++)
		creel__free(d->spots[i]);
	creel__free(d->spots);
	creel__executor_fini(&d->base);
	creel__free(d);
}

void creel__driven_leave(struct creel__driven *d, bool task, bool done)
{
	if (creel__executor_foreign(&d->base))
		return;
	creel__lock_acquire(&d->lock);
	d->held--;
	d->inflight -= task;
	d->done += done;
	if (task && d->inflight == 0)
		creel__cond_broadcast_locked(&d->changed);
	creel__driven_show_locked(d);
	bool dead = d->held == 0 && d->released;
	creel__lock_release(&d->lock);
	if (dead)
		creel__executor_unhold(&d->base);
}

void creel__driven_drop(struct creel__driven *d)
{
	creel__driven_leave(d, false, false);
}

creel_task *creel__driven_pop(struct creel__driven *d)
{
	creel__lock_acquire(&d->lock);
	creel_task *task = creel__driven_pop_locked(d);
	creel__driven_show_locked(d);
	creel__lock_release(&d->lock);
	return task;
}

void creel__driven_abandon(struct creel__driven *d)
{
	creel_task *task;
	while (!creel__executor_foreign(&d->base) && (task = creel__driven_pop(d)))
		creel_task_reject(task, CREEL_KIND_SHUT_DOWN, -ESHUTDOWN,
				  "the last reference to the driven executor was dropped, and no "
				  "thread was inside run; close it to have its tasks run");
}

bool creel__driven_is_thread(creel_executor *ex)
{
	struct creel__driven *d = (struct creel__driven *)ex;
	creel__lock_acquire(&d->lock);
	bool inside = d->runner == creel__self();
	creel__lock_release(&d->lock);
	return inside;
}

int creel__driven_check(creel_executor *ex)
{
	if (!ex)
		return -EINVAL;
	if (creel__executor_foreign(ex))
		return -EPERM;
	if (ex->class->is_thread != creel__driven_is_thread)
		return creel_executor_error(ex) ? CREEL_EFAILED : -EINVAL;
	return 0;
}
