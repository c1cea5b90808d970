/* SPDX-License-Identifier: MIT */
/* Thread-local data, and the hook for a thread's end. */
#include "sync/local.h"
#include <errno.h>
#include <pthread.h>

_Thread_local struct creel__local creel__thread_local CREEL__TLS_MODEL;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;

static void thread_ends(void *arg)
{
	struct creel__local *local = arg;
	local->at_exit(local);
}

static void make_key(void)
{
	key_error = pthread_key_create(&key, thread_ends);
}

int creel__local_at_exit(void (*fn)(struct creel__local *local))
{
	struct creel__local *local = creel__self();
	if (local->at_exit)
		return 0;
	pthread_once(&once, make_key);
	int rc = key_error ? key_error : pthread_setspecific(key, local);
	if (rc == 0)
		local->at_exit = fn;
	return -rc;
}
