/* SPDX-License-Identifier: MIT */
/*
 * How long a custom executor lives.
 *
 * LIFE   inflight counts the accepted tasks that have not ended, and uses the calls that go on with
 *        the executor when such a task may have ended: each began with the task HELD. The executor
 *        goes when both are 0 and nobody refers to it; whoever makes that true lets it go. (A use
 *        is no creel__executor_keep(): the last of those has let go of it by then.) It is
 *        destroyed then, or by the end of the last of its tasks that follow another future.
 * NESTING  A destroy operation may drop the last reference to the next executor. That one is put on
 *        the thread's list and destroyed when the operation has returned: a chain of any length
 *        needs the stack of one.
 */
#include "base/alloc.h"
#include "exec/custom.h"
#include "sync/fork.h"
#include "sync/local.h"

static void destroy_now(struct custom *c)
{
	if (!creel__user_call(c->base.generation,
			      c->ops.destroy ? c->ops.destroy(c->self) : (void)0, 0))
		return;
	creel_executor *beneath = c->base.beneath;
	/* First: what can be found by a report has what lies beneath it. */
	creel__executor_fini(&c->base);
	creel_executor_unref(beneath);
	creel__free(c);
}

void creel__custom_destroy(creel_executor *ex)
{
	struct creel__local *local = creel__self();
	struct custom *c = (struct custom *)ex;
	c->doomed_next = NULL;
	if (local->destroying) {
		if (local->doomed)
			local->doomed_last->doomed_next = c;
		else
			local->doomed = c;
		local->doomed_last = c;
		return;
	}
	local->destroying = true;
	destroy_now(c);
	while ((c = local->doomed)) {
		local->doomed = c->doomed_next;
		destroy_now(c);
	}
	local->destroying = false;
}

void creel__custom_use(struct custom *c)
{
	creel__lock_acquire(&c->lock);
	c->uses++;
	creel__lock_release(&c->lock);
}

bool creel__custom_try_use(struct custom *c)
{
	creel__lock_acquire(&c->lock);
	bool lives = !creel__custom_is_dead_locked(c);
	c->uses += lives;
	creel__lock_release(&c->lock);
	return lives;
}

void creel__custom_unuse(struct custom *c)
{
	creel__lock_acquire(&c->lock);
	c->uses--;
	bool dead = creel__custom_is_dead_locked(c);
	creel__lock_release(&c->lock);
	if (dead)
		creel__executor_unhold(&c->base);
}
