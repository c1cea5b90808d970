/* SPDX-License-Identifier: MIT */
/* Threads: creation with signals blocked, what they inherit, names, and what to do when one ends
 * inside a call. */
#include "sync/thread.h"
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The host's handlers for a thread's own faults, and its profiler, must work in workers as well. */
static void worker_mask(sigset_t *ret_set)
{
	static const int open[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,
				   SIGTRAP, SIGSYS, SIGABRT, SIGPROF};
	sigfillset(ret_set);
	for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
		sigdelset(ret_set, open[i]);
}

/* The mask is inherited: set around the creation, no signal can arrive in between. */
int creel__thread_create(pthread_t *ret_thread, creel__thread_fn fn, void *arg, size_t stack_size)
{
	pthread_attr_t attributes;
	int saved = errno, rc = pthread_attr_init(&attributes);
	if (rc)
		return -rc;
	if (stack_size)
		rc = pthread_attr_setstacksize(&attributes, stack_size);
	if (!rc) {
		sigset_t mask, old;
		worker_mask(&mask);
		pthread_sigmask(SIG_SETMASK, &mask, &old);
		rc = pthread_create(ret_thread, &attributes, fn, arg);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	pthread_attr_destroy(&attributes);
	errno = saved;
	return -rc;
}

pthread_t creel__thread_self(void)
{
	return pthread_self();
}

void creel__thread_join(pthread_t thread)
{
	int state = creel__thread_no_cancel();
	pthread_join(thread, NULL);
	creel__thread_cancel_again(state);
}

bool creel__thread_try_join(pthread_t thread)
{
#if defined(__linux__) || defined(__GLIBC__)
	return pthread_tryjoin_np(thread, NULL) == 0;
#else
	return pthread_detach(thread) == 0;
#endif
}

void creel__thread_detach(pthread_t thread)
{
	pthread_detach(thread);
}

void creel__thread_set_name(const char *name, unsigned number)
{
	char suffix[12], full[16];
	int tail = snprintf(suffix, sizeof suffix, "-%u", number);
	snprintf(full, sizeof full, "%.*s%s", (int)sizeof full - 1 - tail, name, suffix);
#ifdef __linux__
	pthread_setname_np(pthread_self(), full);
#endif
}

void creel__thread_guard(void (*run)(void *arg), void (*ended)(void *arg), void *arg)
{
	pthread_cleanup_push(ended, arg);
	run(arg);
	pthread_cleanup_pop(0);
}

void creel__thread_bequeath(struct creel__heritage *ret_heritage, bool keep_signals)
{
	struct creel__heritage *h = ret_heritage;
	*h = (struct creel__heritage){0};
	if (keep_signals)
		h->has_signals = pthread_sigmask(SIG_SETMASK, NULL, &h->signals) == 0;
#ifdef __linux__
	/* Both are a thread's own there. */
	int saved = errno;
	errno = 0;
	h->nice = getpriority(PRIO_PROCESS, 0);
	h->has_nice = errno == 0;
	h->has_cpus = sched_getaffinity(0, sizeof h->cpus, (cpu_set_t *)h->cpus) == 0;
	errno = saved;
#endif
}

void creel__thread_inherit(const struct creel__heritage *heritage)
{
	const struct creel__heritage *h = heritage;
#ifdef __linux__
	int saved = errno;
	struct creel__heritage mine;
	creel__thread_bequeath(&mine, false);
	if (h->has_cpus && mine.has_cpus && memcmp(h->cpus, mine.cpus, sizeof h->cpus))
		(void)sched_setaffinity(0, sizeof h->cpus, (const cpu_set_t *)h->cpus);
	if (h->has_nice && mine.has_nice && h->nice != mine.nice)
		(void)setpriority(PRIO_PROCESS, 0, h->nice);
	errno = saved;
#endif
	if (h->has_signals)
		pthread_sigmask(SIG_SETMASK, &h->signals, NULL);
}

int creel__thread_no_cancel(void)
{
	int old;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	return old;
}

void creel__thread_cancel_again(int state)
{
	pthread_setcancelstate(state, &state);
}

size_t creel__thread_min_stack(void)
{
	long size = sysconf(_SC_THREAD_STACK_MIN);
	return size > 0 ? (size_t)size : 16384;
}
