/* SPDX-License-Identifier: MIT */
/*
 * Parking on Linux futexes, with a portable fallback.
 *
 * REFUSED   A filter of system calls may refuse futexes. Then nobody can be woken, so whoever parks
 *           rests for a millisecond and returns: callers look at the word again. Waits are late by
 *           that much, deadlines hold, and no processor is kept busy.
 * FALLBACK  A table of buckets, each a mutex and a condition variable, chosen by the word's
 *           address. The sleeper compares the word under the bucket's mutex and the waker
 *           takes that mutex before it broadcasts, so no wake is lost. Threads that slept at a
 *           fork are not in the child: it makes the buckets anew.
 */
#include "sync/park.h"
#include "base/clock.h"
#include "sync/fork.h"
#include "sync/thread.h"
#include <errno.h>
#include <limits.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

/* No uptime reaches it, and it may be more seconds than the system can express: 68 years. */
static bool is_endless(creel_deadline deadline)
{
	return deadline.ns / NS_PER_S > INT32_MAX;
}

#ifdef __linux__

#include <linux/futex.h>
#include <linux/types.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { REST_NS = 1000000 };

/* The kernel's answers to a wait. All else is a refusal. */
static bool is_answer(long rc)
{
	return rc == 0 || errno == ETIMEDOUT || errno == EAGAIN || errno == EINTR;
}

/*
 * FUTEX_WAIT_BITSET takes an absolute deadline of CLOCK_MONOTONIC, in the kernel's own types: those
 * of <time.h> may be of another size. Systems of 32 bits have two such calls. The one with 64-bit
 * time came with Linux 5.1, and filters of calls may not know it.
 */
static long futex_wait(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline,
		       int flags)
{
	int op = FUTEX_WAIT_BITSET | flags;
	long rc = -1;
#ifdef SYS_futex_time64
	struct {
		int64_t s, ns;
	} until64 = {deadline.ns / NS_PER_S, deadline.ns % NS_PER_S};
	rc = syscall(SYS_futex_time64, word, op, expected, is_endless(deadline) ? NULL : &until64,
		     NULL, FUTEX_BITSET_MATCH_ANY);
	if (is_answer(rc))
		return rc;
#endif
#ifdef SYS_futex
	struct {
		__kernel_long_t s, ns;
	} until = {(__kernel_long_t)(deadline.ns / NS_PER_S),
		   (__kernel_long_t)(deadline.ns % NS_PER_S)};
	rc = syscall(SYS_futex, word, op, expected, is_endless(deadline) ? NULL : &until, NULL,
		     FUTEX_BITSET_MATCH_ANY);
#endif
	return rc;
}

static void futex_wake(_Atomic(uint32_t) *word, int flags, int count)
{
	int saved = errno;
#ifdef SYS_futex
	syscall(SYS_futex, word, FUTEX_WAKE | flags, count, NULL, NULL, 0);
#else
	syscall(SYS_futex_time64, word, FUTEX_WAKE | flags, count, NULL, NULL, 0);
#endif
	errno = saved;
}

static int rest(creel_deadline deadline)
{
	struct timespec t = {.tv_nsec = REST_NS};
	int state = creel__thread_no_cancel();
	nanosleep(&t, NULL);
	creel__thread_cancel_again(state);
	return creel__deadline_passed(deadline) ? -ETIMEDOUT : 0;
}

static int wait_on(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline, int flags)
{
	if (deadline.ns <= 0)
		return -ETIMEDOUT;
	int saved = errno, rc = 0;
	if (futex_wait(word, expected, deadline, flags) < 0) {
		if (errno == ETIMEDOUT)
			rc = -ETIMEDOUT;
		else if (!is_answer(-1))
			rc = rest(deadline);
	}
	errno = saved;
	return rc;
}

int creel__park_shared_briefly(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	return wait_on(word, expected, deadline, 0);
}

void creel__unpark_shared(_Atomic(uint32_t) *word)
{
	futex_wake(word, 0, INT_MAX);
}

#endif

#if defined(__linux__) && !defined(CREEL_PORTABLE_PARKING)

int creel__park_briefly(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	return wait_on(word, expected, deadline, FUTEX_PRIVATE_FLAG);
}

void creel__unpark_one(_Atomic(uint32_t) *word)
{
	futex_wake(word, FUTEX_PRIVATE_FLAG, 1);
}

void creel__unpark_all(_Atomic(uint32_t) *word)
{
	futex_wake(word, FUTEX_PRIVATE_FLAG, INT_MAX);
}

#else

#define BUCKETS 64

struct bucket {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
};

static struct bucket buckets[BUCKETS];
static _Atomic(uint32_t) generation; /* of the buckets */

static void make_buckets(void)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
#ifndef CREEL_RELATIVE_CONDITIONS
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
	for (int i = 0; i < BUCKETS; i++) {
		pthread_mutex_init(&buckets[i].mutex, NULL);
		pthread_cond_init(&buckets[i].cond, &attributes);
	}
	pthread_condattr_destroy(&attributes);
}

static struct bucket *bucket_of(_Atomic(uint32_t) *word)
{
	creel__fork_renew(&generation, make_buckets);
	return &buckets[((uintptr_t)word >> 4) * UINT32_C(2654435761) % BUCKETS];
}

static int wait_in(struct bucket *b, creel_deadline deadline)
{
	if (is_endless(deadline))
		return pthread_cond_wait(&b->cond, &b->mutex);
#ifdef CREEL_RELATIVE_CONDITIONS
	int64_t ns = deadline.ns - creel__now();
	struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S),
				.tv_nsec = (long)(ns % NS_PER_S)};
	return ns <= 0 ? ETIMEDOUT : pthread_cond_timedwait_relative_np(&b->cond, &b->mutex, &left);
#else
	struct timespec until = {.tv_sec = (time_t)(deadline.ns / NS_PER_S),
				 .tv_nsec = (long)(deadline.ns % NS_PER_S)};
	return pthread_cond_timedwait(&b->cond, &b->mutex, &until);
#endif
}

int creel__park_briefly(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	if (deadline.ns <= 0)
		return -ETIMEDOUT;
	struct bucket *b = bucket_of(word);
	/* pthread_cond_wait() is a cancellation point: the thread would die with the bucket. */
	int rc = 0, state = creel__thread_no_cancel();
	pthread_mutex_lock(&b->mutex);
	/* Only a comparison: whoever was parked looks at the word again,
	 * with the order it needs. */
	if (creel__load(word, relaxed) == expected)
		rc = wait_in(b, deadline);
	pthread_mutex_unlock(&b->mutex);
	creel__thread_cancel_again(state);
	return rc == ETIMEDOUT ? -ETIMEDOUT : 0;
}

void creel__unpark_all(_Atomic(uint32_t) *word)
{
	struct bucket *b = bucket_of(word);
	pthread_mutex_lock(&b->mutex);
	pthread_cond_broadcast(&b->cond);
	pthread_mutex_unlock(&b->mutex);
}

/* Words share buckets: waking one might wake the wrong one. */
void creel__unpark_one(_Atomic(uint32_t) *word)
{
	creel__unpark_all(word);
}

#endif
