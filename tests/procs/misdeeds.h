/* SPDX-License-Identifier: MIT */
/* What tasks do to their worker that they should not: for the tests of the process pool, the kill
 * storm and the sweep. All are called in a task. */
#ifndef CREEL_TESTS_MISDEEDS_H
#define CREEL_TESTS_MISDEEDS_H

#include "procs/layout.h"

#include <creel/creel.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the calling task is. Found by what is known of the layout: a small result is written into
 * the slot, and the slot lies in the control of its worker. */
struct misdeed_place {
	struct creel__slot *slot;
	struct creel__control *control;
};
/* False if there is no memory for a result. */
bool misdeed_find(creel_task *task, struct misdeed_place *ret);

/* Opens something else under every number that is open, but 0, 1, 2 and keep. */
void misdeed_take_descriptors(int keep);

/* Writes any words into its own slot; or into those of the others as well, and then it does not say
 * that it is done itself, and dies. Otherwise it would do for the others what their worker does,
 * and nobody could tell. */
void misdeed_write_garbage(creel_task *task, uint64_t random);

#endif
