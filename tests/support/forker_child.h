/* SPDX-License-Identifier: MIT */
/* What the two sides of forker.c say to each other, and the side of the child. */
#ifndef CREEL_TESTS_FORKER_CHILD_H
#define CREEL_TESTS_FORKER_CHILD_H

#include <creel/creel.h>

#include <sys/types.h>

/* The task, as the library tells the parent: the child cannot ask for it. */
struct ct_forked {
	creel_fn fn;
	const void *arg, *input;
	size_t size, input_size;
	const creel_error *input_error; /* or NULL */
	bool continues;                 /* it has an input */
	int wire;                       /* hears a byte when the task is to stop */
	pid_t parent;
};

/* What the child says first; the data and the message follow. */
struct ct_said {
	int failed, kind, code;
	size_t size, message;
};

/* Runs it, says what came of it, and ends. */
_Noreturn void ct_forked_run(const struct ct_forked *task);

#endif
