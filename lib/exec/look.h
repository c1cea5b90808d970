/* SPDX-License-Identifier: MIT */
/*
 * What a report asks of an executor's class. The calls take the class's lock if they get it at once
 * or nearly, hold it for a look, and call and wait for nothing else.
 */
#ifndef CREEL__EXEC_LOOK_H
#define CREEL__EXEC_LOOK_H

#include "future/class.h"
#include "future/sight.h"
#include "future/waits.h"
#include "future/watch.h"
#include <creel/executor.h>

struct creel__overview {
	const char *name;
	creel_stats stats;
	int max_workers; /* 0: it has none */
	bool closed;
	struct creel__seen
		oldest; /* of those that wait; since: its submission. task NULL: unknown */
};

struct creel__worker_look {
	unsigned number;
	int pid;           /* 0: a thread */
	const char *state; /* in words, unless it runs a task */
	bool changing;
	struct creel__seen seen; /* what it runs; sequence 0: nobody knows */
	unsigned behind;         /* tasks that were sent to it and wait there */
	enum creel__waits_for waits;
	const void *what;               /* compared, never followed, as the next */
	const creel_executor *executor; /* of a future */
	uint64_t state_word;            /* likewise */
	char name[CREEL__SEEN_NAME];    /* of its task, or "" */
};

/* The task in f as others see it, from its submission; f is alive. Nothing but the address if
 * nobody watches it, or somebody changes its hooks. */
void creel__look_at_task(creel_future *f, struct creel__seen *ret_seen);

/* What a worker waits for. */
void creel__look_at_waits(struct creel__worker *worker, struct creel__worker_look *look);

#endif
