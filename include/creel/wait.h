/* SPDX-License-Identifier: MIT */
/* Waiting for several futures. */
#ifndef CREEL_WAIT_H
#define CREEL_WAIT_H

#include <creel/base.h>

CREEL_BEGIN

enum {
	CREEL_ALL_COMPLETED,   /* wait until all are final */
	CREEL_FIRST_COMPLETED, /* wait until one is final */
	CREEL_FIRST_ERROR      /* wait until one failed or was cancelled, or all are final */
};

/*
 * Waits until the condition of mode holds, or until deadline. Returns 0 or -ETIMEDOUT, and in both
 * cases stores in *ret_done how many futures are final; ret_done may be NULL. Then ask
 * creel_future_state() of each future. The futures are borrowed. A future that is in the array
 * twice counts twice. With n = 0 the call returns 0 at once. Thread-safe; blocks until deadline at
 * most.
 *
 * Other codes leave *ret_done unchanged:
 *
 * -EINVAL   mode is unknown, a future is NULL, or futures is NULL and n is not 0.
 * -ENOMEM   There is no memory.
 * -EDEADLK  A future is the calling task's own, or one that only the caller's driven executor can
 *           end (creel/driven.h); with CREEL_FIRST_COMPLETED all are. Or the call would block in a
 *           callback.
 * -EAGAIN   On a worker, without a deadline: as creel_future_result().
 * -EPERM    A future is the parent's, and this is a forked child.
 */
CREEL_API int creel_wait(creel_future *const *futures, size_t n, int mode, creel_deadline deadline,
			 size_t *ret_done);

CREEL_END

#endif
