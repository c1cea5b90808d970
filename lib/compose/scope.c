/* SPDX-License-Identifier: MIT */
/*
 * Scopes: adaptors that hand on whatever comes, and look at how their tasks end.
 *
 * ERRORS  Whoever ends a task takes it off the scope's list just before it is final
 *         (class->leaves()), and its outcome stands in it by then. There the error counts as read,
 *         and the first becomes the scope's: of the innermost scope that the task was submitted
 *         through. The siblings are called off at once.
 * TOKEN   A scope is cancelled by its own token: whoever cancels that calls the tasks off. A call
 *         and an error cancel it, a token of the options is its parent, and it hangs on that of the
 *         scope beneath (outer). The scope stands in the lists of tokens without a reference: who
 *         takes it from there uses the executor, unless that is being destroyed.
 * JOIN    closes when the count of tasks is 0, nothing waits to be due, and nobody is just handing
 *         such a task over (keeps), all seen under the executor's two locks. Every submission takes
 *         one of them first. So a late one is either seen, or refused.
 *
 * scope.error is set once, by compare-and-swap.
 */
#include <creel/scope.h>
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/custom.h"
#include "exec/due.h"
#include "future/future.h"
#include "future/options.h"
#include "future/result.h"
#include "future/token.h"
#include "future/waits.h"
#include "sync/fork.h"
#include <errno.h>

struct scope {
	creel_executor *beneath;
	unsigned flags;
	_Atomic(const creel_error *) error; /* a reference */
	creel_executor *ex;                 /* itself */
	creel_token *token;                 /* its own: a reference */
	struct creel__reg reg;              /* in the list of that */
	struct creel__reg outer; /* in that of the scope beneath; token: a reference; or NULL */
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
	creel_token *token = s->token, *outer = s->outer.token;
	creel__error_unref(creel__load(&s->error, relaxed));
	(void)creel__token_leave(&s->reg);
	if (outer)
		(void)creel__token_leave(&s->outer);
	creel__free(s);
	/* They may call functions of the user's, and these fork. */
	creel_token_unref(token);
	creel_token_unref(outer);
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
	return e->kind == CREEL_KIND_SHUT_DOWN && creel__load(&f->state, relaxed) & CREEL__OWNED &&
	       !creel__options_of(f)->followed;
}

/* Why a task that is about to be final has failed, or NULL. */
static const creel_error *failure_of(creel_future *f)
{
	bool drops = (creel__load(&f->state, relaxed) & CREEL__STATE) == CREEL__DROPPING;
	const creel_error *e = drops ? creel__options_of(f)->cancelled : creel__result_get_error(f);
	return e && e->kind != CREEL_KIND_CANCELLED ? e : NULL;
}

/* As creel_token_cancel(). */
static int stop(struct scope *s, const creel_error *why, bool kills)
{
	return creel__token_stop(s->token, why, kills || s->flags & CREEL_SCOPE_KILL);
}

static bool is_cancelled(const struct scope *s)
{
	return creel__token_reason(s->token);
}

/* Its token was cancelled. */
static void call_off(struct scope *s)
{
	const struct creel__cancelling by = creel__token_how(s->token);
	bool kills = by.kill || s->flags & CREEL_SCOPE_KILL;
	if (creel__custom_call_off((struct custom *)s->ex,
				   kills ? CREEL__OFF_KILLED : CREEL__OFF_ASKED, by.why))
		(void)creel__undue_close(s->ex, true);
}

/* Under a token's lock. */
static bool use(struct scope *s)
{
	return creel__custom_try_use((struct custom *)s->ex);
}

static void unuse(struct scope *s)
{
	if (!creel__executor_foreign(s->ex))
		creel__custom_unuse((struct custom *)s->ex);
}

static bool hold(struct creel__reg *reg)
{
	return use(creel__of(reg, struct scope, reg));
}

static void ask(struct creel__reg *reg, struct creel__asking *asking)
{
	struct scope *s = creel__of(reg, struct scope, reg);
	(void)asking;
	call_off(s);
	unuse(s);
}

static bool hold_by_outer(struct creel__reg *reg)
{
	return use(creel__of(reg, struct scope, outer));
}

static void ask_by_outer(struct creel__reg *reg, struct creel__asking *asking)
{
	struct scope *s = creel__of(reg, struct scope, outer);
	const struct creel__cancelling by = creel__token_how(asking->token);
	(void)stop(s, by.why, by.kill);
	unuse(s);
}

