/* SPDX-License-Identifier: MIT */
/* Running tasks, and the worker that runs them. */
#ifndef CREEL__EXEC_TASK_H
#define CREEL__EXEC_TASK_H

#include "future/class.h"
#include "future/hook.h"
#include <creel/executor.h>

enum creel__claim {
	CREEL__CLAIMED,           /* the caller has it */
	CREEL__TAKEN,             /* it is cancelled, or has started elsewhere */
	CREEL__LEFT_TO_CANCELLER, /* the executor's reference, and to call class->ended() */
};

/* Adds to the state word of a task if that is PENDING: RUNNING, SETTLING or DROPPING, flags that
 * are not set yet, a reference. Waits while a canceller has it, and in a callback or a destructor
 * leaves the rest to the canceller. */
enum creel__claim creel__task_claim(creel_future *f, uint64_t add);

/* The same for a custom executor, which gives back what it finds cancelled, and cancels in place of
 * starting when it was shut down so. 0, -ECANCELED, -EPERM in a forked child; or -EALREADY: it runs
 * by now, since its executor has said to somebody that it had started. */
int creel__task_claim_custom(creel_task *task, uint64_t add);

/* A task of a custom executor that was found cancelled: drops that one's reference. */
void creel__task_drop_counted(creel_future *f);

/* Runs a task that was claimed as RUNNING, ends it and drops a reference: the executor's, or its
 * waiter's. */
void creel__task_run_claimed(creel_task *task);

/* Runs a task on the calling thread, which is none of its executor's, and gives it back: see
 * class->adopt(), of which it returns the code. If that is not 0 nothing has happened. */
int creel__task_run_here(creel_task *task);

/* Ends the tasks that the calling thread was running when pthread_exit() ended it, innermost first,
 * up to and with last; NULL: all. */
void creel__task_exited(const creel_task *last);

/* Runs what a pool's queue handed out if it is still pending, and drops the executor's reference in
 * any case. A task that its waiter has run is not counted: the waiter did. */
void creel__task_dispatch(struct creel__worker *worker, creel_task *task);

/* class->help() of executors whose workers dispatch as above. */
bool creel__task_help(struct creel__worker *worker, creel_task *task);

/* For class->lend(): runs the task, which is PENDING and HELD by the caller. queued: the queue
 * keeps the executor's reference; else that is the caller's. class->lent_ended() follows. */
void creel__task_run_held(creel_task *task, bool queued);

/* Ends a task that was accepted and will not run: fails with the error, of which it takes over a
 * reference. Returns the state: CREEL__FAILED, or CREEL__CANCELLED if it had been, or another if
 * it is somebody else's to count. */
unsigned creel__task_fail(creel_task *task, const creel_error *error);

/* The same for one that the caller has moved to SETTLING. */
void creel__task_fail_claimed(creel_task *task, const creel_error *error);

/* Ends such a task in this state, with the outcome that stands in the block. */
void creel__task_end(creel_task *task, unsigned final);

/* Cancels what a pool's queue held, unless it has started, and drops the executor's reference once
 * no canceller uses the executor any more. */
enum creel__cancelled {
	CREEL__IS_CANCELLED, /* now or before: for the caller to count */
	CREEL__ENDS_LATER,   /* its destructor is put off, and then class->ended() is called */
	CREEL__NOT_OURS,     /* whoever runs or cancels it counts it */
};
enum creel__cancelled creel__task_cancel(creel_task *task);

/* Cancels tasks of a list through next, which had been in the queue of ex, until the deadline, of
 * creel__cancel_by(): at least some. *list is what is left. Returns how
 * many it cancelled, or found cancelled; *ret_later: for how many more this thread calls
 * class->ended(), when the destructor that it is in has returned. */
uint64_t creel__cancel_until(creel_executor *ex, creel_future **list, creel_deadline deadline,
			     uint64_t *ret_later);

/* The deadline for that, of a shutdown with this one: a millisecond from now, or later. So a
 * shutdown with CREEL_NOW has cancelled the tasks when it returns, unless there are many of them or
 * their callbacks take long. */
creel_deadline creel__cancel_by(creel_deadline deadline);

/* Calls the function, and says what that returned. The result stands in the block. False: it has
 * forked, and this is the child. */
bool creel__task_call(creel_task *task, int *ret_code);

/* The end of a remote task, in two steps: claim moves it to SETTLING, after which only the caller
 * writes the result; end makes it final, as failed if there is an error (takes over the
 * reference). */
void creel__task_claim_remote(creel_future *f);
void creel__task_end_remote(creel_task *task, const creel_error *error);

/* Ends a remote task on a thread that waits for it, where no function of the user's may be called:
 * false if there is one to call. Then all is done but the last step, and whoever may call it ends
 * the task with creel__task_end_hooked(). */
bool creel__task_end_fetched(creel_task *task, const creel_error *error);
void creel__task_end_hooked(creel_task *task);

/* failure.c: whether a running task was asked to stop, as this process knows. */
bool creel__task_was_asked(creel_future *f);
/* Why a task failed: its function returned code, or it called creel_fail(). What that said is
 * kept. */
const creel_error *creel__task_failure(creel_future *f, int code);
/* The error of a task, which nobody else has yet: of kind cancelled if the task stopped when it was
 * asked to. Returns it. */
const creel_error *creel__task_stopped(creel_future *f, const creel_error *error);
/* What there is to say of a code alone. */
void creel__failure_text(char *text, size_t size, int code, bool asked);
/* Why a worker's initializer failed, which returned code and has said that (or NULL; takes over the
 * reference). */
const creel_error *creel__initializer_error(unsigned worker, int code, const creel_error *said);

#endif
