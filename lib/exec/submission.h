/* SPDX-License-Identifier: MIT */
/* A submission on its way, and why it was refused. */
#ifndef CREEL__EXEC_SUBMISSION_H
#define CREEL__EXEC_SUBMISSION_H

#include "exec/bands.h"
#include "future/class.h"
#include "future/error.h"
#include <creel/submit.h>

/* What is submitted: the arguments of the public calls, on their way. */
struct creel__submission {
	creel_executor *ex;
	creel_fn fn;
	const void *arg;
	size_t size;
	const creel_submit_options *options;
};

/* The error for a submission that was refused with that code. */
const creel_error *creel__refusal(const struct creel__submission *s, int code);

/* What only some executors have. */
static inline bool creel__cannot_limit(const struct creel__submission *s)
{
	return s->options && s->options->limit_ns && !(s->ex->task_flags & CREEL__REMOTE);
}

static inline bool creel__cannot_rank(const struct creel__submission *s)
{
	return s->options && s->options->band && !s->ex->bands;
}

static inline bool creel__cannot_stay(const struct creel__submission *s)
{
	return s->options && s->options->flags & CREEL_STAY && !s->ex->class->reserve;
}

/* Whether the flags are known, and there is what they are about. */
static inline bool creel__flags_make_sense(const creel_submit_options *o)
{
	if (o->flags & CREEL_STAY && (!o->delay_ns || o->period_ns))
		return false;
	return !(o->flags & ~(unsigned)(CREEL_FIXED_RATE | CREEL_STAY)) &&
	       (o->period_ns || !(o->flags & CREEL_FIXED_RATE));
}

#endif
