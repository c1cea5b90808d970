/* SPDX-License-Identifier: MIT */
/* Cancelling what a shutdown took out of a pool's queues: in slices, until a deadline. */
#include "base/clock.h"
#include "exec/executor.h"
#include "exec/task.h"

enum {
	SLICE = 128, /* tasks between two looks at the clock: some ten microseconds */
};

uint64_t creel__cancel_until(creel_executor *ex, creel_future **list, creel_deadline deadline,
			     uint64_t *ret_later)
{
	uint64_t count[CREEL__NOT_OURS + 1] = {0};
	for (unsigned n = 0; *list; n++) {
		if (n == SLICE) {
			if (creel__deadline_passed(deadline))
				break;
			n = 0;
		}
		creel_future *f = *list;
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
