/* SPDX-License-Identifier: MIT */
/*
 * Custom executors: the user's operations, with the counting and waiting around them. The inline
 * executor, and every adaptor, is one.
 *
 * ADAPTORS  Those that say what lies beneath them: future/layers.h. They keep a reference to that.
 *
 * LIFE   exec/custom_life.c
 * LOCKS  lock (rank 40): all fields below it. The user's operations are called without it.
 * FORK   An operation, or a task that it runs, may fork and return in the child. There the lock is
 *        left alone, and the call returns to the code that it came from (sync/fork.h).
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/custom.h"
#include "exec/look.h"
#include "future/options.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

static void leave(struct custom *c, bool done)
{
	if (creel__executor_foreign(&c->base))
		return;
	creel__lock_acquire(&c->lock);
	c->inflight--;
	c->done += done;
	bool last = c->inflight == 0;
	bool dead = creel__custom_is_dead_locked(c);
	if (last)
		creel__cond_broadcast_locked(&c->quiet);
	creel__lock_release(&c->lock);
	if (dead)
		creel__executor_unhold(&c->base);
}

/* False: it is closed. */
static bool enter(struct custom *c)
{
	creel__lock_acquire(&c->lock);
	bool open = !(c->shut & CREEL__CUSTOM_CLOSED);
	c->inflight += open;
	creel__lock_release(&c->lock);
	return open;
}

/* A task on its way to the user's executor. */
struct entry {
	struct custom *c;
	creel_task *task;
	struct creel__layers *layers; /* a reference; or NULL */
	uint16_t generation;
	int rc;
};

static void give(void *arg)
{
	struct entry *e = arg;
	struct custom *c = e->c;
	e->rc = -EPERM;
	if (!creel__user_call(e->generation, e->rc = c->ops.submit(c->self, e->task), 0))
		e->rc = e->rc ? -EPERM : 0;
	else if (e->rc)
		leave(c, false);
	else if (e->layers && c->base.beneath)
		creel__custom_list(c, creel__layer_of(e->layers, &c->base));
}

/* It has been given, or has run within and ended its thread: then the executor may be gone. */
static void given(void *arg)
{
	const struct entry *e = arg;
	if (!creel__fork_foreign(e->generation))
		creel__layers_unref(e->layers);
}

