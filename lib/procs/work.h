/* SPDX-License-Identifier: MIT */
/* A worker process, once it is one. */
#ifndef CREEL__PROCS_WORK_H
#define CREEL__PROCS_WORK_H

#include "procs/child.h"

/* Initializes, serves its slots until it is told to retire, finalizes, exits. */
_Noreturn void creel__work(const struct creel__child *c, unsigned worker, uint32_t incarnation);

/* limits.c: of this process. */
/* Sets those of the options. If one cannot be set, the worker ends with what says so. */
void creel__limits_set(const creel_process_pool_options *o, struct creel__control *c);
/* Those that are for one task begin anew. */
void creel__limits_before_task(const creel_process_pool_options *o);
/* It is initialized: what it holds now is not counted in recycle_bytes. */
void creel__limits_ready(const creel_process_pool_options *o);
/* Whether it has grown by more than recycle_bytes. */
bool creel__limits_outgrown(const creel_process_pool_options *o);
/* Of the candidates for the OOM killer, a worker is a better one than its host. */
void creel__limits_offer_to_oom(pid_t host);

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
