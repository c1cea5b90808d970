/* SPDX-License-Identifier: MIT */
/* Gates; see compose/gate.h. */
#include "compose/gate.h"
#include "base/alloc.h"
#include "base/list.h"
#include "exec/executor.h"
#include "future/error.h"
#include "future/future.h"
#include "future/nest.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <errno.h>

struct creel__gate *creel__gate_new(creel_executor *beneath, uint64_t room)
{
	struct creel__gate *gate = creel__zalloc(sizeof *gate);
	if (!gate)
		return NULL;
	gate->beneath = beneath;
	gate->generation = creel__fork_generation();
	gate->counts = room;
	gate->queues = beneath->queues;
	gate->room = room ? room : 1;
	gate->users = 1;
	creel__list_init(&gate->passes);
	return gate;
}

bool creel__gate_set_pace(struct creel__gate *gate, const creel_rate_options *o)
{
	if (!creel__pace_init(&gate->pace, (uint32_t)o->n, (uint32_t)o->burst, o->per_ns))
		return false;
	gate->paced = true;
	gate->clock = o->clock;
	creel__clock_keep(o->clock);
	return true;
}

/* Releases the lock, and frees the gate if its last user has gone. */
static void leave(struct creel__gate *gate)
{
	bool unused = gate->users == 0;
	creel__lock_release(&gate->lock);
	if (!unused)
		return;
	if (gate->paced)
		creel__pace_fini(&gate->pace);
	creel__clock_unkeep(gate->clock);
	creel__free(gate);
}

/* The first of the line is in the hand of a pass. */
static void take_first_locked(struct creel__pass *pass)
{
	struct creel__gate *gate = pass->gate;
	pass->handed = gate->line.first;
	creel__line_remove(&gate->line, pass->handed);
	if (!pass->handed->executor)
		*creel__permit_handed(pass->handed) = true;
}

/* A closed gate that nobody waits at has nothing to wait for. */
static void rest_locked(struct creel__gate *gate)
{
	if (!gate->closed || gate->line.first || !gate->timer_set)
		return;
	/* Or on_time() has been called and waits for the lock: until then nobody sets it again. */
	if (!creel__timer_cancel(&gate->timer))
		return;
	gate->timer_set = false;
	gate->users--;
}

static bool on_time(struct creel__timer *timer, bool due);
static void pass_locked(struct creel__gate *gate);

/* Sets the timer. 0: it is set; CREEL__TIMER_DUE; or why it cannot be. */
static int await_locked(struct creel__gate *gate, int64_t when)
{
	if (gate->timer_set)
		return 0;
	gate->timer.end = on_time;
	int rc = creel__timer_set(gate->clock, &gate->timer, (creel_deadline){when});
	gate->timer_set = rc == 0;
	gate->users += rc == 0;
	return rc;
}

/* Whether it is time: CREEL__TIMER_DUE. 0: not now, and somebody will look again. Or why nobody
 * can. */
static int is_time_locked(struct creel__pass *pass)
{
	struct creel__gate *gate = pass->gate;
	int rc = CREEL__TIMER_DUE;
	while (gate->paced && rc == CREEL__TIMER_DUE) {
		int64_t now = creel_clock_now(gate->clock).ns;
		int64_t when = creel__pace_when(&gate->pace, now);
		if (when <= now) {
			pass->taken = creel__pace_take(&gate->pace, now);
			pass->going = true;
			break;
		}
		/* Whoever hands over what has not gone yet looks again after that. */
		rc = when == INT64_MAX ? 0 : await_locked(gate, when);
	}
	return rc;
}

/* Takes the first of the line if it may go, or can never go. False: nobody. */
static bool take_next_locked(struct creel__pass *pass)
{
	struct creel__gate *gate = pass->gate;
	pass->handed = NULL;
	pass->came_back = false;
	if (!gate->line.first || !gate->room || gate->turn)
		return false;
	int rc = is_time_locked(pass);
	if (rc == 0)
		return false;
	pass->code = rc < 0 ? rc : 0;
	take_first_locked(pass);
	gate->room -= gate->counts && rc > 0;
	gate->turn = gate->queues;
	return true;
}

static void gone_locked(struct creel__pass *pass)
{
	struct creel__gate *gate = pass->gate;
	if (pass->going)
		creel__pace_gone(&gate->pace, pass->taken, creel_clock_now(gate->clock).ns);
	pass->going = false;
}

static void handed_over_locked(struct creel__pass *pass)
{
	if (pass->going && pass->stayed)
		creel__pace_stayed(&pass->gate->pace, pass->taken,
				   creel_clock_now(pass->gate->clock).ns);
	else
		gone_locked(pass);
	pass->going = false;
	pass->gate->turn = false;
	pass->gate->users -= pass->unused;
	pass->gate->room += pass->stayed && pass->gate->counts;
	pass->unused = pass->stayed = false;
}

