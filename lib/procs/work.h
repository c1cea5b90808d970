/* SPDX-License-Identifier: MIT */
/* A worker process, once it is one. */
#ifndef CREEL__PROCS_WORK_H
#define CREEL__PROCS_WORK_H

#include "procs/child.h"

/* Initializes, serves its slots until it is told to retire, finalizes, exits. */
_Noreturn void creel__work(const struct creel__child *c, unsigned worker, uint32_t incarnation);

enum {
	CREEL__EXIT_INIT_FAILED = 111, /* init_code says how */
};

#endif
