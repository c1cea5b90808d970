/* SPDX-License-Identifier: MIT */
/* Descriptors of the library's own. */
#ifndef CREEL__BASE_FD_H
#define CREEL__BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Moves a descriptor that was just made out of 0, 1 and 2, close-on-exec. A host may have closed
 * those: then the system hands them out, and what somebody prints goes there.
 * Returns fd or a new number; if fd is negative or there is no other number, -1 and errno.
 */
int creel__fd_raise(int fd);

/* What a descriptor is: pipes, sockets and files have inodes of their own; eventfds, epoll sets and
 * pidfds share one on most systems. All zero for a number that is not open. */
struct creel__fd_mark {
	dev_t device;
	ino_t inode;
};

struct creel__fd_mark creel__fd_mark(int fd);
/* Whether the number still is that. Preserves errno. */
bool creel__fd_is(int fd, const struct creel__fd_mark *mark);
/* Closes all of the process's but 0, 1, 2 and those n, which it sorts. For a fresh child. */
void creel__fd_close_others(int *keep, size_t n);

#endif
