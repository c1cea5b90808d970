/* SPDX-License-Identifier: MIT */
/* What a reader gets: waits for the end of the future, then gives the result or the error. */
#include "future/future.h"
#include "future/hook.h"
#include "future/release.h"
#include "future/result.h"
#include "sync/local.h"
#include <creel/future.h>
#include <errno.h>
#include <string.h>

const creel_error *creel__future_peek_error(creel_future *f)
{
	unsigned state = creel__future_peek(f);
	if (state != CREEL__FAILED && state != CREEL__CANCELLED)
		return NULL;
	const creel_error *own = creel__result_get_error(f);
	if (own)
		return own;
	/* A child leaves the lock of the hooks alone. */
	const struct creel__options *options = creel__future_foreign(f) ? NULL
									: creel__options_of(f);
	return options && options->cancelled ? options->cancelled
					     : creel__error_static(CREEL_KIND_CANCELLED);
}

/* Waits, and turns the outcome into a return code. */
static int outcome(creel_future *f, creel_deadline deadline)
{
	if (!f)
		return -EINVAL;
	int rc = creel__future_await(f, deadline);
	if (rc)
		return rc;
	uint64_t s = creel__load(&f->state, relaxed);
	if ((s & CREEL__STATE) == CREEL__FINISHED)
		return 0;
	if (!(s & (CREEL__READ | CREEL__STATIC)))
		creel__or(&f->state, CREEL__READ, relaxed);
	return creel__future_peek_error(f)->kind == CREEL_KIND_CANCELLED ? -ECANCELED
									 : CREEL_EFAILED;
}

int creel_future_view(creel_future *f, creel_deadline deadline, const void **ret_data,
		      size_t *ret_size)
{
	int rc = outcome(f, deadline);
	if (rc)
		return rc;
	const void *data;
	size_t size;
	creel__result_look(f, &data, &size);
	if (ret_data)
		*ret_data = data;
	if (ret_size)
		*ret_size = size;
	return 0;
}

int creel_future_result(creel_future *f, creel_deadline deadline, void *ret, size_t size)
{
	int rc = outcome(f, deadline);
	if (rc || (!ret && size == 0))
		return rc;
	const void *data;
	size_t have;
	creel__result_look(f, &data, &have);
	if (have != size || !ret) {
		creel__self()->wanted = size;
		return -EMSGSIZE;
	}
	if (size)
		memcpy(ret, data, size);
	return 0;
}

int creel_future_take(creel_future *f, creel_deadline deadline, creel_buffer *ret_buffer)
{
	if (!ret_buffer)
		return -EINVAL;
	int rc = outcome(f, deadline);
	if (rc)
		return rc;
	/* [FUT-3] acquire: the others are through with it; as in creel_future_unref() */
	if (!creel__future_is_sole(creel__load(&f->state, acquire)))
		return -EBUSY;
	return creel__result_take(f, ret_buffer);
}

const creel_error *creel_future_error(creel_future *f)
{
	const creel_error *e = f ? creel__future_peek_error(f) : NULL;
	/* A child may read its parent's errors: they were complete before the fork. */
	if (e)
		(void)outcome(f, CREEL_NOW);
	return e;
}
