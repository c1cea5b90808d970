/* SPDX-License-Identifier: MIT */
/*
 * What a worker had not begun when it died is pending, also while its server has told of the death
 * and the manager is still at what the worker had finished. Tasks that lie about who has begun.
 */
#include "misdeeds.h"
#include "procs.h"
#include "procs/pool.h"

#include <poll.h>
#include <string.h>

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

static void deny(struct creel__slot *slot)
{
	uint64_t seq = atomic_load(&slot->state) >> 8;
	atomic_store(&slot->state, CREEL__SLOT(seq, CREEL__SLOT_READY));
}

/* As the words of a worker look that was stopped, or died, just before it began: it has said that
 * it begins, and no more. */
static int task_about_to_begin(creel_task *task, const void *arg, size_t size)
{
	const struct pt_gated *g = arg;
	struct misdeed_place place;
	(void)size;
	TASK(misdeed_find(task, &place));
	deny(place.slot);
	g->ids->pid = getpid();
	ct_count_add(g->started, 1);
	ct_pass(g->gate);
	return 0;
}

/* Somebody looks at it between the death and the end: it has begun, and that is no lie. */
CASE(gone, c25_c35_one_that_died_as_it_began_is_no_liar)
{
	creel_executor *ex = pt_pool(1);
	struct look look = {.cancel = false};
	struct pt_gated hold, victim = pt_gated(1);
	deepen(ex);
	block_manager(ex, &hold);
	creel_future *before = creel_submit(ex, task_nothing, NULL, 0);
	look.behind = creel_submit(ex, task_about_to_begin, &victim, sizeof victim);
	ct_int(creel_future_on_done(before, NULL, look_at, &look, NULL, NULL), 0);
	ct_count_await(victim.started, 1);
	die_untold(ex, &hold, victim.ids->pid);
	ct_int(ct_outcome(before), 0);
	const creel_error *e = pt_failure(look.behind, CREEL_KIND_WORKER_DIED);
	ct_has(e->message, "not by the pool");
	ct_int(look.state, CREEL_FUTURE_RUNNING);
	creel_future_unref(before);
	creel_future_unref(look.behind);
	pt_works(ex);
	ct_close(ex);
}

/* Says of all that its worker has that none has begun, and dies. */
static int task_denies_all(creel_task *task, const void *arg, size_t size)
{
	struct ct_count *denied;
	struct misdeed_place place;
	memcpy(&denied, arg, size);
	TASK(misdeed_find(task, &place));
	atomic_store(&place.slot->began, 0);
	for (unsigned i = 0; i < CREEL__DEPTH; i++)
		deny(&place.control->slots[i]);
	ct_count_add(denied, 1);
	if (ct_count_get(denied) == 1)
		pause();
	return 0;
}

/* Those were DONE, and not collected. They cannot be delivered any more, but do not run again. */
CASE(gone, c25_c35_what_ended_before_one_that_denies_it_does_not_run_again)
{
	enum { N = 2 };
	creel_executor *ex = pt_pool(1);
	struct ct_count *ran = ct_count_new(), *denied = ct_count_new();
	struct pt_gated hold;
	creel_future *f[N];
	pid_t pid = pt_ids(ex).pid;
	deepen(ex);
	ct_int(pt_ids(ex).pid, pid);
	block_manager(ex, &hold);
	for (unsigned i = 0; i < N; i++)
		f[i] = ct_submit_count(ex, ran);
	creel_future *liar = creel_submit(ex, task_denies_all, &denied, sizeof denied);
	ct_count_await(denied, 1);
	die_untold(ex, &hold, pid);
	for (unsigned i = 0; i < N; i++)
		ct_int(ct_outcome(f[i]), CREEL_EFAILED);
	/* It goes again, since it denies that it began. */
	ct_count_await(denied, 2);
	ct_int(ct_outcome(liar), CREEL_EFAILED);
	ct_int(ct_count_get(ran), N);
	for (unsigned i = 0; i < N; i++)
		creel_future_unref(f[i]);
	creel_future_unref(liar);
	pt_works(ex);
	ct_close(ex);
}

struct forgery {
	struct ct_count *gate, *told, *end;
	pid_t *pid;
};

/* Says of those behind it that they are done, and of itself that it has not begun. */
static int task_forges(creel_task *task, const void *arg, size_t size)
{
	const struct forgery *forgery = arg;
	struct misdeed_place place;
	(void)size;
	TASK(misdeed_find(task, &place));
	*forgery->pid = getpid();
	ct_pass(forgery->gate);
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		struct creel__slot *slot = &place.control->slots[i];
		uint64_t state = atomic_load(&slot->state);
		if (slot != place.slot)
			atomic_store(&slot->state, CREEL__SLOT(state >> 8, CREEL__SLOT_DONE));
	}
	atomic_store(&place.slot->began, 0);
	deny(place.slot);
	ct_open(forgery->told);
	ct_pass(forgery->end);
	raise(SIGKILL);
	return 0;
}

