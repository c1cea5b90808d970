/* SPDX-License-Identifier: MIT */
/* The argument of a task. Its destructor is called by future/release.c. */
#ifndef CREEL__FUTURE_ARGUMENT_H
#define CREEL__FUTURE_ARGUMENT_H

#include "future/block.h"

/* Copies size bytes at arg into a new block, or with CREEL_BY_REF keeps the pointer. False without
 * memory. */
bool creel__argument_copy(creel_future *f, const void *arg, size_t size);

/* The pointer and size that the function gets. */
void creel__argument(creel_future *f, void **ret_data, size_t *ret_size);

/* Frees a copy, without the argument's destructor. */
void creel__argument_free(creel_future *f);

#endif
