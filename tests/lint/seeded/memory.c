/* SPDX-License-Identifier: MIT */
/* Bugs: memory used after it was freed, and memory that nobody frees. */
#include "ct.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char *volatile memory;

#ifdef LEAK
CT_TEST(memory, leaks, 0)
{
	memory = malloc(100);
	memory = NULL;
}
#else
static void use_after_free(void)
{
	memory = malloc(100);
	char *volatile copy = memory;
	free(memory);
	*copy = 1;
}

#ifdef IN_CHILD
CT_TEST(memory, is_used_after_free_in_a_child, 0)
{
	pid_t pid = fork();
	if (pid == 0) {
		use_after_free();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}
#else
CT_TEST(memory, is_used_after_free, 0)
{
	use_after_free();
}
#endif
#endif
