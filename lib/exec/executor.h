/* SPDX-License-Identifier: MIT */
/* What all executors share; their class is described in future/class.h. */
#ifndef CREEL__EXEC_EXECUTOR_H
#define CREEL__EXEC_EXECUTOR_H

#include "future/class.h"

void creel__executor_init(creel_executor *ex, const struct creel__executor_class *class);

/* Before it has tasks. */
static inline void creel__executor_add_traits(creel_executor *ex, uint32_t traits)
{
	ex->traits |= traits;
	ex->task_flags |= CREEL__SLOW;
}

/* It is complete: reports look at it from here on. */
void creel__executor_made(creel_executor *ex);

/* Drops what init and set_error hold; the memory is the class's. */
void creel__executor_fini(creel_executor *ex);

/* An executor that was never any good; takes over the reference to the error. Never NULL. */
creel_executor *creel__executor_broken(const creel_error *error);

/* Whether it is one of those. What it was to be cannot be told. */
bool creel__executor_is_stillborn(const creel_executor *ex);

/* Breaks it; the first error stays. Takes over the reference. */
void creel__executor_set_error(creel_executor *ex, const creel_error *error);

/* How many of its tasks run at once, at most; 0: that is unknown. */
unsigned creel__executor_width(creel_executor *ex);

/* How many CPUs the process may use, as it was when that was first asked for this executor: looking
 * takes 100 us. */
int creel__executor_cpus(creel_executor *ex);

/* Whether the calling thread is one on which waiting for ex would be waiting for oneself. */
bool creel__executor_is_own(const creel_executor *ex);
/* The same, but for callbacks: whether it is in a task of ex, or is a thread of ex. */
bool creel__executor_runs_here(const creel_executor *ex);

/* The calling thread's wait in drain, shutdown or close is over: for a class whose drain runs
 * tasks, one of which has ended the thread. */
void creel__executor_wait_ends(creel_executor *ex);

#endif
