/* SPDX-License-Identifier: MIT */
/* A fork server that cannot fork. */
#ifndef CREEL_TESTS_BIRTHS_H
#define CREEL_TESTS_BIRTHS_H

#include <stdbool.h>

/* For the wrapped fork(): whether the calling process's is refused now. errno is set then. */
bool births_refuse_fork(void);

#endif
