/* SPDX-License-Identifier: MIT */
/* An adaptor hands a task to the executor beneath it. What holds of such tasks stands in
 * future/layers.h. */
#include "exec/bound.h"
#include "exec/custom.h"
#include "exec/task.h"
#include "future/argument.h"
#include "future/future.h"
#include "future/layers.h"
#include "future/release.h"
#include "sync/fork.h"
#include "sync/thread.h"
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
		    (claim == CREEL__TAKEN && !creel__future_never_ran(f));
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

/* A task on its way down. What is used of it beyond the end of HELD is kept: once it is PENDING
 * somebody may cancel it and let go of it, and its end may take the adaptor. */
struct hand {
	creel_future *f;
	struct creel__layers *layers; /* one reference more says that it is in hand */
	creel_executor *ex;
	uint16_t generation;
	int rc;
};

static void give(void *arg)
{
	struct hand *h = arg;
	creel_executor *beneath = h->ex->beneath;
	creel__future_let_go(h->f, CREEL__HELD, beneath->task_flags);
	h->rc = beneath->class->submit(beneath, (creel_task *)h->f);
	if (h->rc && !creel__fork_foreign(h->generation))
		h->rc = take_back(h->f, h->ex, h->rc);
}

/* It has been given, or has run within and ended its thread. */
static void let_go(void *arg)
{
	struct hand *h = arg;
	if (creel__fork_foreign(h->generation))
		return;
	creel__layers_unref(h->layers);
	creel_future_unref(h->f);
	creel__custom_unuse((struct custom *)h->ex);
}

/* Moves a task, which is HELD, to the one beneath. That looks at the function as before any
 * submission, on the thread that makes it. */
static int hand_down(creel_future *f, creel_executor *ex)
{
	creel_executor *beneath = ex->beneath;
	struct hand h = {
		.f = f, .layers = creel__layers_of(f), .ex = ex, .generation = f->generation};
	int rc = beneath->beneath ? 0 : creel__argument_vet(f, beneath);
	if (rc) {
		creel__future_release(f);
		return rc;
	}
	creel__admit_any(beneath);
	creel__task_move(f, h.layers, beneath);
	creel__custom_use((struct custom *)ex);
	creel__layers_ref(h.layers);
	creel_future_ref(f);
	creel__thread_guard(give, let_go, &h);
	let_go(&h);
	return h.rc;
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
