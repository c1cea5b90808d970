/* SPDX-License-Identifier: MIT */
/*
 * How a function travels to another process that was not forked from this one: as the build-id of
 * the program or library that it is in, and its offset there; or by a name that both have given it.
 */
#ifndef CREEL__MPI_IDENTITY_H
#define CREEL__MPI_IDENTITY_H

#include <creel/base.h>
#include <stdbool.h>
#include <stdint.h>

enum { CREEL__MPI_ID_MAX = 32, CREEL__MPI_NAME_MAX = 64 };

struct creel__mpi_identity {
	uint32_t named;   /* by name, and then the rest is 0 */
	uint32_t id_size; /* of the build-id, or of the hash of the code */
	unsigned char id[CREEL__MPI_ID_MAX];
	uint64_t offset;
	char name[CREEL__MPI_NAME_MAX]; /* what it was registered as; or the file, for messages */
};

/* Gives a function a name. The string is copied. 0, -EINVAL, -EEXIST, -ENOMEM. Not thread-safe. */
int creel__mpi_name(const char *name, creel_fn fn);

/* Of this program itself, with an offset of 0. */
void creel__mpi_identify_program(struct creel__mpi_identity *ret);

/* False: it lies in nothing that was loaded. */
bool creel__mpi_identify(creel_fn fn, struct creel__mpi_identity *ret);

/* NULL: this process has it not. */
creel_fn creel__mpi_find(const struct creel__mpi_identity *identity);

/* How often anything was unloaded: until that changes, an address means what it meant. */
unsigned long long creel__mpi_unloads(void);

/* In words, for messages; at most size bytes. */
void creel__mpi_describe(const struct creel__mpi_identity *identity, char *text, size_t size);

#endif
