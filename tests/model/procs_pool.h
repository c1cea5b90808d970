/* SPDX-License-Identifier: MIT */
/* A process pool of one worker, whose tasks double a number. */
#ifndef CREEL_TESTS_MODEL_PROCS_POOL_H
#define CREEL_TESTS_MODEL_PROCS_POOL_H

#include "procs_world.h"

/* The pool of the schedule that runs. */
extern creel_executor *pool;

/*
 * Makes the pool. idle_ns as in its options; whether the library may kill workers: where deadlines
 * pass early, that of a worker which has to leave does as well, and it is killed.
 */
void pool_setup_with(int64_t idle_ns, bool may_kill);
void pool_setup(void); /* workers stay, nothing is killed */

/* The same, with a worker that has nothing to do: who waits now fetches the outcome himself. */
void pool_setup_warm(bool may_kill);

/* Closes the pool, and checks that nothing is left of it. */
void pool_teardown(void);

/* A task that gives 2 * n, and waiting for it. */
creel_future *pool_submit(int n);
void pool_await(creel_future *f, int n);
void pool_await_and_drop(creel_future *f, int n);

/* For model_spawn(): awaits the future, which is of pool_submit(1). */
void pool_await_first(void *f);

#endif
