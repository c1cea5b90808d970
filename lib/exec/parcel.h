/* SPDX-License-Identifier: MIT */
/*
 * Parcels: the outcome of a future, in one piece of memory that another process reads. A result
 * stands there as it is, and may be where it always was. An error stands there with all that it
 * says: its causes to a depth of four, as far as they fit in 64 KiB, and how many more there are.
 *
 * TRUST  Other tasks can write to that memory. So what says where it is, how large it is and what
 *        it is (struct creel__parcel) never stands there: whoever opens a parcel has that from the
 *        one who packed it.
 */
#ifndef CREEL__EXEC_PARCEL_H
#define CREEL__EXEC_PARCEL_H

#include "future/stage.h"

/* What a future that is final ended with: a result where it is, or the size of an error, of which
 * data is NULL so far. */
struct creel__parcel creel__parcel_of(creel_future *f);

/* Packs it into parcel->size bytes at `to`, where it is from then on. */
void creel__parcel_pack(struct creel__parcel *parcel, void *to, creel_future *f);

/* A future that has ended as the one that was packed; its result stays in the parcel. For
 * creel__parcel_close(), before the parcel goes. NULL without memory. */
creel_future *creel__parcel_open(const struct creel__parcel *parcel);
void creel__parcel_close(creel_future *f);

#endif
