/* SPDX-License-Identifier: MIT */
/*
 * The bell: how a worker tells the manager that it has news.
 *
 * It is a pipe. All workers have its write end, only the parent has its read end: no task can read
 * what another worker has rung. Bytes mean nothing; a full pipe is rung enough. O_NONBLOCK of the
 * read end is the parent's own, so no worker can make the manager wait.
 *
 * A task may close the number of the write end, or use it for a file of its own. So a worker looks
 * before it writes whether the pipe is still there. If it is not, the worker rings through the
 * server, by a signal: slower, but nothing that a task can close.
 */
#include "procs/bell.h"
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The process is one worker. */
static struct {
	struct creel__fd_mark mark;
	pid_t server;
	bool lost;
} mine;

int creel__bell_make(int ret_ends[2])
{
	if (pipe2(ret_ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ret_ends[i] = creel__fd_raise(ret_ends[i]);
		if (ret_ends[i] < 0) {
			int rc = -errno;
			if (ret_ends[!i] >= 0)
				close(ret_ends[!i]);
			return rc;
		}
	}
	return 0;
}

void creel__bell_hush(int fd)
{
	char bytes[4096];
	int saved = errno;
	if (read(fd, bytes, sizeof bytes) < 0)
		errno = saved;
}

void creel__bell_kick(int fd)
{
	int saved = errno;
	/* Not write(), where a thread of the host's can be cancelled: it holds the lock. */
	if (syscall(SYS_write, fd, "", 1) < 0)
		errno = saved;
}

void creel__bell_note(int fd, pid_t server)
{
	mine.server = server;
	mine.mark = creel__fd_mark(fd);
	mine.lost = false;
}

static bool ring_pipe(int fd)
{
	ssize_t n;
	do
		n = write(fd, "", 1);
	while (n < 0 && errno == EINTR);
	return n == 1 || errno == EAGAIN;
}

void creel__bell_ring(int fd)
{
	if (!mine.lost && creel__fd_is(fd, &mine.mark) && ring_pipe(fd))
		return;
	mine.lost = true;
	/* If there is no way to ring, our death is the bell. */
	if (getppid() != mine.server || kill(mine.server, CREEL__BELL_SIGNAL) < 0)
		_exit(1);
}
