/* SPDX-License-Identifier: MIT */
/*
 * Parking: a thread sleeps on a 32-bit word until somebody wakes it. Linux futexes (Franke,
 * Russell, Kirkwood, "Fuss, Futexes and Furwocks", 2002), or a table of mutexes and condition
 * variables.
 */
#ifndef CREEL__SYNC_PARK_H
#define CREEL__SYNC_PARK_H

#include "sync/atomic.h"
#include <creel/base.h>

/*
 * Sleeps if *word is still expected, until a wake of the same word or the deadline. Returns 0 or
 * -ETIMEDOUT; 0 says nothing about the word: look again. Preserves errno.
 *
 * A worker of a pool gives up its slot meanwhile: sync/block.h. Without a deadline it may get
 * -EAGAIN, and has not slept: nobody would be left to serve its pool. No lock is held.
 */
int creel__park(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline);

/* The same for those who wait for a moment, or hold a lock: a worker keeps its slot. */
int creel__park_briefly(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline);

/* Wakes one, or all, who sleep on the word. The word is not touched: it may be gone by now. */
void creel__unpark_one(_Atomic(uint32_t) *word);
void creel__unpark_all(_Atomic(uint32_t) *word);

/* Whether a signal handler may unpark: not where that takes a mutex. */
#if defined(__linux__) && !defined(CREEL_PORTABLE_PARKING)
#define CREEL__UNPARK_IN_HANDLERS 1
#else
#define CREEL__UNPARK_IN_HANDLERS 0
#endif

#ifdef __linux__
/* The same on a word in memory that processes share. Only futexes can. */
int creel__park_shared(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline);
int creel__park_shared_briefly(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline);
/* Wakes all: a forked child of a worker may be parked on its parent's word, and must not take the
 * wake-up that is for the parent. */
void creel__unpark_shared(_Atomic(uint32_t) *word);
#endif

/* The low half of a 64-bit word, to park on. */
static inline _Atomic(uint32_t) *creel__low_half(_Atomic(uint64_t) *word)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return (_Atomic(uint32_t) *)((uintptr_t)word + 4);
#else
	return (_Atomic(uint32_t) *)(uintptr_t)word;
#endif
}

#endif
