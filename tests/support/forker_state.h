/* SPDX-License-Identifier: MIT */
/* The state of a forking executor, for the files that make it up: see forker.c. */
#ifndef CREEL_TESTS_FORKER_STATE_H
#define CREEL_TESTS_FORKER_STATE_H

#include "forker.h"
#include "forker_child.h"
#include "forker_wire.h"
#include "task_list.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum {
	ALIGNMENT = 64, /* of results, and of memory that is shared */
	GRACE_NS = 100 * 1000 * 1000,
	/* One more, to find out which tasks a shutdown has cancelled while processes run. */
	PLACES = CT_FORKER_MOST + 1,
};

enum end {
	LIVES,
	KILLED,    /* somebody asked for that */
	TIMED_OUT, /* its limit_ns */
};

/* A place for a task and its process. */
struct place {
	creel_task *task; /* NULL: it is free */
	bool begun;       /* it is not cancelled any more */
	bool asked;       /* to stop, and the child has not been told */
	/* Of CLOCK_MONOTONIC, when it is to die, and why; INT64_MAX: never. */
	int64_t kill_at, limit_at;
	/* Of the thread alone: */
	enum end end; /* what was done to it */
	pid_t pid;
	struct ct_wire_end wire;
	int death;  /* a descriptor of the process, or -1 where there is none */
	size_t got; /* bytes of what it said */
	struct ct_said said;
	char *body;
};

struct forker {
	pthread_mutex_t lock;
	struct ct_task_list queue;
	struct place place[PLACES];
	unsigned most;
	struct area *areas;
	bool cancelling, quit;
	int bell[2];
	sigset_t signals; /* of who made it: for the children */
	_Atomic int refs;
};

/* Lets go of it: the thread, or destroy. The second one frees it. */
void ct_forker_drop(struct forker *self);

/* forker_thread.c: the thread. */
void *ct_forker_work(void *forker);

/* forker_area.c: operations. */
void *ct_forker_alloc(void *forker, size_t size);
void ct_forker_free(void *forker, void *p);
/* A task that writes where its pointer leads is to reach this process. */
int ct_forker_vet(void *forker, creel_fn fn, const void *data, size_t size);

#endif
