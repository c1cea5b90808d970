/* SPDX-License-Identifier: MIT */
/* Waiting for several futures. */
#ifndef CREEL_WAIT_H
#define CREEL_WAIT_H

#include <creel/base.h>

CREEL_BEGIN

enum {
	CREEL_ALL_COMPLETED,   /* until all are final */
	CREEL_FIRST_COMPLETED, /* until one is final */
	CREEL_FIRST_ERROR      /* until one has failed or was cancelled, or all are final */
};

/*
 * Waits until the condition holds or the deadline has passed. futures are borrowed; duplicates are
 * counted by index; n = 0 returns at once. Returns 0 or -ETIMEDOUT, and in both cases how many are
 * final in *ret_done (may be NULL); which ones, creel_future_state() says. -EINVAL (mode is none of
 * the above, one of the futures is NULL, or futures is and n is not 0), -ENOMEM, -EDEADLK (one of
 * them is the calling task, or blocking in a callback), -EPERM (it would block for the parent's
 * futures in a forked child); *ret_done is untouched then. Any thread.
 */
CREEL_API int creel_wait(creel_future *const *futures, size_t n, int mode, creel_deadline deadline,
			 size_t *ret_done);

CREEL_END

#endif
