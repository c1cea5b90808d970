/* SPDX-License-Identifier: MIT */
/* An adaptor hands a task to the executor beneath it. What holds of such tasks stands in
 * future/layers.h. */
#include "exec/bound.h"
#include "exec/executor.h"
#include "exec/task.h"
#include "future/future.h"
#include "future/layers.h"
#include "future/release.h"
#include <creel/future.h>
#include <errno.h>

/* The one beneath has refused a task that it had in hand, and that others may know. 0: one of them
 * has ended it, or has it, and it counts as forwarded. */
static int take_back(creel_future *f, creel_executor *ex, int code)
{
	creel_executor *beneath = ex->beneath;
	if (beneath->class->owe)
		beneath->class->owe(beneath, 1);
	enum creel__claim claim = creel__task_claim(f, CREEL__HELD);
	/* A canceller that it was left to tells beneath of the end, and a waiter that has run it
	 * has counted that. */
	bool ends = claim == CREEL__LEFT_TO_CANCELLER ||
		    (claim == CREEL__TAKEN && creel__future_peek(f) != CREEL__CANCELLED);
	if (beneath->class->owe && !ends)
		beneath->class->owe(beneath, -1);
	if (claim == CREEL__TAKEN)
		creel__future_drop_queued(f);
	if (claim != CREEL__CLAIMED)
		return 0;
	creel__not_admitted(beneath);
	creel__task_move(f, creel__layers_of(f), ex);
	creel__future_let_go(f, CREEL__HELD | (beneath->task_flags & ~ex->task_flags), 0);
	return code;
}

/* Moves a task, which is HELD, to the one beneath. A pool looks at the function as before any
 * submission, on the thread that makes it. */
static int hand_down(creel_future *f, creel_executor *ex)
{
	creel_executor *beneath = ex->beneath;
	const struct creel__executor_class *class = beneath->class;
	uint16_t generation = f->generation;
	int rc = class->vet && !beneath->beneath ? class->vet(beneath, f->fn, NULL, 0) : 0;
	if (rc) {
		creel__future_release(f);
		return rc;
	}
	creel__admit_any(beneath);
	creel__task_move(f, creel__layers_of(f), beneath);
	/* Somebody may cancel it from here on and let go of it, while the class looks at its
	 * options. */
	creel_future_ref(f);
	creel__future_let_go(f, CREEL__HELD, beneath->task_flags);
	rc = class->submit(beneath, (creel_task *)f);
	if (rc && !creel__executor_foreign(ex))
		rc = take_back(f, ex, rc);
	if (!creel__fork_foreign(generation))
		creel_future_unref(f);
	return rc;
}

int creel_task_forward(creel_task *task, creel_executor *beneath)
{
	if (!task || !beneath)
		return -EINVAL;
	creel_future *f = &task->future;
	if (creel__future_foreign(f))
		return -EPERM;
	creel_executor *ex = f->executor;
	if (ex->beneath != beneath)
		return -EINVAL;
	int rc = creel__task_claim_custom(task, CREEL__HELD);
	return rc ? rc : hand_down(f, ex);
}
