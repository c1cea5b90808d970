/* SPDX-License-Identifier: MIT */
/*
 * Calls of the user's functions that must not nest: callbacks and destructors.
 *
 * CALLBACKS    One that becomes due while the thread is in a callback, or in a destructor, goes on
 *              the thread's list. The outermost level goes through the list. So a chain of any
 *              length needs the stack of one callback. No thread is cancelled inside a callback.
 * DESTRUCTORS  An argument's arg_free, a result's free and an executor's on_unhandled. They count
 *              as callbacks. One that becomes due inside another waits: its future goes on the
 *              thread's list of dying futures, and the outermost destructor goes through that list
 *              when its function has returned. The list is linked through creel_future.dying,
 *              which is free once the future is final.
 *
 * Both lists keep what to call, so that this file calls nothing by name that is built on it.
 */
#ifndef CREEL__FUTURE_NEST_H
#define CREEL__FUTURE_NEST_H

#include "future/block.h"
#include "sync/local.h"

struct creel__deferred {
	struct creel__deferred *next;
	void (*run)(struct creel__deferred *d);
	uint16_t generation; /* of the process that it belongs to: a forked child skips it */
};

/* Around a function of the user's that must not block. */
void creel__callbacks_enter(void);
void creel__callbacks_leave(void);

/* Whether a callback that is due now would have to wait for another one to return. */
static inline bool creel__callbacks_nest(const struct creel__local *local)
{
	return local->callbacks || local->draining;
}

/* Calls d->run(d): now, or when the callback that this thread is in has returned. */
void creel__callbacks_call(struct creel__deferred *d);

/* Calls d->run(d) when the callback that this thread is in has returned. Outside of callbacks:
 * within creel__callbacks_flush(). */
void creel__callbacks_defer(struct creel__deferred *d);

/* Calls what was deferred, unless the thread is in a callback. */
void creel__callbacks_flush(void);

/* Around a destructor. */
void creel__destructors_enter(void);
void creel__destructors_leave(void);

/* Calls end(f) when the outermost destructor has returned. All callers name the same function. */
void creel__destructors_defer(creel_future *f, void (*end)(creel_future *f));

#endif
