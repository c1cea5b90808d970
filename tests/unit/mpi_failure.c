/* SPDX-License-Identifier: MIT */
/* Errors on their way between ranks, packed and made anew: which causes arrive. */
#include "ct.h"
#include "future/error.h"
#include "mpi/failure.h"

#include <creel/creel.h>
#include <errno.h>
#include <stdlib.h>

/* A promise that has failed: the input of a continuation. */
static creel_future *failed_input(void)
{
	creel_future *input = creel_promise_new();
	ct_int(creel_promise_fail(input, CREEL_KIND_FAILED, -EIO, NULL, 0, "the input"), 0);
	return input;
}

/* What arrives of an error whose continuation has the input. Takes over the error. */
static creel_future *arrive(const creel_error *e, creel_future *input)
{
	size_t size = creel__mpi_failure_size(e, input);
	void *packed = malloc(size);
	ct_assert(packed != NULL);
	creel__mpi_failure_pack(e, input, packed);
	creel_future *f = creel__mpi_failure_future(packed);
	ct_int(creel_future_error(f)->kind, e->kind);
	ct_text(creel_future_error(f)->message, e->message);
	free(packed);
	creel__error_unref(e);
	return f;
}

static void has_cause(creel_future *f, const char *text)
{
	const creel_error *cause = creel_error_cause(creel_future_error(f), 0);
	ct_assert(cause != NULL);
	ct_text(cause->message, text);
	creel_future_unref(f);
}

/* Rank 0 puts it beneath an error of the task's own, and beneath no other. */
CT_TEST(mpi_failure, the_error_of_the_input_goes_along_where_rank_0_does_not_add_it, 0)
{
	static const struct {
		int kind;
		bool goes;
	} all[] = {{CREEL_KIND_FAILED, false},    {CREEL_KIND_CANCELLED, false},
		   {CREEL_KIND_REJECTED, true},   {CREEL_KIND_BROKEN, true},
		   {CREEL_KIND_NO_MEMORY, true},  {CREEL_KIND_SHUT_DOWN, true},
		   {CREEL_KIND_WORKER_DIED, true}};
	creel_future *input = failed_input();
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const creel_error *e = creel__error_make(all[i].kind, -ENOSPC, NULL, "no room");
		creel__error_set_cause(e, creel__error_ref(creel_future_error(input)));
		creel_future *f = arrive(e, input);
		ct_int(creel_error_cause(creel_future_error(f), 0) != NULL, all[i].goes);
		if (all[i].goes)
			has_cause(f, "the input");
		else
			creel_future_unref(f);
	}
	creel_future_unref(input);
}

CT_TEST(mpi_failure, other_causes_always_go_along, 0)
{
	creel_future *input = failed_input();
	const creel_error *e = creel__error_make(CREEL_KIND_FAILED, -EIO, NULL, "tried twice");
	const creel_error *causes[] = {
		creel__error_ref(creel_future_error(input)),
		creel__error_make(CREEL_KIND_FAILED, -EPIPE, NULL, "the other")};
	creel__error_set_causes(e, causes, 2);
	/* A failure has one. */
	has_cause(arrive(e, input), "the input");
	e = creel__error_make(CREEL_KIND_FAILED, -EIO, NULL, "alone");
	creel__error_set_cause(e, creel__error_make(CREEL_KIND_FAILED, -EPIPE, NULL, "the other"));
	has_cause(arrive(e, input), "the other");
	creel_future_unref(input);
}
