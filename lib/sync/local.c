/* SPDX-License-Identifier: MIT */
/*
 * Thread-local data, and the hook for a thread's end.
 *
 * UNLOADING  The hook is a pthread key, whose destructor is code of the library. A library that is
 *            unloaded takes the key with it: it marks the key as dead, so that no thread registers
 *            any more, and deletes it, so that none that ends later calls code that is not there.
 */
#include "sync/local.h"
#include "sync/fork.h"
#include <errno.h>
#include <pthread.h>
#ifdef __ELF__
#include <elf.h>
#include <link.h>
#endif

_Thread_local struct creel__local creel__thread_local CREEL__TLS_MODEL;

static _Atomic(uint32_t) generation; /* of the key */
static pthread_key_t key;
static int key_error = EAGAIN; /* 0 once there is a key */
static _Atomic(bool) dead;

static void thread_ends(void *arg)
{
	struct creel__local *local = arg;
	local->at_exit(local);
}

static void make_key(void)
{
	if (key_error)
		key_error = pthread_key_create(&key, thread_ends);
}

int creel__local_at_exit(void (*fn)(struct creel__local *local))
{
	struct creel__local *local = creel__self();
	if (local->at_exit)
		return 0;
	if (creel__load(&dead, relaxed))
		return -ESHUTDOWN;
	creel__fork_renew(&generation, make_key);
	int rc = key_error ? key_error : pthread_setspecific(key, local);
	if (rc == 0)
		local->at_exit = fn;
	return -rc;
}

#ifdef DT_DEBUG
extern ElfW(Dyn) _DYNAMIC[] __attribute__((weak, visibility("hidden")));

/* Not a program, which has DT_DEBUG or no dynamic section at all, and not a library that says so of
 * itself, as the shared libcreel does. */
static bool can_be_unloaded(void)
{
	const ElfW(Dyn) *d = _DYNAMIC;
	for (; d && d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_DEBUG ||
		    (d->d_tag == DT_FLAGS_1 && d->d_un.d_val & DF_1_NODELETE))
			return false;
	return d != NULL;
}
#else
static bool can_be_unloaded(void)
{
	return false;
}
#endif

bool creel__local_forget(void)
{
	if (!can_be_unloaded())
		return false;
	creel__store(&dead, true, relaxed);
	if (key_error == 0)
		pthread_key_delete(key);
	return true;
}