/* A task has failed. */
static void stop_siblings(struct scope *s, const creel_error *e)
{
	const creel_error *why = creel__error_make(CREEL_KIND_CANCELLED, -ECANCELED, NULL,
						   "a task of its scope has failed: %s",
						   e->message);
	creel__error_set_cause(why, creel__error_ref(e));
	(void)stop(s, why, false);
	creel__error_unref(why);
}

static void leaves(creel_executor *ex, struct creel__layer *layer, bool ends)
{
	struct scope *s = scope_of(ex);
	creel_future *f = layer->task;
	const creel_error *e = ends && creel__task_is_of(f, ex) ? failure_of(f) : NULL,
			  *none = NULL;
	bool mine = e && !was_shut_out(f, e) && is_own_task(f, ex) && !is_cancelled(s);
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
		stop_siblings(s, e);
}

static const creel_executor_ops ops = {.size = sizeof ops,
				       .submit = submit,
				       .destroy = destroy,
				       .beneath = beneath,
				       .flags = CREEL_EXECUTOR_QUEUES};

static const creel_error *refuse(creel_executor *ex, const creel_scope_options *o)
{
	static const char call[] = "creel_scope_new";
	if (!ex)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: the executor is NULL", call);
	if (o->flags & ~(unsigned)(CREEL_SCOPE_TOLERANT | CREEL_SCOPE_KILL))
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: flags is 0x%x; use CREEL_SCOPE_TOLERANT, "
					 "CREEL_SCOPE_KILL or 0",
					 call, o->flags);
	if (o->token && creel__token_foreign(o->token))
		return creel__error_make(CREEL_KIND_BROKEN, -EPERM, NULL,
					 "%s: the token is the parent's, and this is a forked "
					 "child; make one here",
					 call);
	return creel__reserved_refuse(CREEL_KIND_BROKEN, call, o->reserved32, o->reserved,
				      sizeof o->reserved / sizeof o->reserved[0]);
}

/* Its own token, and all that cancels that. */
static void set_tokens(struct scope *s)
{
	creel_executor *i = s->beneath;
	s->reg = (struct creel__reg){.token = s->token, .hold = hold, .ask = ask};
	creel__list_init(&s->reg.node);
	if (creel__token_join(s->token, &s->reg))
		call_off(s);
	while (i && !is_scope(i))
		i = i->beneath;
	if (!i)
		return;
	s->outer = (struct creel__reg){.token = creel_token_ref(scope_of(i)->token),
				       .hold = hold_by_outer,
				       .ask = ask_by_outer};
	creel__list_init(&s->outer.node);
	if (creel__token_join(s->outer.token, &s->outer)) {
		const struct creel__cancelling by = creel__token_how(s->outer.token);
		(void)stop(s, by.why, by.kill);
	}
}

/* The parent's part is NULL, or has been checked. */
static struct scope *scope_new(creel_executor *ex, const creel_scope_options *o)
{
	struct scope *s = creel__zalloc(sizeof *s);
	if (!s)
		return NULL;
	s->beneath = ex;
	s->flags = o->flags;
	s->token = creel_token_new(o->token, NULL, CREEL_FOREVER);
	if (!s->token->is_static)
		return s;
	creel__free(s);
	return NULL;
}

creel_executor *creel_scope_new_with(creel_executor *ex, const creel_scope_options *options)
{
	static const creel_scope_options defaults;
	const creel_scope_options *o = options ? options : &defaults;
	const creel_error *wrong = refuse(ex, o);
	if (wrong)
		return creel__executor_broken(wrong);
	struct scope *s = scope_new(ex, o);
	if (!s)
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	creel_executor *scope = creel_executor_new(&ops, s);
	if (scope->beneath) {
		((struct custom *)scope)->class.leaves = leaves;
		s->ex = scope;
		set_tokens(s);
	} else {
		creel_token_unref(s->token);
		creel__free(s);
	}
	return scope;
}

creel_executor *creel_scope_new(creel_executor *ex, unsigned flags)
{
	return creel_scope_new_with(ex, &(creel_scope_options){.flags = flags});
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

creel_token *creel_scope_token(creel_executor *scope)
{
	return check(scope) ? NULL : scope_of(scope)->token;
}

int creel_scope_cancel(creel_executor *scope)
{
	int rc = check(scope);
	if (rc)
		return rc;
	struct scope *s = scope_of(scope);
	return creel_token_cancel(s->token, 0, "its scope was cancelled",
				  s->flags & CREEL_SCOPE_KILL ? CREEL_KILL_REST : 0);
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
	return is_cancelled(scope_of(scope)) ? -ECANCELED : 0;
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