/* Counted before the user's executor has it: it may end within its submit. */
static int submit(creel_executor *ex, creel_task *task)
{
	struct entry e = {.c = (struct custom *)ex,
			  .task = task,
			  .layers = creel__layers_of(&task->future),
			  .generation = ex->generation};
	if (!enter(e.c))
		return -ESHUTDOWN;
	if (e.layers) {
		creel__layers_ref(e.layers);
		creel__thread_guard(give, given, &e);
	} else {
		give(&e);
	}
	given(&e);
	return e.rc < 0 ? e.rc : e.rc ? -EINVAL : 0;
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

static void call_ended(void *arg)
{
	struct custom *c = arg;
	if (c->ops.ended)
		(void)creel__user_call(c->base.generation, c->ops.ended(c->self), 0);
}

/* It has returned, or let something run that ended the thread. */
static void leave_passed(void *arg)
{
	struct custom *c = arg;
	if (!creel__executor_foreign(&c->base))
		leave(c, true);
}

static void passed(creel_executor *ex)
{
	creel__thread_guard(call_ended, leave_passed, ex);
	leave_passed(ex);
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
	unsigned news = (flags | CREEL__CUSTOM_CLOSED) & ~c->shut;
	c->shut |= news;
	if (flags & CREEL_SHUTDOWN_CANCEL)
		creel__store(&c->base.cancels, true, relaxed);
	creel__lock_release(&c->lock);
	if (!creel__user_call(c->base.generation,
			      news && c->ops.shutdown ? c->ops.shutdown(c->self, flags) : (void)0,
			      0))
		return false;
	if (!c->base.beneath || !(flags & CREEL_SHUTDOWN_CANCEL))
		return true;
	return creel__custom_call_off(
		c, flags & CREEL_SHUTDOWN_KILL ? CREEL__OFF_KILLED : CREEL__OFF_PENDING, NULL);
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

static unsigned slots(creel_executor *ex)
{
	return creel_executor_slots(ex->beneath);
}

static unsigned width(creel_executor *ex)
{
	return creel__executor_width(ex->beneath);
}

/* What of the tasks in flight runs, only the user's executor knows: all count as pending, unless it
 * says. */
static void stats(creel_executor *ex, creel_stats *ret_stats)
{
	struct custom *c = (struct custom *)ex;
	creel__lock_acquire(&c->lock);
	ret_stats->pending = c->inflight;
	ret_stats->done = c->done;
	creel__lock_release(&c->lock);
	(void)creel__user_call(ex->generation,
			       c->ops.stats ? c->ops.stats(c->self, ret_stats) : (void)0, 0);
}

static enum creel__looked overview(creel_executor *ex, struct creel__overview *ret_overview)
{
	struct custom *c = (struct custom *)ex;
	if (!creel__lock_try(&c->lock))
		return CREEL__LOOKED_IN_VAIN;
	ret_overview->stats.pending = c->inflight;
	ret_overview->stats.done = c->done;
	ret_overview->closed = c->shut & CREEL__CUSTOM_CLOSED;
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
	bool dead = creel__custom_is_dead_locked(c);
	creel__lock_release(&c->lock);
	if (dead)
		creel__executor_unhold(ex);
}

static const struct creel__executor_class class = {
	.name = "custom",
	.submit = submit,
	.owe = owe,
	.withdraw = creel__custom_withdraw,
	.shutdown = shutdown,
	.drain = drain,
	.slots = slots,
	.width = width,
	.stats = stats,
	.overview = overview,
	.ended = ended,
	.leaves = creel__custom_leaves,
	.passed = passed,
	.release = release,
	.destroy = creel__custom_destroy,
};

static const char call[] = "creel_executor_new";

static const creel_error *refuse(int code, const char *what)
{
	return creel__error_make(CREEL_KIND_BROKEN, code, NULL, "%s: %s", call, what);
}

/* What is wrong with the operations, or NULL. */
static const creel_error *check(const creel_executor_ops *ops)
{
	if (!ops)
		return refuse(-EINVAL, "the operations are NULL");
	if (ops->size < offsetof(creel_executor_ops, withdraw) || ops->size > sizeof *ops ||
	    ops->size % sizeof(void *))
		return creel__size_refuse(call, "size of the operations", ops->size,
					  "set it to sizeof(creel_executor_ops)");
	if (!ops->submit)
		return refuse(-EINVAL, "submit of the operations is NULL; "
				       "an executor has to have it");
	return NULL;
}

/* The same of those that came later. */
static const creel_error *check_more(const creel_executor_ops *ops)
{
	if (ops->flags & ~(unsigned)(CREEL_EXECUTOR_REMOTE | CREEL_EXECUTOR_QUEUES))
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: flags of the operations is 0x%x; use "
					 "CREEL_EXECUTOR_REMOTE, CREEL_EXECUTOR_QUEUES or 0",
					 call, ops->flags);
	if (ops->reserved)
		return creel__option_refuse(call, "reserved of the operations", ops->reserved,
					    "leave it 0");
	if (!ops->alloc != !ops->free)
		return refuse(-EINVAL, "the operations have one of alloc and free; "
				       "set both, or none");
	return NULL;
}

static const creel_error *check_remote(const creel_executor_ops *ops)
{
	if (!(ops->flags & CREEL_EXECUTOR_REMOTE) &&
	    (ops->ask || ops->stop || ops->kill || ops->await))
		return refuse(-EINVAL,
			      "the operations have ask, stop, kill or await, which only tasks in "
			      "other processes need; set CREEL_EXECUTOR_REMOTE, or leave them 0");
	return NULL;
}

static const creel_error *check_beneath(const creel_executor_ops *ops,
					const creel_executor *beneath)
{
	if (creel__executor_foreign(beneath))
		return refuse(-EPERM, "the executor beneath is the parent's, and this is a forked "
				      "child; make one here");
	if (beneath->depth >= CREEL__LAYERS)
		return creel__error_make(CREEL_KIND_BROKEN, -ELOOP, NULL,
					 "%s: %u executors would lie beneath this one; "
					 "at most %d may",
					 call, beneath->depth + 1u, CREEL__LAYERS);
	if (ops->flags & CREEL_EXECUTOR_REMOTE || ops->vet || ops->alloc || ops->kill || ops->ask ||
	    ops->stop || ops->await)
		return refuse(-EINVAL, "beneath of the operations names an executor: "
				       "CREEL_EXECUTOR_REMOTE, vet, alloc, free, kill, ask, stop "
				       "and await are those of the lowest one; leave them 0");
	return NULL;
}

/* Of an adaptor, before it has tasks. */
static const creel_error *set_beneath(struct custom *c, creel_executor *beneath)
{
	const creel_error *wrong = check_beneath(&c->ops, beneath);
	if (wrong)
		return wrong;
	c->base.beneath = creel_executor_ref(beneath);
	c->base.lowest = beneath->beneath ? beneath->lowest : beneath;
	c->base.depth = (uint16_t)(beneath->depth + 1);
	c->base.bands = c->base.lowest->bands;
	c->base.unhandled = c->base.lowest->unhandled;
	return NULL;
}

static const creel_error *init(struct custom *c, const creel_executor_ops *ops, void *self)
{
	memcpy(&c->ops, ops, ops->size);
	const creel_error *wrong = check_more(&c->ops);
	if (wrong)
		return wrong;
	creel_executor *beneath = NULL;
	uint16_t here = creel__fork_generation();
	if (c->ops.beneath)
		(void)creel__user_call(here, beneath = c->ops.beneath(self), 0);
	c->self = self;
	c->class = class;
	creel__executor_init(&c->base, &c->class);
	c->base.queues = c->ops.flags & CREEL_EXECUTOR_QUEUES && (!beneath || beneath->queues);
	bool asks = c->ops.withdraw || c->ops.ask || c->ops.stop;
	creel__executor_add_traits(&c->base, CREEL__COUNTS | (asks ? CREEL__WITHDRAWS : 0));
	creel__list_init(&c->tasks);
	wrong = beneath ? set_beneath(c, beneath) : check_remote(&c->ops);
	if (wrong)
		creel__executor_fini(&c->base);
	else
		creel__custom_complete(c);
	return wrong;
}

creel_executor *creel_executor_new(const creel_executor_ops *ops, void *self)
{
	const creel_error *wrong = check(ops);
	if (wrong)
		return creel__executor_broken(wrong);
	struct custom *c = creel__zalloc(sizeof *c);
	if (!c)
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	wrong = init(c, ops, self);
	if (wrong) {
		creel__free(c);
		return creel__executor_broken(wrong);
	}
	creel__executor_made(&c->base);
	return &c->base;
}
