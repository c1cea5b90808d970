/* SPDX-License-Identifier: MIT */
/* The argument of a task. Its destructor is called by future/release.c. What every task does is
 * inline. */
#ifndef CREEL__FUTURE_ARGUMENT_H
#define CREEL__FUTURE_ARGUMENT_H

#include "future/block.h"
#include <creel/submit.h>
#include <string.h>

static inline struct creel__heap_arg *creel__heap_arg(creel_future *f)
{
	return (struct creel__heap_arg *)(void *)f->payload;
}

/* The pointer and size that the function gets. */
static inline void creel__argument(creel_future *f, void **ret_data, size_t *ret_size)
{
	if (f->arg_len <= CREEL__ARG_INLINE) {
		*ret_data = f->arg_len ? f->payload : NULL;
		*ret_size = f->arg_len;
	} else if (f->arg_len != CREEL__ARG_REF) {
		*ret_data = creel__heap_arg(f)->data;
		*ret_size = creel__heap_arg(f)->size;
	} else {
		*ret_data = *(void **)(void *)f->payload;
		*ret_size = CREEL_BY_REF;
	}
}

/* Of creel__argument_copy(), what does not fit in the block. */
bool creel__argument_copy_out(creel_future *f, const void *arg, size_t size);

/* Copies size bytes at arg into a new block, or with CREEL_BY_REF keeps the pointer. False without
 * memory. */
static inline bool creel__argument_copy(creel_future *f, const void *arg, size_t size)
{
	if (size > CREEL__ARG_INLINE)
		return creel__argument_copy_out(f, arg, size);
	f->arg_len = (uint8_t)size;
	if (size)
		memcpy(f->payload, arg, size);
	return true;
}

/* Whether it is a copy that does not stand in the block. */
static inline bool creel__argument_is_apart(const creel_future *f)
{
	return f->arg_len == CREEL__ARG_HEAP || f->arg_len == CREEL__ARG_SHARED;
}

void creel__argument_free_apart(creel_future *f);

/* Whether ex can have the function and the argument of a task that was made before: as
 * class->vet(). */
int creel__argument_vet(creel_future *f, creel_executor *ex);

/* Frees a copy, without the argument's destructor. */
static inline void creel__argument_free(creel_future *f)
{
	if (creel__argument_is_apart(f))
		creel__argument_free_apart(f);
}

#endif
