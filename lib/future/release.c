/* SPDX-License-Identifier: MIT */
/*
 * References to futures, and what happens when the last one goes.
 *
 * USERS AND LIBRARY  Two references are the library's alone: the one of a queue that only has to
 *        drop it (QUEUED), and the one of a teller whose future has no callbacks (TELLING without
 *        CALLING). They keep the block and nothing else. Whoever drops the last of the others
 *        empties the block first, with its reference still held: the result, the error and, unless
 *        a teller still walks the hooks, the options. Nobody can take a new reference meanwhile.
 *        The count goes down by compare-and-swap, since a plain subtraction could find out too late
 *        that it took the last one.
 *
 * CIRCLE  future/enlist.c: with a task its token may go, and with that its future ends
 * CIRCLE  future/future.c: the last reference to a promise that nobody has settled settles it
 *
 * DESTRUCTORS  run at once, but never inside one another: see future/nest.h. A dying future waits
 *        for its turn with its result still in it, or with LATE_ARG set and its argument.
 */
#include "future/release.h"
#include "base/alloc.h"
#include "base/cold.h"
#include "future/argument.h"
#include "future/class.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/layers.h"
#include "future/nest.h"
#include "future/owned.h"
#include "future/result.h"
#include "future/stage.h"
#include "future/times.h"
#include "future/token.h"
#include "future/watch.h"
#include "sync/fork.h"
#include "sync/local.h"
#include <creel/future.h>

/* An error that nobody has looked at, and that is to be told of; or NULL. */
static const creel_error *unhandled(creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	const creel_error *e = NULL;
	if ((s & CREEL__STATE) == CREEL__FAILED)
		e = creel__result_get_error(f);
	else if ((s & CREEL__STATE) == CREEL__CANCELLED && s & CREEL__OPTIONS)
		e = creel__options_of(f)->cancelled;
	return e && !(s & CREEL__READ) && e->kind != CREEL_KIND_CANCELLED &&
			       e->kind != CREEL_KIND_CLOSED
		       ? e
		       : NULL;
}

/* Nobody else has the block: frees what is left of it. */
static void free_block(creel_future *f)
{
	creel__argument_free(f);
	creel__future_free(f);
}

/* Lets go of the result. May call the user's functions. False: one has forked, and this is the
 * child. */
static bool empty(creel_future *f)
{
	bool cancelled = creel__future_peek(f) == CREEL__CANCELLED;
	/* While it was PENDING its payload was the owner's, or the argument's. */
	if (f->result_len <= CREEL__PAYLOAD || (cancelled && !creel__result_get_error(f)))
		f->result_len = 0;
	const creel_error *e = cancelled || f->result_len ? unhandled(f) : NULL;
	if (f->result_len == 0 && !e)
		return true;
	creel__worker_is_busy();
	if (e)
		creel__error_tell(e);
	creel__result_clear(f);
	return !creel__future_foreign(f);
}

/* What a queue keeps is the memory alone. */
static void drop_options(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	if (!options)
		return;
	creel__argument_free(f);
	creel__options_clear(f, options);
}

/* Drops a reference that is the last one or the last one of a user. */
static void finish(creel_future *f)
{
	if (creel__future_foreign(f) || !empty(f))
		return;
	/* [FUT-3] acquire: the library may have let go meanwhile; as in creel_future_unref() */
	uint64_t s = creel__load(&f->state, acquire);
	if (s / CREEL__REF > 1) {
		if (!(s & CREEL__TELLING))
			drop_options(f);
		/* [FUT-3] acq_rel: as in creel_future_unref() */
		if (creel__sub(&f->state, CREEL__REF, acq_rel) / CREEL__REF > 1)
			return;
	}
	free_block(f);
}

