/* SPDX-License-Identifier: MIT */
/*
 * Gates: one place where tasks and permits wait, and one rule that decides when the next may go. A
 * serial executor, a semaphore and a rate limit are the same gate with different rules.
 *
 *      submit ---.                             .---> the executor beneath      (a task)
 *                +--> line --- may it go? -----+
 *     acquire ---'     |    room, and pace     '---> the future ends           (a permit)
 *                      '--> cancelled: out of the line, in constant time
 *
 * RULE   There has to be room (a semaphore counts those who went and have not come back), and it
 *        has to be time (compose/pace.h). A gate may have either, or both.
 * LINE   First in, first out, tasks and permits together (compose/line.h). Whoever is at the gate
 *        stands in the line, or is in the hand of a pass.
 * PASS   Whoever makes it possible that something goes (by entering, coming back, by the clock)
 *        makes a pass: as long as the first in line may go, take it, release the lock, hand it
 *        over, look again.
 * TURN   Over an executor that only queues (creel_executor.queues) one pass at a time hands over.
 *        Any other one leaves the line to that pass, which looks again after each step. So who went
 *        first arrives first. The step is short: functions of the user's that become due in it wait
 *        for the end of the pass, as they wait for one another (future/nest.h). Others have left
 *        the line to the pass, so none is called while the first may go.
 *
 *        Another executor may run the task within that step, for as long as that takes, and its end
 *        comes back here on the same thread. So several threads may make passes at once. Passes
 *        are listed, by thread. One who comes back from what a pass of his thread is just handing
 *        over leaves the rest to that pass: so a line of any length over the inline executor needs
 *        constant stack. And whoever enters while his thread hands something over shows that this
 *        has gone by now, which pace.h wants to know: a task that runs within the step may so wait
 *        for a later one.
 * EXITS  A task that runs within a step may end its thread, also one that a function of the user's
 *        has submitted. The pass goes on within that end: a guard is around whatever calls
 *        functions while a pass is listed.
 * LOCK   Rank 7: everything in here; under it only the clock's (15). Nothing of anybody else's is
 *        called with it held.
 * LIFE   `users`: the executor, each permit that has not ended or has not been given back, the
 *        timer while it is set, each pass.
 */
#ifndef CREEL__COMPOSE_GATE_H
#define CREEL__COMPOSE_GATE_H

#include "base/list.h"
#include "compose/line.h"
#include "compose/pace.h"
#include "sync/lock.h"
#include "time/timer.h"
#include <creel/executor.h>
#include <creel/limit.h>

struct creel__gate {
	creel_executor *beneath; /* as long as the executor is there; plain, as down to queues */
	creel_clock *clock;      /* kept (time/timer.h) */
	uint16_t generation;
	bool counts; /* room goes down and up */
	bool paced;
	bool queues;             /* as the executor beneath */
	struct creel__lock lock; /* the rest: */
	size_t users;
	struct creel__line line;
	struct creel__list passes;
	uint64_t room;
	struct creel__pace pace;
	struct creel__timer timer; /* when the first in line may go */
	bool timer_set, closed;
	bool turn; /* a pass has it */
};

struct creel__pass {
	struct creel__list at_gate; /* guarded by the gate's lock */
	struct creel__gate *gate;
	creel_future *handed; /* NULL: none; it stays until the next one, whatever ends meanwhile */
	bool came_back;       /* room that was given back within the step is looked at after it */
	int code;             /* 0, or why it can never go */
	bool going;           /* pace.h has not been told that it has gone */
	uint32_t taken;
	bool unused, stayed;       /* what was handed over uses the gate, or has room, no more */
	bool hushed;               /* functions of the user's wait for its end */
	struct creel__pass *outer; /* of the same thread */
};

/* One that has one user, the executor. room of 0: it does not count. NULL without memory. */
struct creel__gate *creel__gate_new(creel_executor *beneath, uint64_t room);

/* Gives a new gate a pace, by valid options. False without memory. */
bool creel__gate_set_pace(struct creel__gate *gate, const creel_rate_options *options);

/* The executor goes. */
void creel__gate_drop(struct creel__gate *gate);

/* A task, which waits from now on or goes. */
void creel__gate_enter(struct creel__gate *gate, creel_task *task);

/* A task that was handed over has ended. */
void creel__gate_back(struct creel__gate *gate);

/* Takes a task, or a permit, out of the line; false if it is not in there. */
bool creel__gate_withdraw(struct creel__gate *gate, creel_future *f);

/* Nobody enters any more. cancels: and who waits is cancelled. */
void creel__gate_close(struct creel__gate *gate, bool cancels);

/*
 * A permit: a future that ends when it goes through the gate. 0, -ENOMEM, or -ESHUTDOWN.
 *
 * If the gate counts, the permit has a result that nobody reads, and that has a destructor: it
 * comes back when the last reference to the future goes, or to one that ended as it did. So it
 * cannot come back twice.
 */
int creel__gate_permit(struct creel__gate *gate, creel_future **ret_permit);

/* Between gate.c and permit.c. One is a new user of the gate, and enters; false: it is closed. */
bool creel__gate_enter_permit(struct creel__gate *gate, creel_future *permit);
/* A user goes, and gives back room or none. */
void creel__gate_leave(struct creel__gate *gate, bool returns);
/* It is in the hand of a pass: guarded by the gate's lock. */
bool *creel__permit_handed(creel_future *permit);
/* Its turn has come, or never will. Takes over the gate's reference. */
void creel__permit_grant(struct creel__pass *pass, creel_future *permit);
void creel__permit_fail(struct creel__pass *pass, creel_future *permit, const creel_error *error);

#endif
