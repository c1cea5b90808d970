/* SPDX-License-Identifier: MIT */
/* What stands in for the calls of the system that lib/mpi makes: mpi_calls.h. */
#include "model_lock.h"
#include "engine.h"
#include "sync/thread.h"
#include <string.h>

void *creel__model_malloc(size_t size);
void creel__model_free(void *p);
void *model_calloc(size_t n, size_t size);
void *model_realloc(void *p, size_t size);
int model_mutex_lock(pthread_mutex_t *mutex);
int model_mutex_unlock(pthread_mutex_t *mutex);
int model_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int model_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *at);
int model_cond_signal(pthread_cond_t *cond);
int model_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *arg),
			 void *arg);
int model_pthread_join(pthread_t thread, void **ret);
int model_yield(void);

/* The first word of either: a new one is 0 in all its bytes. */
static struct creel__lock *lock_of(pthread_mutex_t *mutex)
{
	return (struct creel__lock *)(void *)mutex;
}

static _Atomic(uint32_t) *round_of(pthread_cond_t *cond)
{
	return (_Atomic(uint32_t) *)(void *)cond;
}

void *model_calloc(size_t n, size_t size)
{
	void *p = creel__model_malloc(n * size);
	return p ? memset(p, 0, n * size) : NULL;
}

void *model_realloc(void *p, size_t size)
{
	const struct model_object *was = p ? model_object_of(p) : NULL;
	void *other = creel__model_malloc(size);
	if (other && was)
		memcpy(other, p, was->size < size ? was->size : size);
	if (other)
		creel__model_free(p);
	return other;
}

int model_mutex_lock(pthread_mutex_t *mutex)
{
	model_lock_acquire(lock_of(mutex));
	return 0;
}

int model_mutex_unlock(pthread_mutex_t *mutex)
{
	model_lock_release(lock_of(mutex));
	return 0;
}

static int wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, creel_deadline deadline)
{
	uint32_t round = *(uint32_t *)(void *)cond;
	model_lock_release(lock_of(mutex));
	int rc = creel__park_briefly(round_of(cond), round, deadline);
	model_lock_acquire(lock_of(mutex));
	return -rc;
}

int model_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return wait_until(cond, mutex, CREEL_FOREVER);
}

int model_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *at)
{
	return wait_until(cond, mutex,
			  (creel_deadline){at->tv_sec * INT64_C(1000000000) + at->tv_nsec});
}

int model_cond_signal(pthread_cond_t *cond)
{
	++*(uint32_t *)(void *)cond;
	creel__unpark_one(round_of(cond));
	return 0;
}

int model_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *arg),
			 void *arg)
{
	(void)attr;
	return -creel__thread_create(ret, fn, arg, 0);
}

int model_pthread_join(pthread_t thread, void **ret)
{
	(void)ret;
	creel__thread_join(thread);
	return 0;
}

/* Whoever yields lets the others go first. Time has to go on, or it would yield for ever. */
int model_yield(void)
{
	static _Atomic(uint32_t) nothing;
	(void)creel__park_briefly(&nothing, 0, (creel_deadline){model_clock + CREEL_US(30)});
	return 0;
}
