/* SPDX-License-Identifier: MIT */
/* Where a task is: its executor, its future, its token, its worker; and the words that its executor
 * keeps in it. */
#include "exec/executor.h"
#include "exec/job.h"
#include "future/future.h"
#include "future/layers.h"
#include "future/result.h"
#include "future/token.h"
#include "sync/local.h"
#include <creel/executor.h>
#include <creel/future.h>
#include <creel/task.h>
#include <limits.h>

/* What the task is an attempt of, if it is one. */
static creel_future *outermost(creel_future *f)
{
	for (creel_future *whole = f; whole; whole = creel__whole_of(whole))
		f = whole;
	return f;
}

/* In a worker process the executor is the host's, and in a forked child its parent's. */
static bool is_here(const creel_task *task)
{
	return task && !creel__executor_foreign(task->future.executor);
}

creel_executor *creel_task_executor(creel_task *task)
{
	if (!is_here(task))
		return NULL;
	creel_executor *ex = task->future.executor;
	/* A loop may run elsewhere than the task that waits for it. */
	creel_future *root = creel__strand_root(task);
	return root && root->executor == ex ? creel__task_origin(outermost(root)) : ex;
}

creel_future *creel_task_future(creel_task *task)
{
	bool has_one = is_here(task) && !creel__future_is_strand(&task->future);
	return has_one ? creel_future_ref(outermost(&task->future)) : NULL;
}

creel_token *creel_task_token(const creel_task *task)
{
	if (!task)
		return NULL;
	creel_future *f = (creel_future *)(uintptr_t)&task->future;
	if (creel__future_foreign(f) || creel__future_is_strand(f))
		return NULL;
	struct creel__enlisted *enlisted = NULL;
	for (; f && !enlisted; f = creel__whole_of(f))
		enlisted = creel__enlisted_of(f);
	return enlisted ? enlisted->reg.token : NULL;
}

/* They stand where the result will: nobody writes that before the task runs or is rejected. */
void **creel_task_words(creel_task *task)
{
	if (!is_here(task))
		return NULL;
	uint64_t s = creel__load(&task->future.state, relaxed);
	unsigned state = s & CREEL__STATE;
	bool queued = state == CREEL__PENDING || state == CREEL__PINNED ||
		      state == CREEL__DROPPING || state == CREEL__CANCELLED;
	bool custom = task->future.executor->traits & CREEL__COUNTS;
	return custom && queued ? creel__result_words(&task->future) : NULL;
}

void *creel_task_local(creel_task *task)
{
	struct creel__strand *s = task ? creel__strand_of(task) : NULL;
	struct creel__worker *worker = creel__self()->worker;
	if (s)
		return s->data;
	return worker ? worker->local : NULL;
}

unsigned creel_task_worker(creel_task *task)
{
	struct creel__strand *s = task ? creel__strand_of(task) : NULL;
	struct creel__worker *worker = creel__self()->worker;
	if (s)
		return s->number;
	return worker ? worker->index : UINT_MAX;
}

creel_task *creel_task_current(void)
{
	return creel__self()->task;
}
