/* SPDX-License-Identifier: MIT */
/*
 * Continuations: which of them run, and how they are cancelled. What holds while one waits for its
 * input stands in future/stage.h; how it gets to its executor in exec/stage.c.
 *
 *   input ends --> ended(): HELD --- runs ---> given to its executor
 *                                '-- not ----> ends as the input did
 *   cancelled ---> withdraw(): off its input; with CREEL_CANCEL_UPSTREAM that is cancelled next
 *                  finally: off its input, which is cancelled, and back onto it
 *
 * STACK  Ends go through links, and links never nest. Cancels that go up a chain are put off in the
 *        same way (creel__callbacks_call()). So a chain of any length needs the stack of one link.
 */
#include <creel/then.h>
#include "base/list.h"
#include "exec/stage.h"
#include "exec/task.h"
#include "future/cancel.h"
#include "future/error.h"
#include "future/future.h"
#include "future/nest.h"
#include "future/owned.h"
#include "future/token.h"
#include "sync/fork.h"
#include <creel/future.h>
#include <errno.h>

/* Whether the function runs after this input. */
static bool runs(const struct creel__stage *stage, creel_future *input)
{
	const creel_error *e = creel__future_peek_error(input);
	if (stage->insists)
		return true;
	if (!e)
		return !stage->recovers;
	return stage->recovers && (e->kind != CREEL_KIND_CANCELLED || stage->cancelled_too);
}

/* The input of a task that is HELD has ended. Takes over the reference to it. */
static void go_on(creel_future *f, struct creel__stage *stage, creel_future *input)
{
	stage->input = input;
	/* Who hears of f's error hears of this one. */
	(void)creel_future_error(input);
	if (runs(stage, input))
		creel__stage_give(f);
	else
		creel__stage_pass(f);
}

static void ended(struct creel__link *link, creel_future *input)
{
	struct creel__stage *stage = creel__of(link, struct creel__stage, link);
	creel_future *f = stage->undue.task;
	if (creel__future_hold(f)) {
		go_on(f, stage, input);
		return;
	}
	creel_future_unref(input);
	creel_future_unref(f);
}

/* What a canceller does to the input. */
static void hit(creel_future *input, const struct creel__cancelling *how)
{
	if (how->kill)
		(void)creel__future_kill(input, how->grace_ns);
	else
		(void)creel_future_cancel(input);
}

/* Cancels the input. A finally goes on waiting for it. */
static void cancel_input(struct creel__deferred *d)
{
	struct creel__link *link = creel__of(d, struct creel__link, deferred);
	struct creel__stage *stage = creel__of(link, struct creel__stage, link);
	creel_future *f = stage->undue.task, *input = stage->target;
	hit(input, &stage->how);
	if (creel__future_foreign(f))
		return;
	creel__callbacks_enter();
	bool linked = stage->insists && creel__link_add(input, link);
	/* [STAGE-2] release: the link is on again, or the input has ended; pairs with the acquires
	 * in creel__stage_unlink() and in cancelled() */
	creel__store(&stage->off, linked ? CREEL__ON : CREEL__OFF_TAKEN, release);
	if (stage->insists && !linked)
		ended(link, input);
	else
		creel_future_unref(input);
	creel_future_unref(f);
	creel__callbacks_leave();
}

static enum creel__withdrawn withdraw(creel_future *f)
{
	struct creel__stage *stage = creel__stage_of(f);
	creel_future *input = NULL;
	bool aims = stage->insists || stage->upstream;
	bool mine = creel__stage_unlink(stage, aims ? &input : NULL);
	if (input) {
		stage->target = input;
		/* [STAGE-2] release: the link is off; pairs with the acquire in cancelled() */
		creel__store(&stage->off, CREEL__OFF, release);
	}
	if (stage->insists) {
		stage->asked = true;
		return CREEL__STARTED;
	}
	creel__undue_take(f->executor, &stage->undue);
	return mine ? CREEL__WITHDRAWN : CREEL__NOT_THERE;
}

static void cancelled(creel_future *f, const struct creel__cancelling *how)
{
	struct creel__stage *stage = creel__stage_of(f);
	/* Only of one that is cancelled the executor is kept for us. */
	creel_executor *ex = stage->insists ? NULL : f->executor;
	uint16_t generation = f->generation;
	uint32_t off = CREEL__OFF;
	/* [STAGE-2] acquire: of several that ask a finally, one has its input; pairs with the
	 * release in withdraw() */
	if (creel__cas(&stage->off, &off, CREEL__OFF_TAKEN, acquire, relaxed)) {
		creel_future_ref(f);
		stage->how = *how;
		stage->link.deferred.run = cancel_input;
		creel__callbacks_call(&stage->link.deferred);
	}
	if (ex && !creel__fork_foreign(generation))
		creel__executor_unkeep(ex);
}

static const struct creel__owner owner = {
	.what = "the continuation", .undue = true, .withdraw = withdraw, .cancelled = cancelled};

