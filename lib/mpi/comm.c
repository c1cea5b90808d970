/* SPDX-License-Identifier: MIT */
/* The communicator, and the end of a job that cannot go on. */
#include "comm.h"
#include "world.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

MPI_Comm creel__mpi_comm = MPI_COMM_NULL;

void creel__mpi_abort(struct creel__mpi_world *w, const char *format, ...)
{
	char what[512];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	fprintf(stderr, "creel-mpi: rank %d ends the job: %s\n", w->rank, what);
	MPI_Abort(creel__mpi_comm, 1);
	abort();
}