/* False: this is a child. */
static bool call_arg_free(creel_future *f, struct creel__options *options)
{
	void *data;
	size_t size;
	creel__argument(f, &data, &size);
	void (*arg_free)(void *, size_t, void *) = options->arg_free;
	options->arg_free = NULL;
	uint16_t generation = f->generation;
	creel__destructors_enter();
	(void)creel__user_call(generation, arg_free(data, size, options->arg_ctx), 0);
	creel__destructors_leave();
	return !creel__fork_foreign(generation);
}

/* Whether a task that has LATE_ARG keeps its executor: the class of that knows nothing of it, and
 * does not wait for it. One that the class knows does not: all users may have gone. With one that
 * followed another future the class is through: that one holds it. */
static bool is_kept(creel_future *f, const struct creel__options *options)
{
	return !options->followed && creel__load(&f->state, relaxed) & CREEL__OWNED &&
	       options->owner->undue;
}

static void drop_late(creel_future *f)
{
	creel_executor *ex = f->executor;
	struct creel__options *options = creel__options_of(f);
	creel_executor *origin = creel__task_origin(f);
	bool kept = is_kept(f, options), held = options->followed;
	if (!call_arg_free(f, options))
		return;
	creel__argument_free(f);
	if (kept)
		creel__executor_unkeep(ex);
	/* The class may go once it sees this step. */
	/* [LEFT-1] acquire: pairs with the release in claim_slowly() */
	uint64_t old = creel__and(&f->state, ~(uint64_t)CREEL__LATE_ARG, acquire);
	if (old & CREEL__LEFT)
		creel__future_drop_queued(f);
	if (old & (CREEL__LEFT | CREEL__LATE_END))
		ex->class->ended(ex);
	creel__layers_tell(origin, ex);
	if (held)
		creel__executor_unhold(ex);
}

/* One of the list: it still has its argument, or it is to be released. */
static void run_dying(creel_future *f)
{
	if (creel__future_foreign(f))
		return;
	if (creel__load(&f->state, relaxed) & CREEL__LATE_ARG) {
		drop_late(f);
		creel_future_unref(f);
	} else {
		finish(f);
	}
}

void creel__future_finish(creel_future *f)
{
	if (creel__self()->destructors && (creel__result_calls(f) || unhandled(f)))
		creel__destructors_defer(f, run_dying);
	else
		finish(f);
}

/* The argument goes when the outermost destructor has returned. */
static void put_off_argument(creel_future *f, const struct creel__options *options)
{
	if (options->followed)
		creel__executor_hold(f->executor);
	else if (is_kept(f, options))
		creel__executor_keep(f->executor);
	creel_future_ref(f);
	creel__or(&f->state, CREEL__LATE_ARG, relaxed);
	creel__destructors_defer(f, run_dying);
}

/* No chain of ended futures hangs together. */
static void drop_input(creel_future *f, struct creel__stage *stage)
{
	creel_future *input = stage->input;
	if (stage->packed && stage->packed->copy)
		f->executor->class->shared_free(f->executor, stage->packed->copy);
	creel__free(stage->packed);
	stage->packed = NULL;
	stage->input = NULL;
	creel_future_unref(input);
}

bool creel__argument_drop(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	uint16_t generation = f->generation;
	if (options && options->stage)
		drop_input(f, options->stage);
	if (creel__fork_foreign(generation))
		return true;
	if (options && options->times)
		creel__times_stop(options->times);
	if (options && options->layers)
		creel__layers_leave(f, true);
	if (options && options->enlisted)
		creel__enlisted_leave(options->enlisted);
	/* With the token its functions may have gone. */
	if (creel__fork_foreign(generation))
		return true;
	if (options && options->watched && !creel__watch_ended(f, options))
		return true;
	if (options && options->arg_free) {
		if (creel__self()->destructors) {
			put_off_argument(f, options);
			return false;
		}
		if (!call_arg_free(f, options))
			return true;
	}
	creel__argument_free(f);
	return true;
}

creel_future *creel_future_ref(creel_future *f)
{
	if (f && !(creel__load(&f->state, relaxed) & CREEL__STATIC))
		creel__add(&f->state, CREEL__REF, relaxed);
	return f;
}

