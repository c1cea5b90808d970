/* SPDX-License-Identifier: MIT */
/* Making tasks and handing them to executors. */
#ifndef CREEL__EXEC_SUBMIT_H
#define CREEL__EXEC_SUBMIT_H

#include "exec/submission.h"
#include "future/block.h"
#include <creel/submit.h>

/* A pending task with a copy of the argument and one reference, the executor's.
 * NULL without memory. */
creel_task *creel__task_new(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
			    size_t more);

/* Like creel_submit_with(), but if the executor is bounded and full, waits for room until then,
 * whatever the options say. NULL: there was none, and nothing has happened. With by of NULL it
 * exceeds the bound, and never waits. */
creel_future *creel__submit_by(const struct creel__submission *s, const creel_deadline *by);

/* Hands a task to an executor, whose bound it may exceed. 0, or a code: then the task is untouched
 * and still the caller's. */
int creel__executor_submit(creel_executor *ex, creel_task *task);

#endif
