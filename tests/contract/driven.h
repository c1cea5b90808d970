/* SPDX-License-Identifier: MIT */
/* What the cases of driven executors share. */
#ifndef CREEL_TESTS_DRIVEN_H
#define CREEL_TESTS_DRIVEN_H

#include "contract.h"

#include <errno.h>
#include <poll.h>

static inline creel_executor *driven(void)
{
	creel_executor *ex = creel_driven_new(NULL);
	ct_assert(creel_executor_error(ex) == NULL);
	return ex;
}

static inline bool readable(creel_executor *ex)
{
	struct pollfd p = {.fd = creel_driven_fd(ex), .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

/* What was queued at entry. */
static inline void run_now(creel_executor *ex)
{
	ct_int(creel_driven_run(ex, CREEL_NOW), -ETIMEDOUT);
}

/* On a thread. */
static inline void *run_forever(void *ex)
{
	int rc = creel_driven_run(ex, CREEL_FOREVER);
	return (void *)(intptr_t)rc;
}

#endif
