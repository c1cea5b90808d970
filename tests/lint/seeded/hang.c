/* SPDX-License-Identifier: MIT */
/* Bug: a test that never ends, nor does its child, which tells its pid to the pipe
 * CREEL_SEEDED_PIPE. */
#include "ct.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void tell_pid(const char *path)
{
	char pid[20];
	int length = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	int pipe = open(path, O_WRONLY);
	if (pipe < 0 || write(pipe, pid, (size_t)length) != length)
		_exit(1);
	close(pipe);
}

CT_TEST(hang, never_ends, 0)
{
	setsid();
	if (fork() == 0)
		tell_pid(getenv("CREEL_SEEDED_PIPE"));
	for (;;)
		pause();
}
