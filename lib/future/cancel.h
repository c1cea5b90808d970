/* SPDX-License-Identifier: MIT */
/* Ending a task that has not started, as a timer does. */
#ifndef CREEL__FUTURE_CANCEL_H
#define CREEL__FUTURE_CANCEL_H

#include "future/block.h"

/* For creel__future_end_pinned(): true if the task has not started here, nor been cancelled. It
 * stays as it is until then. Waits while somebody else asks its executor about it, and while a
 * canceller has a finally PINNED, whom he may only ask. */
bool creel__future_pin(creel_future *f);

/* The same, and it is HELD, wherever it runs. */
bool creel__future_hold(creel_future *f);

/* Lets go of a task that stays on its list (future/undue.h): as creel__future_let_go(). Who shuts
 * the executor down may wait for that. Who then takes the task off comes for the list's lock, so
 * the executor stays until this is through. */
void creel__future_let_go_listed(creel_future *f, uint64_t mask, uint64_t set);

/* Ends it by the path of a cancelled one, with that error (takes over the reference), unless it has
 * started in another process. */
void creel__future_end_pinned(creel_future *f, const creel_error *error);

/* Cancels it unless it has started: then it is not asked to stop. As creel_future_cancel(). */
int creel__future_cancel_pending(creel_future *f);

#endif
