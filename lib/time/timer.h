/* SPDX-License-Identifier: MIT */
/* Timers, embedded in what they are for. */
#ifndef CREEL__TIME_TIMER_H
#define CREEL__TIME_TIMER_H

#include <creel/clock.h>

/*
 * A timer that was set on a clock keeps that clock's memory, until its time has come and end()
 * returned true, or until creel__timer_cancel() was called: one of the two happens, once.
 *
 * end() is called at most once, with no lock held, and may free the timer. `due` is false if the
 * clock was dropped before the timer was due. It decides, by a step of its owner's, who ends what
 * the timer is for: true, this call; false, whoever calls or has called creel__timer_cancel().
 */
struct creel__timer {
	bool (*end)(struct creel__timer *timer, bool due);
	creel_clock *clock; /* set by creel__timer_set() */
	uint64_t order;     /* guarded by the clock's lock */
	uint32_t place;     /* in its heap, or 0; guarded by the clock's lock */
};

enum {
	CREEL__TIMER_DUE = 1,
};

/* Sets a timer whose end is filled in. Returns 0; CREEL__TIMER_DUE if its time has come, in which
 * case it was not set; or -EPERM, -EAGAIN, -ENOMEM, -EINVAL; or CREEL_EFAILED: the clock is a
 * manual one, and was dropped. */
int creel__timer_set(creel_clock *clock, struct creel__timer *timer, creel_deadline due);

/* Takes it off its clock. True: end() is not called any more. False: it was called. The clock may
 * be gone afterwards. */
bool creel__timer_cancel(struct creel__timer *timer);

/* 0; or why no timer can be set: -EPERM, -EINVAL, -ENOMEM. */
int creel__clock_check(creel_clock *clock);

/* Keeps the memory of a clock of this process, which is not broken; NULL does nothing. That is no
 * reference: its users may drop it. */
void creel__clock_keep(creel_clock *clock);
void creel__clock_unkeep(creel_clock *clock);

/* What creel_clock_new() got. */
unsigned creel__clock_flags(const creel_clock *clock);

#endif
