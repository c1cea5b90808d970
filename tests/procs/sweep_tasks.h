/* SPDX-License-Identifier: MIT */
/* The tasks of kill_sweep, what they leave in shared memory, and how their host waits for that. */
#ifndef CREEL_TESTS_SWEEP_TASKS_H
#define CREEL_TESTS_SWEEP_TASKS_H

#include "sweep_steps.h"

#include <creel/creel.h>

enum {
	JOBS = 64, /* a round */
	COPIED_SIZE = 4096,
	MOVED_SIZE = 65536,
	HANDED_SIZE = 2000,
	LARGE_SIZE = 100000,
	SHARED_SIZE = 4096,
	FAILS_CODE = 41,
	ASKED_CODE = 42,
	EXIT_STATUS = 3,
};

enum sort {
	SMALL,
	COPIED, /* a result that is copied from its extent */
	MOVED,  /* one that is held where it is */
	HANDED, /* one in memory of the task's */
	FAILS,
	LARGE_IN, /* an argument in shared memory */
	SHARED,   /* creel_shared_alloc() */
	GATED,    /* waits for the gate */
	HANGS,
	EXITS,
	CLOSES,  /* and reuses every descriptor that it finds */
	FORKS,   /* and its child returns as well */
	STOPS,   /* itself, until it is over its limit */
	GARBAGE, /* writes any words into its slot, and may say that it did not begin */
	MEETS,   /* waits until as many run as there may be workers */
};

/* What a task gets; LARGE_IN and SHARED more behind it. */
struct order {
	uint32_t id, sort;
};

/* In memory that all processes share. */
struct ledger {
	_Atomic(uint32_t) word; /* counts all changes; slept on */
	_Atomic(uint32_t) gate, met, meeting;
	_Atomic(int32_t) end;   /* what a task must leave open */
	_Atomic(uint32_t) liar; /* the number of the task that writes garbage */
	_Atomic(uint32_t) ran[JOBS], told[JOBS];
	_Atomic(int32_t) runner[JOBS];
	_Atomic(int32_t) worker[SWEEP_INSTANCES], server[SWEEP_INSTANCES];
};

extern struct ledger *ledger;

/* Whoever changes something that the host awaits says so. */
void changed(void);
void raise_to(_Atomic(uint32_t) *count, uint32_t n);
/* Until count is at least n, or what should have raised it has ended otherwise. */
void await(_Atomic(uint32_t) *count, uint32_t n, const _Atomic(uint32_t) *or_told);

void fill(unsigned char *data, size_t size, uint32_t id);
bool is_filled(const unsigned char *data, size_t size, uint32_t id);

int sweep_task(creel_task *t, const void *arg, size_t size);
int sweep_initialize(void *ctx, unsigned worker, void **ret_local);
void sweep_finalize(void *ctx, void *local);

#endif
