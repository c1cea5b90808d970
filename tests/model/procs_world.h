/* SPDX-License-Identifier: MIT */
/* The world around the parent of a process pool, as its harnesses see it. */
#ifndef CREEL_TESTS_MODEL_PROCS_WORLD_H
#define CREEL_TESTS_MODEL_PROCS_WORLD_H

#include "model.h"

/* In front of each schedule. Whether the library may kill workers, and whether others do. */
void world_reset(bool may_kill);

/* Behind each: every worker is gone, and no pidfd was forgotten. */
void world_end(void);

/* SIGKILL, from somebody else, to the worker that there is; nothing if there is none. */
void world_kill_worker(void);

/* How many workers were born, and have died of a signal. */
int world_born(void);
int world_killed(void);

#endif
