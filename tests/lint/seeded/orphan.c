/* SPDX-License-Identifier: MIT */
/* Bug: a test that passes and leaves a process behind. */
#include "ct.h"

#include <unistd.h>

CT_TEST(orphan, is_left_behind, 0)
{
	if (fork() == 0) {
		for (;;)
			pause();
	}
}
