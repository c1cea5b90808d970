/* SPDX-License-Identifier: MIT */
/* The bell by which workers wake the manager. */
#ifndef CREEL__PROCS_BELL_H
#define CREEL__PROCS_BELL_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* To the server, from a worker whose bell is gone. */
#define CREEL__BELL_SIGNAL SIGUSR1

/* Parent: makes one: [0] is the parent's end, [1] the workers'. 0 or -errno. */
int creel__bell_make(int ret_ends[2]);
/* Parent: takes out what was rung. */
void creel__bell_hush(int fd);
/* Parent and server: rings a bell that only they have. */
void creel__bell_kick(int fd);

/* Worker: remembers what the descriptor is, and who its server is; then rings. */
void creel__bell_note(int fd, pid_t server);
void creel__bell_ring(int fd);

#endif
