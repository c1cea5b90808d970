/* SPDX-License-Identifier: MIT */
/*
 * Tasks and callbacks that tests submit, and what they do with futures. The tasks may run in
 * another process: what they touch beyond their argument lies in the arena of shared.h.
 */
#ifndef CREEL_TESTS_TASKS_H
#define CREEL_TESTS_TASKS_H

#include "ct.h"
#include "shared.h"

#include <creel/creel.h>

#define CT_GUARD creel_in_ms(CT_GUARD_MS)

/* Closes, and insists that it worked. */
void ct_close(creel_executor *ex);

/* Waits for the end of f: what creel_future_result() says of it. */
int ct_outcome(creel_future *f);
/* Waits for a result of type long. */
long ct_long(creel_future *f);
/* ct_long(), and drops the reference. */
long ct_long_drop(creel_future *f);
/* Waits until a task has been started. */
void ct_await_running(creel_future *f);

int task_nothing(creel_task *task, const void *arg, size_t size);
/* long -> long: doubled. */
int task_double(creel_task *task, const void *arg, size_t size);
/* Any bytes -> the same bytes. */
int task_echo(creel_task *task, const void *arg, size_t size);
/* struct ct_count * -> counts it up and returns the number it got. */
int task_count(creel_task *task, const void *arg, size_t size);
creel_future *ct_submit_count(creel_executor *ex, struct ct_count *counter);

/* Of a task that ends when it is asked to stop; or when it is killed, if it is deaf. */
struct ct_sleeper {
	struct ct_count *started;
	bool deaf;
};
/* struct ct_sleeper, or only its first member -> counts `started` up and sleeps. */
int task_until_asked(creel_task *task, const void *arg, size_t size);

/* Callbacks and destructors: count a struct ct_count up. */
void done_count(creel_future *f, void *counter);
void free_count(void *counter);
void arg_free_count(void *arg, size_t size, void *counter);
void buffer_free_count(void *data, size_t size, void *counter);

#endif
