/* SPDX-License-Identifier: MIT */
/*
 * The block: task and future in one piece of 96 bytes. One that has options has them behind it, in
 * the same piece.
 *
 * STATE WORD  High half: the reference count. Low half, which waiters park on: the state and flags.
 *
 *   PENDING ----claim----> RUNNING ------------------> FINISHED | FAILED
 *      |  \                                              ^
 *      |   '--(promise set, reject)--> SETTLING ---------'
 *      '--cancel--> PINNED --> DROPPING --> CANCELLED
 *
 *   PINNED    The canceller has won. It asks the executor to withdraw the task, and the executor
 *             does not let go of the task until that is over. No function of the user's runs
 *             meanwhile, except the withdraw of a custom executor: so a thread that waits for the
 *             end of PINNED waits a moment, and never for itself. Reads as PENDING.
 *   DROPPING  The canceller is through with the executor and holds a reference of its own. It runs
 *             the argument's destructor. An executor that finds the task waits for the end of that,
 *             so that nothing is left when a shutdown returns. A thread that is itself in a
 *             destructor or a callback never waits here: it might wait for itself. It sets LEFT,
 *             and the canceller then drops the executor's reference and has the task counted as
 *             ended, when the destructor has returned. Reads as PENDING.
 *   SETTLING  One of several that would settle it has won and writes the result. Reads as RUNNING.
 *   The last three are final. All that a result consists of is plain data: written only by whoever
 *   moved the word to RUNNING, SETTLING or PINNED, read only after the word was seen final, and
 *   taken out or freed by whoever then holds the sole reference of a user (future/release.c).
 *
 * HELD      Somebody who holds a future of an executor uses that executor: one who asks where a
 *           remote task is, cancels or kills it, or one who is about to sleep for a pending task
 *           and wakes a worker for it. Meanwhile the task cannot start here and cannot end, so that
 *           the executor cannot go. It lasts as long as one or two of the executor's locks; or,
 *           where the input of a continuation is packed for another process, as a custom executor's
 *           alloc, which must not wait for that task. Whoever meets it looks a few times and then
 *           parks on the word.
 * REMOTE    The tasks of a process pool run where this word is not. A worker's slot says whether
 *           one has started, and whoever wants to know (state, cancel, kill) asks the executor,
 *           with the future HELD.
 *
 * OWNED     It has an owner (future/owned.h), and no executor knows it: a timer, say, or a task
 *           that is not due. The owner moves it on from PENDING. A canceller asks the owner.
 *
 * FOLLOWS   A task that is RUNNING and OWNED has returned another future, and ends as that does:
 *           future/follow.h.
 *
 * REFERENCES  One for each holder of the future; one for the executor, from submission until the
 *             task has ended or the executor has found it cancelled; one for whoever tells the
 *             listeners and calls the callbacks. Some of them are the library's alone and keep
 *             nothing but the block: future/release.c.
 */
#ifndef CREEL__FUTURE_BLOCK_H
#define CREEL__FUTURE_BLOCK_H

#include "sync/atomic.h"
#include "sync/fork.h"
#include <creel/error.h>
#include <stdalign.h>

enum {
	CREEL__PENDING,
	CREEL__PINNED,
	CREEL__RUNNING,
	CREEL__SETTLING,
	CREEL__DROPPING,
	CREEL__FINISHED, /* from here on final */
	CREEL__FAILED,
	CREEL__CANCELLED,
	CREEL__STATE = 7,       /* mask */
	CREEL__WAITED = 8,      /* somebody is parked on the word, or about to be */
	CREEL__HOOKED = 16,     /* hooks want to hear of the end */
	CREEL__ASKED = 32,      /* cancel was called while it ran */
	CREEL__READ = 64,       /* somebody looked at the error */
	CREEL__OPTIONS = 128,   /* a struct creel__options stands behind the block; set at birth */
	CREEL__PROMISE = 256,   /* no executor; set at birth */
	CREEL__SLOW = 512,      /* the executor has traits: future/class.h; set at birth */
	CREEL__STATIC = 1024,   /* constant: reference counting and flags skip it */
	CREEL__OWNED = 2048,    /* it has an owner; of one without an executor set at birth */
	CREEL__QUEUED = 32768,  /* helped or cancelled: the queue only has to drop its reference */
	CREEL__CALLING = 65536, /* callbacks or links: waiting for the end, or not all called yet */
	CREEL__LATE_ARG = 131072, /* final, and the argument's destructor is still to run */
	CREEL__LEFT = 262144,     /* the thread with the destructor also does the executor's part */
	CREEL__AWAKE = 262144,    /* of a task that RUNS: its sleep is over */
	CREEL__LATE_END =
		524288,       /* with LATE_ARG: and then the executor counts the task as ended */
	CREEL__REMOTE = 4096, /* runs in another process: PENDING may be RUNNING there; at birth */
	CREEL__TELLING = 16384, /* final, and the listeners are being told */
	CREEL__RUNNER = 20,     /* the bit from which 12 bits tell whose thread runs it */
	CREEL__HELD = 8192,     /* somebody uses the executor: it must not start or end */
};

