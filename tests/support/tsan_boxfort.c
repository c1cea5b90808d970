/* SPDX-License-Identifier: MIT */
/*
 * Lets Criterion 2.4 run under ThreadSanitizer. Criterion's sandbox (boxfort) maps its arena at a
 * fixed random place between 0x200000000000 and 0x600000000000, probing with mincore first. TSan
 * forbids most of that range, so the arena is moved into a part that TSan leaves to programs.
 * Linked into test executables only, and only when TSan is on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define ARENA_LOW 0x200000000000u
#define ARENA_HIGH 0x600000000000u
#define MOVED_TO 0x551000000000u
#define MOVED_MASK 0x3fffffffffu

typedef void *(*mmap_fn)(void *at, size_t size, int protection, int flags, int fd, off64_t offset);

/* What clang's and gcc's runtimes call the interceptor that this file hides. */
extern void *__interceptor_mmap64(void *at, size_t size, int protection, int flags, int fd,
				  off64_t offset) __attribute__((weak));

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset);
int mincore(void *at, size_t size, unsigned char *ret_pages);

/* Not where they are moved to: an arena that is there stays there. */
static int in_arena_range(const void *at)
{
	return (uintptr_t)at >= ARENA_LOW && (uintptr_t)at < ARENA_HIGH &&
	       (uintptr_t)at - MOVED_TO > MOVED_MASK;
}

static void *moved(const void *at)
{
	return (void *)(MOVED_TO + ((uintptr_t)at & MOVED_MASK));
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset)
{
	static mmap_fn next;
	if ((flags & MAP_FIXED) && (flags & MAP_SHARED) && fd >= 0 && in_arena_range(at))
		at = moved(at);
	if (__interceptor_mmap64)
		return __interceptor_mmap64(at, size, protection, flags, fd, offset);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "mmap64");
	return next(at, size, protection, flags, fd, offset);
}

/* boxfort asks this way whether its place is free, page by page. Several arenas are there at a
 * time. */
int mincore(void *at, size_t size, unsigned char *ret_pages)
{
	if (in_arena_range(at))
		at = moved(at);
	return (int)syscall(SYS_mincore, at, size, ret_pages);
}
