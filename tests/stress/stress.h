/* SPDX-License-Identifier: MIT */
/* What the parts of the stress test share: the records of tasks,
 * and the round that they belong to. */
#ifndef CREEL_STRESS_H
#define CREEL_STRESS_H

#include <creel/creel.h>
#include <stdatomic.h>

enum {
	SUBMITTERS = 3,
	WINDOW = 256,     /* futures that a submitter holds at a time */
	SLOTS = 8,        /* where submitters leave futures for each other */
	GUARD_MS = 120000 /* far above what any wait takes: ends a hang with a message */
};

/* What a task does. */
enum kind {
	KIND_PLAIN,   /* returns a value */
	KIND_FAILS,   /* creel_fail() */
	KIND_NESTS,   /* submits tasks to its own pool and waits for them */
	KIND_LARGE,   /* argument and result outside the block */
	KIND_SPAWNED, /* no future */
	KIND_QUEUED,  /* its future goes to the completion queue */
	KIND_EXITS,   /* ends its thread */
};

/* What became of it, as its future says; of a spawned one: only whether it was accepted. */
enum outcome { OUTCOME_NONE, OUTCOME_OK, OUTCOME_FAILED, OUTCOME_CANCELLED, OUTCOME_REJECTED };

/* One for each task. Counted by whoever runs it; the plain fields by its submitter and, when that
 * gave it away, by the one who takes from the queue. */
struct record {
	_Atomic unsigned ran, freed, called, callback_freed;
	unsigned callbacks, removed; /* registered, and of these taken back */
	struct round *round;
	creel_future *future;
	uint64_t callback_id;
	uint8_t kind, outcome;
	bool handed_over; /* arg_free was asked for */
	bool kept;        /* rejected by a call that leaves the argument to the caller */
};

/* What a task gets. Large ones are longer. */
struct argument {
	struct record *record;
	uint64_t value;
};

struct round {
	creel_executor *pool;
	creel_queue *queue;
	unsigned tasks; /* of each submitter */
	unsigned shutdown_at,
		shutdown_flags; /* a submitter shuts down at this task; 0: none does */
	uint64_t seed;
	struct record *records[SUBMITTERS];
	_Atomic(creel_future *) slot[SLOTS];
	_Atomic unsigned initialized, finalized, exits;
	_Atomic unsigned children, children_ran, children_rejected, children_cancelled;
	_Atomic unsigned maps;
	_Atomic unsigned callback_tasks; /* callbacks that asked for an executor and were called */
};

/* common.c: where the test is. */
extern uint64_t stress_seed;
extern unsigned long stress_round;

/* Says what does not hold and ends the program. */
_Noreturn void broken(const char *file, int line, const char *format, ...) CREEL_PRINTF(3, 4);
#define must(condition)                                                                            \
	((condition) ? (void)0 : broken(__FILE__, __LINE__, "not so: %s", #condition))

uint64_t random_next(uint64_t *state);
static inline bool one_in(uint64_t *state, unsigned n)
{
	return random_next(state) % n == 0;
}

/* work.c: what is submitted. */
int work(creel_task *task, const void *arg, size_t size);
void work_freed(void *arg, size_t size, void *ctx);
uint64_t work_value(const struct record *r);
void work_called(creel_future *f, void *arg);
void work_called_as_task(creel_future *f, void *arg);
void work_callback_freed(void *arg);
/* Waits for a future, checks what it says against the record, and lets it go. */
void work_settle(struct record *r, creel_future *f, uint64_t *random);

/* submit.c: the threads of a round. */
struct submitter {
	struct round *round;
	unsigned number;
};
void *submitter_main(void *submitter);
void *taker_main(void *round);

#endif
