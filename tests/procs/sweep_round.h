/* SPDX-License-Identifier: MIT */
/* One life of a pool, from birth to close, in which somebody dies;
 * and what must hold afterwards. */
#ifndef CREEL_TESTS_SWEEP_ROUND_H
#define CREEL_TESTS_SWEEP_ROUND_H

#include "sweep_steps.h"

enum { SWEEP_SCENARIOS = 3 };

/* What became of all tasks of all rounds. */
struct sweep_sums {
	unsigned long tasks, delivered, died, unstarted, broken, otherwise;
	unsigned long wrong; /* what must not be */
	/* Deaths after which a pool was asked for all its workers at a time, and the microseconds
	 * until they were all at work: together, and the most. */
	unsigned long whole;
	int64_t whole_sum, whole_most;
};

extern struct sweep_sums *sweep_sums; /* shared */

/* Once, at the start. */
void sweep_round_init(void);

/* In the process that is to play rounds. */
void sweep_round_begin(void);

/* In this process: one that is armed to die is a child of it. */
void sweep_round_here(unsigned scenario, const struct sweep_order *order);

/* In a host of its own, which may be the one to die. *longest: the most microseconds from the end
 * of a host to that of the last process below it. */
void sweep_round_host(unsigned scenario, const struct sweep_order *order, int64_t *longest);

#endif
