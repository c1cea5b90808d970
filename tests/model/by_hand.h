/* SPDX-License-Identifier: MIT */
/* For harnesses of futures: an executor of one task at a time, which the harness runs by hand. */
#ifndef CREEL_TESTS_MODEL_BY_HAND_H
#define CREEL_TESTS_MODEL_BY_HAND_H

#include "model.h"

struct by_hand {
	creel_task *task;
	int destroyed;
};

static inline int by_hand_submit(void *self, creel_task *task)
{
	((struct by_hand *)self)->task = task;
	return 0;
}

static inline void by_hand_destroy(void *self)
{
	((struct by_hand *)self)->destroyed++;
}

static inline creel_executor *by_hand_new(struct by_hand *self)
{
	*self = (struct by_hand){0};
	const creel_executor_ops ops = {
		.size = sizeof ops, .submit = by_hand_submit, .destroy = by_hand_destroy};
	return creel_executor_new(&ops, self);
}

#endif
