/* SPDX-License-Identifier: MIT */
/* The token of a loop; see exec/loop.h. */
#include "exec/loop.h"
#include "sync/park.h"
#include <errno.h>

static bool hold(struct creel__reg *reg)
{
	(void)reg;
	return true;
}

static void ask(struct creel__reg *reg, struct creel__asking *asking)
{
	struct creel__loop_watch *watch = creel__of(reg, struct creel__loop_watch, reg);
	(void)asking;
	watch->cancel(watch->loop);
	/* [LOOP-2] release: we are through with the caller's stack; pairs with the acquire in
	 * creel__loop_unwatch() */
	creel__store(&watch->asked, 1, release);
	creel__unpark_all(&watch->asked);
}

int creel__loop_watch(struct creel__loop *l, struct creel__loop_watch *watch,
		      void (*cancel)(struct creel__loop *l))
{
	creel_token *token = watch->reg.token;
	if (!token)
		return 0;
	watch->loop = l;
	watch->cancel = cancel;
	watch->reg.hold = hold;
	watch->reg.ask = ask;
	creel__list_init(&watch->reg.node);
	creel__store(&watch->asked, 0, relaxed);
	int rc = creel__token_join(token, &watch->reg);
	if (rc)
		watch->reg.token = NULL;
	return rc;
}

void creel__loop_unwatch(struct creel__loop_watch *watch)
{
	creel_token *token = watch->reg.token;
	if (!token || creel__token_foreign(token))
		return;
	bool left = creel__token_leave(&watch->reg);
	watch->reg.token = NULL;
	/* [LOOP-2] acquire: whoever asks is through; pairs with the release in ask() */
	while (!left && !creel__load(&watch->asked, acquire))
		creel__park_briefly(&watch->asked, 0, CREEL_FOREVER);
}
