/* SPDX-License-Identifier: MIT */
/* Bug: a test that passes and leaves a process behind. */
#include <criterion/criterion.h>
#include <unistd.h>

Test(orphan, is_left_behind)
{
	if (fork() == 0) {
		for (;;)
			pause();
	}
}
