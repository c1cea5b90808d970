/* SPDX-License-Identifier: MIT */
/*
 * Callbacks of futures, called by an executor or where the future ends.
 *
 * One with an executor is a task of that executor, made when the callback is added, so that nothing
 * can fail at the end. If the executor refuses the task, or ends it without running it, the
 * callback is called there and then; or is dropped, if that must not be (CREEL_NEVER_INLINE).
 */
#include "base/alloc.h"
#include "exec/executor.h"
#include "exec/submit.h"
#include "future/callback.h"
#include "future/class.h"
#include "future/layers.h"
#include "future/options.h"
#include "future/watch.h"
#include "sync/fork.h"
#include "sync/thread.h"
#include <creel/executor.h>
#include <errno.h>

/* A callback with an executor. */
struct away {
	struct creel__callback base;
	creel_executor *executor; /* a reference */
	creel_task *task;         /* until it is submitted */
	bool called, freed;       /* plain: set by its task, which also looks at them */
};

/* The task's function. Here blocking is allowed. */
static int call_task(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	struct away *a = *(struct away *const *)arg;
	struct creel__callback *c = &a->base;
	int state = creel__thread_no_cancel();
	a->called = true;
	if (creel__user_call(c->deferred.generation, c->fn(c->future, c->arg), 0)) {
		a->freed = true;
		(void)creel__callback_free_argument(c);
	}
	creel__thread_cancel_again(state);
	return 0;
}

/* The destructor of the task's argument: a callback whose task was cancelled, or failed, is called
 * here after all, if it may be. */
static void task_ended(void *arg, size_t size, void *ctx)
{
	(void)arg;
	(void)size;
	struct away *a = ctx;
	bool stayed = true;
	if (!a->called)
		stayed = creel__callback_call_after_all(&a->base);
	else if (!a->freed) /* the callback ended its thread */
		stayed = creel__callback_free_argument(&a->base);
	if (stayed)
		creel__callback_finish(&a->base);
}

static bool send(struct creel__callback *c)
{
	struct away *a = (struct away *)c;
	creel_task *task = a->task;
	/* Once it is submitted, c is gone, and with it perhaps the last other reference. */
	creel_executor *ex = creel_executor_ref(a->executor);
	a->task = NULL;
	/* If the executor runs it here, that must not block, nor nest. */
	creel__callbacks_enter();
	int rc = creel__executor_submit(ex, task);
	creel__callbacks_leave();
	bool child = creel__executor_foreign(ex);
	creel_executor_unref(ex);
	if (rc && !child)
		a->task = task;
	return rc == 0 || child;
}

static void dispose(struct creel__callback *c)
{
	struct away *a = (struct away *)c;
	if (a->task)
		creel__future_free(&a->task->future);
	creel_executor_unref(a->executor);
	creel__free(a);
}

static struct creel__callback *new_away(creel_executor *ex)
{
	struct away *a = creel__zalloc(sizeof *a);
	if (!a)
		return NULL;
	a->executor = creel_executor_ref(ex);
	a->base.send = send;
	a->base.dispose = dispose;
	a->task = creel__task_new(ex, call_task, &a, sizeof a, sizeof(struct creel__options) + 1);
	if (!a->task) {
		dispose(&a->base);
		return NULL;
	}
	creel_executor *watched = creel__watch_wanted(ex);
	struct creel__options *own = creel__options_of(&a->task->future);
	own->name[0] = 0;
	own->arg_free = task_ended;
	own->arg_ctx = a;
	own->watched = watched ? creel__watched_new(watched, call_task) : NULL;
	own->layers = ex->beneath ? creel__layers_new(&a->task->future) : NULL;
	if ((watched && !own->watched) || (ex->beneath && !own->layers)) {
		dispose(&a->base);
		return NULL;
	}
	return &a->base;
}

static bool options_make_sense(const creel_done_options *o, const creel_executor *ex)
{
	return !(o->flags & ~(unsigned)CREEL_NEVER_INLINE) && (ex || !o->flags) && !o->reserved32 &&
	       !creel__reserved(o->reserved, sizeof o->reserved / sizeof o->reserved[0]);
}

int creel_future_on_done_with(creel_future *f, creel_executor *ex, creel_done_fn fn, void *arg,
			      const creel_done_options *options, uint64_t *ret_id)
{
	static const creel_done_options none;
	const creel_done_options *o = options ? options : &none;
	if (!f || !fn || !options_make_sense(o, ex))
		return -EINVAL;
	if (creel__future_foreign(f) || (ex && creel__executor_foreign(ex)))
		return -EPERM;
	/* It might have been a driven one: then its callbacks must not run elsewhere. */
	if (ex && creel__executor_is_stillborn(creel__executor_lowest(ex)))
		return CREEL_EFAILED;
	if (ex && creel__executor_is_remote(ex))
		return -ENOTSUP;
	struct creel__callback *c = ex ? new_away(ex) : creel__zalloc(sizeof *c);
	if (!c)
		return -ENOMEM;
	c->fn = fn;
	c->arg = arg;
	c->free = o->free;
	c->never_inline = o->flags & CREEL_NEVER_INLINE ||
			  (ex && creel__executor_lowest(ex)->traits & CREEL__CONFINES);
	creel__callback_add(f, c, ret_id);
	return 0;
}

int creel_future_on_done(creel_future *f, creel_executor *ex, creel_done_fn fn, void *arg,
			 void (*free)(void *arg), uint64_t *ret_id)
{
	return creel_future_on_done_with(f, ex, fn, arg, &(creel_done_options){.free = free},
					 ret_id);
}
