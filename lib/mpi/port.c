/* SPDX-License-Identifier: MIT */
/*
 * A rank's messages. Records gather in one batch a peer while the thread has more to say, and leave
 * together: under load a message has many records, and a lone record leaves at once.
 *
 * ORDER  Messages of one tag between two ranks do not overtake each other. So batches come in the
 *        order in which they were flushed, and large payloads in the order in which they were asked
 *        for, which is that of the receives.
 * ERRORS The communicator has MPI's own handler, which ends the job: there is nothing that a
 *        program could do without its messages.
 */
#include "port.h"
#include "comm.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_BATCH = 1, TAG_DATA = 2 };

/* Of one payload, or of a batch: all its messages. */
struct creel__flight {
	struct creel__flight *next;
	void (*landed)(void *arg);
	void *arg;
	int n;
	int left; /* of n: not complete, as far as one has looked */
	MPI_Request requests[];
};

struct creel__batch {
	struct creel__batch *next;
	struct creel__port *port;
	struct creel__flight *flight; /* made with it, so that sending it cannot fail */
	size_t used;
	_Alignas(8) unsigned char data[CREEL__MPI_BATCH];
};

static struct creel__flight *flight_new(int n)
{
	struct creel__flight *f = malloc(sizeof *f + (size_t)n * sizeof f->requests[0]);
	if (f)
		f->n = n;
	return f;
}

static void launch(struct creel__port *port, struct creel__flight *f)
{
	f->left = f->n;
	f->next = port->flights;
	port->flights = f;
}

int creel__port_init(struct creel__port *port, int peers, size_t piece)
{
	*port = (struct creel__port){.piece = piece};
	port->open = calloc((size_t)peers, sizeof *port->open);
	port->opened = calloc((size_t)peers, sizeof *port->opened);
	port->inbox = malloc(CREEL__MPI_BATCH);
	if (port->open && port->opened && port->inbox)
		return 0;
	creel__port_fini(port);
	return -ENOMEM;
}

static void batch_free(struct creel__batch *b)
{
	if (b)
		free(b->flight);
	free(b);
}

void creel__port_fini(struct creel__port *port)
{
	while (port->spare) {
		struct creel__batch *b = port->spare;
		port->spare = b->next;
		batch_free(b);
	}
	free(port->open);
	free(port->opened);
	free(port->inbox);
	*port = (struct creel__port){0};
}

static struct creel__batch *batch_new(struct creel__port *port)
{
	struct creel__batch *b = port->spare;
	if (b) {
		port->spare = b->next;
		b->used = 0;
		return b;
	}
	b = malloc(sizeof *b);
	if (!b)
		return NULL;
	b->port = port;
	b->used = 0;
	b->flight = flight_new(1);
	if (b->flight)
		return b;
	free(b);
	return NULL;
}

static void batch_done(void *arg)
{
	struct creel__batch *b = arg;
	b->next = b->port->spare;
	b->port->spare = b;
}

static void batch_send(struct creel__port *port, int peer, struct creel__batch *b)
{
	struct creel__flight *f = b->flight;
	f->landed = batch_done;
	f->arg = b;
	MPI_Isend(b->data, (int)b->used, MPI_BYTE, peer, TAG_BATCH, creel__mpi_comm, f->requests);
	launch(port, f);
}

/* The batch of a peer with room for so many bytes. */
static struct creel__batch *batch_for(struct creel__port *port, int peer, size_t size)
{
	struct creel__batch *b = port->open[peer];
	if (b && b->used + size <= CREEL__MPI_BATCH)
		return b;
	struct creel__batch *other = batch_new(port);
	if (!other)
		return NULL;
	if (b)
		batch_send(port, peer, b);
	else
		port->opened[port->opened_count++] = peer;
	port->open[peer] = other;
	return other;
}

