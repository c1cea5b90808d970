/* SPDX-License-Identifier: MIT */
/* The progress thread of rank 0, as its files see it. All is called by that thread alone, and
 * without the lock but for what says otherwise. */
#ifndef CREEL__MPI_ROOT_H
#define CREEL__MPI_ROOT_H

#include "world.h"

/* ends.c. With the lock: what is about to end, so that nobody withdraws it meanwhile. */
void creel__mpi_leave_locked(struct creel__mpi_item *item);
/* Each ends a task, and frees its item. The first takes over memory of malloc(). */
void creel__mpi_end_well(struct creel__mpi_item *item, void *data, size_t size);
void creel__mpi_end_badly(struct creel__mpi_item *item, int kind, int code, const char *what);
void creel__mpi_end_without_memory(struct creel__mpi_item *item);
/* With an error that was packed on the rank that has it. */
void creel__mpi_end_failed(struct creel__mpi_item *item, const void *data, size_t size);
/* In the queue, where it is again: whoever was told that it runs has asked it to stop. */
void creel__mpi_end_asked(struct creel__mpi_item *item);
/* By a shutdown that cancels: it has left the queue. */
void creel__mpi_end_cancelled(struct creel__mpi_item *item);
/* All of the queue, if no rank serves any more. */
void creel__mpi_fail_queue(void);

/* receive.c. Reads what has come; whether anything has. */
bool creel__mpi_receive(void);

/* send.c. Sends tasks to ranks with room, and tells ranks who is to stop; whether there was any. */
bool creel__mpi_dispatch(void);
bool creel__mpi_tell_asked(void);
/* Only with an empty queue: a rank without enough to do gets what another has not begun. */
void creel__mpi_balance(void);
/* Asks a rank to return so many tasks at most. */
void creel__mpi_recall(int rank, unsigned n);

/* sweep.c. What shutdowns ask for. */
void creel__mpi_sweep(void);

#endif
