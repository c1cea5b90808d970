/* SPDX-License-Identifier: MIT */
/* Continuations on the way to their executors, and their ends; see future/stage.h. */
#include "exec/stage.h"
#include "exec/bound.h"
#include "exec/due.h"
#include "exec/parcel.h"
#include "exec/task.h"
#include "future/future.h"
#include "future/owned.h"
#include "sync/fork.h"
#include <creel/error.h>
#include <creel/future.h>
#include <errno.h>

bool creel__stage_list(creel_future *f)
{
	creel_executor *ex = f->executor;
	creel__lock_acquire(&ex->undue_lock);
	bool open = !ex->undue_closed;
	if (open) {
		creel__list_append(&ex->undue, &creel__stage_of(f)->undue.node);
		ex->undue_count++;
		/* Under the lock: who shuts the executor down never finds it HELD by us. */
		creel__future_let_go(f, CREEL__HELD, 0);
	}
	creel__lock_release(&ex->undue_lock);
	return open;
}

/* The class may be asked to withdraw a task before it has all of it. */
static void give_in_hand(creel_future *f, struct creel__options *options)
{
	struct creel__stage *stage = options->stage;
	creel__add(&stage->refs, 1, relaxed);
	creel__store(&stage->in_hand, true, relaxed);
	if (!creel__due_give(f))
		return;
	/* [STAGE-3] release: pairs with the acquire in is_in_hand() of exec/custom_ops.c */
	creel__store(&stage->in_hand, false, release);
	creel__options_free(options);
}

/* Its worker is another process: the input goes to memory that both have. False: there is no
 * room. */
static bool pack_input(creel_executor *ex, struct creel__stage *stage)
{
	if (!creel__executor_is_remote(ex) || !ex->class->shared_alloc)
		return true;
	size_t size = creel__parcel_size(stage->input);
	stage->parcel = ex->class->shared_alloc(ex, size);
	if (stage->parcel)
		creel__parcel_pack(stage->parcel, size, stage->input);
	return stage->parcel;
}

static void refuse_input(creel_future *f, const struct creel__stage *stage)
{
	const creel_error *cause = creel__future_peek_error(stage->input);
	const creel_error *e = creel__error_make(
		CREEL_KIND_REJECTED, -ENOSPC, creel__task_name(f),
		"an input of %zu bytes does not fit in the pool's shared_budget",
		creel__parcel_size(stage->input) - sizeof(struct creel__parcel));
	creel__error_set_cause(e, creel__error_ref(cause));
	creel__future_let_go(f, CREEL__HELD, CREEL__SETTLING);
	creel__task_fail_claimed((creel_task *)f, e);
}

/* Of a task that is off the list. */
static void give(creel_future *f)
{
	creel_executor *ex = f->executor;
	struct creel__options *options = creel__options_of(f);
	if (!pack_input(ex, options->stage)) {
		refuse_input(f, options->stage);
		return;
	}
	creel__admit_any(ex);
	options->stage->placed = true;
	/* That it was asked so far has been passed on. */
	creel__and(&f->state, ~(uint64_t)CREEL__ASKED, relaxed);
	if (options->times)
		creel__due_start(f);
	else if (ex->traits & CREEL__WITHDRAWS)
		give_in_hand(f, options);
	else
		(void)creel__due_give(f);
}

void creel__stage_give(creel_future *f)
{
	creel_executor *ex = f->executor;
	uint16_t generation = ex->generation;
	creel__undue_take(ex, &creel__stage_of(f)->undue);
	give(f);
	if (!creel__fork_foreign(generation))
		creel__executor_unkeep(ex);
}

creel_future *creel__stage_submit(const struct creel__submission *s, creel_future *input)
{
	creel_future *f;
	int rc = creel__stage_make(s, &f);
	if (rc) {
		creel__submission_free_argument(s);
		return creel__future_refused(creel__refusal(s, rc));
	}
	creel__stage_of(f)->input = creel_future_ref(input);
	creel__stage_give(f);
	return f;
}

void creel__stage_pass(creel_future *f)
{
	creel_executor *ex = f->executor;
	struct creel__stage *stage = creel__stage_of(f);
	uint16_t generation = ex->generation;
	creel__undue_take(ex, &stage->undue);
	creel__future_let_go(f, CREEL__HELD, CREEL__SETTLING);
	creel__task_end((creel_task *)f, creel__outcome_pass(f, stage->input));
	if (!creel__fork_foreign(generation))
		creel__executor_unkeep(ex);
}
