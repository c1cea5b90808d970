/* SPDX-License-Identifier: MIT */
/* A list of tasks, through the words that each has for its executor. The lock of the caller guards
 * it. */
#pragma once

#include <creel/creel.h>
#include <stdbool.h>
#include <stddef.h>

struct ct_task_list {
	creel_task *first, *last;
};

static inline void **ct_task_next(creel_task *task)
{
	return &creel_task_words(task)[0];
}

static inline void **ct_task_before(creel_task *task)
{
	return &creel_task_words(task)[1];
}

static inline void ct_task_append(struct ct_task_list *list, creel_task *task)
{
	*ct_task_next(task) = NULL;
	*ct_task_before(task) = list->last;
	if (list->last)
		*ct_task_next(list->last) = task;
	else
		list->first = task;
	list->last = task;
}

/* Returns false if it was taken out before: such a task is its own next. */
static inline bool ct_task_take(struct ct_task_list *list, creel_task *task)
{
	creel_task *next = *ct_task_next(task), *before = *ct_task_before(task);
	if (next == task)
		return false;
	if (before)
		*ct_task_next(before) = next;
	else
		list->first = next;
	if (next)
		*ct_task_before(next) = before;
	else
		list->last = before;
	*ct_task_next(task) = task;
	return true;
}
