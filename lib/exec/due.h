/* SPDX-License-Identifier: MIT */
/* Tasks that become due, and that expire: giving them to their executors. */
#ifndef CREEL__EXEC_DUE_H
#define CREEL__EXEC_DUE_H

#include "exec/executor.h"
#include "future/block.h"
#include <creel/submit.h>

struct creel__times;

/* 0; or what is wrong with the times that options ask for: -EINVAL, or -ENOTSUP, -EPERM for what
 * the clock is. */
int creel__due_check(const creel_executor *ex, const creel_submit_options *options);

/* That code in words; NULL if it is about something else. */
const creel_error *creel__due_explain(const creel_executor *ex, const creel_submit_options *options,
				      int code);

/* Hands over a task that nobody else knows, and whose options have times, now or when it is due.
 * 0, or a code: then the task is the caller's. */
int creel__due_submit(creel_task *task);

/* Gives a task to its class that is HELD and off the list, with its executor kept; or fails it. It
 * may be gone when this returns. False: something has forked, and this is the child. If the thread
 * ends within, and the task has times: so does the caller's reference to those, and his use of the
 * executor. */
bool creel__due_give(creel_future *f);

/* Gives one that nobody else knows to its class. 0 or a code. If the thread ends within, so does
 * the caller's reference to times. */
int creel__due_give_at_once(creel_future *f, struct creel__times *times);

/* Why a task fails that was accepted before, and that its class refuses with that code. */
const creel_error *creel__due_refusal(creel_future *f, int code);

/* Ends one that is HELD and off the list. Takes over the error. */
void creel__due_end(creel_future *f, const creel_error *error);

/* The same for one whose options have times, which count from now on: it is given when it is due.
 * Something may have forked. */
void creel__due_start(creel_future *f);

/* Fails what is not due as shut down, now and from now on; what is to stay only if the executor is
 * broken, or cancels. False: a callback has forked, and this is the child. */
bool creel__undue_close(creel_executor *ex, bool cancels);

/* Why such a task fails. */
const creel_error *creel__undue_error(creel_future *f);

/* How many there are. */
size_t creel__undue_count(creel_executor *ex);

#endif
