/* SPDX-License-Identifier: MIT */
/* Bugs: behaviour that the language leaves undefined. */
#include <criterion/criterion.h>
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
Test(undefined, in_a_child)
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
Test(undefined, overflow)
{
	overflow();
}

Test(undefined, shift)
{
	shift();
}
#endif
