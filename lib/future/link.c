/* SPDX-License-Identifier: MIT */
/* Links; see future/link.h. */
#include "future/link.h"
#include "base/list.h"
#include "future/class.h"
#include "sync/fork.h"
#include <creel/future.h>

enum {
	LINKED,
	TOLD,
	REMOVING,
};

/* Without a lock, and not within a callback. */
static void run(struct creel__deferred *d)
{
	struct creel__link *link = creel__of(d, struct creel__link, deferred);
	creel__worker_is_busy();
	creel__callbacks_enter();
	link->ended(link, link->input);
	creel__callbacks_leave();
}

/* The input is final. Under its hooks' lock, by which whoever is removing the link comes after
 * this. In both cases somebody gets the reference to the input. */
void creel__link_tell(struct creel__hook *hook)
{
	struct creel__link *link = (struct creel__link *)hook;
	uint32_t linked = LINKED;
	/* Relaxed: the lock orders the rest. */
	if (creel__cas(&link->claim, &linked, TOLD, relaxed, relaxed))
		creel__callbacks_defer(&link->deferred);
}

void creel__link_told(struct creel__hook *hook, creel_future *f)
{
	creel_future_ref(f);
	creel__link_tell(hook);
}

bool creel__link_add(creel_future *f, struct creel__link *link)
{
	link->hook = (struct creel__hook){.notify = creel__link_told};
	link->deferred = (struct creel__deferred){.run = run, .generation = f->generation};
	link->input = f;
	creel__store(&link->claim, LINKED, relaxed);
	if (creel__hooks_link(f, &link->hook))
		return true;
	/* Nothing to be removed. */
	creel__store(&link->claim, TOLD, relaxed);
	return false;
}

bool creel__link_remove(struct creel__link *link, creel_future **ret_input)
{
	uint32_t linked = LINKED;
	creel_future *f = link->input;
	if (!creel__cas(&link->claim, &linked, REMOVING, relaxed, relaxed))
		return false;
	/* From here on the input stays until we have its lock: the teller leaves us a reference. */
	creel__hooks_lock(f);
	bool told = !link->hook.next;
	if (!told) {
		creel__hooks_unlink_locked(f, &link->hook);
		if (ret_input)
			creel_future_ref(f);
	}
	creel__hooks_unlock(f);
	if (ret_input)
		*ret_input = f;
	else if (told)
		creel_future_unref(f);
	return true;
}
