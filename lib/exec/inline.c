/* SPDX-License-Identifier: MIT */
/* The inline executor: a custom one whose submit runs the task. */
#include "future/class.h"
#include <creel/executor.h>
#include <creel/pools.h>

static int submit(void *self, creel_task *task)
{
	(void)self;
	creel_task_run(task);
	return 0;
}

creel_executor *creel_inline_new(void)
{
	static const creel_executor_ops ops = {.size = sizeof ops, .submit = submit};
	creel_executor *ex = creel_executor_new(&ops, NULL);
	if (!ex->is_static)
		ex->bands = true;
	return ex;
}