/* The calling thread is in the gate: what it hands over further out has gone by now. */
static void all_gone_locked(struct creel__gate *gate)
{
	if (!gate->paced)
		return;
	for (struct creel__pass *p = creel__self()->passes; p; p = p->outer)
		if (p->gate == gate)
			gone_locked(p);
}

/* Its turn will never come: the clock cannot say when. */
static void fail(struct creel__pass *pass)
{
	creel_future *f = pass->handed;
	int code = pass->code;
	const char *why = code == CREEL_EFAILED ? "the clock was dropped" : creel_code_name(code);
	static const char format[] = "the rate limit cannot tell when it may go: %s";
	if (f->executor)
		creel_task_reject((creel_task *)f, CREEL_KIND_BROKEN, code, format, why);
	else
		creel__permit_fail(pass, f,
				   creel__error_make(CREEL_KIND_BROKEN, code, NULL, format, why));
}

/* The executor beneath takes it no more. */
static void refuse(creel_executor *beneath, creel_task *task, int code)
{
	int kind = code == -ESHUTDOWN      ? CREEL_KIND_SHUT_DOWN
		   : code == CREEL_EFAILED ? CREEL_KIND_BROKEN
		   : code == -ENOEXEC      ? CREEL_KIND_NOT_TRANSFERABLE
					   : CREEL_KIND_REJECTED;
	const creel_error *broken = code == CREEL_EFAILED ? creel_executor_error(beneath) : NULL;
	creel_task_reject(task, kind, broken ? broken->code : code,
			  "the executor beneath did not take the task when it was its turn: %s",
			  broken ? broken->message : creel_code_name(code));
}

static void forward(struct creel__pass *pass, creel_task *task)
{
	int rc = creel_task_forward(task, pass->gate->beneath);
	if (rc == 0 || creel__fork_foreign(pass->gate->generation))
		return;
	/* Nobody will say that it has ended. */
	pass->stayed = true;
	if (rc != -ECANCELED)
		refuse(pass->gate->beneath, task, rc);
}

static void hand_over(void *arg)
{
	struct creel__pass *pass = arg;
	if (pass->code)
		fail(pass);
	else if (pass->handed->executor)
		forward(pass, (creel_task *)pass->handed);
	else
		creel__permit_grant(pass, pass->handed);
}

static void begin_pass_locked(struct creel__gate *gate, struct creel__pass *pass)
{
	*pass = (struct creel__pass){.gate = gate};
	creel__list_append(&gate->passes, &pass->at_gate);
	gate->users++;
}

/* Releases the lock. */
static void end_pass_locked(struct creel__pass *pass)
{
	struct creel__gate *gate = pass->gate;
	creel__list_remove(&pass->at_gate);
	gate->users--;
	rest_locked(gate);
	leave(gate);
}

/* Without the lock, before a step: functions of the user's do not lengthen it. */
static void hush(struct creel__pass *pass)
{
	if (!pass->gate->queues || pass->hushed)
		return;
	pass->hushed = true;
	creel__self()->hushed++;
	creel__destructors_enter();
}

/* Without the lock; the gate may be gone. Calls what has waited, unless there is an outer one that
 * it waits for. */
static void unhush(struct creel__pass *pass)
{
	if (!pass->hushed)
		return;
	pass->hushed = false;
	creel__self()->hushed--;
	creel__destructors_leave();
}

static void go_on_locked(struct creel__pass *pass);

/* A task that ran within the step has ended its thread, where the rest is done now. */
static void exited(void *arg)
{
	struct creel__pass *pass = arg;
	struct creel__local *local = creel__self();
	local->passes = pass->outer;
	/* creel__task_exited() has called what waited. */
	if (!local->hushed)
		pass->hushed = false;
	if (creel__fork_foreign(pass->gate->generation))
		return;
	creel__lock_acquire(&pass->gate->lock);
	handed_over_locked(pass);
	go_on_locked(pass);
}

/* Hands over, without the lock. */
static void step(struct creel__pass *pass)
{
	struct creel__local *local = creel__self();
	pass->outer = local->passes;
	local->passes = pass;
	creel__thread_guard(hand_over, exited, pass);
	local->passes = pass->outer;
}

/* With the lock, which it releases. */
static void go_on_locked(struct creel__pass *pass)
{
	struct creel__gate *gate = pass->gate;
	uint16_t generation = gate->generation;
	while (take_next_locked(pass)) {
		creel__lock_release(&gate->lock);
		hush(pass);
		step(pass);
		/* Something has forked, and this is the child. */
		if (creel__fork_foreign(generation)) {
			unhush(pass);
			return;
		}
		creel__lock_acquire(&gate->lock);
		handed_over_locked(pass);
	}
	end_pass_locked(pass);
	unhush(pass);
}

