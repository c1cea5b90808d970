/* SPDX-License-Identifier: MIT */
/* What all of creel-mpi uses: the job, the time, and messages that cannot be done without. */
#include "world.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct creel__mpi_world creel__mpi_world = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.fns_lock = PTHREAD_MUTEX_INITIALIZER,
	.comm = MPI_COMM_NULL,
};

int64_t creel__mpi_now(void)
{
	return creel_now().ns;
}

bool creel__mpi_is_child(const struct creel__mpi_world *w)
{
	return w->pid && w->pid != getpid();
}

void creel__mpi_abort(struct creel__mpi_world *w, const char *format, ...)
{
	char what[512];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	fprintf(stderr, "creel-mpi: rank %d ends the job: %s\n", w->rank, what);
	MPI_Abort(w->comm, 1);
	abort();
}

void creel__mpi_say(int peer, const struct creel__mpi_record *record, const void *data)
{
	if (creel__port_put(&creel__mpi_world.port, peer, record, data))
		creel__mpi_abort(&creel__mpi_world, "no memory for a message to rank %d", peer);
}
