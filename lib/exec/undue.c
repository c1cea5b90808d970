/* SPDX-License-Identifier: MIT */
/* Shutting down: what an executor's class has not got yet fails. See future/undue.h. */
#include "exec/due.h"
#include "exec/task.h"
#include "future/future.h"
#include "future/stage.h"
#include "future/times.h"
#include <creel/future.h>
#include <errno.h>

const creel_error *creel__undue_error(creel_future *f)
{
	const struct creel__stage *stage = creel__stage_of(f);
	return creel__error_make(CREEL_KIND_SHUT_DOWN, -ESHUTDOWN, creel__task_name(f),
				 "the executor was shut down before %s",
				 stage && !stage->input ? "the input of the continuation had ended"
							: "the task was due");
}

/* The next task of the list, now SETTLING and off it, with its executor kept until it has ended;
 * NULL if there is none. Waits for those that others have won, and are about to take off. */
static struct creel__undue *next_undue_locked(creel_executor *ex, struct creel__list *list)
{
	while (!creel__list_is_empty(list)) {
		struct creel__undue *undue = creel__of(list->next, struct creel__undue, node);
		creel_future *f = undue->task;
		uint64_t s = creel__load(&f->state, relaxed);
		while ((s & (CREEL__STATE | CREEL__HELD)) == CREEL__PENDING) {
			/* [PIN-1] acquire: as in creel__task_claim() */
			if (!creel__cas(&f->state, &s, s + CREEL__SETTLING, acquire, relaxed))
				continue;
			creel__list_remove(&undue->node);
			ex->undue_count--;
			creel__cond_broadcast_locked(&ex->undue_changed);
			if (!undue->stays)
				creel__executor_keep(ex);
			return undue;
		}
		creel__cond_wait_briefly(&ex->undue_changed, &ex->undue_lock);
	}
	return NULL;
}

/* Fails what came off the list. False: this is a child. */
static bool fail_one(creel_executor *ex, const struct creel__undue *undue)
{
	creel_future *f = undue->task;
	struct creel__times *staying = undue->stays ? creel__times_of(f) : NULL;
	if (staying)
		creel__add(&staying->refs, 1, relaxed);
	/* Too late: the owner's reference is for whoever the link calls. */
	if (undue->stage && !creel__stage_unlink(undue->stage, NULL))
		creel_future_ref(f);
	creel__task_fail_claimed((creel_task *)f, creel__undue_error(f));
	if (creel__executor_foreign(ex))
		return false;
	if (staying) {
		creel__undue_leave(ex, staying);
		creel__times_unref(staying);
	} else {
		creel__executor_unkeep(ex);
	}
	return true;
}

/* False: this is a child. */
static bool fail_all(creel_executor *ex, struct creel__list *list)
{
	struct creel__undue *undue;
	creel__lock_acquire(&ex->undue_lock);
	ex->undue_closed = true;
	while ((undue = next_undue_locked(ex, list))) {
		creel__lock_release(&ex->undue_lock);
		if (!fail_one(ex, undue))
			return false;
		creel__lock_acquire(&ex->undue_lock);
	}
	creel__lock_release(&ex->undue_lock);
	return true;
}

bool creel__undue_close(creel_executor *ex, bool cancels)
{
	if (ex->is_static)
		return true;
	cancels |= creel__load(&ex->error, relaxed) != NULL;
	return fail_all(ex, &ex->undue) && (!cancels || fail_all(ex, &ex->staying));
}

size_t creel__undue_count(creel_executor *ex)
{
	creel__lock_acquire(&ex->undue_lock);
	size_t n = ex->undue_count;
	creel__lock_release(&ex->undue_lock);
	return n;
}
