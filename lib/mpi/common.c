/* SPDX-License-Identifier: MIT */
/* What all of creel-mpi uses: the job, the time, messages that cannot be done without, and what
 * is in them. */
#include "world.h"
#include <string.h>
#include <unistd.h>

struct creel__mpi_world creel__mpi_world = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.fns_lock = PTHREAD_MUTEX_INITIALIZER,
};

int64_t creel__mpi_now(void)
{
	return creel_now().ns;
}

bool creel__mpi_is_child(const struct creel__mpi_world *w)
{
	return w->pid && w->pid != getpid();
}

void creel__mpi_say(int peer, const struct creel__mpi_record *record, const void *data)
{
	if (creel__port_put(&creel__mpi_world.port, peer, record, data))
		creel__mpi_abort(&creel__mpi_world, "no memory for a message to rank %d", peer);
}

bool creel__mpi_record_next(const unsigned char **data, size_t *size, struct creel__mpi_record *ret,
			    const void **ret_data)
{
	if (*size < sizeof *ret)
		return false;
	memcpy(ret, *data, sizeof *ret);
	size_t whole = creel__mpi_record_size(ret);
	*ret_data = *data + sizeof *ret;
	*data += whole;
	*size -= whole;
	return true;
}
