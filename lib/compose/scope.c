/* SPDX-License-Identifier: MIT */
/*
 * Scopes: adaptors that hand on whatever comes, and look at how their tasks end.
 *
 * ERRORS  Whoever ends a task takes it off the scope's list just before it is final
 *         (class->leaves()), and its outcome stands in it by then. There the error counts as read,
 *         and the first becomes the scope's: of the innermost scope that the task was submitted
 *         through. The siblings are called off at once.
 * JOIN    closes when the count of tasks is 0, nothing waits to be due, and nobody is just handing
 *         such a task over (keeps), all seen under the executor's two locks. Every submission takes
 *         one of them first. So a late one is either seen, or refused.
 *
 * scope.error is set once, by compare-and-swap; called_off is what has become of that.
 */
#include <creel/scope.h>
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/custom.h"
#include "exec/due.h"
#include "future/future.h"
#include "future/options.h"
#include "future/result.h"
#include "future/waits.h"
#include "sync/fork.h"
#include <errno.h>

struct scope {
	creel_executor *beneath;
	unsigned flags;
	_Atomic(const creel_error *) error; /* a reference */
	_Atomic(bool) cancelled;            /* by a call, */
	_Atomic(bool) called_off;           /* or by an error */
};

static void leaves(creel_executor *ex, struct creel__layer *layer, bool ends);

static bool is_scope(const creel_executor *ex)
{
	return ex->class->leaves == leaves;
}

static struct scope *scope_of(creel_executor *ex)
{
	return ((struct custom *)ex)->self;
}

static int submit(void *self, creel_task *task)
{
	return creel_task_forward(task, ((struct scope *)self)->beneath);
}

static creel_executor *beneath(void *self)
{
	return ((struct scope *)self)->beneath;
}

static void destroy(void *self)
{
	struct scope *s = self;
	creel__error_unref(creel__load(&s->error, relaxed));
	creel__free(s);
}

/* Whether it was submitted to this scope, not through another one. */
static bool is_own_task(creel_future *f, const creel_executor *ex)
{
	const creel_executor *i = creel__task_origin(f);
	while (i != ex && !is_scope(i))
		i = i->beneath;
	return i == ex;
}

/* Whether it was not due when the scope was shut down, which is no failure. */
static bool was_shut_out(creel_future *f, const creel_error *e)
{
	return e->kind == CREEL_KIND_SHUT_DOWN && creel__load(&f->state, relaxed) & CREEL__OWNED;
}

/* Why a task that is about to be final has failed, or NULL. */
static const creel_error *failure_of(creel_future *f)
{
	bool drops = (creel__load(&f->state, relaxed) & CREEL__STATE) == CREEL__DROPPING;
	const creel_error *e = drops ? creel__options_of(f)->cancelled : creel__result_get_error(f);
	return e && e->kind != CREEL_KIND_CANCELLED ? e : NULL;
}

/* False: it was before; or a function of the user's has forked, and this is the child. */
static bool call_off(creel_executor *ex)
{
	struct scope *s = scope_of(ex);
	unsigned how = s->flags & CREEL_SCOPE_KILL ? CREEL__OFF_KILLED : CREEL__OFF_ASKED;
	if (creel__xchg(&s->called_off, true, relaxed))
		return false;
	return creel__custom_call_off((struct custom *)ex, how) && creel__undue_close(ex, true);
}

static void leaves(creel_executor *ex, struct creel__layer *layer, bool ends)
{
	struct scope *s = scope_of(ex);
	creel_future *f = layer->task;
	const creel_error *e = ends && creel__task_is_of(f, ex) ? failure_of(f) : NULL,
			  *none = NULL;
	bool mine = e && !was_shut_out(f, e) && is_own_task(f, ex) &&
		    !creel__load(&s->called_off, relaxed);
	creel__custom_leaves(ex, layer, ends);
	if (e)
		creel__or(&f->state, CREEL__READ, relaxed);
	if (!mine)
		return;
	creel__error_ref(e);
	/* [SCOPE-1] release: the error is complete; pairs with the acquire in creel_scope_error()
	 * */
	if (!creel__cas(&s->error, &none, e, release, relaxed))
		creel__error_unref(e);
	else if (!(s->flags & CREEL_SCOPE_TOLERANT))
		(void)call_off(ex);
}

static const creel_executor_ops ops = {
	.size = sizeof ops, .submit = submit, .destroy = destroy, .beneath = beneath};

static const creel_error *refuse(creel_executor *ex, unsigned flags)
{
	static const char call[] = "creel_scope_new";
	if (!ex)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: the executor is NULL", call);
	if (flags & ~(unsigned)(CREEL_SCOPE_TOLERANT | CREEL_SCOPE_KILL))
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: flags is 0x%x; use CREEL_SCOPE_TOLERANT, "
					 "CREEL_SCOPE_KILL or 0",
					 call, flags);
	return NULL;
}

creel_executor *creel_scope_new(creel_executor *ex, unsigned flags)
{
	const creel_error *wrong = refuse(ex, flags);
	if (wrong)
		return creel__executor_broken(wrong);
	struct scope *s = creel__zalloc(sizeof *s);
	if (!s)
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	s->beneath = ex;
	s->flags = flags;
	creel_executor *scope = creel_executor_new(&ops, s);
	if (scope->beneath)
		((struct custom *)scope)->class.leaves = leaves;
	else
		creel__free(s);
	return scope;
}

/* 0; CREEL_EFAILED for one that is broken from birth; or a code. */
static int check(const creel_executor *scope)
{
	if (!scope)
		return -EINVAL;
	if (creel__executor_foreign(scope))
		return -EPERM;
	if (is_scope(scope))
		return 0;
	return creel__executor_error(scope) ? CREEL_EFAILED : -EINVAL;
}

const creel_error *creel_scope_error(creel_executor *scope)
{
	/* [SCOPE-1] acquire: pairs with the release in leaves() */
	return check(scope) ? NULL : creel__load(&scope_of(scope)->error, acquire);
}

int creel_scope_cancel(creel_executor *scope)
{
	int rc = check(scope);
	if (rc)
		return rc;
	creel__store(&scope_of(scope)->cancelled, true, relaxed);
	if (call_off(scope))
		return 0;
	return creel__executor_foreign(scope) ? -EPERM : -EALREADY;
}

int creel_scope_join(creel_executor *scope, creel_deadline deadline)
{
	int rc = check(scope);
	if (rc)
		return rc;
	if (creel__executor_is_own(scope))
		return -EDEADLK;
	bool may_wait = !creel__executor_needs_caller(scope);
	creel__waits_begin(CREEL__WAITS_DRAIN, scope);
	rc = creel__custom_join((struct custom *)scope, may_wait ? deadline : CREEL_NOW);
	creel__waits_end();
	if (rc == -ETIMEDOUT && !may_wait && !creel__deadline_passed(deadline))
		return -EDEADLK;
	if (rc)
		return rc;
	if (creel_scope_error(scope))
		return CREEL_EFAILED;
	return creel__load(&scope_of(scope)->cancelled, relaxed) ? -ECANCELED : 0;
}

void creel_scope_leave(creel_executor **scope)
{
	if (!scope || !*scope)
		return;
	(void)creel_scope_cancel(*scope);
	(void)creel_scope_join(*scope, CREEL_FOREVER);
	creel_executor_unref(*scope);
	*scope = NULL;
}
