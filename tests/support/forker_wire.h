/* SPDX-License-Identifier: MIT */
/* The wires of forking executors: ENDS in forker.c. */
#ifndef CREEL_TESTS_FORKER_WIRE_H
#define CREEL_TESTS_FORKER_WIRE_H

#include <stdbool.h>
#include <sys/types.h>

struct ct_wire_end {
	int fd;
	struct ct_wire_end *next;
};

/* Once, before all others. */
void ct_wires_prepare(void);
/* False: errno says why. */
bool ct_wire_open(struct ct_wire_end *here, struct ct_wire_end *there);
void ct_wire_close(const struct ct_wire_end *end);
/* fork(). The child has that end, and no other. */
pid_t ct_wire_fork(const struct ct_wire_end *there);

#endif
