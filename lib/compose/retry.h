/* SPDX-License-Identifier: MIT */
/*
 * Retries from inside: a task that is tried again and again is a series.
 *
 * OWNED    The task itself is never run. Once the executor has accepted it, it gets an owner
 *          (future/owned.h), so that cancellers come here. Each attempt is a task of its own, and
 *          tells of its end by a link. It knows the task (creel__options.whole), which does not end
 *          while it runs: so what its function asks about itself is answered from there. That of
 *          a continuation is a continuation of the same input; that of a finally insists, too.
 * STATES of a series, under its lock:
 *
 *   LAUNCHING ---> TRYING (attempt) ---ended---> WAITING (timer_set) ---> LAUNCHING
 *       |             |       '------ended---> ENDING: the task ends as the attempt did, or failed
 *       '-- asked ----+-- a canceller ------.
 *             (goes on to TRYING, and that  '--> WITHDRAWN, from TRYING if the attempt has not
 *              is cancelled)                     started, and from WAITING
 *
 *          ENDING and WITHDRAWN exclude each other: that is decided under the lock. A canceller
 *          who finds ENDING, or an attempt that runs, lets the task go, and asks the attempt.
 *          A canceller cancels the attempt with WITHDRAWING set: one that ends as cancelled
 *          meanwhile leaves the rest to him.
 * ASKERS   Cancellers that were told STARTED. The task does not end before they have come: a
 *          periodic one would have its next series by then.
 * LOCK     Rank 8; under it the clock's (15). Attempts are submitted and cancelled without it.
 * TOKEN    A series stands in the list of the retry's token, without a reference. Who takes it from
 *          there gets one, and one to the task, which is there until it has ended or was withdrawn;
 *          and cancels the task.
 * REFS     One for the task, until it has ended; for the timer while it is set; for the link; for
 *          whoever launches, which launch() takes over.
 * EXITS    An attempt that runs within its submission may end the thread. A guard takes note of its
 *          end, and a thread that ends begins no attempt: the next one waits for the clock.
 */
#ifndef CREEL__COMPOSE_RETRY_H
#define CREEL__COMPOSE_RETRY_H

#include "compose/backoff.h"
#include "future/error.h"
#include "future/link.h"
#include "sync/lock.h"
#include "time/timer.h"
#include <creel/retry.h>

enum {
	CREEL__RETRY_CAUSES = 8, /* of the last attempts */
};

struct creel__retry {
	creel_executor *beneath;
	creel_clock *clock; /* kept: time/timer.h */
	creel_token *token; /* a reference; or NULL */
	int attempts;
	int64_t total_ns;
	uint32_t retry_on;
	struct creel__backoff backoff;
	int (*take_in)(creel_executor *ex,
		       creel_task *task); /* class->submit() of any custom executor */
};

struct creel__attempt;

/* Submits an attempt to run fn for a task, self->whole. Its future: a reference. */
creel_future *creel__retry_submit(struct creel__retry *r, creel_fn fn, bool insists,
				  struct creel__attempt *self);

struct creel__series;

/* Of a task that comes, in its words. It has two references: for the task, and for the start. NULL
 * without memory. */
struct creel__series *creel__series_new(struct creel__retry *r, creel_task *task);
void creel__series_drop(struct creel__series *s, uint32_t refs);
/* The executor has accepted the task. Takes over the caller's reference to that, as it does not
 * return if an attempt runs within and ends the thread. */
void creel__series_start(struct creel__series *s);

/* The errors of the attempts so far: the first, and the last. References. */
struct creel__failures {
	const creel_error *first, *last[CREEL__RETRY_CAUSES];
	int64_t n;
};

/* Takes over the reference. */
void creel__failures_add(struct creel__failures *failures, const creel_error *error);
void creel__failures_fini(struct creel__failures *failures);

/* The error of a series, of which an attempt has failed. code: 0, or why there is no other one. */
const creel_error *creel__failures_error(const struct creel__failures *failures, const char *task,
					 int code);

/* The same of one that was stopped, for that reason. */
const creel_error *creel__failures_stopped(const struct creel__failures *failures, const char *task,
					   const creel_error *why);

/* Sets them as the causes of an error, if there are any. */
void creel__failures_explain(const struct creel__failures *failures, const creel_error *error);

#endif
