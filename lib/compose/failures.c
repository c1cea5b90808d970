/* SPDX-License-Identifier: MIT */
/* What the attempts of a series said; see compose/retry.h. */
#include "compose/retry.h"

void creel__failures_add(struct creel__failures *failures, const creel_error *error)
{
	const creel_error **place = &failures->last[failures->n % CREEL__RETRY_CAUSES];
	if (failures->n++ == 0) {
		/* The only one may be added again, when the clock has gone. */
		creel__error_unref(failures->first);
		failures->first = creel__error_ref(error);
	}
	creel__error_unref(*place);
	*place = error;
}

void creel__failures_fini(struct creel__failures *failures)
{
	creel__error_unref(failures->first);
	for (int i = 0; i < CREEL__RETRY_CAUSES; i++)
		creel__error_unref(failures->last[i]);
}

/* In the order of the attempts, with references. */
static size_t causes(const struct creel__failures *failures, const creel_error **ret)
{
	size_t n = 0;
	int64_t from = failures->n - CREEL__RETRY_CAUSES;
	if (from > 0)
		ret[n++] = creel__error_ref(failures->first);
	for (int64_t i = from > 0 ? from : 0; i < failures->n; i++)
		ret[n++] = creel__error_ref(failures->last[i % CREEL__RETRY_CAUSES]);
	return n;
}

const creel_error *creel__failures_error(const struct creel__failures *failures, const char *task,
					 int code)
{
	const creel_error *cause[CREEL__RETRY_CAUSES + 1];
	size_t n = causes(failures, cause);
	const creel_error *last = cause[n - 1];
	const struct creel__error_parts parts = {.kind = last->kind,
						 .code = last->code,
						 .task = task,
						 .data = last->data,
						 .size = last->size};
	const char *why = code == CREEL_EFAILED ? "the clock was dropped" : creel_code_name(code);
	const creel_error *e =
		code ? creel__error_compose(&parts,
					    "attempt %lld failed, and the clock cannot time the "
					    "next one (%s): %s",
					    (long long)failures->n, why, last->message)
		     : creel__error_compose(&parts, "all %lld attempts failed, the last one: %s",
					    (long long)failures->n, last->message);
	creel__error_set_death(e, last->pid, last->signal, last->exit_status);
	creel__error_set_causes(e, cause, n);
	return e;
}

void creel__failures_explain(const struct creel__failures *failures, const creel_error *error)
{
	const creel_error *cause[CREEL__RETRY_CAUSES + 1];
	if (failures->n)
		creel__error_set_causes(error, cause, causes(failures, cause));
}

const creel_error *creel__failures_stopped(const struct creel__failures *failures, const char *task,
					   const creel_error *why)
{
	const creel_error *e = creel__error_renamed(why, task);
	creel__failures_explain(failures, e);
	return e;
}
