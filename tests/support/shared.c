/* SPDX-License-Identifier: MIT */
/* The arena of a test, and events in it that reach across processes: futexes on shared memory. */
#include "shared.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ARENA_SIZE ((size_t)64 << 20)

static char *arena, *given;
static _Atomic size_t arena_used;

int ct_shared_give(int fd, void *at)
{
	if (ftruncate(fd, (off_t)ARENA_SIZE))
		return -errno;
	void *p = mmap(at, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	given = p;
	return p == at ? 0 : -EEXIST;
}

void ct_shared_init(void)
{
	/* Only now: a task that the test before did not wait for may have written after its end. */
	size_t used = atomic_exchange(&arena_used, 0);
	if (given) {
		memset(given, 0, used);
		arena = given;
		return;
	}
	/* Not reserved: only what a test touches costs anything. */
	void *p = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		ct_fail(__FILE__, __LINE__, "no arena: errno %d", errno);
	arena = p;
}

void ct_shared_fini(void)
{
	if (!given)
		munmap(arena, ARENA_SIZE);
	arena = NULL;
}

void *ct_shared(size_t size)
{
	size_t at = atomic_fetch_add(&arena_used, (size + 63) & ~(size_t)63);
	if (!arena || at + size > ARENA_SIZE)
		ct_fail(__FILE__, __LINE__, "the test's arena is full");
	return arena + at;
}

struct ct_count *ct_count_new(void)
{
	return ct_shared(sizeof(struct ct_count));
}

struct ct_log *ct_log_new(uint32_t capacity)
{
	struct ct_log *log = ct_shared(sizeof *log + capacity * sizeof log->entry[0]);
	log->capacity = capacity;
	return log;
}

uint32_t ct_count_add(struct ct_count *c, uint32_t n)
{
	int saved = errno;
	uint32_t now = atomic_fetch_add(&c->n, n) + n;
	syscall(SYS_futex, &c->n, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	errno = saved;
	return now;
}

uint32_t ct_count_get(struct ct_count *c)
{
	return atomic_load(&c->n);
}

void ct_count_await(struct ct_count *c, uint32_t n)
{
	int64_t start = ct_now();
	struct timespec second = {1, 0};
	for (uint32_t seen = atomic_load(&c->n); seen < n; seen = atomic_load(&c->n)) {
		if (ct_guard_over(start)) {
			fprintf(stderr, "guard: an event never came (%u of %u)\n", seen, n);
			abort();
		}
		syscall(SYS_futex, &c->n, FUTEX_WAIT, seen, &second, NULL, 0);
	}
}

void ct_log_add(struct ct_log *log, long entry)
{
	uint32_t at = atomic_fetch_add(&log->n, 1);
	if (at >= log->capacity) {
		fprintf(stderr, "a log of the test is full\n");
		abort();
	}
	atomic_store(&log->entry[at], entry);
}
