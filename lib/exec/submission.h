/* SPDX-License-Identifier: MIT */
/* A submission on its way, and why it was refused. */
#ifndef CREEL__EXEC_SUBMISSION_H
#define CREEL__EXEC_SUBMISSION_H

#include "exec/bands.h"
#include "future/class.h"
#include "future/error.h"
#include "future/times.h"
#include "future/token.h"
#include <creel/submit.h>

/* What makes a task a continuation: future/stage.h. */
struct creel__staging {
	const char *call;       /* in errors */
	unsigned flags;         /* that its options may have */
	bool recovers, insists; /* as in struct creel__stage */
};

/* What makes a task an attempt of another one. */
struct creel__attempt {
	creel_future *whole; /* that one */
	creel_future *made;  /* the attempt, set before it is given to its executor: to be known
			      * if it ends the thread there. Refused, it is gone */
};

/* What is submitted: the arguments of the public calls, on their way. */
struct creel__submission {
	creel_executor *ex;
	creel_fn fn;
	const void *arg;
	size_t size;
	const creel_submit_options *options;
	const struct creel__staging *staging; /* of a continuation; or NULL */
	struct creel__attempt *attempt;       /* or NULL */
};

static inline bool creel__submission_times(const struct creel__submission *s)
{
	return s->options && creel__times_wanted(s->options);
}

/* What is wrong with its token: 0, -ECANCELED, -EPERM. A finally runs in any case. */
static inline int creel__submission_token(const struct creel__submission *s)
{
	int rc = creel__token_check(s->options->token);
	return rc == -ECANCELED && s->staging && s->staging->insists ? 0 : rc;
}

/* The error for a submission that was refused with that code. */
const creel_error *creel__refusal(const struct creel__submission *s, int code);

/* asks.c: how many bytes of options stand behind the block of its task. 0: it has none. Only tasks
 * that ask for something, continuations, watched executors and adaptors need them. */
size_t creel__submission_asks(const struct creel__submission *s);

/* Fills them. -ENOMEM: something is lacking. */
int creel__submission_fill(creel_future *f, const struct creel__submission *s);

/* It was rejected, and with it goes what it handed over. */
void creel__submission_free_argument(const struct creel__submission *s);

/* What only some executors have. */
static inline bool creel__cannot_limit(const struct creel__submission *s)
{
	return s->options && s->options->limit_ns && !creel__executor_is_remote(s->ex);
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
static inline bool creel__flags_make_sense(const struct creel__submission *s)
{
	const creel_submit_options *o = s->options;
	if (s->staging)
		return !o->period_ns && !(o->flags & ~s->staging->flags);
	if (o->flags & CREEL_STAY && (!o->delay_ns || o->period_ns))
		return false;
	return !(o->flags & ~(unsigned)(CREEL_FIXED_RATE | CREEL_STAY)) &&
	       (o->period_ns || !(o->flags & CREEL_FIXED_RATE));
}

#endif
