/* SPDX-License-Identifier: MIT */
/*
 * A job of three ranks: what the executor does with tasks, whatever they do. One worker a rank, so
 * that tasks wait on the ranks; messages are small, so that large payloads take many.
 */
#ifndef CREEL_TESTS_MPI_JOB_H
#define CREEL_TESTS_MPI_JOB_H

#include "check.h"
#include <sys/types.h>

/* The tests of each file, which run one after the other; the last name is NULL. */
struct job_test {
	const char *name;
	void (*run)(void);
};
#define JOB_TEST(name)                                                                             \
	{                                                                                          \
#name, name                                                                        \
	}
extern const struct job_test job_values[], job_typed[], job_ends[];

extern creel_executor *job_ex;
extern pid_t job_rank_pid; /* of a worker: of the rank that it works for */

/* Tasks. The first returns its argument, the second the square of a long; the third fails with its
 * argument as data, the fourth returns its pid and its parent's, as long. */
int job_same(creel_task *task, const void *arg, size_t size);
int job_square(creel_task *task, const void *arg, size_t size);
int job_fail(creel_task *task, const void *arg, size_t size);
int job_where(creel_task *task, const void *arg, size_t size);

/* A task that says that it has started, and waits until it may go on. */
struct job_gated {
	char started[96], gate[96];
	long value;
	bool heeds;    /* that it was asked to stop */
	bool stubborn; /* it ignores SIGTERM */
};
struct job_gated job_gate(long value); /* another value for each */
creel_future *job_submit_gated(const struct job_gated *g);
int job_gated(creel_task *task, const void *arg, size_t size);
void job_touch(const char *path);
void job_await_file(const char *path);
/* Of the rank on which the task has started that this file tells of. */
pid_t job_await_rank(const char *path);

/* Each drops the future. */
long job_long_of(creel_future *f);
void job_must_fail(creel_future *f, int kind, const char *part);
/* The pool goes on: as a sign of it. */
void job_must_serve(void);

#endif
