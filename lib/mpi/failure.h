/* SPDX-License-Identifier: MIT */
/* An error as bytes: of one rank's task, to be settled on another. */
#ifndef CREEL__MPI_FAILURE_H
#define CREEL__MPI_FAILURE_H

#include <creel/creel.h>

/* How many bytes an error takes, with its causes to a depth of four, and at most eight of each. If
 * its one cause is the error of the known future (or NULL), it goes without where rank 0, which
 * knows that, puts it there again. */
size_t creel__mpi_failure_size(const creel_error *e, creel_future *known);
/* Packs it into so many bytes. */
void creel__mpi_failure_pack(const creel_error *e, creel_future *known, void *p);

/* A future that has failed with what was packed; of several causes with the first. */
creel_future *creel__mpi_failure_future(const void *p);

/* Ends a task with an error that was packed. rank is where the task was. */
int creel__mpi_failure_settle(creel_task *task, const void *p, size_t size, int rank);

#endif
