/* SPDX-License-Identifier: MIT */
/* What is wrong with the times that a submission asks for. */
#include "exec/due.h"
#include "exec/executor.h"
#include "future/error.h"
#include "time/timer.h"
#include <errno.h>

int creel__due_check(const creel_executor *ex, const creel_submit_options *o)
{
	if (o->delay_ns < 0 || o->expiry_ns < 0 || o->period_ns < 0 ||
	    (o->expiry_ns && o->expiry_ns <= o->delay_ns))
		return -EINVAL;
	int rc = creel__clock_check(o->clock);
	if (rc)
		return rc;
	if (!o->clock || !(creel__clock_flags(o->clock) & CREEL_CLOCK_MANUAL))
		return 0;
	if (o->flags & CREEL_STAY)
		return -EINVAL;
	return creel__executor_is_remote(ex) ? -ENOTSUP : 0;
}

static const creel_error *refuse_option(const creel_submit_options *o, const char *field,
					int64_t value)
{
	return creel__error_make(CREEL_KIND_REJECTED, -EINVAL, o->name,
				 "submit: %s is %lld; use 0 for none, or a duration", field,
				 (long long)value);
}

static const creel_error *refuse_clock(const creel_submit_options *o, int code)
{
	static const char *const why[] = {
		[EPERM] = "submit: the clock is the parent's, and this is a forked child; make one "
			  "here, or use NULL",
		[EINVAL] = "submit: creel_clock_new got unknown flags; use CREEL_CLOCK_MANUAL or 0",
		[ENOMEM] = "submit: creel_clock_new had no memory",
	};
	const char *text = code == -EINVAL
				   ? "submit: flags has CREEL_STAY and the clock is manual: a "
				     "shutdown would wait for whoever advances it; use a real clock"
				   : "submit: a process pool runs by the real clock; this one is "
				     "manual";
	if (creel__clock_check(o->clock) == code)
		text = why[-code];
	return creel__error_make(CREEL_KIND_REJECTED, code, o->name, "%s", text);
}

const creel_error *creel__due_explain(const creel_executor *ex, const creel_submit_options *o,
				      int code)
{
	if (creel__due_check(ex, o) != code)
		return NULL;
	if (o->delay_ns < 0)
		return refuse_option(o, "delay_ns", o->delay_ns);
	if (o->expiry_ns < 0)
		return refuse_option(o, "expiry_ns", o->expiry_ns);
	if (o->period_ns < 0)
		return refuse_option(o, "period_ns", o->period_ns);
	if (o->expiry_ns && o->expiry_ns <= o->delay_ns)
		return creel__error_make(
			CREEL_KIND_REJECTED, code, o->name,
			"submit: expiry_ns is %lld and delay_ns is %lld; both count from the "
			"submission: the task would expire before it is due",
			(long long)o->expiry_ns, (long long)o->delay_ns);
	return refuse_clock(o, code);
}