/* With the lock, which it releases: everything that may go does. */
static void pass_locked(struct creel__gate *gate)
{
	struct creel__pass pass;
	begin_pass_locked(gate, &pass);
	go_on_locked(&pass);
}

static bool on_time(struct creel__timer *timer, bool due)
{
	struct creel__gate *gate = creel__of(timer, struct creel__gate, timer);
	/* If not, the clock was dropped, and it can time nothing any more: next_locked() sees. */
	(void)due;
	creel__lock_acquire(&gate->lock);
	bool mine = gate->timer_set;
	gate->timer_set = false;
	gate->users--;
	pass_locked(gate);
	return mine;
}

void creel__gate_enter(struct creel__gate *gate, creel_task *task)
{
	creel__lock_acquire(&gate->lock);
	all_gone_locked(gate);
	creel__line_append(&gate->line, &task->future);
	pass_locked(gate);
}

bool creel__gate_enter_permit(struct creel__gate *gate, creel_future *permit)
{
	creel__lock_acquire(&gate->lock);
	if (gate->closed) {
		creel__lock_release(&gate->lock);
		return false;
	}
	all_gone_locked(gate);
	gate->users++;
	creel__line_append(&gate->line, permit);
	pass_locked(gate);
	return true;
}

void creel__gate_leave(struct creel__gate *gate, bool returns)
{
	creel__lock_acquire(&gate->lock);
	gate->users--;
	gate->room += returns;
	if (returns) {
		all_gone_locked(gate);
		pass_locked(gate);
	} else {
		leave(gate);
	}
}

/* What the innermost pass of this thread is handing over may end within that: it is that, then,
 * and the pass will look again. */
static bool ends_in_pass(const struct creel__gate *gate)
{
	struct creel__pass *p = creel__self()->passes;
	while (p && p->gate != gate)
		p = p->outer;
	if (!p || !p->handed || p->came_back)
		return false;
	p->came_back = true;
	return true;
}

void creel__gate_back(struct creel__gate *gate)
{
	if (!gate->counts)
		return;
	bool is_looked_at = ends_in_pass(gate);
	creel__lock_acquire(&gate->lock);
	all_gone_locked(gate);
	gate->room++;
	if (is_looked_at)
		creel__lock_release(&gate->lock);
	else
		pass_locked(gate);
}

/* Whether it has left the line. Whoever hands over a task that a canceller has waits for him: so a
 * pass has it in hand. (Or had, and this is another one in its block: that stays in the line, and
 * is found cancelled when its turn comes.) */
static bool is_handed_locked(struct creel__gate *gate, creel_future *f)
{
	if (!f->executor)
		return *creel__permit_handed(f);
	for (struct creel__list *i = gate->passes.next; i != &gate->passes; i = i->next)
		if (creel__of(i, struct creel__pass, at_gate)->handed == f)
			return true;
	return false;
}

bool creel__gate_withdraw(struct creel__gate *gate, creel_future *f)
{
	creel__lock_acquire(&gate->lock);
	bool waits = !is_handed_locked(gate, f);
	if (waits)
		creel__line_remove(&gate->line, f);
	rest_locked(gate);
	creel__lock_release(&gate->lock);
	return waits;
}

/* It is out of the line. */
static void cancel(void *arg)
{
	creel_future *f = ((struct creel__pass *)arg)->handed;
	if (f->executor) {
		/* That has been told to cancel what would run. */
		(void)creel_task_run((creel_task *)f);
	} else {
		(void)creel_future_cancel(f);
		creel_future_unref(f);
	}
}

static void cancel_rest_locked(struct creel__pass *pass);

/* What was cancelled has ended the thread. */
static void cancel_exited(void *arg)
{
	struct creel__pass *pass = arg;
	if (creel__fork_foreign(pass->gate->generation))
		return;
	creel__lock_acquire(&pass->gate->lock);
	cancel_rest_locked(pass);
}

/* With the lock, which it releases. */
static void cancel_rest_locked(struct creel__pass *pass)
{
	struct creel__gate *gate = pass->gate;
	uint16_t generation = gate->generation;
	while (gate->line.first) {
		take_first_locked(pass);
		creel__lock_release(&gate->lock);
		creel__thread_guard(cancel, cancel_exited, pass);
		if (creel__fork_foreign(generation))
			return;
		creel__lock_acquire(&gate->lock);
	}
	end_pass_locked(pass);
}

void creel__gate_close(struct creel__gate *gate, bool cancels)
{
	struct creel__pass pass;
	creel__lock_acquire(&gate->lock);
	gate->closed = true;
	begin_pass_locked(gate, &pass);
	if (cancels)
		cancel_rest_locked(&pass);
	else
		end_pass_locked(&pass);
}

void creel__gate_drop(struct creel__gate *gate)
{
	creel__lock_acquire(&gate->lock);
	gate->closed = true;
	gate->users--;
	rest_locked(gate);
	leave(gate);
}
