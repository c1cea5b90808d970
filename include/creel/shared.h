/* SPDX-License-Identifier: MIT */
/* Shared memory: the host and all workers of a process pool see it at the same address. */
#ifndef CREEL_SHARED_H
#define CREEL_SHARED_H

#include <creel/base.h>

CREEL_BEGIN

/*
 * Allocates size bytes of a process pool's shared memory, 64-byte aligned and uninitialised. Pass
 * them to tasks with CREEL_BY_REF; tasks read and write them in place. On any other executor the
 * memory is from the heap.
 *
 * The caller owns the memory. Free it after the tasks that use it have ended, and before the
 * executor is closed. Any thread of the host may call it; tasks cannot. Does not block.
 *
 * Returns NULL if no memory is left (creel_process_pool_options.shared_budget limits a process
 * pool), if the executor is broken, or in a forked child.
 */
CREEL_API void *creel_shared_alloc(creel_executor *ex, size_t size);

/* Frees memory of creel_shared_alloc() from the same executor. NULL does nothing. */
CREEL_API void creel_shared_free(creel_executor *ex, void *p);

CREEL_END

#endif
