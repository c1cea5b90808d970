/* SPDX-License-Identifier: MIT */
/* Cancelling what a shutdown took out of a pool's queues: in slices, until a deadline. */
#include "base/clock.h"
#include "exec/executor.h"
#include "exec/task.h"

#define LEAST_NS CREEL_MS(1)

enum {
	SLICE = 128, /* tasks between two looks at the clock: some ten microseconds */
};

/* It may call functions of the user's, which take as long as they like. */
static bool may_take_long(const creel_future *f)
{
	return creel__load(&f->state, relaxed) & (CREEL__HOOKED | CREEL__OPTIONS);
}

creel_deadline creel__cancel_by(creel_deadline deadline)
{
	creel_deadline least = creel_in_ns(LEAST_NS);
	return deadline.ns < least.ns ? least : deadline;
}

uint64_t creel__cancel_until(creel_executor *ex, creel_future **list, creel_deadline deadline,
			     uint64_t *ret_later)
{
	uint64_t count[CREEL__NOT_OURS + 1] = {0};
	unsigned n = 0;
	while (*list) {
		if (n >= SLICE) {
			if (creel__deadline_passed(deadline))
				break;
			n = 0;
		}
		creel_future *f = *list;
		n += may_take_long(f) ? SLICE : 1;
		/* Before the call: its callbacks may end the thread. */
		*list = f->next;
		count[creel__task_cancel((creel_task *)f)]++;
		/* A callback has forked, and this is the child. */
		if (creel__executor_foreign(ex)) {
			*list = NULL;
			break;
		}
	}
	*ret_later = count[CREEL__ENDS_LATER];
	return count[CREEL__IS_CANCELLED];
}
