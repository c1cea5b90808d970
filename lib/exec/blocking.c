/* SPDX-License-Identifier: MIT */
/* The user's own pairs around what blocks; see sync/block.h. */
#include "sync/block.h"
#include <creel/task.h>
#include <errno.h>

/* Open pairs are the task's: a callback within it must not close them. */
int creel_blocking_begin(void)
{
	return creel__self()->callbacks ? -EDEADLK : creel__blocking_begin(0);
}

int creel_blocking_end(void)
{
	struct creel__local *local = creel__self();
	if (local->callbacks)
		return -EDEADLK;
	if (!local->blocking)
		return 0;
	if (!local->blocked)
		return -EINVAL;
	creel__blocking_end();
	return 0;
}
