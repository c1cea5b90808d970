/* SPDX-License-Identifier: MIT */
/*
 * The terminal's stop key. It stops the foreground process group, and with it the host; server and
 * workers are in other groups, and would go on.
 *
 * A process in the host's group that does nothing, and that the key stops as it stops any other,
 * tells the server, whose child it is. It is there only if there is a terminal.
 *
 *   key ---> host, and the one here, stop ---> server: stops the workers, says STOPPED
 *            host is continued, hears it  ---> says CONTINUE ---> server: lets all go on, and says
 *                                                                 for how long they were stopped
 *
 * A host that the key does not stop answers at once. One that hears of the key before the key has
 * stopped it answers later: procs/stop.c.
 */
#include "procs/child.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static _Noreturn void wait_for_key(struct creel__space *space, pid_t server)
{
	sigset_t mask;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != server)
		_exit(0);
	prctl(PR_SET_NAME, "creel-key", 0, 0, 0);
	munmap(space->base, space->size);
	sigfillset(&mask);
	sigdelset(&mask, SIGTSTP);
	sigdelset(&mask, SIGTTIN);
	sigdelset(&mask, SIGTTOU);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	for (;;)
		pause();
}

pid_t creel__key_watch(struct creel__space *space)
{
	pid_t server = getpid(), pid = has_terminal() ? fork() : 0;
	if (pid == 0 && getpid() != server)
		wait_for_key(space, server);
	return pid > 0 ? pid : 0;
}
