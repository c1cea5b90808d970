/* SPDX-License-Identifier: MIT */
/* Continuations as tasks: see future/stage.h. */
#ifndef CREEL__EXEC_STAGE_H
#define CREEL__EXEC_STAGE_H

#include "exec/submission.h"
#include "future/stage.h"

/* A task that has a stage, whose link and owner are the caller's to set: HELD and OWNED, in no
 * list, with two references: its owner's and the caller's. 0, or why not. */
int creel__stage_make(const struct creel__submission *s, creel_future **ret_future);

/* Nobody else knows it: it leaves without a trace, but for who watches. */
void creel__stage_discard(creel_future *f, int code);

/* Lets go of a task that is HELD, and puts it onto its executor's list. False: the executor has
 * been shut down, and nothing has happened. */
bool creel__stage_list(creel_future *f);

/* Gives a task that is HELD to its executor, now or when its delay is over. Takes it off the list.
 * Something may have forked when this returns, and the task may be gone. */
void creel__stage_give(creel_future *f);

/* A continuation of what is final, whatever that is, which exceeds the bound. Never NULL. */
creel_future *creel__stage_submit(const struct creel__submission *s, creel_future *input);

/* Why an executor whose workers are other processes does not take that input, for a call; or NULL.
 * What is passed on through others shows only when it has ended. */
const creel_error *creel__stage_vet_input(creel_executor *ex, creel_future *input, const char *call,
					  const char *name);

/* Ends a task that is HELD as its input, which is final, did. Takes it off the list. */
void creel__stage_pass(creel_future *f);

#endif
