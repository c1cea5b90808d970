/* SPDX-License-Identifier: MIT */
/*
 * How a worker ends: it flushes its own stdout and stderr, and _exit()s.
 *
 * EXIT   A task may call exit(). The worker has the host's exit handlers and the host's streams,
 *        and neither are its business: a handler could remove the host's files or join threads that
 *        are not there; a stream could write the host's buffer into whatever has that descriptor
 *        now, or give back on the common file offset what the host has read ahead. So the first
 *        handler that exit() comes to, being the last that was registered, is ours, and ends the
 *        process. Handlers that a task or an initializer registers come before it: they are the
 *        worker's.
 * LOCK   A thread of the host's may have held the lock of that list at the fork. Then the server
 *        does not get ready, and the deadline of its start ends it.
 * STATUS Only glibc tells a handler the status: by on_exit(), and, as it happens, as a second
 *        argument to the handlers of quick_exit(). Elsewhere it is CREEL__EXIT_UNKNOWN.
 */
#include "procs/child.h"
#include "procs/work.h"
#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

void creel__child_flush(void)
{
	if (__fpending(stdout))
		fflush(stdout);
	if (__fpending(stderr))
		fflush(stderr);
}

void creel__child_leave(int status)
{
	creel__child_flush();
	_exit(status);
}

#ifdef __GLIBC__

static void on_quick_exit(void *nothing, int status)
{
	(void)nothing;
	creel__child_leave(status);
}

static void on_any_exit(int status, void *nothing)
{
	(void)nothing;
	creel__child_leave(status);
}

int creel__child_catch_exit(void)
{
	if (at_quick_exit((void (*)(void))on_quick_exit))
		return -ENOMEM;
	return on_exit(on_any_exit, NULL) ? -ENOMEM : 0;
}

#else

static void on_any_exit(void)
{
	creel__child_leave(CREEL__EXIT_UNKNOWN);
}

int creel__child_catch_exit(void)
{
	return at_quick_exit(on_any_exit) || atexit(on_any_exit) ? -ENOMEM : 0;
}

#endif
