/* SPDX-License-Identifier: MIT */
/*
 * Cancellation tokens: a tree, and in each node a list of what is to be asked.
 *
 * REGISTERED  A creel__reg is embedded in what it asks for: a child, a task, a function of the
 *             user's. It stands in its token's list until it leaves or is taken to be asked.
 *             Whoever takes it does so under the token's lock, and makes sure there, by hold(),
 *             that it stays. ask() is called without a lock.
 * CANCELLED   The first to set the reason, under the lock, cancels. From then on nothing joins the
 *             list. So the walk through it ends, and finds all that was there. A child that it
 *             meets is marked and put on a list of the walk's own: no recursion.
 * COUNTS      users: handles, children, tasks. keeps: one for all users together, one for the timer
 *             of the deadline. Who wants to use a token that it only knows takes a user, unless
 *             there is none any more.
 */
#ifndef CREEL__FUTURE_TOKEN_H
#define CREEL__FUTURE_TOKEN_H

#include "base/list.h"
#include "future/class.h"
#include "future/owned.h"
#include "sync/lock.h"
#include "time/timer.h"
#include <creel/token.h>
#include <errno.h>

/* A walk that asks. */
struct creel__asking {
	creel_token *token;        /* of the registration */
	creel_token *first, *last; /* cancelled, and still to be walked; through next; references */
};

struct creel__reg {
	struct creel__list node;
	creel_token *token; /* set by its owner */
	/* Under the token's lock: it is taken off the list. False: it is not to be asked. */
	bool (*hold)(struct creel__reg *reg);
	void (*ask)(struct creel__reg *reg, struct creel__asking *asking);
};

struct creel__token_call;

/* A function of the user's, by its id: the number of its place and how often that was used. */
struct creel__token_place {
	struct creel__token_call *call; /* NULL: free */
	uint32_t round, next_free;
};

struct creel_token {
	_Atomic(uint32_t) users, keeps;
	uint16_t generation;
	bool is_static;
	_Atomic(const creel_error *) reason; /* a reference, set once under the lock */
	struct creel__reg up;                /* in the parent's list; token: the parent, or NULL */
	creel_token *next;                   /* in a walk */
	struct creel__timer timer;

	struct creel__lock lock; /* these: */
	struct creel__list regs;
	bool timed;           /* the timer is set */
	bool kills;           /* set with the reason */
	creel_future *future; /* a reference, or NULL */
	struct creel__token_place *places;
	uint32_t place_count, free_place; /* from 1; 0: none */
};

static inline bool creel__token_foreign(const creel_token *token)
{
	return !token->is_static && creel__fork_foreign(token->generation);
}

/* Why it was cancelled, or NULL. */
static inline const creel_error *creel__token_reason(creel_token *token)
{
	/* [TOKEN-1] acquire: the reason is complete; pairs with the release in mark() */
	return creel__load(&token->reason, acquire);
}

/* 0, -ECANCELED, -EPERM. */
static inline int creel__token_check(creel_token *token)
{
	if (creel__token_foreign(token))
		return -EPERM;
	return creel__token_reason(token) ? -ECANCELED : 0;
}

/* The same for a task that was asked to stop, perhaps by it: that the task has seen so orders
 * nothing, the lock does. */
const creel_error *creel__token_why(creel_token *token);

/* Cancels it for that reason, as creel_token_cancel() does: 0, -EALREADY, -EPERM. */
int creel__token_stop(creel_token *token, const creel_error *why, bool kills);

/* How it is cancelled, which it is. The error is borrowed. */
struct creel__cancelling creel__token_how(creel_token *token);

/* hold and ask are set. 0, or -ECANCELED: it is cancelled, and ask() will not be called. Takes no
 * reference to the token. */
int creel__token_join(creel_token *token, struct creel__reg *reg);

/* True: ask() will not be called. False: it was taken, or never joined. Constant time. */
bool creel__token_leave(struct creel__reg *reg);

/* token_call.c: frees the functions of a token that nobody can cancel any more. */
void creel__token_drop_calls(creel_token *token);

/* enlist.c: what a task has of its token. It hangs in the options. */
struct creel__enlisted {
	struct creel__reg reg;
	creel_future *f;
	bool remote;          /* set at birth: it runs in another process in the end */
	bool in_hand, missed; /* guarded by the token's lock */
};

/* NULL without memory. It has a reference to the token until it leaves; then it is plain memory. */
struct creel__enlisted *creel__enlisted_new(creel_future *f, creel_token *token);

/* A task that nobody else knows yet goes to its executor: from here on its token may ask it. 0, or
 * -ECANCELED. */
int creel__enlist(struct creel__enlisted *enlisted, creel_token *token);
/* The executor has it. The caller has a reference to the task, and one to its token. */
void creel__enlisted_given(struct creel__enlisted *enlisted, creel_token *token);
/* The task is about to end, or was refused. Once only it does something. */
void creel__enlisted_leave(struct creel__enlisted *enlisted);

/* Those of a task, or NULL. */
struct creel__enlisted *creel__enlisted_of(creel_future *f);

#endif
