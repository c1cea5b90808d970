/* SPDX-License-Identifier: MIT */
/* Where a worker keeps the results that do not fit in a slot, until the parent lets go of them. */
#ifndef CREEL__PROCS_AREA_H
#define CREEL__PROCS_AREA_H

#include "procs/space.h"

/* In a worker process: so many bytes, whole pages of results, are out of its reach. */
void creel__area_close(unsigned char *at, size_t size);
/* Before any function of the user's: its results from now on. What the host still holds of earlier
 * workers in the same place is closed. */
void creel__area_enter(struct creel__space *space, unsigned worker);

/* Lets the task that is about to run read size bytes at data, its input; and ends that. 0; -EFAULT
 * if they are not where inputs are; or -ENOMEM. */
int creel__area_lend(const void *data, size_t size);
void creel__area_unlend(void);

/* Room for a result, 64-byte aligned, and the number of its extent; NULL if there is none. */
void *creel__area_alloc(size_t size, uint32_t *ret_extent);
/* The extent was not needed after all. */
void creel__area_free(uint32_t extent);
/* The extent goes to the parent: where it starts. It is free again when the parent says so. */
uint64_t creel__area_give(uint32_t extent);

#endif
