/* SPDX-License-Identifier: MIT */
/* Tasks that sleep. */
#ifndef CREEL__EXEC_SLEEP_H
#define CREEL__EXEC_SLEEP_H

#include "future/class.h"

/* Asks all tasks that sleep to stop. The executor's `kills` is set. */
void creel__sleepers_kill(creel_executor *ex);

/* Whether the calling thread runs f, in the host: then it may sleep on f's word until somebody
 * rouses it. f may be NULL. */
bool creel__sleep_can_be_roused(const creel_future *f);

/* Sleeps until roused, or until the deadline (0), or until f is asked to stop (-ECANCELED). */
int creel__sleep_until_roused(creel_future *f, creel_deadline deadline);

/* Rouses who sleeps on f, or will: until creel__sleep_over(), before which nobody must rouse it any
 * more. */
void creel__sleep_rouse(creel_future *f);
void creel__sleep_over(creel_future *f);

#endif
