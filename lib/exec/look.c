/* SPDX-License-Identifier: MIT */
/* Looking at tasks and workers, for reports; see exec/look.h. */
#include "exec/look.h"
#include "future/hook.h"
#include <stdio.h>

static void look_at_options(const struct creel__options *options, struct creel__seen *ret_seen)
{
	const struct creel__watched *w = options->watched;
	snprintf(ret_seen->name, sizeof ret_seen->name, "%.*s", CREEL__SEEN_NAME - 1,
		 options->name);
	if (!w)
		return;
	ret_seen->sequence = w->sequence;
	ret_seen->fn = w->fn;
	ret_seen->since = w->submitted;
}

/* Under the hooks' lock nobody drops who watches: creel__options_clear(). */
void creel__look_at_task(creel_future *f, struct creel__seen *ret_seen)
{
	*ret_seen = (struct creel__seen){.task = f};
	if (!creel__hooks_try_lock(f))
		return;
	const struct creel__options *options = creel__options_of(f);
	if (options)
		look_at_options(options, ret_seen);
	creel__hooks_unlock(f);
}

static void look_at_future(creel_future *f, struct creel__worker_look *look)
{
	struct creel__seen seen;
	/* [FUT-1] acquire: as in creel__future_peek() */
	look->state_word = creel__load(&f->state, acquire);
	look->executor = f->executor;
	if (creel__is_final(look->state_word))
		return;
	creel__look_at_task(f, &seen);
	snprintf(look->name, sizeof look->name, "%s", seen.name);
}

void creel__look_at_waits(struct creel__worker *worker, struct creel__worker_look *look)
{
	if (!creel__lock_try(&worker->waits.lock)) {
		look->changing = true;
		return;
	}
	look->waits = worker->waits.kind;
	look->what = worker->waits.what;
	if (look->waits == CREEL__WAITS_FUTURE || look->waits == CREEL__WAITS_FIRST)
		look_at_future((creel_future *)(uintptr_t)look->what, look);
	creel__lock_release(&worker->waits.lock);
}