int creel__port_put(struct creel__port *port, int peer, const struct creel__mpi_record *record,
		    const void *data)
{
	size_t size = creel__mpi_record_size(record);
	struct creel__batch *b = batch_for(port, peer, size);
	if (!b)
		return -ENOMEM;
	memcpy(b->data + b->used, record, sizeof *record);
	if (record->size && record->size <= CREEL__MPI_INLINE)
		memcpy(b->data + b->used + sizeof *record, data, (size_t)record->size);
	b->used += size;
	return 0;
}

bool creel__port_flush(struct creel__port *port)
{
	bool any = port->opened_count != 0;
	for (int i = 0; i < port->opened_count; i++) {
		int peer = port->opened[i];
		batch_send(port, peer, port->open[peer]);
		port->open[peer] = NULL;
	}
	port->opened_count = 0;
	return any;
}

/* The messages of a large payload, all of them at once: MPI takes them one after the other. */
static struct creel__flight *flight_of(const struct creel__port *port, uint64_t size,
				       void (*landed)(void *arg), void *arg)
{
	struct creel__flight *f = flight_new((int)((size + port->piece - 1) / port->piece));
	if (f) {
		f->landed = landed;
		f->arg = arg;
	}
	return f;
}

static int piece_of(const struct creel__port *port, uint64_t size, int i)
{
	uint64_t left = size - (uint64_t)i * port->piece;
	return (int)(left < port->piece ? left : port->piece);
}

int creel__port_send(struct creel__port *port, int peer, const void *data, uint64_t size,
		     void (*landed)(void *arg), void *arg)
{
	struct creel__flight *f = flight_of(port, size, landed, arg);
	if (!f)
		return -ENOMEM;
	for (int i = 0; i < f->n; i++)
		MPI_Isend((const char *)data + (size_t)i * port->piece, piece_of(port, size, i),
			  MPI_BYTE, peer, TAG_DATA, creel__mpi_comm, &f->requests[i]);
	launch(port, f);
	return 0;
}

int creel__port_receive(struct creel__port *port, int peer, void *data, uint64_t size,
			void (*landed)(void *arg), void *arg)
{
	struct creel__flight *f = flight_of(port, size, landed, arg);
	if (!f)
		return -ENOMEM;
	for (int i = 0; i < f->n; i++)
		MPI_Irecv((char *)data + (size_t)i * port->piece, piece_of(port, size, i), MPI_BYTE,
			  peer, TAG_DATA, creel__mpi_comm, &f->requests[i]);
	launch(port, f);
	return 0;
}

static bool is_complete(struct creel__flight *f)
{
	while (f->left) {
		int complete;
		MPI_Test(&f->requests[f->left - 1], &complete, MPI_STATUS_IGNORE);
		if (!complete)
			return false;
		f->left--;
	}
	return true;
}

bool creel__port_progress(struct creel__port *port)
{
	bool any = false;
	/* What is landed may launch others. */
	struct creel__flight *f = port->flights;
	port->flights = NULL;
	while (f) {
		struct creel__flight *next = f->next;
		if (is_complete(f)) {
			bool batch = f->landed == batch_done;
			f->landed(f->arg);
			if (!batch)
				free(f);
			any = true;
		} else {
			f->next = port->flights;
			port->flights = f;
		}
		f = next;
	}
	return any;
}

bool creel__port_next(struct creel__port *port, int *ret_peer, const unsigned char **ret_data,
		      size_t *ret_size)
{
	int there, size;
	MPI_Status status;
	MPI_Iprobe(MPI_ANY_SOURCE, TAG_BATCH, creel__mpi_comm, &there, &status);
	if (!there)
		return false;
	MPI_Recv(port->inbox, CREEL__MPI_BATCH, MPI_BYTE, status.MPI_SOURCE, TAG_BATCH,
		 creel__mpi_comm, &status);
	MPI_Get_count(&status, MPI_BYTE, &size);
	*ret_peer = status.MPI_SOURCE;
	*ret_data = port->inbox;
	*ret_size = (size_t)size;
	return true;
}

bool creel__port_is_quiet(const struct creel__port *port)
{
	return !port->flights && port->opened_count == 0;
}
