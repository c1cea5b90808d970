/* SPDX-License-Identifier: MIT */
/* What the function of a continuation finds out about its input. */
#include "exec/job.h"
#include "future/result.h"
#include "future/stage.h"
#include "sync/local.h"
#include <creel/future.h>
#include <creel/then.h>
#include <errno.h>

/* The input of a task, or NULL. */
static creel_future *input_of(creel_task *task)
{
	if (!task || creel__future_foreign(&task->future) || creel__future_is_strand(&task->future))
		return NULL;
	const struct creel__stage *stage = creel__stage_of(&task->future);
	const struct creel__result_space *space = creel__self()->results;
	if (stage)
		return stage->input;
	return space && space->of == &task->future ? space->input : NULL;
}

int creel_task_input(creel_task *task, const void **ret_data, size_t *ret_size)
{
	if (task && creel__future_foreign(&task->future))
		return -EPERM;
	creel_future *input = input_of(task);
	return input ? creel_future_view(input, CREEL_NOW, ret_data, ret_size) : -EINVAL;
}

const creel_error *creel_task_input_error(creel_task *task)
{
	return creel_future_error(input_of(task));
}
