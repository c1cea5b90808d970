/* SPDX-License-Identifier: MIT */
/*
 * What is compared: each peer is a pool with futures, behind the same few calls. Every peer pays
 * for the same: one object a task, allocated when it is submitted and let go when it was waited
 * for.
 */
#ifndef CREEL_BENCH_PEERS_H
#define CREEL_BENCH_PEERS_H

#include <stdbool.h>

enum work {
	WORK_EMPTY, /* returns at once */
	WORK_BUSY,  /* works for 2 us */
	WORK_SLEEP, /* sleeps for a millisecond */
	WORK_GATE,  /* says that it started, and waits for the gate: bench.c */
};

struct peer {
	const char *name;
	/* A pool of so many workers. help: waiters may run what they wait for, if it can that. */
	void (*open)(unsigned workers, bool help);
	/* Submits one task; returns its future. */
	void *(*submit)(enum work work);
	/* Waits for the task and lets the future go. */
	void (*wait)(void *future);
	/* Ends the pool, which has nothing to do any more. */
	void (*close)(void);
};

/* Those behind peer_queue are there where they are installed. */
extern const struct peer peer_creel, peer_queue, peer_glib, peer_moodycamel, peer_libuv;

/* What the others do. */
void work_busy(void);
void work_sleep(void);

/* The gate that WORK_GATE goes through. */
void gate_enter(void);
/* Waits until n tasks stand before it. */
void gate_await(unsigned n);
void gate_open(void);

#endif
