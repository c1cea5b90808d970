/* SPDX-License-Identifier: MIT */
/* Tasks that sleep. */
#ifndef CREEL__EXEC_SLEEP_H
#define CREEL__EXEC_SLEEP_H

#include "future/class.h"

/* Asks all tasks that sleep to stop. The executor's `kills` is set. */
void creel__sleepers_kill(creel_executor *ex);

#endif
