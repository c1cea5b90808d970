/* SPDX-License-Identifier: MIT */
/*
 * Keeps the library in memory, where no option of the linker does (-z nodelete): a handle to itself
 * that is never closed. Threads that have used the library call it when they end.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

static void pin(void) __attribute__((constructor));

static void pin(void)
{
	int saved = errno;
	Dl_info where;
	if (dladdr((void *)(uintptr_t)pin, &where) && where.dli_fname)
		(void)dlopen(where.dli_fname, RTLD_NOW | RTLD_NOLOAD);
	errno = saved;
}
