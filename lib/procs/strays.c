/* SPDX-License-Identifier: MIT */
/*
 * The fork server's last work: ending whoever is still its child.
 *
 * The server is a subreaper, so these are its workers and their descendants whose parents have
 * ended. Each that ends may leave children of its own to the server. Some cannot be ended: what
 * became another user's, and zombies that a tracer keeps. Those are left, and not waited for.
 */
#include "procs/child.h"
#include "base/cgroup.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The most process numbers that Linux has. */
enum { PIDS = sizeof(long) > 4 ? 1 << 22 : 1 << 15 };

/* Also one that was made without a signal for its parent. */
static bool has_children(idtype_t type, pid_t pid)
{
	siginfo_t info;
	return waitid(type, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/* Its pidfd speaks of its end whoever may reap it. */
static bool end_child(pid_t pid)
{
	if (!has_children(P_PID, pid) || kill(pid, SIGKILL) < 0)
		return false;
	struct pollfd gone = {.fd = creel__pidfd_open(pid), .events = POLLIN};
	if (gone.fd >= 0) {
		poll(&gone, 1, -1);
		close(gone.fd);
	}
	return waitpid(pid, NULL, gone.fd >= 0 ? WNOHANG | __WALL : __WALL) > 0;
}

/* How many of the children that the kernel lists were ended; -1 if it does not list them. */
static int end_listed(pid_t self)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)self);
	int fd = open(path, O_RDONLY | O_CLOEXEC), ended = 0;
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	for (char *at = text, *end; *at; at = end) {
		pid_t pid = (pid_t)strtol(at, &end, 10);
		if (end == at)
			break;
		ended += end_child(pid);
	}
	return ended;
}

/* Where there is no list, every number is asked for: they were given out after ours, mostly. */
static int end_sought(pid_t self)
{
	int ended = 0;
	for (pid_t n = 1; n < PIDS; n++) {
		if (!end_child((self + n) % PIDS))
			continue;
		ended++;
		if (!has_children(P_ALL, 0))
			break;
	}
	return ended;
}

void creel__strays_end(pid_t self)
{
	int ended = 1;
	while (ended > 0 && has_children(P_ALL, 0)) {
		ended = end_listed(self);
		if (ended < 0)
			ended = end_sought(self);
	}
}

int creel__zombie_status(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	creel__read_text(text, sizeof text, path);
	const char *last = strrchr(text, ' ');
	int status = last ? (int)strtol(last, NULL, 10) : 0;
	return WIFSIGNALED(status) || (last && WIFEXITED(status)) ? status : SIGKILL;
}
