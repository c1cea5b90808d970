/* SPDX-License-Identifier: MIT */
/* The list of an executor's tasks that its class has not got yet: those that are not due
 * (future/times.h), and those that wait for their input (future/stage.h). */
#ifndef CREEL__FUTURE_UNDUE_H
#define CREEL__FUTURE_UNDUE_H

#include "base/list.h"
#include "future/class.h"

struct creel__stage;

struct creel__undue {
	struct creel__list node;
	creel_future *task;         /* for whoever finds it in the list */
	struct creel__stage *stage; /* of one that waits for its input; or NULL */
	bool stays;                 /* CREEL_STAY: it keeps its executor itself */
};

static inline void creel__undue_init(struct creel__undue *undue, creel_future *task,
				     struct creel__stage *stage)
{
	creel__list_init(&undue->node);
	undue->task = task;
	undue->stage = stage;
	undue->stays = false;
}

/* Onto the list. False if the executor has been shut down. */
bool creel__undue_add(creel_executor *ex, struct creel__undue *undue);

/* Off the list, if it is on it. The executor is kept from then on, until the class has the task or
 * it has ended. */
void creel__undue_take(creel_executor *ex, struct creel__undue *undue);

#endif
