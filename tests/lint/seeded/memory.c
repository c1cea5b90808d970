/* SPDX-License-Identifier: MIT */
/* Bugs: memory used after it was freed, and memory that nobody frees. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char *volatile memory;

#ifdef LEAK
Test(memory, leaks)
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
Test(memory, is_used_after_free_in_a_child)
{
	pid_t pid = fork();
	if (pid == 0) {
		use_after_free();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}
#else
Test(memory, is_used_after_free)
{
	use_after_free();
}
#endif
#endif
