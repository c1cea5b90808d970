/* SPDX-License-Identifier: MIT */
/* Continuations on the way to their executors, and their ends; see future/stage.h. */
#include "exec/stage.h"
#include "base/alloc.h"
#include "exec/bound.h"
#include "exec/due.h"
#include "exec/parcel.h"
#include "exec/task.h"
#include "future/future.h"
#include "future/owned.h"
#include "sync/fork.h"
#include "sync/thread.h"
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

/* A task that is being given, and what is to be done when its class has returned, or when the task
 * has run here and ended the thread. */
struct giving {
	creel_future *f;
	creel_executor *ex;
	uint16_t generation;
	struct creel__stage *in_hand; /* a reference: its class withdraws; or NULL */
};

/* The class may be asked to withdraw a task before it has all of it. */
static void take_in_hand(struct giving *g)
{
	struct creel__options *options = creel__options_of(g->f);
	creel__add(&options->stage->refs, 1, relaxed);
	creel__store(&options->stage->in_hand, true, relaxed);
	g->in_hand = options->stage;
}

static void given(void *arg)
{
	const struct giving *g = arg;
	if (creel__fork_foreign(g->generation))
		return;
	if (g->in_hand) {
		/* [STAGE-3] release: pairs with the acquire in is_in_hand() of exec/custom_ops.c */
		creel__store(&g->in_hand->in_hand, false, release);
		creel__future_free(g->f);
	}
	creel__executor_unkeep(g->ex);
}

/* For a worker process of the library's, which reads the input where it is, if it can; otherwise
 * that is copied to memory that both have. An executor of the user's reads it in this process, by
 * creel_task_input(). 0, or why not. */
static int pack_input(creel_executor *ex, struct creel__stage *stage)
{
	if (!creel__executor_is_remote(ex))
		return 0;
	creel_executor *lowest = creel__executor_lowest(ex);
	bool failed = creel__future_peek_error(stage->input);
	if (!failed && creel__owned_host_only(stage->input))
		return -EFAULT;
	if (!lowest->class->shares)
		return 0;
	struct creel__packed *packed = creel__malloc(sizeof *packed);
	if (!packed)
		return -ENOMEM;
	*packed = (struct creel__packed){.parcel = creel__parcel_of(stage->input)};
	stage->packed = packed;
	struct creel__parcel *parcel = &packed->parcel;
	if (parcel->size == 0 ||
	    (parcel->data && lowest->class->shares(lowest, parcel->data, parcel->size)))
		return 0;
	packed->copy = ex->class->shared_alloc(ex, parcel->size);
	if (!packed->copy)
		return -ENOSPC;
	creel__parcel_pack(parcel, packed->copy, stage->input);
	return 0;
}

const creel_error *creel__stage_vet_input(creel_executor *ex, creel_future *input, const char *call,
					  const char *name)
{
	if (!ex || creel__executor_foreign(ex) || !creel__executor_is_remote(ex) ||
	    !creel__owned_host_only(input))
		return NULL;
	return creel__error_make(CREEL_KIND_NOT_TRANSFERABLE, -EFAULT, name,
				 "%s: the value of the input is an array of futures of this "
				 "process (creel_all(), creel_all_settled()), of no use in a "
				 "worker process; continue it on a thread pool",
				 call);
}

static void refuse_input(creel_future *f, const struct creel__stage *stage, int code)
{
	const creel_error *cause = creel__future_peek_error(stage->input), *e;
	const char *name = creel__task_name(f);
	if (code == -EFAULT)
		e = creel__stage_vet_input(f->executor, stage->input, "continuation", name);
	else if (code == -ENOMEM)
		e = creel__error_make(CREEL_KIND_NO_MEMORY, code, name,
				      "there is no memory to send the input to a worker");
	else
		e = creel__error_make(
			CREEL_KIND_REJECTED, code, name,
			"an input of %zu bytes does not fit in the pool's shared_budget",
			stage->packed->parcel.size);
	creel__error_set_cause(e, creel__error_ref(cause));
	creel__future_let_go(f, CREEL__HELD, CREEL__SETTLING);
	creel__task_fail_claimed((creel_task *)f, e);
}

/* Of a task that is off the list. */
static void give(void *arg)
{
	struct giving *g = arg;
	creel_future *f = g->f;
	creel_executor *ex = g->ex;
	struct creel__options *options = creel__options_of(f);
	int rc = pack_input(ex, options->stage);
	if (rc) {
		refuse_input(f, options->stage, rc);
		return;
	}
	creel__admit_any(ex);
	options->stage->placed = true;
	/* That a finally was asked so far has been passed on. */
	if (options->stage->insists)
		creel__and(&f->state, ~(uint64_t)CREEL__ASKED, relaxed);
	if (options->times) {
		creel__due_start(f);
		return;
	}
	if (ex->traits & CREEL__WITHDRAWS)
		take_in_hand(g);
	(void)creel__due_give(f);
}

void creel__stage_give(creel_future *f)
{
	creel_executor *ex = f->executor;
	struct giving g = {.f = f, .ex = ex, .generation = ex->generation};
	creel__undue_take(ex, &creel__stage_of(f)->undue);
	creel__thread_guard(give, given, &g);
	given(&g);
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
