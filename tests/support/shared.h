/* SPDX-License-Identifier: MIT */
/*
 * Memory that a test shares with its tasks, whichever process runs them: an arena that is mapped
 * before the executor is made. What a task touches beyond the bytes of its argument stands here.
 */
#ifndef CREEL_TESTS_SHARED_H
#define CREEL_TESTS_SHARED_H

#include "ct.h"

#include <stdatomic.h>

/* Counts up, and can be waited for. As a gate: opened by counting to one. */
struct ct_count {
	_Atomic uint32_t n;
};

/* What happened, in the order in which it happened. */
struct ct_log {
	_Atomic uint32_t n;
	uint32_t capacity;
	_Atomic long entry[];
};

/* Maps the arena, once for each test, before any executor is made. */
void ct_shared_init(void);
void ct_shared_fini(void);

/* Where tasks run in processes that this one has not forked: the arena of all tests is this file,
 * and lies at this address in all of them. Called once, in each. Returns 0 or a code. */
int ct_shared_give(int fd, void *at);

/* Zeroed memory of the arena, 64-byte aligned; it goes with the arena. */
void *ct_shared(size_t size);

struct ct_count *ct_count_new(void);
struct ct_log *ct_log_new(uint32_t capacity);

/* Adds n, wakes who waits, returns the new number. */
uint32_t ct_count_add(struct ct_count *c, uint32_t n);
uint32_t ct_count_get(struct ct_count *c);

/* Waits under the guard until at least n were counted. Aborts the process when the guard runs out:
 * tasks wait here, too. */
void ct_count_await(struct ct_count *c, uint32_t n);

static inline void ct_open(struct ct_count *gate)
{
	ct_count_add(gate, 1);
}

static inline void ct_pass(struct ct_count *gate)
{
	ct_count_await(gate, 1);
}

void ct_log_add(struct ct_log *log, long entry);

#endif
