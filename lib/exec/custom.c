/* SPDX-License-Identifier: MIT */
/*
 * Custom executors: the user's operations, with the counting and waiting around them. The inline
 * executor, and every adaptor, is one.
 *
 * LIFE   inflight counts the accepted tasks that have not ended. The executor goes when it is 0 and
 *        nobody refers to it; whoever makes both true destroys it.
 * LOCKS  lock (rank 40): all fields below it. The user's operations are called without it.
 * NESTING  A destroy operation may drop the last reference to the next executor. That one is put on
 *        the thread's list and destroyed when the operation has returned: a chain of any length
 *        needs the stack of one.
 * FORK   An operation, or a task that it runs, may fork and return in the child. There the lock is
 *        left alone, and the call returns to the code that it came from (sync/fork.h).
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/executor.h"
#include "exec/look.h"
#include "future/block.h"
#include "future/options.h"
#include "sync/local.h"
#include "sync/lock.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

struct custom {
	creel_executor base;
	creel_executor_ops ops;
	void *self;
	struct creel__lock lock;
	struct creel__cond quiet; /* inflight became 0 */
	uint64_t inflight, done;
	unsigned shut;              /* CLOSED and the flags that ops.shutdown was told */
	bool released;              /* the last reference went */
	struct custom *doomed_next; /* plain: in the list of the thread that destroys it */
};

#define CLOSED (1u << 31)

static void destroy_now(struct custom *c)
{
	if (!creel__user_call(c->base.generation,
			      c->ops.destroy ? c->ops.destroy(c->self) : (void)0, 0))
		return;
	creel__executor_fini(&c->base);
	creel__free(c);
}

static void destroy(struct custom *c)
{
	struct creel__local *local = creel__self();
	c->doomed_next = NULL;
	if (local->destroying) {
		if (local->doomed)
			local->doomed_last->doomed_next = c;
		else
			local->doomed = c;
		local->doomed_last = c;
		return;
	}
	local->destroying = true;
	destroy_now(c);
	while ((c = local->doomed)) {
		local->doomed = c->doomed_next;
		destroy_now(c);
	}
	local->destroying = false;
}

static void leave(struct custom *c, bool done)
{
	if (creel__executor_foreign(&c->base))
		return;
	creel__lock_acquire(&c->lock);
	c->inflight--;
	c->done += done;
	bool last = c->inflight == 0;
	bool dead = last && c->released;
	if (last)
		creel__cond_broadcast_locked(&c->quiet);
	creel__lock_release(&c->lock);
	if (dead)
		destroy(c);
}

/* Counted before the user's executor has it: it may end within its submit. */
static int submit(creel_executor *ex, creel_task *task)
{
	struct custom *c = (struct custom *)ex;
	creel__lock_acquire(&c->lock);
	bool open = !(c->shut & CLOSED);
	c->inflight += open;
	creel__lock_release(&c->lock);
	if (!open)
		return -ESHUTDOWN;
	int rc = -EPERM;
	if (!creel__user_call(ex->generation, rc = c->ops.submit(c->self, task), 0))
		return rc ? -EPERM : 0;
	if (rc)
		leave(c, false);
	return rc < 0 ? rc : rc ? -EINVAL : 0;
}

static enum creel__withdrawn withdraw(creel_executor *ex, creel_task *task,
				      enum creel__purpose purpose)
{
	struct custom *c = (struct custom *)ex;
	(void)purpose;
	int found = 0;
	bool stayed = creel__user_call(
		ex->generation, found = c->ops.withdraw ? c->ops.withdraw(c->self, task) : 0, 0);
	return stayed && found ? CREEL__WITHDRAWN : CREEL__NOT_THERE;
}

static void owe(creel_executor *ex, int n)
{
	struct custom *c = (struct custom *)ex;
	creel__lock_acquire(&c->lock);
	c->inflight += (uint64_t)(int64_t)n;
	if (c->inflight == 0)
		creel__cond_broadcast_locked(&c->quiet);
	creel__lock_release(&c->lock);
}

static void ended(creel_executor *ex)
{
	leave((struct custom *)ex, true);
}

static int await_quiet_locked(struct custom *c, creel_deadline deadline)
{
	while (c->inflight) {
		if (creel__deadline_passed(deadline))
			return -ETIMEDOUT;
		if (creel__cond_wait(&c->quiet, &c->lock, deadline) == -EAGAIN)
			return -EAGAIN;
	}
	return 0;
}