#define CREEL__REF (UINT64_C(1) << 32)
/* The bits that tell whose thread runs it. */
#define CREEL__MARKS (CREEL__REF - (UINT64_C(1) << CREEL__RUNNER))

/* How the payload is used. Otherwise arg_len and result_len are lengths inline. */
enum {
	CREEL__ARG_INLINE = 32,      /* the most */
	CREEL__ARG_HEAP = 0xff,      /* struct creel__heap_arg */
	CREEL__ARG_SHARED = 0xfd,    /* struct creel__heap_arg, of the executor's arg_alloc */
	CREEL__ARG_REF = 0xfe,       /* the pointer itself */
	CREEL__RESULT_BOX = 0xff,    /* a struct creel__box * */
	CREEL__RESULT_ERROR = 0xfe,  /* a const creel_error * */
	CREEL__RESULT_OF = 0xfd,     /* a creel_future *, whose result it is; that has its own */
	CREEL__RESULT_FOLLOW = 0xfc, /* not final: a struct creel__follow *, future/follow.h */
	CREEL__PAYLOAD = 48,
};

struct creel__owner;

struct creel__heap_arg {
	void *data;
	size_t size;
};

struct creel_future {
	union {
		creel_future *next; /* in its queue; on a free list */
		/* A remote task that is with a worker: its executor's note of where. */
		size_t where;
	};
	union {
		creel_fn fn;                      /* until it is called */
		const struct creel__owner *owner; /* OWNED and no executor; until it is final */
		creel_task *outer;   /* while it runs: what the thread was running before */
		creel_future *dying; /* once it is final: future/nest.c */
	};
	creel_executor *executor; /* alive until the task has ended; only compared afterwards */
	_Atomic(uint64_t) state;
	_Atomic(uintptr_t) hooks; /* future/hook.h */
	uint8_t arg_len;
	union {
		uint8_t result_len;
		uint8_t attempts; /* a remote task that is PENDING: deaths of workers before it */
	};
	uint16_t generation; /* of the process that it belongs to */
	uint32_t hook_ids;   /* counts callbacks, for their names; guarded by the lock in hooks */
	alignas(16) unsigned char payload[CREEL__PAYLOAD];
};

/* A task is the same block, as its function sees it. */
struct creel_task {
	creel_future future;
};

_Static_assert(sizeof(creel_future) == 96 || sizeof(void *) != 8, "a block has 96 bytes");

/* Whether a forked child uses its parent's future. */
static inline bool creel__future_foreign(const creel_future *f)
{
	return creel__fork_foreign(f->generation);
}

/* Whether a state word is that of a final future. */
static inline bool creel__is_final(uint64_t s)
{
	return (s & CREEL__STATE) >= CREEL__FINISHED;
}

static inline unsigned creel__future_peek(creel_future *f)
{
	/* [FUT-1] acquire: whoever sees it final sees the result; pairs with the release in
	 * creel__future_settle() */
	return creel__load(&f->state, acquire) & CREEL__STATE;
}

static inline bool creel__future_is_final(creel_future *f)
{
	return creel__future_peek(f) >= CREEL__FINISHED;
}

/* A block with one word of state set and no payload; NULL without memory. */
creel_future *creel__block_new(uint64_t state);
void creel__block_free(creel_future *f);

/* The same in one piece with more bytes behind it, for options (future/hook.h): OPTIONS is set. */
creel_future *creel__block_new_wide(uint64_t state, size_t more);
void creel__block_free_wide(creel_future *f, size_t more);

/* Has what the calling thread keeps (blocks, the reserve for errors) given back when it ends. */
void creel__thread_hook(void);

#endif
