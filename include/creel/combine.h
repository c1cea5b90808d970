/* SPDX-License-Identifier: MIT */
/*
 * Aggregates: one future for many.
 *
 * Each of the four calls takes an array of n futures, of any kind and of any executors, and returns
 * a new future, never NULL. The caller owns one reference to that.
 *
 *                     it ends                         with
 *   creel_all         when all inputs succeeded,      the array of inputs
 *                     or with the first other end     what that input ended with
 *   creel_all_settled when all inputs have ended      the array of inputs
 *   creel_any         with the first success,         the result of that input
 *                     or when no input succeeded      an error whose causes are the inputs' errors
 *   creel_race        with the first end, of any sort what that input ended with
 *
 * INPUTS     The array is copied. The caller may drop its references at once: that changes neither
 *            what the inputs do nor when they count as dropped. So an input that is a promise
 *            breaks when its last holder goes, and counts as failed. The same future may stand in
 *            the array several times. Inputs that have ended already count in the order of the
 *            array.
 * THE ARRAY  The value of creel_all() and creel_all_settled() is a creel_future *[n]: the inputs,
 *            in their order, all of them final. Read it with creel_future_view(). The futures are
 *            borrowed, and valid while you hold the aggregate. creel_future_take() hands them over
 *            with the buffer: its free drops them. The array is for code of this process: as the
 *            input of a continuation on a process pool it is refused (not transferable, -EFAULT),
 *            when that is made, or, where other futures passed it on, when it has ended.
 * LOSERS     Once the aggregate has ended it has left the other inputs, each in constant time: any
 *            number of races against one future that does not end leaves no memory behind. A
 *            loser's failure that nobody reads is told as unhandled.
 * THE REST   flags says what becomes of inputs that have not ended when the aggregate ends, or is
 *            cancelled: 0 (nothing), CREEL_CANCEL_REST or CREEL_KILL_REST. They have been asked
 *            before anybody sees the aggregate's end. If it is cancelled, they are asked before
 *            creel_future_cancel() returns; within a callback, as soon as that has returned. With
 *            CREEL_CANCEL_REST, creel_future_kill() of the aggregate kills them, with its grace.
 * CANCELLED  An input that was cancelled, or that stopped when it was asked to, has failed; what
 *            ends as it did is cancelled as well. creel_any() is cancelled if all inputs were.
 *            Cancelling the aggregate ends it at once.
 * EMPTY      Of no inputs creel_all() and creel_all_settled() succeed at once, with an empty
 *            result; creel_any() and creel_race() fail at once, with -EINVAL.
 * ERRORS     What cannot be made has failed already. The kind is rejected, with -EINVAL (inputs, or
 *            one of them, is NULL; a flag is unknown; n is larger than any array) or -EPERM (an
 *            input is the parent's, and this is a forked child); or no memory, with -ENOMEM. Then
 *            nothing has happened to the inputs.
 * THREADS    All calls are thread-safe. None blocks. Any nesting needs constant stack.
 */
#ifndef CREEL_COMBINE_H
#define CREEL_COMBINE_H

#include <creel/base.h>

CREEL_BEGIN

/* All succeed, or the first that does not ends it. */
CREEL_API CREEL_MUST_USE creel_future *creel_all(creel_future *const *inputs, size_t n,
						 unsigned flags);

/* All end, whatever with. Never fails for what an input does. The flags only matter where it is
 * cancelled. */
CREEL_API CREEL_MUST_USE creel_future *creel_all_settled(creel_future *const *inputs, size_t n,
							 unsigned flags);

/* The first success. The failures before it count as read. */
CREEL_API CREEL_MUST_USE creel_future *creel_any(creel_future *const *inputs, size_t n,
						 unsigned flags);

/* The first end. */
CREEL_API CREEL_MUST_USE creel_future *creel_race(creel_future *const *inputs, size_t n,
						  unsigned flags);

/* Returns which input ended the aggregate: its index in the array. Does not block. If there is
 * none: -EAGAIN (it has not ended), -ENOENT (it was cancelled, or ended because all inputs had),
 * -EINVAL (f is NULL, or no aggregate; what the calls return for n = 0 is none), or -EPERM (it is
 * the parent's, and this is a forked child).
 */
CREEL_API int64_t creel_race_index(creel_future *f);

CREEL_END

#endif
