/* SPDX-License-Identifier: MIT */
/*
 * The executors that a task goes through: adaptors, each of which forwards it to the one beneath.
 *
 * CHAIN    An adaptor is a custom executor that says at its construction what lies beneath it. That
 *          never changes, so the chain of a task is known at its submission: from the executor that
 *          it was submitted to (origin) down to the lowest. The task's block is the same all the
 *          way; creel_future.executor is the one that has it now, and whoever wants the task's
 *          state, or cancels, kills or awaits it, asks that one. Those above it have forwarded it.
 * HANDING  Only the executor that has a task changes that, with the task HELD (block.h). So who
 *          has it HELD or PINNED, or runs or ends it, reads creel_future.executor. Others compare
 *          with `at` (creel__task_is_at()).
 * LISTED   An adaptor lists the tasks that it has accepted and that have not ended, wherever they
 *          are now, to call them off (exec/custom.c). Whoever ends a task takes it off the lists of
 *          the chain before the task is final, also off those beneath the one that has it, which
 *          may list a periodic task between its runs: so what is listed can be referred to.
 * TOLD     When the task is final its executor is told as ever (class->ended()), and then each
 *          that has forwarded it, innermost first (class->passed()). Each keeps the one beneath it
 *          until it has been told.
 * IN HAND  While an executor is being given a task it has not seen all of it. Others may know the
 *          task by then: a canceller does not ask a custom executor for it, which finds it
 *          cancelled later. Each submission to a custom executor has a reference to the layers, and
 *          who forwards takes one while the task is HELD: so from its first moment there more than
 *          one reference says that the task is in hand.
 */
#ifndef CREEL__FUTURE_LAYERS_H
#define CREEL__FUTURE_LAYERS_H

#include "base/list.h"
#include "future/class.h"
#include "future/hook.h"

enum { CREEL__LAYERS = 32 }; /* the most executors beneath one */

/* What an adaptor keeps of a task; all under its lock. */
struct creel__layer {
	struct creel__list node;
	creel_future *task;
	unsigned called_off; /* how, so far: exec/custom.h */
	bool ends;           /* it is about to be final, or is */
};

struct creel__layers {
	_Atomic(uint32_t) refs; /* the task's options; each submission that has the task in hand */
	creel_executor *origin;
	const creel_executor *lowest; /* only compared: it may have gone */
	_Atomic(creel_executor *) at; /* as creel_future.executor */
	struct creel__layer layer[];  /* of the origin first */
};

/* Why the executor is broken, or one beneath it; or NULL. */
const creel_error *creel__executor_error(const creel_executor *ex);

/* For a new task of an adaptor; NULL without memory. */
struct creel__layers *creel__layers_new(creel_future *f);
void creel__layers_unref(struct creel__layers *layers); /* NULL does nothing */

static inline void creel__layers_ref(struct creel__layers *layers)
{
	creel__add(&layers->refs, 1, relaxed);
}

/* NULL: the task was submitted to no adaptor. */
static inline struct creel__layers *creel__layers_of(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	return options ? options->layers : NULL;
}

/* That of an adaptor of the task's chain. */
static inline struct creel__layer *creel__layer_of(struct creel__layers *layers,
						   const creel_executor *ex)
{
	return &layers->layer[layers->origin->depth - ex->depth];
}

/* What the task was submitted to. The caller runs, ends, HOLDS or has PINNED it. */
creel_executor *creel__task_origin(creel_future *f);

/* Whether ex has the task now. The caller knows that ex is there, and no more. */
bool creel__task_is_at(creel_future *f, const creel_executor *ex);

/* Whether ex has the task, or has forwarded it. The caller runs the task. */
bool creel__task_is_of(creel_future *f, const creel_executor *ex);

/* The task, which is HELD or runs, is now with ex. */
void creel__task_move(creel_future *f, struct creel__layers *layers, creel_executor *ex);

/* Takes the task off the lists: the caller is about to make it final (ends), or to have it wait for
 * its next run. Doing it twice is the same as once. */
void creel__layers_leave(creel_future *f, bool ends);

/* A task that was submitted to origin has ended at ex. Tells those in between. */
void creel__layers_tell(creel_executor *origin, const creel_executor *at);

#endif
