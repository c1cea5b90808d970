/* SPDX-License-Identifier: MIT */
/* Posting jobs to an executor that can take them: see exec/job.h. */
#include "exec/job.h"
#include <errno.h>

int creel_job_post(creel_executor *ex, creel_job *opaque, creel_job_fn fn)
{
	struct creel__job *job = (struct creel__job *)opaque;
	uint32_t idle = CREEL__JOB_IDLE;
	if (!ex || !job || !fn)
		return -EINVAL;
	if (creel__executor_foreign(ex))
		return -EPERM;
	if (creel__load(&ex->error, relaxed))
		return CREEL_EFAILED;
	if (!ex->class->post)
		return -ENOTSUP;
	/* Of several that post it at once, one does. Relaxed: it changes hands by the lock. */
	if (!creel__cas(&job->state, &idle, CREEL__JOB_POSTING, relaxed, relaxed))
		return -EBUSY;
	job->fn = fn;
	job->executor = ex;
	int rc = ex->class->post(ex, job);
	if (rc)
		creel__store(&job->state, CREEL__JOB_IDLE, relaxed);
	return rc;
}

int creel_job_cancel(creel_job *opaque)
{
	struct creel__job *job = (struct creel__job *)opaque;
	if (!job)
		return -EINVAL;
	if (creel__load(&job->state, relaxed) != CREEL__JOB_POSTED)
		return -EBUSY;
	creel_executor *ex = job->executor;
	if (creel__executor_foreign(ex))
		return -EPERM;
	return ex->class->unpost(ex, job) ? 0 : -EBUSY;
}
