/* SPDX-License-Identifier: MIT */
/* Tokens: their tree, their deadlines, and the walk that asks; see future/token.h. */
#include "future/token.h"
#include "base/alloc.h"
#include "future/error.h"
#include "future/future.h"
#include "future/result.h"
#include "sync/fork.h"
#include <creel/future.h>
#include <errno.h>

/* What there is when there is no memory for a token. */
static creel_token *no_memory(void)
{
	static creel_token token = {.is_static = true};
	const creel_error *e = creel__error_static(CREEL_KIND_NO_MEMORY);
	/* [TOKEN-1] release: as in mark(); all write the same */
	creel__store(&token.reason, e, release);
	return &token;
}

/* A user of a token that the caller knows to have memory; false if it has none any more. */
static bool try_ref(creel_token *token)
{
	uint32_t users = creel__load(&token->users, relaxed);
	while (users > 0)
		if (creel__cas(&token->users, &users, users + 1, relaxed, relaxed))
			return true;
	return false;
}

static void unkeep(creel_token *token)
{
	/* [TOKEN-2] acq_rel: whoever frees it comes after everybody's use; pairs with itself */
	if (creel__sub(&token->keeps, 1, acq_rel) != 1)
		return;
	creel__error_unref(creel__token_reason(token));
	creel__free(token->places);
	creel__free(token);
}

const creel_error *creel__token_why(creel_token *token)
{
	if (token->is_static)
		return creel__token_reason(token);
	creel__lock_acquire(&token->lock);
	const creel_error *why = creel__load(&token->reason, relaxed);
	creel__lock_release(&token->lock);
	return why;
}

struct creel__cancelling creel__token_how(creel_token *token)
{
	/* Set with the reason, which the caller has seen. */
	return (struct creel__cancelling){.kill = token->kills,
					  .grace_ns = CREEL__GRACE_OF_POOL,
					  .why = creel__token_reason(token)};
}

int creel__token_join(creel_token *token, struct creel__reg *reg)
{
	int rc = creel__token_check(token);
	if (rc)
		return rc;
	creel__lock_acquire(&token->lock);
	bool open = !creel__load(&token->reason, relaxed);
	if (open)
		creel__list_append(&token->regs, &reg->node);
	creel__lock_release(&token->lock);
	return open ? 0 : -ECANCELED;
}

bool creel__token_leave(struct creel__reg *reg)
{
	creel_token *token = reg->token;
	if (creel__token_foreign(token) || token->is_static)
		return false;
	creel__lock_acquire(&token->lock);
	bool in = !creel__list_is_empty(&reg->node);
	creel__list_remove(&reg->node);
	creel__lock_release(&token->lock);
	return in;
}

/* The future that shows it ends. */
static void end_future(creel_future *f, const creel_error *reason)
{
	bool cancelled = reason->kind == CREEL_KIND_CANCELLED;
	creel__result_error(f, creel__error_ref(reason));
	creel__future_settle(f, cancelled ? CREEL__CANCELLED : CREEL__FAILED, 0);
}

/* Takes the timer off, unless it is being ended. */
static void stop_timer(creel_token *token)
{
	creel__lock_acquire(&token->lock);
	bool timed = token->timed;
	token->timed = false;
	creel__lock_release(&token->lock);
	if (timed && creel__timer_cancel(&token->timer))
		unkeep(token);
}

/* False: it was cancelled before. The caller uses the token. */
static bool mark(creel_token *token, const creel_error *reason, bool kills)
{
	creel__lock_acquire(&token->lock);
	bool first = !creel__load(&token->reason, relaxed);
	creel_future *f = token->future;
	if (first) {
		token->kills = kills;
		/* [TOKEN-1] release: publishes the reason; pairs with the acquire in
		 * creel__token_reason() */
		creel__store(&token->reason, creel__error_ref(reason), release);
	}
	creel__lock_release(&token->lock);
	if (!first)
		return false;
	stop_timer(token);
	if (f)
		end_future(f, reason);
	return true;
}

/* The next one to be asked, held; NULL: that was all. */
static struct creel__reg *take(creel_token *token)
{
	struct creel__reg *reg = NULL;
	if (creel__token_foreign(token))
		return NULL;
	creel__lock_acquire(&token->lock);
	while (!reg && !creel__list_is_empty(&token->regs)) {
		/* The newest: what runs makes no room then for what waits. */
		reg = creel__of(token->regs.prev, struct creel__reg, node);
		creel__list_remove(&reg->node);
		if (!reg->hold(reg))
			reg = NULL;
	}
	creel__lock_release(&token->lock);
	return reg;
}

