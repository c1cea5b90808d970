/* SPDX-License-Identifier: MIT */
/*
 * What rank 0 and the serving ranks say to each other: records, many of them in one message.
 *
 *   rank 0                                     a serving rank
 *   DEFINE a function       --->
 *   TASK                    --->               has it, in its backlog or in its pool
 *                           <--- FETCH         only of large arguments: there is memory for it now
 *   (the argument)          --->
 *   CANCEL, KILL            --->
 *   RECALL so many tasks    --->
 *                           <--- RETURNED      a task that had not started: it is rank 0's again
 *                           <--- RECALLED      so many were returned
 *                           <--- RESULT, FAILURE
 *   FETCH or DROP           --->               only of large results and failures
 *                           <--- (the result)
 *                           <--- OUT           its pool is broken; what it had fails
 *   BYE                     --->
 *
 * A payload of at most CREEL__MPI_INLINE bytes follows its record. A larger one goes in messages of
 * its own, straight from where it lies to where it is wanted, once the receiver has asked for it:
 * so MPI never has to keep what nobody has room for.
 */
#ifndef CREEL__MPI_WIRE_H
#define CREEL__MPI_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CREEL__MPI_INLINE = 32768,
	CREEL__MPI_BATCH = 65536, /* the size of a message of records at most */
};

enum creel__mpi_kind {
	CREEL__MPI_DEFINE = 1, /* fn; the payload is a struct creel__mpi_identity */
	CREEL__MPI_TASK,       /* id, fn, number: limit_ns; the payload is the argument */
	CREEL__MPI_STAGE, /* as TASK, of a continuation: the payload is a struct creel__mpi_stage */
	CREEL__MPI_CANCEL,   /* id */
	CREEL__MPI_KILL,     /* id, number: grace_ns, or less than 0 */
	CREEL__MPI_RECALL,   /* number: how many at most */
	CREEL__MPI_FETCH,    /* id */
	CREEL__MPI_DROP,     /* id */
	CREEL__MPI_RESULT,   /* id; the payload is the result */
	CREEL__MPI_FAILURE,  /* id; the payload is a packed error: mpi/failure.h */
	CREEL__MPI_RETURNED, /* id */
	CREEL__MPI_RECALLED, /* number: how many were returned */
	CREEL__MPI_OUT,      /* the payload is the reason, in words */
	CREEL__MPI_BYE,
};

struct creel__mpi_record {
	uint32_t kind;
	uint32_t fn;
	uint64_t id; /* of a task: where rank 0 has it */
	int64_t number;
	uint64_t size; /* of the payload */
};

/* What a continuation gets: then its input, or the packed error of that, and then its argument. */
struct creel__mpi_stage {
	uint64_t failed;
	uint64_t input; /* bytes, which are padded to a multiple of 16 */
};

static inline size_t creel__mpi_stage_size(size_t input)
{
	return sizeof(struct creel__mpi_stage) + ((input + 15) & ~(size_t)15);
}

/* How much of a message a record takes. */
static inline size_t creel__mpi_record_size(const struct creel__mpi_record *r)
{
	size_t inline_size = r->size <= CREEL__MPI_INLINE ? (size_t)r->size : 0;
	return sizeof *r + ((inline_size + 7) & ~(size_t)7);
}

/* common.c. The next record of a message, whose start moves on; its small payload in *ret_data. */
bool creel__mpi_record_next(const unsigned char **data, size_t *size, struct creel__mpi_record *ret,
			    const void **ret_data);

#endif
