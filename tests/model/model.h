/* SPDX-License-Identifier: MIT */
/*
 * The schedule model checker, as its harnesses see it; see README.md.
 *
 * A harness is a program with a table of scenarios. The checker calls a scenario's run() once
 * for each schedule, on model thread 0; when run() returns, all threads must have ended and
 * been joined or detached, and everything allocated must have been freed. A scenario keeps its
 * state in variables that it sets anew in each call, and must do the same for the same
 * choices: no clock, no addresses.
 */
#ifndef CREEL_TESTS_MODEL_H
#define CREEL_TESTS_MODEL_H

#include <creel/creel.h>

struct model_scenario {
	const char *name;
	void (*run)(void);
	/* How many times a thread is interrupted at a point where it could go on. */
	int preemptions;
	/* How many parked threads wake up for no reason. */
	int spurious;
	/* How many deadlines pass while somebody else could still run. Those that pass because
	 * nobody can are not counted. */
	int early_timeouts;
	/* How many atomic loads return an older value than the newest, where C11 allows it. */
	int stale;
	/* How many creations of a thread fail. */
	int thread_failures;
	/* How many allocations fail. */
	int malloc_failures;
	/* What creel__cpus() says; 0: as many as the workers asked for. */
	int cpus;
	/* How often a thread looks before it sleeps: sync/look.h. */
	int looks;
};

/* The harness's table; the last name is NULL. */
extern const struct model_scenario model_scenarios[];

/* Ends the exploration with a report. */
_Noreturn void model_fail(const char *sort, const char *format, ...) CREEL_PRINTF(2, 3);

#define MODEL_STRING_(x) #x
#define MODEL_STRING(x) MODEL_STRING_(x)
#define model_check(condition)                                                                     \
	((condition) ? (void)0                                                                     \
		     : model_fail("assertion", "%s, at %s", #condition,                            \
				  __FILE__ ":" MODEL_STRING(__LINE__)))

/* A thread of the harness. What the caller did before happens before fn;
 * fn before the join's end. */
int model_spawn(void (*fn)(void *arg), void *arg);
void model_join(int thread);

/* Each of 0 .. n-1 in turn: the exploration tries all. */
unsigned model_choose(unsigned n);

/* Ends the calling thread within a task, as pthread_exit() would. */
_Noreturn void model_exit_thread(void);

/* A gate: set once; those who wait get through, and see what the setter did. Setting and waiting
 * are scheduling points. */
struct model_gate {
	int open;
};
void model_gate_open(struct model_gate *gate);
void model_gate_wait(struct model_gate *gate);

/* How the trace of a failure calls an address inside the object that it is in. */
void model_name(const void *p, const char *name);

/* How far the schedule is: grows from point to point. For the order of what is not
 * ordered otherwise. */
int model_step(void);

/* The number of the calling model thread. */
int model_thread(void);

/* How many threads could not be created so far. */
int model_refused_threads(void);

#endif