/* Of a token that was marked. */
static void ask_all(creel_token *root)
{
	struct creel__asking asking = {.token = root};
	for (;;) {
		struct creel__reg *reg;
		while ((reg = take(asking.token)))
			reg->ask(reg, &asking);
		if (creel__token_foreign(root))
			return;
		if (asking.token != root)
			creel_token_unref(asking.token);
		asking.token = asking.first;
		if (!asking.token)
			return;
		asking.first = asking.token->next;
	}
}

static creel_token *child_of(struct creel__reg *reg)
{
	return creel__of(reg, creel_token, up);
}

static bool hold_child(struct creel__reg *reg)
{
	return try_ref(child_of(reg));
}

/* Others may have marked it, and may be asking. What they have not come to we ask for them. */
static void ask_child(struct creel__reg *reg, struct creel__asking *asking)
{
	creel_token *child = child_of(reg);
	(void)mark(child, creel__token_reason(asking->token), asking->token->kills);
	child->next = NULL;
	if (asking->first)
		asking->last->next = child;
	else
		asking->first = child;
	asking->last = child;
}

int creel__token_stop(creel_token *token, const creel_error *why, bool kills)
{
	int rc = -EALREADY;
	/* What is called may drop the caller's. */
	creel_token_ref(token);
	if (mark(token, why, kills)) {
		ask_all(token);
		rc = creel__token_foreign(token) ? -EPERM : 0;
	}
	creel_token_unref(token);
	return rc;
}

int creel_token_cancel(creel_token *token, int code, const char *reason, unsigned flags)
{
	if (!token || flags & ~(unsigned)CREEL_KILL_REST)
		return -EINVAL;
	int rc = creel__token_check(token);
	if (rc)
		return rc == -ECANCELED ? -EALREADY : rc;
	const creel_error *e = creel__error_make(CREEL_KIND_CANCELLED, code ? code : -ECANCELED,
						 NULL, "%s",
						 reason ? reason : "cancelled by a token");
	rc = creel__token_stop(token, e, flags & CREEL_KILL_REST);
	creel__error_unref(e);
	return rc;
}

/* On the clock's thread. True if nobody else takes the timer off. */
static bool on_deadline(struct creel__timer *timer, bool due)
{
	creel_token *token = creel__of(timer, creel_token, timer);
	creel__lock_acquire(&token->lock);
	bool mine = token->timed;
	bool used = mine && due && try_ref(token);
	token->timed = false;
	creel__lock_release(&token->lock);
	if (used) {
		(void)creel_token_cancel(token, -ETIMEDOUT, "the deadline of its token has passed",
					 0);
		if (creel__token_foreign(token))
			return true;
		creel_token_unref(token);
	}
	unkeep(token);
	return mine;
}

/* It cannot be used: cancelled from the start. */
static creel_token *give_up(creel_token *token, int code, const char *why)
{
	const creel_error *e = code == -ENOMEM ? creel__error_static(CREEL_KIND_NO_MEMORY)
					       : creel__error_make(CREEL_KIND_REJECTED, code, NULL,
								   "creel_token_new: %s", why);
	(void)mark(token, e, false);
	creel__error_unref(e);
	return token;
}

static const char *clock_trouble(int code)
{
	switch (code) {
	case -EPERM:
		return "the clock is the parent's, and this is a forked child; make one here, or "
		       "use NULL";
	case -EINVAL:
		return "creel_clock_new() got unknown flags; use CREEL_CLOCK_MANUAL or 0";
	case CREEL_EFAILED:
		return "the clock is a manual one, and was dropped";
	default:
		return "the clock's thread cannot be started";
	}
}

static void set_deadline(creel_token *token, creel_clock *clock, creel_deadline deadline)
{
	token->timer.end = on_deadline;
	creel__store(&token->keeps, 2, relaxed);
	/* The lock, since the clock may end it at once. */
	creel__lock_acquire(&token->lock);
	int rc = creel__timer_set(clock, &token->timer, deadline);
	token->timed = rc == 0;
	creel__lock_release(&token->lock);
	if (rc == 0)
		return;
	unkeep(token);
	if (rc == CREEL__TIMER_DUE)
		(void)creel_token_cancel(token, -ETIMEDOUT, "the deadline of its token has passed",
					 0);
	else
		give_up(token, rc, clock_trouble(rc));
}

