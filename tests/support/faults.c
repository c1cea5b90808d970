/* SPDX-License-Identifier: MIT */
/* The wrapped calls: counted, and failing when a test asked for it. */
#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic unsigned armed_kinds, fail_at, calls, failed, realtime_reads;
static _Atomic bool fail_for_ever, align_less;
static _Atomic long live_blocks;

void ct_fault_arm(unsigned kinds, unsigned n, bool for_ever)
{
	atomic_store(&calls, 0);
	atomic_store(&failed, 0);
	atomic_store(&fail_at, n);
	atomic_store(&fail_for_ever, for_ever);
	atomic_store(&armed_kinds, kinds);
}

void ct_fault_off(void)
{
	atomic_store(&armed_kinds, 0);
}

unsigned ct_fault_calls(void)
{
	return atomic_load(&calls);
}

unsigned ct_fault_failed(void)
{
	return atomic_load(&failed);
}

long ct_live_blocks(void)
{
#ifdef __GLIBC__
	return atomic_load(&live_blocks);
#else
	/* Linked statically, libc's own calls are wrapped too, but not all of them. */
	return 0;
#endif
}

unsigned ct_realtime_reads(void)
{
	return atomic_load(&realtime_reads);
}

void ct_align_less(bool on)
{
	atomic_store(&align_less, on && _Alignof(max_align_t) == 16);
}

static bool fails(unsigned kind)
{
	if (!(atomic_load(&armed_kinds) & kind))
		return false;
	unsigned call = atomic_fetch_add(&calls, 1) + 1, at = atomic_load(&fail_at);
	bool bad = call == at || (call > at && atomic_load(&fail_for_ever));
	if (bad)
		atomic_fetch_add(&failed, 1);
	return bad;
}

/* A block that came, or the failure to get one. */
static void *counted(void *block)
{
	if (block)
		atomic_fetch_add(&live_blocks, 1);
	return block;
}

static void *refused(void)
{
	errno = ENOMEM;
	return NULL;
}

/* 8 bytes into a larger block, with a mark in front by which free() knows it. */
enum { LESS = 8 };

static const unsigned char mark[LESS] = {0x8a, 0x11, 0xe7, 0xd5, 0x0b, 0x62, 0x9c, 0x4f};

static void *shifted(void *block)
{
	if (!block)
		return NULL;
	memcpy(block, mark, LESS);
	return (char *)block + LESS;
}

static void *unshifted(void *block)
{
	if (_Alignof(max_align_t) != 16 || (uintptr_t)block % 16 != LESS)
		return block;
	char *front = (char *)block - LESS;
	return memcmp(front, mark, LESS) == 0 ? front : block;
}

/* The linker's names: no header declares them. */
#define WRAP(ret, name, ...)                                                                       \
	ret __real_##name(__VA_ARGS__);                                                            \
	ret __wrap_##name(__VA_ARGS__);                                                            \
	ret __wrap_##name(__VA_ARGS__)

WRAP(void *, malloc, size_t size)
{
	if (fails(CT_FAULT_MEMORY))
		return refused();
	if (atomic_load(&align_less))
		return counted(shifted(__real_malloc(size + 2 * LESS)));
	return counted(__real_malloc(size));
}

WRAP(void *, calloc, size_t n, size_t size)
{
	/* Not by the real one: musl's comes back to the malloc() above, and looks at what stands in
	 * front of the block. */
	if (size && n > SIZE_MAX / size)
		return refused();
	void *block = __wrap_malloc(n * size);
	return block ? memset(block, 0, n * size) : NULL;
}

WRAP(void *, realloc, void *block, size_t size)
{
	if (fails(CT_FAULT_MEMORY))
		return refused();
	void *grown = __real_realloc(block, size);
	return block ? grown : counted(grown);
}

WRAP(void *, aligned_alloc, size_t alignment, size_t size)
{
	return fails(CT_FAULT_MEMORY) ? refused() : counted(__real_aligned_alloc(alignment, size));
}

WRAP(int, posix_memalign, void **ret, size_t alignment, size_t size)
{
	if (fails(CT_FAULT_MEMORY))
		return ENOMEM;
	int rc = __real_posix_memalign(ret, alignment, size);
	if (rc == 0)
		counted(*ret);
	return rc;
}

WRAP(char *, strdup, const char *text)
{
	return fails(CT_FAULT_MEMORY) ? refused() : counted(__real_strdup(text));
}

WRAP(void, free, void *block)
{
	if (block)
		atomic_fetch_sub(&live_blocks, 1);
	__real_free(unshifted(block));
}

WRAP(void *, mmap, void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (fails(CT_FAULT_MEMORY)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, size, protection, flags, fd, offset);
}

#ifdef __GLIBC__
/* What mmap() is called in programs with 64-bit file offsets. */
WRAP(void *, mmap64, void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (fails(CT_FAULT_MEMORY)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap64(at, size, protection, flags, fd, offset);
}
#endif

WRAP(int, pthread_create, pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *),
     void *arg)
{
	if (!fails(CT_FAULT_THREAD))
		return __real_pthread_create(ret, attributes, fn, arg);
	/* As when the system has no memory for a stack. */
	errno = ENOMEM;
	return EAGAIN;
}

static int no_fd(void)
{
	errno = EMFILE;
	return -1;
}

WRAP(int, eventfd, unsigned value, int flags)
{
	return fails(CT_FAULT_FD) ? no_fd() : __real_eventfd(value, flags);
}

WRAP(int, pipe2, int *ret_ends, int flags)
{
	return fails(CT_FAULT_FD) ? no_fd() : __real_pipe2(ret_ends, flags);
}

WRAP(int, epoll_create1, int flags)
{
	return fails(CT_FAULT_FD) ? no_fd() : __real_epoll_create1(flags);
}

WRAP(int, clock_gettime, clockid_t clock, struct timespec *ret_now)
{
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		atomic_fetch_add(&realtime_reads, 1);
	return __real_clock_gettime(clock, ret_now);
}

WRAP(int, gettimeofday, struct timeval *ret_now, void *zone)
{
	atomic_fetch_add(&realtime_reads, 1);
	return __real_gettimeofday(ret_now, zone);
}

WRAP(time_t, time, time_t *ret_now)
{
	atomic_fetch_add(&realtime_reads, 1);
	return __real_time(ret_now);
}
