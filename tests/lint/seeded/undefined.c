/* SPDX-License-Identifier: MIT */
/* Bugs: behaviour that the language leaves undefined. */
#include "ct.h"

#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

static void overflow(void)
{
	volatile int n = INT_MAX;
	n = n + 1;
}

static void shift(void)
{
	volatile int places = 40;
	volatile int n = 1 << places;
	(void)n;
}

#ifdef IN_CHILD
CT_TEST(undefined, in_a_child, 0)
{
	pid_t pid = fork();
	if (pid == 0) {
		overflow();
		shift();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}
#else
CT_TEST(undefined, overflow, 0)
{
	overflow();
}

CT_TEST(undefined, shift, 0)
{
	shift();
}
#endif
