/* SPDX-License-Identifier: MIT */
/*
 * A rank's messages: those that it sends, gathered into batches, and those that it receives. One
 * thread uses a port; it makes all of creel's calls of MPI. Whoever uses one needs no MPI:
 * mpi/comm.h says who does.
 */
#ifndef CREEL__MPI_PORT_H
#define CREEL__MPI_PORT_H

#include "wire.h"
#include <stdbool.h>

struct creel__batch;
struct creel__flight;

struct creel__port {
	size_t piece;               /* of a payload that goes in messages of its own, at most */
	struct creel__batch **open; /* being filled, for each peer; or NULL */
	int *opened;                /* the peers that have one */
	int opened_count;
	struct creel__batch *spare;    /* for the next ones */
	struct creel__flight *flights; /* sent or awaited, and not complete */
	unsigned char *inbox;          /* the message that is being read */
};

/* For so many ranks. 0 or -ENOMEM. */
int creel__port_init(struct creel__port *port, int peers, size_t piece);
void creel__port_fini(struct creel__port *port);

/* Adds a record for a peer to the batch that is being filled. A small payload is copied. Of a large
 * one only the record is sent: creel__port_send() sends the rest when the peer has asked. 0, or
 * -ENOMEM and nothing has happened. */
int creel__port_put(struct creel__port *port, int peer, const struct creel__mpi_record *record,
		    const void *data);

/* Sends what has been gathered; whether there was anything. */
bool creel__port_flush(struct creel__port *port);

/* Sends or receives a large payload in place. landed(arg) is called within creel__port_progress().
 * 0, or -ENOMEM and nothing has happened. */
int creel__port_send(struct creel__port *port, int peer, const void *data, uint64_t size,
		     void (*landed)(void *arg), void *arg);
int creel__port_receive(struct creel__port *port, int peer, void *data, uint64_t size,
			void (*landed)(void *arg), void *arg);

/* Sees what has been sent and received; whether anything was. */
bool creel__port_progress(struct creel__port *port);

/* The next message of records, if there is one: valid until the next call. */
bool creel__port_next(struct creel__port *port, int *ret_peer, const unsigned char **ret_data,
		      size_t *ret_size);

/* Whether nothing is under way. */
bool creel__port_is_quiet(const struct creel__port *port);

#endif
