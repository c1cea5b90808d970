/* SPDX-License-Identifier: MIT */
/* Forks of the host, noticed without a system call. */
#ifndef CREEL__SYNC_FORK_H
#define CREEL__SYNC_FORK_H

#include <stdint.h>

/* Differs between a process and its children, for as long as 65,535 of them descend from one
 * another; never 0. */
uint16_t creel__fork_generation(void);

#endif
