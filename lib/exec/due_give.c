/* SPDX-License-Identifier: MIT */
/*
 * Tasks with times, and continuations, on their last way: to the executor's class, which may refuse
 * them, or run them at once.
 *
 * EXITS  A task that its class runs at once may end the thread, and with it the calls that gave it.
 *        What those had, and would have let go of afterwards, goes by a guard of the thread: here
 *        for all who give tasks with times (struct handing, struct offer), so each of them has
 *        exactly one reference to times, and no other duty.
 */
#include "exec/due.h"
#include "exec/task.h"
#include "future/argument.h"
#include "future/future.h"
#include "future/layers.h"
#include "future/stage.h"
#include "future/times.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <errno.h>

/* What there is to say of a task if its class refuses it. Taken while it is HELD: afterwards a
 * canceller may end it, and what it has goes, but for the block with its name. */
struct note {
	const char *name; /* stands in the block, to which the executor has a reference; or NULL */
	bool staged;
	const creel_error *cause; /* a reference: why the input of a continuation failed; or NULL */
	struct creel__times *times;
};

static struct note take_note(creel_future *f)
{
	const struct creel__options *options = creel__options_of(f);
	struct note note = {.name = NULL};
	if (!options)
		return note;
	note.name = options->name;
	note.times = options->times;
	note.staged = options->stage;
	if (note.staged)
		note.cause = creel__error_ref(creel__future_peek_error(options->stage->input));
	return note;
}

/* Why the class does not take a task that was accepted before. Takes over the cause. */
static const creel_error *refusal(creel_executor *ex, const struct note *note, int code)
{
	int kind = code == -ESHUTDOWN      ? CREEL_KIND_SHUT_DOWN
		   : code == CREEL_EFAILED ? CREEL_KIND_BROKEN
		   : code == -ENOEXEC      ? CREEL_KIND_NOT_TRANSFERABLE
					   : CREEL_KIND_REJECTED;
	const creel_error *broken = creel__executor_error(ex), *cause = note->cause;
	const creel_error *why = code == CREEL_EFAILED ? broken : NULL;
	const creel_error *e = creel__error_make(kind, why ? why->code : code, note->name,
						 "the executor did not take the task when %s: %s",
						 note->staged ? "its input had ended"
							      : "it was due",
						 why ? why->message : creel_code_name(code));
	if (why) {
		creel__error_unref(cause);
		cause = creel__error_ref(why);
	}
	creel__error_set_cause(e, cause);
	creel__error_set_unhandled(e, ex->unhandled);
	return e;
}

/* The class does not take a task that was accepted before, and that others know. If a canceller in
 * a destructor has it, that one has it counted as ended. */
static void refuse(creel_executor *ex, creel_future *f, const struct note *note, int code)
{
	bool counted = ex->traits & CREEL__COUNTS;
	if (ex->class->owe)
		ex->class->owe(ex, 1);
	unsigned state = creel__task_fail((creel_task *)f, refusal(ex, note, code));
	if (creel__executor_foreign(ex))
		return;
	/* A waiter that has run it meanwhile has counted its end. */
	bool ends = state == CREEL__DROPPING || state == CREEL__RUNNING ||
		    (counted && state == CREEL__FAILED);
	if (ex->class->owe && !ends)
		ex->class->owe(ex, -1);
}

static int give_due(creel_future *f, struct creel__times *times)
{
	const struct creel__executor_class *class = f->executor->class;
	bool reserved = times && times->reserved;
	int rc = reserved ? class->submit_reserved(f->executor, (creel_task *)f)
			  : class->submit(f->executor, (creel_task *)f);
	if (reserved)
		times->reserved = rc != 0;
	return rc;
}

void creel__due_end(creel_future *f, const creel_error *error)
{
	creel__future_let_go(f, CREEL__HELD, CREEL__SETTLING);
	creel__task_fail_claimed((creel_task *)f, error);
}

/* The thread that gave a task to its class has ended within. If the next run is due already nobody
 * gives it. False: this is a child. */
static bool given_at_last(struct creel__times *times, uint16_t generation)
{
	creel_future *again = creel__times_given(times);
	if (again) {
		creel_executor *ex = again->executor;
		creel__due_end(
			again,
			creel__error_make(CREEL_KIND_EXITED, CREEL_EFAILED, creel__task_name(again),
					  "the thread on which the task ran ended before its "
					  "next run (pthread_exit or pthread_cancel)"));
		if (!creel__fork_foreign(generation))
			creel__executor_unkeep(ex);
	}
	return !creel__fork_foreign(generation);
}

/* A task that its class is being given, with a reference to the cause. If it has times, its giver
 * has one to those, and uses the executor: both end with the thread. */
struct handing {
	creel_future *f;
	creel_future *kept; /* f, with a reference, if the class looks at what a user's keeps */
	creel_executor *ex;
	struct note note;
	int rc;
};

static void run_give(void *arg)
{
	struct handing *h = arg;
	h->rc = give_due(h->f, h->note.times);
}

/* It has run here, and ended the thread. */
static void give_exited(void *arg)
{
	const struct handing *h = arg;
	struct creel__times *times = h->note.times;
	if (creel__executor_foreign(h->ex))
		return;
	creel__error_unref(h->note.cause);
	creel_future_unref(h->kept);
	if (!times || !given_at_last(times, h->ex->generation))
		return;
	creel__undue_leave(h->ex, times);
	creel__times_unref(times);
}

/* Whether anything of its options goes with the last reference of a user, though the executor has
 * one: see creel__options_clear(). */
static bool has_more(creel_future *f)
{
	const struct creel__options *o = creel__options_of(f);
	return o && (o->times || o->layers || o->enlisted || o->watched);
}

bool creel__due_give(creel_future *f)
{
	creel_executor *ex = f->executor;
	f->next = NULL;
	/* As before any submission, on the thread that makes it. */
	int rc = creel__argument_vet(f, ex);
	struct handing h = {.f = f, .ex = ex, .note = take_note(f), .rc = rc};
	h.kept = has_more(f) ? creel_future_ref(f) : NULL;
	creel__future_let_go(f, CREEL__HELD | CREEL__OWNED, ex->task_flags);
	if (rc == 0)
		creel__thread_guard(run_give, give_exited, &h);
	if (h.rc == 0)
		creel__error_unref(h.note.cause);
	else if (!creel__executor_foreign(ex))
		refuse(ex, f, &h.note, h.rc);
	if (creel__executor_foreign(ex))
		return false;
	creel_future_unref(h.kept);
	return !creel__executor_foreign(ex);
}

/* A task that its maker gives to its class. */
struct offer {
	creel_future *f;
	struct creel__times *times; /* the maker's reference: it ends with the thread */
	uint16_t generation;
	int rc;
};

static void run_submit(void *arg)
{
	struct offer *o = arg;
	creel_executor *ex = o->f->executor;
	o->rc = ex->class->submit(ex, (creel_task *)o->f);
}

static void submit_exited(void *arg)
{
	const struct offer *o = arg;
	if (!creel__fork_foreign(o->generation) && given_at_last(o->times, o->generation))
		creel__times_unref(o->times);
}

int creel__due_give_at_once(creel_future *f, struct creel__times *times)
{
	struct offer o = {.f = f, .times = times, .generation = f->executor->generation};
	creel__thread_guard(run_submit, submit_exited, &o);
	return o.rc;
}

const creel_error *creel__due_refusal(creel_future *f, int code)
{
	const struct note note = take_note(f);
	return refusal(f->executor, &note, code);
}
