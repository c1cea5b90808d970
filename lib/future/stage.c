/* SPDX-License-Identifier: MIT */
/* How stages end; see future/stage.h. */
#include "future/stage.h"
#include "future/error.h"
#include "future/owned.h"
#include "future/result.h"
#include "future/token.h"
#include <errno.h>

bool creel__stage_unlink(struct creel__stage *stage, creel_future **ret_input)
{
	/* [STAGE-2] acquire: the link is back on; pairs with the release in cancel_input() of
	 * compose/then.c */
	return creel__load(&stage->off, acquire) == CREEL__ON &&
	       creel__link_remove(&stage->link, ret_input);
}

unsigned creel__stage_outcome(creel_future *f, const struct creel__stage *stage, unsigned final)
{
	if (final != CREEL__FINISHED)
		return final;
	if (!stage->asked)
		return creel__whole_of(f) ? final : creel__outcome_pass(f, stage->input);
	const char *name = creel__task_name(f);
	const creel_error *e = creel__error_make(CREEL_KIND_CANCELLED, -ECANCELED, name,
						 "cancelled; its function has run");
	struct creel__enlisted *enlisted = creel__enlisted_of(f);
	const creel_error *why = enlisted ? creel__token_why(enlisted->reg.token) : NULL;
	if (why) {
		const creel_error *own = creel__error_renamed(why, name);
		creel__error_set_cause(own, e);
		e = own;
	}
	creel__result_error(f, e);
	return CREEL__CANCELLED;
}
