/* SPDX-License-Identifier: MIT */
/* System calls that the kernel refuses, as a container's filter does. */
#ifndef CREEL_TESTS_REFUSE_H
#define CREEL_TESTS_REFUSE_H

/* From now on, and for ever, the calling process's call fails with that error; its children's as
 * well. False where there are no filters. */
int refuse_call(long number, int error);

/* The call kills the process if its first argument is larger. */
int refuse_above(long number, unsigned most);

#endif
