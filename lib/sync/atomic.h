/* SPDX-License-Identifier: MIT */
/*
 * Atomics. The only spelling of atomic operations in the library: each names its memory order, and
 * in the model checker's build each is a scheduling point.
 */
#ifndef CREEL__SYNC_ATOMIC_H
#define CREEL__SYNC_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

#ifdef CREEL_MODEL
/* Tells the model that the calling thread is about to touch p. */
void creel__model_point(const volatile void *p);
#define CREEL__POINT(p) creel__model_point(p)
#define CREEL__IN_MODEL 1
#else
#define CREEL__POINT(p) ((void)0)
#define CREEL__IN_MODEL 0
#endif

#define creel__load(p, mo) (CREEL__POINT(p), atomic_load_explicit(p, memory_order_##mo))
#define creel__store(p, v, mo) (CREEL__POINT(p), atomic_store_explicit(p, v, memory_order_##mo))
#define creel__xchg(p, v, mo) (CREEL__POINT(p), atomic_exchange_explicit(p, v, memory_order_##mo))
#define creel__add(p, v, mo) (CREEL__POINT(p), atomic_fetch_add_explicit(p, v, memory_order_##mo))
#define creel__sub(p, v, mo) (CREEL__POINT(p), atomic_fetch_sub_explicit(p, v, memory_order_##mo))
#define creel__or(p, v, mo) (CREEL__POINT(p), atomic_fetch_or_explicit(p, v, memory_order_##mo))
#define creel__and(p, v, mo) (CREEL__POINT(p), atomic_fetch_and_explicit(p, v, memory_order_##mo))

/* Compare and swap, strong: on failure *expected is what was found. */
#define creel__cas(p, expected, desired, mo, mo_fail)                                              \
	(CREEL__POINT(p),                                                                          \
	 atomic_compare_exchange_strong_explicit(p, expected, desired, memory_order_##mo,          \
						 memory_order_##mo_fail))

/* A counter with one writer at a time: no read-modify-write is needed. */
#define creel__bump(p, n) creel__store(p, creel__load(p, relaxed) + (n), relaxed)

static inline void creel__cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
