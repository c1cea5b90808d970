/* SPDX-License-Identifier: MIT */
/* What the model has of the fork generation: nobody forks. Only the harness fork.c looks at the
 * real one, and makes its word by hand. */
#include "sync/fork.h"

uint16_t creel__fork_generation(void)
{
	return 1;
}