static void forge(bool stop)
{
	creel_executor *ex = pt_pool(1);
	struct forgery forgery = {ct_count_new(), ct_count_new(), ct_count_new(),
				  ct_shared(sizeof(pid_t))};
	struct ct_count *ran = ct_count_new();
	creel_future *f = creel_submit(ex, task_forges, &forgery, sizeof forgery);
	ct_until(*(volatile pid_t *)forgery.pid);
	creel_future *behind = ct_submit_count(ex, ran);
	ct_open(forgery.gate);
	ct_pass(forgery.told);
	if (stop)
		(void)kill(*forgery.pid, SIGSTOP);
	else
		(void)creel_future_cancel(f);
	ct_open(forgery.end);
	ct_int(ct_long_drop(behind), 1);
	ct_int(ct_count_get(ran), 1);
	(void)ct_outcome(f);
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
}

/* It is not taken back, which would make the forgery the outcome of the next one. */
CASE(gone, c35_one_that_forges_the_outcome_of_the_next_is_not_believed)
{
	forge(false);
	forge(true);
}

struct lie {
	struct ct_count *ran, *gate;
	bool done;
};

/* Says that it is done, or that it has not begun, and goes on until the gate opens. */
static int task_lies(creel_task *task, const void *arg, size_t size)
{
	struct lie lie;
	struct misdeed_place place;
	memcpy(&lie, arg, size);
	TASK(misdeed_find(task, &place));
	uint64_t seq = atomic_load(&place.slot->state) >> 8;
	atomic_store(&place.slot->began, 0);
	atomic_store(&place.slot->state,
		     CREEL__SLOT(seq, lie.done ? CREEL__SLOT_DONE : CREEL__SLOT_READY));
	ct_count_add(lie.ran, 1);
	ct_pass(lie.gate);
	return 0;
}

/* Says that it is to be killed, which nobody asked for. */
static int task_says_killed(creel_task *task, const void *arg, size_t size)
{
	struct misdeed_place place;
	(void)arg;
	(void)size;
	TASK(misdeed_find(task, &place));
	uint64_t seq = atomic_load(&place.slot->state) >> 8;
	atomic_store(&place.slot->state, CREEL__SLOT(seq, CREEL__SLOT_KILL));
	return 0;
}

/* Its worker waits for a death that is not on its way, until the manager looks. */
CASE(gone, c35_one_that_says_that_it_is_killed_is)
{
	creel_executor *ex = pt_pool(1);
	pt_works(ex);
	creel_future *f = creel_submit(ex, task_says_killed, NULL, 0);
	const creel_error *e = pt_failure(f, CREEL_KIND_WORKER_DIED);
	ct_has(e->message, "nonsense");
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
}

/* It is believed, and the next one sent into its slot. When it returns its worker ends. */
CASE(gone, c35_the_next_in_the_slot_of_one_that_lied_runs_elsewhere)
{
	creel_executor *ex = pt_pool(1);
	struct lie lie = {ct_count_new(), ct_count_new(), true};
	struct ct_count *ran = ct_count_new();
	creel_future *liar = creel_submit(ex, task_lies, &lie, sizeof lie);
	ct_count_await(lie.ran, 1);
	/* Nobody rings for it: whatever wakes the manager. */
	ct_until(creel_executor_resize(ex, 1) == 0 &&
		 creel_future_state(liar) >= CREEL_FUTURE_FINISHED);
	creel_future *next = ct_submit_count(ex, ran);
	ct_open(lie.gate);
	ct_int(ct_long_drop(next), 1);
	creel_future_unref(liar);
	pt_works(ex);
	ct_close(ex);
}

/* It runs, and says that it does not; what another worker takes over is what waits behind it. */
CASE(gone, c26_c35_one_that_denies_that_it_runs_is_not_taken_back)
{
	creel_executor *ex = pt_pool(2);
	struct lie lie = {ct_count_new(), ct_count_new(), false};
	struct pt_gated g = pt_gated(1);
	creel_future *first = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	creel_future *liar = creel_submit(ex, task_lies, &lie, sizeof lie);
	ct_count_await(lie.ran, 1);
	struct ct_count *ran = ct_count_new();
	creel_future *behind[2] = {ct_submit_count(ex, ran), ct_submit_count(ex, ran)};
	ct_open(g.gate);
	for (unsigned i = 0; i < 2; i++)
		ct_assert(ct_long_drop(behind[i]) > 0);
	ct_int(ct_long_drop(first), 1);
	ct_int(ct_count_get(lie.ran), 1);
	ct_open(lie.gate);
	ct_int(ct_outcome(liar), CREEL_EFAILED);
	creel_future_unref(liar);
	ct_int(ct_count_get(lie.ran), 1);
	ct_close(ex);
}