static const creel_error *abandoned(const creel_future *f)
{
	if (!(creel__load(&f->state, relaxed) & CREEL__OWNED))
		return creel__error_make(CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
					 "the promise was dropped before it was settled");
	return creel__error_make(CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
				 "%s was dropped, and only cancelling could have ended it",
				 f->owner->what);
}

/* The last holder goes of one that nobody else can end, a promise or a timer without a time: its
 * callbacks hear of it. */
static void abandon(creel_future *f)
{
	creel__result_error(f, abandoned(f));
	/* It is SETTLING, and the caller's reference stays, for settle() to drop. */
	creel__or(&f->state, CREEL__READ, relaxed);
	creel__future_settle(f, CREEL__FAILED, 1);
}

/* Whether all that goes with a reference is the block. Of the flags only those are passed over that
 * mean nothing by then. */
static bool is_block_alone(const creel_future *f, uint64_t s)
{
	const uint64_t past = CREEL__WAITED | CREEL__ASKED | CREEL__READ | CREEL__PROMISE |
			      CREEL__SLOW | CREEL__REMOTE | CREEL__MARKS;
	return (s & ~past) == (CREEL__REF | CREEL__FINISHED) && f->result_len <= CREEL__PAYLOAD &&
	       !creel__argument_is_apart(f) && !creel__future_foreign(f);
}

/* s is the state word, acquired as below. */
static CREEL__COLD void unref_slowly(creel_future *f, uint64_t s)
{
	if (s & CREEL__STATIC)
		return;
	for (;;) {
		bool final = creel__is_final(s);
		/* A sole holder of a final one needs no read-modify-write: nobody else could take
		 * or drop a reference. */
		if (!creel__future_is_sole(s) || (s / CREEL__REF > 1 && !final)) {
			/* [FUT-3] acq_rel: pairs with the acquire in creel_future_unref(), and with
			 * itself; acquire, for when it fails and we are the last */
			if (creel__cas(&f->state, &s, s - CREEL__REF, acq_rel, acquire))
				return;
		} else if (creel__future_foreign(f)) {
			/* A forked child leaves what is its parent's alone. */
			return;
		} else if (final) {
			creel__future_finish(f);
			return;
			/* [FUT-3] acq_rel: as above. Whoever takes a link off it may take a
			 * reference at this moment: then it is not the last, or he finds it
			 * SETTLING. */
		} else if (creel__cas(&f->state, &s,
				      (s & ~(uint64_t)CREEL__STATE) | CREEL__SETTLING, acq_rel,
				      acquire)) {
			abandon(f);
			return;
		}
	}
}

void creel_future_unref(creel_future *f)
{
	if (!f)
		return;
	/* [FUT-3] acquire: a sole holder sees what the others did before they let go; pairs with
	 * the releases in unref_slowly() and in creel__future_settle() */
	uint64_t s = creel__load(&f->state, acquire);
	if (is_block_alone(f, s))
		creel__block_free(f);
	else
		unref_slowly(f, s);
}

void creel__future_told(creel_future *f)
{
	/* [FUT-3] acquire: as in creel_future_unref() */
	uint64_t s = creel__load(&f->state, acquire);
	if (s / CREEL__REF > creel__future_of_library(s)) {
		creel__future_drop(f, CREEL__TELLING);
		return;
	}
	/* No user has it, nor will: the teller goes as one, and takes the result with it. */
	creel__and(&f->state, ~(uint64_t)CREEL__TELLING, relaxed);
	creel_future_unref(f);
}

void creel__future_drop(creel_future *f, uint64_t flags)
{
	/* [FUT-3] acq_rel: as in creel_future_unref() */
	uint64_t old = creel__sub(&f->state, CREEL__REF + flags, acq_rel);
	if (old / CREEL__REF == 1)
		creel__future_finish(f);
}

void creel__future_drop_queued(creel_future *f)
{
	creel__future_drop(f, creel__load(&f->state, relaxed) & CREEL__QUEUED);
}
