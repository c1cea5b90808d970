/* SPDX-License-Identifier: MIT */
/*
 * The user's functions that a token calls. Each has a place in its token's array, and its id names
 * the place and how often that was used: so an id is found in constant time, and an old one finds
 * nothing. A place is given back when the function has run, or was removed.
 *
 * FREE  may drop the last reference to another token, whose functions then go as well. Within a
 *       destructor it is put off (future/nest.h): a chain of any length needs constant stack.
 */
#include "base/alloc.h"
#include "future/nest.h"
#include "future/token.h"
#include "sync/fork.h"
#include <creel/future.h>
#include <errno.h>

struct creel__token_call {
	struct creel__reg reg;
	creel_cancel_fn fn;
	void *arg;
	void (*free)(void *arg);
	uint32_t place; /* from 1 */
	uint16_t generation;
	struct creel__deferred deferred; /* its end */
};

/* Removes it from its place. */
static void vacate_locked(creel_token *token, const struct creel__token_call *call)
{
	struct creel__token_place *place = &token->places[call->place - 1];
	place->call = NULL;
	place->round++;
	place->next_free = token->free_place;
	token->free_place = call->place;
}

/* Calls free, and frees the call. */
static void drop_now(struct creel__deferred *d)
{
	struct creel__token_call *call = creel__of(d, struct creel__token_call, deferred);
	creel__destructors_enter();
	if (call->free)
		(void)creel__user_call(call->generation, call->free(call->arg), 0);
	creel__destructors_leave();
	creel__free(call);
}

/* The same, or when the destructor has returned that this thread is in. */
static void drop(struct creel__token_call *call)
{
	call->deferred = (struct creel__deferred){.run = drop_now, .generation = call->generation};
	if (creel__self()->destructors)
		creel__callbacks_defer(&call->deferred);
	else
		drop_now(&call->deferred);
}

/* Calls the function, gives its place back, and frees it. */
static void run(creel_token *token, struct creel__token_call *call)
{
	uint16_t generation = call->generation;
	creel__worker_is_busy();
	creel__callbacks_enter();
	(void)creel__user_call(generation, call->fn(token, call->arg), 0);
	creel__callbacks_leave();
	if (creel__fork_foreign(generation))
		return;
	if (call->place) {
		creel__lock_acquire(&token->lock);
		vacate_locked(token, call);
		creel__lock_release(&token->lock);
	}
	drop(call);
}

static bool hold(struct creel__reg *reg)
{
	(void)reg;
	return true;
}

static void ask(struct creel__reg *reg, struct creel__asking *asking)
{
	struct creel__token_call *call = creel__of(reg, struct creel__token_call, reg);
	run(asking->token, call);
}

/* More places: NULL without memory. */
static struct creel__token_place *grown(const struct creel__token_place *old, uint32_t n,
					uint32_t more)
{
	struct creel__token_place *places = creel__malloc(more * sizeof *places);
	for (uint32_t i = 0; places && i < more; i++)
		places[i] = i < n ? old[i] : (struct creel__token_place){.next_free = i + 2};
	if (places)
		places[more - 1].next_free = 0;
	return places;
}

/* With the lock held, and no place free. */
static bool grow_locked(creel_token *token)
{
	uint32_t n = token->place_count, more = n ? 2 * n : 4;
	struct creel__token_place *places = more > n ? grown(token->places, n, more) : NULL;
	if (!places)
		return false;
	creel__free(token->places);
	token->places = places;
	token->place_count = more;
	token->free_place = n + 1;
	return true;
}

/* 0, -ENOMEM; or -ECANCELED: it is too late. */
static int join(creel_token *token, struct creel__token_call *call, uint64_t *ret_id)
{
	int rc = creel__token_check(token);
	if (rc)
		return rc;
	creel__lock_acquire(&token->lock);
	if (creel__load(&token->reason, relaxed)) {
		rc = -ECANCELED;
	} else if (!token->free_place && !grow_locked(token)) {
		rc = -ENOMEM;
	} else {
		struct creel__token_place *place = &token->places[token->free_place - 1];
		call->place = token->free_place;
		token->free_place = place->next_free;
		place->call = call;
		*ret_id = (uint64_t)place->round << 32 | call->place;
		creel__list_append(&token->regs, &call->reg.node);
	}
	creel__lock_release(&token->lock);
	return rc;
}

int creel_token_on_cancel(creel_token *token, creel_cancel_fn fn, void *arg,
			  void (*arg_free)(void *arg), uint64_t *ret_id)
{
	uint64_t id = 0;
	if (!token || !fn)
		return -EINVAL;
	if (creel__token_foreign(token))
		return -EPERM;
	struct creel__token_call *call = creel__malloc(sizeof *call);
	if (!call)
		return -ENOMEM;
	*call = (struct creel__token_call){.fn = fn, .arg = arg, .free = arg_free};
	call->generation = creel__fork_generation();
	call->reg.token = token;
	call->reg.hold = hold;
	call->reg.ask = ask;
	int rc = join(token, call, &id);
	if (rc == -ECANCELED) {
		run(token, call);
	} else if (rc) {
		creel__free(call);
	}
	if (ret_id && (rc == 0 || rc == -ECANCELED))
		*ret_id = id;
	return rc == -ECANCELED ? 0 : rc;
}

int creel_token_remove(creel_token *token, uint64_t id)
{
	if (!token)
		return -EINVAL;
	if (creel__token_foreign(token))
		return -EPERM;
	uint32_t number = (uint32_t)id, round = (uint32_t)(id >> 32);
	struct creel__token_call *call = NULL;
	bool removed = false;
	creel__lock_acquire(&token->lock);
	if (number && number <= token->place_count && token->places[number - 1].round == round)
		call = token->places[number - 1].call;
	if (call && !creel__list_is_empty(&call->reg.node)) {
		creel__list_remove(&call->reg.node);
		vacate_locked(token, call);
		removed = true;
	}
	creel__lock_release(&token->lock);
	if (removed)
		drop(call);
	return removed ? CREEL_CALLBACK_REMOVED
	       : call  ? CREEL_CALLBACK_RUNNING
		       : CREEL_CALLBACK_DONE;
}

void creel__token_drop_calls(creel_token *token)
{
	struct creel__list *node;
	/* Children and tasks are users: only functions are left. Nobody else has the token. */
	while (!creel__token_foreign(token) && (node = creel__list_pop(&token->regs)))
		drop(creel__of(node, struct creel__token_call, reg.node));
}
