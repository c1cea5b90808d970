/* SPDX-License-Identifier: MIT */
/* Frames with descriptors over a socket, and pidfds. */
#include "base/fd.h"
#include "procs/child.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int creel__frame_send(int socket, const struct creel__frame *frame, int fd, int flags)
{
	struct creel__frame copy = *frame;
	struct iovec data = {&copy, sizeof copy};
	struct msghdr h = {.msg_iov = &data, .msg_iovlen = 1};
	union control control;
	if (fd >= 0) {
		memset(&control, 0, sizeof control);
		h.msg_control = control.bytes;
		h.msg_controllen = sizeof control.bytes;
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	ssize_t n;
	int saved = errno;
	/* Not sendmsg(), where a thread of the host's can be cancelled: it holds the lock. */
	do
		n = syscall(SYS_sendmsg, socket, &h, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	int rc = n < 0 ? -errno : 0;
	errno = saved;
	return rc;
}

int creel__frame_receive(int socket, struct creel__frame *ret_frame, int *ret_fd, int flags)
{
	struct iovec data = {ret_frame, sizeof *ret_frame};
	union control control;
	struct msghdr h = {.msg_iov = &data,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof control.bytes};
	*ret_fd = -1;
	ssize_t n;
	/* ECONNRESET: the other end is gone and has left something unread. That is said once, in
	 * front of what it had sent before. */
	do
		n = recvmsg(socket, &h, MSG_CMSG_CLOEXEC | flags);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n <= 0)
		return n < 0 ? -errno : 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
	*ret_fd = creel__fd_raise(*ret_fd);
	return (size_t)n == sizeof *ret_frame && !(h.msg_flags & MSG_TRUNC) ? 1 : -EBADMSG;
}

int creel__pidfd_open(pid_t pid)
{
	return creel__fd_raise((int)syscall(SYS_pidfd_open, pid, 0));
}

int creel__pidfd_kill(int pidfd, int signal)
{
	int saved = errno;
	int rc = syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
	errno = saved;
	return rc;
}
