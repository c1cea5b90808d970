/* SPDX-License-Identifier: MIT */
/* Arguments: in the block when they are small, a copy elsewhere when not, or only a pointer. The
 * payload holds the argument first: see future/result.c. */
#include "future/argument.h"
#include "base/alloc.h"
#include "future/class.h"
#include <creel/submit.h>
#include <string.h>

bool creel__argument_copy_out(creel_future *f, const void *arg, size_t size)
{
	if (size == CREEL_BY_REF) {
		f->arg_len = CREEL__ARG_REF;
		memcpy(f->payload, &arg, sizeof arg);
		return true;
	}
	struct creel__heap_arg *heap = creel__heap_arg(f);
	const struct creel__executor_class *class = f->executor->class;
	heap->data = class->shared_alloc ? class->shared_alloc(f->executor, size)
					 : creel__malloc_data(size);
	heap->size = size;
	if (!heap->data)
		return false;
	f->arg_len = class->shared_alloc ? CREEL__ARG_SHARED : CREEL__ARG_HEAP;
	memcpy(heap->data, arg, size);
	return true;
}

int creel__argument_vet(creel_future *f, creel_executor *ex)
{
	void *data;
	size_t size;
	if (!ex->class->vet)
		return 0;
	creel__argument(f, &data, &size);
	return ex->class->vet(ex, f->fn, data, size);
}

void creel__argument_free_apart(creel_future *f)
{
	struct creel__heap_arg *heap = creel__heap_arg(f);
	if (f->arg_len == CREEL__ARG_HEAP)
		creel__free(heap->data);
	else if (heap->data)
		f->executor->class->shared_free(f->executor, heap->data);
	heap->data = NULL;
}
