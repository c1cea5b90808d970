/* SPDX-License-Identifier: MIT */
/* Retries: how an attempt is submitted; see compose/retry.h. */
#include "compose/retry.h"
#include "exec/stage.h"
#include "exec/submit.h"
#include "future/argument.h"
#include "future/hook.h"

/* A continuation is tried by continuations of its input, which has ended. */
creel_future *creel__retry_submit(struct creel__retry *r, creel_fn fn, bool insists,
				  struct creel__attempt *self)
{
	creel_future *outer = self->whole;
	const struct creel__options *own = creel__options_of(outer);
	const struct creel__stage *stage = own->stage;
	const struct creel__staging staging = {.call = "retry", .insists = insists};
	const creel_submit_options options = {.name = *own->name ? own->name : NULL,
					      .limit_ns = own->limit_ns,
					      .band = own->band};
	struct creel__submission attempt = {.ex = r->beneath,
					    .fn = fn,
					    .options = &options,
					    .staging = stage ? &staging : NULL,
					    .attempt = self};
	void *data;
	creel__argument(outer, &data, &attempt.size);
	attempt.arg = data;
	return stage ? creel__stage_submit(&attempt, stage->input)
		     : creel__submit_by(&attempt, NULL);
}
