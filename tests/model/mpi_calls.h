/* SPDX-License-Identifier: MIT */
/*
 * Included in front of the sources of lib/mpi, which are built on the public interface and on
 * pthreads: what they call of the system is the model's (mpi_calls.c). The headers come first, so
 * that only uses are replaced.
 */
#ifndef CREEL_TESTS_MODEL_MPI_CALLS_H
#define CREEL_TESTS_MODEL_MPI_CALLS_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

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

#define malloc creel__model_malloc
#define free creel__model_free
#define calloc model_calloc
#define realloc model_realloc
#define aligned_alloc(alignment, size) creel__model_malloc(size)
#define pthread_mutex_lock model_mutex_lock
#define pthread_mutex_unlock model_mutex_unlock
#define pthread_cond_wait model_cond_wait
#define pthread_cond_timedwait model_cond_timedwait
#define pthread_cond_signal model_cond_signal
#define pthread_create model_pthread_create
#define pthread_join model_pthread_join
#define pthread_sigmask(how, set, was) ((void)(set), (void)(was))
#define sched_yield model_yield
#define prctl(...) (void)0

#endif
