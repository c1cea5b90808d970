/* SPDX-License-Identifier: MIT */
/* The end of tasks that have returned a future: see future/follow.h. */
#ifndef CREEL__EXEC_RETURN_H
#define CREEL__EXEC_RETURN_H

#include "future/block.h"

/* The function of a task that is RUNNING on this thread has returned, and what it returned is a
 * future. Takes over the reference with which the task was run. */
void creel__task_follow(creel_future *f);

#endif
