/* SPDX-License-Identifier: MIT */
/* Retries: the series of attempts; see compose/retry.h. */
#include "compose/retry.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "exec/custom.h"
#include "exec/stage.h"
#include "exec/submission.h"
#include "exec/task.h"
#include "future/cancel.h"
#include "future/future.h"
#include "future/owned.h"
#include "future/result.h"
#include "future/times.h"
#include "future/token.h"
#include "sync/fork.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <errno.h>

struct creel__series {
	struct creel__link link;
	struct creel__timer timer;
	struct creel__reg reg;      /* token: a reference; or NULL */
	struct creel__retry *retry; /* as long as the task has not ended; plain, as the next */
	creel_task *task;
	creel_fn fn;
	int64_t until; /* no attempt begins later */
	uint16_t generation;
	bool insists;            /* it is a finally: future/stage.h */
	struct creel__lock lock; /* the rest: */
	uint32_t refs;
	creel_future *attempt; /* a reference; or NULL */
	bool timer_set, ending, withdrawn;
	bool withdrawing, left; /* a canceller cancels the attempt; it has left the rest to him */
	bool asked, gone;       /* gone: nobody is to look for the task any more */
	const creel_error *why; /* it was asked for that reason; a reference; or NULL */
	uint32_t askers;        /* cancellers that have been told STARTED, and come yet */
	struct creel__cond all_came;
	int64_t longest; /* the last delay, at the most */
	struct creel__failures failures;
};

/* In the second of the words: where the task ends as an attempt did, it refers to that in the
 * first, and a canceller that has asked may still be looking. */
static struct creel__series **series_of(creel_future *f)
{
	return (struct creel__series **)&creel__result_words(f)[1];
}

static bool hold(struct creel__reg *reg);
static void stop(struct creel__reg *reg, struct creel__asking *asking);

struct creel__series *creel__series_new(struct creel__retry *r, creel_task *task)
{
	struct creel__series *s = creel__zalloc(sizeof *s);
	if (!s)
		return NULL;
	int64_t now = creel_clock_now(r->clock).ns;
	s->retry = r;
	s->task = task;
	s->fn = task->future.fn;
	s->until = r->total_ns ? creel__later(now, r->total_ns) : INT64_MAX;
	s->generation = task->future.generation;
	const struct creel__stage *stage = creel__stage_of(&task->future);
	s->insists = stage && stage->insists;
	s->refs = 2;
	*series_of(&task->future) = s;
	s->reg = (struct creel__reg){.token = creel_token_ref(r->token), .hold = hold, .ask = stop};
	creel__list_init(&s->reg.node);
	return s;
}

/* Drops references, and releases the lock. */
static void leave(struct creel__series *s, uint32_t refs)
{
	s->refs -= refs;
	bool last = s->refs == 0;
	creel__lock_release(&s->lock);
	if (!last)
		return;
	creel_token *token = s->reg.token;
	if (token)
		(void)creel__token_leave(&s->reg);
	creel__failures_fini(&s->failures);
	creel__error_unref(s->why);
	creel__free(s);
	creel_token_unref(token);
}

void creel__series_drop(struct creel__series *s, uint32_t refs)
{
	creel__lock_acquire(&s->lock);
	leave(s, refs);
}

/* With the lock: takes the timer off. */
static void stop_timer_locked(struct creel__series *s)
{
	s->timer_set = false;
	/* Or on_time() has been called and waits for the lock. */
	if (creel__timer_cancel(&s->timer))
		s->refs--;
}

/* Under the token's lock. */
static bool hold(struct creel__reg *reg)
{
	struct creel__series *s = creel__of(reg, struct creel__series, reg);
	creel__lock_acquire(&s->lock);
	bool there = s->refs && !s->gone && !s->withdrawn;
	s->refs += there;
	if (there)
		creel_future_ref(&s->task->future);
	creel__lock_release(&s->lock);
	return there;
}

/* The token was cancelled. */
static void stop(struct creel__reg *reg, struct creel__asking *asking)
{
	struct creel__series *s = creel__of(reg, struct creel__series, reg);
	creel_future *f = &s->task->future;
	uint16_t generation = s->generation;
	const struct creel__cancelling how = creel__token_how(asking->token);
	(void)creel__future_stop(f, &how);
	if (creel__fork_foreign(generation))
		return;
	creel_future_unref(f);
	if (!creel__fork_foreign(generation))
		creel__series_drop(s, 1);
}

