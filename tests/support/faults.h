/* SPDX-License-Identifier: MIT */
/*
 * Makes calls of the library fail. The test executables are linked with -Wl,--wrap for the calls
 * named here, against the static library; unarmed, they go straight through. Calls that come from
 * libc itself are not seen.
 */
#ifndef CREEL_TESTS_FAULTS_H
#define CREEL_TESTS_FAULTS_H

#include <stdlib.h>

#include "ct.h"

enum {
	CT_FAULT_MEMORY = 1, /* malloc, calloc, realloc, aligned_alloc, posix_memalign, mmap */
	CT_FAULT_THREAD = 2, /* pthread_create: EAGAIN */
	CT_FAULT_FD = 4      /* eventfd, pipe2, epoll_create1: EMFILE */
};

/* From now on the n-th call (from 1) of the kinds fails, and for ever == true every
 * one after it. */
void ct_fault_arm(unsigned kinds, unsigned n, bool for_ever);
void ct_fault_off(void);

/* How many calls of the armed kinds there were since arming, and how many of them failed. */
unsigned ct_fault_calls(void);
unsigned ct_fault_failed(void);

/* From now on malloc() aligns to 8 bytes and no more, as it does on some systems (32-bit ARM), and
 * in some allocators for small sizes (tcmalloc). */
void ct_align_less(bool on);

/* How many blocks were allocated and not freed by what is linked here; always 0 without glibc. */
long ct_live_blocks(void);

/* As the skip of a test: it needs ct_live_blocks(). */
#ifdef __GLIBC__
#define CT_NO_BLOCKS 0
#else
#define CT_NO_BLOCKS 1
#endif

/* How often CLOCK_REALTIME, gettimeofday or time were read. */
unsigned ct_realtime_reads(void);

#endif
