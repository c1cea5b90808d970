/* SPDX-License-Identifier: MIT */
/* Descriptors of the library's own: never 0, 1 or 2. */
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
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
