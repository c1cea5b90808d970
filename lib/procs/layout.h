/* SPDX-License-Identifier: MIT */
/*
 * What parent and worker share, and who may write what.
 *
 * One anonymous shared mapping, made before the fork server and so at the same address
 * in all processes:
 *
 *   control of worker 0, 1, ... | arguments, shared_alloc | results of worker 0, 1, ... | holes,
 *   the server's last word
 *
 * A worker drops the controls that are not its own, and the last part once it has read its holes.
 * Results that are not its own it cannot touch, but for the input of the task that it runs, which
 * it can read (procs/area.c). Nothing that is written is shared between workers, there is no lock,
 * and everything that a worker can write is untrusted input to the parent: it is read once,
 * checked, and only then believed.
 *
 * A SLOT is one task on its way. Its state word commits everything:
 *
 *   EMPTY -> READY    parent: the task is written          [SLOT-1]
 *   READY -> RUNNING  worker: it starts, at that time       [SLOT-3]
 *   READY -> EMPTY    parent: taken back
 *   RUNNING -> DONE   worker: the outcome is written       [SLOT-2]
 *   RUNNING -> KILL   parent: fence; the worker can finish nothing any more, and dies
 *   READY -> KILL     the same, if it has said by `began` that it begins, and was stopped then
 *   DONE -> EMPTY     parent: delivered
 *
 * A worker serves its slots in the order of their numbers, one at a time. The parent has a table of
 * its own (struct creel__place), decides from that, and holds what it reads against it:
 *
 *   in the table            the word may be            anything else
 *   sent                    READY, RUNNING, DONE       ends the worker as a liar
 *   begun: seen RUNNING,    RUNNING, DONE, READY if    the same
 *     or `began` says so      `began` says so
 *   fenced: killed          not looked at              -
 *   sent, an older one is   READY                      the same, RUNNING excepted: the older one
 *     not DONE                                         may have ended since
 *
 * So whatever a worker has written when it dies, only the oldest task that is not DONE can have
 * begun: those behind it go to another worker. A task can overwrite DONE of those before it: what
 * says by `began` that it began does not run again (procs/take.c).
 *
 * The upper bits are a sequence number, so that a word of an earlier task never fits. The
 * sleeping words of both sides and the state words are seq_cst [BELL-1]: whoever is about to
 * sleep says so and looks once more, whoever changes a state looks for sleepers afterwards; one
 * of the two sees the other.
 */
#ifndef CREEL__PROCS_LAYOUT_H
#define CREEL__PROCS_LAYOUT_H

#include "exec/parcel.h"
#include "future/block.h"
#include "sync/atomic.h"
#include <stdalign.h>
#include <stdbool.h>

enum {
#ifdef CREEL_MODEL /* each one more is a place more to be interrupted at */
	CREEL__DEPTH = 2,
	CREEL__EXTENTS = 2,
	CREEL__PROCS_MAX = 2,
#else
	CREEL__DEPTH = 16,      /* slots a worker */
	CREEL__EXTENTS = 128,   /* results of one worker that can be held at a time */
	CREEL__PROCS_MAX = 256, /* workers a pool */
#endif
	CREEL__OUT = 256, /* bytes of a result that travel in the slot */
};

enum creel__slot_state {
	CREEL__SLOT_EMPTY,
	CREEL__SLOT_READY,
	CREEL__SLOT_RUNNING,
	CREEL__SLOT_DONE,
	CREEL__SLOT_KILL,
	CREEL__SLOT_NONSENSE, /* worker: the task has overwritten the word */
};

#define CREEL__SLOT(seq, s) ((uint64_t)(seq) << 8 | (uint64_t)(s))
/* What a waiter for that task writes into watch, and sleeps on: never 0,
 * and never another task's. */
#define CREEL__WATCH(seq) ((uint32_t)(seq) << 1 | 1u)

enum creel__out {
	CREEL__OUT_INLINE,
	CREEL__OUT_EXTENT,
	CREEL__OUT_ERROR,        /* an error, inline */
	CREEL__OUT_ERROR_EXTENT, /* an error, in an extent */
	CREEL__OUT_NO_MEMORY,    /* the same inline, and the task is not to blame */
};

struct creel__slot {
	alignas(64) _Atomic(uint64_t) state; /* both, as said above */
	/* parent: CREEL__WATCH: its waiter is parked here; its waker clears it */
	_Atomic(uint32_t) watch;
	/* Both: cancel was called, or the task sleeps; sync/local.h. */
	_Atomic(uint32_t) asked;
	uint8_t arg_len; /* from here on the parent's: as in a block */
	bool stamped;    /* the parent wants to know when it starts */
	creel_fn fn;
	struct creel__heap_arg arg;
	struct creel__parcel input; /* of a continuation: exec/parcel.h */
	unsigned char in[CREEL__ARG_INLINE];
	alignas(64) _Atomic(int64_t) started; /* from here on the worker's: when it started */
	_Atomic(uint64_t) began; /* the number of the last task that it was about to start */
	int32_t code;
	uint32_t out;     /* enum creel__out */
	uint32_t extent;  /* its number; offset: where it starts in the result area */
	uint32_t message; /* of an error: so many bytes, with the final 0; then the data */
	uint64_t offset, out_size;
	alignas(64) unsigned char out_data[CREEL__OUT];
};

/* Where the data of an error starts, behind a message of that size: see creel__slot.message. */
static inline size_t creel__out_data(size_t message)
{
	return (message + 15) & ~(size_t)15;
}

/* A part of a result area that the host holds since an earlier worker; size 0: none. */
struct creel__hole {
	uint64_t offset, size;
};

/* The fork server's last words: its number, before it rings for the last time, and once its workers
 * are gone; and the manager's, once it needs no ring any more. */
struct creel__parting {
	_Atomic(uint32_t) leaving, left, heard;
};

struct creel__control {
	alignas(64) _Atomic(uint32_t) sleeping;      /* worker: parked on, shared; 1: asleep */
	alignas(64) _Atomic(uint32_t) parent_sleeps; /* parent sets, whoever rings clears */
	alignas(64) _Atomic(uint32_t) ready;  /* worker: its incarnation, once it is initialized */
	_Atomic(int32_t) init_code;           /* worker: what the initializer returned */
	_Atomic(uint32_t) outgrown;           /* worker: it uses more than recycle_bytes */
	alignas(64) _Atomic(uint32_t) retire; /* parent: finish and leave */
	/* parent: how often it let go of each extent */
	_Atomic(uint32_t) released[CREEL__EXTENTS];
	struct creel__slot slots[CREEL__DEPTH];
};

#endif
