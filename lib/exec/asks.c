/* SPDX-License-Identifier: MIT */
/* What a submission asks for, as options behind the block of its task: future/hook.h. */
#include "base/cold.h"
#include "exec/submission.h"
#include "future/hook.h"
#include "future/layers.h"
#include "future/stage.h"
#include "future/times.h"
#include "future/token.h"
#include "future/watch.h"
#include <errno.h>
#include <string.h>

/* Where a stage stands behind options with a name of n bytes. */
static size_t stage_offset(size_t n)
{
	const size_t align = alignof(struct creel__stage);
	return (sizeof(struct creel__options) + n + 1 + align - 1) & ~(align - 1);
}

static void add_stage(creel_future *f, struct creel__options *own,
		      const struct creel__submission *s)
{
	struct creel__stage *stage = (void *)((char *)own + stage_offset(strlen(own->name)));
	unsigned flags = s->options ? s->options->flags : 0;
	*stage = (struct creel__stage){.insists = s->staging->insists,
				       .recovers = s->staging->recovers,
				       .upstream = flags & CREEL_CANCEL_UPSTREAM,
				       .cancelled_too = flags & CREEL_RECOVER_CANCELLED};
	creel__store(&stage->refs, 1, relaxed);
	creel__undue_init(&stage->undue, f, stage);
	own->stage = stage;
}

static const creel_submit_options *options_or_none(const struct creel__submission *s)
{
	static const creel_submit_options none;
	return s->options ? s->options : &none;
}

static size_t name_length(const creel_submit_options *o)
{
	size_t n = o->name ? strlen(o->name) : 0;
	return n < CREEL__NAME_MAX ? n : CREEL__NAME_MAX - 1;
}

CREEL__COLD size_t creel__submission_asks(const struct creel__submission *s)
{
	const creel_submit_options *o = options_or_none(s);
	size_t n = name_length(o);
	if (s->staging)
		return stage_offset(n) + sizeof(struct creel__stage);
	bool wanted = o->name || o->arg_free || o->limit_ns || o->band || o->token || s->attempt ||
		      s->ex->beneath || creel__submission_times(s) || creel__watch_wanted(s->ex);
	return wanted ? sizeof(struct creel__options) + n + 1 : 0;
}

CREEL__COLD int creel__submission_fill(creel_future *f, const struct creel__submission *s)
{
	const creel_submit_options *o = options_or_none(s);
	struct creel__options *own = creel__options_of(f);
	creel_executor *watched = creel__watch_wanted(s->ex);
	bool timed = creel__submission_times(s), layered = s->ex->beneath;
	size_t n = name_length(o);
	if (n)
		memcpy(own->name, o->name, n);
	own->name[n] = 0;
	own->arg_free = o->arg_free;
	own->arg_ctx = o->arg_ctx;
	own->limit_ns = o->limit_ns;
	own->band = o->band;
	if (s->attempt) {
		own->whole = s->attempt->whole;
		s->attempt->made = f;
	}
	own->owner = &creel__undue_owner;
	if (s->staging)
		add_stage(f, own, s);
	own->watched = watched ? creel__watched_new(watched, s->fn) : NULL;
	own->times = timed ? creel__times_new(f, o) : NULL;
	own->layers = layered ? creel__layers_new(f) : NULL;
	own->enlisted = o->token ? creel__enlisted_new(f, o->token) : NULL;
	bool lacks = (watched && !own->watched) || (timed && !own->times) ||
		     (layered && !own->layers) || (o->token && !own->enlisted);
	return lacks ? -ENOMEM : 0;
}
