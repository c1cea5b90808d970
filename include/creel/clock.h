/* SPDX-License-Identifier: MIT */
/*
 * Clocks and timers: futures that end at a point in time.
 *
 * CLOCKS     NULL is the real clock: CLOCK_MONOTONIC. A manual clock stands still until you move it
 *            with creel_clock_advance(). Use it to test code that waits for hours.
 * ORDER      A timer never ends before its time. Timers of one clock end in the order of their
 *            times. Timers with the same time end in the order in which they were set.
 * THREADS    All calls are thread-safe. The timers of a real clock end on a thread of the clock's
 *            own. It starts with the first timer, blocks all signals, and ends one second after the
 *            last timer has ended. It takes the CPU affinity and the nice value of the thread that
 *            set the timer. Callbacks without an executor run on it, so they must be short: a long
 *            one delays all timers of the clock. The timers of a manual clock end on the
 *            thread that calls creel_clock_advance().
 * BLOCKING   No call blocks, but creel_clock_advance() runs the callbacks of the timers.
 *            Deadlines of blocking calls, such as creel_future_result(), are always of the real
 *            clock.
 * FORKS      A forked child has none of its parent's timers. Its real clock starts a thread of its
 *            own. For a clock that the parent made, creel_clock_advance() returns -EPERM, and
 *            creel_after() a future that has failed with -EPERM.
 */
#ifndef CREEL_CLOCK_H
#define CREEL_CLOCK_H

#include <creel/base.h>

CREEL_BEGIN

/* The flags of a clock. */
enum {
	CREEL_CLOCK_MANUAL = 1 /* it stands still unless creel_clock_advance() moves it */
};

/*
 * Makes a clock. With CREEL_CLOCK_MANUAL it is a manual one, which starts at one second. With 0 it
 * is a real one: it shows the same time as the NULL clock, and has a thread of its own, so that its
 * callbacks do not delay other timers. Never returns NULL. The caller owns one reference. If flags
 * has unknown bits, or without memory, the clock is broken: creel_after() returns a future that has
 * failed and says why, and creel_clock_advance() returns the code.
 */
CREEL_API CREEL_MUST_USE creel_clock *creel_clock_new(unsigned flags);

/* Takes another reference and returns clock. NULL gives NULL. */
CREEL_API creel_clock *creel_clock_ref(creel_clock *clock);

/*
 * Drops a reference. NULL does nothing. Timers that are pending when the last one goes:
 *
 * Of a real clock they end at their time.
 * Of a manual clock they fail inside this call, with CREEL_KIND_BROKEN, in the order of their
 * times: nobody can move the clock any more. Their callbacks run on the caller.
 */
CREEL_API void creel_clock_unref(creel_clock *clock);

/* Returns the clock's present time. In a forked child, the time of a manual clock of the parent's
 * is that of the fork. Does not block. */
CREEL_API creel_deadline creel_clock_now(creel_clock *clock);

/* Returns the deadline that is ns nanoseconds from the clock's present time. Zero or less gives
 * CREEL_NOW. A value that is too large gives CREEL_FOREVER. A floating-point argument does not
 * compile. Does not block. */
CREEL_API creel_deadline creel_clock_in(creel_clock *clock, int64_t ns);
#define creel_clock_in(clock, ns) (creel_clock_in)((clock), (ns) | 0)

/*
 * Moves a manual clock forward by ns nanoseconds. It goes from one due timer to the next: it stops
 * at the time of each, and ends the timer before it goes on. creel_clock_now() shows that time
 * meanwhile. Timers that callbacks set are ended too if they are due within ns. With ns = 0 nothing
 * moves. Callbacks that have an executor are only handed to it.
 *
 * Returns 0, or with nothing moved:
 *
 * -EINVAL     clock is NULL or not manual, or ns is negative.
 * -EOVERFLOW  The time would be too large for an int64_t.
 * -EBUSY      Another thread is advancing the clock.
 * -EDEADLK    The call is made in a callback or a destructor.
 * -EPERM      The clock is the parent's, and this is a forked child. If a callback forks, the call
 *             returns -EPERM in the child.
 */
CREEL_API int creel_clock_advance(creel_clock *clock, int64_t ns);

/*
 * Makes a timer: a future that succeeds with an empty result at the time `deadline` of the clock.
 * Never returns NULL. The caller owns one reference. If the deadline has passed, and no earlier
 * timer is still pending, the future has ended when the call returns.
 *
 * The timer is pending until it ends. creel_future_cancel() ends it at once as cancelled and gives
 * its memory back. Dropping the future cancels nothing: its callbacks still run at its time. The
 * future is no promise: creel_promise_...() on it return -EINVAL. Setting and cancelling a timer
 * take O(log n) time for n pending timers.
 *
 * With CREEL_FOREVER no clock ends the timer: only cancelling does. Then a future whose last
 * reference is dropped fails with CREEL_KIND_BROKEN, so that its callbacks run.
 *
 * If the timer cannot be set, the future has failed with CREEL_KIND_REJECTED and one of these
 * codes: -EAGAIN (the clock's thread cannot be started), -EPERM (the clock is the parent's, and
 * this is a forked child), -EINVAL (creel_clock_new() got unknown flags); or with
 * CREEL_KIND_NO_MEMORY and -ENOMEM.
 */
CREEL_API CREEL_MUST_USE creel_future *creel_after(creel_clock *clock, creel_deadline deadline);

CREEL_END

#endif
