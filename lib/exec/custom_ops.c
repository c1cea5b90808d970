/* SPDX-License-Identifier: MIT */
/*
 * What a custom executor can do beyond taking tasks: by the user's operations, or, of an adaptor,
 * as the lowest executor does. Its class has a function exactly where there is one to call, since
 * the library looks at that.
 */
#include "exec/custom.h"
#include "future/future.h"
#include "future/stage.h"
#include "future/times.h"
#include "sync/fork.h"
#include <errno.h>

static struct custom *custom_of(creel_executor *ex)
{
	return (struct custom *)ex;
}

/* Whether an executor is just being given the task, and has not seen all of it. */
static bool is_in_hand(creel_future *f)
{
	const struct creel__options *o = creel__options_of(f);
	/* [LAYERS-1] acquire: after its submission; pairs with creel__layers_unref() */
	if (o && o->layers && creel__load(&o->layers->refs, acquire) > 1)
		return true;
	/* [STAGE-3] acquire: it has all of the task; pairs with the release in give_in_hand() */
	if (o && o->stage && creel__load(&o->stage->in_hand, acquire))
		return true;
	return o && o->times && creel__times_in_hand(o->times);
}

/* Of a task that runs here or elsewhere. */
static enum creel__withdrawn has_started(struct custom *c, creel_task *task,
					 enum creel__purpose purpose)
{
	if (purpose == CREEL__CANCEL && c->ops.stop)
		(void)creel__user_call(c->base.generation, c->ops.stop(c->self, task), 0);
	return CREEL__STARTED;
}

static enum creel__withdrawn look(struct custom *c, creel_task *task)
{
	int started = 0;
	if (!c->ops.ask ||
	    !creel__user_call(c->base.generation, started = c->ops.ask(c->self, task), 0))
		return CREEL__NOT_THERE;
	return started > 0 ? CREEL__STARTED : CREEL__NOT_THERE;
}

enum creel__withdrawn creel__custom_withdraw(creel_executor *ex, creel_task *task,
					     enum creel__purpose purpose)
{
	struct custom *c = custom_of(ex);
	bool remote = ex->task_flags & CREEL__REMOTE;
	int found = 0;
	if (creel__future_peek(&task->future) == CREEL__RUNNING)
		return has_started(c, task, purpose);
	if (is_in_hand(&task->future))
		return CREEL__NOT_THERE;
	if (purpose == CREEL__LOOK)
		return look(c, task);
	if (!c->ops.withdraw)
		return look(c, task) == CREEL__STARTED ? has_started(c, task, purpose)
						       : CREEL__NOT_THERE;
	if (!creel__user_call(ex->generation, found = c->ops.withdraw(c->self, task), 0))
		return CREEL__NOT_THERE;
	if (found == CREEL_WITHDRAW_STARTED)
		return remote ? has_started(c, task, purpose) : CREEL__NOT_THERE;
	return found ? CREEL__WITHDRAWN : CREEL__NOT_THERE;
}

static int vet(creel_executor *ex, creel_fn fn, const void *arg, size_t size)
{
	struct custom *c = custom_of(ex);
	int rc = -EPERM;
	(void)creel__user_call(ex->generation, rc = c->ops.vet(c->self, fn, arg, size), 0);
	return rc;
}

static int vet_beneath(creel_executor *ex, creel_fn fn, const void *arg, size_t size)
{
	return ex->lowest->class->vet(ex->lowest, fn, arg, size);
}

static void *shared_alloc(creel_executor *ex, size_t size)
{
	struct custom *c = custom_of(ex);
	void *p = NULL;
	(void)creel__user_call(ex->generation, p = c->ops.alloc(c->self, size), 0);
	return p;
}

static void shared_free(creel_executor *ex, void *p)
{
	struct custom *c = custom_of(ex);
	(void)creel__user_call(ex->generation, c->ops.free(c->self, p), 0);
}

static void *shared_alloc_beneath(creel_executor *ex, size_t size)
{
	return ex->lowest->class->shared_alloc(ex->lowest, size);
}

static void shared_free_beneath(creel_executor *ex, void *p)
{
	ex->lowest->class->shared_free(ex->lowest, p);
}

static int kill_task(creel_executor *ex, creel_task *task, int64_t grace_ns)
{
	struct custom *c = custom_of(ex);
	int rc = -EPERM;
	(void)creel__user_call(ex->generation, rc = c->ops.kill(c->self, task, grace_ns), 0);
	return rc;
}

/* The task may end meanwhile, and with it the executor. */
static void await(creel_executor *ex, creel_task *task, creel_deadline deadline)
{
	struct custom *c = custom_of(ex);
	creel__custom_use(c);
	creel__future_release(&task->future);
	if (creel__user_call(ex->generation, c->ops.await(c->self, task, deadline), 0))
		creel__custom_unuse(c);
}

static int resize(creel_executor *ex, int max_workers)
{
	struct custom *c = custom_of(ex);
	int rc = -EPERM;
	creel__lock_acquire(&c->lock);
	bool open = !(c->shut & CREEL__CUSTOM_CLOSED);
	creel__lock_release(&c->lock);
	if (!open)
		return -ESHUTDOWN;
	(void)creel__user_call(ex->generation, rc = c->ops.resize(c->self, max_workers), 0);
	return rc;
}

static void complete_by_ops(struct creel__executor_class *class, const creel_executor_ops *ops)
{
	class->vet = ops->vet ? vet : NULL;
	class->shared_alloc = ops->alloc ? shared_alloc : NULL;
	class->shared_free = ops->free ? shared_free : NULL;
	class->kill = ops->kill ? kill_task : NULL;
	class->await = ops->await ? await : NULL;
	class->resize = ops->resize ? resize : NULL;
}

void creel__custom_complete(struct custom *c)
{
	struct creel__executor_class *class = &c->class;
	complete_by_ops(class, &c->ops);
	if (c->ops.flags & CREEL_EXECUTOR_REMOTE)
		c->base.task_flags |= CREEL__REMOTE;
	if (!c->base.beneath)
		return;
	const struct creel__executor_class *lowest = c->base.lowest->class;
	class->vet = lowest->vet ? vet_beneath : NULL;
	class->shared_alloc = lowest->shared_alloc ? shared_alloc_beneath : NULL;
	class->shared_free = lowest->shared_free ? shared_free_beneath : NULL;
}
