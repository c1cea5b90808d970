/* SPDX-License-Identifier: MIT */
/*
 * The future for pools that have none, the fastest that is fair: task, argument, result and future
 * are one allocation, completing is one exchange, and only who must sleep makes a system call. The
 * waiter is its only owner, so there is no reference count: less than what creel's futures can do.
 */
#ifndef CREEL_BENCH_HANDMADE_H
#define CREEL_BENCH_HANDMADE_H

#include "measure.h"
#include "peers.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HANDMADE_PENDING, HANDMADE_AWAITED, HANDMADE_DONE };

typedef void *handmade_fn(void *arg);

struct handmade {
	struct handmade *next;
	handmade_fn *run;
	void *arg, *result;
	_Atomic uint32_t state;
};

static inline void *handmade_nothing(void *arg)
{
	return arg;
}

static inline void *handmade_busy(void *arg)
{
	work_busy();
	return arg;
}

static inline void *handmade_sleep(void *arg)
{
	work_sleep();
	return arg;
}

static inline void *handmade_gate(void *arg)
{
	gate_enter();
	return arg;
}

static inline handmade_fn *handmade_work(enum work work)
{
	static handmade_fn *const works[] = {[WORK_EMPTY] = handmade_nothing,
					     [WORK_BUSY] = handmade_busy,
					     [WORK_SLEEP] = handmade_sleep,
					     [WORK_GATE] = handmade_gate};
	return works[work];
}

static inline struct handmade *handmade_new(enum work work)
{
	struct handmade *h = malloc(sizeof *h);
	if (!h)
		give_up("no memory");
	h->run = handmade_work(work);
	h->arg = NULL;
	atomic_store_explicit(&h->state, HANDMADE_PENDING, memory_order_relaxed);
	return h;
}

/* Runs the task. Afterwards the waiter may have freed it: a wake of memory that is gone
 * wakes nobody. */
static inline void handmade_run(struct handmade *h)
{
	h->result = h->run(h->arg);
	if (atomic_exchange_explicit(&h->state, HANDMADE_DONE, memory_order_release) ==
	    HANDMADE_AWAITED)
		syscall(SYS_futex, &h->state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static inline void handmade_wait(void *future)
{
	struct handmade *h = future;
	uint32_t seen = atomic_load_explicit(&h->state, memory_order_acquire);
	if (seen == HANDMADE_PENDING)
		atomic_compare_exchange_strong_explicit(&h->state, &seen, HANDMADE_AWAITED,
							memory_order_acquire, memory_order_acquire);
	while (atomic_load_explicit(&h->state, memory_order_acquire) != HANDMADE_DONE)
		syscall(SYS_futex, &h->state, FUTEX_WAIT_PRIVATE, HANDMADE_AWAITED, NULL, NULL, 0);
	free(h);
}

#endif
