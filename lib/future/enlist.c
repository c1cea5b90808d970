/* SPDX-License-Identifier: MIT */
/*
 * Tasks that have a token.
 *
 * A task joins its token's list before its executor gets it, and leaves when it ends. While it is
 * IN HAND, on the way to its executor, whoever cancels the token only leaves a note, with which the
 * giver cancels it afterwards, since no executor is to be asked for what it has not seen. Where an
 * executor runs the task within its submit, the task learns of it all the same: the note also sets
 * ASKED, which wakes it if it sleeps. A continuation is in hand until it hangs on its input.
 */
#include "base/alloc.h"
#include "future/class.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/release.h"
#include "future/token.h"
#include "sync/fork.h"
#include "sync/park.h"
#include <creel/future.h>
#include <creel/task.h>
#include <errno.h>

static struct creel__enlisted *of(struct creel__reg *reg)
{
	return creel__of(reg, struct creel__enlisted, reg);
}

/* It has not left: so it has not ended, and somebody has a reference. */
static bool hold(struct creel__reg *reg)
{
	struct creel__enlisted *e = of(reg);
	if (!e->in_hand) {
		creel_future_ref(e->f);
		return true;
	}
	e->missed = true;
	/* Of a remote one the word is not what its worker looks at: who asks it later tells that,
	 * unless the word says that it has been asked. */
	if (!e->remote && creel__or(&e->f->state, CREEL__ASKED, relaxed) & CREEL__WAITED)
		creel__unpark_all(creel__low_half(&e->f->state));
	return false;
}

static void ask(struct creel__reg *reg, struct creel__asking *asking)
{
	struct creel__enlisted *e = of(reg);
	creel_future *f = e->f;
	struct creel__cancelling how = creel__token_how(asking->token);
	(void)creel__future_stop(f, &how);
	creel_future_unref(f);
}

struct creel__enlisted *creel__enlisted_new(creel_future *f, creel_token *token)
{
	struct creel__enlisted *e = creel__malloc(sizeof *e);
	if (!e)
		return NULL;
	*e = (struct creel__enlisted){.f = f, .remote = creel__executor_is_remote(f->executor)};
	e->reg.token = creel_token_ref(token);
	e->reg.hold = hold;
	e->reg.ask = ask;
	creel__list_init(&e->reg.node);
	return e;
}

void creel__enlisted_leave(struct creel__enlisted *e)
{
	creel_token *token = e->reg.token;
	if (!token)
		return;
	if (!creel__token_foreign(token)) {
		creel__lock_acquire(&token->lock);
		creel__list_remove(&e->reg.node);
		creel__lock_release(&token->lock);
	}
	e->reg.token = NULL;
	creel_token_unref(token);
}

int creel__enlist(struct creel__enlisted *e, creel_token *token)
{
	int rc = creel__token_check(token);
	if (rc)
		return rc;
	creel__lock_acquire(&token->lock);
	e->in_hand = true;
	if (creel__load(&token->reason, relaxed))
		rc = -ECANCELED;
	else
		creel__list_append(&token->regs, &e->reg.node);
	creel__lock_release(&token->lock);
	return rc;
}

void creel__enlisted_given(struct creel__enlisted *e, creel_token *token)
{
	creel__lock_acquire(&token->lock);
	e->in_hand = false;
	bool missed = e->missed;
	creel__lock_release(&token->lock);
	if (!missed)
		return;
	struct creel__cancelling how = creel__token_how(token);
	(void)creel__future_stop(e->f, &how);
}

struct creel__enlisted *creel__enlisted_of(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	return options ? options->enlisted : NULL;
}
