/* SPDX-License-Identifier: MIT */
/* Descriptors of the library's own: never 0, 1 or 2. */
#include "base/fd.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

/* glibc's fstat() is newfstatat(), which looks up an empty path: that takes a third longer. */
static int status_of(int fd, struct stat *ret_st)
{
#if defined(__x86_64__) && defined(__LP64__) && defined(SYS_fstat)
	return (int)syscall(SYS_fstat, fd, ret_st);
#else
	return fstat(fd, ret_st);
#endif
}

struct creel__fd_mark creel__fd_mark(int fd)
{
	struct stat st;
	if (status_of(fd, &st) < 0)
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

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;
	return (x > y) - (x < y);
}

/* What is open, as the kernel lists it. */
static bool close_listed(int first, int last)
{
	DIR *list = opendir("/proc/self/fd");
	if (!list)
		return false;
	const struct dirent *entry;
	while ((entry = readdir(list))) {
		int fd = atoi(entry->d_name);
		if (fd >= first && fd <= last && fd != dirfd(list))
			close(fd);
	}
	closedir(list);
	return true;
}

/* Where the kernel does not know close_range(), or a filter refuses it, what is open is looked up;
 * one call for each possible number can be a thousand million. */
static void close_between(int first, int last)
{
	if (first > last)
		return;
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0) == 0)
		return;
#endif
	if (close_listed(first, last))
		return;
	struct rlimit limit;
	int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX
			  ? (int)limit.rlim_cur
			  : 65536;
	for (int fd = first; fd <= last && fd < end; fd++)
		close(fd);
}

void creel__fd_close_others(int *keep, size_t n)
{
	int from = FIRST_FREE;
	qsort(keep, n, sizeof keep[0], compare);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] >= from) {
			close_between(from, keep[i] - 1);
			from = keep[i] + 1;
		}
	}
	close_between(from, INT_MAX);
}
