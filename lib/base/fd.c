/* SPDX-License-Identifier: MIT */
/* Descriptors of the library's own: never 0, 1 or 2. */
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_FREE = 3 };

int creel__fd_raise(int fd)
{
	if (fd < 0 || fd >= FIRST_FREE)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE), saved = errno;
	close(fd);
	errno = saved;
	return high;
}

struct creel__fd_mark creel__fd_mark(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return (struct creel__fd_mark){0};
	return (struct creel__fd_mark){st.st_dev, st.st_ino};
}

bool creel__fd_is(int fd, const struct creel__fd_mark *mark)
{
	int saved = errno;
	struct creel__fd_mark now = creel__fd_mark(fd);
	errno = saved;
	return now.inode && now.inode == mark->inode && now.device == mark->device;
}