/* Tells the user's executor, once for each new flag. False: this is a child. */
static bool close_submissions(struct custom *c, unsigned flags)
{
	creel__lock_acquire(&c->lock);
	unsigned news = (flags | CLOSED) & ~c->shut;
	c->shut |= news;
	if (flags & CREEL_SHUTDOWN_CANCEL)
		creel__store(&c->base.cancels, true, relaxed);
	creel__lock_release(&c->lock);
	return creel__user_call(c->base.generation,
				news && c->ops.shutdown ? c->ops.shutdown(c->self, flags) : (void)0,
				0);
}

static int shutdown(creel_executor *ex, unsigned flags, creel_deadline deadline, bool may_wait,
		    size_t *ret_left)
{
	struct custom *c = (struct custom *)ex;
	if (!close_submissions(c, flags))
		return -EPERM;
	creel__lock_acquire(&c->lock);
	int rc = 0;
	if (c->inflight && !may_wait && !creel__deadline_passed(deadline))
		rc = -EDEADLK;
	else
		rc = await_quiet_locked(c, deadline);
	*ret_left = (size_t)c->inflight;
	creel__lock_release(&c->lock);
	return rc;
}

static int drain(creel_executor *ex, creel_deadline deadline)
{
	struct custom *c = (struct custom *)ex;
	creel__lock_acquire(&c->lock);
	int rc = await_quiet_locked(c, deadline);
	creel__lock_release(&c->lock);
	return rc;
}

/* Whose workers run its tasks, or NULL. */
static creel_executor *beneath(creel_executor *ex)
{
	struct custom *c = (struct custom *)ex;
	creel_executor *next = NULL;
	if (c->ops.beneath)
		(void)creel__user_call(ex->generation, next = c->ops.beneath(c->self), 0);
	return next;
}

static unsigned slots(creel_executor *ex)
{
	return creel_executor_slots(beneath(ex));
}

static unsigned width(creel_executor *ex)
{
	return creel__executor_width(beneath(ex));
}

/* What of the tasks in flight runs, only the user's executor knows: all count as pending. */
static void stats(creel_executor *ex, creel_stats *ret_stats)
{
	struct custom *c = (struct custom *)ex;
	creel__lock_acquire(&c->lock);
	ret_stats->pending = c->inflight;
	ret_stats->done = c->done;
	creel__lock_release(&c->lock);
}

static enum creel__looked overview(creel_executor *ex, struct creel__overview *ret_overview)
{
	struct custom *c = (struct custom *)ex;
	if (!creel__lock_try(&c->lock))
		return CREEL__LOOKED_IN_VAIN;
	ret_overview->stats.pending = c->inflight;
	ret_overview->stats.done = c->done;
	ret_overview->closed = c->shut & CLOSED;
	creel__lock_release(&c->lock);
	return CREEL__LOOKED;
}

static void release(creel_executor *ex)
{
	struct custom *c = (struct custom *)ex;
	if (!close_submissions(c, 0))
		return;
	creel__lock_acquire(&c->lock);
	c->released = true;
	bool dead = c->inflight == 0;
	creel__lock_release(&c->lock);
	if (dead)
		destroy(c);
}

static const struct creel__executor_class class = {
	.name = "custom",
	.submit = submit,
	.owe = owe,
	.withdraw = withdraw,
	.shutdown = shutdown,
	.drain = drain,
	.slots = slots,
	.width = width,
	.stats = stats,
	.overview = overview,
	.ended = ended,
	.release = release,
};

/* What is wrong with the operations, or NULL. */
static const creel_error *check(const creel_executor_ops *ops)
{
	static const char call[] = "creel_executor_new";
	if (!ops)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: the operations are NULL", call);
	if (ops->size < offsetof(creel_executor_ops, withdraw) || ops->size > sizeof *ops ||
	    ops->size % sizeof(void *))
		return creel__size_refuse(call, "size of the operations", ops->size,
					  "set it to sizeof(creel_executor_ops)");
	if (!ops->submit)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: submit of the operations is NULL; "
					 "an executor has to have it",
					 call);
	return NULL;
}

creel_executor *creel_executor_new(const creel_executor_ops *ops, void *self)
{
	const creel_error *wrong = check(ops);
	if (wrong)
		return creel__executor_broken(wrong);
	struct custom *c = creel__zalloc(sizeof *c);
	if (!c)
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	creel__executor_init(&c->base, &class);
	memcpy(&c->ops, ops, ops->size);
	creel__executor_add_traits(&c->base,
				   CREEL__COUNTS | (c->ops.withdraw ? CREEL__WITHDRAWS : 0));
	c->self = self;
	creel__executor_made(&c->base);
	return &c->base;
}
