/* SPDX-License-Identifier: MIT */
/* tsan_boxfort.c: a place where an arena is must not look free, or a second one takes it over and
 * the runner crashes. Once in some thousand tests that happened. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int is_free(uintptr_t at)
{
	unsigned char page;
	return mincore((void *)at, 1, &page) < 0 && errno == ENOMEM;
}

int main(void)
{
	const uintptr_t place = 0x230003000000, next = place + 0x1000000;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("arena", 0);
	if (fd < 0 || ftruncate(fd, (off_t)(2 * page)) || !is_free(place) || !is_free(next)) {
		fprintf(stderr, "no free place\n");
		return 1;
	}
	void *arena = mmap((void *)place, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			   fd, 0);
	if (arena == MAP_FAILED || arena == (void *)place) {
		fprintf(stderr, "the arena was not moved: %p\n", arena);
		return 1;
	}
	if (is_free(place) || is_free(place + page) || !is_free(place + 2 * page) ||
	    !is_free(next)) {
		fprintf(stderr, "what is free is not what looks free\n");
		return 1;
	}
	return 0;
}
