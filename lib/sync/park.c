/* SPDX-License-Identifier: MIT */
/*
 * Parking on Linux futexes, with a portable fallback.
 *
 * FALLBACK  A table of buckets, each a mutex and a condition variable, chosen by the word's
 *           address. The sleeper compares the word under the bucket's mutex and the waker
 *           takes that mutex before it broadcasts, so no wake is lost. It is the one place
 *           with process-wide state.
 */
#include "sync/park.h"
#include "base/clock.h"
#include <errno.h>
#include <limits.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static struct timespec timespec_of(creel_deadline deadline)
{
	return (struct timespec){.tv_sec = (time_t)(deadline.ns / NS_PER_S),
				 .tv_nsec = (long)(deadline.ns % NS_PER_S)};
}

#ifdef __linux__

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* FUTEX_WAIT_BITSET takes an absolute deadline of CLOCK_MONOTONIC. */
static int wait_on(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline, int flags)
{
	if (deadline.ns <= 0)
		return -ETIMEDOUT;
	int saved = errno;
	struct timespec until = timespec_of(deadline);
	long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | flags, expected,
			  creel__is_forever(deadline) ? NULL : &until, NULL,
			  FUTEX_BITSET_MATCH_ANY);
	bool late = rc < 0 && errno == ETIMEDOUT;
	errno = saved;
	return late ? -ETIMEDOUT : 0;
}

int creel__park_shared(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	return wait_on(word, expected, deadline, 0);
}

void creel__unpark_shared(_Atomic(uint32_t) *word)
{
	int saved = errno;
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	errno = saved;
}

#endif

#if defined(__linux__) && !defined(CREEL_PORTABLE_PARKING)

int creel__park(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	return wait_on(word, expected, deadline, FUTEX_PRIVATE_FLAG);
}

static void unpark(_Atomic(uint32_t) *word, int count)
{
	int saved = errno;
	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
	errno = saved;
}

void creel__unpark_one(_Atomic(uint32_t) *word)
{
	unpark(word, 1);
}

void creel__unpark_all(_Atomic(uint32_t) *word)
{
	unpark(word, INT_MAX);
}

#else

#include "sync/thread.h"

#define BUCKETS 64

struct bucket {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
};

static struct bucket buckets[BUCKETS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_buckets(void)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	for (int i = 0; i < BUCKETS; i++) {
		pthread_mutex_init(&buckets[i].mutex, NULL);
		pthread_cond_init(&buckets[i].cond, &attributes);
	}
	pthread_condattr_destroy(&attributes);
}

/* Threads that slept at a fork are not in the child: its buckets are made anew. */
static void prepare(void)
{
	make_buckets();
	pthread_atfork(NULL, NULL, make_buckets);
}

static struct bucket *bucket_of(_Atomic(uint32_t) *word)
{
	pthread_once(&once, prepare);
	return &buckets[((uintptr_t)word >> 4) * UINT32_C(2654435761) % BUCKETS];
}

int creel__park(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	if (deadline.ns <= 0)
		return -ETIMEDOUT;
	struct bucket *b = bucket_of(word);
	struct timespec until = timespec_of(deadline);
	/* pthread_cond_wait() is a cancellation point: the thread would die with the bucket. */
	int rc = 0, state = creel__thread_no_cancel();
	pthread_mutex_lock(&b->mutex);
	/* Only a comparison: whoever was parked looks at the word again,
	 * with the order it needs. */
	if (creel__load(word, relaxed) == expected)
		rc = creel__is_forever(deadline)
			     ? pthread_cond_wait(&b->cond, &b->mutex)
			     : pthread_cond_timedwait(&b->cond, &b->mutex, &until);
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
