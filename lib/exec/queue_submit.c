/* SPDX-License-Identifier: MIT */
/* Submitting a task and adding its future to a completion queue, in one call. */
#include "future/queue_state.h"
#include <creel/future.h>
#include <errno.h>

int creel_queue_submit_by(creel_queue *q, creel_executor *ex, creel_fn fn, const void *arg,
			  size_t size, const creel_submit_options *options, void *tag,
			  creel_deadline deadline, creel_future **ret_future)
{
	int rc = creel__queue_check(q);
	struct creel__entry *e = NULL;
	if (rc == 0)
		rc = creel__entry_new(q, tag, deadline, &e);
	if (rc)
		return rc;
	creel_future *f = NULL;
	rc = creel_try_submit(ex, fn, arg, size, options, &f);
	/* The task ran here and has forked, and this is the child. */
	if (creel__fork_foreign(q->generation))
		return -EPERM;
	if (rc) {
		creel__entry_drop(e);
		return rc;
	}
	if (ret_future)
		*ret_future = creel_future_ref(f);
	creel__entry_link(e, f);
	return 0;
}

int creel_queue_submit(creel_queue *q, creel_executor *ex, creel_fn fn, const void *arg,
		       size_t size, const creel_submit_options *options, void *tag)
{
	return creel_queue_submit_by(q, ex, fn, arg, size, options, tag, CREEL_NOW, NULL);
}
