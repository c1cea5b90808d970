/* SPDX-License-Identifier: MIT */
/* Memory that the host and all workers of a pool see at one address. */
#ifndef CREEL_SHARED_H
#define CREEL_SHARED_H

#include <creel/base.h>

CREEL_BEGIN

/*
 * size bytes, 64-byte aligned, contents undefined: in a process pool's shared memory, to be passed
 * to tasks with CREEL_BY_REF and worked on in place; on any other executor from the heap. NULL if
 * there is none (the budget of a process pool is creel_process_pool_options.shared_budget), in a
 * forked child, or on a broken executor. Belongs to the caller, who frees it before the executor is
 * closed and after the tasks that use it ended. Any thread of the host; tasks cannot call it.
 */
CREEL_API void *creel_shared_alloc(creel_executor *ex, size_t size);

/* Frees what creel_shared_alloc() of the same executor gave. NULL does nothing. */
CREEL_API void creel_shared_free(creel_executor *ex, void *p);

CREEL_END

#endif
