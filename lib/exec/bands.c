/* SPDX-License-Identifier: MIT */
/* What is wrong with a band. */
#include "exec/bands.h"
#include "future/error.h"
#include <errno.h>

const creel_error *creel__band_refuse(const creel_submit_options *o, int code)
{
	return creel__error_make(CREEL_KIND_REJECTED, code, o->name,
				 code == -EINVAL ? "submit: band is %d; use -2 (can wait) to 2 "
						   "(urgent), or 0"
						 : "submit: band is %d, and a custom executor has "
						   "no bands; use 0",
				 o->band);
}