static bool is_cancelled(creel_future *f)
{
	return creel__future_peek(f) == CREEL__CANCELLED;
}

/* Whether an attempt that ended so is to be followed by another one, by when. */
static bool wants_another_locked(struct creel__series *s, const creel_error *e, int64_t *ret_when)
{
	struct creel__retry *r = s->retry;
	if (!e || s->asked || !(r->retry_on >> e->kind & 1))
		return false;
	if (r->attempts && s->failures.n + 1 >= r->attempts)
		return false;
	s->longest = creel__backoff_longest(&r->backoff, s->longest);
	*ret_when = creel__later(creel_clock_now(r->clock).ns,
				 creel__backoff_delay(&r->backoff, s->longest));
	return *ret_when <= s->until;
}

/* The error of the task, or NULL: it ends as the attempt did. */
static const creel_error *own_error(struct creel__series *s, creel_future *f, int code)
{
	const creel_error *e = creel__future_peek_error(f);
	bool stopped = e && e->kind == CREEL_KIND_CANCELLED;
	const char *name = creel__task_name(&s->task->future);
	if (!e || (stopped ? !s->why : s->failures.n == 0 && !code))
		return NULL;
	creel__failures_add(&s->failures, creel__error_ref(e));
	return stopped ? creel__failures_stopped(&s->failures, name, s->why)
		       : creel__failures_error(&s->failures, name, code);
}

/* They find the series in the task's words, where the next run of a periodic task puts its own. The
 * task is claimed: no more will be told, and those who were come without stopping. */
static void await_askers(struct creel__series *s)
{
	creel__lock_acquire(&s->lock);
	while (s->askers)
		creel__cond_wait_briefly(&s->all_came, &s->lock);
	s->gone = true;
	creel__lock_release(&s->lock);
}

/* Ends the task, as nobody else will. code: why there is no further attempt, or 0. */
static void end(struct creel__series *s, creel_future *f, int code)
{
	creel_future *outer = &s->task->future;
	if (creel__task_claim(outer, CREEL__SETTLING) != CREEL__CLAIMED)
		return;
	await_askers(s);
	const creel_error *error = own_error(s, f, code);
	struct creel__options *options = creel__options_of(outer);
	/* Of a periodic task, until its next run. */
	options->owner = &creel__undue_owner;
	creel__and(&outer->state, ~(uint64_t)CREEL__OWNED, relaxed);
	if (error)
		creel__task_end_remote(s->task, error);
	else
		creel__task_end(s->task, creel__outcome_pass(outer, f));
	if (!creel__fork_foreign(s->generation))
		creel__series_drop(s, 1);
}

static bool on_time(struct creel__timer *timer, bool due);

/* With the lock. CREEL__TIMER_DUE; 0: later; or why never. */
static int wait_locked(struct creel__series *s, int64_t when)
{
	s->timer.end = on_time;
	int rc = creel__timer_set(s->retry->clock, &s->timer, (creel_deadline){when});
	s->timer_set = rc == 0;
	s->refs += rc == 0;
	return rc;
}

/* The same. A thread that ends has the clock begin what is due. */
static int wait_for_clock_locked(struct creel__series *s, int64_t when, bool exits)
{
	int rc = wait_locked(s, when);
	while (exits && rc == CREEL__TIMER_DUE)
		rc = wait_locked(s, creel__later(creel_clock_now(s->retry->clock).ns, CREEL_MS(1)));
	return rc;
}

/* An attempt has ended, and the thread with it (exits) or not; takes over a reference to it.
 * Returns whether the next one is to begin at once. */
