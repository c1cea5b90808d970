/* SPDX-License-Identifier: MIT */
/* The serving ranks of an MPI job, as the harness of rank 0 sees them. */
#ifndef CREEL_TESTS_MODEL_MPI_WORLD_H
#define CREEL_TESTS_MODEL_MPI_WORLD_H

#include "model.h"

enum { WORLD_LARGE = 40000 /* bytes; what is larger than a record's payload */ };

/* What the ranks may do, beside running tasks. Zero: nothing. */
struct world_rules {
	int ranks;           /* that serve, with one worker each */
	int delays;          /* how often nothing has come though there is something */
	bool loses;          /* the last rank may lose its pool */
	bool hangs;          /* tasks end only if they are asked to */
	bool large;          /* results are large */
	int64_t interval_ns; /* how long a task seems to take there */
};

/* In front of each schedule: starts rank 0, as creel_mpi_init() does. */
void world_begin(const struct world_rules *rules);

/* Ends the job, as creel_mpi_end() does. */
void world_stop(void);

/* Behind each: the ranks have nothing, and rank 0 neither. */
void world_end(void);

/* How often a rank has run the task of this number, which is its argument's first long. Its result
 * is the number. */
int world_ran(long number);

#endif
