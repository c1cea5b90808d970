/* SPDX-License-Identifier: MIT */
/*
 * A worker is dead and its server has told, but the manager is still at what the worker had
 * finished: callbacks run, and other threads cancel. What the worker had not begun is pending.
 */
#include "procs.h"
#include "procs/pool.h"

#include <poll.h>

enum { DEEP = 4, AFTER_SLICE = 20 };

static void hold_manager(creel_future *f, void *arg)
{
	const struct pt_gated *hold = arg;
	(void)f;
	ct_count_add(hold->started, 1);
	ct_pass(hold->gate);
}

/* Submits one whose callback holds the manager up, and waits until it does. */
static void block_manager(creel_executor *ex, struct pt_gated *hold)
{
	struct pt_gated g = pt_gated(0);
	*hold = pt_gated(0);
	creel_future *f = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	ct_int(creel_future_on_done(f, NULL, hold_manager, hold, NULL, NULL), 0);
	ct_open(g.gate);
	ct_count_await(hold->started, 1);
	creel_future_unref(f);
}

static unsigned depth_of(struct creel__procs *p, unsigned worker)
{
	creel__lock_acquire(&p->lock);
	unsigned depth = p->procs[worker].depth;
	creel__lock_release(&p->lock);
	return depth;
}

/* Until so many tasks are sent to the only worker at a time: it brings several outcomes at once. */
static void deepen(creel_executor *ex)
{
	while (depth_of((struct creel__procs *)ex, 0) < DEEP) {
		struct ct_count *ran = ct_count_new();
		struct pt_gated hold;
		creel_future *f[2];
		block_manager(ex, &hold);
		for (unsigned i = 0; i < 2; i++)
			f[i] = ct_submit_count(ex, ran);
		ct_count_await(ran, 2);
		ct_open(hold.gate);
		for (unsigned i = 0; i < 2; i++)
			ct_int(ct_outcome(f[i]), 0);
		for (unsigned i = 0; i < 2; i++)
			creel_future_unref(f[i]);
	}
}

/* What the callback of a result from before the death does to a task that waited behind. */
struct look {
	creel_future *behind;
	bool cancel;
	int state, asked;
};

static void look_at(creel_future *f, void *arg)
{
	struct look *look = arg;
	(void)f;
	look->state = creel_future_state(look->behind);
	if (look->cancel)
		look->asked = creel_future_cancel(look->behind);
}

/* The manager hears of the death before it has collected what the worker finished: it was held up
 * for longer than one slice of outcomes, and the news is there when it goes on. */
static void die_untold(creel_executor *ex, const struct pt_gated *hold, pid_t pid)
{
	struct creel__procs *p = (struct creel__procs *)ex;
	int fd = pt_pidfd(pid);
	pt_kill(fd, SIGKILL);
	pt_await_gone(fd);
	struct pollfd news = {.fd = p->socket, .events = POLLIN};
	ct_int(poll(&news, 1, CT_GUARD_MS), 1);
	for (int64_t start = ct_now(); ct_now() - start < AFTER_SLICE * PT_MS;)
		ct_breathe();
	ct_open(hold->gate);
}

static void look_behind_a_death(bool cancel)
{
	creel_executor *ex = pt_pool(1);
	struct ct_count *ran = ct_count_new();
	struct look look = {.cancel = cancel};
	struct pt_gated hold, victim = pt_gated(1);
	deepen(ex);
	block_manager(ex, &hold);
	creel_future *before = creel_submit(ex, task_nothing, NULL, 0);
	creel_future *dies = pt_submit_gated(ex, &victim);
	look.behind = ct_submit_count(ex, ran);
	ct_int(creel_future_on_done(before, NULL, look_at, &look, NULL, NULL), 0);
	ct_count_await(victim.started, 1);
	die_untold(ex, &hold, victim.ids->pid);
	ct_int(ct_outcome(before), 0);
	pt_failure(dies, CREEL_KIND_WORKER_DIED);
	if (cancel)
		ct_int(ct_outcome(look.behind), -ECANCELED);
	else
		ct_int(ct_long(look.behind), 1);
	ct_int(look.state, CREEL_FUTURE_PENDING);
	ct_int(look.asked, cancel ? CREEL_CANCEL_NOW : 0);
	ct_int(ct_count_get(ran), !cancel);
	creel_future_unref(before);
	creel_future_unref(dies);
	creel_future_unref(look.behind);
	ct_close(ex);
}

CASE(gone, c02_c26_what_a_dead_worker_had_not_begun_is_cancelled_at_once)
{
	look_behind_a_death(true);
}

CASE(gone, c25_what_a_dead_worker_had_not_begun_is_pending_and_runs_elsewhere)
{
	look_behind_a_death(false);
}