static bool attempt_ended(struct creel__series *s, creel_future *f, bool exits)
{
	const creel_error *e = creel__future_peek_error(f);
	int64_t when = 0;
	int rc = 0;
	creel__lock_acquire(&s->lock);
	creel_future *attempt = s->attempt;
	s->attempt = NULL;
	s->left |= s->withdrawing && is_cancelled(f);
	bool over = s->withdrawn || s->left;
	bool another = !over && wants_another_locked(s, e, &when);
	if (another) {
		rc = wait_for_clock_locked(s, when, exits);
		another = rc >= 0;
	}
	if (another)
		creel__failures_add(&s->failures, creel__error_ref(e));
	s->ending = !over && !another;
	bool ends = s->ending;
	creel__lock_release(&s->lock);
	/* Somebody has read it: who reads the task's. */
	(void)creel_future_error(f);
	if (ends)
		end(s, f, rc < 0 ? rc : 0);
	if (creel__fork_foreign(s->generation))
		return false;
	creel_future_unref(attempt);
	creel_future_unref(f);
	return another && rc == CREEL__TIMER_DUE;
}

static void link_ended(struct creel__link *link, creel_future *f);

/* An attempt has been submitted, whose reference this takes over. Returns whether it has ended
 * already, and the next one is to begin at once. */
static bool launched(struct creel__series *s, creel_future *f, bool exits)
{
	uint16_t generation = s->generation;
	creel__lock_acquire(&s->lock);
	s->attempt = creel_future_ref(f);
	bool asked = s->asked;
	s->refs++;
	creel__lock_release(&s->lock);
	s->link.ended = link_ended;
	if (creel__link_add(f, &s->link)) {
		/* Who asked found no attempt. */
		if (asked)
			(void)creel_future_cancel(f);
		creel_future_unref(f);
		return false;
	}
	bool again = attempt_ended(s, f, exits);
	if (!creel__fork_foreign(generation))
		creel__series_drop(s, 1);
	return again;
}

/* An attempt on its way. */
struct launch {
	struct creel__series *s; /* a reference */
	uint16_t generation;
	struct creel__attempt self;
	creel_future *f;
};

static void launch_once(void *arg)
{
	struct launch *l = arg;
	l->f = creel__retry_submit(l->s->retry, l->s->fn, l->s->insists, &l->self);
}

/* It has run within, and ended the thread. */
static void launch_exited(void *arg)
{
	const struct launch *l = arg;
	if (creel__fork_foreign(l->generation))
		return;
	(void)launched(l->s, l->self.made, true);
	if (!creel__fork_foreign(l->generation))
		creel__series_drop(l->s, 1);
}

/* Takes over a reference to the series. */
static void launch(struct creel__series *s)
{
	struct launch l = {
		.s = s, .generation = s->generation, .self = {.whole = &s->task->future}};
	do
		creel__thread_guard(launch_once, launch_exited, &l);
	while (!creel__fork_foreign(l.generation) && launched(s, l.f, false) &&
	       !creel__fork_foreign(l.generation));
	if (!creel__fork_foreign(l.generation))
		creel__series_drop(s, 1);
}

/* Of the attempt, on the thread that ended it. */
static void link_ended(struct creel__link *link, creel_future *f)
{
	struct creel__series *s = creel__of(link, struct creel__series, link);
	uint16_t generation = s->generation;
	bool again = attempt_ended(s, f, false);
	if (creel__fork_foreign(generation))
		return;
	if (again)
		launch(s);
	else
		creel__series_drop(s, 1);
}

/* Nobody can move the clock any more: the task ends as its last attempt did. */
static void end_without_clock(struct creel__series *s)
{
	creel_future *f = creel__future_failed(
		creel__error_ref(s->failures.last[(s->failures.n - 1) % CREEL__RETRY_CAUSES]));
	(void)creel_future_error(f);
	s->failures.n--;
	end(s, f, CREEL_EFAILED);
	creel_future_unref(f);
}

static bool on_time(struct creel__timer *timer, bool due)
{
	struct creel__series *s = creel__of(timer, struct creel__series, timer);
	uint16_t generation = s->generation;
	creel__lock_acquire(&s->lock);
	bool mine = s->timer_set;
	s->timer_set = false;
	s->ending |= mine && !due;
	creel__lock_release(&s->lock);
	if (mine && due) {
		launch(s);
		return true;
	}
	if (mine)
		end_without_clock(s);
	if (!creel__fork_foreign(generation))
		creel__series_drop(s, 1);
	return mine;
}

/* With the lock, which it gives up meanwhile: cancels the attempt if that has not started. */
static bool cancel_attempt_locked(struct creel__series *s)
{
	creel_future *f = creel_future_ref(s->attempt);
	s->withdrawing = true;
	creel__lock_release(&s->lock);
	int rc = creel__future_cancel_pending(f);
	creel_future_unref(f);
	creel__lock_acquire(&s->lock);
	s->withdrawing = false;
	return (rc == CREEL_CANCEL_NOW || s->left) && !s->ending;
}

