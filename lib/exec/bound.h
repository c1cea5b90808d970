/* SPDX-License-Identifier: MIT */
/*
 * Bounded executors: which submission gets in.
 *
 * A task of an executor with CREEL__BOUNDED holds a place of ex->places from before the executor
 * takes it until it has ended. It takes the place when it is submitted, and gives it back in its
 * own step to the end (creel__future_leave()), wherever that is: on a worker, in a canceller, in a
 * shutdown. That comes before the step, so that whoever sees the end finds the room; and the
 * executor, which the task keeps until then, is still there.
 */
#ifndef CREEL__EXEC_BOUND_H
#define CREEL__EXEC_BOUND_H

#include "future/class.h"

/* Whether it is 0 or a CREEL_OVERFLOW_... */
static inline bool creel__overflow_is_known(int overflow)
{
	return overflow >= 0 && overflow <= CREEL_OVERFLOW_CALLER;
}

/* What a pool's options ask for. */
struct creel__bound {
	int capacity, overflow;
	bool rendezvous;
	const char *no_caller; /* why its tasks cannot run on the thread that submits, or NULL */
};

/* What is wrong with them, or NULL. */
const creel_error *creel__bound_refuse(const char *call, const struct creel__bound *bound);

/* At birth, once the maximum of workers is known. */
void creel__bound_apply(creel_executor *ex, const struct creel__bound *bound, int max_workers);

/* The maximum of workers has changed. The same lock of the class's is held as for the next. */
void creel__bound_resize_locked(creel_executor *ex, int max_workers);

/* The executor accepts no more: all who wait for room go on, and are refused. */
void creel__bound_open_locked(creel_executor *ex);

enum {
	CREEL__RUN_HERE = 1,
};

/* Takes a place, of an executor that may be bounded. Returns 0; CREEL_BUSY, if there is none; or
 * CREEL__RUN_HERE: it took one too many, and the caller is to run the task itself. overflow is a
 * CREEL_OVERFLOW_..., 0 for the executor's own; by is for how long to wait. */
int creel__admit(creel_executor *ex, int overflow, creel_deadline by);

/* Takes a place in any case; gives it back, if the executor did not take the task. */
void creel__admit_any(creel_executor *ex);
void creel__not_admitted(creel_executor *ex);

#endif
