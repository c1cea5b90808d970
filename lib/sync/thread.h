/* SPDX-License-Identifier: MIT */
/* Threads. */
#ifndef CREEL__SYNC_THREAD_H
#define CREEL__SYNC_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

typedef void *(*creel__thread_fn)(void *arg);

/* Starts a thread that blocks all signals but those that its own faults raise, SIGABRT and SIGPROF.
 * stack_size 0 is the system's. Returns 0 or -errno. */
int creel__thread_create(pthread_t *ret_thread, creel__thread_fn fn, void *arg, size_t stack_size);

pthread_t creel__thread_self(void);
/* No cancellation point. */
void creel__thread_join(pthread_t thread);

/* Joins the thread if it has ended; false if it has not. Never waits. Where the system cannot tell,
 * the thread is detached instead, and counts as joined. */
bool creel__thread_try_join(pthread_t thread);

/* Nobody will join this thread. */
void creel__thread_detach(pthread_t thread);

/* Names the calling thread "<name>-<number>", as much of it as fits. */
void creel__thread_set_name(const char *name, unsigned number);

/* Calls run(arg). If the thread ends inside (pthread_exit(), pthread_cancel()), calls ended(arg) on
 * its way out instead of returning. */
void creel__thread_guard(void (*run)(void *arg), void (*ended)(void *arg), void *arg);

/* What the thread that makes a pool leaves to the pool's threads, whoever starts them. */
struct creel__heritage {
	bool has_signals, has_nice, has_cpus; /* which of these are known, and wanted */
	sigset_t signals;
	int nice;
	unsigned long cpus[8192 / (8 * sizeof(long))]; /* as many as Linux can have */
};

/* Records the calling thread's. Its signal mask only if keep_signals. */
void creel__thread_bequeath(struct creel__heritage *ret_heritage, bool keep_signals);

/* Gives it to the calling thread. What the system refuses stays as it is. */
void creel__thread_inherit(const struct creel__heritage *heritage);

/* The calling thread cannot be cancelled from here on: returns what makes that undone. */
int creel__thread_no_cancel(void);
void creel__thread_cancel_again(int state);

/* The least stack that a thread can have. */
size_t creel__thread_min_stack(void);

#endif