static enum creel__withdrawn withdraw(creel_future *f)
{
	struct creel__series *s = *series_of(f);
	creel__lock_acquire(&s->lock);
	if (!s->ending && s->attempt)
		s->withdrawn = cancel_attempt_locked(s);
	/* Or the attempt has failed meanwhile. */
	if (!s->ending && s->timer_set) {
		stop_timer_locked(s);
		s->withdrawn = true;
	}
	enum creel__withdrawn w = s->withdrawn ? CREEL__WITHDRAWN : CREEL__STARTED;
	/* For cancelled(), before which the task may end. */
	s->refs += !s->withdrawn;
	s->askers += !s->withdrawn;
	creel__lock_release(&s->lock);
	return w;
}

/* It was asked. */
static void ask(struct creel__series *s, creel_future *f, const struct creel__cancelling *how)
{
	creel__lock_acquire(&s->lock);
	s->asked |= !how->pending_only;
	if (how->why && !s->why)
		s->why = creel__error_ref(how->why);
	creel_future *attempt = how->pending_only ? NULL : creel_future_ref(s->attempt);
	bool waits = s->timer_set && s->asked;
	creel__lock_release(&s->lock);
	if (waits)
		(void)creel_future_cancel(f);
	else if (attempt && how->kill)
		(void)creel__future_kill(attempt, how->grace_ns);
	else if (attempt)
		(void)creel_future_cancel(attempt);
	creel_future_unref(attempt);
}

static void cancelled(creel_future *f, const struct creel__cancelling *how)
{
	struct creel__series *s = *series_of(f);
	creel_executor *ex = f->executor;
	creel__lock_acquire(&s->lock);
	/* One of them may come for another, and for the one that has withdrawn the task. The last
	 * to come counts its end. */
	bool asks = s->askers > 0;
	s->askers -= asks;
	if (s->askers == 0)
		creel__cond_broadcast_locked(&s->all_came);
	creel__lock_release(&s->lock);
	if (asks)
		ask(s, f, how);
	else
		ex->class->ended(ex);
	if (!creel__fork_foreign(s->generation))
		creel__series_drop(s, 1);
}

/* Nobody else has it: it was withdrawn. */
static void explain(creel_future *f, const creel_error *error)
{
	struct creel__series *s = *series_of(f);
	creel__lock_acquire(&s->lock);
	creel__failures_explain(&s->failures, error);
	creel__lock_release(&s->lock);
}

static const struct creel__owner owner = {.what = "the retried task",
					  .withdraw = withdraw,
					  .cancelled = cancelled,
					  .explain = explain};

/* From here on its token may cancel it. It may do so at once, as anybody may. */
static void join_token(struct creel__series *s, creel_future *f)
{
	if (!s->reg.token || creel__token_join(s->reg.token, &s->reg) == 0)
		return;
	const struct creel__cancelling how = creel__token_how(s->reg.token);
	(void)creel__future_stop(f, &how);
}

static void set_gone(struct creel__series *s)
{
	creel__lock_acquire(&s->lock);
	s->gone = true;
	creel__lock_release(&s->lock);
}

/* Whoever cancelled it so far has ended it. */
void creel__series_start(struct creel__series *s)
{
	creel_future *f = &s->task->future;
	uint16_t generation = s->generation;
	join_token(s, f);
	if (creel__fork_foreign(generation))
		return;
	if (creel__future_hold(f)) {
		struct creel__options *options = creel__options_of(f);
		/* It may have been asked already. */
		s->asked = s->insists && options->stage->asked;
		options->owner = &owner;
		creel__future_let_go(f, CREEL__HELD, CREEL__OWNED);
		/* Until an attempt has been submitted, nobody ends it. */
		creel_future_unref(f);
		launch(s);
		return;
	}
	set_gone(s);
	(void)creel__task_claim_custom(s->task, CREEL__SETTLING);
	if (!creel__fork_foreign(generation))
		creel__series_drop(s, 2);
	if (!creel__fork_foreign(generation))
		creel_future_unref(f);
}