/* If the parent is cancelled, so is the child. */
static void adopt(creel_token *parent, creel_token *token)
{
	token->up.token = creel_token_ref(parent);
	if (creel__token_join(parent, &token->up))
		(void)mark(token, creel__token_reason(parent), parent->kills);
}

creel_token *creel_token_new(creel_token *parent, creel_clock *clock, creel_deadline deadline)
{
	creel_token *token = creel__zalloc(sizeof *token);
	if (!token)
		return no_memory();
	token->generation = creel__fork_generation();
	token->up.hold = hold_child;
	token->up.ask = ask_child;
	creel__list_init(&token->up.node);
	creel__list_init(&token->regs);
	creel__store(&token->users, 1, relaxed);
	creel__store(&token->keeps, 1, relaxed);
	int rc = creel__clock_check(clock);
	if (rc)
		return give_up(token, rc, clock_trouble(rc));
	if (parent && creel__token_foreign(parent))
		return give_up(token, -EPERM,
			       "its parent is of the process that this one was "
			       "forked from; make one here");
	if (deadline.ns != CREEL_FOREVER.ns)
		set_deadline(token, clock, deadline);
	if (parent)
		adopt(parent, token);
	return token;
}

creel_token *creel_token_ref(creel_token *token)
{
	if (token && !token->is_static)
		creel__add(&token->users, 1, relaxed);
	return token;
}

/* The last user has gone, and nobody can cancel it any more. Returns the parent, with the child's
 * reference. */
static creel_token *retire(creel_token *token)
{
	creel_token *parent = token->up.token;
	creel_future *f = token->future;
	stop_timer(token);
	if (parent)
		(void)creel__token_leave(&token->up);
	creel__token_drop_calls(token);
	if (creel__token_foreign(token))
		return NULL;
	if (f && !creel__token_reason(token)) {
		creel__result_error(f, creel__error_make(CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
							 "the token was dropped, and nobody can "
							 "cancel it any more"));
		creel__or(&f->state, CREEL__READ, relaxed);
		creel__future_settle(f, CREEL__FAILED, 0);
	}
	creel_future_unref(f);
	unkeep(token);
	return parent;
}

void creel_token_unref(creel_token *token)
{
	while (token && !token->is_static && !creel__token_foreign(token)) {
		/* [TOKEN-2] acq_rel: as in unkeep() */
		if (creel__sub(&token->users, 1, acq_rel) != 1)
			return;
		token = retire(token);
	}
}

const creel_error *creel_token_reason(creel_token *token)
{
	return token ? creel__token_reason(token) : NULL;
}

/* Nobody takes it from the token by cancelling it: it is RUNNING from the start. */
static const struct creel__owner owner = {.what = "the token's future"};

static creel_future *future_new(void)
{
	creel_future *f = creel__owned_new(&owner, 2);
	if (f)
		creel__store(&f->state, creel__load(&f->state, relaxed) | CREEL__RUNNING, relaxed);
	return f;
}

static creel_future *shown(creel_token *token)
{
	creel__lock_acquire(&token->lock);
	creel_future *f = creel_future_ref(token->future);
	creel__lock_release(&token->lock);
	return f;
}

creel_future *creel_token_future(creel_token *token)
{
	int rc = !token ? -EINVAL : creel__token_foreign(token) ? -EPERM : 0;
	if (rc)
		return creel__future_failed(creel__error_make(
			CREEL_KIND_REJECTED, rc, NULL, "creel_token_future: the token is %s",
			rc == -EINVAL ? "NULL" : "the parent's, and this is a forked child"));
	creel_future *f = token->is_static ? NULL : shown(token);
	if (f)
		return f;
	f = token->is_static ? NULL : future_new();
	if (!f)
		return creel__future_failed(creel__error_static(CREEL_KIND_NO_MEMORY));
	creel__lock_acquire(&token->lock);
	creel_future *other = creel_future_ref(token->future);
	const creel_error *reason = creel__load(&token->reason, relaxed);
	if (!other)
		token->future = f;
	creel__lock_release(&token->lock);
	if (other)
		creel__block_free(f);
	else if (reason)
		end_future(f, reason);
	return other ? other : f;
}
