/* SPDX-License-Identifier: MIT */
/* The communicator of creel's own. Only comm.c, port.c and world.c know MPI; the others are built
 * for the model checker without it. */
#ifndef CREEL__MPI_COMM_H
#define CREEL__MPI_COMM_H

#include <mpi.h>

/* Set by creel_mpi_init(). */
extern MPI_Comm creel__mpi_comm;

#endif