/* What is wrong with the input itself, or NULL. */
static const creel_error *refuse_input(const struct creel__submission *s, creel_future *input)
{
	const char *name = s->options ? s->options->name : NULL;
	if (!input)
		return creel__error_make(CREEL_KIND_REJECTED, -EINVAL, name, "%s: f is NULL",
					 s->staging->call);
	if (creel__future_foreign(input))
		return creel__error_make(CREEL_KIND_REJECTED, -EPERM, name,
					 "%s: this is a forked child, and f is its parent's",
					 s->staging->call);
	/* After errors it would run all the same. */
	return s->staging->recovers ? NULL
				    : creel__stage_vet_input(s->ex, input, s->staging->call, name);
}

/* Takes over the error. */
static creel_future *refused(const struct creel__submission *s, creel_future *input,
			     const creel_error *error)
{
	bool readable = input && !creel__future_foreign(input);
	const creel_error *cause = readable ? creel_future_error(input) : NULL;
	if (cause && !creel_error_cause(error, 0))
		creel__error_set_cause(error, creel__error_ref(cause));
	creel__submission_free_argument(s);
	return creel__future_refused(error);
}

/* Hangs the continuation, which is HELD and which nobody else knows, on its input, or has it go on.
 * Returns it; or a failed future, if it was discarded. */
static creel_future *begin(creel_future *f, creel_future *input, const struct creel__submission *s)
{
	struct creel__options *options = creel__options_of(f);
	struct creel__stage *stage = options->stage;
	options->owner = &owner;
	stage->link.ended = ended;
	if (!creel__link_add(input, &stage->link)) {
		go_on(f, stage, creel_future_ref(input));
		return f;
	}
	if (creel__stage_list(f))
		return f;
	if (creel__link_remove(&stage->link, NULL)) {
		creel__stage_discard(f, -ESHUTDOWN);
		return refused(s, input, creel__refusal(s, -ESHUTDOWN));
	}
	/* Its input has ended meanwhile. We end it, since nothing keeps the executor for ended(),
	 * which finds that it has lost, and drops a reference. */
	creel_future_ref(f);
	creel__future_let_go(f, CREEL__HELD, CREEL__SETTLING);
	creel__task_fail_claimed((creel_task *)f, creel__refusal(s, -ESHUTDOWN));
	return f;
}

/* The same of a finally whose token is cancelled. It runs all the same, as if it had been cancelled
 * while it waited: its input is, and it ends for the token's reason. */
static creel_future *begin_asked(creel_future *f, creel_future *input,
				 const struct creel__submission *s)
{
	const struct creel__cancelling how = creel__token_how(s->options->token);
	uint16_t generation = f->generation;
	creel__stage_of(f)->asked = true;
	hit(input, &how);
	return creel__fork_foreign(generation) ? f : begin(f, input, s);
}

/* The same of one with a token, which may cancel it from here on. */
static creel_future *begin_enlisted(creel_future *f, creel_future *input,
				    const struct creel__submission *s)
{
	creel_token *token = s->options->token;
	struct creel__enlisted *enlisted = creel__enlisted_of(f);
	uint16_t generation = f->generation;
	int rc = creel__enlist(enlisted, token);
	if (rc == -ECANCELED && s->staging->insists)
		return begin_asked(f, input, s);
	if (rc) {
		creel__stage_discard(f, rc);
		return refused(s, input, creel__refusal(s, rc));
	}
	creel_future_ref(f);
	creel_future *begun = begin(f, input, s);
	if (begun != f || creel__fork_foreign(generation))
		return begun;
	creel__enlisted_given(enlisted, token);
	if (!creel__fork_foreign(generation))
		creel_future_unref(f);
	return f;
}

static creel_future *continuation(creel_future *input, const struct creel__submission *s)
{
	creel_future *f;
	const creel_error *wrong = refuse_input(s, input);
	if (wrong)
		return refused(s, input, wrong);
	int rc = creel__stage_make(s, &f);
	if (rc)
		return refused(s, input, creel__refusal(s, rc));
	return s->options && s->options->token ? begin_enlisted(f, input, s) : begin(f, input, s);
}

creel_future *creel_then_with(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
			      size_t size, const creel_submit_options *options)
{
	static const struct creel__staging then = {.call = "creel_then",
						   .flags = CREEL_CANCEL_UPSTREAM};
	return continuation(f,
			    &(struct creel__submission){ex, fn, arg, size, options, &then, NULL});
}

creel_future *creel_recover_with(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
				 size_t size, const creel_submit_options *options)
{
	static const struct creel__staging recover = {.call = "creel_recover",
						      .flags = CREEL_CANCEL_UPSTREAM |
							       CREEL_RECOVER_CANCELLED,
						      .recovers = true};
	return continuation(
		f, &(struct creel__submission){ex, fn, arg, size, options, &recover, NULL});
}

creel_future *creel_finally_with(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
				 size_t size, const creel_submit_options *options)
{
	static const struct creel__staging finally = {
		.call = "creel_finally", .flags = CREEL_CANCEL_UPSTREAM, .insists = true};
	return continuation(
		f, &(struct creel__submission){ex, fn, arg, size, options, &finally, NULL});
}

creel_future *creel_then(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
			 size_t size)
{
	return creel_then_with(f, ex, fn, arg, size, NULL);
}

creel_future *creel_recover(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
			    size_t size)
{
	return creel_recover_with(f, ex, fn, arg, size, NULL);
}

creel_future *creel_finally(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
			    size_t size)
{
	return creel_finally_with(f, ex, fn, arg, size, NULL);
}
