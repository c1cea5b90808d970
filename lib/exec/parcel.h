/* SPDX-License-Identifier: MIT */
/*
 * Parcels: the outcome of a future, in one piece of memory that another process reads. A result
 * stands there as it is. An error stands there with all that it says: its causes to a depth of
 * four, as far as they fit in 64 KiB, and how many more there are.
 */
#ifndef CREEL__EXEC_PARCEL_H
#define CREEL__EXEC_PARCEL_H

#include "future/block.h"
#include <stddef.h>

struct creel__parcel {
	uint64_t size; /* of the data */
	uint32_t failed;
	alignas(64) unsigned char data[];
};

/* How many bytes the outcome of a future that is final takes. */
size_t creel__parcel_size(creel_future *f);

/* Packs it into so many bytes at p. */
void creel__parcel_pack(struct creel__parcel *p, size_t size, creel_future *f);

/* A future that has ended as the one that was packed; its result stays in the parcel. For
 * creel__parcel_close(), before the parcel goes. NULL without memory. */
creel_future *creel__parcel_open(const struct creel__parcel *p);
void creel__parcel_close(creel_future *f);

#endif
