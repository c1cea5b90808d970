/* SPDX-License-Identifier: MIT */
/* A worker process, once it is one. */
#ifndef CREEL__PROCS_WORK_H
#define CREEL__PROCS_WORK_H

#include "procs/child.h"

/* Initializes, serves its slots until it is told to retire, finalizes, exits. */
_Noreturn void creel__work(const struct creel__child *c, unsigned worker, uint32_t incarnation);

enum {
	CREEL__EXIT_INIT_FAILED = 111,  /* init_code says how */
	CREEL__EXIT_LIMIT_FAILED = 112, /* likewise; and from here on which limit: */
	CREEL__LIMIT_MEMORY = 0,
	CREEL__LIMIT_CPU,
	CREEL__LIMIT_FILES,
	CREEL__LIMIT_NICE,
	CREEL__LIMITS,
	CREEL__EXIT_UNKNOWN = 255, /* exit() with a status that the C library tells nobody */
};

#endif
